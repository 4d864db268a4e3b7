-- The newest of this run (a first step that was tried again had its database looked at again), and before it the oldest
-- of another run in these 24 hours from which on no way back was found to have led back: a second try must not hide what
-- a first one lost.
WITH kept AS (
    SELECT * FROM lockstep.fingerprint WHERE runbook = %(runbook)s
),
restored AS (
    SELECT max(k.id) AS id
    FROM kept AS k
    JOIN lockstep.event AS e ON e.run = k.run
    WHERE e.event ->> 'kind' = 'fingerprint_compared'
      AND e.event ->> 'error' = '' AND (e.event -> 'differences')::text = '[]' AND (e.event -> 'earlier')::text = '[]'
)
SELECT to_char(k.taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') AS taken_at, k.run, k.body
FROM kept AS k
WHERE k.id = (SELECT max(id) FROM kept WHERE run = %(run)s)
   OR k.id = (
       SELECT min(id) FROM kept
       WHERE run <> %(run)s AND id > coalesce((SELECT id FROM restored), 0) AND taken_at > now() - interval '24 hours'
   )
ORDER BY k.id
