INSERT INTO lockstep.act (
    run, runbook, step, direction, script, statement, begun, rows, after,
    sha256, meaning, runbook_sha256, runbook_meaning, operator, client, seconds, note
)
VALUES (
    %(run)s, %(runbook)s, %(step)s, %(direction)s, %(script)s, %(statement)s, %(begun)s, %(rows)s, %(after)s::text[],
    %(sha256)s, %(meaning)s, %(runbook_sha256)s, %(runbook_meaning)s, %(operator)s, %(client)s, %(seconds)s, %(note)s
)
