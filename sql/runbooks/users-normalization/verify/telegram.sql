-- The two joins of the guide, old and new, over all users whose Telegram nobody has changed since 003: messages sent and
-- received by each. And the bot's way from an id to a user.
WITH step AS (
  SELECT age(xmin) FROM pg_policy WHERE polname = 'Kept for the way back'
), untouched AS (
  SELECT o.id, nullif(o.telegram_id, '') AS telegram_id, o.created_at FROM dev.users_old AS o
  WHERE NOT EXISTS (SELECT FROM dev.user_integrations AS ui, step WHERE ui.user_id = o.id AND age(ui.xmin) < step.age)
), was AS (
  SELECT u.id, tm.id AS message FROM dev.telegram_messages AS tm JOIN untouched AS u ON tm.sender_id = u.telegram_id
  UNION ALL
  SELECT u.id, tm.id FROM dev.telegram_messages AS tm JOIN untouched AS u ON tm.recipient_id = u.telegram_id
), is_now AS (
  SELECT u.id, tm.id AS message FROM dev.telegram_messages AS tm
  JOIN dev.user_integrations AS ui ON tm.sender_id = ui.external_user_id
  JOIN untouched AS u ON u.id = ui.user_id WHERE ui.service_id = 'telegram' AND ui.is_active
  UNION ALL
  SELECT u.id, tm.id FROM dev.telegram_messages AS tm
  JOIN dev.user_integrations AS ui ON tm.recipient_id = ui.external_user_id
  JOIN untouched AS u ON u.id = ui.user_id WHERE ui.service_id = 'telegram' AND ui.is_active
)
SELECT
  (SELECT count(*) FROM ((SELECT * FROM was EXCEPT ALL SELECT * FROM is_now)
    UNION ALL (SELECT * FROM is_now EXCEPT ALL SELECT * FROM was)) AS d) AS messages,
  (SELECT count(*) FROM untouched AS u WHERE u.telegram_id IS DISTINCT FROM dev.get_telegram_id(u.id)) AS ids,
  (SELECT count(*) FROM (
      SELECT DISTINCT ON (telegram_id) telegram_id, id FROM dev.users_old WHERE telegram_id <> '' ORDER BY telegram_id, created_at, id) AS first
    WHERE first.id IS DISTINCT FROM dev.find_user_by_telegram(first.telegram_id)
      AND NOT EXISTS (SELECT FROM dev.user_integrations AS ui, step WHERE ui.service_id = 'telegram'
        AND (ui.user_id = first.id OR ui.external_user_id = first.telegram_id) AND age(ui.xmin) < step.age)) AS bot
