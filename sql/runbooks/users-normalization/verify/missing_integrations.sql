-- The guide's query, with Google Calendar, which it forgets, and NOT EXISTS: with one null among the users, NOT IN finds
-- nothing at all.
SELECT u.id, 'Missing Gmail' AS problem
FROM dev.users_old AS u
WHERE u.access_token IS NOT NULL
  AND NOT EXISTS (SELECT FROM dev.user_integrations AS ui WHERE ui.user_id = u.id AND ui.service_id = 'gmail')
UNION ALL
SELECT u.id, 'Missing Google Calendar'
FROM dev.users_old AS u
WHERE u.access_token_2 IS NOT NULL
  AND NOT EXISTS (SELECT FROM dev.user_integrations AS ui WHERE ui.user_id = u.id AND ui.service_id = 'google_calendar')
UNION ALL
SELECT u.id, 'Missing Telegram'
FROM dev.users_old AS u
WHERE u.telegram_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM dev.user_integrations AS ui WHERE ui.user_id = u.id AND ui.service_id = 'telegram')
UNION ALL
SELECT u.id, 'Missing Telegram sign-up'
FROM dev.users_old AS u
WHERE u.telegram_signup_token IS NOT NULL
  AND NOT EXISTS (SELECT FROM dev.user_integrations AS ui WHERE ui.user_id = u.id AND ui.service_id = 'telegram')
UNION ALL
SELECT u.id, 'Missing Signal'
FROM dev.users_old AS u
WHERE u.signal_source_uuid IS NOT NULL
  AND NOT EXISTS (SELECT FROM dev.user_integrations AS ui WHERE ui.user_id = u.id AND ui.service_id = 'signal')
