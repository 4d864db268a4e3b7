"""Going back over the runbook email-providers with what was written meanwhile: nothing is lost, and it comes home."""

from collections.abc import Iterator

import psycopg
import pytest
from conftest import PgDump
from email_providers import EVERYTHING, INSERT, ONE, OTHER, STEPS, TEMPLATES, WHOLE, acting, default_of, one, rows, run
from psycopg import errors

from tui.postgres.embedded import EmbeddedServer


@pytest.fixture
def own(server: EmbeddedServer) -> Iterator[str]:
    """A database after all steps that no other test sees, on every server in turn."""
    with TEMPLATES.copy(server, migrated=True) as dsn:
        yield dsn


def test_what_the_new_application_wrote_is_kept_and_comes_home(
    server: EmbeddedServer, own: str, pg_dump: PgDump
) -> None:
    everything = """
        SELECT
          (SELECT jsonb_agg(to_jsonb(c) ORDER BY id) FROM email_provider_configs AS c WHERE id IN ('smtp', %(mine)s)),
          (SELECT jsonb_agg(to_jsonb(t) ORDER BY id) FROM email_provider_tokens AS t),
          (SELECT jsonb_agg(to_jsonb(h) ORDER BY id) FROM email_provider_config_history AS h
           WHERE config_id IN ('smtp', %(mine)s)),
          (SELECT jsonb_agg(to_jsonb(s) ORDER BY id) FROM email_sender_identities AS s WHERE tenant_id = %(tenant)s),
          (SELECT count(*) FROM email_sender_identities WHERE provider_config_id IS NOT NULL)
        """
    mine = default_of(own, OTHER)
    with psycopg.connect(own) as connection:
        connection.execute(
            f"{INSERT}, id, encrypted_credentials, encryption_key_id)"
            " VALUES (%s, 'smtp', 'Ours', '{\"host\": \"m\"}', 'smtp', 'ciphertext-1', 'k1')".encode(),
            (OTHER,),
        )
        connection.execute(
            "INSERT INTO email_provider_tokens (id, config_id, encrypted_refresh_token, expires_at, scopes)"
            " VALUES ('token', 'smtp', 'ciphertext-2', 'infinity', '{a,NULL}')"
        )
        # The configuration that the migration made gets credentials: somebody's work from then on.
        connection.execute(
            "UPDATE email_provider_configs SET encrypted_credentials = 'ciphertext-3' WHERE id = %s", (mine,)
        )
        connection.execute(
            "INSERT INTO email_sender_identities (id, tenant_id, user_id, from_email, from_name, domain,"
            " validation_status, provider_config_id, provider_validation_data) SELECT 'new', tenant_id, user_id,"
            " 'n@example.org', 'x', 'example.org', 'verified', 'smtp', '{\"identityId\": 7}' FROM user_tenants"
            " WHERE tenant_id = %s LIMIT 1",
            (OTHER,),
        )
    with psycopg.connect(own) as connection:
        wrote = connection.execute(everything.encode(), {"mine": mine, "tenant": OTHER}).fetchall()
    notices = run(server, own, [WHOLE])
    assert "2 configurations and 1 tokens kept in dripiq_app.email_provider_kept" in notices
    assert "9 senders have something of a provider" in notices
    assert "ciphertext" not in notices
    # The sender is there, and waits for SendGrid as far as the old application can see.
    assert rows(own, "SELECT sendgrid_sender_id, validation_status FROM email_sender_identities WHERE id = 'new'") == [
        ("", "pending")
    ]
    assert "email_provider_configs" not in pg_dump(own, "--schema-only")
    for role in ("dripiq_web", "dripiq_service", "dripiq_support"):
        with acting(own, role, OTHER) as cursor, pytest.raises(errors.InsufficientPrivilege):
            cursor.execute("SELECT FROM email_provider_kept")
    # A whole tenant that goes meanwhile is in nobody's way.
    with psycopg.connect(own) as connection:
        connection.execute("DELETE FROM tenants WHERE id = %s", (EVERYTHING,))
    notices = run(server, own, STEPS)
    assert "2 configurations and 1 tokens of an earlier try are back" in notices
    with psycopg.connect(own) as connection:
        came = connection.execute(everything.encode(), {"mine": mine, "tenant": OTHER}).fetchall()
    (*wrote_rows, wrote_links), (*came_rows, came_links) = wrote[0], came[0]
    assert came_rows == wrote_rows
    assert isinstance(wrote_links, int)
    assert came_links == wrote_links - 90
    assert one(own, "SELECT to_regclass('email_provider_kept')") is None


def test_a_kept_link_whose_sender_changed_meanwhile_is_not_forced(server: EmbeddedServer, own: str) -> None:
    with psycopg.connect(own) as connection:
        connection.execute(f"{INSERT}, id) VALUES (%s, 'smtp', 'Ours', '{{}}', 'smtp')".encode(), (ONE,))
        connection.execute(
            "UPDATE email_sender_identities SET sendgrid_sender_id = NULL, provider_config_id = 'smtp',"
            " validation_status = 'failed' WHERE tenant_id = %s",
            (ONE,),
        )
    run(server, own, [WHOLE])
    with psycopg.connect(own) as connection:
        connection.execute(
            "UPDATE email_sender_identities SET sendgrid_sender_id = '99', validation_status = 'verified'"
            " WHERE tenant_id = %s",
            (ONE,),
        )
    run(server, own, STEPS)
    assert rows(
        own,
        "SELECT s.sendgrid_sender_id, s.validation_status, c.id FROM email_sender_identities AS s"
        " JOIN email_provider_configs AS c ON c.id = s.provider_config_id WHERE s.tenant_id = %s",
        ONE,
    ) == [("99", "verified", "smtp")]
