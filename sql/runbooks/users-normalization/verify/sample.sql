SELECT u.email, s.name AS service, ui.external_user_id, ui.is_active
FROM dev.user_integrations AS ui
JOIN dev.users AS u ON ui.user_id = u.id
JOIN dev.services AS s ON ui.service_id = s.id
ORDER BY u.created_at, s.name
LIMIT 10
