"""A backfill in chunks: which rows come next, how many of them, and when to leave the application alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from tui.postgres.queries import load
from tui.postgres.rows import Replica, safe
from tui.postgres.session import PgSession, StatementFailed, Table
from tui.runbook.model import BATCH, Batch, Safety

from .lock_words import duration
from .sample import Sample

# SQLSTATE classes that speak of what the runbook wrote: unknown name or right, bad value, not supported.
_OUR_FAULT = ("42", "22", "0A")

# The style of what is written alone: the order of day and month stays as it is, so that what a condition holds is read
# as ever. Whatever the server's own style is, it reads these texts as the same values.
_EXACT = {"DateStyle": "ISO", "IntervalStyle": "postgres", "extra_float_digits": "1"}
# Behind a position the index alone leads on; an estimate that no row matches would sort the whole rest at each chunk.
_BY_INDEX = {"enable_sort": "off"}


class BatchRefused(Exception):
    """The batch does not fit the database; the text is one plain sentence, without control characters."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The rows in hand. ``last``: the key of the last one as text, in the order of ``Batch.key``; () without rows."""

    rows: int
    last: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Key:
    """The key in parts of SQL, quoted by the server. ``order`` has each column with the index's collation."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    order: tuple[str, ...]
    greater: str


class Chunks:
    """The chunks of one batch on one session, in the key's order.

    A pass goes from the start of the table to its end. What comes with a key before our position while it runs is
    seen by the next pass; the batch is done when nothing remains. Where a chunk's SQL leaves none of its rows matching,
    each row is in one chunk only, whatever is inserted and deleted meanwhile; no row is locked before that SQL runs.
    """

    def __init__(self, session: PgSession, batch: Batch, table: str, key: _Key) -> None:
        self._session = session
        columns, order = ", ".join(key.columns), ", ".join(key.order)
        after = (f"%(after_{i})s::{kind.replace('%', '%%')}" for i, kind in enumerate(key.types))
        parts = {
            "table": table,
            "columns": columns,
            "where": batch.where,
            "order": order,
            "greater": key.greater,
            "texts": ", ".join(f"{column}::text" for column in key.columns),
            # With its table, or ORDER BY would mean the text that is selected under the column's name.
            "descending": ", ".join(f"batch.{column} DESC" for column in key.order),
        }
        self._width = len(key.columns)
        self._create = _fill("create", parts)
        self._remaining = _fill("remaining", parts)
        self._first = _fill("take", parts)
        self._next = _fill("take_after", parts, after=", ".join(after))
        self._last = _fill("last", parts)
        self._undone = _fill("undone", parts)

    @classmethod
    async def prepare(cls, session: PgSession, batch: Batch) -> Self:
        """Looks the table and its key up and makes the temporary table ``batch`` anew.

        Called before the first chunk, and again on a new connection, after DISCARD ALL and where the search_path
        changed. It takes ACCESS SHARE on the table. Raises BatchRefused, StatementFailed (a timeout), ConnectionLost.
        """
        oid, table = await _table(session, batch)
        key = await _key(session, batch, oid, table)
        judge = _fill("judge", {"table": table, "where": batch.where})
        await _ask(session, judge, {"none": 0}, f"`where` is no condition on the rows of {safe(table)}")
        chunks = cls(session, batch, table, key)
        await chunks._make()
        return chunks

    async def _make(self) -> None:
        found = await self._session.query(load("batch/found"))
        if found.rows[0][0] == "t":
            await self._session.execute(f"DROP TABLE pg_temp.{BATCH}")
        await _ask(self._session, self._create, None, f"the temporary table {BATCH} cannot be made")
        found = await self._session.query(load("batch/found"))
        if found.rows[0][1] != "t":
            raise BatchRefused(
                f"search_path puts another {BATCH} before the temporary one: take pg_temp out of it or rename the other"
            )

    async def remaining(self) -> int:
        """How many rows still have to be done, counted; it reads the table or an index that serves ``where``."""
        return _count(await self._session.query(self._remaining))

    async def take(self, after: tuple[str, ...] | None, size: int) -> Chunk:
        """Fills ``batch`` with the next keys that match, at most ``size``: those behind ``after``, or from the start.

        Called once in a transaction, before the chunk's SQL. Fewer rows than ``size`` are the last ones of this pass,
        so the table need not be walked to its end once more. The server's settings are as before when it returns.
        """
        if after is None:
            taken = await self._session.execute(self._first, {"size": size})
        else:
            if len(after) != self._width:
                raise ValueError(f"a position of {len(after)} columns in a key of {self._width}")
            keys = {f"after_{i}": value for i, value in enumerate(after)}
            before = await self._set(_BY_INDEX)
            taken = await self._session.execute(self._next, {"size": size, **keys})
            await self._set(before)
        if not taken.rows:
            return Chunk(0, ())
        before = await self._set(_EXACT)
        last = await self._session.query(self._last)
        await self._set(before)
        return Chunk(taken.rows, tuple(value or "" for value in last.rows[0]))

    async def undone(self) -> int:
        """How many keys of the chunk in hand still match ``where``: more than 0 after its SQL, and the SQL is wrong.

        A row that was deleted is done. One that somebody deleted and inserted anew in between counts, too.
        """
        return _count(await self._session.query(self._undone))

    async def _set(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Sets them for the rest of the transaction; gives what they were."""
        given = {"names": list(settings), "values": list(settings.values())}
        answer = await self._session.query(load("batch/set"), given)
        return {name or "": old or "" for name, old, _ in answer.rows}


def next_size(size: int, seconds: float, batch: Batch, before: tuple[int, float] | None = None) -> int:
    """The size after a full chunk of ``size`` rows that took ``seconds``, aimed at ``batch.target``.

    Never more than the double, never less than the half, and from 1 to ``batch.max_size``. A chunk that was not full
    says nothing of its size: keep it. ``before``: size and seconds of the chunk before; where fewer rows took nearly as
    long as more did, most of the time is not the rows', and still fewer would only make the whole slower.
    """
    if before is not None and size < before[0] and seconds > batch.target:
        proportional = before[1] * size / before[0]
        if seconds > (before[1] + proportional) / 2:
            return min(batch.max_size, before[0], 2 * size)
    factor = min(2.0, max(0.5, batch.target / seconds)) if seconds > 0 else 2.0
    return max(1, min(batch.max_size, max(round(size * factor), -(-size // 2))))


def after_lock_failure(size: int) -> int:
    """The size after a chunk that had to give its locks back: the half, so that they are held for less long."""
    return max(1, size // 2)


def throttled(sample: Sample | None, safety: Safety, paused: bool) -> str:
    """Why the next chunk has to wait, as it is shown; empty when it may go on. Asked anew at each sample.

    Replicas count that tell their lag, logical ones too. One without does not hold us up: PostgreSQL gives none for a
    replica that has replayed all and is idle, nor for pg_receivewal, which never replays, nor to a role without
    pg_read_all_stats, and waiting for it could last for ever. A replica that falls behind is measured while we write.

    Between chunks we hold no lock, so a queue behind us is one of the chunk before, seen in its last sample: whoever
    waited gets the time until a sample shows nobody.

    Without a sample nothing but ``paused`` is known: give None where the monitor is lost, never an old sample.
    """
    if paused:
        return "paused"
    if sample is None:
        return ""
    lags = [(r.replay_lag_seconds, r) for r in sample.replicas if r.replay_lag_seconds is not None]
    lag, worst = max(lags, key=lambda one: one[0], default=(0.0, None))
    if worst is not None and lag > safety.max_replica_lag:
        return f"replica {_name(worst) if len(sample.replicas) > 1 else ''}{_lag(lag)} behind"
    if (queued := sample.tree.queued) > 0:
        return f"{queued} {'session waits' if queued == 1 else 'sessions wait'} behind us"
    return ""


def _name(replica: Replica) -> str:
    name = replica.application_name or replica.client
    return f"{name} " if name else ""


def _lag(seconds: float) -> str:
    return f"{seconds:.0f} s" if 10 <= seconds < 60 else duration(seconds)


async def _table(session: PgSession, batch: Batch) -> tuple[str, str]:
    """The table's oid and its name with the schema, quoted."""
    shown = safe(batch.table)
    found = await _ask(session, load("batch/table"), {"table": batch.table}, f"{shown} is no table's name")
    if not found.rows:
        raise BatchRefused(f"there is no table {shown}")
    oid, name, is_table, has_children = found.rows[0]
    if is_table != "t":
        raise BatchRefused(f"{shown} is not a table")
    if has_children == "t":
        raise BatchRefused(f"{shown} has tables that inherit from it, over which no key of its own is unique")
    return oid or "", name or ""


async def _key(session: PgSession, batch: Batch, oid: str, table: str) -> _Key:
    """The key's columns, and how the unique index over them orders them."""
    shown = f"({', '.join(safe(name) for name in batch.key)})"
    columns = await session.query(load("batch/columns"), {"table": oid, "key": list(batch.key)})
    for column, attnum, filled, _ in columns.rows:
        if attnum is None:
            raise BatchRefused(f"{safe(table)} has no column {safe(column or '')}")
        if filled != "t":
            raise BatchRefused(
                f"column {safe(column or '')} of {safe(table)} may be null, which a key's column may not"
            )
    numbers = [int(attnum or 0) for _, attnum, _, _ in columns.rows]
    found = await session.query(load("batch/keys"), {"table": oid, "columns": numbers})
    if not found.rows:
        raise BatchRefused(f"{safe(table)} has no unique index over {shown} and nothing else")
    index, valid, whole, ordered, walkable, names, collations, greater = (value or "" for value in found.rows[0])
    index = f"the unique index {safe(index)}"
    if valid != "t":
        raise BatchRefused(f"{index} is not valid: rebuild it")
    if whole != "t":
        raise BatchRefused(f"{index} is partial, so it says nothing of the rows that it leaves out")
    if ordered != "t":
        raise BatchRefused(f"{index} has its columns in another order: write {', '.join(map(safe, json.loads(names)))}")
    operators = json.loads(greater)
    if walkable != "t" or len(operators) != 1:
        raise BatchRefused(f"{index} cannot be walked in the order of {shown}")
    quoted = tuple(row[0] or "" for row in columns.rows)
    collated = zip(quoted, json.loads(collations), strict=True)
    return _Key(
        columns=quoted,
        types=tuple(row[3] or "" for row in columns.rows),
        order=tuple(f"{column} {collation}".strip() for column, collation in collated),
        greater=operators[0],
    )


def _fill(name: str, parts: Mapping[str, str], **ready: str) -> str:
    """One of our texts with the parts in their places; ``ready`` parts hold parameters of their own."""
    text = load(f"batch/{name}").decode()
    if "%(" in text:
        parts = {part: value.replace("%", "%%") for part, value in parts.items()}
    return text.format(**parts, **ready)


async def _ask(session: PgSession, text: str | bytes, parameters: Mapping[str, object] | None, refusal: str) -> Table:
    """The answer; raises BatchRefused where the server refuses what the runbook wrote."""
    try:
        return await session.query(text, parameters)
    except StatementFailed as failure:
        if not failure.error.sqlstate.startswith(_OUR_FAULT):
            raise
        raise BatchRefused(f"{refusal}: {safe(failure.error.message)}") from None


def _count(answer: Table) -> int:
    return int(answer.rows[0][0] or 0)
