-- Accounts whose address the CHECK of users would refuse: they could not be taken into a workspace with it. Accounts
-- without an address, made by telephone or anonymous, are no matter: users.email may be null.
SELECT count(*) FROM auth.users
WHERE email IS NOT NULL AND NOT (email ~ '^[^@[:space:]]+@[^@[:space:].]+(\.[^@[:space:].]+)+$' AND char_length(email) <= 320)
