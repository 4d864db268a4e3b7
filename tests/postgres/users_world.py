"""The database of the runbook users-normalization for its tests."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tui.paths import shipped_runbooks
from tui.postgres.embedded import EmbeddedServer
from tui.runbook.load import load
from tui.runbook.model import Runbook

ROOT = shipped_runbooks() / "users-normalization"
FIXTURE = sorted((ROOT / "fixture").glob("*.sql"))
STEPS = sorted((ROOT / "steps").glob("00[1-4]_*.sql"))
CLEANUP = ROOT / "steps" / "005_drop_users_old.sql"
WHOLE = ROOT / "rollback" / "whole.sql"
DEPENDENT = ("tasks", "emails", "digests", "preferences", "user_logs")
TABLES = ("users", *DEPENDENT, "telegram_messages")
NEW = (*TABLES, "user_integrations", "services", "users_duplicate_emails")
SCALE = "-c lockstep.scale=0.01"

Forward = Callable[..., None]
Psql = Callable[..., str]
PgDump = Callable[..., str]


def runbook() -> Runbook:
    loaded = load(ROOT)
    assert loaded.runbook is not None, loaded.findings
    return loaded.runbook


def contents(dsn: str, psql: Psql, tables: tuple[str, ...] = TABLES) -> list[str]:
    """A checksum of every row of these tables."""
    query = 'SELECT count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C")) FROM dev.{} AS t'
    return psql(dsn, "; ".join(query.format(name) for name in tables)).splitlines()


def ask_one(dsn: str, query: str) -> Any:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@contextmanager
def loaded_by_psql(server: EmbeddedServer, files: list[Path]) -> Iterator[str]:
    """The name of a new, small database with what these files make, dropped afterwards."""
    name = f"test_{uuid4().hex[:12]}"
    dsn = make_conninfo(server.create_database(name), options=SCALE)
    program = server.installation.bin / "psql"
    command = [str(program), "-Xq", "-v", "ON_ERROR_STOP=1", *(f"--file={path}" for path in files), dsn]
    try:
        subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
        yield name
    finally:
        server.drop_database(name)


@contextmanager
def as_member(dsn: str, user: str) -> Iterator[psycopg.Cursor[tuple[Any, ...]]]:
    """A transaction of somebody who is logged in, rolled back at its end."""
    with psycopg.connect(dsn) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT set_config('app.user_id', %s, true)", (user,))
        cursor.execute("SET LOCAL ROLE dev_member")
        yield cursor
        connection.rollback()


class Database:
    """One connection to a migrated database; every test works in a transaction that is rolled back."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.connection = connection

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.encode(), values or None).fetchall()

    def one(self, query: str, *values: object) -> Any:
        ((value, *_),) = self.rows(query, *values)
        return value

    def do(self, query: str, *values: object) -> int:
        return self.connection.execute(query.encode(), values or None).rowcount

    def json(self, query: str, *values: object) -> dict[str, Any]:
        found = self.one(query, *values)
        assert isinstance(found, dict)
        return cast(dict[str, Any], found)

    @contextmanager
    def refused(self, error: type[psycopg.Error], words: str) -> Iterator[None]:
        with pytest.raises(error, match=words), self.connection.transaction():
            yield
