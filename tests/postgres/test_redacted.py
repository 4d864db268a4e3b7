"""Real sessions with secrets in their queries, a real database with secrets in its rows: who gets to see them."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from rehearsals import OnServer, rehearsed
from runbooks import execute, opened, read, rows, write
from sessions import App as Session
from sessions import Stage
from textual.app import App
from textual.pilot import Pilot

from tui.app import LockstepApp
from tui.engine import events as e
from tui.engine import proofs
from tui.engine.export import Picture, as_csv, as_json
from tui.engine.filter import Filter
from tui.engine.journal import runs_directory
from tui.engine.lookout import Lookout
from tui.engine.roster import roster
from tui.engine.run import Run
from tui.engine.sample import Sample
from tui.engine.sampler import Sampler
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.monitor import Monitor
from tui.postgres.session import Dsn
from tui.screens.held import HeldKey
from tui.watch import WatchApp
from tui.widgets.lines import Lines
from tui.widgets.sessions import SessionsPane

SECRET = "hunter2"
AT_ONCE = '[safety]\nlock_timeout = "200ms"\nlock_retries = 0'
PATIENT = '[safety]\nlock_timeout = "20s"\nmax_blocked_for = "30s"'
HOLDS = (
    rf"SELECT a, '{SECRET} plain', E'\'{SECRET}', $x${SECRET}$x$, U&'{SECRET}', '{SECRET}' "
    f"'{SECRET}', 4242424242 FROM t -- {SECRET}\n/* traceparent='{SECRET}' */".replace("' '", "'\n'")
)
HOLDS_REDACTED = "SELECT a, ?, ?, ?, ?, ?, ? FROM t /*…*/"
OFF = rf"SELECT 'it\'s {SECRET}', '{SECRET}'"
LONG = f"SELECT a, '{f'{SECRET} ' * 400}' FROM t"
WAITS = f"UPDATE t SET a = 4242424242 WHERE b = '{SECRET}'"
# What a check of a runbook asks to name who is in the way, as the runbooks do that ship.
CHECK = """
[[checklist]]
id = "blockers"
phase = "before"
title = "Nobody is in the way"
required = false
sql = "SELECT pid, application_name, left(query, 80) AS last FROM pg_stat_activity WHERE state LIKE 'idle in%'"
expect = { empty = true }
"""


@dataclass
class Crowd:
    """Sessions of an application, each with secrets in its query; ``holds`` has the table ``t`` locked."""

    holds: Session
    off: Session
    long: Session
    waits: Session


@asynccontextmanager
async def crowd(dsn: str) -> AsyncIterator[Crowd]:
    execute(dsn, "CREATE TABLE t (a bigint, b text)")
    async with Stage(dsn) as stage:
        holds = await stage.app("billing", "BEGIN", HOLDS)
        off = await stage.app("old", "SET standard_conforming_strings = off", "SET escape_string_warning = off", OFF)
        long = await stage.app("web", LONG)
        await stage.app("queue", "SELECT pg_advisory_lock(1)")
        waits = await stage.waiter("late", f"SELECT pg_advisory_lock(1), '{SECRET}'")
        yield Crowd(holds, off, long, waits)


# What the monitor gives


async def test_the_monitor_gives_no_literal(any_database: str) -> None:
    async with crowd(any_database) as those:
        for redacted in (False, True):
            monitor = Monitor(Dsn(any_database), redacted=redacted)
            try:
                look = await monitor.look()
            finally:
                await monitor.close()
            queries = {s.pid: s.query for s in look.sessions}
            shown = [queries[app.pid] for app in (those.holds, those.off, those.long)]
            if redacted:
                assert shown == [HOLDS_REDACTED, "SELECT ?", "SELECT a, ?"]
                assert SECRET not in repr(look)
                assert "4242424242" not in repr(look)
            else:
                assert all(SECRET in query for query in shown)


async def test_an_export_has_none(database: str) -> None:
    taken: asyncio.Future[Sample] = asyncio.get_running_loop().create_future()

    def take(sample: Sample) -> None:
        if sample.blocked_sessions and not taken.done():
            taken.set_result(sample)

    async with Stage(database) as stage:
        await stage.app("us", "CREATE TABLE t (a bigint, b text)", "BEGIN", "LOCK TABLE t")
        await stage.waiter("web", WAITS)
        sampler = Sampler(Dsn(database), take, our_pid=lambda: None, busy=lambda: True, redacted=True)
        sampling = asyncio.create_task(sampler.run())
        try:
            sample = await asyncio.wait_for(taken, 10)
        finally:
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)
    picture = Picture(sample, roster(sample, Filter(), "pid"), sample.tree.roots)
    for exported in (as_json(picture), as_csv(picture)):
        assert "UPDATE t SET a = ? WHERE b = ?" in exported
        assert SECRET not in exported
        assert "4242424242" not in exported


# What the console shows


def lines(app: App[int]) -> str:
    """All that stands in the panes of the screens that are open, also where it is scrolled out of sight."""
    return "\n".join(pane.text for screen in app.screen_stack for pane in screen.query(Lines))


def everything(app: App[int]) -> str:
    """The same with titles, keys and whatever else is on the screen."""
    return lines(app) + app.export_screenshot().replace("&#160;", " ")


async def until(pilot: Pilot[int], app: App[int], holds: Callable[[], bool]) -> str:
    """Lets the console live until this holds; gives what it shows then, which is the answer where it never does."""
    try:
        async with asyncio.timeout(20):
            while not holds():
                await pilot.pause(0.02)
            await pilot.pause()
    except TimeoutError:
        raise AssertionError(everything(app)) from None
    return everything(app)


def idle(app: LockstepApp) -> bool:
    """What an earlier key set going has come to its end."""
    at_work = any(not worker.is_finished for worker in app.workers if worker.group == "run")
    return not at_work and not app.console_screen.state.busy


@pytest.mark.parametrize("redacted", [False, True], ids=["whole", "redacted"])
async def test_the_console_shows_none(tmp_path: Path, database: str, redacted: bool) -> None:
    book = write(tmp_path, {"1": "ALTER TABLE t ADD c text DEFAULT 'our own'"}, more=CHECK, safety=PATIENT)
    run = Run(read(book), Dsn(database), operator_name="dba1", redacted=redacted)
    app = LockstepApp(run, held=HeldKey(0.0))
    seen: list[str] = []
    async with crowd(database) as those, app.run_test(size=(140, 45)) as pilot:
        try:
            shown = app.console_screen
            await until(pilot, app, lambda: shown.state.forecast is not None and idle(app))
            await pilot.press("enter")
            await until(pilot, app, lambda: shown.state.window_opened_at is not None and idle(app))
            await pilot.press("enter")
            seen.append(await until(pilot, app, lambda: "our ALTER waits" in lines(app)))
            # The operator's own script is shown as it is.
            assert "'our own'" in seen[-1]
            app.console_screen.query_one("#locks").focus()
            await pilot.press("home", "d")
            seen.append(await until(pilot, app, lambda: "client" in lines(app) and "SELECT a, " in lines(app)))
            await pilot.press("escape", "k")
            seen.append(await until(pilot, app, lambda: "nothing of it is lost" in lines(app)))
            await pilot.press("escape")
            preview = await run.preview_signal(those.holds.pid)
            assert (SECRET in preview.session.query) is not redacted
            await run.signal(preview, "terminate")
            await until(pilot, app, lambda: run.state.applied == ("1",))
        finally:
            await run.close("done")
    told = "\n".join(seen)
    assert (SECRET in told) is not redacted
    assert ("4242424242" in told) is not redacted
    assert_nowhere_in_the_record(database)


@pytest.mark.parametrize("redacted", [False, True], ids=["whole", "redacted"])
async def test_the_watch_shows_none(tmp_path: Path, database: str, redacted: bool) -> None:
    app = WatchApp(
        lambda: Lookout(Dsn(database), act=True, redacted=redacted), Filter(), may_act=True, held=HeldKey(0.0)
    )
    seen: list[str] = []
    async with crowd(database) as those, app.run_test(size=(140, 45)) as pilot:
        try:
            seen.append(await until(pilot, app, lambda: f"{those.waits.pid}" in lines(app) and "billing" in lines(app)))
            sessions = app.watch_screen.query_one(SessionsPane)
            sessions.focus()
            sessions.put(those.holds.pid)
            await pilot.press("enter")
            seen.append(await until(pilot, app, lambda: "QUERY" in lines(app)))
            await pilot.press("escape")
            await pilot.press("k")
            seen.append(await until(pilot, app, lambda: "nothing of it is lost" in lines(app)))
            await pilot.press("escape")
        finally:
            await app.let_go("done", 0)
    told = "\n".join(seen)
    assert (SECRET in told) is not redacted
    assert ("4242424242" in told) is not redacted


# What is recorded


def recorded(dsn: str) -> str:
    """All that is left of the runs of this test on this machine and in the database."""
    journals = [path.read_text(encoding="utf-8") for path in runs_directory().glob("*.jsonl")]
    assert journals
    ledger = rows(dsn, "SELECT event::text FROM lockstep.event UNION ALL SELECT a::text FROM lockstep.act AS a")
    return "\n".join([*journals, *(str(row[0]) for row in ledger)])


def assert_nowhere_in_the_record(dsn: str) -> None:
    told = recorded(dsn)
    assert SECRET not in told
    assert "4242424242" not in told


async def test_a_check_that_reads_what_others_run_keeps_no_literal(tmp_path: Path, database_each: str) -> None:
    more = CHECK + CHECK.replace("[[checklist]]", "[[verification]]").replace(
        'phase = "before"', 'after = "1"'
    ).replace("required = false", "").replace('id = "blockers"', 'id = "still"')
    book = write(tmp_path, {"1": "CREATE TABLE made (a int)"}, more=more)
    async with crowd(database_each) as those, opened(book, database_each) as live:
        probed = await live.until(e.ItemProbed)
        assert not probed.ok
        # 80 characters of it, and the check's other columns as they are.
        assert probed.output == f"{those.holds.pid}  billing  SELECT a, ?, ?, ?, ?, ?"
        await live.to_end()
        found = live.last(e.VerificationFinished)
        assert found.rows == ((str(those.holds.pid), "billing", "SELECT a, ?, ?, ?, ?, ?"),)
    assert_nowhere_in_the_record(database_each)


FAILING = {
    "a duplicate": ("CREATE UNIQUE INDEX ON s (email)", "Key (email)=(?) is duplicated."),
    "a failing row": ("INSERT INTO s SELECT id, email, NULL FROM s", "Failing row contains (?)."),
    "a missing key": (
        "ALTER TABLE s ADD FOREIGN KEY (email) REFERENCES r (email)",
        'Key (email)=(?) is not present in table \\"r\\".',
    ),
    "a value": ("ALTER TABLE s ALTER email TYPE int USING email::int", 'type integer: \\"?\\"'),
    "a statement in a function": (
        "DO $$ BEGIN EXECUTE format('INSERT INTO r VALUES (%L), (%1$L)', (SELECT min(email) FROM s)); END $$",
        "PL/pgSQL function inline_code_block line 1 at EXECUTE",
    ),
}


MADE = (
    "CREATE TABLE r (email text UNIQUE)",
    "CREATE TABLE s (id int, email text, note text NOT NULL)",
    f"INSERT INTO s VALUES (1, '{SECRET}@example.com', 'a'), (2, '{SECRET}@example.com', 'b')",
)


@pytest.mark.parametrize("name", FAILING)
async def test_what_an_error_quotes_is_shown_and_not_recorded(tmp_path: Path, database: str, name: str) -> None:
    statement, told = FAILING[name]
    execute(database, *MADE)
    async with opened(write(tmp_path, {"1": statement}), database) as live:
        assert await live.to_end() == 1
        failed = live.last(e.ScriptFailed)
        assert failed.error is not None
        whole = (failed.error.message, failed.error.detail, failed.error.context)
        assert any(f"{SECRET}@example.com" in text for text in whole)
    assert told in recorded(database)
    assert_nowhere_in_the_record(database)


def test_json_is_a_record_and_narration_is_not(tmp_path: Path, database: str) -> None:
    execute(database, *MADE)
    book = write(tmp_path, {"1": FAILING["a duplicate"][0]})
    command = [sys.executable, "-m", "tui", "run", str(book), "-d", database, "--yes", "--json"]
    printed = subprocess.run(command, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL, check=False)
    assert printed.returncode == 1
    assert "script_failed" in {json.loads(line)["kind"] for line in printed.stdout.splitlines()}
    assert SECRET not in printed.stdout
    assert f"Key (email)=({SECRET}@example.com) is duplicated." in printed.stderr


async def test_a_lock_wait_records_who_and_not_what(tmp_path: Path, database: str) -> None:
    book = write(tmp_path, {"1": "ALTER TABLE t ADD c int"}, safety=AT_ONCE)
    async with crowd(database), opened(book, database) as live:
        assert await live.to_end() == 1
        waited = live.last(e.LockWaited)
        assert [blocker.application_name for blocker in waited.blockers] == ["billing"]
    assert_nowhere_in_the_record(database)


@pytest.mark.parametrize("kind", ["fixture", "clone"])
async def test_a_rehearsal_quotes_rows_of_a_fixture_alone(
    tmp_path: Path, server18: EmbeddedServer, kind: Literal["fixture", "clone"]
) -> None:
    place = OnServer(server18, *MADE)
    place.kind = kind
    found, _ = await rehearsed(write(tmp_path, {"1": FAILING["a duplicate"][0]}), place)
    (proof,) = found.steps
    address = f"{SECRET}@example.com" if kind == "fixture" else "?"
    assert f"Key (email)=({address}) is duplicated." in proof.error
    assert (SECRET.encode() in proofs.to_json(found)) is (kind == "fixture")
