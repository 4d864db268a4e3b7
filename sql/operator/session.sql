-- A session, a parallel worker's leader in its place. What the server hides from our role is null.
SELECT
    a.pid,
    extract(epoch FROM a.backend_start) AS backend_start,
    extract(epoch FROM a.query_start) AS query_start,
    coalesce(a.usename, '') AS "user",
    coalesce(a.datname, '') AS database,
    coalesce(a.application_name, '') AS application_name,
    coalesce(host(a.client_addr), CASE WHEN a.client_port = -1 THEN 'local' ELSE '' END) AS client,
    coalesce(a.backend_type, '') AS backend_type,
    coalesce(a.state, '') AS state,
    extract(epoch FROM clock_timestamp() - a.xact_start) AS transaction_seconds,
    extract(epoch FROM clock_timestamp() - a.state_change) AS state_seconds,
    a.backend_xid,
    -- Another database's text need not be valid in our encoding.
    encode(substring(textsend(a.query) FROM 1 FOR 2000), 'hex') AS query,
    a.usesysid IS NULL AS nobodys,
    coalesce(a.usesysid = ANY (SELECT oid FROM pg_roles WHERE rolsuper), false) AS superuser,
    pg_has_role(current_user, 'pg_signal_backend', 'USAGE')
        OR coalesce(pg_has_role(current_user, a.usesysid, 'USAGE'), false) AS may_signal,
    EXISTS (
        SELECT FROM pg_roles
        WHERE rolname = 'pg_signal_autovacuum_worker' AND pg_has_role(current_user, oid, 'USAGE')
    ) AS may_signal_autovacuum,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS we_are_superuser
FROM pg_stat_activity AS a
WHERE a.pid = (
    SELECT coalesce(CASE WHEN w.backend_type = 'parallel worker' THEN w.leader_pid END, w.pid)
    FROM pg_stat_activity AS w
    WHERE w.pid = %(pid)s
)
