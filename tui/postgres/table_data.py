"""A table's rows by count and checksum, a sequence by the number that it gives next.

Checksums are sums, modulo 2^64, of hashes: the order of rows does not matter. Each value is hashed as the text that it
is printed as, or by its type's own hash where that tells apart what the text does (``numeric`` has one hash for 1.0 and
1.00, ``bigint`` and the timestamps hash half of their bits). A row's hash is made of its columns' in the order of their
names, so that the order of columns does not matter either.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from .queries import load
from .rows import safe
from .session import PgSession, StatementFailed, Table

Reading = Literal["none", "whole", "sampled"]
"""How rows are read: not at all; all of them; of large tables only some."""
ENDS = 1_000
"""Rows that are read at each end of a large table's primary key."""
_SEQUENCES_AT_ONCE = 100
# Each gives NULL for NULL. A row's own fields are NULL one by one: what may be one is printed as a field of another.
_HASHES = {
    "smallint": "hashint4extended({}, 0)",
    "integer": "hashint4extended({}, 0)",
    "boolean": "hashint4extended({}::integer, 0)",
    "uuid": "uuid_hash_extended({}, 0)",
    "text": 'hashtextextended({} COLLATE "C", 0)',
    "character varying": 'hashtextextended({} COLLATE "C", 0)',
    "any": 'hashtextextended(ROW({})::text COLLATE "C", 0)',
}
# Not a cast to text, which is not for every type what is printed: character(n) loses its blanks.
_PRINTED = 'CASE WHEN {0} IS NOT NULL THEN hashtextextended(concat({0}) COLLATE "C", 0) END'
# Any number, for what has no hash: it must only not be likely to be one.
_NULL = 7_046_029_254_386_353_087


@dataclass(frozen=True, slots=True)
class TableData:
    """The rows of one table.

    ``how``: all rows were read; ``ENDS`` rows at each end of the primary key; none, and ``why`` says why. ``rows`` is
    None where they were not counted. ``columns``: a checksum by column, in the order of their names.
    """

    table: str
    how: Literal["whole", "ends", "unread"]
    rows: int | None = None
    checksum: str = ""
    columns: tuple[tuple[str, str], ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class SequencePosition:
    """The number that a sequence gives next; None where it could not be read, and ``why`` says why."""

    sequence: str
    next: int | None
    increment: int
    why: str = ""


async def aside(session: PgSession, text: str | bytes) -> Table:
    """What a query within a transaction gives; the locks that it took are let go of, and its failure ends nothing.

    Raises ConnectionLost, StatementFailed.
    """
    await session.execute("SAVEPOINT aside")
    try:
        return await session.query(text)
    finally:
        if not session.lost:
            await session.execute("ROLLBACK TO SAVEPOINT aside; RELEASE SAVEPOINT aside")


async def read_tables(
    session: PgSession, name: Callable[[str], str], *, sampled: bool, whole_up_to: int
) -> tuple[TableData, ...]:
    """Reads every table, within the caller's transaction; ``sampled``: over ``whole_up_to`` rows only the ends.

    ``name`` makes a name fit to be shown. Foreign tables are not read, nor materialized views (a refresh makes their
    rows anew); a partition is read like any table. Raises ConnectionLost, and StatementFailed where a table took longer
    than the statement_timeout or was cancelled; any other refusal is told in the table's ``why``.
    """
    found = []
    for table, estimate, unread, columns, key in (await aside(session, load("fingerprint/data/tables"))).rows:
        shown = name(table or "")
        if unread is not None:
            found.append(TableData(shown, "unread", why=unread))
            continue
        try:
            large = sampled and await _is_large(session, table or "", float(estimate or 0), whole_up_to)
            found.append(
                await _read(session, name, table or "", json.loads(columns or ""), json.loads(key or ""), large)
            )
        except StatementFailed as failure:
            if failure.error.sqlstate == "57014":
                raise
            found.append(TableData(shown, "unread", why=safe(failure.error.message)))
    return tuple(found)


async def _is_large(session: PgSession, table: str, estimate: float, whole_up_to: int) -> bool:
    # The statistics may be as old as the table, or none at all: only a count that ends in time is believed.
    if estimate > whole_up_to:
        return True
    limited = f"SELECT count(*) FROM (SELECT FROM ONLY {table} LIMIT {whole_up_to + 1}) AS t"  # noqa: S608
    return int((await aside(session, limited)).rows[0][0] or 0) > whole_up_to


async def _read(
    session: PgSession,
    name: Callable[[str], str],
    table: str,
    columns: Sequence[tuple[str, str]],
    key: Sequence[str],
    large: bool,
) -> TableData:
    if large and not key:
        return TableData(name(table), "unread", why="too large to be read whole, and without a primary key")
    source = f"ONLY {table}"
    if large:
        forward, backward = ", ".join(key), ", ".join(f"{column} DESC" for column in key)
        source = (
            f"((SELECT * FROM {source} ORDER BY {forward} LIMIT {ENDS})"  # noqa: S608
            f" UNION ALL (SELECT * FROM {source} ORDER BY {backward} LIMIT {ENDS}))"
        )
    # The names are the server's own, quoted by itself.
    hashes = [_HASHES.get(type_, _PRINTED).format(f"t.{column}") for column, type_ in columns]
    listed = ", ".join(f"coalesce({value}, {_NULL}) AS h{number}" for number, value in enumerate(hashes))
    sums = "".join(f", sum(h{number})" for number in range(len(hashes)))
    # Each hash is the next one's seed: were they added up, two rows could exchange values unseen.
    row = "0"
    for number in range(len(hashes)):
        row = f"hashint8extended(h{number}, {row})"
    # OFFSET keeps the server from putting each hash in twice.
    inner = f"SELECT {listed} FROM {source} AS t OFFSET 0"  # noqa: S608
    answer = await aside(session, f"SELECT count(*), sum({row}){sums} FROM ({inner}) AS r")  # noqa: S608
    count, checksum, *by_column = answer.rows[0]
    return TableData(
        name(table),
        "ends" if large else "whole",
        None if large else int(count or 0),
        _checksum(checksum),
        tuple((name(column), _checksum(value)) for (column, _), value in zip(columns, by_column, strict=True)),
    )


def _checksum(total: str | None) -> str:
    return f"{int(total or 0) % 2**64:016x}"


async def read_sequences(session: PgSession, name: Callable[[str], str]) -> tuple[SequencePosition, ...]:
    """Reads every sequence's position, within the caller's transaction. Raises ConnectionLost, StatementFailed."""
    found = []
    readable = []
    for sequence, increment, unread in (await aside(session, load("fingerprint/data/sequences"))).rows:
        if unread is None:
            readable.append((sequence or "", int(increment or 1)))
        else:
            found.append(SequencePosition(name(sequence or ""), None, int(increment or 1), unread))
    for start in range(0, len(readable), _SEQUENCES_AT_ONCE):
        some = readable[start : start + _SEQUENCES_AT_ONCE]
        text = " UNION ALL ".join(f"SELECT {n}, last_value, is_called FROM {s}" for n, (s, _) in enumerate(some))  # noqa: S608
        for number, last, called in (await aside(session, text)).rows:
            sequence, step = some[int(number or 0)]
            following = int(last or 0) + (step if called == "t" else 0)
            found.append(SequencePosition(name(sequence), following, step))
    return tuple(found)
