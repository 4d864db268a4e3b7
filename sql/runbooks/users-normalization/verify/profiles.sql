-- Everybody's profile but the address, as one sum; dev.users is there before and after. Rows from before October 2025.
SELECT count(*) AS users, sum(('x' || left(md5(concat_ws(E'\t', id, created_at AT TIME ZONE 'UTC', coalesce(display_name, '-'),
  coalesce(position, '-'), coalesce(role, '-'), coalesce(phone_number, '-'), coalesce(time_zone, '-'))), 8))::bit(32)::bigint) AS sum
FROM dev.users
WHERE created_at < '2025-10-01'
