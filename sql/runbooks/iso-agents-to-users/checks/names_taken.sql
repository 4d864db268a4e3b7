-- Names that the steps are about to give.
SELECT 'relation' AS kind, relname AS name FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relname IN (
  'users', 'users_pkey', 'users_clerk_user_id_key', 'users_email_key', 'users_member_no_seq', 'idx_users_clerk_user_id',
  'idx_users_email', 'idx_users_role', 'idx_users_active_operators', 'idx_users_last_login_at', 'idx_client_profiles_user_id',
  'idx_requests_user_id', 'idx_requests_user_id_created_at')
UNION ALL
SELECT 'type', typname FROM pg_type
WHERE typnamespace = 'public'::regnamespace AND typname IN ('users', 'user_role_new', 'user_role_old')
UNION ALL
SELECT 'column', attrelid::regclass || '.' || attname FROM pg_attribute
WHERE NOT attisdropped AND (
  (attname = 'user_id' AND attrelid IN (to_regclass('public.client_profiles'), to_regclass('public.requests')))
  OR (attrelid = to_regclass('public.iso_agents')
      AND attname IN ('avatar_url', 'phone', 'timezone', 'preferences', 'last_login_at')))
UNION ALL
SELECT 'function', proname FROM pg_proc
WHERE pronamespace = 'public'::regnamespace
  AND proname IN ('get_current_user_id', 'get_current_user_role', 'is_sales_rep', 'is_customer', 'set_user_role')
