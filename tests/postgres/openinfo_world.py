"""The database of the runbook openinfo for its tests: before, migrated, and with two workspaces at work."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from uuid import uuid4

import psycopg
from runbooks import execute

from tui.engine import fixture
from tui.engine.verify import Rows, ask, judge
from tui.paths import shipped_runbooks
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.session import Dsn, PgSession
from tui.runbook.load import load
from tui.runbook.model import Expectation, Runbook, Script

ROOT = shipped_runbooks() / "openinfo"
SCALE = 0.001
WORKSPACE_TABLES = (
    "users",
    "queries",
    "saved_searches",
    "leads",
    "credit_usage",
    "export_jobs",
    "people_search_results",
    "saved_people_searches",
    "integrations",
    "billing_events",
    "notification_preferences",
    "stripe_customers",
)
TABLES = ("workspaces", "global_topics", "trends", *WORKSPACE_TABLES)
CRON = ("reset_daily_credits", "update_topic_trends", "reset_weekly_lead_counts", "cleanup_expired_exports")

Cursor = psycopg.Cursor[tuple[object, ...]]
Connection = psycopg.Connection[tuple[object, ...]]

AT_WORK = """
INSERT INTO global_topics (id, topic, category, current_volume) VALUES
  (md5('topic-1')::uuid, 'IT security', 'technology', 100),
  (md5('topic-2')::uuid, 'Marketing automation', 'marketing', 300),
  (md5('topic-3')::uuid, 'Données ouvertes & C++', 'other', 0);
INSERT INTO workspaces (id, name, slug, query_limit) VALUES
  (md5('workspace-a')::uuid, 'Ærø & Søn', 'aero', 3), (md5('workspace-b')::uuid, '空の旅', 'sora', 3);
INSERT INTO users (id, workspace_id, auth_user_id, email, created_by) VALUES
  (md5('a1')::uuid, md5('workspace-a')::uuid, md5('account-1')::uuid, 'o''clock+tag1@sub.domain.example', NULL),
  (md5('a2')::uuid, md5('workspace-a')::uuid, md5('account-40')::uuid, NULL, md5('a1')::uuid),
  (md5('b1')::uuid, md5('workspace-b')::uuid, md5('account-2')::uuid, 'jörg.2@müller.example', NULL);
UPDATE workspaces SET created_by = md5('a1')::uuid WHERE slug = 'aero';
INSERT INTO queries (id, workspace_id, topic_id, name, filters, created_by) VALUES
  (md5('query-a')::uuid, md5('workspace-a')::uuid, md5('topic-1')::uuid, 'A', '{"country": ["DE", "DK"]}',
   md5('a2')::uuid),
  (md5('query-b')::uuid, md5('workspace-b')::uuid, md5('topic-2')::uuid, 'B', '{"size": {"min": 10}}', NULL);
INSERT INTO leads (workspace_id, query_id, company_data, contact_data, created_by)
SELECT q.workspace_id, q.id, jsonb_build_object('name', 'Firma ' || i || ' 🚁', 'employees', i),
  jsonb_build_object('phone', '+49 ' || i), q.created_by
FROM queries AS q, generate_series(1, 4) AS i WHERE q.name = 'A' OR i <= 2;
INSERT INTO trends (topic_id, week_start, volume, change_percent)
VALUES (md5('topic-1')::uuid, '2025-12-29', 50, NULL);
SELECT record_credit_usage(id, 'email_reveal', 2, md5('lead')::uuid, '{"why": "ü"}') FROM users;
INSERT INTO saved_searches (workspace_id, name, filters) SELECT id, 'S', '{"q": 1}' FROM workspaces;
INSERT INTO export_jobs (workspace_id, user_id) SELECT workspace_id, id FROM users;
INSERT INTO people_search_results (workspace_id, user_id, person_data)
SELECT workspace_id, id, '{"name": "Ada"}' FROM users;
INSERT INTO saved_people_searches (workspace_id, user_id, name) SELECT workspace_id, id, 'P' FROM users;
INSERT INTO integrations (workspace_id, provider, name, config, credentials)
SELECT id, 'crm', 'CRM', '{"list": 7}', '{"token": "hush"}' FROM workspaces;
INSERT INTO billing_events (workspace_id, event_type, stripe_event_id, amount_cents, currency, payload)
SELECT id, 'invoice.paid', 'evt_' || slug, 9900, 'eur', '{"card": "hush"}' FROM workspaces;
INSERT INTO notification_preferences (workspace_id, user_id) SELECT workspace_id, id FROM users;
INSERT INTO stripe_customers (workspace_id, stripe_customer_id) SELECT id, 'cus_' || slug FROM workspaces;
"""
"""Two workspaces: in the first two people, of whom one signed up by telephone; in the second one."""

ACCOUNTS = {"a1": "account-1", "a2": "account-40", "b1": "account-2", "stranger": "account-3"}


@cache
def runbook() -> Runbook:
    loaded = load(ROOT)
    assert loaded.runbook is not None, loaded.findings
    return loaded.runbook


def load_before(dsn: str) -> None:
    """Makes the database before the migration, small."""
    asyncio.run(fixture.load(Dsn(dsn), ROOT, SCALE, lambda done, of, name: None))


def run_script(connection: Connection, script: Script) -> None:
    """Runs a step or a way back in one transaction, as Lockstep does."""
    with connection.transaction():
        for statement in script.statements:
            connection.execute(statement.text.encode())


def forward(dsn: str, *, until: str = "007") -> None:
    """Applies the steps up to this one."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for step in runbook().steps:
            run_script(connection, step.sql)
            if step.id == until:
                return


def back(dsn: str, *, start: str = "007") -> None:
    """Takes this step and all before it back."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for step in reversed(runbook().steps):
            if step.id <= start:
                assert step.rollback is not None
                run_script(connection, step.rollback)


@contextmanager
def acting(dsn: str, who: str | None, role: str = "authenticated") -> Iterator[Cursor]:
    """A transaction of one of `ACCOUNTS` with their token, or of a role without one; rolled back at its end."""
    with psycopg.connect(dsn) as connection:
        cursor = connection.cursor()
        if who is not None:
            cursor.execute(
                "SELECT set_config('request.jwt.claims', json_build_object('sub', md5(%s)::uuid)::text, true)",
                (ACCOUNTS[who],),
            )
        cursor.execute(f"SET LOCAL ROLE {role}".encode())
        yield cursor
        connection.rollback()


def value(cursor: Cursor, query: str) -> object:
    """The one value of a query."""
    row = cursor.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def contents(dsn: str, *tables: str) -> dict[str, list[str]]:
    """Every row of these tables as text, in the order of that text."""
    found = {}
    with psycopg.connect(dsn) as connection:
        for table in tables:
            query = f"SELECT to_jsonb(t)::text FROM {table} AS t"
            found[table] = sorted(str(row[0]) for row in connection.execute(query.encode()))
    return found


def holds(dsn: str, name: str) -> bool:
    """Whether this probe of the checklist is green now; not, if it fails."""
    item = runbook().item(name)
    script, expect = item.sql, item.expect
    assert script is not None
    assert expect is not None

    async def go() -> bool:
        async with await PgSession.open(Dsn(dsn), application_name="test") as session:
            return judge(expect, await ask(session, script, runbook().safety)).ok

    return asyncio.run(go())


class Templates:
    """The database before and after the migration on this server, to copy from."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self.before = f"before_{uuid4().hex[:8]}"
        self.migrated = f"migrated_{uuid4().hex[:8]}"
        load_before(server.create_database(self.before))
        forward(server.create_database(self.migrated, self.before))

    def drop(self) -> None:
        self._server.drop_database(self.before)
        self._server.drop_database(self.migrated)

    def copy(self, template: str) -> Iterator[str]:
        """The DSN of a copy, which is dropped afterwards."""
        name = f"copy_{uuid4().hex[:8]}"
        yield self._server.create_database(name, template)
        self._server.drop_database(name)


def at_work(server: EmbeddedServer) -> Iterator[str]:
    """The DSN of the migrated database with two workspaces at work, dropped afterwards."""
    name = f"at_work_{uuid4().hex[:8]}"
    dsn = server.create_database(name)
    load_before(dsn)
    forward(dsn)
    execute(dsn, AT_WORK)
    yield dsn
    server.drop_database(name)


async def baselines(session: PgSession) -> dict[str, Rows]:
    found = {}
    for verification in runbook().verifications:
        if verification.expect.kind is Expectation.SAME_AS_BEFORE:
            answer = await ask(session, verification.sql, runbook().safety)
            assert answer.error is None, verification.id
            found[verification.id] = answer.table.rows
    return found


def reds(dsn: str, *, after: tuple[str, ...]) -> list[str]:
    """The ids of the verifications of these moments that do not hold, of those that need no baseline."""

    async def go() -> list[str]:
        async with await PgSession.open(Dsn(dsn), application_name="test") as session:
            return [
                verification.id
                for verification in runbook().verifications
                if verification.after in after
                and verification.expect.kind is not Expectation.SAME_AS_BEFORE
                and not judge(verification.expect, await ask(session, verification.sql, runbook().safety)).ok
            ]

    return asyncio.run(go())
