"""The pooler really pools by transaction, and what relies on a session of its own breaks behind it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from pooler import pooler
from psycopg.conninfo import make_conninfo

Connection = psycopg.Connection[Any]


@pytest.fixture
def pooled(database: str) -> Iterator[str]:
    with pooler(database) as dsn:
        yield dsn


def connect(dsn: str, name: str = "web") -> Connection:
    return psycopg.connect(make_conninfo(dsn, application_name=name), autocommit=True)


def one(connection: Connection, text: str) -> Any:
    row = connection.execute(text.encode()).fetchone()
    assert row is not None
    return row[0]


def test_two_clients_share_one_session_of_the_servers(pooled: str) -> None:
    with connect(pooled) as first, connect(pooled) as second:
        pids = {one(client, "SELECT pg_backend_pid()") for client in (first, second, first, second)}
        assert len(pids) == 1
        # What the protocol calls the session's process id is made up.
        assert not pids & {first.info.backend_pid, second.info.backend_pid}


def test_a_session_is_lent_for_a_whole_transaction(pooled: str) -> None:
    with connect(pooled) as first, connect(pooled) as second:
        with first.transaction():
            mine = one(first, "SELECT pg_backend_pid()")
            assert one(second, "SELECT pg_backend_pid()") != mine
            assert one(first, "SELECT pg_backend_pid()") == mine
        with second.transaction():
            assert one(second, "SELECT pg_backend_pid()") == mine


def test_what_is_set_for_the_session_reaches_others(pooled: str) -> None:
    with connect(pooled) as first, connect(pooled) as second:
        first.execute("SET lock_timeout = '123ms'")
        assert one(second, "SHOW lock_timeout") == "123ms"
        first.execute("SELECT pg_advisory_lock(1)")
        assert one(second, "SELECT pg_try_advisory_lock(1)")


def test_the_name_follows_its_client(pooled: str) -> None:
    with connect(pooled, "first") as first, connect(pooled, "second") as second:
        for client, name in ((first, "first"), (second, "second"), (first, "first")):
            assert one(client, "SHOW application_name") == name
        first.execute("SET application_name = 'renamed'")
        assert one(second, "SHOW application_name") == "second"
        assert one(first, "SHOW application_name") == "renamed"


def test_startup_options_are_ignored(pooled: str) -> None:
    with connect(make_conninfo(pooled, options="-c lock_timeout=77ms")) as client:
        assert one(client, "SHOW lock_timeout") == "0"


def test_an_open_transaction_dies_with_its_client(pooled: str) -> None:
    with connect(pooled) as owner:
        owner.execute("CREATE TABLE t (a int)")
        leaving = connect(pooled)
        leaving.execute("BEGIN")
        leaving.execute("INSERT INTO t VALUES (1)")
        leaving.close()
        assert one(owner, "SELECT count(*) FROM t") == 0


def test_parameters_copies_and_errors_pass(pooled: str) -> None:
    with connect(pooled) as client:
        client.execute("CREATE TABLE t (a int)")
        with client.cursor().copy("COPY t FROM stdin") as copy:
            copy.write("1\n2\n")
        assert client.execute("SELECT sum(a) + %s FROM t", (1,)).fetchone() == (4,)
        with pytest.raises(psycopg.errors.DivisionByZero):
            client.execute("SELECT 1 / 0")
        assert one(client, "SELECT 1") == 1


def test_a_cancel_reaches_the_session_that_is_lent(pooled: str, database: str) -> None:
    with connect(pooled) as client, connect(database) as direct, ThreadPoolExecutor() as threads:
        direct.execute("SELECT pg_advisory_lock(7)")
        waiting = threads.submit(client.execute, "SELECT pg_advisory_lock(7)")
        while not one(direct, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            assert not waiting.done()
        client.cancel_safe(timeout=5)
        with pytest.raises(psycopg.errors.QueryCanceled):
            waiting.result(5)


def test_a_refusal_of_the_servers_is_passed_on(pooled: str) -> None:
    with pytest.raises(psycopg.OperationalError, match='database "nowhere" does not exist'):
        connect(make_conninfo(pooled, dbname="nowhere"))
