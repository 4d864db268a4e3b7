"""The probes and verifications of the runbook openinfo: green at their moment, and red when something is wrong."""

import asyncio
from collections.abc import Iterator

import pytest
from conftest import INSTALLATIONS, Servers
from openinfo_world import AT_WORK, Templates, back, baselines, reds, runbook
from runbooks import execute

from tui.engine.verify import Answer, ask, judge
from tui.postgres.session import Dsn, PgSession


@pytest.fixture(scope="module", params=list(INSTALLATIONS))
def each(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Templates]:
    """Those of every server in turn."""
    made = Templates(servers.get(INSTALLATIONS[request.param]))
    yield made
    made.drop()


@pytest.fixture(scope="module")
def newest(servers: Servers) -> Iterator[Templates]:
    """Those of the newest server, for what does not depend on the version."""
    made = Templates(servers.get(max(INSTALLATIONS.values(), key=lambda one: one.major)))
    yield made
    made.drop()


@pytest.fixture
def before_each(each: Templates) -> Iterator[str]:
    """The DSN of the database before the migration, on every server in turn."""
    yield from each.copy(each.before)


@pytest.fixture
def migrated(newest: Templates) -> Iterator[str]:
    """The DSN of the migrated database, still empty."""
    yield from newest.copy(newest.migrated)


def test_probes_and_verifications_hold_at_their_moment(before_each: str) -> None:
    book = runbook()

    async def night() -> None:
        async with await PgSession.open(Dsn(before_each), application_name="test") as session:
            was = await baselines(session)

            async def red(*, probes: str = "", after: str = "") -> list[str]:
                wrong = []
                for item in book.checklist:
                    if item.sql is not None and item.expect is not None and item.phase == probes:
                        answer = await ask(session, item.sql, book.safety)
                        if not judge(item.expect, answer).ok:
                            wrong.append(item.id)
                for verification in book.verifications:
                    if verification.after == after:
                        answer = await ask(session, verification.sql, book.safety)
                        if not judge(verification.expect, answer, was.get(verification.id)).ok:
                            wrong.append(verification.id)
                return wrong

            assert await red(probes="before") == []
            for step in book.steps:
                assert await red(probes="during") == []
                await session.execute("BEGIN")
                for statement in step.sql.statements:
                    await session.execute(statement.text)
                await session.execute("COMMIT")
                assert await red(after=step.id) == []
            assert await red(after="end") == []
            assert await red(probes="after") == ["flow-onboarding", "flow-topics"]
            await asyncio.to_thread(execute, before_each, AT_WORK)
            assert await red(probes="after") == []
            assert await red(after="end") == []
            assert set(await red(probes="before")) == {"names-free", "not-recorded"}
            await asyncio.to_thread(back, before_each)
            assert await red(after="back") == []

    asyncio.run(night())


# What is broken, and the verifications or probes that must turn red.
BROKEN = {
    "ALTER TABLE leads DISABLE ROW LEVEL SECURITY": {
        "leads",
        "tables",
        "isolation",
        "flow-isolation",
        "stranger",
        "back-catalog",
    },
    "ALTER TABLE users FORCE ROW LEVEL SECURITY": {"tables"},
    "CREATE POLICY hole ON leads FOR SELECT TO authenticated USING (true)": {
        "leads",
        "policies",
        "isolation",
        "flow-isolation",
        "stranger",
    },
    'ALTER POLICY "Workspace isolation" ON queries USING (false)': {"policies"},
    'ALTER POLICY "Workspace isolation" ON leads USING (false)': {"policies", "isolation", "flow-isolation"},
    'DROP POLICY "Own profile" ON users': {"core", "policies"},
    "GRANT SELECT (name) ON workspaces TO anon": {"anon"},
    "GRANT EXECUTE ON FUNCTION reset_daily_credits() TO PUBLIC": {"anon", "functions"},
    "GRANT EXECUTE ON FUNCTION record_credit_usage(uuid, text, integer, uuid, jsonb) TO authenticated": {"functions"},
    "ALTER FUNCTION get_user_workspace_id() RESET search_path": {"functions"},
    "GRANT SELECT (credentials) ON integrations TO authenticated": {"grants"},
    "GRANT UPDATE (daily_credits_used) ON users TO authenticated": {"grants"},
    "DROP INDEX idx_leads_company_data": {"indexes"},
    "DROP INDEX idx_queries_topic_id": {"indexes", "conventions"},
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_queries_filters'::regclass": {
        "indexes",
        "invalid-indexes",
        "indexes-valid",
    },
    "ALTER TABLE trends DISABLE TRIGGER set_trends_updated_at": {"conventions"},
    "ALTER TABLE queries DISABLE TRIGGER enforce_query_limit_on_resume": {"query-limit"},
    "ALTER TABLE leads ALTER created_at TYPE timestamp": {"conventions"},
    "ALTER TABLE saved_searches ALTER workspace_id DROP NOT NULL": {"conventions"},
    "ALTER TABLE leads DROP CONSTRAINT leads_score_range": {"checks"},
    "ALTER TABLE trends DROP COLUMN change_percent": {"tables"},
    "ALTER TABLE users DROP CONSTRAINT users_auth_user_id_fkey": {"account-key"},
    "ALTER TYPE export_status RENAME VALUE 'failed' TO 'broken'": {"enums"},
    "ALTER TABLE leads DROP CONSTRAINT leads_query_id_fkey, ADD CONSTRAINT leads_query_id_fkey"
    " FOREIGN KEY (workspace_id, query_id) REFERENCES queries (workspace_id, id) NOT VALID": {
        "conventions",
        "validated",
    },
    "SET LOCAL session_replication_role = replica; DELETE FROM queries WHERE name = 'A'": {"orphans"},
    "SET LOCAL session_replication_role = replica; DELETE FROM auth.users WHERE id = md5('account-1')::uuid": {
        "orphans",
        "accounts",
        "back-accounts",
    },
    "UPDATE auth.users SET email = 'changed@example.org' WHERE id = md5('account-9')::uuid": {
        "accounts",
        "back-accounts",
    },
    "DELETE FROM supabase_migrations.schema_migrations WHERE version = '20260101000004'": {"recorded", "back-recorded"},
    "UPDATE users SET daily_credits_used = 9 WHERE id = md5('b1')::uuid": {"flow-credits"},
    "INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'two words@example.org')": {"addresses"},
    "UPDATE storage.buckets SET public = true WHERE id = 'exports'": {"export-bucket", "accounts", "back-accounts"},
    "CREATE PUBLICATION all_of_it FOR ALL TABLES": {"published"},
    "CREATE PUBLICATION schema_of_it FOR TABLES IN SCHEMA public": {"published"},
}

# What others have in public, and what people do meanwhile, turns no verification of the way forward red.
HARMLESS = (
    "CREATE TABLE legacy (id int CHECK (id > 0)); GRANT SELECT ON legacy TO anon, authenticated;"
    " ALTER TABLE legacy ADD CONSTRAINT late CHECK (id < 9) NOT VALID; CREATE POLICY open ON legacy USING (true);"
    " CREATE TYPE mood AS ENUM ('good'); CREATE FUNCTION legacy() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "UPDATE auth.users SET encrypted_password = 'new', last_sign_in_at = now() WHERE id = md5('account-9')::uuid",
    "INSERT INTO auth.users (id, email, created_at) VALUES (gen_random_uuid(), 'new@example.org', now())",
)


def test_each_verification_can_fail(migrated: str) -> None:
    """Each break by itself, in a transaction that is rolled back."""
    execute(migrated, AT_WORK)
    asked = {
        item.id: (item.sql, item.expect)
        for item in runbook().checklist
        if item.sql is not None and item.expect is not None
    } | {verification.id: (verification.sql, verification.expect) for verification in runbook().verifications}

    async def go() -> None:
        async with await PgSession.open(Dsn(migrated), application_name="test") as session:
            was = await baselines(session)

            async def red(names: set[str]) -> set[str]:
                wrong = set()
                for name in names:
                    script, expect = asked[name]
                    table = await session.query(script.statements[-1].text)
                    if not judge(expect, Answer(table, 0.0), was.get(name)).ok:
                        wrong.add(name)
                return wrong

            assert await red(set(asked)) == {"names-free", "not-recorded", "back-nothing-left"}
            for statement, wanted in BROKEN.items():
                await session.execute("BEGIN")
                for part in statement.split("; "):
                    await session.execute(part)
                assert await red(wanted) == wanted, statement
                await session.execute("ROLLBACK")
            ahead = {verification.id for verification in runbook().verifications if verification.after != "back"}
            for statement in HARMLESS:
                await session.execute("BEGIN")
                for part in statement.split("; "):
                    await session.execute(part)
                assert await red(ahead) == set(), statement
                await session.execute("ROLLBACK")

    asyncio.run(go())


def test_a_missing_table_is_seen(migrated: str) -> None:
    execute(migrated, "DROP TABLE trends, people_search_results, saved_searches, stripe_customers CASCADE")
    execute(migrated, "ALTER INDEX idx_global_topics_topic_tsv RENAME TO something")
    found = reds(migrated, after=("001", "002", "003", "004", "005", "006", "007"))
    assert {"topics", "queries", "people", "tables", "conventions", "topic-search", "indexes"} <= set(found)
