"""What ``lockstep watch`` works with, on real servers: it only looks, unless it may act, and then says what it did."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sessions import Stage
from standby import Standby, standby

from tui.engine import events as e
from tui.engine.filter import parse
from tui.engine.journal import JournalFailed, read
from tui.engine.lookout import Lookout
from tui.engine.operator import SessionGone
from tui.engine.sample import Sample
from tui.paths import state_root
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.session import CannotConnect, Dsn
from tui.watch import WatchApp
from tui.widgets.lines import Lines


class Watched:
    """A lookout under way, and what it saw and did."""

    def __init__(self, lookout: Lookout) -> None:
        self.it = lookout
        self.acts: list[e.SessionSignalled] = []
        self._samples: asyncio.Queue[Sample] = asyncio.Queue()
        lookout.watch(self._samples.put_nowait)
        lookout.acted(self.acts.append)

    async def until(self, true: Callable[[Sample], bool]) -> Sample:
        """The first sample of which this is true."""
        async with asyncio.timeout(20):
            while not true(sample := await self._samples.get()):
                pass
        return sample


@asynccontextmanager
async def watched(dsn: Dsn | str, *, act: bool = False) -> AsyncIterator[Watched]:
    one = Watched(Lookout(dsn if isinstance(dsn, Dsn) else Dsn(dsn), act=act))
    await one.it.open()
    running = asyncio.create_task(one.it.run())
    try:
        yield one
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await one.it.close()


@pytest.fixture
async def stage(database: str) -> AsyncIterator[Stage]:
    async with Stage(database) as stage:
        await stage.app("setup", "CREATE TABLE t (id int, v int)")
        yield stage


async def ours(stage: Stage) -> list[str]:
    """The application names of our connections to this database, but for the stage's own monitor."""

    async def ask(connection: psycopg.AsyncConnection[Any]) -> list[str]:
        rows = await connection.execute(
            "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'lockstep %' "
            "AND datname = current_database() ORDER BY backend_start"
        )
        return [name for (name,) in await rows.fetchall()]

    answer: list[str] = await stage.really(ask)
    return answer


async def test_it_only_looks_through_one_connection_that_is_read_only(stage: Stage) -> None:
    holder = await stage.app("billing", "BEGIN", "SELECT * FROM t")
    waiter = await stage.waiter("migrate", "ALTER TABLE t ADD w int")
    before = await ours(stage)
    async with watched(stage.dsn) as one:
        sample = await one.until(lambda sample: bool(sample.tree.roots))
        (root,) = sample.tree.roots
        assert (root.pid, [child.pid for child in root.children]) == (holder.pid, [waiter.pid])
        assert await ours(stage) == [*before, "lockstep monitor"]
        assert one.it.target is not None
        assert one.it.target.database == psycopg.conninfo.conninfo_to_dict(stage.dsn)["dbname"]
        monitor = one.it._sampler._monitor._connection
        assert monitor is not None
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await monitor.execute("CREATE TABLE public.made (a int)")
    assert await ours(stage) == before
    assert not (state_root() / "watch").exists()


async def test_all_locks_of_the_one_looked_at_are_read(stage: Stage) -> None:
    quiet = await stage.app("quiet", "BEGIN", "LOCK TABLE t IN SHARE MODE")
    async with watched(stage.dsn) as one:
        await one.until(lambda sample: not sample.locks)
        one.it.looked_at = quiet.pid
        sample = await one.until(lambda sample: sample.looked_at == quiet.pid)
        assert ("t", "ShareLock") in [(lock.relation, lock.mode) for lock in sample.locks]


async def test_an_act_hits_the_one_that_was_looked_at_and_is_recorded(stage: Stage) -> None:
    holder = await stage.app("billing", "BEGIN", "SELECT * FROM t")
    waiter = await stage.waiter("migrate", "ALTER TABLE t ADD w int")
    async with watched(stage.dsn, act=True) as one:
        await one.until(lambda sample: bool(sample.tree.roots))
        preview = await one.it.preview_signal(holder.pid)
        assert preview.allowed is None
        assert [freed.pid for freed in preview.release.at_once] == [waiter.pid]
        assert one.it.journal == ""
        await one.it.signal(preview, "terminate")
        await waiter.ended()
        await one.until(lambda sample: not sample.tree.roots)
        (event,) = one.acts
        assert (event.pid, event.action, event.sent, event.gone) == (holder.pid, "terminate", True, True)
        path = Path(one.it.journal)
        assert path.parent == state_root() / "watch"
        assert read(path) == [event]
        assert await asyncio.to_thread(lambda: stat.S_IMODE(path.stat().st_mode)) == 0o600
        name = psycopg.conninfo.conninfo_to_dict(stage.dsn)["dbname"]
        assert event.session == f"billing as postgres from local on {name} at localhost:5432"
        # The same preview hits nobody else, whoever may have the number now.
        await one.it.signal(preview, "terminate")
        assert [(act.sent, act.gone) for act in one.acts] == [(True, True), (False, True)]
        assert read(path) == one.acts
        with pytest.raises(SessionGone):
            await one.it.preview_signal(holder.pid)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_the_connection_that_acts_changes_no_row_and_is_none_to_be_ended(stage: Stage) -> None:
    async with watched(stage.dsn, act=True) as one:
        await one.until(lambda sample: True)
        names = await ours(stage)
        assert [name for name in names if name.startswith("lockstep operator")] == [names[-1]]
        session = one.it._operator
        assert session is not None
        assert (await session.query("SHOW transaction_read_only")).rows == (("on",),)
        for pid in (session.backend_pid, one.it._sampler.backend_pid):
            assert pid is not None
            assert (await one.it.preview_signal(pid)).allowed == "it is one of Lockstep's own sessions"


async def test_a_lost_connection_that_acts_is_made_again_for_the_next_look(stage: Stage) -> None:
    idle = await stage.app("idle")
    async with watched(stage.dsn, act=True) as one:
        session = one.it._operator
        assert session is not None

        async def end(connection: psycopg.AsyncConnection[Any]) -> None:
            await connection.execute("SELECT pg_terminate_backend(%s, 5000)", (session.backend_pid,))

        await stage.really(end)
        assert (await one.it.preview_signal(idle.pid)).session.application_name == "idle"
        assert one.it._operator is not session


async def test_without_a_record_nothing_is_sent(stage: Stage) -> None:
    idle = await stage.app("idle")
    (state_root()).mkdir(parents=True, exist_ok=True)
    (state_root() / "watch").write_text("in the way")
    async with watched(stage.dsn, act=True) as one:
        preview = await one.it.preview_signal(idle.pid)
        with pytest.raises(JournalFailed, match="cannot write the journal"):
            await one.it.signal(preview, "terminate")
        assert one.acts == []
        assert (await one.it.preview_signal(idle.pid)).session.backend_start == preview.session.backend_start


async def test_no_server_there(tmp_path: Path) -> None:
    lookout = Lookout(Dsn(f"host={tmp_path} dbname=x password=hunter2"), act=True)
    with pytest.raises(CannotConnect, match="No such file") as failed:
        await lookout.open()
    await lookout.close()
    assert "hunter2" not in str(failed.value)


async def test_whoever_may_not_connect_twice_is_told_before_the_first_act(stage: Stage) -> None:
    name = psycopg.conninfo.conninfo_to_dict(stage.dsn)["dbname"]
    admin = await stage.app("admin", f"CREATE ROLE once_{name} LOGIN CONNECTION LIMIT 1")
    lookout = Lookout(Dsn(stage.dsn).with_(user=f"once_{name}"), act=True)
    try:
        with pytest.raises(CannotConnect, match="too many connections for role"):
            await lookout.open()
    finally:
        await lookout.close()
        await admin.run(f"DROP ROLE once_{name}")


# A standby


@pytest.fixture(scope="module")
def pair() -> Any:
    with EmbeddedServer() as primary, standby(primary) as second:
        yield primary, second


def both(primary: EmbeddedServer, second: Standby, more: str = "") -> Dsn:
    """The standby stands first."""
    hosts = f"host={second.directory},{primary.directory} port={second.port},5432"
    return Dsn(f"{hosts} dbname=postgres user=postgres {more}")


@pytest.mark.parametrize(
    ("attributes", "recovering"), [("", True), ("read-write", False), ("primary", False), ("read-only", True)]
)
async def test_a_standby_is_watched_unless_the_dsn_says_else(
    pair: tuple[EmbeddedServer, Standby], attributes: str, recovering: bool
) -> None:
    dsn = both(*pair, f"target_session_attrs={attributes}" if attributes else "")
    async with watched(dsn, act=True) as one:
        sample = await one.until(lambda sample: sample.counters is not None)
        assert sample.counters is not None
        assert sample.counters.in_recovery is recovering
        assert one.it.target is not None
        assert one.it.target.port == (pair[1].port if recovering else 5432)
        # What acts is where the looking is, though the DSN names two.
        assert one.it._operator is not None
        assert (await one.it._operator.query("SELECT pg_is_in_recovery()")).rows == (("ft"[recovering],),)


async def test_the_environment_counts_as_well(
    pair: tuple[EmbeddedServer, Standby], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGTARGETSESSIONATTRS", "read-write")
    async with watched(both(*pair)) as one:
        assert one.it.target is not None
        assert one.it.target.port == 5432


# With the screen


async def test_the_screen_shows_what_the_server_has_and_a_failure_of_it_in_place(stage: Stage) -> None:
    holder = await stage.app("billing", "BEGIN", "SELECT * FROM t")
    waiter = await stage.waiter("migrate", "ALTER TABLE t ADD w int")
    other = await stage.app("pool")
    name = psycopg.conninfo.conninfo_to_dict(stage.dsn)["dbname"]
    admin = await stage.app(
        "admin", f"CREATE ROLE few_{name} LOGIN CONNECTION LIMIT 1", f"GRANT pg_monitor TO few_{name}"
    )
    dsn = Dsn(stage.dsn).with_(user=f"few_{name}")
    app = WatchApp(lambda: Lookout(dsn, act=False), parse(f"db:{name}"))

    def text(pane: str) -> str:
        return " ".join(app.watch_screen.query_one(pane, Lines).text.split())

    async def until(true: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not true():
                await pilot.pause(0.02)

    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: f"{waiter.pid} migrate" in text("#locks"))
        assert f"{holder.pid} billing idle in transaction" in text("#locks")
        assert "wants ACCESS EXCLUSIVE on t" in text("#locks")
        assert str(other.pid) in text("#sessions")
        assert f"READ ONLY {name} on localhost:5432" in text("#header")
        assert f"as few_{name}" in text("#header")
        pid = app.engine._sampler.backend_pid if app.engine is not None else None
        await admin.run(f"ALTER ROLE few_{name} CONNECTION LIMIT 0", f"SELECT pg_terminate_backend({pid}, 5000)")
        await until(lambda: "the monitor has no connection" in text("#locks"))
        assert "n/a: the monitor has no connection" in text("#sessions")
        await admin.run(f"ALTER ROLE few_{name} CONNECTION LIMIT 1")
        await until(lambda: f"{waiter.pid} migrate" in text("#locks"))
        await pilot.press("q")
    assert app.return_code == 0
    assert "lockstep monitor" not in (await ours(stage))[1:]
    await admin.run(f"DROP ROLE few_{name}")
    assert os.environ.get("PGUSER") is None
