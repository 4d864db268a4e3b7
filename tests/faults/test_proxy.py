"""The proxy between console and server: what it stops, what it passes on, how it breaks."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from proxy import Proxy
from psycopg.conninfo import make_conninfo

from tui.engine.connections import RUNNER


@pytest.fixture
def proxy(database: str) -> Iterator[Proxy]:
    with Proxy(database) as running:
        yield running


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def runner(proxy: Proxy, name: str = RUNNER) -> "psycopg.Connection[Any]":
    return psycopg.connect(make_conninfo(proxy.dsn(), application_name=name), autocommit=True)


def count(database: str) -> int:
    with psycopg.connect(database) as direct:
        row = direct.execute("SELECT count(*) FROM t").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def table(database: str) -> None:
    with psycopg.connect(database) as direct:
        direct.execute("CREATE TABLE t (a int)")


def send(threads: ThreadPoolExecutor, connection: "psycopg.Connection[Any]", text: str, *values: int) -> "Future[Any]":
    return threads.submit(connection.execute, text.encode(), values or None)


def test_everything_passes(proxy: Proxy, table: None) -> None:
    with runner(proxy) as connection:
        assert connection.info.backend_pid == connection.execute("SELECT pg_backend_pid()").fetchone()[0]  # type: ignore[index]
        with connection.cursor().copy("COPY t FROM stdin") as copy:
            copy.write("1\n2\n")
        assert connection.execute("SELECT sum(a) + %s FROM t", (1,)).fetchone() == (4,)
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM nowhere")


def test_a_statement_is_kept_from_the_server(
    proxy: Proxy, table: None, database: str, elsewhere: ThreadPoolExecutor
) -> None:
    hold = proxy.hold("^COMMIT", "before", "INSERT", "INSERT")
    with runner(proxy) as connection:
        for text in ("BEGIN", "INSERT INTO t VALUES (1)", "COMMIT", "BEGIN", "INSERT INTO t VALUES (2)"):
            connection.execute(text.encode())
        sent = send(elsewhere, connection, "COMMIT")
        assert hold.wait()
        assert (hold.statement, hold.backend_pid) == ("COMMIT", connection.info.backend_pid)
        assert count(database) == 1
        assert not sent.done()
        hold.release()
        sent.result(5)
        assert count(database) == 2


def test_an_answer_is_kept_from_the_client(
    proxy: Proxy, table: None, database: str, elsewhere: ThreadPoolExecutor
) -> None:
    hold = proxy.hold("INSERT", "after")
    with runner(proxy) as connection:
        sent = send(elsewhere, connection, "INSERT INTO t VALUES (%s)", 1)
        assert hold.wait()
        assert count(database) == 1
        assert not sent.done()
        proxy.cut()
        with pytest.raises(psycopg.OperationalError):
            sent.result(5)
        assert connection.broken


def test_only_the_runner_is_held(proxy: Proxy, table: None) -> None:
    hold = proxy.hold("INSERT", "before")
    with runner(proxy, "somebody") as other:
        other.execute("INSERT INTO t VALUES (1)")
    assert not hold.reached


def test_a_running_statement_is_told_and_can_be_cancelled(
    proxy: Proxy, database: str, elsewhere: ThreadPoolExecutor
) -> None:
    hold = proxy.hold("pg_sleep", "passed")
    with runner(proxy) as connection, psycopg.connect(database, autocommit=True) as direct:
        sent = send(elsewhere, connection, "SELECT pg_sleep(60)")
        assert hold.wait()
        asleep = "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = %s"
        while direct.execute(asleep, (hold.backend_pid,)).fetchone() != (True,):
            assert not sent.done()
        connection.cancel_safe(timeout=5)
        assert proxy.cancels.acquire(timeout=5)
        with pytest.raises(psycopg.errors.QueryCanceled):
            sent.result(5)


def test_a_cut_is_a_reset_and_ends_the_servers_session_too(proxy: Proxy, database: str) -> None:
    with runner(proxy) as connection, psycopg.connect(database, autocommit=True) as direct:
        pid = connection.info.backend_pid
        proxy.cut()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        there = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
        while direct.execute(there, (pid,)).fetchone() != (0,):
            pass
    with runner(proxy) as again:
        again.execute("SELECT 1")


def test_in_silence_nothing_passes_until_the_cut(
    proxy: Proxy, table: None, database: str, elsewhere: ThreadPoolExecutor
) -> None:
    with runner(proxy) as connection:
        proxy.silence()
        sent = send(elsewhere, connection, "INSERT INTO t VALUES (1)")
        new = elsewhere.submit(runner, proxy)
        # Somebody who is not behind the proxy is heard all the while.
        assert count(database) == 0
        assert not sent.done()
        assert not new.done()
        proxy.cut()
        for broken in (sent, new):
            with pytest.raises(psycopg.OperationalError):
                broken.result(5)
    with runner(proxy) as again:
        again.execute("SELECT 1")


def test_a_terminated_session_says_so_to_the_client(proxy: Proxy, database: str) -> None:
    with runner(proxy) as connection, psycopg.connect(database) as direct:
        direct.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))
        with pytest.raises(psycopg.errors.AdminShutdown):
            connection.execute("SELECT 1")


def test_nothing_is_left_of_it(database: str) -> None:
    with Proxy(database) as proxy:
        connection = runner(proxy)
        proxy.hold("SELECT", "before")
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()
    assert "Proxy" not in {thread.name for thread in threading.enumerate()}
