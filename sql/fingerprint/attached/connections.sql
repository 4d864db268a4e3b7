SELECT
    'pg_subscription ' || s.oid AS address,
    encode(sha256(convert_to(s.subconninfo, 'UTF8')), 'hex') AS "hash of connection"
FROM pg_subscription s
