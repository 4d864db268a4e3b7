"""Constraints, keys, triggers and indexes of the runbook openinfo, with two workspaces at work."""

from collections.abc import Iterator

import psycopg
import pytest
from conftest import INSTALLATIONS, Servers
from openinfo_world import TABLES, WORKSPACE_TABLES, at_work
from psycopg import errors


@pytest.fixture(scope="module", params=list(INSTALLATIONS))
def work(request: pytest.FixtureRequest, servers: Servers) -> Iterator[str]:
    """Two workspaces at work, on every server in turn. Tests change nothing."""
    yield from at_work(servers.get(INSTALLATIONS[request.param]))


REFUSED = {
    "UPDATE users SET email = 'no address'": "users_email_format",
    "UPDATE users SET email = 'two@@example.org'": "users_email_format",
    "UPDATE users SET email = 'a@localhost'": "users_email_format",
    "UPDATE users SET email = 'a@example..org'": "users_email_format",
    "UPDATE users SET email = repeat('a', 320) || '@example.org'": "users_email_format",
    "UPDATE users SET full_name = E' \\t\\n'": "users_full_name_not_empty",
    "UPDATE users SET daily_credits_used = -1": "users_daily_credits_used_positive",
    "UPDATE workspaces SET name = ''": "workspaces_name_not_empty",
    "UPDATE workspaces SET slug = 'Not a slug'": "workspaces_slug_format",
    "UPDATE workspaces SET slug = 'same'": "workspaces_slug_key",
    "UPDATE workspaces SET plan = 'gold'": "workspaces_plan_known",
    "UPDATE workspaces SET query_limit = -1": "workspaces_query_limit_positive",
    "UPDATE workspaces SET branding = '[]'": "workspaces_branding_object",
    "INSERT INTO users (workspace_id, auth_user_id) SELECT workspace_id, auth_user_id FROM users": (
        "users_auth_user_id_key"
    ),
    "INSERT INTO users (workspace_id, auth_user_id) SELECT id, gen_random_uuid() FROM workspaces": (
        "users_auth_user_id_fkey"
    ),
    "INSERT INTO global_topics (topic) VALUES ('it SECURITY')": "idx_global_topics_topic",
    "INSERT INTO global_topics (topic) VALUES (' ')": "global_topics_topic_not_empty",
    "UPDATE global_topics SET current_volume = -1": "global_topics_current_volume_positive",
    "UPDATE global_topics SET trend_direction = 'sideways'": "global_topics_trend_direction_known",
    "UPDATE trends SET week_start = week_start + 1": "trends_week_start_monday",
    "INSERT INTO trends (topic_id, week_start, volume) SELECT topic_id, week_start, 1 FROM trends": (
        "trends_topic_id_week_start_key"
    ),
    "UPDATE queries SET filters = '[1]'": "queries_filters_object",
    "UPDATE queries SET filters = 'null'": "queries_filters_object",
    "UPDATE queries SET leads_this_week = -1": "queries_leads_this_week_positive",
    "UPDATE saved_searches SET name = ' '": "saved_searches_name_not_empty",
    "UPDATE leads SET score = 101": "leads_score_range",
    "UPDATE leads SET company_data = '\"text\"'": "leads_company_data_object",
    "UPDATE leads SET query_id = md5('query-b')::uuid WHERE workspace_id = md5('workspace-a')::uuid": (
        "leads_query_id_fkey"
    ),
    "UPDATE credit_usage SET credits = 0": "credit_usage_credits_positive",
    "UPDATE credit_usage SET user_id = md5('b1')::uuid": "credit_usage_user_id_fkey",
    "UPDATE export_jobs SET export_format = 'exe'": "export_jobs_export_format_known",
    "UPDATE export_jobs SET status = 'completed'": "export_jobs_completed_has_time",
    "UPDATE export_jobs SET row_count = -1": "export_jobs_row_count_positive",
    'UPDATE people_search_results SET person_data = \'{"email": "ada@example.org"}\'': (
        "people_search_results_email_paid"
    ),
    "UPDATE saved_people_searches SET name = ''": "saved_people_searches_name_not_empty",
    "UPDATE integrations SET credentials = '\"bare\"'": "integrations_credentials_object",
    "UPDATE billing_events SET amount_cents = -1": "billing_events_amount_cents_positive",
    "UPDATE billing_events SET currency = 'EURO'": "billing_events_currency_format",
    "UPDATE billing_events SET stripe_event_id = 'evt_same'": "billing_events_stripe_event_id_key",
    "INSERT INTO notification_preferences (workspace_id, user_id) SELECT workspace_id, id FROM users": (
        "notification_preferences_user_id_key"
    ),
    "UPDATE stripe_customers SET stripe_customer_id = ''": "stripe_customers_stripe_customer_id_not_empty",
    "INSERT INTO stripe_customers (workspace_id, stripe_customer_id) SELECT id, 'cus_2' FROM workspaces LIMIT 1": (
        "stripe_customers_workspace_id_key"
    ),
    "DELETE FROM global_topics": "queries_topic_id_fkey",
}


def test_constraints_refuse_what_they_must(work: str) -> None:
    with psycopg.connect(work) as connection:
        for statement, constraint in REFUSED.items():
            with pytest.raises(errors.IntegrityError) as refused, connection.transaction():
                connection.execute(statement.encode())
            assert refused.value.diag.constraint_name == constraint, statement
        for label in ("done", "ACTIVE", ""):
            with pytest.raises(errors.InvalidTextRepresentation), connection.transaction():
                connection.execute("UPDATE queries SET status = %s::query_status", (label,))
        connection.rollback()


def test_every_address_of_an_account_is_taken(work: str) -> None:
    """What GoTrue let in, with quotes, umlauts and domains of any script, fits the check."""
    with psycopg.connect(work) as connection:
        connection.execute("UPDATE workspaces SET query_limit = 0")
        added = connection.execute(
            "INSERT INTO users (workspace_id, auth_user_id, email)"
            " SELECT md5('workspace-b')::uuid, id, email FROM auth.users AS a"
            " WHERE NOT EXISTS (SELECT FROM users AS u WHERE u.auth_user_id = a.id)"
        ).rowcount
        assert added == 117
        connection.rollback()


def test_what_goes_with_what(work: str) -> None:
    with psycopg.connect(work) as connection:
        connection.execute("DELETE FROM workspaces WHERE slug = 'aero'")
        for table in WORKSPACE_TABLES:
            left = connection.execute(f"SELECT count(DISTINCT workspace_id) FROM {table}".encode()).fetchone()
            assert left == (1,), table
        connection.rollback()
        # An account takes its person along, and what is the person's; the workspace's rows only forget who made them.
        connection.execute("DELETE FROM auth.users WHERE id = md5('account-40')::uuid")
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM credit_usage), (SELECT count(*) FROM leads),"
            " (SELECT count(*) FROM leads WHERE created_by IS NOT NULL),"
            " (SELECT count(*) FROM queries WHERE created_by IS NOT NULL)"
        ).fetchone()
        assert counts == (2, 2, 6, 0, 0)
        connection.rollback()
        connection.execute("DELETE FROM queries WHERE name = 'A'")
        assert connection.execute("SELECT count(*) FROM leads").fetchone() == (2,)
        connection.rollback()


def test_updated_at_is_kept_in_every_table(work: str) -> None:
    with psycopg.connect(work) as connection:
        for table in TABLES:
            connection.execute(f"UPDATE {table} SET updated_at = '2000-01-01'".encode())
            stamped = connection.execute(
                f"SELECT count(*) FROM {table} WHERE updated_at <> now() OR created_at > now()".encode()
            ).fetchone()
            assert stamped == (0,), table
        connection.rollback()


INDEXED = {
    "idx_leads_company_data": "SELECT FROM leads WHERE company_data @> '{\"employees\": 3}'",
    "idx_leads_contact_data": "SELECT FROM leads WHERE contact_data ? 'phone'",
    "idx_queries_filters": 'SELECT FROM queries WHERE filters @> \'{"country": ["DE"]}\'',
    "idx_saved_searches_filters": "SELECT FROM saved_searches WHERE filters @> '{\"q\": 1}'",
    "idx_saved_people_searches_filters": "SELECT FROM saved_people_searches WHERE filters @> '{\"q\": 1}'",
    "idx_people_search_results_person_data": (
        'SELECT FROM people_search_results WHERE person_data @> \'{"name": "Ada"}\''
    ),
    "idx_global_topics_topic_tsv": "SELECT FROM global_topics WHERE topic_tsv @@ 'it:*'::tsquery",
    "idx_queries_next_run_at": "SELECT FROM queries WHERE status = 'active' AND next_run_at <= now()",
    "idx_saved_searches_next_run_at": "SELECT FROM saved_searches WHERE next_run_at <= now()",
    "idx_leads_created_at": (
        "SELECT id FROM leads WHERE workspace_id = md5('workspace-a')::uuid ORDER BY created_at DESC LIMIT 1"
    ),
    "idx_trends_week_start": "SELECT id FROM trends ORDER BY week_start DESC LIMIT 1",
    "idx_export_jobs_expires_at": "SELECT FROM export_jobs WHERE file_path IS NOT NULL AND expires_at < now()",
}


def test_indexes_serve_the_questions_that_they_are_for(work: str) -> None:
    with psycopg.connect(work) as connection:
        connection.execute("SET LOCAL enable_seqscan = off")
        connection.execute("SET LOCAL enable_sort = off")
        for name, query in INDEXED.items():
            plan = connection.execute(f"EXPLAIN {query}".encode()).fetchall()
            assert any(name in str(line[0]) for line in plan), (name, plan)
        connection.rollback()
