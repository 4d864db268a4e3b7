SELECT DISTINCT ON (step)
    step,
    direction,
    script,
    statement,
    begun,
    rows,
    to_json(after) AS after,
    to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') AS recorded_at,
    operator,
    seconds,
    sha256,
    meaning,
    runbook_sha256,
    runbook_meaning
FROM lockstep.act
WHERE runbook = %(runbook)s
ORDER BY step, id DESC
