-- The credentials of each service, as a count and one sum, in the old form or in the new one. The question is put together
-- when it is asked, because the columns and the table are not there at the same time; ts_stat runs a text as a query.
-- Users from before October 2025, see rows.sql.
SELECT word AS credentials
FROM ts_stat(format($$
  SELECT array_to_tsvector(ARRAY[format('%%s: %%s, sum %%s', service, count(*), sum(('x' || left(md5(concat_ws(E'\t', id, coalesce(a, '-'),
    coalesce(b, '-'), coalesce(c, '-'), coalesce(d, '-'), coalesce(e, '-'))), 8))::bit(32)::bigint))])
  FROM (%s) AS t
  WHERE concat(a, b, c, d, e) <> ''
  GROUP BY service $$,
  CASE WHEN to_regclass('dev.users_old') IS NULL AND EXISTS (
    SELECT FROM pg_attribute WHERE attrelid = 'dev.users'::regclass AND attname = 'access_token' AND NOT attisdropped)
  THEN $$
    SELECT 'gmail' AS service, id, nullif(access_token, '') AS a, nullif(refresh_token, '') AS b, nullif(client_id, '') AS c,
      nullif(client_secret, '') AS d, nullif(auth_code, '') AS e FROM dev.users WHERE created_at < '2025-10-01'
    UNION ALL SELECT 'google_calendar', id, nullif(access_token_2, ''), nullif(refresh_token_2, ''), nullif(client_id_2, ''),
      nullif(client_secret_2, ''), nullif(auth_code_2, '') FROM dev.users WHERE created_at < '2025-10-01'
    UNION ALL SELECT 'telegram', id, nullif(telegram_id, ''), nullif(telegram_username, ''), nullif(telegram_chat_id, ''),
      nullif(telegram_signup_token, ''), NULL FROM dev.users WHERE created_at < '2025-10-01'
    UNION ALL SELECT 'signal', id, nullif(signal_source_uuid, ''), nullif(signal_number, ''), signal_device::text, NULL, NULL
      FROM dev.users WHERE created_at < '2025-10-01' $$
  ELSE $$
    SELECT ui.service_id AS service, u.id,
      CASE WHEN ui.service_id IN ('gmail', 'google_calendar') THEN ui.access_token ELSE ui.external_user_id END AS a,
      CASE WHEN ui.service_id IN ('gmail', 'google_calendar') THEN ui.refresh_token ELSE ui.external_username END AS b,
      CASE WHEN ui.service_id IN ('gmail', 'google_calendar') THEN ui.client_id
        ELSE coalesce(ui.credentials ->> 'chat_id', ui.metadata ->> 'device') END AS c,
      coalesce(ui.client_secret, ui.credentials ->> 'signup_token') AS d, ui.auth_code AS e
    FROM dev.user_integrations AS ui JOIN dev.users AS u ON u.id = ui.user_id
    WHERE u.created_at < '2025-10-01' AND ui.service_id <> 'whatsapp' $$ END))
ORDER BY 1
