-- Which client and which request belongs to whom, as one sum for each table, under the column's old and new name. Rows
-- from before the night of the guide. See roles.sql for ts_stat.
SELECT c.relname::text AS name, answer.word AS owners
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname IN ('iso_agent_id', 'user_id') AND NOT a.attisdropped
CROSS JOIN LATERAL ts_stat(format($$
  SELECT array_to_tsvector(ARRAY[format('%%s rows, sum %%s', count(*), sum(('x' || left(md5(id::text || %I::text), 8))::bit(32)::bigint))])
  FROM public.%I WHERE created_at < '2025-10-25' $$, a.attname, c.relname)) AS answer
WHERE c.oid IN (to_regclass('public.client_profiles'), to_regclass('public.requests'))
ORDER BY 1
