-- Users whom nobody has changed since 003 (see counts.sql) and whose profile is not what it was. Of the address only an
-- empty one or one that belongs to an older account may have gone.
SELECT o.id, to_jsonb(u) AS now
FROM dev.users_old AS o
JOIN dev.users AS u ON u.id = o.id
LEFT JOIN dev.users_duplicate_emails AS d ON d.user_id = o.id
CROSS JOIN (SELECT age(xmin) FROM pg_policy WHERE polname = 'Kept for the way back') AS step
WHERE age(u.xmin) >= step.age
  AND ((o.created_at, o.display_name, o.position, o.role, o.phone_number, o.time_zone)
      IS DISTINCT FROM (u.created_at, u.display_name, u.position, u.role, u.phone_number, u.time_zone)
    OR nullif(o.email, '') IS DISTINCT FROM coalesce(u.email, d.email))
