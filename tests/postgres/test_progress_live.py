"""Commands that report their progress, in their phases, on PostgreSQL 14 to 18: what is counted and made of it.

The commands stand still where they are looked at: at a lock that an index's expression waits for, at a session that
they wait for themselves, at a client that does not go on, or at the cost-based delay.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from sessions import App, Stage

from tui.engine.progress import Pace, paces, percent
from tui.engine.sample import Sample
from tui.engine.sampler import Sampler
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.monitor import Monitor
from tui.postgres.rows import Progress
from tui.postgres.session import Dsn

GATE = """
CREATE FUNCTION gate(v int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
    IF v = 5000 THEN PERFORM pg_advisory_xact_lock_shared(1); END IF;
    RETURN v;
END $$"""
SHUT, OPEN = "SELECT pg_advisory_lock(1)", "SELECT pg_advisory_unlock(1)"
SLOWLY = ("SET vacuum_cost_delay = 20", "SET vacuum_cost_limit = 1", "SET vacuum_cost_page_hit = 1")


class Eyes:
    """Looks at a stage again and again, as the sampler does, and knows the pace of all that it sees."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.paces: Mapping[int, Pace] = {}

    async def see(self, of: App | int, phase: str = "", true: Callable[[Progress], bool] = lambda _: True) -> Pace:
        """The pace of this session's command in the first look that shows it in this phase, and of which it is true."""
        pid = of if isinstance(of, int) else of.pid
        async with asyncio.timeout(30):
            while True:
                look = await self._stage.monitor.look()
                self.paces = paces(self.paces, look.at, look.progress)
                assert look.missing == ()
                pace = self.paces.get(pid)
                if pace is not None and phase in ("", pace.progress.phase) and true(pace.progress):
                    return pace
                if isinstance(of, App) and of.sent is not None and of.sent.done():
                    of.sent.result()
                    raise AssertionError(f"it ended, and was not seen in the phase {phase!r}")


@pytest.fixture
async def stage(any_database: str) -> AsyncIterator[Stage]:
    async with Stage(any_database) as stage:
        rows = "INSERT INTO t SELECT i, i % 7 FROM generate_series(1, 10000) i"
        await stage.app("setup", GATE, "CREATE TABLE t (id int PRIMARY KEY, v int)", rows)
        yield stage


@asynccontextmanager
async def gate(stage: Stage) -> AsyncIterator[App]:
    """What calls `gate` for every row of t stands still in this block, at the latest after it goes on."""
    guard = await stage.app("guard", SHUT)
    try:
        yield guard
    finally:
        await guard.run("SELECT pg_advisory_unlock_all()")


async def ended(app: App) -> None:
    async with asyncio.timeout(30):
        await app.ended()


async def at_lock(stage: Stage, app: App) -> None:
    await stage.until(lambda look: any(s.pid == app.pid and s.wait_event == "advisory" for s in look.sessions))


def of(pace: Pace) -> tuple[str, str, str]:
    return (pace.progress.command, pace.progress.relation, pace.progress.phase)


def counts(pace: Pace) -> tuple[int | None, int | None, str]:
    return (pace.progress.done, pace.progress.total, pace.progress.unit)


def phase_of(pace: Pace) -> tuple[int | None, int | None]:
    return (pace.number, pace.of)


async def test_an_index_is_built_part_by_part(stage: Stage) -> None:
    eyes, builder = Eyes(stage), await stage.app("us", "SET max_parallel_maintenance_workers = 0")
    async with gate(stage):
        builder.send("CREATE INDEX ON t (gate(id))")
        await at_lock(stage, builder)
        pace = await eyes.see(builder)
        assert of(pace) == ("CREATE INDEX", "t", "building index: scanning table")
        assert phase_of(pace) == (2, 4)
        done, total, unit = counts(pace)
        assert unit == "blocks"
        assert done is not None
        assert total is not None
        assert 0 < done < total
        assert 0 < (percent(pace.progress) or 0) < 100
    await ended(builder)


async def test_the_sorting_of_an_index_counts_nothing(stage: Stage) -> None:
    compare = "CREATE FUNCTION compare(a int, b int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS"
    # The scan does not compare: what waits here is the sort that comes after it.
    body = "$$ BEGIN PERFORM public.gate(5000); RETURN btint4cmp(a, b); END $$"
    operators = "OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >"
    await stage.app("setup", f"{compare} {body}", "CREATE TABLE few (id int)", "INSERT INTO few VALUES (2), (1)")
    await stage.app("setup", f"CREATE OPERATOR CLASS own FOR TYPE int USING btree AS {operators}, FUNCTION 1 compare")
    eyes, builder = Eyes(stage), await stage.app("us", "SET max_parallel_maintenance_workers = 0")
    async with gate(stage):
        builder.send("CREATE INDEX ON few (id own)")
        await at_lock(stage, builder)
        pace = await eyes.see(builder, "building index: sorting live tuples")
        assert phase_of(pace) == (3, 4)
        assert counts(pace) == (None, None, "")
        assert percent(pace.progress) is None
    await ended(builder)


@pytest.mark.parametrize("method", ["hash", "gist"])
async def test_other_access_methods_name_no_parts(stage: Stage, method: str) -> None:
    eyes, builder = Eyes(stage), await stage.app("us")
    key = "point(gate(id), id)" if method == "gist" else "gate(id)"
    async with gate(stage):
        builder.send(f"CREATE INDEX ON t USING {method} (({key}))")
        await at_lock(stage, builder)
        pace = await eyes.see(builder)
        assert of(pace) == ("CREATE INDEX", "t", "building index")
        assert phase_of(pace) == (2, 2)
        done, total, unit = counts(pace)
        assert (unit, bool(done), bool(total)) == ("blocks", True, True)
    await ended(builder)


async def test_an_index_of_a_partitioned_table_counts_its_partitions(stage: Stage) -> None:
    setup = await stage.app("setup", "CREATE TABLE whole (id int) PARTITION BY RANGE (id)")
    for part, (low, high) in enumerate(((0, 3000), (3000, 6000), (6000, 9000))):
        await setup.run(f"CREATE TABLE part{part} PARTITION OF whole FOR VALUES FROM ({low}) TO ({high})")
    await setup.run("INSERT INTO whole SELECT generate_series(0, 8999)")
    eyes, builder = Eyes(stage), await stage.app("us")
    async with gate(stage):
        builder.send("CREATE INDEX ON whole (gate(id))")
        await at_lock(stage, builder)
        progress = (await eyes.see(builder)).progress
        assert progress.relation in ("whole", "part1")
        assert (progress.parts_done, progress.parts_total, progress.parts) == (1, 3, "partitions")
    await ended(builder)


async def test_a_concurrent_index_waits_for_those_that_it_names(stage: Stage) -> None:
    eyes = Eyes(stage)
    builder = await stage.app("us", "SET max_parallel_maintenance_workers = 0")
    writer = await stage.app("writer", "BEGIN", "INSERT INTO t VALUES (20001, 1)")
    old = await stage.app("report", "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1")
    async with gate(stage) as guard:
        builder.send("CREATE INDEX CONCURRENTLY made ON t (gate(id))")
        before = await eyes.see(builder, "waiting for writers before build", lambda p: p.waits_for_pid == writer.pid)
        assert of(before)[:2] == ("CREATE INDEX CONCURRENTLY", "t")
        assert phase_of(before) == (2, None)
        assert counts(before)[2] == "sessions"
        await writer.run("COMMIT")
        await at_lock(stage, builder)
        build = await eyes.see(builder, "building index: scanning table")
        assert phase_of(build) == (3, 10)
        assert build.progress.waits_for_pid is None
        await writer.run("BEGIN", "INSERT INTO t VALUES (20002, 1)")
        await guard.run(OPEN)
        validation = "waiting for writers before validation"
        waiting = await eyes.see(builder, validation, lambda p: p.waits_for_pid == writer.pid)
        assert phase_of(waiting) == (6, 10)
        await writer.run("COMMIT")
    last = await eyes.see(builder, "waiting for old snapshots", lambda p: p.waits_for_pid == old.pid)
    assert phase_of(last) == (10, 10)
    assert last.progress.part == "made"
    done, total, unit = counts(last)
    # A look of the monitor may be among them.
    assert unit == "sessions"
    assert done is not None
    assert total is not None
    assert done < total
    await old.run("COMMIT")
    await ended(builder)


async def test_a_concurrent_reindex_waits_for_readers_of_the_old_one(stage: Stage) -> None:
    eyes, builder = Eyes(stage), await stage.app("us")
    reader = await stage.app("report", "BEGIN", "SELECT * FROM t LIMIT 1")
    builder.send("REINDEX INDEX CONCURRENTLY t_pkey")
    pace = await eyes.see(builder, "waiting for readers before marking dead", lambda p: p.waits_for_pid == reader.pid)
    assert of(pace)[:2] == ("REINDEX CONCURRENTLY", "t")
    assert pace.number in (None, 9, 11)
    await reader.run("COMMIT")
    await ended(builder)


async def test_a_reindex_names_the_index_in_hand(stage: Stage) -> None:
    await stage.app("setup", "CREATE INDEX gated ON t (gate(id))")
    eyes, builder = Eyes(stage), await stage.app("us")
    async with gate(stage):
        builder.send("REINDEX TABLE t")
        await at_lock(stage, builder)
        pace = await eyes.see(builder)
        assert of(pace)[:2] == ("REINDEX", "t")
        assert pace.progress.part == "gated"
    await ended(builder)


@pytest.mark.parametrize("command", ["CLUSTER t USING t_pkey", "VACUUM FULL t"])
async def test_rewritten_tables_count_their_indexes(stage: Stage, command: str) -> None:
    await stage.app("setup", "CREATE INDEX gated ON t (gate(id))")
    eyes, rewriter = Eyes(stage), await stage.app("us")
    async with gate(stage):
        rewriter.send(command)
        await at_lock(stage, rewriter)
        pace = await eyes.see(rewriter)
        assert of(pace) == (command.partition(" t")[0], "t", "rebuilding index")
        assert counts(pace) == (1, 2, "indexes")
        assert phase_of(pace)[1] in ({None, 5, 7} if command.startswith("CLUSTER") else {5})
        assert pace.rate is None
    await ended(rewriter)


async def test_clustering_by_sorting_is_seen_in_its_sort(stage: Stage) -> None:
    await stage.app("setup", "CREATE INDEX gated ON t (gate(id))")
    eyes, rewriter = Eyes(stage), await stage.app("us", "SET enable_indexscan = off")
    async with gate(stage):
        rewriter.send("CLUSTER t USING gated")
        await at_lock(stage, rewriter)
        pace = await eyes.see(rewriter)
        assert pace.progress.phase in ("seq scanning heap", "sorting tuples")
        assert pace.of == 7
    await ended(rewriter)


async def seen_in_passing(stage: Stage, app: App, command: str, phase: str) -> Progress:
    """This phase of a command that nothing holds up: it is run again until a look falls into it."""
    async with asyncio.timeout(60):
        while True:
            app.send(command)
            while app.sent is not None and not app.sent.done():
                for progress in (await stage.monitor.look()).progress:
                    if progress.pid == app.pid and progress.phase == phase and progress.done:
                        await ended(app)
                        return progress
            await ended(app)


async def test_what_nothing_holds_up_is_seen_in_passing(stage: Stage) -> None:
    rows = "INSERT INTO big SELECT i, 7 FROM generate_series(1, 150000) i"
    await stage.app("setup", "CREATE TABLE big (id int PRIMARY KEY, v int)", rows)
    app = await stage.app("us", "SET enable_sort = off", "SET max_parallel_maintenance_workers = 0")
    by_index = await seen_in_passing(stage, app, "CLUSTER big USING big_pkey", "index scanning heap")
    assert (by_index.total, by_index.unit, percent(by_index)) == (None, "rows", None)
    await app.run("RESET enable_sort", "SET enable_indexscan = off")
    for command, phase, unit in (
        ("CLUSTER big USING big_pkey", "writing new heap", "rows"),
        ("VACUUM FULL big", "seq scanning heap", "blocks"),
        ("REINDEX INDEX big_pkey", "building index: loading tuples in tree", "rows"),
    ):
        progress = await seen_in_passing(stage, app, command, phase)
        assert progress.unit == unit
        assert 0 < (percent(progress) or 0) <= 100


async def test_vacuum_goes_from_heap_to_indexes_and_back(any_server: EmbeddedServer, stage: Stage) -> None:
    setup = await stage.app("setup", "CREATE TABLE w (id int PRIMARY KEY, v int) WITH (autovacuum_enabled = off)")
    await setup.run("CREATE INDEX ON w (v)", "INSERT INTO w SELECT i, i FROM generate_series(1, 2500) i")
    await setup.run("DELETE FROM w WHERE id % 2 = 0")
    eyes, app = Eyes(stage), await stage.app("us", *SLOWLY)
    if any_server.major >= 18:
        await app.run("SET track_cost_delay_timing = on")
    app.send("VACUUM w")
    scan = await eyes.see(app, "scanning heap", lambda p: bool(p.done))
    assert of(scan) == ("VACUUM", "w", "scanning heap")
    assert phase_of(scan) == (2, 7)
    assert 0 < (percent(scan.progress) or 0) <= 100
    assert scan.progress.parts_done is None
    indexes = await eyes.see(app, "vacuuming indexes")
    # The server counts them from 17 on; before that nobody knows.
    assert counts(indexes)[1:] == (2 if any_server.major >= 17 else None, "indexes")
    assert (counts(indexes)[0] is None) == (any_server.major < 17)
    heap = await eyes.see(app, "vacuuming heap")
    assert phase_of(heap) == (4, 7)
    assert counts(heap)[1:] == (counts(scan)[1], "blocks")
    assert (heap.progress.parts_done, heap.progress.parts) == (1, "index vacuum cycles")
    assert bool(heap.progress.slept_seconds) == (any_server.major >= 18)
    await setup.run(f"SELECT pg_cancel_backend({app.pid})")
    with pytest.raises(psycopg.errors.QueryCanceled):
        await ended(app)


async def test_analyze_samples_computes_and_computes_more(stage: Stage) -> None:
    # The expression of the statistics is the index's: each is computed at its time.
    setup = await stage.app(
        "setup", "CREATE TABLE s (id int, v int)", "INSERT INTO s SELECT i, i FROM generate_series(1, 9000) i"
    )
    await setup.run("CREATE INDEX gated ON s (gate(id))")
    eyes, app = Eyes(stage), await stage.app("us", *SLOWLY)
    async with gate(stage):
        app.send("ANALYZE s")
        sample = await eyes.see(app, "acquiring sample rows", lambda p: bool(p.done))
        assert of(sample)[:2] == ("ANALYZE", "s")
        assert phase_of(sample) == (2, 5)
        assert counts(sample)[2] == "blocks"
        assert 0 < (percent(sample.progress) or 0) <= 100
        await at_lock(stage, app)
        computing = await eyes.see(app, "computing statistics")
        assert phase_of(computing) == (3, 5)
        assert counts(computing) == (None, None, "")
    await ended(app)
    await setup.run("DROP INDEX gated", "CREATE STATISTICS st (mcv) ON (gate(id)), v FROM s")
    async with gate(stage):
        app.send("ANALYZE s")
        await at_lock(stage, app)
        more = await eyes.see(app)
        # Where the expression is computed first is the server's own affair.
        assert more.progress.phase in ("computing statistics", "computing extended statistics")
    await ended(app)


async def test_analyze_of_a_partitioned_table_counts_its_partitions(stage: Stage) -> None:
    setup = await stage.app("setup", "CREATE TABLE whole (id int) PARTITION BY RANGE (id)")
    for part, (low, high) in enumerate(((0, 3000), (3000, 6000), (6000, 9000))):
        await setup.run(f"CREATE TABLE part{part} PARTITION OF whole FOR VALUES FROM ({low}) TO ({high})")
    await setup.run("INSERT INTO whole SELECT generate_series(0, 8999)")
    eyes, app = Eyes(stage), await stage.app("us", *SLOWLY)
    app.send("ANALYZE whole")
    pace = await eyes.see(app, "acquiring inherited sample rows", lambda p: bool(p.done) and p.parts_done == 1)
    assert of(pace)[:2] == ("ANALYZE", "whole")
    assert pace.progress.part == "part1"
    assert (pace.progress.parts_total, pace.progress.parts) == (3, "child tables")
    assert phase_of(pace) == (2, 5)
    await setup.run(f"SELECT pg_cancel_backend({app.pid})")
    with pytest.raises(psycopg.errors.QueryCanceled):
        await ended(app)


async def test_copy_from_a_client_counts_rows_and_has_no_percent(stage: Stage) -> None:
    eyes, app = Eyes(stage), await stage.app("us", "CREATE TABLE c (id int)")
    async with app.connection.cursor().copy("COPY c FROM STDIN") as copy:
        await copy.write("1\n" * 100_000)
        pace = await eyes.see(app, "pipe", lambda p: bool(p.done))
        assert of(pace) == ("COPY FROM", "c", "pipe")
        assert counts(pace)[1:] == (None, "rows")
        assert percent(pace.progress) is None
        assert phase_of(pace) == (None, None)
        assert (bool(pace.progress.parts_done), pace.progress.parts) == (True, "bytes")


async def test_copy_from_a_file_has_a_percent_of_the_whole(any_server: EmbeddedServer, stage: Stage) -> None:
    app = await stage.app("us", "CREATE TABLE c (id int)")
    found = await app.connection.execute("SELECT current_setting('data_directory')")
    row = await found.fetchone()
    assert row is not None
    file = Path(row[0]) / "rows.txt"
    lenient = any_server.major >= 17
    bad = "CASE WHEN i = 10 THEN 'no number' ELSE i::text END"
    rows = bad if lenient else "i"
    await app.run(f"COPY (SELECT {rows} FROM generate_series(1, 40000) i) TO '{file}'")
    trigger = "CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    body = "IF NEW.id = 30000 THEN PERFORM gate(5000); END IF; RETURN NEW; END $$"
    await app.run(f"{trigger} {body}", "CREATE TRIGGER held BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION held()")
    eyes = Eyes(stage)
    async with gate(stage):
        app.send(f"COPY c FROM '{file}'{' (ON_ERROR ignore)' if lenient else ''}")
        await at_lock(stage, app)
        pace = await eyes.see(app)
        assert of(pace) == ("COPY FROM", "c", "file")
        done, total, unit = counts(pace)
        assert (total, unit) == (file.stat().st_size, "bytes")
        assert done is not None
        assert 0 < done < file.stat().st_size
        assert (bool(pace.progress.parts_done), pace.progress.parts) == (True, "rows")
        assert pace.progress.skipped == (1 if lenient else None)
    await ended(app)


async def test_copy_to_a_client_that_does_not_read(stage: Stage) -> None:
    eyes, app = Eyes(stage), await stage.app("us")
    async with app.connection.cursor().copy(
        "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 20000)) TO STDOUT"
    ) as copy:
        pace = await eyes.see(app, "pipe", lambda p: bool(p.done))
        assert of(pace) == ("COPY TO", "", "pipe")
        assert counts(pace)[1:] == (None, "rows")
        async for _ in copy:
            pass


@contextmanager
def backup(dsn: str, major: int, *, estimate: bool) -> Iterator[int]:
    """A base backup that nobody reads, while the block runs; the pid of its sender."""
    with closing(psycopg.connect(dsn, replication="true", autocommit=True)) as connection:
        options = ["CHECKPOINT 'fast'", "MAX_RATE 32", *(["PROGRESS"] if estimate else [])]
        if major >= 15:
            command = f"BASE_BACKUP ({', '.join(options)})"
        else:
            command = f"BASE_BACKUP FAST MAX_RATE 32 {'PROGRESS' if estimate else ''}"
        connection.pgconn.send_query(command.encode())
        yield connection.info.backend_pid


@pytest.mark.parametrize("estimate", [True, False])
async def test_a_base_backup_counts_bytes(any_server: EmbeddedServer, stage: Stage, estimate: bool) -> None:
    eyes = Eyes(stage)
    with backup(stage.dsn, any_server.major, estimate=estimate) as pid:
        pace = await eyes.see(pid, "streaming database files", lambda p: bool(p.done))
        assert of(pace)[:2] == ("BASE BACKUP", "")
        assert phase_of(pace) == (4, 6)
        assert pace.progress.unit == "bytes"
        assert (pace.progress.total is None) == (not estimate)
        assert (pace.progress.parts_done, pace.progress.parts_total) == (0, 1)
    await stage.until(lambda look: all(p.pid != pid for p in look.progress))


async def test_a_sample_has_the_pace_of_all_and_the_wal_of_our_statement(stage: Stage) -> None:
    us, builder = await stage.app("us", "CREATE TABLE w (id int, gate text, filler text)"), await stage.app("dba")
    samples: asyncio.Queue[Sample] = asyncio.Queue()
    sampler = Sampler(Dsn(stage.dsn), samples.put_nowait, our_pid=lambda: us.pid, busy=lambda: True)
    sampling = asyncio.create_task(sampler.run())
    wal = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"

    async def position() -> int:
        row = await (await builder.connection.execute(wal.encode())).fetchone()
        assert row is not None
        return int(row[0])

    async def sampled(true: Callable[[Sample], bool]) -> Sample:
        async with asyncio.timeout(20):
            while not true(sample := await samples.get()):
                if us.sent is not None and us.sent.done():
                    us.sent.result()
        return sample

    try:
        idle = await sampled(lambda sample: sample.written is not None)
        assert idle.written is not None
        assert idle.written.bytes is None
        before = await position()
        async with gate(stage) as guard:
            # It waits before it writes anything, and again when it has written half.
            await guard.run("SELECT pg_advisory_lock(2), pg_advisory_lock(3)")
            gates = (
                "CASE i WHEN 1 THEN pg_advisory_xact_lock_shared(2) WHEN 5001 THEN pg_advisory_xact_lock_shared(3) END"
            )
            us.send(f"INSERT INTO w SELECT i, ({gates})::text, repeat('x', 500) FROM generate_series(1, 10000) i")
            await sampled(lambda sample: sample.written is not None and sample.written.bytes is not None)
            await guard.run("SELECT pg_advisory_unlock(2)")
            await stage.until(
                lambda look: any(o.pid == us.pid and o.detail == "3" for o in look.locks if not o.granted)
            )
            stands = (await stage.monitor.look()).at
            now = await sampled(lambda sample: sample.at > stands)
            assert now.written is not None
            assert now.written.bytes is not None
            # Whatever else the server has written is not more than came between.
            assert 5_000 * 500 <= now.written.bytes <= await position() - before + 1_000_000
            assert now.progress == ()
            builder.send("CREATE INDEX ON t (gate(id))")
            building = await sampled(lambda sample: bool(sample.progress) and bool(sample.progress[0].done))
            assert building.paces[builder.pid].progress == building.progress[0]
        await ended(us)
        await ended(builder)
        done = await sampled(lambda sample: sample.progress == ())
        assert done.paces == {}
    finally:
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)


async def test_what_our_role_may_not_see_is_there_and_unknown(any_server: EmbeddedServer, stage: Stage) -> None:
    setup = await stage.app("setup", "CREATE ROLE plain LOGIN")
    monitor = Monitor(Dsn(stage.dsn).with_(user="plain"))
    builder = await stage.app("us")
    try:
        async with gate(stage):
            builder.send("CREATE INDEX ON t (gate(id))")
            await at_lock(stage, builder)
            look = await monitor.look()
            (progress,) = [p for p in look.progress if p.pid == builder.pid]
            assert (progress.command, progress.relation, progress.phase) == ("CREATE INDEX or REINDEX", "", "")
            assert (progress.done, progress.total, percent(progress)) == (None, None, None)
            assert paces({}, look.at, look.progress)[builder.pid].number is None
        await ended(builder)
    finally:
        await monitor.close()
        await setup.run("DROP ROLE plain")
