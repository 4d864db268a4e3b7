-- 006: integrations, billing, notifications; and the proof that no workspace sees another.
BEGIN;

\ir ../lib/put_back.sql

CREATE TABLE public.integrations (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id uuid NOT NULL DEFAULT public.get_user_workspace_id()
    CONSTRAINT integrations_workspace_id_fkey REFERENCES public.workspaces (id) ON DELETE CASCADE,
  provider text NOT NULL CONSTRAINT integrations_provider_not_empty CHECK (provider ~ '[^[:space:]]'),
  name text NOT NULL CONSTRAINT integrations_name_not_empty CHECK (name ~ '[^[:space:]]'),
  is_active boolean NOT NULL DEFAULT true,
  config jsonb NOT NULL DEFAULT '{}' CONSTRAINT integrations_config_object CHECK (jsonb_typeof(config) = 'object'),
  credentials jsonb CONSTRAINT integrations_credentials_object CHECK (jsonb_typeof(credentials) = 'object'),
  last_used_at timestamptz,
  last_error text,
  created_by uuid DEFAULT public.get_user_id() CONSTRAINT integrations_created_by_fkey REFERENCES public.users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.integrations IS 'Where a workspace has its leads delivered';
COMMENT ON COLUMN public.integrations.config IS 'Settings that the workspace may read';
COMMENT ON COLUMN public.integrations.credentials IS 'Tokens and keys: for the server alone, not granted to anybody with a token';

CREATE TABLE public.billing_events (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id uuid NOT NULL DEFAULT public.get_user_workspace_id()
    CONSTRAINT billing_events_workspace_id_fkey REFERENCES public.workspaces (id) ON DELETE CASCADE,
  event_type text NOT NULL CONSTRAINT billing_events_event_type_not_empty CHECK (event_type ~ '[^[:space:]]'),
  -- Stripe delivers an event more than once.
  stripe_event_id text NOT NULL CONSTRAINT billing_events_stripe_event_id_key UNIQUE
    CONSTRAINT billing_events_stripe_event_id_not_empty CHECK (stripe_event_id ~ '[^[:space:]]'),
  amount_cents bigint CONSTRAINT billing_events_amount_cents_positive CHECK (amount_cents >= 0),
  currency text CONSTRAINT billing_events_currency_format CHECK (currency ~ '^[a-z]{3}$'),
  payload jsonb NOT NULL DEFAULT '{}' CONSTRAINT billing_events_payload_object CHECK (jsonb_typeof(payload) = 'object'),
  created_by uuid DEFAULT public.get_user_id() CONSTRAINT billing_events_created_by_fkey REFERENCES public.users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.billing_events IS 'What Stripe told of a workspace';
COMMENT ON COLUMN public.billing_events.payload IS 'The event as it came: for the server alone, not granted to anybody with a token';

CREATE TABLE public.notification_preferences (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id uuid NOT NULL DEFAULT public.get_user_workspace_id()
    CONSTRAINT notification_preferences_workspace_id_fkey REFERENCES public.workspaces (id) ON DELETE CASCADE,
  user_id uuid NOT NULL DEFAULT public.get_user_id() CONSTRAINT notification_preferences_user_id_key UNIQUE,
  email_new_leads boolean NOT NULL DEFAULT true,
  email_weekly_report boolean NOT NULL DEFAULT true,
  email_billing boolean NOT NULL DEFAULT true,
  push_new_leads boolean NOT NULL DEFAULT false,
  created_by uuid DEFAULT public.get_user_id()
    CONSTRAINT notification_preferences_created_by_fkey REFERENCES public.users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT notification_preferences_user_id_fkey FOREIGN KEY (workspace_id, user_id)
    REFERENCES public.users (workspace_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE public.notification_preferences IS 'What somebody wants to be told of; who has no row has the defaults';

CREATE TABLE public.stripe_customers (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id uuid NOT NULL DEFAULT public.get_user_workspace_id() CONSTRAINT stripe_customers_workspace_id_key UNIQUE
    CONSTRAINT stripe_customers_workspace_id_fkey REFERENCES public.workspaces (id) ON DELETE CASCADE,
  stripe_customer_id text NOT NULL CONSTRAINT stripe_customers_stripe_customer_id_key UNIQUE
    CONSTRAINT stripe_customers_stripe_customer_id_not_empty CHECK (stripe_customer_id ~ '[^[:space:]]'),
  stripe_subscription_id text CONSTRAINT stripe_customers_stripe_subscription_id_key UNIQUE,
  subscription_status text,
  current_period_end timestamptz,
  created_by uuid DEFAULT public.get_user_id()
    CONSTRAINT stripe_customers_created_by_fkey REFERENCES public.users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.stripe_customers IS 'The customer at Stripe that pays for a workspace';

SELECT pg_temp.put_back('integrations');
SELECT pg_temp.put_back('billing_events');
SELECT pg_temp.put_back('notification_preferences');
SELECT pg_temp.put_back('stripe_customers');
DROP FUNCTION pg_temp.put_back(text, text);

CREATE INDEX idx_integrations_workspace_id ON public.integrations (workspace_id);
CREATE INDEX idx_integrations_created_by ON public.integrations (created_by);
CREATE INDEX idx_integrations_created_at ON public.integrations (workspace_id, created_at DESC);
CREATE INDEX idx_billing_events_workspace_id ON public.billing_events (workspace_id);
CREATE INDEX idx_billing_events_created_by ON public.billing_events (created_by);
CREATE INDEX idx_billing_events_created_at ON public.billing_events (workspace_id, created_at DESC);
CREATE INDEX idx_notification_preferences_workspace_id ON public.notification_preferences (workspace_id);
CREATE INDEX idx_notification_preferences_created_by ON public.notification_preferences (created_by);
CREATE INDEX idx_notification_preferences_created_at ON public.notification_preferences (workspace_id, created_at DESC);
CREATE INDEX idx_stripe_customers_workspace_id ON public.stripe_customers (workspace_id);
CREATE INDEX idx_stripe_customers_created_by ON public.stripe_customers (created_by);
CREATE INDEX idx_stripe_customers_created_at ON public.stripe_customers (workspace_id, created_at DESC);

CREATE TRIGGER set_integrations_updated_at BEFORE UPDATE ON public.integrations
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
CREATE TRIGGER set_billing_events_updated_at BEFORE UPDATE ON public.billing_events
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
CREATE TRIGGER set_notification_preferences_updated_at BEFORE UPDATE ON public.notification_preferences
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();
CREATE TRIGGER set_stripe_customers_updated_at BEFORE UPDATE ON public.stripe_customers
  FOR EACH ROW EXECUTE FUNCTION public.set_updated_at();

REVOKE ALL ON public.integrations, public.billing_events, public.notification_preferences, public.stripe_customers
  FROM PUBLIC, anon, authenticated;
GRANT SELECT, INSERT, UPDATE, DELETE
  ON public.integrations, public.billing_events, public.notification_preferences, public.stripe_customers TO service_role;
-- By column: without credentials and payload. SELECT * on these two is refused, so the application names its columns.
GRANT SELECT (id, workspace_id, provider, name, is_active, config, last_used_at, last_error, created_by, created_at, updated_at),
  INSERT (workspace_id, provider, name, is_active, config), UPDATE (name, is_active, config), DELETE
  ON public.integrations TO authenticated;
GRANT SELECT (id, workspace_id, event_type, stripe_event_id, amount_cents, currency, created_by, created_at, updated_at)
  ON public.billing_events TO authenticated;
GRANT SELECT, INSERT (workspace_id, email_new_leads, email_weekly_report, email_billing, push_new_leads),
  UPDATE (email_new_leads, email_weekly_report, email_billing, push_new_leads)
  ON public.notification_preferences TO authenticated;
GRANT SELECT ON public.stripe_customers TO authenticated;

ALTER TABLE public.integrations ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.billing_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.notification_preferences ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.stripe_customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Workspace isolation" ON public.integrations TO authenticated
  USING (workspace_id = (SELECT public.get_user_workspace_id()));
CREATE POLICY "Workspace isolation" ON public.billing_events TO authenticated
  USING (workspace_id = (SELECT public.get_user_workspace_id()));
CREATE POLICY "Workspace isolation" ON public.notification_preferences TO authenticated
  USING (workspace_id = (SELECT public.get_user_workspace_id()));
CREATE POLICY "Own preferences" ON public.notification_preferences AS RESTRICTIVE TO authenticated
  USING (user_id = (SELECT public.get_user_id()));
CREATE POLICY "Workspace isolation" ON public.stripe_customers TO authenticated
  USING (workspace_id = (SELECT public.get_user_workspace_id()));

\ir ../lib/prove_isolation.sql

DO $recorded$
BEGIN
  IF to_regclass('supabase_migrations.schema_migrations') IS NOT NULL THEN
    INSERT INTO supabase_migrations.schema_migrations (version, name) VALUES ('20260101000006', 'integrations_billing');
  END IF;
END
$recorded$;
NOTIFY pgrst, 'reload schema';

COMMIT;
