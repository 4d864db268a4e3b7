"""``--redact`` of both consoles, as the real program in a real terminal."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from pty_console import terminal
from runbooks import write

SECRET = "hunter2"
CHECK = """
[[checklist]]
id = "tea"
phase = "before"
title = "Tea is made"
"""


@pytest.fixture
def report(database: str) -> Iterator[int]:
    """The pid of a session that stands in its transaction on the table ``t``."""
    with closing(psycopg.connect(database, application_name="billing_report")) as connection:
        connection.execute("CREATE TABLE t (a int)")
        connection.commit()
        connection.execute(f"SELECT a, '{SECRET}' FROM t".encode())
        yield connection.info.backend_pid


@pytest.mark.parametrize(
    ("options", "shown"), [((), f"SELECT a, '{SECRET}' FROM t"), (("--redact",), "SELECT a, ? FROM t")]
)
def test_watch(database: str, report: int, options: tuple[str, ...], shown: str) -> None:
    with terminal("watch", "-d", database, *options, size=(160, 40)) as console:
        console.see(f"{report}", shown)
        assert (SECRET in console.text) is not bool(options)
        console.press("q")
        assert console.end() == 0


@pytest.mark.parametrize(
    ("options", "shown"), [((), f"SELECT a, '{SECRET}' FROM t"), (("--redact",), "SELECT a, ? FROM t")]
)
def test_open(tmp_path: Path, database: str, report: int, options: tuple[str, ...], shown: str) -> None:
    book = write(tmp_path, {"1": "SELECT 1"}, more=CHECK)
    with terminal("open", str(book), "-d", database, *options, size=(160, 40)) as console:
        console.see(f"{report}", shown)
        assert (SECRET in console.text) is not bool(options)
        console.press("q")
        assert console.end() == 0
