"""What a database is: its objects as the catalogs have them, and its rows by count and checksum.

Each file in ``sql/fingerprint/objects`` lists objects of one kind or several: ``kind``, ``name``, ``on`` and
``address`` come first, every further column is a fact, by the column's name; null is PostgreSQL's default and no fact.
Each file in ``sql/fingerprint/attached`` gives facts to objects of any kind by their address (catalog, oid and column).
A new kind is a new file. Left out are the schema ``lockstep``, temporary objects, PostgreSQL's own ones and the members
of extensions.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import cast, get_args

from .catalog_queries import UNREAD as UNREAD
from .catalog_queries import in_a_line, read_catalogs
from .catalog_text import Catalog, parse_objects
from .catalog_text import CatalogObject as CatalogObject
from .session import PgSession
from .table_data import Reading, SequencePosition, TableData, read_sequences, read_tables

SETTINGS = """
    SET LOCAL search_path = '';
    SET LOCAL row_security = off;
    SET LOCAL quote_all_identifiers = off;
    SET LOCAL standard_conforming_strings = on;
    SET LOCAL DateStyle = 'ISO, YMD';
    SET LOCAL IntervalStyle = postgres;
    SET LOCAL TimeZone = 'UTC';
    SET LOCAL extra_float_digits = 3;
    SET LOCAL bytea_output = hex;
    SET LOCAL xmlbinary = base64;
    SET LOCAL lc_monetary = 'C';
    -- Compiling would take longer than the queries.
    SET LOCAL jit = off;
"""
"""What would make the same database another text: how values and names are printed, and whose rows are seen."""
_TITLE = "lockstep fingerprint 1, rows: "


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A database at one moment. Everything in it is sorted. ``reading``: how its rows were read."""

    objects: Catalog
    data: tuple[TableData, ...] = ()
    sequences: tuple[SequencePosition, ...] = ()
    reading: Reading = "none"

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", tuple(sorted(self.data, key=lambda one: one.table)))
        object.__setattr__(self, "sequences", tuple(sorted(self.sequences, key=lambda one: one.sequence)))

    @classmethod
    def of(
        cls,
        objects: Iterable[CatalogObject] = (),
        data: tuple[TableData, ...] = (),
        sequences: tuple[SequencePosition, ...] = (),
        reading: Reading = "none",
    ) -> "Fingerprint":
        """The fingerprint that has these objects."""
        return cls(Catalog(one.text() for one in objects), data, sequences, reading)

    def text(self) -> str:
        """All of it as text, one fact a line: to be kept, and compared by ``diff -u``."""
        rows = [_of_table(table) for table in self.data] + [_of_sequence(sequence) for sequence in self.sequences]
        return "".join([f"{_TITLE}{self.reading}\n", self.objects.text, *(f"{one.text()}\n" for one in rows)])

    @classmethod
    def parse(cls, text: str) -> "Fingerprint":
        """The fingerprint that has this text. Raises ValueError with the line."""
        title, _, rest = text.partition("\n")
        reading = title.removeprefix(_TITLE)
        if not title.startswith(_TITLE) or reading not in get_args(Reading):
            raise ValueError("line 1: not a fingerprint of this version of lockstep")
        objects, data, sequences = [], [], []
        for line, entry in parse_objects(rest, 2):
            try:
                if entry.kind == "rows":
                    data.append(_table_of(entry))
                elif entry.kind == "next number":
                    sequences.append(_sequence_of(entry))
                else:
                    objects.append(entry)
            except (KeyError, ValueError) as error:
                raise ValueError(f"line {line}: not what is said of {entry.kind} ({error})") from None
        return cls.of(objects, tuple(data), tuple(sequences), cast(Reading, reading))

    @property
    def sha256(self) -> str:
        """The hash of the text, in hexadecimal: equal for equal databases."""
        return sha256(self.text().encode()).hexdigest()


async def take(
    session: PgSession,
    *,
    data: Reading = "none",
    whole_up_to: int = 100_000,
    beside: PgSession | None = None,
    lock_timeout: float = 3.0,
    statement_timeout: float = 600.0,
) -> Fingerprint:
    """The fingerprint of the session's database as one snapshot sees it.

    Takes ACCESS SHARE locks, each for no longer than its query runs. ``sampled``: tables with more than ``whole_up_to``
    rows are read at both ends of their primary key alone. ``beside``: a second session of the same role, in no
    transaction, which reads half of the catalogs at the same time. Timeouts in seconds. What this role may not read is
    told in the fingerprint. Raises ConnectionLost, StatementFailed.
    """
    async with AsyncExitStack() as snapshots:
        await snapshots.enter_async_context(_snapshot(session, lock_timeout, statement_timeout))
        if beside is not None:
            exported = (await session.query("SELECT pg_export_snapshot()")).rows[0][0]
            await snapshots.enter_async_context(_snapshot(beside, lock_timeout, statement_timeout, exported))
        objects = await read_catalogs(session, beside)
        tables: tuple[TableData, ...] = ()
        sequences: tuple[SequencePosition, ...] = ()
        if data != "none":
            tables = await read_tables(session, in_a_line, sampled=data == "sampled", whole_up_to=whole_up_to)
            sequences = await read_sequences(session, in_a_line)
    catalog = await asyncio.to_thread(Catalog, objects)
    return Fingerprint(catalog, tables, sequences, data)


@asynccontextmanager
async def _snapshot(
    session: PgSession, lock_timeout: float, statement_timeout: float, exported: str | None = None
) -> AsyncIterator[None]:
    await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        if exported is not None:
            await session.execute(f"SET TRANSACTION SNAPSHOT '{exported}'")
        await session.execute(f"SET LOCAL lock_timeout = {lock_timeout * 1000:.0f}")
        await session.execute(f"SET LOCAL statement_timeout = {statement_timeout * 1000:.0f}")
        await session.execute(SETTINGS)
        yield
    finally:
        if not session.lost:
            await session.execute("ROLLBACK")


def _of_table(one: TableData) -> CatalogObject:
    facts: list[tuple[str, str]] = [("read", one.how)]
    if one.how == "unread":
        facts.append(("why", one.why))
    else:
        if one.rows is not None:
            facts.append(("count", str(one.rows)))
        facts.append(("checksum", one.checksum))
        facts += [("values", f"{checksum} {column}") for column, checksum in one.columns]
    return CatalogObject("rows", one.table, "", tuple(facts))


def _table_of(entry: CatalogObject) -> TableData:
    table, facts = entry.name, entry.facts
    values = [value.partition(" ") for fact, value in facts if fact == "values"]
    columns = tuple((column, checksum) for checksum, _, column in values)
    named = dict(facts)
    how = named["read"]
    if how == "unread":
        return TableData(table, "unread", why=named["why"])
    if how not in ("whole", "ends"):
        raise ValueError(how)
    rows = int(named["count"]) if "count" in named else None
    return TableData(table, "whole" if how == "whole" else "ends", rows, named["checksum"], columns)


def _of_sequence(one: SequencePosition) -> CatalogObject:
    facts = (("increment", str(one.increment)), ("why", one.why) if one.next is None else ("next", str(one.next)))
    return CatalogObject("next number", one.sequence, "", facts)


def _sequence_of(entry: CatalogObject) -> SequencePosition:
    named = dict(entry.facts)
    following = int(named["next"]) if "next" in named else None
    return SequencePosition(entry.name, following, int(named["increment"]), named.get("why", ""))
