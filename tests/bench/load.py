"""A server in a pile-up, by the number: sessions, waits for locks of every common kind, and locks, all of them real.

``python tests/bench/load.py [SESSIONS WAITING LOCKS]`` builds one and prints what pg_stat_activity and pg_locks say.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from tui.postgres.embedded import EmbeddedServer

TABLES = 1_000
"""Partitions, of which each session that holds many locks has locked its share."""
HOLDERS = 100
"""Sessions at most that hold many locks."""
_AT_ONCE = 40
_WAIT_WITHIN = 120.0

Connection = psycopg.AsyncConnection[Any]

_SCHEMA = """
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL, state text NOT NULL DEFAULT 'new');
CREATE INDEX orders_customer_id ON orders (customer_id);
CREATE TABLE accounts (id int PRIMARY KEY, balance numeric NOT NULL);
CREATE TABLE stock (id int PRIMARY KEY, quantity int NOT NULL);
CREATE TABLE invoices (id bigint PRIMARY KEY, order_id bigint NOT NULL, total numeric NOT NULL);
CREATE TABLE measurements (device int NOT NULL, value double precision) PARTITION BY LIST (device);
INSERT INTO orders SELECT n, n % 100 FROM generate_series(1, 1000) n;
INSERT INTO accounts SELECT n, 100 FROM generate_series(1, 100) n;
INSERT INTO stock SELECT n, 1 FROM generate_series(0, 1000) n;
"""
_READ_ORDERS = """
SELECT o.id, o.state, o.customer_id, i.total
FROM orders o LEFT JOIN invoices i ON i.order_id = o.id
WHERE o.customer_id = {} AND o.state IN ('new', 'paid', 'packed') ORDER BY o.id DESC LIMIT 50"""
_IDLE = """
SELECT u.id, u.name, u.email, u.created_at, u.updated_at, u.settings, u.locale, u.time_zone, u.last_seen_at
FROM (VALUES ({}, '', '', now(), now(), '', '', '', now()))
    AS u (id, name, email, created_at, updated_at, settings, locale, time_zone, last_seen_at) WHERE u.id = {}"""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many sessions of clients there are, how many of them wait for a lock, and how many rows pg_locks has."""

    sessions: int
    waiting: int
    locks: int

    def __str__(self) -> str:
        return f"{self.sessions:,} sessions, {self.waiting:,} waiting, {self.locks:,} locks"


ISSUE = Shape(301, 99, 10_700)
GREAT = Shape(1_000, 500, 100_000)


def server_for(shapes: Iterable[Shape]) -> EmbeddedServer:
    """A server that has room for each of these loads, and that starts nothing by itself meanwhile."""
    shapes = list(shapes)
    connections = max(shape.sessions for shape in shapes) + 40
    per_transaction = max(64, -(-max(shape.locks for shape in shapes) * 5 // 4 // connections))
    return EmbeddedServer(
        options={
            "max_connections": connections,
            "max_locks_per_transaction": per_transaction,
            "autovacuum": False,
            "fsync": False,
            "shared_buffers": "256MB",
        }
    )


def prepare(dsn: str) -> None:
    """Makes the tables in a fresh database."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_SCHEMA.encode())
        for start in range(0, TABLES, 100):
            connection.execute(
                "".join(
                    f"CREATE TABLE {_table(n)} PARTITION OF measurements FOR VALUES IN ({n});"
                    for n in range(start, start + 100)
                ).encode()
            )
        connection.execute("VACUUM ANALYZE")


def _table(number: int) -> str:
    return f"measurements_{number:04}"


@asynccontextmanager
async def load(dsn: str, shape: Shape) -> AsyncIterator[Shape]:
    """Builds this load in a prepared database; gives what the server itself counts then.

    The sessions only sleep: they cost no CPU. Leaving ends them all. Raises ValueError where the sessions are too few
    for the waits, or hold more locks than wanted already.
    """
    crowd = _Crowd(dsn, shape)
    try:
        yield await crowd.build()
    finally:
        await crowd.leave()


@dataclass(frozen=True, slots=True)
class _Queue:
    """``blocker`` holds what each of ``first``, then each of ``then`` waits for; a waiter's last statement waits."""

    name: str
    blocker: Sequence[str]
    first: Sequence[Sequence[str]] = ()
    then: Sequence[Sequence[str]] = ()

    @property
    def waiters(self) -> int:
        return len(self.first) + len(self.then)


def queues(waiting: int) -> list[_Queue]:
    """This many waits as a real pile-up has them; from ten on no queue has more than half of them."""
    rows, chain, keys, writes = waiting // 4, min(30, waiting // 10), waiting // 10, waiting // 10
    readers = waiting - rows - chain - keys - writes
    made = [
        _Queue(
            "billing_report",
            ["BEGIN", "SELECT count(*) FROM orders"],
            [["ALTER TABLE orders ADD COLUMN note text"]] if readers else [],
            [[_READ_ORDERS.format(n)] for n in range(readers - 1)],
        ),
        _Queue(
            "worker",
            ["BEGIN", "UPDATE accounts SET balance = balance - 10 WHERE id = 1"],
            then=[[f"UPDATE accounts SET balance = balance + {n} WHERE id = 1"] for n in range(rows)],
        ),
        _Queue(
            "stock",
            ["BEGIN", _take_stock(0)],
            then=[["BEGIN", _take_stock(n), _take_stock(n - 1)] for n in range(1, chain + 1)],
        ),
        _Queue(
            "scheduler",
            ["SELECT pg_advisory_lock(4711)"],
            then=[["SELECT pg_advisory_lock(4711)"] for _ in range(keys)],
        ),
        _Queue(
            "accounting",
            ["BEGIN", "LOCK TABLE invoices IN SHARE ROW EXCLUSIVE MODE"],
            then=[[f"INSERT INTO invoices VALUES ({n}, {n}, 1)"] for n in range(writes)],
        ),
    ]
    return [queue for queue in made if queue.waiters]


def _take_stock(item: int) -> str:
    return f"UPDATE stock SET quantity = quantity - 1 WHERE id = {item}"


class _Crowd:
    """All the sessions of one load."""

    def __init__(self, dsn: str, shape: Shape) -> None:
        self._dsn = dsn
        self._shape = shape
        self._sessions: list[Connection] = []
        self._waiting = 0
        self._few = asyncio.Semaphore(_AT_ONCE)

    async def build(self) -> Shape:
        waits = queues(self._shape.waiting)
        spare = self._shape.sessions - self._shape.waiting - len(waits)
        if spare < 2:
            raise ValueError(f"{self._shape.sessions} sessions are too few for {self._shape.waiting} that wait")
        for queue in waits:
            await self._session(queue.name, queue.blocker)
        await self._wait([w for queue in waits for w in queue.first], "migration")
        await self._wait([w for queue in waits for w in queue.then], "web")
        holders = min(HOLDERS, spare // 2)
        await asyncio.gather(*(self._session("web", [_IDLE.format(n, n)]) for n in range(spare - holders)))
        await self._hold(holders)
        return await self._count()

    async def leave(self) -> None:
        async with await self._connect("bench") as admin:
            pids = [session.info.backend_pid for session in self._sessions if not session.closed]
            await admin.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid", (pids,))
        for session in self._sessions:
            await session.close()

    async def _connect(self, name: str) -> Connection:
        return await psycopg.AsyncConnection.connect(self._dsn, autocommit=True, application_name=name)

    async def _session(self, name: str, statements: Iterable[str]) -> Connection:
        async with self._few:
            session = await self._connect(name)
            self._sessions.append(session)
            for statement in statements:
                await session.execute(statement.encode())
        return session

    async def _wait(self, waits: Sequence[Sequence[str]], name: str) -> None:
        """Sessions that wait from now on; all have what they hold before the first one waits."""
        sessions = await asyncio.gather(*(self._session(name, statements[:-1]) for statements in waits))
        for session, statements in zip(sessions, waits, strict=True):
            # psycopg's own waiting looks after itself ten times a second; nobody waits for these answers.
            session.pgconn.send_query(statements[-1].encode())
        self._waiting += len(sessions)
        until = time.monotonic() + _WAIT_WITHIN
        while (seen := await self._count()).waiting < self._waiting:
            if time.monotonic() > until:
                raise TimeoutError(f"only {seen.waiting} of {self._waiting} sessions wait")
            await asyncio.sleep(0.1)

    async def _hold(self, holders: int) -> None:
        """Transactions that hold all the locks that are still wanted: partitions', the rest advisory ones."""
        # Each open transaction holds the lock on its own virtual transaction.
        missing = self._shape.locks - (await self._count()).locks - holders
        if missing < 0:
            raise ValueError(f"without any held for their own sake there are {-missing} locks too many")
        shares = [missing // holders + (n < missing % holders) for n in range(holders)]
        await asyncio.gather(*(self._session("export", _holding(share)) for share in shares))

    async def _count(self) -> Shape:
        async with await self._connect("bench") as admin:
            cursor = await admin.execute(
                """
                SELECT
                    (SELECT count(*) FROM pg_stat_activity WHERE pid = ANY (%(of)s)),
                    (SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted),
                    (SELECT count(*) FROM pg_locks WHERE pid <> pg_backend_pid())
                """,
                {"of": [session.info.backend_pid for session in self._sessions]},
            )
            (row,) = await cursor.fetchall()
        return Shape(*row)


def _holding(locks: int) -> list[str]:
    tables = ", ".join(_table(n) for n in range(min(locks, TABLES)))
    statements = ["BEGIN", f"LOCK TABLE {tables} IN ACCESS SHARE MODE"] if locks else ["BEGIN"]
    if locks > TABLES:
        statements.append(f"SELECT count(pg_advisory_lock_shared(n)) FROM generate_series(1, {locks - TABLES}) n")
    return [*statements, "SELECT 'export of the measurements of last night, device by device' AS what"]


async def main(shape: Shape) -> None:
    began = time.monotonic()
    async with server_for([shape]) as server:
        dsn = await asyncio.to_thread(server.create_database, "app")
        await asyncio.to_thread(prepare, dsn)
        async with load(dsn, shape) as found:
            print(f"wanted  {shape}\ncounted {found}, after {time.monotonic() - began:.1f} s")
            async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as admin:
                kinds = await admin.execute(
                    sql.SQL("SELECT locktype, granted, count(*) FROM pg_locks GROUP BY 1, 2 ORDER BY 3 DESC")
                )
                for kind, granted, count in await kinds.fetchall():
                    print(f"{count:>8,} {kind} {'held' if granted else 'waited for'}")


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(main(Shape(*numbers) if numbers else ISSUE))
