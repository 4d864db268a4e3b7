"""The databases of the runbook email-providers for its tests: before, and after all steps, as templates to copy."""

import hashlib
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg.conninfo import make_conninfo

from tui.paths import shipped_runbooks
from tui.postgres.embedded import EmbeddedServer
from tui.runbook.load import load
from tui.runbook.model import Runbook

ROOT = shipped_runbooks() / "email-providers"
FIXTURE = sorted((ROOT / "fixture").glob("*.sql"))
STEPS = sorted((ROOT / "steps").glob("*.sql"))
WHOLE = ROOT / "rollback" / "rollback_email_providers.sql"
SCALE = "-c lockstep.scale=0.02"
# For queries of the tests. What the runbook does itself names the schema and does not depend on it.
PATH = f"{SCALE} -c search_path=dripiq_app,public"
# Tenants of the fixture by their number. OTHER has eight senders as well.
NOTHING, ONE, EVERYTHING, OTHER = (f"c{hashlib.md5(f'tenant-{i}'.encode()).hexdigest()[:24]}" for i in (10, 11, 42, 12))

INSERT = "INSERT INTO email_provider_configs (tenant_id, type, name, config"
"""The beginning of a statement; more columns may follow."""

Cursor = psycopg.Cursor[tuple[object, ...]]


def runbook() -> Runbook:
    loaded = load(ROOT)
    assert loaded.runbook is not None, loaded.findings
    return loaded.runbook


def back(number: int) -> Path:
    """The script that takes one step back."""
    return ROOT / "rollback" / f"00{number}.sql"


def run(server: EmbeddedServer, dsn: str, scripts: Sequence[Path]) -> str:
    """Runs the scripts in one psql, one after another as if each had its own; what the server said beside."""
    files = [part for path in scripts for part in ("--file", str(path))]
    done = subprocess.run(
        [str(server.bin / "psql"), "-Xq", "-v", "ON_ERROR_STOP=1", *files, dsn],
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    return done.stderr


class Templates:
    """A database before and one after the migration on each server, loaded by psql when first asked for.

    They go with their server.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[EmbeddedServer, bool], str] = {}
        self._shared: dict[EmbeddedServer, str] = {}

    @contextmanager
    def copy(self, server: EmbeddedServer, *, migrated: bool) -> Iterator[str]:
        """The DSN of a fresh copy."""
        name = f"copy_{uuid4().hex[:12]}"
        yield make_conninfo(server.create_database(name, self._template(server, migrated)), options=PATH)
        server.drop_database(name)

    def shared(self, server: EmbeddedServer) -> str:
        """The DSN of one migrated copy for all tests that roll back what they do."""
        if server not in self._shared:
            name = f"copy_{uuid4().hex[:12]}"
            self._shared[server] = name
            server.create_database(name, self._template(server, True))
        return make_conninfo(server.dsn(self._shared[server]), options=PATH)

    def _template(self, server: EmbeddedServer, migrated: bool) -> str:
        key = (server, migrated)
        if key not in self._made:
            name = f"template_{uuid4().hex[:12]}"
            source = self._template(server, False) if migrated else "template1"
            dsn = make_conninfo(server.create_database(name, source), options=SCALE)
            run(server, dsn, STEPS if migrated else FIXTURE)
            self._made[key] = name
        return self._made[key]


TEMPLATES = Templates()


@contextmanager
def acting(dsn: str, role: str, tenant: str = "") -> Iterator[Cursor]:
    """A transaction of this role on behalf of this tenant, rolled back at its end."""
    with psycopg.connect(dsn) as connection:
        cursor = connection.cursor()
        cursor.execute(f"SET LOCAL ROLE {role}".encode())
        cursor.execute("SELECT set_config('app.tenant_id', %s, true)", (tenant,))
        yield cursor
        connection.rollback()


def rows(dsn: str, query: str, *parameters: object) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query.encode(), parameters or None).fetchall()


def one(dsn: str, query: str, *parameters: object) -> object:
    ((value,),) = rows(dsn, query, *parameters)
    return value


def contents(dsn: str) -> list[tuple[object, ...]]:
    """A checksum over every row of every table that was there before, as the senders were before."""
    names = ("tenants", "users", "user_tenants", "tenant_domain_mappings", "email_sender_identities")
    return [
        row
        for name in (*names, "contact_campaigns", "outbound_messages")
        for row in rows(
            dsn,
            "SELECT count(*), md5(string_agg((to_jsonb(t) - 'provider_config_id' - 'provider_validation_data')::text,"
            f" chr(10) ORDER BY id)) FROM dripiq_app.{name} AS t",
        )
    ]


def default_of(dsn: str, tenant: str) -> str:
    return str(one(dsn, "SELECT id FROM email_provider_configs WHERE tenant_id = %s AND is_default", tenant))
