"""``lockstep demo`` without its console: what it prints, what runs, and that nothing is left of it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from demos import Place, eventually, place

SESSIONS = """
SELECT application_name, count(*) FROM pg_stat_activity
WHERE usename IN ('app_web', 'app_worker', 'reporting') GROUP BY 1 ORDER BY 1
"""
SUPERUSERS = "SELECT count(*) FROM pg_user WHERE usename IN ('app_web', 'app_worker', 'reporting') AND usesuper"
WORK = "SELECT max(special_requirements) FROM requests WHERE special_requirements LIKE 'seen%'"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with place(monkeypatch) as one:
        yield one


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tui", "demo", *arguments]


@contextmanager
def demo(*arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """A demo without a console; told to end at the end of the block if it is still there."""
    process = subprocess.Popen(
        command("iso-agents-to-users", "--no-console", "--scale", "0.01", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


def dsn_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def rows(dsn: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def test_the_list() -> None:
    done = subprocess.run(command("--list"), check=True, capture_output=True, text=True)
    names = ["email-providers", "iso-agents-to-users", "momentum", "openinfo", "users-normalization"]
    assert (done.stdout.split(), done.stderr) == (names, "")


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    done = subprocess.run(command("iso-agent-to-user"), check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "iso-agents-to-users" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_prints_the_dsn_and_keeps_the_application_at_work_until_ctrl_c(
    here: Place, psql: Callable[..., str]
) -> None:
    with demo() as process:
        dsn = dsn_of(process)
        assert psql(dsn, "SELECT current_database()") == "app\n"
        expected = [("billing_report", 1), ("clerk_webhook", 1), ("web", 8), ("worker", 2)]
        assert eventually(lambda: rows(dsn, SESSIONS) == expected)
        before = rows(dsn, WORK)
        assert eventually(lambda: rows(dsn, WORK) != before)
        assert rows(dsn, SUPERUSERS) == [(0,)]
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
        assert (process.returncode, stdout) == (0, "")
        assert f"lockstep open iso-agents-to-users -d '{dsn}'" in stderr
        assert "Traceback" not in stderr
        assert here.empty()


def test_a_terminated_demo_leaves_nothing_and_says_so_by_its_exit_code(here: Place) -> None:
    with demo() as process:
        dsn_of(process)
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM
        assert here.empty()


def test_ended_while_it_loads_it_leaves_nothing(here: Place) -> None:
    with demo("--scale", "1") as process:
        assert eventually(lambda: len(here.servers) == 1)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
        assert (process.returncode, stdout) == (0, "")
        assert "Traceback" not in stderr
        assert here.empty()


def test_two_at_the_same_time(here: Place) -> None:
    with demo() as one, demo() as two:
        first, second = dsn_of(one), dsn_of(two)
        assert first != second
        assert len(here.servers) == 2
        one.send_signal(signal.SIGINT)
        assert one.wait(30) == 0
        assert len(here.servers) == 1
        assert rows(second, "SELECT count(*) > 0 FROM iso_agents") == [(True,)]


def test_keep_leaves_the_directory_and_says_where(here: Place) -> None:
    with demo("--keep") as process:
        dsn_of(process)
        (directory,) = here.servers
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
        assert process.returncode == 0
    assert f"the server's directory stays: {directory}" in stderr
    assert sorted(path.name for path in directory.iterdir()) == ["data", "server.log"]
    assert eventually(lambda: here.processes == [])
    shutil.rmtree(directory)


def test_kill_9_leaves_no_server(here: Place) -> None:
    with demo() as process:
        dsn_of(process)
        assert len(here.processes) == 2
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert eventually(here.empty)
