"""What the runbook email-providers makes, as its tenants, the worker and support meet it."""

import threading
from collections.abc import Iterator

import psycopg
import pytest
from email_providers import (
    INSERT,
    NOTHING,
    ONE,
    OTHER,
    TEMPLATES,
    acting,
    default_of,
    one,
    rows,
)
from psycopg import errors

from tui.postgres.embedded import EmbeddedServer

SECRET = "SG.notarealkeybutlooks.likeone1234"


@pytest.fixture
def after(server: EmbeddedServer) -> str:
    """The DSN of the database after all steps, on every server in turn, for tests that roll back what they do."""
    return TEMPLATES.shared(server)


@pytest.fixture
def own(server: EmbeddedServer) -> Iterator[str]:
    """A database after all steps that no other test sees, on every server in turn."""
    with TEMPLATES.copy(server, migrated=True) as dsn:
        yield dsn


@pytest.fixture
def after18(server18: EmbeddedServer) -> str:
    return TEMPLATES.shared(server18)


# Constraints


def test_the_constraints_refuse_what_they_must(after: str) -> None:
    mine = default_of(after, ONE)
    with acting(after, "postgres") as cursor:
        # PostgreSQL 14 looks at a sender's tenant at the end only.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

        def refused(error: type[Exception], command: str, *parameters: object) -> None:
            cursor.execute("SAVEPOINT before")
            with pytest.raises(error):
                cursor.execute(command.encode(), parameters)
            cursor.execute("ROLLBACK TO before")

        refused(errors.CheckViolation, f"{INSERT}) VALUES (%s, 'mailgun', 'x', '{{}}')", ONE)
        refused(errors.CheckViolation, f"{INSERT}) VALUES (%s, 'smtp', 'x', 'null')", ONE)
        refused(errors.CheckViolation, f"{INSERT}) VALUES (%s, 'smtp', 'x', '[]')", ONE)
        refused(errors.NotNullViolation, f"{INSERT}) VALUES (%s, 'smtp', NULL, '{{}}')", ONE)
        refused(errors.NotNullViolation, f"{INSERT}) VALUES (NULL, 'smtp', 'x', '{{}}')")
        refused(errors.ForeignKeyViolation, f"{INSERT}) VALUES ('no such tenant', 'smtp', 'x', '{{}}')")
        refused(errors.UniqueViolation, f"{INSERT}) VALUES (%s, 'smtp', 'SendGrid (Default)', '{{}}')", ONE)
        # One default for each tenant, and an error of its own: 23P01 and not 23505.
        refused(errors.ExclusionViolation, f"{INSERT}, is_default) VALUES (%s, 'smtp', 'x', '{{}}', true)", ONE)
        refused(errors.CheckViolation, "UPDATE email_provider_configs SET deleted_at = now() WHERE id = %s", mine)
        refused(
            errors.CheckViolation,
            "UPDATE email_provider_configs SET is_default = false, tenant_id = %s WHERE id = %s",
            NOTHING,
            mine,
        )
        refused(errors.ForeignKeyViolation, "INSERT INTO email_provider_tokens (config_id) VALUES ('none')")
        refused(errors.NotNullViolation, "INSERT INTO email_provider_tokens (id) VALUES ('none')")
        refused(
            errors.ForeignKeyViolation,
            "UPDATE email_sender_identities SET provider_config_id = %s WHERE tenant_id = %s",
            mine,
            OTHER,
        )
        # As many as one likes that are no default, the same name for another tenant, a default for each.
        cursor.execute(f"{INSERT}) VALUES (%s, 'smtp', 'x', '{{}}'), (%s, 'smtp', 'y', '{{}}')".encode(), (ONE, ONE))
        cursor.execute(f"{INSERT}, is_default) VALUES (%s, 'smtp', 'x', '{{}}', true)".encode(), (NOTHING,))
        assert cursor.execute(
            "SELECT DISTINCT length(id), left(id, 1), is_active, version FROM email_provider_configs"
        ).fetchall() == [(25, "c", True, 1)]


def test_deleting_goes_down_to_what_hangs_on_it(after: str) -> None:
    """A configuration takes its tokens and lets its senders go; a tenant takes everything, its history included."""
    counts = (
        "SELECT (SELECT count(*) FROM email_provider_configs WHERE tenant_id = %(t)s),"
        " (SELECT count(*) FROM email_provider_tokens WHERE id IN ('a', 'b')),"
        " (SELECT count(*) FROM email_sender_identities WHERE tenant_id = %(t)s),"
        " (SELECT count(*) FROM email_sender_identities WHERE tenant_id = %(t)s AND provider_config_id IS NOT NULL),"
        " (SELECT count(*) FROM email_provider_config_history WHERE tenant_id = %(t)s),"
        " (SELECT count(*) FROM email_provider_migration_log WHERE tenant_id = %(t)s)"
    )
    with acting(after, "postgres") as cursor:

        def now() -> tuple[object, ...] | None:
            return cursor.execute(counts.encode(), {"t": OTHER}).fetchone()

        mine = default_of(after, OTHER)
        cursor.execute("INSERT INTO email_provider_tokens (id, config_id) VALUES ('a', %s), ('b', %s)", (mine, mine))
        assert now() == (1, 2, 8, 8, 3, 9)
        cursor.execute("SAVEPOINT before")
        cursor.execute("DELETE FROM email_provider_configs WHERE id = %s", (mine,))
        # The senders are there and keep their tenant; that the configuration went is in its history.
        assert now() == (0, 0, 8, 0, 4, 9)
        cursor.execute("ROLLBACK TO before")
        cursor.execute("DELETE FROM tenants WHERE id = %s", (OTHER,))
        assert now() == (0, 0, 0, 0, 0, 0)


# Reading and writing as those concerned


def test_two_tenants_support_the_worker_and_a_stranger(own: str) -> None:
    with psycopg.connect(own) as connection:
        for tenant in (ONE, OTHER):
            connection.execute(
                f"{INSERT}, encrypted_credentials) VALUES (%s, 'microsoft_graph', 'Ours', '{{}}', 'AAAA')".encode(),
                (tenant,),
            )
            connection.execute(
                "INSERT INTO email_provider_tokens (config_id, encrypted_access_token) SELECT id, 'BBBB'"
                " FROM email_provider_configs WHERE tenant_id = %s AND name = 'Ours'",
                (tenant,),
            )
    seen = (
        "SELECT (SELECT array_agg(DISTINCT tenant_id) FROM email_provider_configs),"
        " (SELECT count(*) FROM email_provider_configs), (SELECT count(*) FROM email_provider_tokens),"
        " (SELECT count(*) FROM email_provider_config_history), (SELECT count(*) FROM email_provider_templates)"
    )
    for tenant in (ONE, OTHER):
        with acting(own, "dripiq_web", tenant) as cursor:
            assert cursor.execute(seen.encode()).fetchone() == ([tenant], 2, 1, 3, 4)
            # The other's rows are not there to be changed, and nothing can be made for them.
            other = {ONE: OTHER, OTHER: ONE}[tenant]
            cursor.execute("UPDATE email_provider_configs SET name = 'x' WHERE tenant_id = %s", (other,))
            assert cursor.rowcount == 0
            cursor.execute("DELETE FROM email_provider_tokens")
            assert cursor.rowcount == 1
            with pytest.raises(errors.InsufficientPrivilege):
                cursor.execute(f"{INSERT}) VALUES (%s, 'smtp', 'x', '{{}}')".encode(), (other,))
    for tenant in ("", "no such tenant"):
        with acting(own, "dripiq_web", tenant) as cursor:
            assert cursor.execute(seen.encode()).fetchone() == (None, 0, 0, 0, 4)
    tokens_of_another = "INSERT INTO email_provider_tokens (config_id) VALUES ('" + default_of(own, OTHER) + "')"
    forbidden = (tokens_of_another, "DELETE FROM email_provider_config_history",
                 "SELECT FROM email_provider_migration_log", "DELETE FROM email_provider_templates")  # fmt: skip
    for command in forbidden:
        with acting(own, "dripiq_web", ONE) as cursor, pytest.raises(errors.InsufficientPrivilege):
            cursor.execute(command.encode())

    everything = one(own, "SELECT count(*) FROM email_provider_configs")
    with acting(own, "dripiq_support") as cursor:
        cursor.execute("SELECT count(id) FROM email_provider_configs")
        assert cursor.fetchone() == (everything,)
        cursor.execute("SELECT count(*), sum(senders) FROM email_provider_usage()")
        assert cursor.fetchone() == (everything, one(own, "SELECT count(*) FROM email_sender_identities"))
    for secret in (
        "encrypted_credentials FROM email_provider_configs",
        "* FROM email_provider_tokens",
    ):
        with acting(own, "dripiq_support") as cursor, pytest.raises(errors.InsufficientPrivilege):
            cursor.execute(f"SELECT {secret}".encode())
    with acting(own, "dripiq_service") as cursor:
        cursor.execute("SELECT count(*), count(encrypted_credentials) FROM email_provider_configs")
        assert cursor.fetchone() == (everything, 2)


def test_the_relations_of_the_schema_can_be_followed(after18: str) -> None:
    """A configuration's tenant, tokens and senders; a token's configuration; a sender's configuration."""
    with acting(after18, "dripiq_web", ONE) as cursor:
        cursor.execute(
            "INSERT INTO email_provider_tokens (config_id, encrypted_access_token, expires_at, scopes)"
            " SELECT id, 'AAAA', '2030-01-01', '{Mail.Send,offline_access}' FROM email_provider_configs"
        )
        cursor.execute(
            "SELECT t.id, k.token_type, k.scopes, s.tenant_id, s.provider_validation_data"
            " FROM email_provider_configs AS c JOIN tenants AS t ON t.id = c.tenant_id"
            " JOIN email_provider_tokens AS k ON k.config_id = c.id"
            " JOIN email_sender_identities AS s ON s.provider_config_id = c.id"
        )
        assert cursor.fetchall() == [(ONE, "Bearer", ["Mail.Send", "offline_access"], ONE, None)]
        cursor.execute(
            'UPDATE email_sender_identities SET provider_validation_data = \'{"identityId": "7"}\' RETURNING'
            " provider_validation_data ->> 'identityId'"
        )
        assert cursor.fetchall() == [("7",)]


# Functions


def test_generate_cuid_gives_ids(after18: str) -> None:
    assert rows(
        after18,
        "SELECT count(DISTINCT id), bool_and(id ~ '^c[0-9a-z]{24}$') FROM (SELECT generate_cuid() AS id"
        " FROM generate_series(1, 500)) AS made",
    ) == [(500, True)]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (None, False),
        ("", False),
        # What an application makes of it: base64 of iv, tag and text, three parts with colons, JSON of an envelope.
        ("MTIzNDU2Nzg5MGFiY2RlZjphYmNkZWY6ZGVhZGJlZWY=", False),
        ("v1:k7:8f3a:00ff", False),
        ('{"iv": "8f3a", "tag": "00ff", "data": "beef"}', False),
        # Base64 of JSON begins like a token of Microsoft, but has no dots.
        ("eyJpdiI6ICI4ZjNhIn0=", False),
        ('{"apiKey": "x"}', True),
        ('{"host": "mail", "auth": {"PASSWORD" : "x"}}', True),
        ('{"client_secret":"x"}', True),
        (SECRET, True),
        ("ya29.a0Af", True),
        ("1//0gAbc-def_g", True),
        ("eyJhbGciOi.eyJzdWIi.c2ln", True),
        ("Bearer abc", True),
        ("-----BEGIN RSA PRIVATE KEY-----", True),
    ],
)
def test_what_looks_like_a_secret(after18: str, text: str | None, plain: bool) -> None:
    assert one(after18, "SELECT is_plain_secret(%s)", text) is plain


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ("{}", None),
        ('{"legacy": true}', None),
        ('{"api_key_ref": "SENDGRID_API_KEY", "password_hint": "none", "scopes": ["Mail.Send"]}', None),
        ('{"apiKey": "x"}', "apiKey"),
        ('{"smtp": [{"auth": {"Password": "x"}}]}', "Password"),
        ('{"note": "Bearer abc"}', "the value of a field"),
    ],
)
def test_a_secret_in_a_configuration_is_found(after18: str, config: str, found: str | None) -> None:
    assert one(after18, "SELECT secret_in(%s::jsonb)", config) == found


def test_a_readable_secret_is_refused_and_shown_to_nobody(after: str, server: EmbeddedServer) -> None:
    """Not even to who skips row security, whom a failed CHECK would show the row; nor in the server's log."""
    commands = {
        f"{INSERT}, encrypted_credentials) VALUES (%s, 'sendgrid', 'x', '{{}}', %s)": "are not encrypted",
        f"{INSERT}) VALUES (%s, 'sendgrid', 'x', jsonb_build_object('key', %s::text))": "the value of a field",
        f"{INSERT}) VALUES (%s, 'sendgrid', 'x', jsonb_build_object('api_key', %s::text))": "holds a secret: api_key",
    }
    tokens = "INSERT INTO email_provider_tokens (config_id, encrypted_{}_token) VALUES (%s, %s)"
    for role in ("postgres", "dripiq_service", "dripiq_web"):
        for command, said in commands.items():
            with acting(after, role, ONE) as cursor, pytest.raises(errors.CheckViolation) as refused:
                cursor.execute(command.encode(), (ONE, SECRET))
            assert said in str(refused.value)
            assert SECRET not in str(refused.value)
        for kind in ("access", "refresh"):
            with acting(after, role, ONE) as cursor, pytest.raises(errors.CheckViolation) as refused:
                cursor.execute(tokens.format(kind).encode(), (default_of(after, ONE), SECRET))
            assert "is not encrypted" in str(refused.value)
            assert SECRET not in str(refused.value)
    assert SECRET not in server.log_path.read_text(errors="replace")


def test_set_default_changes_over(after: str) -> None:
    with acting(after, "dripiq_web", ONE) as cursor:
        (old,) = cursor.execute("SELECT id FROM email_provider_configs").fetchall()[0]
        cursor.execute(f"{INSERT}) VALUES (%s, 'smtp', 'Ours', '{{}}') RETURNING id".encode(), (ONE,))
        ((new,),) = cursor.fetchall()
        for chosen in (new, new, old, new):
            cursor.execute("SELECT set_default_email_provider(%s)", (chosen,))
            assert cursor.fetchone() == (chosen,)
            cursor.execute("SELECT id FROM email_provider_configs WHERE is_default")
            assert cursor.fetchall() == [(chosen,)]
        # One that is off, one of another tenant, one that is not there: nothing is chosen and nothing changed.
        cursor.execute("UPDATE email_provider_configs SET is_active = false WHERE id = %s", (old,))
        for nothing in (old, default_of(after, OTHER), "none"):
            cursor.execute("SELECT set_default_email_provider(%s)", (nothing,))
            assert cursor.fetchone() == (None,)
        cursor.execute("SELECT id FROM email_provider_configs WHERE is_default")
        assert cursor.fetchall() == [(new,)]


def test_deleting_softly_destroys_the_secrets_and_frees_the_name(after: str) -> None:
    with acting(after, "dripiq_web", OTHER) as cursor:
        cursor.execute(
            "UPDATE email_provider_configs SET encrypted_credentials = 'AAAA', encryption_key_id = 'k1' RETURNING id"
        )
        ((config,),) = cursor.fetchall()
        cursor.execute("INSERT INTO email_provider_tokens (config_id) VALUES (%s)", (config,))
        cursor.execute("SELECT delete_email_provider(%s)", (default_of(after, ONE),))
        assert cursor.fetchone() == (False,)
        cursor.execute("SELECT delete_email_provider(%s), delete_email_provider(%s)", (config, config))
        assert cursor.fetchone() == (True, False)
        cursor.execute(
            "SELECT name, deleted_at IS NULL, is_default, is_active, encrypted_credentials, encryption_key_id,"
            " credentials_changed_at FROM email_provider_configs"
        )
        assert cursor.fetchall() == [(f"SendGrid (Default) (deleted {config})", False, False, False, None, None, None)]
        cursor.execute(
            "SELECT count(*), count(provider_config_id), (SELECT count(*) FROM email_provider_tokens)"
            " FROM email_sender_identities"
        )
        assert cursor.fetchone() == (8, 0, 0)
        cursor.execute(
            f"{INSERT}, is_default) VALUES (%s, 'sendgrid', 'SendGrid (Default)', '{{}}', true)".encode(), (OTHER,)
        )
        cursor.execute(
            "SELECT action, version, credentials_changed, changed_by FROM email_provider_config_history"
            " ORDER BY version, changed_at, action"
        )
        told = [(action, version, credentials) for action, version, credentials, _ in cursor.fetchall()]
        assert sorted(told, key=str) == sorted(
            [
                ("created", 1, False),
                ("created", 1, False),
                ("updated", 2, True),
                ("token_stored", 2, True),
                ("deleted", 3, True),
                ("token_removed", 3, True),
            ],
            key=str,
        )


def test_usage_counts_senders_and_tokens(after: str) -> None:
    with acting(after, "dripiq_web", OTHER) as cursor:
        cursor.execute(
            "INSERT INTO email_provider_tokens (config_id, expires_at) SELECT id, expires"
            " FROM email_provider_configs, (VALUES (NULL), (timestamp '2020-01-01'), ('infinity')) AS e (expires)"
        )
        cursor.execute(f"{INSERT}) VALUES (%s, 'smtp', 'Ours', '{{}}')".encode(), (OTHER,))
        cursor.execute(
            "SELECT u.tenant_id, u.type, u.name, u.senders, u.tokens, u.expired_tokens, u.verified_senders ="
            " (SELECT count(*) FROM email_sender_identities WHERE validation_status = 'verified' AND u.senders > 0)"
            " FROM email_provider_usage() AS u ORDER BY u.type"
        )
        assert cursor.fetchall() == [
            (OTHER, "sendgrid", "SendGrid (Default)", 8, 3, 1, True),
            (OTHER, "smtp", "Ours", 0, 0, 0, True),
        ]


def test_rotation_finds_what_an_old_key_still_holds(after: str) -> None:
    with acting(after, "dripiq_web", ONE) as cursor:
        cursor.execute(
            "UPDATE email_provider_configs SET encrypted_credentials = 'A', encryption_key_id = 'k1' RETURNING id"
        )
        ((config,),) = cursor.fetchall()
        cursor.execute(
            "INSERT INTO email_provider_tokens (config_id, encrypted_access_token, encryption_key_id)"
            " VALUES (%s, 'B', 'k1'), (%s, 'C', 'k2'), (%s, 'D', NULL)",
            (config, config, config),
        )

        def under(key: str | None) -> list[tuple[object, ...]]:
            cursor.execute("SELECT credentials, tokens FROM email_secrets_under_key(%s)", (key,))
            return cursor.fetchall()

        assert [under(key) for key in ("k1", "k2", None, "k3")] == [[(True, 1)], [(False, 1)], [(False, 1)], []]
        cursor.execute(
            "UPDATE email_provider_tokens SET encrypted_access_token = 'E', encryption_key_id = 'k2'"
            " WHERE encryption_key_id = 'k1'"
        )
        cursor.execute("UPDATE email_provider_configs SET encrypted_credentials = 'F', encryption_key_id = 'k2'")
        assert [under("k1"), under("k2")] == [[], [(True, 2)]]


def test_versions_and_history_tell_who_changed_what(after: str) -> None:
    with acting(after, "dripiq_web", ONE) as cursor:
        cursor.execute("SELECT set_config('app.user_id', 'user-7', true)")
        for change in (
            "config = '{\"legacy\": false}'",
            "updated_at = '2020-01-01'",
            "encrypted_credentials = 'AAAA'",
            "name = 'Post'",
        ):
            cursor.execute(f"UPDATE email_provider_configs SET {change}".encode())
        cursor.execute(
            "SELECT version, name, updated_at > '2025-01-01', credentials_changed_at IS NOT NULL"
            " FROM email_provider_configs"
        )
        assert cursor.fetchall() == [(4, "Post", True, True)]
        cursor.execute(
            "SELECT version, action, config ->> 'legacy', name, credentials_changed, changed_for"
            " FROM email_provider_config_history ORDER BY version"
        )
        assert cursor.fetchall() == [
            (1, "created", "true", "SendGrid (Default)", False, None),
            (2, "updated", "false", "SendGrid (Default)", False, "user-7"),
            (3, "updated", "false", "SendGrid (Default)", True, "user-7"),
            (4, "updated", "false", "Post", False, "user-7"),
        ]
        cursor.execute("RESET ROLE")
        cursor.execute("SELECT count(*) FROM email_provider_config_history AS h WHERE h::text LIKE '%AAAA%'")
        assert cursor.fetchone() == (0,)


OLD_INSERT = (
    "INSERT INTO email_sender_identities (tenant_id, user_id, from_email, from_name, domain, sendgrid_sender_id)"
    " SELECT %s, user_id, %s, 'x', 'example.org', '7' FROM user_tenants WHERE tenant_id = %s LIMIT 1"
    " RETURNING provider_config_id"
)


def test_what_the_old_application_writes_is_linked(after: str) -> None:
    with acting(after, "dripiq_web", ONE) as cursor:
        cursor.execute(OLD_INSERT.encode(), (ONE, "a@example.org", ONE))
        assert cursor.fetchall() == [(default_of(after, ONE),)]
        # A sender of another provider stays as it is, until it gets a number at SendGrid.
        cursor.execute(
            "INSERT INTO email_sender_identities (tenant_id, user_id, from_email, from_name, domain)"
            " SELECT tenant_id, user_id, 'b@example.org', 'x', 'example.org' FROM user_tenants WHERE tenant_id = %s"
            " LIMIT 1"
            " RETURNING provider_config_id",
            (ONE,),
        )
        assert cursor.fetchall() == [(None,)]
        cursor.execute(
            "UPDATE email_sender_identities SET sendgrid_sender_id = '8' WHERE from_email = 'b@example.org'"
            " RETURNING provider_config_id"
        )
        assert cursor.fetchall() == [(default_of(after, ONE),)]
    # A tenant that never sent before gets its configuration, and nobody another tenant's by way of the trigger.
    with acting(after, "dripiq_web", NOTHING) as cursor:
        cursor.execute(OLD_INSERT.encode(), (NOTHING, "a@example.org", NOTHING))
        cursor.execute("SELECT name, is_default, config FROM email_provider_configs")
        assert cursor.fetchall() == [("SendGrid (Default)", True, {"legacy": True})]
    with acting(after, "dripiq_web", ONE) as cursor, pytest.raises(errors.InsufficientPrivilege):
        cursor.execute(OLD_INSERT.encode(), (NOTHING, "a@example.org", NOTHING))


def test_two_first_senders_at_once_share_one_configuration(own: str) -> None:
    found: list[object] = []

    def second() -> None:
        with psycopg.connect(own) as connection:
            found.extend(connection.execute(OLD_INSERT.encode(), (NOTHING, "b@example.org", NOTHING)).fetchall())

    with psycopg.connect(own) as connection:
        first = connection.execute(OLD_INSERT.encode(), (NOTHING, "a@example.org", NOTHING)).fetchall()
        waiting = threading.Thread(target=second)
        waiting.start()
        while one(own, "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'") == 0:
            assert waiting.is_alive()
        connection.commit()
        waiting.join(10)
    assert found == first
    assert one(own, "SELECT count(*) FROM email_provider_configs WHERE tenant_id = %s", NOTHING) == 1
