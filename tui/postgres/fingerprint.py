"""What a database is: its objects as the catalogs have them, and its rows by count and checksum.

Each file in ``sql/fingerprint/objects`` lists objects of one kind or several: ``kind``, ``name``, ``on`` and
``address`` come first, every further column is a fact, by the column's name; null is PostgreSQL's default and no fact.
Each file in ``sql/fingerprint/attached`` gives facts to objects of any kind by their address (catalog, oid and column).
A new kind is a new file. Left out are the schema ``lockstep``, temporary objects, PostgreSQL's own ones and the members
of extensions.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from operator import attrgetter
from secrets import token_hex
from typing import cast, get_args

from tui.paths import sql_root

from .one_form import one_form
from .queries import load
from .rows import safe
from .session import PgSession, StatementFailed
from .table_data import Reading, SequencePosition, TableData, aside, read_sequences, read_tables

UNREAD = "unread"
"""The kind of what the server did not let us read: ``name`` is the file's, its fact ``why`` the server's words."""

# What would make the same database another text: how values and names are printed, and whose rows are seen.
_SETTINGS = {
    "search_path": "''",
    "row_security": "off",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "DateStyle": "'ISO, YMD'",
    "IntervalStyle": "postgres",
    "TimeZone": "'UTC'",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "lc_monetary": "'C'",
    # Compiling would take longer than the queries.
    "jit": "off",
}
_TITLE = "lockstep fingerprint 1, rows: "
_INSUFFICIENT_PRIVILEGE = "42501"
COLUMN = re.compile(r'^ {4}(?! ).*\bAS ("[^"]+"|\w+),?$', re.MULTILINE)
"""The columns of a file, in its first SELECT: each is named at the end of a line of four blanks' indentation."""

_Facts = tuple[tuple[str, str], ...]
_Entry = tuple[str, str, str, _Facts]


@dataclass(frozen=True, slots=True)
class CatalogObject:
    """One object of the catalogs.

    ``kind`` as in words: ``column``, ``constraint``. ``name`` in one line, quoted as SQL where needed, with its schema
    where it has one of its own: ``dev.tasks.user_id``, ``tasks_user_id_fkey``. ``on``: what it belongs to
    (``dev.tasks``), empty where it stands alone. ``facts`` are sorted; one that is absent has PostgreSQL's default.
    """

    kind: str
    name: str
    on: str
    facts: _Facts


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A database at one moment. Everything in it is sorted. ``reading``: how its rows were read."""

    objects: tuple[CatalogObject, ...]
    data: tuple[TableData, ...] = ()
    sequences: tuple[SequencePosition, ...] = ()
    reading: Reading = "none"

    def __post_init__(self) -> None:
        object.__setattr__(self, "objects", tuple(sorted(self.objects, key=attrgetter("kind", "on", "name", "facts"))))
        object.__setattr__(self, "data", tuple(sorted(self.data, key=lambda one: one.table)))
        object.__setattr__(self, "sequences", tuple(sorted(self.sequences, key=lambda one: one.sequence)))

    def text(self) -> str:
        """All of it as text, one fact a line: to be kept, and compared by ``diff -u``."""
        lines = [_TITLE + self.reading]
        for one in self.objects:
            _write(lines, (one.kind, one.name, one.on, one.facts))
        for table in self.data:
            _write(lines, _of_table(table))
        for sequence in self.sequences:
            _write(lines, _of_sequence(sequence))
        return "\n".join(lines) + "\n"

    @classmethod
    def parse(cls, text: str) -> "Fingerprint":
        """The fingerprint that has this text. Raises ValueError with the line."""
        title, _, rest = text.partition("\n")
        reading = title.removeprefix(_TITLE)
        if not title.startswith(_TITLE) or reading not in get_args(Reading):
            raise ValueError("line 1: not a fingerprint of this version of lockstep")
        objects, data, sequences = [], [], []
        for line, entry in _entries(rest):
            try:
                if entry[0] == "rows":
                    data.append(_table_of(entry))
                elif entry[0] == "next number":
                    sequences.append(_sequence_of(entry))
                else:
                    kind, name, on, facts = entry
                    objects.append(CatalogObject(kind, name, on, facts))
            except (KeyError, ValueError) as error:
                raise ValueError(f"line {line}: not what is said of {entry[0]} ({error})") from None
        return cls(tuple(objects), tuple(data), tuple(sequences), cast(Reading, reading))

    @property
    def sha256(self) -> str:
        """The hash of the text, in hexadecimal: equal for equal databases."""
        return sha256(self.text().encode()).hexdigest()


async def take(
    session: PgSession,
    *,
    data: Reading = "none",
    whole_up_to: int = 100_000,
    lock_timeout: float = 3.0,
    statement_timeout: float = 600.0,
) -> Fingerprint:
    """The fingerprint of the session's database as one snapshot sees it.

    Takes ACCESS SHARE locks, each for no longer than its query runs. ``sampled``: tables with more than ``whole_up_to``
    rows are read at both ends of their primary key alone. Timeouts in seconds. What this role may not read is told in
    the fingerprint. Raises ConnectionLost, StatementFailed.
    """
    async with _snapshot(session, lock_timeout, statement_timeout):
        objects = await _Catalogs(session).read()
        tables: tuple[TableData, ...] = ()
        sequences: tuple[SequencePosition, ...] = ()
        if data != "none":
            tables = await read_tables(session, _line, sampled=data == "sampled", whole_up_to=whole_up_to)
            sequences = await read_sequences(session, _line)
    return Fingerprint(tuple(objects), tables, sequences, data)


@asynccontextmanager
async def _snapshot(session: PgSession, lock_timeout: float, statement_timeout: float) -> AsyncIterator[None]:
    timeouts = {"lock_timeout": f"{lock_timeout * 1000:.0f}", "statement_timeout": f"{statement_timeout * 1000:.0f}"}
    await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        for name, value in (_SETTINGS | timeouts).items():
            await session.execute(f"SET LOCAL {name} = {value}")
        yield
    finally:
        if not session.lost:
            await session.execute("ROLLBACK")


class _Catalogs:
    """Reads the files one after the other. Each row comes as one text that holds only the facts that are there."""

    def __init__(self, session: PgSession) -> None:
        self._session = session
        # No name and no value can hold what nobody knew beforehand.
        self._mark = f"\x01{token_hex(8)}\x01"
        self._attached: dict[str, _Facts] = {}
        # Many columns are the same but for their names.
        self._known: dict[str, _Facts] = {}

    async def read(self) -> list[CatalogObject]:
        answer = await self._session.query(
            "SELECT current_setting('server_version_num'), current_setting('is_superuser')"
        )
        version, superuser = int(answer.rows[0][0] or 0), answer.rows[0][1] == "on"
        for name in _names("attached"):
            # Anyone else's asking for the subscriptions' connections would be an error in the server's log.
            if superuser or not name.endswith("/connections"):
                for text in await self._texts(name, version, ("address",)):
                    address, _, facts = text.partition(self._mark)
                    self._attached[address] = tuple(sorted((*self._attached.get(address, ()), *self._facts(facts))))
        found: list[CatalogObject] = []
        building = []
        for name in _names("objects"):
            try:
                texts = await self._texts(name, version, ("kind", "name", "on", "address"))
            except _Refused as refused:
                found.append(
                    CatalogObject(UNREAD, name.rpartition("/")[2].replace("_", " "), "", (("why", str(refused)),))
                )
                continue
            # The objects are made while the server works on the next file, and the event loop stays free.
            building.append(asyncio.create_task(asyncio.to_thread(self._objects, texts)))
        for objects in building:
            found += await objects
        return found

    async def _texts(self, name: str, version: int, first: tuple[str, ...]) -> list[str]:
        query = load(name, version).decode()
        facts = [fact.strip('"') for fact in COLUMN.findall(query.partition("\nFROM ")[0])]
        parts = [f"coalesce(x.\"{one}\"::text, '')" for one in first]
        parts += [f"'{fact}=' || x.\"{fact}\"::text" for fact in facts if fact not in first]
        # The files are our own, and the mark is ours.
        text = f"SELECT concat_ws('{self._mark}', {', '.join(parts)}) FROM ({query}) AS x"  # noqa: S608
        try:
            answer = await aside(self._session, text)
        except StatementFailed as failure:
            if failure.error.sqlstate != _INSUFFICIENT_PRIVILEGE:
                raise
            raise _Refused(safe(failure.error.message)) from None
        return [row[0] or "" for row in answer.rows]

    def _objects(self, texts: list[str]) -> list[CatalogObject]:
        found = []
        mark, attached = self._mark, self._attached
        for text in texts:
            kind, name, on, address, *rest = text.split(mark, 4)
            facts = self._facts(rest[0]) if rest else ()
            if address in attached:
                facts = tuple(sorted((*facts, *attached[address])))
            found.append(CatalogObject(kind, _line(name), _line(on), facts))
        return found

    def _facts(self, text: str) -> _Facts:
        facts = self._known.get(text)
        if facts is None:
            parts = (part.partition("=") for part in text.split(self._mark) if part)
            facts = self._known[text] = tuple(sorted((fact, _lines(value)) for fact, _, value in parts))
        return facts


def _names(folder: str) -> list[str]:
    files = (sql_root() / "fingerprint" / folder).glob("*.sql")
    return [f"fingerprint/{folder}/{path.stem}" for path in sorted(files) if "@" not in path.stem]


class _Refused(Exception):
    """The server does not let this role read a catalog; its words."""


def _line(text: str) -> str:
    """The name in one line. Where that took something away, a hash of the whole keeps different names different."""
    shown = safe(text)
    return shown if shown == text else f"{shown} [sha256 {sha256(text.encode()).hexdigest()[:16]}]"


def _lines(text: str) -> str:
    """The value with its lines, in the form that it keeps over dump and restore; hashed like a name."""
    shown = safe(text, lines=True)
    return one_form(text) if shown == text else f"{shown} [sha256 {sha256(text.encode()).hexdigest()[:16]}]"


def _write(lines: list[str], entry: _Entry) -> None:
    kind, name, on, facts = entry
    lines.append(f"{kind}: {name}")
    if on:
        lines.append(f"  on: {on}")
    for fact, value in facts:
        if "\n" in value:
            lines.append(f"  {fact}:")
            lines += [f"    |{line}" for line in value.split("\n")]
        else:
            lines.append(f"  {fact}: {value}")


def _entries(text: str) -> Iterator[tuple[int, _Entry]]:
    """What ``_write`` wrote, each with the number of its first line."""
    start, kind, name, on = 0, "", "", ""
    facts: list[tuple[str, str]] = []
    block: list[str] | None = None
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else [], start=2):
        if line.startswith("    |") and block is not None:
            block.append(line.removeprefix("    |"))
            facts[-1] = (facts[-1][0], "\n".join(block))
            continue
        word, colon, value = line.partition(":")
        if not colon or (value and value[0] != " ") or (not word.startswith("  ") and not value):
            raise ValueError(f"line {number}: neither an object nor a fact of one")
        block = None
        if not word.startswith("  "):
            if start:
                yield start, (kind, name, on, tuple(facts))
            start, kind, name, on, facts = number, word, value[1:], "", []
        elif not start:
            raise ValueError(f"line {number}: a fact of no object")
        elif word == "  on":
            on = value[1:]
        else:
            block = None if value else []
            facts.append((word[2:], value[1:]))
    if start:
        yield start, (kind, name, on, tuple(facts))


def _of_table(one: TableData) -> _Entry:
    facts: list[tuple[str, str]] = [("read", one.how)]
    if one.how == "unread":
        facts.append(("why", one.why))
    else:
        if one.rows is not None:
            facts.append(("count", str(one.rows)))
        facts.append(("checksum", one.checksum))
        facts += [("values", f"{checksum} {column}") for column, checksum in one.columns]
    return ("rows", one.table, "", tuple(facts))


def _table_of(entry: _Entry) -> TableData:
    _, table, _, facts = entry
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


def _of_sequence(one: SequencePosition) -> _Entry:
    facts = (("increment", str(one.increment)), ("why", one.why) if one.next is None else ("next", str(one.next)))
    return ("next number", one.sequence, "", facts)


def _sequence_of(entry: _Entry) -> SequencePosition:
    _, sequence, _, facts = entry
    named = dict(facts)
    following = int(named["next"]) if "next" in named else None
    return SequencePosition(sequence, following, int(named["increment"]), named.get("why", ""))
