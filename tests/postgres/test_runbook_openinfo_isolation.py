"""Row security of the runbook openinfo, as members of two workspaces, a stranger, the server and nobody."""

from collections.abc import Iterator

import psycopg
import pytest
from conftest import INSTALLATIONS, Servers
from openinfo_world import CRON, TABLES, WORKSPACE_TABLES, acting, at_work, value
from psycopg import errors
from runbooks import rows

ANYBODY = ("a1", "a2", "b1", "stranger")


@pytest.fixture(scope="module", params=list(INSTALLATIONS))
def work(request: pytest.FixtureRequest, servers: Servers) -> Iterator[str]:
    """Two workspaces at work, on every server in turn. Tests change nothing."""
    yield from at_work(servers.get(INSTALLATIONS[request.param]))


def test_each_of_two_workspaces_sees_its_own_leads_and_no_other(work: str) -> None:
    """The guide's test, as it stands there."""
    for who, leads in (("a1", 4), ("a2", 4), ("b1", 2), ("stranger", 0)):
        with acting(work, who) as cursor:
            seen = cursor.execute("SELECT * FROM leads").fetchall()
            assert len(seen) == leads, who
            assert value(cursor, "SELECT COUNT(*) FROM leads WHERE workspace_id != get_user_workspace_id()") == 0


def test_no_table_shows_a_row_of_another_workspace(work: str) -> None:
    for table in WORKSPACE_TABLES:
        by_workspace = {row[0]: row[1] for row in rows(work, f"SELECT workspace_id, count(*) FROM {table} GROUP BY 1")}
        assert len(by_workspace) == 2, table
        for who in ANYBODY:
            with acting(work, who) as cursor:
                own = value(cursor, "SELECT get_user_workspace_id()")
                due = by_workspace.get(own, 0)
                if table == "notification_preferences" and own is not None:
                    due = 1
                assert value(cursor, f"SELECT count(*) FROM {table}") == due, (table, who)
    for who, sees in (("a1", 1), ("b1", 1), ("stranger", 0)):
        with acting(work, who) as cursor:
            assert value(cursor, "SELECT count(*) FROM workspaces WHERE id = get_user_workspace_id()") == sees
            assert value(cursor, "SELECT count(*) FROM workspaces") == sees


def test_topics_and_trends_are_shared_and_read_only(work: str) -> None:
    for who in ANYBODY:
        with acting(work, who) as cursor:
            assert value(cursor, "SELECT count(*) FROM global_topics") == 3
            assert value(cursor, "SELECT count(*) FROM trends") == 1
            with pytest.raises(errors.InsufficientPrivilege):
                cursor.execute("INSERT INTO global_topics (topic) VALUES ('mine')")


def test_without_a_token_everything_is_refused(work: str) -> None:
    for table in TABLES:
        with acting(work, None, "anon") as cursor, pytest.raises(errors.InsufficientPrivilege):
            cursor.execute(f"SELECT FROM {table}".encode())
    for call in ("get_user_workspace_id()", "check_query_limit()", "search_topics('it')", "reset_daily_credits()"):
        with acting(work, None, "anon") as cursor, pytest.raises(errors.InsufficientPrivilege):
            cursor.execute(f"SELECT {call}".encode())


def test_the_server_functions_are_closed_to_people(work: str) -> None:
    for call in (*(f"{name}()" for name in CRON), "record_credit_usage(get_user_id(), 'x')"):
        with acting(work, "a1") as cursor, pytest.raises(errors.InsufficientPrivilege):
            cursor.execute(f"SELECT {call}".encode())
        with acting(work, None, "service_role") as cursor:
            cursor.execute(f"SELECT {call.replace('get_user_id()', 'id')} FROM users LIMIT 1".encode())


def test_nobody_writes_into_another_workspace(work: str) -> None:
    with acting(work, "a1") as cursor:
        assert cursor.execute("UPDATE queries SET name = 'mine' WHERE id = md5('query-b')::uuid").rowcount == 0
        assert cursor.execute("UPDATE queries SET name = 'mine'").rowcount == 1
        assert cursor.execute("DELETE FROM leads").rowcount == 4
        assert cursor.execute("UPDATE workspaces SET name = 'mine'").rowcount == 1
    for refused in (
        "INSERT INTO saved_searches (workspace_id, name) VALUES (md5('workspace-b')::uuid, 'x')",
        "INSERT INTO queries (workspace_id, topic_id, name, status)"
        " VALUES (md5('workspace-b')::uuid, md5('topic-1')::uuid, 'x', 'paused')",
        "INSERT INTO export_jobs (workspace_id) VALUES (md5('workspace-b')::uuid)",
    ):
        with acting(work, "a1") as cursor, pytest.raises((errors.InsufficientPrivilege, errors.ForeignKeyViolation)):
            cursor.execute(refused.encode())


def test_what_people_may_write_needs_no_workspace_and_tells_who_made_it(work: str) -> None:
    with acting(work, "a2") as cursor:
        for statement in (
            "INSERT INTO queries (topic_id, name) VALUES (md5('topic-2')::uuid, 'Q')"
            " RETURNING workspace_id, created_by",
            "INSERT INTO saved_searches (name) VALUES ('S') RETURNING workspace_id, created_by",
            "INSERT INTO saved_people_searches (name) VALUES ('P') RETURNING workspace_id, user_id",
            "INSERT INTO export_jobs (export_format) VALUES ('json') RETURNING workspace_id, user_id",
            "INSERT INTO integrations (provider, name) VALUES ('crm', 'C') RETURNING workspace_id, created_by",
        ):
            made = cursor.execute(statement.encode()).fetchone()
            assert made == (value(cursor, "SELECT get_user_workspace_id()"), value(cursor, "SELECT get_user_id()"))


def test_plan_limits_credits_and_secrets_are_not_for_people(work: str) -> None:
    for refused in (
        "UPDATE workspaces SET plan = 'enterprise'",
        "UPDATE workspaces SET query_limit = 1000",
        "UPDATE users SET daily_credits_used = 0",
        "UPDATE users SET daily_credit_limit = 1000",
        "UPDATE users SET workspace_id = md5('workspace-b')::uuid",
        "UPDATE queries SET leads_this_week = 0",
        "INSERT INTO credit_usage (user_id, action, credits) VALUES (get_user_id(), 'x', 1)",
        "INSERT INTO billing_events (event_type, stripe_event_id) VALUES ('x', 'x')",
        "UPDATE stripe_customers SET subscription_status = 'active'",
        "SELECT credentials FROM integrations",
        "SELECT * FROM integrations",
        "SELECT payload FROM billing_events",
        "SELECT * FROM auth.users",
        "TRUNCATE leads",
    ):
        with acting(work, "a1") as cursor, pytest.raises(errors.InsufficientPrivilege):
            cursor.execute(refused.encode())
    with acting(work, "a1") as cursor:
        assert value(cursor, "SELECT config ->> 'list' FROM integrations") == "7"
        assert value(cursor, "SELECT amount_cents FROM billing_events") == 9900


def test_a_profile_and_preferences_are_their_owners(work: str) -> None:
    with acting(work, "a1") as cursor:
        assert value(cursor, "SELECT count(*) FROM users") == 2
        assert cursor.execute("UPDATE users SET full_name = 'Ada'").rowcount == 1
        assert value(cursor, "SELECT id = md5('a1')::uuid FROM users WHERE full_name = 'Ada'") is True
        assert cursor.execute("UPDATE notification_preferences SET email_billing = false").rowcount == 1


def test_the_guides_own_policy_would_call_itself(work: str) -> None:
    """Why the policies ask a function: USING (workspace_id IN (SELECT workspace_id FROM users …)) on users itself."""
    with psycopg.connect(work) as connection:
        connection.execute(
            """
            ALTER POLICY "Workspace isolation" ON users USING (
              workspace_id IN (SELECT workspace_id FROM users WHERE auth_user_id = auth.uid()))
            """
        )
        connection.execute("SET LOCAL ROLE authenticated")
        with pytest.raises(errors.InvalidObjectDefinition, match="infinite recursion detected in policy"):
            connection.execute("SELECT * FROM users")
        connection.rollback()


def test_row_security_asks_for_the_workspace_once_a_statement(work: str) -> None:
    with acting(work, "a1") as cursor:
        plan = "\n".join(str(line[0]) for line in cursor.execute("EXPLAIN SELECT * FROM leads").fetchall())
        assert "InitPlan" in plan
