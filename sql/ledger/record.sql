INSERT INTO lockstep.act (run, runbook, step, direction, script, statement, sha256, operator, client, seconds)
VALUES (
    %(run)s, %(runbook)s, %(step)s, %(direction)s, %(script)s, %(statement)s, %(sha256)s, %(operator)s, %(client)s,
    %(seconds)s
)
