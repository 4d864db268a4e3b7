"""The detail of real sessions in the console: opened, followed, ended, by keys alone."""

from pathlib import Path

import pytest
from live_console import Console, opened
from runbooks import execute, one, session, until_true, write

from tui.engine.journal import read as read_journal
from tui.screens.dialog import Dialog
from tui.screens.session import SessionScreen
from tui.widgets.lines import Lines
from tui.widgets.locks import LockPane

SAFETY = '[safety]\nlock_timeout = "60s"\nmax_blocked_for = "60s"'


def detail(console: Console) -> str:
    """What the detail says now; nothing where it is not open."""
    screen = console.app.screen_stack[-1]
    return " ".join(screen.query_one("#session-body", Lines).text.split()) if isinstance(screen, SessionScreen) else ""


def title(console: Console) -> str:
    screen = console.app.screen_stack[-1]
    return screen.query_one("#session-title", Lines).text if isinstance(screen, SessionScreen) else ""


async def to_the_wait(console: Console, dsn: str) -> None:
    """The window is open, and step 1 waits for a lock."""
    await console.press("enter")
    await console.until(lambda: console.state.window_opened_at is not None)
    await console.press("enter")
    await until_true(dsn, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 't'::regclass")
    tree = console.app.console_screen.query_one(LockPane)
    await console.until(lambda: tree.nodes > 1)
    tree.focus()


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
async def test_a_blocker_is_looked_at_and_ended(tmp_path: Path, database: str, size: tuple[int, int]) -> None:
    execute(database, "CREATE TABLE t (a int PRIMARY KEY)", "CREATE TABLE u (a int)")
    book = write(tmp_path, {"1": "ALTER TABLE t ADD b int"}, safety=SAFETY)
    async with session(database, name="billing", autocommit=False) as billing, opened(book, database, size) as console:
        await billing.execute("SELECT * FROM t, u")
        pid = billing.info.backend_pid
        await to_the_wait(console, database)
        await console.pilot.press("down", "enter")
        await console.until(lambda: "ACCESS SHARE on 3: t, t_pkey, u" in detail(console))
        assert "idle in transaction for" in detail(console)
        assert "billing as postgres on test_" in detail(console)
        assert "QUERY its last one SELECT * FROM t, u" in detail(console)
        assert "1 session waits because of it" in detail(console)
        assert console.app.engine.looked_at == pid
        # What it does next is seen without a key.
        await billing.execute("INSERT INTO u VALUES (1)")
        await console.until(lambda: "it has written or locked rows" in detail(console))
        await console.until(lambda: "ROW EXCLUSIVE on u" in detail(console))
        await console.pilot.press("k")
        await console.until(lambda: isinstance(console.app.screen_stack[-1], Dialog))
        assert "frees us at once" in console.question
        assert "its open transaction has written or locked rows: that is rolled back" in console.question
        await console.pilot.press("right", "enter")
        await console.until(lambda: "GONE at" in title(console))
        assert "what was last known of it" in detail(console)
        assert "SELECT" in detail(console) or "INSERT" in detail(console)
        await console.until(lambda: console.state.applied == ("1",))
        signalled = console.state.signals[-1]
        assert (signalled.pid, signalled.sent, signalled.gone) == (pid, True, True)
        assert console.app.engine.journal_path is not None
        assert signalled in read_journal(console.app.engine.journal_path)
        await console.pilot.press("escape")
        await console.until(lambda: console.app.engine.looked_at is None)
        assert not isinstance(console.app.screen_stack[-1], SessionScreen)


async def test_a_prepared_transaction_is_told_how_to_end(tmp_path: Path, database: str) -> None:
    execute(database, "CREATE TABLE t (a int)")
    book = write(tmp_path, {"1": "ALTER TABLE t ADD b int"}, safety=SAFETY)
    async with opened(book, database, (120, 40)) as console:
        async with session(database, name="batch") as batch:
            for statement in (b"BEGIN", b"INSERT INTO t VALUES (1)", b"PREPARE TRANSACTION 'it''s night'"):
                await batch.execute(statement)
        try:
            await to_the_wait(console, database)
            await console.pilot.press("down", "d")
            await console.until(lambda: "ROLLBACK PREPARED 'it''s night';" in detail(console))
            assert title(console).startswith(" prepared transaction it's night")
            assert "ROW EXCLUSIVE on t" in detail(console)
            await console.pilot.press("k")
            assert one(database, "SELECT count(*) FROM pg_prepared_xacts WHERE gid = 'it''s night'") == 1
        finally:
            execute(database, "ROLLBACK PREPARED 'it''s night'")
        await console.until(lambda: "GONE at" in title(console))
        await console.until(lambda: console.state.applied == ("1",))


async def test_another_waits_for_two_and_is_not_promised_freedom(tmp_path: Path, database: str) -> None:
    execute(database, "CREATE TABLE t (a int)")
    book = write(tmp_path, {"1": "ALTER TABLE t ADD b int"}, safety=SAFETY)
    async with (
        session(database, name="billing", autocommit=False) as billing,
        session(database, name="etl", autocommit=False) as etl,
        opened(book, database, (120, 40)) as console,
    ):
        await billing.execute("SELECT * FROM t")
        await etl.execute("SELECT * FROM t")
        await to_the_wait(console, database)
        await console.pilot.press("k")
        await console.until(lambda: isinstance(console.app.screen_stack[-1], Dialog))
        other = {billing: etl, etl: billing}
        first = next(one for one in other if f"session {one.info.backend_pid}?" in _asked(console))
        name = "etl" if first is billing else "billing"
        assert f"still blocked by {other[first].info.backend_pid} ({name}): us" in console.question
        await console.pilot.press("right", "enter")
        await console.until(lambda: bool(console.state.signals))
        # As it was said: the step waits on, for the other one.
        await console.until(lambda: _blockers(console) == [other[first].info.backend_pid])
        assert console.state.applied == ()
        await other[first].rollback()
        await console.until(lambda: console.state.applied == ("1",))


def _asked(console: Console) -> str:
    return str(console.app.screen_stack[-1].query_one("#dialog").border_title)


def _blockers(console: Console) -> list[int | None]:
    sample = console.app.engine.sample
    return [node.pid for node in sample.tree.blockers] if sample is not None else []
