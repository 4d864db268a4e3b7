-- 002: the helper functions, for the new application to call once 003 has filled the tables. No lock but on names.
-- Their parameters are named as the guide documents them, so they can be called by name as well. All run as the caller,
-- under the caller's grants and row security, and none trusts the caller's search_path.
BEGIN;

\ir functions/basic.sql
\ir functions/tokens.sql
\ir functions/linking.sql
\ir functions/unlinking.sql
\ir functions/administration.sql

-- Everybody may call a function unless told otherwise, and default privileges may name others. Members may ask what they have connected; whatever hands out or
-- takes credentials is the backend's.
DO $grants$
DECLARE
  helper regprocedure;
  grantee text;
BEGIN
  FOR helper IN
    SELECT p.oid::regprocedure FROM pg_proc AS p
    WHERE p.pronamespace = 'dev'::regnamespace AND p.proname IN (
      'get_user_integrations', 'get_telegram_id', 'user_has_service',
      'get_user_with_integrations', 'get_valid_token', 'get_gmail_token', 'get_calendar_token', 'get_telegram_token',
      'get_signal_token', 'has_valid_token',
      'link_service_to_user', 'link_gmail_to_user', 'link_calendar_to_user', 'link_telegram_to_user', 'link_whatsapp_to_user',
      'link_signal_to_user', 'bulk_link_services_to_user',
      'unlink_service_from_user', 'unlink_gmail_from_user', 'unlink_calendar_from_user', 'unlink_telegram_from_user',
      'unlink_whatsapp_from_user', 'unlink_signal_from_user', 'bulk_unlink_services_from_user',
      'get_user_integration_stats', 'find_incomplete_integrations', 'cleanup_orphaned_integrations')
    ORDER BY p.proname
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', helper);
    FOR grantee IN
      SELECT DISTINCT quote_ident(pg_get_userbyid(a.grantee))
      FROM pg_proc AS p CROSS JOIN LATERAL aclexplode(p.proacl) AS a
      WHERE p.oid = helper AND a.grantee <> p.proowner
    LOOP
      EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %s', helper, grantee);
    END LOOP;
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO dev_backend', helper);
  END LOOP;
END
$grants$;
GRANT EXECUTE ON FUNCTION dev.get_user_integrations(text), dev.get_telegram_id(text), dev.user_has_service(text, text) TO dev_member;

COMMIT;
