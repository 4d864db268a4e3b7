-- Every session but this one. The query comes as bytes: another database's text need not be valid in our encoding.
SELECT
    a.pid,
    a.leader_pid,
    a.datid,
    a.backend_start,
    a.usename,
    a.datname,
    a.application_name,
    coalesce(a.client_hostname, host(a.client_addr)) AS client,
    a.state,
    a.wait_event_type,
    a.wait_event,
    extract(epoch FROM statement_timestamp() - a.xact_start)::float8 AS transaction_seconds,
    extract(epoch FROM statement_timestamp() - a.state_change)::float8 AS state_seconds,
    a.backend_xid::text::bigint AS backend_xid,
    a.backend_type,
    substring(textsend(a.query) FROM 1 FOR 2000) AS query
FROM pg_stat_activity a
WHERE a.pid <> pg_backend_pid()
