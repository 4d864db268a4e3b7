-- Included by 002. Whether a text that should be encrypted is readable: JSON with the name of a secret in it, a key of
-- SendGrid, a token of Google or Microsoft as they are handed out: signed ones have three parts, those with five are encrypted. It cannot prove encryption; it catches the application
-- that forgot it. The key is the application's and not in the database, so nothing here can encrypt or decrypt.
CREATE FUNCTION dripiq_app.is_plain_secret(value text) RETURNS boolean
  LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = ''
  AS $$
  SELECT coalesce(
    value ~* '"(api_?key|pass(word)?|secret|client_?secret|private_?key|access_?token|refresh_?token)"\s*:'
    OR value ~ '^\s*(Bearer\s|SG\.[A-Za-z0-9_-]{8,}\.|ya29\.|1//0[A-Za-z0-9_-]*[_-])'
    OR value ~ '^\s*eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\s*$'
    OR value ~ '-----BEGIN [A-Z ]*PRIVATE KEY', false)
$$;
COMMENT ON FUNCTION dripiq_app.is_plain_secret(text) IS 'Whether what should be encrypted can be read';

-- Where a configuration seems to hold a secret, without the secret: the name under which it stands, at any depth, or that
-- a value is one; null if there is none.
CREATE FUNCTION dripiq_app.secret_in(config jsonb) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = ''
  AS $$
  SELECT coalesce(
    jsonb_path_query_first(config, 'lax $.** ? (@.type() == "object").keyvalue().key ? (@ like_regex
      "^(api_?key|pass(word)?|secret|client_?secret|private_?key|access_?token|refresh_?token|credentials)$" flag "i")') #>> '{}',
    (SELECT 'the value of a field' FROM jsonb_path_query(config, 'lax $.** ? (@.type() == "string")') AS value
     WHERE dripiq_app.is_plain_secret(value #>> '{}') LIMIT 1))
$$;
COMMENT ON FUNCTION dripiq_app.secret_in(jsonb) IS 'Where a configuration seems to hold a secret';

-- A trigger and not a CHECK, because a failed CHECK prints the row, secret and all, to everybody who may skip row
-- security, and into the server's log.
CREATE FUNCTION dripiq_app.email_provider_configs_guard() RETURNS trigger
  LANGUAGE plpgsql SET search_path = ''
  AS $$
DECLARE
  secret text := dripiq_app.secret_in(NEW.config);
BEGIN
  IF dripiq_app.is_plain_secret(NEW.encrypted_credentials) THEN
    RAISE EXCEPTION 'encrypted_credentials of email provider % are not encrypted', NEW.id USING ERRCODE = 'check_violation';
  END IF;
  IF secret IS NOT NULL THEN
    RAISE EXCEPTION 'config of email provider % holds a secret: %', NEW.id, secret
      USING ERRCODE = 'check_violation';
  END IF;
  IF TG_OP = 'UPDATE' THEN
    IF NEW.tenant_id <> OLD.tenant_id THEN
      RAISE EXCEPTION 'email provider % stays with its tenant', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    -- The application sends updated_at along; that alone is no new version.
    NEW.version := OLD.version;
    NEW.credentials_changed_at := OLD.credentials_changed_at;
    IF NEW.encrypted_credentials IS DISTINCT FROM OLD.encrypted_credentials THEN
      NEW.credentials_changed_at := CASE WHEN NEW.encrypted_credentials IS NOT NULL THEN now() AT TIME ZONE 'UTC' END;
    END IF;
    IF (to_jsonb(NEW) - 'updated_at') <> (to_jsonb(OLD) - 'updated_at') THEN
      NEW.version := OLD.version + 1;
      NEW.updated_at := now() AT TIME ZONE 'UTC';
    END IF;
  ELSE
    NEW.version := 1;
    NEW.credentials_changed_at := CASE WHEN NEW.encrypted_credentials IS NOT NULL THEN now() AT TIME ZONE 'UTC' END;
  END IF;
  RETURN NEW;
END;
$$;

CREATE FUNCTION dripiq_app.email_provider_tokens_guard() RETURNS trigger
  LANGUAGE plpgsql SET search_path = ''
  AS $$
BEGIN
  IF dripiq_app.is_plain_secret(NEW.encrypted_access_token) OR dripiq_app.is_plain_secret(NEW.encrypted_refresh_token) THEN
    RAISE EXCEPTION 'a token of email provider % is not encrypted', NEW.config_id USING ERRCODE = 'check_violation';
  END IF;
  IF TG_OP = 'UPDATE' AND NEW IS DISTINCT FROM OLD THEN
    NEW.updated_at := now() AT TIME ZONE 'UTC';
  END IF;
  RETURN NEW;
END;
$$;

-- As the owner, because nobody else may write history. When a whole tenant goes, its history goes with it, and there is
-- no tenant any more that a new row could belong to.
CREATE FUNCTION dripiq_app.email_provider_configs_record() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
  AS $$
DECLARE
  one dripiq_app.email_provider_configs := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.version = OLD.version THEN
    RETURN NULL;
  END IF;
  INSERT INTO dripiq_app.email_provider_config_history (tenant_id, config_id, version, action, type, name, config, is_default,
    is_active, credentials_changed, encryption_key_id, changed_for, changed_at)
  SELECT one.tenant_id, one.id, one.version,
    CASE WHEN TG_OP = 'INSERT' THEN 'created' WHEN TG_OP = 'DELETE' THEN 'removed'
      WHEN NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL THEN 'deleted' ELSE 'updated' END,
    one.type, one.name, one.config, one.is_default, one.is_active,
    CASE TG_OP WHEN 'UPDATE' THEN NEW.encrypted_credentials IS DISTINCT FROM OLD.encrypted_credentials
      ELSE one.encrypted_credentials IS NOT NULL END,
    one.encryption_key_id, nullif(current_setting('app.user_id', true), ''), now() AT TIME ZONE 'UTC'
  FROM dripiq_app.tenants AS t WHERE t.id = one.tenant_id;
  RETURN NULL;
END;
$$;

CREATE FUNCTION dripiq_app.email_provider_tokens_record() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
  AS $$
DECLARE
  token dripiq_app.email_provider_tokens := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
  -- A token that goes with its configuration is told by that one's line.
  INSERT INTO dripiq_app.email_provider_config_history (tenant_id, config_id, version, action, type, name, config, is_default,
    is_active, credentials_changed, encryption_key_id, changed_for, changed_at)
  SELECT c.tenant_id, c.id, c.version,
    CASE TG_OP WHEN 'INSERT' THEN 'token_stored' WHEN 'UPDATE' THEN 'token_changed' ELSE 'token_removed' END,
    c.type, c.name, c.config, c.is_default, c.is_active, true, token.encryption_key_id,
    nullif(current_setting('app.user_id', true), ''), now() AT TIME ZONE 'UTC'
  FROM dripiq_app.email_provider_configs AS c WHERE c.id = token.config_id;
  RETURN NULL;
END;
$$;

CREATE TRIGGER email_provider_configs_guard BEFORE INSERT OR UPDATE ON dripiq_app.email_provider_configs
  FOR EACH ROW EXECUTE FUNCTION dripiq_app.email_provider_configs_guard();
CREATE TRIGGER email_provider_tokens_guard BEFORE INSERT OR UPDATE ON dripiq_app.email_provider_tokens
  FOR EACH ROW EXECUTE FUNCTION dripiq_app.email_provider_tokens_guard();
CREATE TRIGGER email_provider_configs_record AFTER INSERT OR UPDATE OR DELETE ON dripiq_app.email_provider_configs
  FOR EACH ROW EXECUTE FUNCTION dripiq_app.email_provider_configs_record();
CREATE TRIGGER email_provider_tokens_record AFTER INSERT OR UPDATE OR DELETE ON dripiq_app.email_provider_tokens
  FOR EACH ROW EXECUTE FUNCTION dripiq_app.email_provider_tokens_record();

-- The rest run as the caller, so row security holds: a configuration of another tenant is not found.

-- The exclusion constraint is checked row by row, so the old default must go before the new one comes; one UPDATE over
-- both fails or not by the order in which it meets them. Null if there is no such configuration.
CREATE FUNCTION dripiq_app.set_default_email_provider(config_id text) RETURNS text
  LANGUAGE plpgsql SET search_path = ''
  AS $$
DECLARE
  chosen dripiq_app.email_provider_configs;
BEGIN
  SELECT * INTO chosen FROM dripiq_app.email_provider_configs AS c
  WHERE c.id = set_default_email_provider.config_id AND c.is_active AND c.deleted_at IS NULL;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  -- All of the tenant's, always in the same order: two who choose at once wait for each other and do not deadlock.
  PERFORM FROM dripiq_app.email_provider_configs AS c WHERE c.tenant_id = chosen.tenant_id ORDER BY c.id FOR UPDATE;
  UPDATE dripiq_app.email_provider_configs AS c SET is_default = false
  WHERE c.tenant_id = chosen.tenant_id AND c.is_default AND c.id <> chosen.id;
  UPDATE dripiq_app.email_provider_configs AS c SET is_default = true WHERE c.id = chosen.id AND NOT c.is_default;
  RETURN chosen.id;
END;
$$;
COMMENT ON FUNCTION dripiq_app.set_default_email_provider(text) IS 'Makes it the tenant''s one default';

-- Rotation: what still has to be encrypted anew before this key may be thrown away; null asks for what names no key.
CREATE FUNCTION dripiq_app.email_secrets_under_key(key_id text) RETURNS TABLE (tenant_id text, config_id text, credentials boolean, tokens bigint)
  LANGUAGE sql STABLE SET search_path = ''
  AS $$
  SELECT found.tenant_id, found.id, found.credentials, found.tokens
  FROM (
    SELECT c.tenant_id, c.id,
      c.credentials_changed_at IS NOT NULL AND c.encryption_key_id IS NOT DISTINCT FROM key_id AS credentials,
      (SELECT count(*) FROM dripiq_app.email_provider_tokens AS t
       WHERE t.config_id = c.id AND t.encryption_key_id IS NOT DISTINCT FROM key_id) AS tokens
    FROM dripiq_app.email_provider_configs AS c
  ) AS found
  WHERE found.credentials OR found.tokens > 0
$$;
COMMENT ON FUNCTION dripiq_app.email_secrets_under_key(text) IS 'What must be encrypted anew before this key may go';

REVOKE ALL ON FUNCTION dripiq_app.email_provider_configs_record() FROM PUBLIC;
REVOKE ALL ON FUNCTION dripiq_app.email_provider_tokens_record() FROM PUBLIC;
REVOKE ALL ON FUNCTION dripiq_app.set_default_email_provider(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION dripiq_app.email_secrets_under_key(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dripiq_app.set_default_email_provider(text) TO dripiq_web, dripiq_service;
GRANT EXECUTE ON FUNCTION dripiq_app.email_secrets_under_key(text) TO dripiq_web, dripiq_service, dripiq_support;
