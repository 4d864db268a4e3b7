"""The runbook momentum for its tests: its database before and after, and its people."""

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tui.paths import shipped_runbooks
from tui.postgres.embedded import EmbeddedServer

ROOT = shipped_runbooks() / "momentum"
STEPS = [
    ROOT / "steps" / name
    for name in (
        "001_initial_schema.sql",
        "002_zoom_integration.sql",
        "003_storage_buckets.sql",
        "004_migrate_legacy_users.sql",
        "005_migrate_deliverables.sql",
        "006_end_carry_over.sql",
    )
]
NIGHT = 5
"""So many steps belong to the night; the last one waits two weeks."""
TABLES = ("profiles", "deliverables", "organizations", "organization_members", "brand_settings", "zoom_credentials")
_SCALE = "-c lockstep.scale=0.01"
_DATA = """
SELECT string_agg(format('SELECT %L, to_jsonb(t)::text FROM %s AS t', oid::regclass, oid::regclass), ' UNION ALL ')
FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('auth', 'storage', 'public')
"""

Psql = Callable[..., str]
Cursor = psycopg.Cursor[tuple[object, ...]]


def before_it(database: str, psql: Psql) -> str:
    """Makes a fresh database what it is before the migration, small, and gives its DSN."""
    dsn = make_conninfo(database, options=_SCALE)
    _run(dsn, psql, sorted((ROOT / "fixture").glob("*.sql")))
    return dsn


@contextmanager
def after_it(server: EmbeddedServer) -> Iterator[str]:
    """The DSN of a database after the night, for tests that leave it as it is."""
    name = "momentum_after"
    dsn = make_conninfo(server.create_database(name), options=_SCALE)
    command = [str(server.bin / "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", dsn]
    files = [*sorted((ROOT / "fixture").glob("*.sql")), *STEPS[:NIGHT]]
    subprocess.run([*command, *[f"--file={path}" for path in files]], check=True, capture_output=True)
    yield dsn
    server.drop_database(name)


def contents(dsn: str, psql: Psql) -> list[str]:
    """Every row of every table of auth, storage and public."""
    return sorted(psql(dsn, psql(dsn, _DATA)).splitlines())


def forward(dsn: str, psql: Psql, last: int = NIGHT) -> None:
    """The steps up to this one."""
    _run(dsn, psql, STEPS[:last])


def back(dsn: str, psql: Psql, last: int = NIGHT, to: int = 0) -> None:
    """From this step to where so many are applied."""
    _run(dsn, psql, [ROOT / "rollback" / f"00{number}.sql" for number in range(last, to, -1)])


def _run(dsn: str, psql: Psql, scripts: Sequence[Path]) -> None:
    *first, last = scripts
    psql(dsn, last, *[word for path in first for word in ("--file", str(path))])


def person(number: int) -> str:
    """The id of a user of the fixture."""
    return f"md5('user-{number}')::uuid"


@contextmanager
def transaction(dsn: str) -> Iterator[Cursor]:
    """A superuser's transaction that leaves nothing behind."""
    with psycopg.connect(dsn) as connection:
        yield connection.cursor()
        connection.rollback()


@contextmanager
def acting(cursor: Cursor, who: str | None, role: str = "authenticated") -> Iterator[Cursor]:
    """In this transaction, somebody whom the API has let in."""
    claims = json.dumps({"sub": who, "role": role})
    cursor.execute("SELECT set_config('request.jwt.claims', %s, true), set_config('role', %s, true)", (claims, role))
    yield cursor
    cursor.execute("SELECT set_config('request.jwt.claims', '', true), set_config('role', 'none', true)")


def value(cursor: Cursor, query: str, *arguments: object) -> object:
    row = cursor.execute(query.encode(), arguments or None).fetchone()
    assert row is not None
    return row[0]


def refused(cursor: Cursor, statement: str, error: type[psycopg.Error]) -> str:
    """What the server says; the transaction goes on."""
    cursor.execute("SAVEPOINT attempt")
    with pytest.raises(error) as caught:
        cursor.execute(statement.encode())
    cursor.execute("ROLLBACK TO SAVEPOINT attempt")
    return str(caught.value)


def text_of(number: int) -> str:
    """A step's script with its included files in it, and without its own BEGIN and COMMIT."""
    lines = []
    for line in STEPS[number - 1].read_text().splitlines():
        if line.startswith("\\ir "):
            lines.append((ROOT / "steps" / line.removeprefix("\\ir ")).read_text())
        elif line not in ("BEGIN;", "COMMIT;"):
            lines.append(line)
    return "\n".join(lines)
