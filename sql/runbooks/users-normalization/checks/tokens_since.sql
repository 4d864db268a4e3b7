-- Integrations that the new application has written: younger than the policy that ends 003.
SELECT count(*)
FROM dev.user_integrations AS ui
WHERE age(ui.xmin) < (SELECT age(xmin) FROM pg_policy WHERE polname = 'Kept for the way back')
