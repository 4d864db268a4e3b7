"""The servers, databases and independent tools that the faults are tried on."""

import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import psycopg
from child import lockstep
from kinds import BASE, KINDS, Kind

from tui.postgres.embedded import EmbeddedServer, Installation, newest_installation

_TABLES = """
SELECT string_agg(
    format('SELECT %L, md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM %s AS t', name, name), ' UNION ALL '
    ORDER BY name
) || ' ORDER BY 1'
FROM (
    SELECT oid::regclass::text AS name
    FROM pg_class
    WHERE relkind = 'r' AND relnamespace::regnamespace::text !~ '^(pg_|information_schema$|lockstep$)'
) AS tables
"""
# What survives a power cut of this machine is asked nowhere: a server that is stopped or killed loses nothing without.
OPTIONS: dict[str, str | int | bool] = {"max_connections": 200, "fsync": False, "full_page_writes": False}


class Ground:
    """A server and, for each kind, the database it starts from and what an undisturbed run makes of it.

    ``using`` lends it: a server that is stopped may have one user at a time, one that is not any number.
    """

    def __init__(self, installation: Installation | None, *, alone: bool) -> None:
        self.server = EmbeddedServer(installation or newest_installation(), options=OPTIONS)
        self._alone = alone
        self._turn = threading.Lock()
        self._making = threading.Lock()
        self._kept = tempfile.TemporaryDirectory(prefix="ls-faults-")
        self._undisturbed: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.stop()
        self._kept.cleanup()

    @property
    def directory(self) -> Path:
        return Path(self._kept.name)

    def runbook(self, kind: str) -> Path:
        """Where the runbook of this kind lies."""
        return self.directory / kind / "small"

    @contextmanager
    def using(self, kind: str) -> Iterator[str]:
        """The DSN of a fresh database for this kind."""
        if self._alone:
            with self._turn:
                yield from self._lend(kind)
        else:
            yield from self._lend(kind)

    def _lend(self, kind: str) -> Iterator[str]:
        self.undisturbed(kind)
        name = f"cell_{uuid4().hex[:12]}"
        dsn = self.server.create_database(name, f"base_{kind}")
        if self._alone:
            # A copied sequence takes its values as logged, which they are for its original only: without a checkpoint
            # the ledger's would fall back when the server stops, and that is PostgreSQL's doing and not ours.
            execute(dsn, "CHECKPOINT")
        try:
            yield dsn
        finally:
            self.server.drop_database(name)

    def undisturbed(self, kind: str) -> str:
        """The fingerprint that a run (or rollback) without any fault leaves."""
        with self._making:
            if not self._undisturbed:
                self.server.start()
            if kind not in self._undisturbed:
                self._undisturbed[kind] = self._prepare(kind, KINDS[kind])
            return self._undisturbed[kind]

    def _prepare(self, name: str, kind: Kind) -> str:
        book = str(kind.write(self.runbook(name)))
        base = self.server.create_database(f"base_{name}")
        execute(base, BASE)
        before = fingerprint(self.server, base)
        if kind.rollback:
            _done("run", book, base, self.directory / name / "forward")
        dsn = self.server.create_database(f"undisturbed_{name}", f"base_{name}")
        _done(kind.command, book, dsn, self.directory / name / "undisturbed")
        left = fingerprint(self.server, dsn)
        assert (left == before) == kind.rollback, f"{name}: an undisturbed {kind.command} does not do its work"
        return left


def psql(server: EmbeddedServer, dsn: str, query: str) -> str:
    """What psql prints, unaligned."""
    return _output(server.bin / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", query, dsn).strip()


def fingerprint(server: EmbeddedServer, dsn: str) -> str:
    """The schema as pg_dump writes it, and a checksum of every table's rows; without the ledger."""
    # Without a key of our own each dump has a random one.
    schema = _output(server.bin / "pg_dump", "-s", "--exclude-schema=lockstep", "--restrict-key=lockstep", dsn)
    checksums = psql(server, dsn, _TABLES)
    return schema + (psql(server, dsn, checksums) if checksums else "")


def _output(program: Path, *arguments: str) -> str:
    done = subprocess.run([str(program), *arguments], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _done(command: str, book: str, dsn: str, state: Path) -> None:
    ended = lockstep(command, book, "-d", dsn, "--yes", state=state)
    assert ended.code == 0, ended.told


def execute(dsn: str, text: str) -> None:
    """Runs these statements."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(text.encode())
