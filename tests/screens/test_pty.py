"""The real program in a real terminal: whole nights, wrong keys, small screens, and everything that can end it."""

from collections.abc import Iterator

import psycopg
import pytest
from demos import Place, place
from pty_console import Terminal, terminal

BOOK = "iso-agents-to-users"
DEMO = ("demo", BOOK, "--scale", "0.05", "--operator", "dba1")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with place(monkeypatch) as one:
        yield one


def ask(dsn: str, query: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def tick_human_items(console: Terminal) -> None:
    """Space and down through the ten lines of the checklist that wait for a human."""
    console.see("○ Full backup of production", "✓ No transaction open over 5 s")
    for _ in range(10):
        console.press("space")
        console.live(0.05)
        console.press("down")
    console.see("enter Open the window space")


SEEN = "SELECT max(special_requirements) FROM requests WHERE special_requirements LIKE 'seen%'"
FAILED = "SELECT xact_rollback FROM pg_stat_database WHERE datname = 'app'"


def test_x(here: Place) -> None:
    with terminal(*DEMO) as console:

        def show(name):
            console.live(0.6)
            print(f"===== {name}")
            print("\n".join(console.lines))

        try:
            console.see("○ Full backup of production", "✓ No transaction open over 5 s")
            for _ in range(10):
                console.press("space")
                console.live(0.05)
                console.press("down")
            show("ticked")
            console.act_to_see("enter", "Run 004")
            show("open")
            console.act("enter", lambda lines: not console.has("Run 004"))
            show("running?")
            console.live(1.5)
            show("running??")
        finally:
            show("end")
        console.press("q")
        console.live(2)
        show("quit")
        console.press("right", "enter")
        console.live(2)
        show("quit2")
        print(console.end())
