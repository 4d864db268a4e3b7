-- Names that the steps are about to give. What an earlier way back has put aside is expected: the next attempt takes it up.
SELECT 'relation' AS kind, relname AS name FROM pg_class
WHERE relnamespace = 'dev'::regnamespace AND (relname LIKE 'users\_old%' OR relname LIKE 'services%' OR relname LIKE 'user\_integrations%'
    OR relname LIKE 'users\_duplicate\_emails%' OR relname = 'users_email_key')
  AND relname NOT IN ('services_kept', 'user_integrations_kept')
UNION ALL
SELECT 'function', oid::regprocedure::text FROM pg_proc
WHERE pronamespace = 'dev'::regnamespace AND proname IN (
  'get_user_integrations', 'get_telegram_id', 'user_has_service', 'get_user_with_integrations', 'get_valid_token', 'get_gmail_token',
  'get_calendar_token', 'get_telegram_token', 'get_signal_token', 'has_valid_token', 'link_service_to_user', 'link_gmail_to_user',
  'link_calendar_to_user', 'link_telegram_to_user', 'link_whatsapp_to_user', 'link_signal_to_user', 'bulk_link_services_to_user',
  'unlink_service_from_user', 'unlink_gmail_from_user', 'unlink_calendar_from_user', 'unlink_telegram_from_user',
  'unlink_whatsapp_from_user', 'unlink_signal_from_user', 'bulk_unlink_services_from_user', 'get_user_integration_stats',
  'find_incomplete_integrations', 'cleanup_orphaned_integrations', 'touch_user_integration', 'users_old_expiry', 'users_old_scopes')
