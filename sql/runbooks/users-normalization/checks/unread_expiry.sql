-- How many dates of expiry are no date. They count as expired, as they do today; the text is kept in metadata.
SELECT count(*) FILTER (WHERE was !~ '^\s*\d{4}-\d\d-\d\d([T ]|\s*$)') AS no_date
FROM (
  SELECT token_expiration_date AS was FROM dev.users WHERE token_expiration_date <> ''
  UNION ALL SELECT token_expiration_date_2 FROM dev.users WHERE token_expiration_date_2 <> ''
) AS t
