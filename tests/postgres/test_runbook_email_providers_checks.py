"""Whether the checks of the runbook email-providers can fail: each is broken once and must turn red."""

import asyncio

import psycopg
from conftest import Psql
from email_providers import ONE, ROOT, STEPS, TEMPLATES, one, run, runbook

from tui.engine.verify import Answer, Rows, ask, judge
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.session import Dsn, PgSession
from tui.runbook.model import Expectation, Phase

CONFIG = "dripiq_app.email_provider_configs"
SENDERS = "dripiq_app.email_sender_identities"
LOG = "dripiq_app.email_provider_migration_log"
A_SENDER = f"(SELECT min(id) FROM {SENDERS} WHERE provider_config_id IS NOT NULL)"
UNGUARDED = f"ALTER TABLE {CONFIG} DISABLE TRIGGER USER; "
BREAKS = {
    "columns": f"ALTER TABLE {CONFIG} ALTER config DROP NOT NULL",
    "constraints": f"ALTER TABLE {CONFIG} DROP CONSTRAINT email_provider_configs_tenant_id_excl",
    "row-security-on": "ALTER TABLE dripiq_app.email_provider_tokens DISABLE ROW LEVEL SECURITY",
    "policies": f'DROP POLICY "Support sees email providers" ON {CONFIG}',
    "secrets-closed": f"GRANT SELECT ON {CONFIG} TO dripiq_support",
    "functions-tight": "GRANT EXECUTE ON FUNCTION dripiq_app.link_sendgrid_sender() TO PUBLIC",
    "new-columns": f"UPDATE {SENDERS} SET sendgrid_sender_id = '' WHERE sendgrid_sender_id IS NULL;"
    f" ALTER TABLE {SENDERS} ALTER sendgrid_sender_id SET NOT NULL",
    "sender-keys": f"ALTER TABLE {SENDERS} DROP CONSTRAINT email_sender_identities_tenant_provider_fkey",
    "indexes-made": "DROP INDEX dripiq_app.email_provider_tokens_expires_at_idx",
    "documented": f"COMMENT ON COLUMN {CONFIG}.config IS NULL",
    "senders-altered": f"DELETE FROM {SENDERS} WHERE id = {A_SENDER}",
    "defaults": f"UPDATE {CONFIG} SET is_active = false WHERE id = (SELECT min(id) FROM {CONFIG})",
    "unlinked": f"UPDATE {SENDERS} SET provider_config_id = NULL WHERE id = {A_SENDER}",
    "made-configs": f"{UNGUARDED}UPDATE {CONFIG} SET config = '{{}}' WHERE id = (SELECT min(id) FROM {CONFIG})",
    "row-for-row": f"ALTER TABLE {SENDERS} DISABLE TRIGGER USER;"
    f" UPDATE {SENDERS} SET from_name = from_name || ' ' WHERE id = {A_SENDER}",
    "log-whole": f"DELETE FROM {LOG} WHERE sender_id = {A_SENDER}",
    "history": "DELETE FROM dripiq_app.email_provider_config_history WHERE config_id = "
    f"(SELECT provider_config_id FROM {SENDERS} WHERE id = {A_SENDER})",
    "rls-tenant": f"CREATE POLICY open ON {CONFIG} TO dripiq_web USING (true)",
    "rls-stranger": f"ALTER TABLE {CONFIG} DISABLE ROW LEVEL SECURITY",
    "rls-support": "GRANT SELECT (encrypted_access_token) ON dripiq_app.email_provider_tokens TO dripiq_support",
    "senders": f"UPDATE {SENDERS} SET sendgrid_sender_id = '1' WHERE id = {A_SENDER}",
    "relations": "UPDATE dripiq_app.contact_campaigns SET sender_identity_id = NULL"
    " WHERE id = (SELECT min(id) FROM dripiq_app.contact_campaigns WHERE sender_identity_id IS NOT NULL)",
    "orphans": f"ALTER TABLE {CONFIG} DROP CONSTRAINT email_provider_configs_tenant_id_fkey; {UNGUARDED}"
    f" INSERT INTO {CONFIG} (tenant_id, type, name, config) VALUES ('no such tenant', 'smtp', 'x', '{{}}')",
    "plain-secrets": f'{UNGUARDED}UPDATE {CONFIG} SET encrypted_credentials = \'{{"password": "x"}}\''
    f" WHERE id = (SELECT min(id) FROM {CONFIG})",
    "indexes": "UPDATE pg_index SET indisvalid = false"
    " WHERE indexrelid = 'dripiq_app.email_provider_configs_tenant_id_idx'::regclass",
    "keys-validated": f"ALTER TABLE {CONFIG} ADD CONSTRAINT late CHECK (name <> '') NOT VALID",
}


def test_each_verification_turns_red_when_it_should(server18: EmbeddedServer) -> None:
    """One that cannot fail says nothing. What going back is judged by is broken by what is there now."""
    book = runbook()

    async def night() -> None:
        async with await PgSession.open(Dsn(TEMPLATES.shared(server18)), application_name="test") as session:
            for check in book.verifications:
                (statement,) = check.sql.statements
                baseline = (
                    (await session.query(statement.text)).rows
                    if check.expect.kind is Expectation.SAME_AS_BEFORE
                    else None
                )
                if check.after == "back":
                    continue
                assert judge(check.expect, Answer(await session.query(statement.text), 0.0), baseline).ok, check.id
                await session.execute("BEGIN")
                for command in BREAKS.pop(check.id).split("; "):
                    await session.execute(command)
                answer = Answer(await session.query(statement.text), 0.0)
                assert not judge(check.expect, answer, baseline).ok, check.id
                await session.execute("ROLLBACK")

    asyncio.run(night())
    assert BREAKS == {}


def test_going_back_is_judged_by_what_is_there(server18: EmbeddedServer) -> None:
    book = runbook()

    async def judged(dsn: str, baselines: dict[str, Rows]) -> set[str]:
        async with await PgSession.open(Dsn(dsn), application_name="test") as session:
            wrong = set()
            for check in book.verifications:
                if check.after == "back":
                    answer = await ask(session, check.sql, book.safety)
                    if check.expect.kind is Expectation.SAME_AS_BEFORE:
                        baselines.setdefault(check.id, answer.table.rows)
                    if not judge(check.expect, answer, baselines.get(check.id)).ok:
                        wrong.add(check.id)
            return wrong

    with TEMPLATES.copy(server18, migrated=False) as dsn:
        baselines: dict[str, Rows] = {}
        assert asyncio.run(judged(dsn, baselines)) == set()
        run(server18, dsn, STEPS)
        assert asyncio.run(judged(dsn, baselines)) == {"back-tables", "back-catalog"}
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE dripiq_app.email_provider_kept (kept text)")
            connection.execute("GRANT SELECT ON dripiq_app.email_provider_kept TO dripiq_web")
            connection.execute("ALTER TABLE dripiq_app.tenants ADD CONSTRAINT late CHECK (name <> 'x') NOT VALID")
            connection.execute("DELETE FROM dripiq_app.email_sender_identities WHERE tenant_id = %s", (ONE,))
        assert asyncio.run(judged(dsn, baselines)) == {
            "back-tables", "back-catalog", "back-senders", "back-relations", "back-kept-closed", "back-indexes",
        }  # fmt: skip


def test_probes_turn_red_when_they_should(server18: EmbeddedServer) -> None:
    book = runbook()
    breaks = {
        "cuid": "CREATE OR REPLACE FUNCTION public.generate_cuid() RETURNS text LANGUAGE sql AS $$ SELECT 'c' $$",
        "tenant-setting": f"ALTER DATABASE {{name}} SET app.tenant_id = '{ONE}'",
        "tables": "ALTER TABLE dripiq_app.tenants DISABLE ROW LEVEL SECURITY",
        "sender-columns": "ALTER TABLE dripiq_app.email_sender_identities ALTER sendgrid_sender_id TYPE varchar(200)",
        "names-free": "CREATE TABLE dripiq_app.email_provider_tokens (id text)",
        "triggers-enabled": "ALTER TABLE dripiq_app.email_sender_identities DISABLE TRIGGER USER",
        "default-rights": "ALTER DEFAULT PRIVILEGES IN SCHEMA dripiq_app GRANT SELECT ON TABLES TO dripiq_support",
        "no-key-in-settings": "ALTER DATABASE {name} SET app.encryption_key = 'x'",
        "publications": "CREATE PUBLICATION p FOR TABLE dripiq_app.email_sender_identities",
    }

    async def red(dsn: str) -> set[str]:
        async with await PgSession.open(Dsn(dsn), application_name="test") as session:
            return {
                item.id
                for item in book.checklist
                if item.phase is Phase.BEFORE and item.sql is not None and item.expect is not None
                and not judge(item.expect, await ask(session, item.sql, book.safety)).ok
            }  # fmt: skip

    with TEMPLATES.copy(server18, migrated=False) as dsn:
        name = str(one(dsn, "SELECT current_database()"))
        for command in breaks.values():
            with psycopg.connect(dsn) as connection:
                connection.execute(command.format(name=name).encode())
        assert asyncio.run(red(dsn)) == set(breaks)
    with TEMPLATES.copy(server18, migrated=False) as dsn, psycopg.connect(dsn) as connection:
        connection.execute("SET log_min_duration_statement = 0")
        probe = book.item("log-settings").sql
        assert probe is not None
        found = connection.execute(probe.statements[0].text.encode()).fetchall()
        assert found == [("log_min_duration_statement", "0")]


def test_blockers_are_named_with_what_they_hold(server: EmbeddedServer, psql: Psql) -> None:
    # 5 s must have passed for the probe; the test asks with a smaller number.
    query = (ROOT / "checks" / "blockers.sql").read_text().replace("interval '5 seconds'", "interval '0'")
    dsn = TEMPLATES.shared(server)
    with psycopg.connect(dsn, application_name="support_report") as holder:
        holder.execute("SELECT count(*) FROM dripiq_app.email_sender_identities")
        found = psql(dsn, query).split("|")
    assert found[2:4] == ["support_report", "idle in transaction"]
    assert "email_sender_identities AccessShareLock" in found[5]
