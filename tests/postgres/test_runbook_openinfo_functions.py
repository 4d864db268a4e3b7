"""The helper and cron functions of the runbook openinfo, as their callers use them."""

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from conftest import INSTALLATIONS, Servers
from openinfo_world import acting, at_work, load_before, run_script, runbook, value
from psycopg import errors
from runbooks import execute, one, until_true


@pytest.fixture(scope="module", params=list(INSTALLATIONS))
def work(request: pytest.FixtureRequest, servers: Servers) -> Iterator[str]:
    """Two workspaces at work, on every server in turn. Tests change nothing."""
    yield from at_work(servers.get(INSTALLATIONS[request.param]))


# Helper functions


def test_get_user_workspace_id(work: str) -> None:
    for who, slug in (("a1", "aero"), ("a2", "aero"), ("b1", "sora")):
        with acting(work, who) as cursor:
            assert value(cursor, "SELECT slug FROM workspaces WHERE id = get_user_workspace_id()") == slug
    with acting(work, "stranger") as cursor:
        assert value(cursor, "SELECT get_user_workspace_id()") is None
        assert value(cursor, "SELECT get_user_id()") is None
    with acting(work, None, "service_role") as cursor:
        assert value(cursor, "SELECT get_user_workspace_id()") is None


NEW_QUERY = "INSERT INTO queries (topic_id, name, status) VALUES (md5('topic-3')::uuid, 'more', '{}')"


def test_check_query_limit_before_a_query_is_made(work: str) -> None:
    with acting(work, "a1") as cursor:
        for _ in range(2):
            assert value(cursor, "SELECT check_query_limit()") is True
            cursor.execute(NEW_QUERY.format("active").encode())
        assert value(cursor, "SELECT check_query_limit()") is False
        # A paused query does not count; resuming it does.
        cursor.execute(NEW_QUERY.format("paused").encode())
        cursor.execute("SAVEPOINT limit_reached")
        with pytest.raises(errors.CheckViolation, match="limit of active queries"):
            cursor.execute(NEW_QUERY.format("active").encode())
        cursor.execute("ROLLBACK TO SAVEPOINT limit_reached")
        with pytest.raises(errors.CheckViolation, match="limit of active queries"):
            cursor.execute("UPDATE queries SET status = 'active' WHERE status = 'paused'")
        cursor.execute("ROLLBACK TO SAVEPOINT limit_reached")
        cursor.execute("UPDATE queries SET status = 'completed' WHERE name = 'A'")
        assert value(cursor, "SELECT check_query_limit()") is True
        # Of another workspace nobody is told anything.
        assert value(cursor, "SELECT check_query_limit(md5('workspace-b')::uuid)") is False
    with acting(work, "stranger") as cursor:
        assert value(cursor, "SELECT check_query_limit()") is False
    with acting(work, None, "service_role") as cursor:
        assert value(cursor, "SELECT check_query_limit(md5('workspace-b')::uuid)") is True
        assert value(cursor, "SELECT check_query_limit(gen_random_uuid())") is False


def test_the_query_limit_holds_within_one_statement(work: str) -> None:
    with acting(work, "b1") as cursor, pytest.raises(errors.CheckViolation):
        cursor.execute(
            "INSERT INTO queries (topic_id, name) SELECT md5('topic-1')::uuid, 'n' || i FROM generate_series(1, 3) AS i"
        )


async def test_the_query_limit_holds_for_two_at_once(work: str) -> None:
    execute(work, "UPDATE workspaces SET query_limit = 2 WHERE slug = 'sora'")
    failed: list[str] = []

    def second() -> None:
        with acting(work, "b1") as cursor:
            try:
                cursor.execute(NEW_QUERY.format("active").encode())
            except errors.CheckViolation as error:
                failed.append(str(error))

    try:
        with psycopg.connect(work) as first:
            first.execute(
                "INSERT INTO queries (workspace_id, topic_id, name)"
                " VALUES (md5('workspace-b')::uuid, md5('topic-3')::uuid, 'first')"
            )
            other = threading.Thread(target=second)
            other.start()
            await until_true(
                work,
                "SELECT count(*) > 0 FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            first.commit()
        other.join(10)
        assert len(failed) == 1
    finally:
        execute(
            work,
            "DELETE FROM queries WHERE name = 'first'",
            "UPDATE workspaces SET query_limit = 3 WHERE slug = 'sora'",
        )


def test_check_credits_available_and_record_credit_usage(work: str) -> None:
    with acting(work, "a1") as cursor:
        # Two of ten are used.
        assert value(cursor, "SELECT check_credits_available()") is True
        assert value(cursor, "SELECT check_credits_available(get_user_id(), 8)") is True
        for credits in ("9", "0", "-5", "2147483647", "NULL"):
            assert value(cursor, f"SELECT check_credits_available(get_user_id(), {credits})") is False, credits
        assert value(cursor, "SELECT check_credits_available(md5('a2')::uuid)") is True
        assert value(cursor, "SELECT check_credits_available(md5('b1')::uuid)") is False
    with acting(work, None, "service_role") as cursor:
        usage = value(
            cursor, "SELECT record_credit_usage(md5('a1')::uuid, 'export', 8, md5('x')::uuid, '{\"rows\": 5}')"
        )
        recorded = cursor.execute(
            "SELECT workspace_id = md5('workspace-a')::uuid, user_id = md5('a1')::uuid, action, credits,"
            " reference_id = md5('x')::uuid, metadata ->> 'rows' FROM credit_usage WHERE id = %s",
            (usage,),
        ).fetchone()
        assert recorded == (True, True, "export", 8, True, "5")
        assert value(cursor, "SELECT daily_credits_used FROM users WHERE id = md5('a1')::uuid") == 10
        assert value(cursor, "SELECT check_credits_available(md5('a1')::uuid)") is False
        for call, error in (
            ("md5('a1')::uuid, 'email_reveal'", errors.CheckViolation),
            ("md5('a2')::uuid, 'email_reveal', -3", errors.InvalidParameterValue),
            ("md5('a2')::uuid, 'email_reveal', 0", errors.InvalidParameterValue),
            ("md5('a2')::uuid, 'email_reveal', NULL", errors.InvalidParameterValue),
            ("md5('a2')::uuid, 'email_reveal', 2147483647", errors.CheckViolation),
            ("md5('a2')::uuid, ' '", errors.CheckViolation),
            ("gen_random_uuid(), 'email_reveal'", errors.NoDataFound),
        ):
            cursor.execute("SAVEPOINT call")
            with pytest.raises(error):
                cursor.execute(f"SELECT record_credit_usage({call})".encode())
            cursor.execute("ROLLBACK TO SAVEPOINT call")
        # What was refused has taken nothing.
        assert value(cursor, "SELECT daily_credits_used FROM users WHERE id = md5('a2')::uuid") == 2


def test_an_email_is_revealed_once_it_is_paid_for(work: str) -> None:
    with acting(work, None, "service_role") as cursor:
        person = "id = (SELECT id FROM people_search_results WHERE user_id = md5('a1')::uuid)"
        value(
            cursor,
            f"SELECT record_credit_usage(user_id, 'email_reveal', 1, id) FROM people_search_results WHERE {person}",
        )
        cursor.execute(
            "UPDATE people_search_results SET email_revealed_at = now(), person_data = person_data ||"
            f' \'{{"email": "ada@example.org"}}\' WHERE {person}'.encode()
        )
        cursor.execute("RESET ROLE")
        cursor.execute(
            "SELECT set_config('request.jwt.claims', json_build_object('sub', md5('account-40')::uuid)::text, true)"
        )
        cursor.execute("SET LOCAL ROLE authenticated")
        # A colleague sees it, another workspace does not.
        emails = "SELECT string_agg(person_data ->> 'email', ' ') FROM people_search_results"
        assert value(cursor, emails) == "ada@example.org"
        cursor.execute(
            "SELECT set_config('request.jwt.claims', json_build_object('sub', md5('account-2')::uuid)::text, true)"
        )
        assert value(cursor, emails) is None


async def test_two_at_once_cannot_spend_the_same_credits(work: str) -> None:
    spend = "SELECT record_credit_usage(md5('b1')::uuid, 'race', 5)"
    outcomes: list[str] = []

    def second() -> None:
        with psycopg.connect(work) as connection:
            try:
                connection.execute(spend.encode())
            except errors.CheckViolation:
                outcomes.append("refused")
            connection.rollback()

    try:
        with psycopg.connect(work) as first:
            first.execute(spend.encode())
            other = threading.Thread(target=second)
            other.start()
            await until_true(
                work,
                "SELECT count(*) > 0 FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            first.commit()
        other.join(10)
        assert outcomes == ["refused"]
        assert one(work, "SELECT daily_credits_used FROM users WHERE id = md5('b1')::uuid") == 7
    finally:
        execute(
            work,
            "DELETE FROM credit_usage WHERE action = 'race'",
            "UPDATE users SET daily_credits_used = 2 WHERE id = md5('b1')::uuid",
        )


SEARCHES = {
    "mark": ["Marketing automation"],
    "AUTO mark": ["Marketing automation"],
    "marketing": ["Marketing automation"],
    # An English stop word, and a beginning that no stem has.
    "it": ["IT security"],
    "marketin": ["Marketing automation"],
    "données": ["Données ouvertes & C++"],
    "c++": ["Données ouvertes & C++"],
    "secur | mark": [],
    "!it": ["IT security"],
    "it' & 'x": [],
    r"\'": [],
    "": [],
    " & ": [],
    "nothing": [],
}


def test_search_topics_completes_what_is_typed(work: str) -> None:
    with acting(work, "stranger") as cursor:
        for typed, found in SEARCHES.items():
            cursor.execute("SELECT topic FROM search_topics(%s)", (typed,))
            assert [row[0] for row in cursor.fetchall()] == found, typed
        cursor.execute("SELECT topic FROM search_topics(NULL)")
        assert cursor.fetchall() == []
    with acting(work, None, "service_role") as cursor:
        cursor.execute(
            "INSERT INTO global_topics (topic, current_volume)"
            " SELECT 'Cloud ' || i, i FROM generate_series(1, 120) AS i"
        )
        cursor.execute("SELECT topic, category, current_volume, trend_direction, rank > 0 FROM search_topics('clo')")
        best = cursor.fetchall()
        assert len(best) == 10
        assert best[0] == ("Cloud 120", "other", 120, "stable", True)
        for limit, count in (("3", 3), ("0", 0), ("-1", 0), ("1000", 100), ("NULL", 10)):
            assert value(cursor, f"SELECT count(*) FROM search_topics('cloud', {limit})") == count


# Cron functions


def test_reset_daily_credits(work: str) -> None:
    with acting(work, None, "service_role") as cursor:
        assert value(cursor, "SELECT reset_daily_credits()") == 3
        assert value(cursor, "SELECT sum(daily_credits_used) FROM users") == 0
        assert value(cursor, "SELECT reset_daily_credits()") == 0
        # The history stays.
        assert value(cursor, "SELECT sum(credits) FROM credit_usage") == 6


def test_reset_weekly_lead_counts(work: str) -> None:
    with acting(work, None, "service_role") as cursor:
        cursor.execute("UPDATE queries SET leads_this_week = 7, total_leads = 9 WHERE name = 'A'")
        assert value(cursor, "SELECT reset_weekly_lead_counts()") == 1
        assert value(cursor, "SELECT leads_this_week || ' ' || total_leads FROM queries WHERE name = 'A'") == "0 9"
        assert value(cursor, "SELECT reset_weekly_lead_counts()") == 0


def test_update_topic_trends(work: str) -> None:
    changes = (
        "SELECT string_agg(concat_ws(' ', left(topic, 2), trend_direction, change_percent), ', ' ORDER BY topic)"
        " FROM global_topics"
    )
    with acting(work, None, "service_role") as cursor:
        assert value(cursor, "SELECT update_topic_trends()") == 3
        # 50 searches in the earlier week are 100 in this one; the others have nothing to compare with.
        assert value(cursor, changes) == "Do new, IT up 100.00, Ma new"
        closed = "date_trunc('week', now() AT TIME ZONE 'UTC')::date - 7"
        assert value(cursor, f"SELECT count(*) FROM trends WHERE week_start = {closed}") == 3
        # Again in the same week: the same rows, compared with the same week.
        assert value(cursor, "SELECT update_topic_trends()") == 3
        assert value(cursor, changes) == "Do new, IT up 100.00, Ma new"
        assert value(cursor, "SELECT count(*) FROM trends") == 4

        # A week on: from nothing to something, a fall, and a rise by more than 999.99 %.
        cursor.execute("UPDATE trends SET week_start = week_start - 7")
        cursor.execute("UPDATE global_topics SET current_volume = 5 WHERE topic LIKE 'Do%'")
        cursor.execute("UPDATE global_topics SET current_volume = 260 WHERE topic LIKE 'Ma%'")
        cursor.execute("UPDATE global_topics SET current_volume = 200000 WHERE topic LIKE 'IT%'")
        assert value(cursor, "SELECT update_topic_trends()") == 3
        assert value(cursor, changes) == "Do new, IT up 199900.00, Ma down -13.33"
        cursor.execute("UPDATE trends SET week_start = week_start - 7")
        value(cursor, "SELECT update_topic_trends()")
        assert value(cursor, changes) == "Do stable 0, IT stable 0, Ma stable 0"


def test_cleanup_expired_exports(work: str) -> None:
    files = "SELECT string_agg(file_path, ' ' ORDER BY file_path) FROM cleanup_expired_exports()"
    with acting(work, None, "service_role") as cursor:
        cursor.execute(
            """
            INSERT INTO export_jobs (workspace_id, user_id, status, file_path, completed_at, expires_at)
            SELECT workspace_id, id, 'completed', f.path, now(), now() + f.due
            FROM users, (VALUES ('a/old.csv', interval '-1 day'), ('a/new.csv', '1 day'), ('a/for-ever.csv', NULL),
              (NULL, '-1 day')) AS f (path, due) WHERE id = md5('a1')::uuid
            """
        )
        cursor.execute("INSERT INTO storage.objects (bucket_id, name) VALUES ('exports', 'a/old.csv')")
        assert value(cursor, files) == "a/old.csv"
        assert value(cursor, "SELECT count(*) FROM export_jobs WHERE expired_at IS NOT NULL") == 2
        # Named every day, until the server has deleted the file through the Storage API.
        assert value(cursor, files) == "a/old.csv"
        cursor.execute("UPDATE export_jobs SET file_path = NULL WHERE file_path = 'a/old.csv'")
        assert value(cursor, files) is None
        with pytest.raises(errors.InsufficientPrivilege, match="Use the Storage API"):
            cursor.execute("DELETE FROM storage.objects WHERE name = 'a/old.csv'")


PG_CRON = """
CREATE SCHEMA cron;
CREATE TABLE cron.job (jobid bigserial, schedule text, command text, active boolean DEFAULT true, jobname text UNIQUE);
CREATE FUNCTION cron.schedule(job_name text, schedule text, command text) RETURNS bigint LANGUAGE sql AS
  'INSERT INTO cron.job (schedule, command, jobname) VALUES ($2, $3, $1) RETURNING jobid';
CREATE FUNCTION cron.unschedule(job_name text) RETURNS boolean LANGUAGE sql AS
  'DELETE FROM cron.job WHERE jobname = $1 RETURNING true';
"""


@pytest.fixture
def control_path() -> Iterator[Path]:
    """A directory that the server's user may read, with the stand-in in it."""
    # pytest's own directories are closed to the user that the server runs as where we are root.
    with tempfile.TemporaryDirectory(prefix="ls-", dir="/tmp") as made:
        path = Path(made)
        path.chmod(0o755)
        extension = path / "extension"
        extension.mkdir(mode=0o755)
        (extension / "pg_cron.control").write_text("default_version = '1.6'\nrelocatable = false\n")
        (extension / "pg_cron--1.6.sql").write_text(PG_CRON)
        yield path


def test_with_pg_cron_the_four_jobs_are_scheduled_and_taken_back(database: str, control_path: Path) -> None:
    """A stand-in with pg_cron's two functions: no server of these tests has the real one."""
    load_before(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"SET extension_control_path = '{control_path}'".encode())
        connection.execute("CREATE EXTENSION pg_cron")
        run_script(connection, runbook().step("007").sql)
        jobs = connection.execute("SELECT jobname, schedule, command FROM cron.job ORDER BY 1").fetchall()
        assert jobs == [
            ("openinfo-cleanup-expired-exports", "30 3 * * *", "SELECT public.cleanup_expired_exports()"),
            ("openinfo-reset-daily-credits", "0 0 * * *", "SELECT public.reset_daily_credits()"),
            ("openinfo-reset-weekly-lead-counts", "0 0 * * 1", "SELECT public.reset_weekly_lead_counts()"),
            ("openinfo-update-topic-trends", "5 0 * * 1", "SELECT public.update_topic_trends()"),
        ]
        queries = {one.id: one.sql.statements[-1].text.encode() for one in runbook().verifications}
        # Jobs of others: without a name, with a long command, with a name like ours.
        connection.execute(
            "INSERT INTO cron.job (schedule, command, jobname) VALUES ('* * * * *', repeat('x', 5000), NULL),"
            " ('* * * * *', repeat('y', 5000), 'report'), ('@daily', 'SELECT 1', 'openinfo-of-another')"
        )
        assert connection.execute(queries["cron"]).fetchall() == []
        assert len(connection.execute(queries["back-cron"]).fetchall()) == 4
        connection.execute("UPDATE cron.job SET active = false WHERE jobname LIKE '%credits'")
        assert len(connection.execute(queries["cron"]).fetchall()) == 1
        way_back = runbook().step("007").rollback
        assert way_back is not None
        run_script(connection, way_back)
        assert connection.execute(queries["back-cron"]).fetchall() == []
        probe = runbook().item("jobs-free").sql
        assert probe is not None
        assert probe.statements[-1].text.encode() == queries["back-cron"]
        assert len(connection.execute(queries["cron"]).fetchall()) == 4
