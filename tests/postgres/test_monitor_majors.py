"""Every query of the monitor on PostgreSQL 14 to 18: before, while and after each command that reports its progress.

The commands stand still while they are looked at, at a lock, a pinned page or a client that does not go on: what the
look has must then be what the view itself says.
"""

import asyncio
import math
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from sessions import Stage

from tui.paths import sql_root
from tui.postgres.embedded import EmbeddedServer, extensions, newest_installation
from tui.postgres.monitor import OPTIONS, Monitor
from tui.postgres.queries import load
from tui.postgres.rows import Look
from tui.postgres.session import Dsn, connect

NAMES = sorted({path.stem.partition("@")[0] for path in (sql_root() / "monitor").glob("*.sql")})
GATE = """
CREATE FUNCTION gate(v int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
    IF v = 1000 THEN PERFORM pg_advisory_xact_lock_shared(1); END IF;
    RETURN v;
END $$"""
TABLE = ("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 2000)")
UnderWay = Callable[[Stage], AbstractAsyncContextManager[int]]


@asynccontextmanager
async def going(stage: Stage, statement: str) -> AsyncIterator[int]:
    """The statement is under way in the block, and comes to its end after it; gives its session's pid."""
    worker = await stage.app("worker")
    worker.send(statement)
    yield worker.pid
    async with asyncio.timeout(30):
        await worker.ended()


def gated(statement: str) -> UnderWay:
    """It calls `gate` for every row of t, and waits there for a lock that somebody else has."""

    @asynccontextmanager
    async def under_way(stage: Stage) -> AsyncIterator[int]:
        guard = await stage.app("guard", "SELECT pg_advisory_lock(1)")
        async with going(stage, statement) as pid:
            yield pid
            await guard.run("SELECT pg_advisory_unlock(1)")

    return under_way


@asynccontextmanager
async def vacuum(stage: Stage) -> AsyncIterator[int]:
    """VACUUM comes to a page that it must freeze, and that somebody's cursor has pinned."""
    reader = await stage.app("report", "BEGIN", "DECLARE c CURSOR FOR SELECT * FROM t", "MOVE 1000 IN c")
    async with going(stage, "VACUUM (FREEZE) t") as pid:
        yield pid
        await reader.run("COMMIT")


@asynccontextmanager
async def copy_from(stage: Stage) -> AsyncIterator[int]:
    """A client that has sent some rows and not the last one."""
    worker = await stage.app("worker")
    async with worker.connection.cursor().copy("COPY t FROM STDIN") as copy:
        await copy.write("".join(f"{row}\n" for row in range(2_001, 4_001)))
        # psycopg keeps what is less than a block to itself; so little as this is taken by the socket at once.
        assert worker.connection.pgconn.flush() == 0
        yield worker.pid


@asynccontextmanager
async def base_backup(stage: Stage) -> AsyncIterator[int]:
    """A backup that nobody reads."""
    program = str(newest_installation().bin / "pg_basebackup")
    command = [program, "--dbname", stage.dsn, "--pgdata=-", "--format=tar", "--wal-method=none", "--checkpoint=fast"]
    process = await asyncio.create_subprocess_exec(
        *command, "--no-manifest", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        look = await stage.until(lambda look: any(one.command == "BASE BACKUP" for one in look.progress))
        yield next(one.pid for one in look.progress if one.command == "BASE BACKUP")
        async with asyncio.timeout(30):
            _, said = await process.communicate()
        assert process.returncode == 0, said.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@dataclass(frozen=True)
class Kind:
    """A command under way: its view, the wait event it stands still at, and what the view counts there."""

    command: str
    view: str
    under_way: UnderWay
    done: str
    total: str = "NULL::bigint"
    stands_at: str = "advisory"
    phase: str = "phase"
    relation: str = "t"

    async def said(self, connection: psycopg.AsyncConnection[Any], pid: int) -> tuple[Any, ...] | None:
        """Phase, done and total by the view's own word, once the command stands still; None before that."""
        answer = await connection.execute(
            f"SELECT {self.phase}, {self.done}, {self.total} FROM pg_stat_progress_{self.view} v"
            " JOIN pg_stat_activity a USING (pid)"
            f" WHERE pid = %s AND a.wait_event = %s AND {self.done} IS DISTINCT FROM 0".encode(),
            (pid, self.stands_at),
        )
        row: tuple[Any, ...] | None = await answer.fetchone()
        return row


BLOCKS = ("blocks_done", "blocks_total")
# The view counts the indexes that are rebuilt, the catalog those that there are.
INDEXES = ("index_rebuild_count", "(SELECT count(*) FROM pg_index WHERE indrelid = relid)")
KINDS = (
    Kind("CREATE INDEX", "create_index", gated("CREATE INDEX ON t (gate(id))"), *BLOCKS),
    Kind("CREATE INDEX CONCURRENTLY", "create_index", gated("CREATE INDEX CONCURRENTLY ON t (gate(id))"), *BLOCKS),
    Kind("REINDEX", "create_index", gated("REINDEX INDEX gated"), *BLOCKS),
    Kind("REINDEX CONCURRENTLY", "create_index", gated("REINDEX INDEX CONCURRENTLY gated"), *BLOCKS),
    Kind("CLUSTER", "cluster", gated("CLUSTER t USING t_pkey"), *INDEXES),
    Kind("VACUUM FULL", "cluster", gated("VACUUM FULL t"), *INDEXES),
    Kind("VACUUM", "vacuum", vacuum, "heap_blks_scanned", "heap_blks_total", "BufferPin"),
    Kind("ANALYZE", "analyze", gated("ANALYZE t"), "NULL::bigint"),
    Kind("COPY FROM", "copy", copy_from, "tuples_processed", stands_at="ClientRead", phase="lower(type)"),
    Kind(
        "COPY TO",
        "copy",
        gated("COPY (SELECT gate(id) FROM t) TO '/dev/null'"),
        "tuples_processed",
        phase="lower(type)",
        relation="",
    ),
    Kind(
        "BASE BACKUP",
        "basebackup",
        base_backup,
        "backup_streamed",
        "backup_total",
        stands_at="ClientWrite",
        relation="",
    ),
)


async def everything_runs(stage: Stage, pid: int) -> Look:
    """Every file as it stands for this server, then a whole look; the session and t are what they are asked about."""
    # Not how long they take: only a lock that they wait for may stop them.
    options = OPTIONS | {"statement_timeout": "0"}
    async with await connect(Dsn(stage.dsn), application_name="files", options=options) as connection:
        oid: Any = await (await connection.execute("SELECT to_regclass('public.t')::oid")).fetchone()
        asked = {"pids": [pid], "involved": [pid], "oids": [1259, *oid], "names": ["t"]}
        asked |= {"classes": [2615], "objects": [2200]}
        for name in NAMES:
            text = load(f"monitor/{name}", connection.info.server_version)
            await connection.execute(text, asked if b"%(" in text else None)
    # The first look of all asks every source.
    monitor = Monitor(Dsn(stage.dsn))
    try:
        look = await monitor.look([pid], ["t"])
    finally:
        await monitor.close()
    assert look.missing == ()
    return look


async def test_each_server_is_of_its_major(any_server: EmbeddedServer) -> None:
    with psycopg.connect(any_server.dsn()) as connection:
        assert connection.info.server_version // 10_000 == any_server.major
        # Debian writes its own number behind it.
        version = (connection.info.parameter_status("server_version") or "").split()[0]
        assert version == any_server.installation.version


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.command)
async def test_every_file_runs_before_while_and_after(any_database: str, kind: Kind) -> None:
    async with Stage(any_database) as stage:
        await stage.app("setup", GATE, *TABLE, "CREATE INDEX gated ON t (gate(id))")
        await everything_runs(stage, 0)
        async with kind.under_way(stage) as pid:
            watcher = (await stage.app("watcher")).connection
            said = None
            async with asyncio.timeout(20):
                while said is None or said != await kind.said(watcher, pid):
                    said = await kind.said(watcher, pid)
                    # However long it takes, nothing is to be asked more rarely.
                    look = await stage.monitor.look(within=math.inf)
            (row,) = [one for one in look.progress if one.pid == pid]
            assert (row.command, row.relation, row.phase, row.done, row.total) == (kind.command, kind.relation, *said)
            await everything_runs(stage, pid)
        assert pid not in {one.pid for one in (await everything_runs(stage, pid)).progress}


@pytest.mark.parametrize("any_server", [14, 15, 17], indirect=True)
async def test_all_of_contrib_does_not_disturb_it(any_server: EmbeddedServer, any_database: str) -> None:
    if any_server.installation.source == "system":
        pytest.skip(f"npm does not give PostgreSQL {any_server.major} here, and the system's loads no contrib")
    brought = {name for name in extensions(any_server.installation) if not re.search("pl(perl|python|tcl)", name)}
    async with Stage(any_database) as stage:
        app = await stage.app("setup", *TABLE)
        await app.run(*(f'CREATE EXTENSION IF NOT EXISTS "{name}" CASCADE' for name in sorted(brought)))
        await app.run("BEGIN", "LOCK TABLE t")
        await stage.waiter("web", "SELECT * FROM t")
        look = await everything_runs(stage, app.pid)
        assert ("t", "AccessExclusiveLock") in {(lock.relation, lock.mode) for lock in look.locks}
        counted = await app.connection.execute(
            "SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%FROM pg_stat_activity a%'"
        )
        assert await counted.fetchone() != (0,)
