"""A dump of production: nobody waits for it, it shows no password, and it is gone when we are."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path

import pytest
from runbooks import execute, one, read, rows, session, until_true, write

from tui.engine.places import PlaceFailed, on_like
from tui.postgres import dumped
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.session import Dsn
from tui.runbook.model import Runbook

TABLES = 500
DUMPS = "FROM pg_stat_activity WHERE application_name LIKE 'lockstep dump%'"
LIVING = """
import asyncio, sys
from pathlib import Path
from tui.engine.places import on_like
from tui.postgres import dumped
from tui.postgres.session import Dsn
from tui.runbook.load import load

# Nothing but our end may end the dump.
dumped.LOCK_WAIT = 60.0


async def main():
    runbook = load(Path(sys.argv[2])).runbook
    async with on_like(Dsn(sys.argv[1]), runbook, told=lambda line: print(line, flush=True)) as place:
        dsn = await place.fresh()
        print(dsn.get("host"), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def book(tmp_path: Path) -> Runbook:
    return read(write(tmp_path / "small", {"001": "ALTER TABLE people ADD COLUMN age integer;"}))


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether it comes to hold in time: for what other processes do, of which no event tells us."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def child(dsn: str, book: Runbook) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", LIVING, dsn, str(book.path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


class TestNobodyWaits:
    async def test_500_tables_under_traffic(self, server18: EmbeddedServer, database: str, book: Runbook) -> None:
        """Readers and writers never wait for the dump; who changes tables waits a moment, and the dump gives way.

        The changes go on until it has given way twice: it gets its turn however slow the machine is.
        """
        execute(
            database,
            f"""DO $$ BEGIN FOR n IN 1..{TABLES} LOOP
                EXECUTE format('CREATE TABLE t%s (id integer PRIMARY KEY, v text, at timestamptz DEFAULT now())', n);
                EXECUTE format('INSERT INTO t%s SELECT g, g FROM generate_series(1, 20) g', n);
                EXECUTE format('CREATE INDEX ON t%s (v)', n);
                IF n % 5 = 0 THEN COMMIT; END IF;
            END LOOP; END $$""",
        )
        done: Counter[str] = Counter()
        waits: Counter[str] = Counter()
        longest: dict[str, float] = {}
        told: list[str] = []
        loop = asyncio.get_running_loop()

        async def write_on(number: int) -> None:
            async with session(database, name="writer") as writer:
                while True:
                    table = (done["writer"] * 7 + number) % TABLES + 1
                    await writer.execute(f"UPDATE t{table} SET v = v || 'x', at = now() WHERE id = {number}".encode())
                    done["writer"] += 1

        async def change() -> None:
            async with session(database, name="changer") as changer:
                while sum("gives way" in line for line in told) < 2:
                    await changer.execute(
                        f"ALTER TABLE t{done['changer'] % TABLES + 1} ALTER COLUMN v SET STATISTICS 50".encode()
                    )
                    await changer.execute(f"TRUNCATE t{TABLES}".encode())
                    done["changer"] += 1
                    await asyncio.sleep(0.4)
            await asyncio.Event().wait()

        async def watch() -> None:
            since: dict[str, float] = {}
            async with session(database, name="observer") as observer:
                while True:
                    cursor = await observer.execute(
                        """SELECT DISTINCT a.application_name FROM pg_locks w JOIN pg_stat_activity a USING (pid)
                           JOIN pg_stat_activity dump ON dump.pid = ANY (pg_blocking_pids(w.pid))
                           WHERE NOT w.granted AND dump.application_name LIKE 'lockstep%'"""
                    )
                    waiting = {str(name) for (name,) in await cursor.fetchall()}
                    for name in waiting:
                        longest[name] = max(longest.get(name, 0.0), loop.time() - since.setdefault(name, loop.time()))
                        waits[name] += 1
                    since = {name: at for name, at in since.items() if name in waiting}
                    done["looks"] += 1
                    await asyncio.sleep(0.01)

        async def rehearse(background: Callable[[], list[Coroutine[None, None, None]]]) -> None:
            others = [asyncio.ensure_future(work) for work in background()]
            try:
                async with on_like(Dsn(database), book, told=told.append) as place:
                    fresh = str(await place.fresh())
                    tables = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '^t[0-9]+$'"
                    assert one(fresh, tables) == TABLES
            finally:
                for other in others:
                    other.cancel()
                for ended in await asyncio.gather(*others, return_exceptions=True):
                    assert isinstance(ended, asyncio.CancelledError), ended

        await rehearse(lambda: [*(write_on(number) for number in range(1, 5)), watch()])
        print("only DML:", dict(done), "waited for the dump:", dict(waits), told)
        assert done["writer"] > 100
        assert done["looks"] > 10
        assert waits == {}
        assert not any("gives way" in line for line in told)

        done.clear()
        told.clear()
        await rehearse(lambda: [*(write_on(number) for number in range(1, 5)), change(), watch()])
        print("with DDL:", dict(done), "waited for the dump:", dict(waits), "seconds at most:", longest, told)
        assert done["changer"] > 0
        assert done["writer"] > 100
        # One look of ours and the dump's end: shorter than the dump itself would wait for anybody.
        assert all(seconds < dumped.LOCK_WAIT for seconds in longest.values()), longest

    async def test_the_dump_gives_way(self, database: str, book: Runbook, monkeypatch: pytest.MonkeyPatch) -> None:
        """It holds one table and waits for another; whoever waits for the first has it a moment later."""
        monkeypatch.setattr(dumped, "_PAUSES", (0.2,) * 20)
        execute(database, "CREATE TABLE a (id integer)", "CREATE TABLE z (id integer)")
        told: list[str] = []
        async with session(database, autocommit=False) as busy, session(database, name="deploy") as changer:
            await busy.execute("LOCK TABLE z")
            work = asyncio.ensure_future(rehearsed(database, book, told))
            await until_true(
                database,
                f"""SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'a'::regclass AND granted
                    AND mode = 'AccessShareLock' AND pid IN (SELECT pid {DUMPS}))""",
            )
            pid, begun = changer.info.backend_pid, time.monotonic()
            await changer.execute("ALTER TABLE a ADD COLUMN more integer")
            waited = time.monotonic() - begun
            print(f"an ALTER TABLE waited {waited:.3f} s for the dump")
            assert waited < 1.0
            await busy.rollback()
            assert await work == 2
        behind = f"session {pid} (deploy of postgres) waits for a lock behind the dump"
        assert f"{behind}: the dump gives way and begins again in 0.2 s" in told

    async def test_a_table_that_somebody_changes_all_the_time(
        self, database: str, book: Runbook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dumped, "_PAUSES", (0.1,))
        monkeypatch.setattr(dumped, "LOCK_WAIT", 0.3)
        execute(database, "CREATE TABLE people (id integer)", "CREATE VIEW seen AS SELECT * FROM people")
        # The dump asks for tables itself, and by pg_get_viewdef, without a timeout, for views.
        for change in (b"LOCK TABLE people", b"ALTER VIEW seen ALTER COLUMN id SET DEFAULT 1"):
            told: list[str] = []
            async with session(database, autocommit=False) as changer:
                await changer.execute(change)
                with pytest.raises(PlaceFailed, match=r"the dump waited 0\.3 s for .*, each of 2 times"):
                    await on_like(Dsn(database), book, told=told.append).__aenter__()
            assert sum("begins again in 0.1 s" in line for line in told) == 1
        assert one(database, f"SELECT count(*) {DUMPS}") == 0


async def rehearsed(dsn: str, book: Runbook, told: list[str]) -> object:
    """How many columns the table a has in the rehearsal."""
    async with on_like(Dsn(dsn), book, told=told.append) as place:
        return one(
            str(await place.fresh()), "SELECT count(*) FROM pg_attribute WHERE attrelid = 'a'::regclass AND attnum > 0"
        )


class TestWhatIsShown:
    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
    async def test_no_password_in_the_list_of_processes(self, database: str, book: Runbook) -> None:
        execute(database, "CREATE TABLE people (id integer)")
        dsn = Dsn(database).with_(password="pa55word")
        async with session(database, autocommit=False) as changer:
            await changer.execute("LOCK TABLE people IN ACCESS EXCLUSIVE MODE")
            beginning = asyncio.ensure_future(on_like(dsn, book, told=lambda _: None).__aenter__())
            await until_true(database, f"SELECT count(*) = 1 {DUMPS} AND wait_event_type = 'Lock'")
            ours = processes()
            dumps = [environment for command, environment in ours if b"pg_dump" in command]
            assert len(dumps) >= 2
            assert not any(b"pa55word" in command for command, _ in ours)
            assert all(b"PGPASSWORD=pa55word" in environment for environment in dumps)
            beginning.cancel()
            with pytest.raises(asyncio.CancelledError):
                await beginning
        await until_true(database, f"SELECT count(*) = 0 {DUMPS}")

    async def test_none_in_an_error(self, database: str, book: Runbook) -> None:
        for name in ("oauth_client_secret", "scram_client_key", "scram_server_key", "sslpassword"):
            # libpq looks at the keys before it connects: they are 32 bytes each.
            secret = "pa55" + "A" * 39 + "=" if name.startswith("scram_") else "pa55phrase"
            dsn = Dsn(database).with_(**{"password": "pa55word", name: secret})
            with pytest.raises(PlaceFailed, match=f"can be given {name} only .* name a service instead") as caught:
                await on_like(dsn, book, told=lambda _: None).__aenter__()
            assert "pa55" not in f"{caught.value} {dsn} {dsn!r} {dsn.get(name)}"


def processes() -> list[tuple[bytes, bytes]]:
    """The command line and the environment of each of our descendants that has not ended meanwhile."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    ours, found = [os.getpid()], list[int]()
    while ours:
        new = children.get(ours.pop(), [])
        ours += new
        found += new
    told = []
    for pid in found:
        with suppress(OSError):
            told.append((Path(f"/proc/{pid}/cmdline").read_bytes(), Path(f"/proc/{pid}/environ").read_bytes()))
    return told


class TestGoneWithUs:
    async def test_kill_9_while_it_dumps(self, database: str, book: Runbook) -> None:
        execute(database, "CREATE TABLE people (id integer)")
        async with session(database, autocommit=False) as changer:
            await changer.execute("LOCK TABLE people IN ACCESS EXCLUSIVE MODE")
            with child(database, book) as process:
                await until_true(database, f"SELECT count(*) = 1 {DUMPS} AND wait_event_type = 'Lock'")
                process.kill()
            await until_true(database, f"SELECT count(*) = 0 {DUMPS}")

    async def test_kill_9_while_it_stands(self, database: str, book: Runbook) -> None:
        execute(database, "CREATE TABLE people (id integer)")
        with child(database, book) as process:
            directory = standing(process)
            postmaster = int((directory / "data" / "postmaster.pid").read_text().split()[0])
            process.kill()
        assert eventually(lambda: not alive(postmaster) and not directory.exists())

    async def test_kill_9_of_the_supervisor_too_and_the_next_start(self, database: str, book: Runbook) -> None:
        execute(database, "CREATE TABLE people (id integer)")
        with child(database, book) as living, child(database, book) as dead:
            here, left = standing(living), standing(dead)
            postmaster = int((left / "data" / "postmaster.pid").read_text().split()[0])
            supervisor = parent(postmaster)
            # The supervisor first: it would clean up after the other one.
            os.kill(supervisor, signal.SIGKILL)
            dead.kill()
            dead.wait()
            assert alive(postmaster)
            assert left.exists()
            async with on_like(Dsn(database), book, told=lambda _: None):
                assert not left.exists()
                assert eventually(lambda: not alive(postmaster))
                assert here.exists()
            assert rows(f"host={here} user=postgres dbname=postgres", "SELECT 1") == [(1,)]
            living.kill()
        assert eventually(lambda: not here.exists())


def parent(pid: int) -> int:
    return int(subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, check=True).stdout)


def standing(process: "subprocess.Popen[str]") -> Path:
    """The server's directory, once it stands."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("/"):
            return Path(line.strip())
    raise AssertionError("it did not come to stand")
