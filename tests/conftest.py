"""Real servers for the tests: one per installed PostgreSQL and test process, started when first asked for."""

import gc
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import psycopg
import pytest
from servers import MAJORS, find

from tui.postgres.embedded import EmbeddedServer, Installation, installations

OPTIONS: dict[str, str | int | bool] = {
    # No test cuts the power of this machine: a server that is stopped or killed loses nothing without these.
    "fsync": False,
    "full_page_writes": False,
    "max_connections": 200,
    "max_prepared_transactions": 10,
    "log_line_prefix": "%m [%p] %u@%d %a ",
}
INSTALLATIONS = {f"{one.source}{one.major}": one for one in reversed(installations())}


class Servers:
    """The servers of this test process by their installation, each started once."""

    def __init__(self) -> None:
        self._running: dict[Installation, EmbeddedServer] = {}

    def get(self, installation: Installation) -> EmbeddedServer:
        if installation not in self._running:
            # What npm gives has contrib: the monitor is to live with what an extension does to every statement.
            npms = installation not in INSTALLATIONS.values()
            more = {"shared_preload_libraries": "pg_stat_statements"} if npms else {}
            server = EmbeddedServer(installation, options=OPTIONS | more)
            server.start()
            self._running[installation] = server
        return self._running[installation]

    def stop(self) -> None:
        for server in self._running.values():
            server.stop()


class Psql(Protocol):
    """Runs SQL text, or a file, in psql with ON_ERROR_STOP and gives its unaligned output.

    Raises CalledProcessError, with what psql said in `stderr`.
    """

    def __call__(self, dsn: str, script: str | Path, *arguments: str) -> str: ...


class PgDump(Protocol):
    """Runs pg_dump with these arguments and gives its output."""

    def __call__(self, dsn: str, *arguments: str) -> str: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The types take as long as a hundred other tests: begun last, they would keep one process busy alone."""
    items.sort(key=lambda item: item.path.name != "test_house.py")


def pytest_collection_finish() -> None:
    """Four thousand tests and all that they import live to the end: looked through again and again for garbage, they
    cost a fifth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals go to a directory of this test, and nothing of the user's PG* variables gets in."""
    # Where pytest counts it goes through all that are there, which thousands of tests make slow.
    state = tmp_path_factory.mktemp(f"state-{uuid4().hex}", numbered=False)
    monkeypatch.setenv("LOCKSTEP_STATE", str(state))
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    # Screens are the same on every machine: one time zone, no colour switched off by the surroundings.
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    running = Servers()
    yield running
    running.stop()


@pytest.fixture(params=list(INSTALLATIONS))
def server(request: pytest.FixtureRequest, servers: Servers) -> EmbeddedServer:
    """A running server of every PostgreSQL on this machine in turn."""
    return servers.get(INSTALLATIONS[request.param])


@pytest.fixture(params=MAJORS)
def any_server(request: pytest.FixtureRequest, servers: Servers) -> EmbeddedServer:
    """A running server of every major from 14 to 18 in turn; skipped, and said why, where there is none of it."""
    found = find(request.param)
    if isinstance(found, str):
        pytest.skip(found)
    return servers.get(found)


@pytest.fixture
def server18(servers: Servers) -> EmbeddedServer:
    """A running server of the newest PostgreSQL that the extra ``demo`` brings."""
    return servers.get(max((one for one in INSTALLATIONS.values() if one.source == "wheel"), key=lambda one: one.major))


def _fresh_database(server: EmbeddedServer) -> Iterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    # Where nothing waits for the disk, copying the files costs less than every page's way through the log.
    strategy = " STRATEGY file_copy" if server.major >= 15 else ""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}{strategy}".encode())
    yield server.dsn(name)
    server.drop_database(name)


@pytest.fixture
def database(server18: EmbeddedServer) -> Iterator[str]:
    """The DSN of a fresh, empty database on the newest server."""
    yield from _fresh_database(server18)


@pytest.fixture
def database_each(server: EmbeddedServer) -> Iterator[str]:
    """The DSN of a fresh, empty database on every server in turn."""
    yield from _fresh_database(server)


@pytest.fixture
def any_database(any_server: EmbeddedServer) -> Iterator[str]:
    """The DSN of a fresh, empty database on a server of every major from 14 to 18 in turn."""
    yield from _fresh_database(any_server)


def _client(name: str) -> Path:
    # The newest client: pg_dump refuses servers newer than itself.
    return max(INSTALLATIONS.values(), key=lambda one: (one.major, one.source)).bin / name


@pytest.fixture
def psql() -> Psql:
    def run(dsn: str, script: str | Path, *arguments: str) -> str:
        what = ["--file", str(script)] if isinstance(script, Path) else ["--command", script]
        command = [str(_client("psql")), "-XqAt", "-v", "ON_ERROR_STOP=1", *arguments, *what, dsn]
        return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout

    return run


@pytest.fixture
def pg_dump() -> PgDump:
    def run(dsn: str, *arguments: str) -> str:
        # Without a key of our own each dump has a random one in its \restrict line.
        command = [str(_client("pg_dump")), "--restrict-key=lockstep", *arguments, dsn]
        return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout

    return run
