SELECT
    pid,
    backend_start::text,
    coalesce(usename, '') AS "user",
    coalesce(datname, '') AS database,
    coalesce(application_name, '') AS application_name,
    coalesce(host(client_addr), CASE WHEN client_port = -1 THEN 'local' ELSE '' END) AS client,
    coalesce(state, '') AS state,
    extract(epoch FROM clock_timestamp() - xact_start) AS transaction_seconds,
    extract(epoch FROM clock_timestamp() - state_change) AS state_seconds,
    backend_xid IS NOT NULL AS has_written,
    left(coalesce(query, ''), 2000) AS query,
    coalesce(usesysid = ANY (SELECT oid FROM pg_roles WHERE rolsuper), false) AS superuser,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
        OR pg_has_role(current_user, 'pg_signal_backend', 'MEMBER')
        OR coalesce(pg_has_role(current_user, usesysid, 'MEMBER'), false) AS may_signal,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS we_are_superuser
FROM pg_stat_activity
WHERE pid = %(pid)s
