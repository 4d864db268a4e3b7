-- Takes 006 back: no integrations, billing and notifications. CASCADE is not needed, and would take along what nobody looked at.
BEGIN;

-- Dropping a foreign key locks the table that it refers to as well. All at once and first, in the order in which the
-- application locks: what refers before what is referred to.
LOCK TABLE public.integrations, public.billing_events, public.notification_preferences, public.stripe_customers,
  public.users, public.workspaces IN ACCESS EXCLUSIVE MODE;

\ir ../lib/keep.sql
SELECT pg_temp.keep('integrations');
SELECT pg_temp.keep('billing_events');
SELECT pg_temp.keep('notification_preferences');
SELECT pg_temp.keep('stripe_customers');
DROP FUNCTION pg_temp.keep(text);

DROP TABLE public.stripe_customers;
DROP TABLE public.notification_preferences;
DROP TABLE public.billing_events;
DROP TABLE public.integrations;

DO $recorded$
BEGIN
  IF to_regclass('supabase_migrations.schema_migrations') IS NOT NULL THEN
    DELETE FROM supabase_migrations.schema_migrations WHERE version = '20260101000006';
  END IF;
END
$recorded$;
NOTIFY pgrst, 'reload schema';

COMMIT;
