"""Whether the checks of iso-agents-to-users can fail, and what the guide's own queries say of the same database."""

import asyncio
import subprocess
import sys
from collections.abc import Iterable

import psycopg
import pytest
from conftest import INSTALLATIONS, Psql
from psycopg.conninfo import make_conninfo

from tui.engine.verify import Answer, Rows, judge
from tui.paths import shipped_runbooks
from tui.postgres.session import Dsn, PgSession, StatementFailed, Table
from tui.runbook.load import load
from tui.runbook.model import Expectation, Runbook, Verification

ROOT = shipped_runbooks() / "iso-agents-to-users"
STEPS = sorted((ROOT / "steps").glob("*.sql"))
SCALE = "-c lockstep.scale=0.01"

A_REP = (
    "(SELECT id FROM users WHERE role = 'sales_rep' AND is_active"
    " AND metadata #> '{moved_to_columns,phone}' IS NOT NULL ORDER BY id LIMIT 1)"
)
A_CLIENT = "(SELECT id FROM client_profiles ORDER BY id LIMIT 1)"
FORWARD = {
    "enum-labels": "ALTER TYPE user_role ADD VALUE 'other'",
    "role-default": "ALTER TABLE users ALTER role DROP DEFAULT",
    "table-renamed": "CREATE TABLE iso_agents ()",
    "new-columns": "ALTER TABLE users ALTER timezone DROP NOT NULL",
    "retired-role": "ALTER TABLE users DROP CONSTRAINT users_role_not_retired_check;"
    f" UPDATE users SET role = 'iso_agent' WHERE id = {A_REP}",
    "metadata-left": f'UPDATE users SET metadata = metadata || \'{{"phone": "+1"}}\' WHERE id = {A_REP}',
    # The keys are all there: one value is not.
    "metadata-kept": f"UPDATE users SET metadata = jsonb_set(metadata, '{{moved_to_columns,phone}}', '\"+9\"')"
    f" WHERE id = {A_REP}",
    "foreign-keys": "ALTER TABLE requests RENAME user_id TO iso_agent_id",
    "foreign-keys-point": "ALTER TABLE requests DROP CONSTRAINT requests_user_id_fkey",
    "orphan-clients": "INSERT INTO client_profiles (company_name, contact_name, email) VALUES ('lost', 'lost', 'lost')",
    "orphan-requests": "ALTER TABLE requests DROP CONSTRAINT requests_user_id_fkey;"
    " UPDATE requests SET user_id = gen_random_uuid() WHERE id = (SELECT id FROM requests ORDER BY id LIMIT 1)",
    "owners": f"UPDATE client_profiles SET user_id = {A_REP} WHERE id = {A_CLIENT}",
    "functions": "ALTER FUNCTION is_customer() RENAME TO customer",
    "functions-tight": "GRANT EXECUTE ON FUNCTION is_admin() TO anon",
    "policies": 'DROP POLICY "Reporting can read users" ON users',
    "row-security-on": "ALTER TABLE workflow_states DISABLE ROW LEVEL SECURITY",
    "rls-member": "CREATE POLICY open ON client_profiles FOR SELECT TO authenticated USING (true)",
    "rls-admin": "CREATE POLICY shut ON requests AS RESTRICTIVE FOR SELECT TO authenticated USING (false)",
    "rls-stranger": "CREATE POLICY open ON quotes FOR SELECT TO authenticated USING (true)",
    "old-names": "CREATE INDEX idx_iso_agents_company ON users (company)",
    "roles": f"UPDATE users SET role = 'operator' WHERE id = {A_REP}",
    "rows": "UPDATE quotes SET base_price = base_price + 1 WHERE id = (SELECT id FROM quotes ORDER BY id LIMIT 1)",
    "indexes": "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_users_role'::regclass",
    "keys-validated": "ALTER TABLE users ADD CONSTRAINT late CHECK (email <> '') NOT VALID",
}
AN_AGENT = (
    "(SELECT id FROM iso_agents WHERE role = 'iso_agent' AND is_active AND metadata ? 'phone' ORDER BY id LIMIT 1)"
)
BACK = {
    "back-table": "CREATE TABLE users ()",
    "back-catalog": "COMMENT ON COLUMN iso_agents.role IS 'sales_rep'",
    "back-roles": f"UPDATE iso_agents SET role = 'operator' WHERE id = {AN_AGENT}",
    "back-rows": f"UPDATE iso_agents SET full_name = full_name || ' ' WHERE id = {AN_AGENT}",
    "back-owners": f"UPDATE client_profiles SET iso_agent_id = {AN_AGENT} WHERE id = {A_CLIENT}",
    "back-metadata": f"UPDATE iso_agents SET metadata = metadata - 'source' WHERE id = {AN_AGENT}",
    "back-orphans": "INSERT INTO client_profiles (company_name, contact_name, email) VALUES ('lost', 'lost', 'lost')",
    "back-rls": "CREATE POLICY open ON client_profiles FOR SELECT TO authenticated USING (true)",
    "back-customers": f'UPDATE iso_agents SET metadata = \'{{"users_migration": {{"role": "customer"}}}}\''
    f" WHERE id = {AN_AGENT}",
}


def runbook() -> Runbook:
    loaded = load(ROOT)
    assert loaded.runbook is not None, loaded.findings
    return loaded.runbook


def loaded(dsn: str, psql: Psql, *, steps: bool) -> str:
    dsn = make_conninfo(dsn, options=SCALE)
    for path in (*sorted((ROOT / "fixture").glob("*.sql")), *(STEPS if steps else ())):
        psql(dsn, path)
    return dsn


@pytest.fixture
def before(database: str, psql: Psql) -> str:
    return loaded(database, psql, steps=False)


@pytest.fixture
def after_each(database_each: str, psql: Psql) -> str:
    """The DSN of the database after all steps, on every server in turn."""
    return loaded(database_each, psql, steps=True)


def broken(dsn: str, checks: Iterable[Verification], breaks: dict[str, str]) -> None:
    """Each is green, and red once its break is in; every break is taken back."""

    async def night() -> None:
        async with await PgSession.open(Dsn(dsn), application_name="test") as session:
            for check in checks:
                (statement,) = check.sql.statements
                before = await session.query(statement.text)
                baseline: Rows | None = before.rows if check.expect.kind is Expectation.SAME_AS_BEFORE else None
                assert judge(check.expect, Answer(before, 0.0), baseline).ok, check.id
                await session.execute("BEGIN")
                for command in breaks[check.id].split("; "):
                    await session.execute(command)
                try:
                    answer = Answer(await session.query(statement.text), 0.0)
                except StatementFailed as failure:
                    answer = Answer(Table((), ()), 0.0, failure.error)
                assert not judge(check.expect, answer, baseline).ok, check.id
                await session.execute("ROLLBACK")

    asyncio.run(night())


def test_each_verification_turns_red_when_it_should(database: str, psql: Psql) -> None:
    """One that cannot fail says nothing."""
    dsn = loaded(database, psql, steps=True)
    checks = [check for check in runbook().verifications if check.after != "back"]
    assert {check.id for check in checks} == set(FORWARD)
    broken(dsn, checks, FORWARD)


def test_each_verification_of_the_way_back_turns_red_when_it_should(before: str) -> None:
    checks = [check for check in runbook().verifications if check.after == "back"]
    assert {check.id for check in checks} == set(BACK)
    broken(before, checks, BACK)


def test_row_sums_do_not_mind_where_the_operator_sits(before: str) -> None:
    """A colleague goes on from another machine: the baseline was taken in another time zone."""
    (statement,) = next(check for check in runbook().verifications if check.id == "rows").sql.statements
    answers = []
    for zone in ("UTC", "Asia/Kolkata"):
        with psycopg.connect(make_conninfo(before, options=f"-c TimeZone={zone}")) as connection:
            answers.append(connection.execute(statement.text.encode()).fetchall())
    assert answers[0] == answers[1]
    assert [name for name, _ in answers[0]] == [
        "agent_executions", "client_profiles", "quotes", "requests", "users", "workflow_states",
    ]  # fmt: skip


def test_the_list_of_the_cli_is_asked_where_there_is_one(before: str, psql: Psql) -> None:
    """The steps do not run by the CLI: its next push would run them once more."""
    probes = [ROOT / "checks" / name for name in ("cli_history.sql", "cli_history_complete.sql")]
    assert [psql(before, probe) for probe in probes] == ["0\n", "0\n"]
    psql(before, "CREATE SCHEMA supabase_migrations; CREATE TABLE supabase_migrations.schema_migrations (version text)")
    psql(before, "INSERT INTO supabase_migrations.schema_migrations VALUES ('001'), ('003')")
    assert [psql(before, probe) for probe in probes] == ["0\n", "4\n"]
    psql(before, "INSERT INTO supabase_migrations.schema_migrations VALUES ('004'), ('005'), ('006'), ('007')")
    assert [psql(before, probe) for probe in probes] == ["4\n", "0\n"]


# The guide's own queries


def test_what_the_guides_queries_say_afterwards(after_each: str, psql: Psql) -> None:
    """As the guide has them; where one cannot show what it is meant to show, that is said in the runbook's README."""
    assert psql(
        after_each,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        " AND table_name IN ('users', 'iso_agents')",
    ) == "users\n"  # fmt: skip
    assert psql(after_each, "SELECT count(*) FROM (SELECT * FROM users LIMIT 5) AS five") == "5\n"
    distribution = psql(after_each, "SELECT role, COUNT(*) as count FROM users GROUP BY role ORDER BY count DESC")
    assert [line.split("|")[0] for line in distribution.splitlines()] == ["sales_rep", "operator", "admin"]
    columns = (
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '{}'"
        " AND column_name LIKE '%user_id%'"
    )
    assert [psql(after_each, columns.format(name)) for name in ("client_profiles", "requests")] == ["user_id\n"] * 2
    functions = psql(
        after_each,
        "SELECT routine_name FROM information_schema.routines WHERE routine_schema = 'public'"
        " AND routine_name LIKE '%user%' OR routine_name LIKE '%iso_agent%'",
    ).splitlines()
    # Two of the four that it expects, and no other way to see them: neither has "user" in its name.
    assert {"get_current_user_id", "get_current_user_role"} <= set(functions)
    assert not {"is_sales_rep", "is_customer", "get_current_iso_agent_id"} & set(functions)
    policies = psql(
        after_each,
        "SELECT tablename, COUNT(*) as policy_count FROM pg_policies WHERE schemaname = 'public'"
        " GROUP BY tablename ORDER BY tablename",
    )
    assert len(policies.splitlines()) == 6
    assert psql(
        after_each,
        "SELECT COUNT(*) FROM client_profiles cp LEFT JOIN users u ON cp.user_id = u.id WHERE u.id IS NULL",
    ) == "0\n"  # fmt: skip
    assert psql(after_each, "SELECT * FROM pg_locks WHERE granted = false AND database = 0") == ""


def test_the_guides_questions_when_somebody_sees_nothing(after_each: str) -> None:
    """``auth.jwt()`` and ``get_current_user_id()``, as everybody who may ask."""
    with psycopg.connect(after_each) as connection:
        connection.execute(
            "INSERT INTO users (clerk_user_id, email, full_name, role)"
            " VALUES ('user_c', 'c@example.com', 'C', 'customer')"
        )
        people = dict(
            connection.execute(
                "SELECT DISTINCT ON (role) role::text, clerk_user_id FROM users WHERE is_active ORDER BY role, id"
            ).fetchall()
        )
    people["stranger"] = "user_nobody"
    asked = (
        "SELECT auth.jwt() ->> 'sub',"
        " get_current_user_id() = (SELECT id FROM users WHERE clerk_user_id = auth.jwt() ->> 'sub'),"
        " get_current_user_role()::text, is_sales_rep(), is_customer(), is_admin(), is_operator()"
    )
    for role in ("sales_rep", "admin", "operator", "customer", "stranger"):
        known = role != "stranger"
        with psycopg.connect(after_each) as connection:
            connection.execute(
                "SELECT set_config('request.jwt.claims', json_build_object('sub', %s::text)::text, true)",
                (people[role],),
            )
            connection.execute("SET LOCAL ROLE authenticated")
            answer = connection.execute(asked.encode()).fetchone()
            assert answer == (
                people[role],
                True if known else None,
                role if known else None,
                *(role == name for name in ("sales_rep", "customer", "admin", "operator")),
            )
            connection.rollback()
    # Without a token nobody is anybody, and the role that is not logged in may not even ask.
    with psycopg.connect(after_each) as connection:
        connection.execute("SET LOCAL ROLE authenticated")
        assert connection.execute("SELECT auth.jwt(), get_current_user_id(), is_admin()").fetchone() == (
            None,
            None,
            False,
        )
        connection.rollback()
        connection.execute("SET LOCAL ROLE anon")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT get_current_user_id()")


def test_the_guides_mend_for_orphans_leaves_those_without_an_agent(before: str, psql: Psql) -> None:
    psql(
        before,
        """
        ALTER TABLE client_profiles DROP CONSTRAINT client_profiles_iso_agent_id_fkey;
        INSERT INTO client_profiles (iso_agent_id, company_name, contact_name, email)
        VALUES (NULL, 'without', 'x', 'x'), (gen_random_uuid(), 'unknown', 'x', 'x');
        """,
    )
    find = (
        "SELECT company_name FROM client_profiles cp LEFT JOIN iso_agents ia ON cp.iso_agent_id = ia.id"
        " WHERE ia.id IS NULL ORDER BY 1"
    )
    assert psql(before, find) == "unknown\nwithout\n"
    psql(before, "DELETE FROM client_profiles WHERE iso_agent_id NOT IN (SELECT id FROM iso_agents)")
    assert psql(before, find) == "without\n"


@pytest.mark.parametrize("major", sorted({one.major for one in INSTALLATIONS.values() if one.source == "system"}))
def test_it_is_proven_on_a_server_of_the_system(major: int) -> None:
    """The embedded ones are rehearsed on in test_rehearse.py."""
    done = subprocess.run(
        [sys.executable, "-m", "tui", "rehearse", "iso-agents-to-users", "--server", str(major), "--scale", "0.01"],
        capture_output=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.endswith("all proven\n")
    assert f"on an embedded PostgreSQL {major}" in done.stdout
