"""Statements outside a transaction: which need to run so, which belong to the session, and what each would leave."""

from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Literal, TypeAlias

from tui.runbook.lexer import symbol, tokens
from tui.runbook.names import Name, NotRead, Reader
from tui.runbook.statements import Statement, command_tag, not_in_transaction, transaction_control

__all__ = [
    "AddValue",
    "CreateDatabase",
    "CreateIndex",
    "Detach",
    "DropDatabase",
    "DropIndex",
    "Effect",
    "Name",
    "Other",
    "Reindex",
    "Repeatable",
    "effect",
    "makes_temporary",
    "needs_own",
    "sets_session",
]

# Whether the server takes these in a transaction block depends on more than their words: on whether a table is
# partitioned, a block commits, a slot exists.
_MAYBE = ("CALL", "CLUSTER", "DO", "REINDEX")
_SESSION = (
    "CLOSE",
    "DEALLOCATE",
    "DECLARE",
    "DISCARD",
    "LISTEN",
    "LOAD",
    "PREPARE",
    "RESET",
    "SET",
    "UNLISTEN",
)
_SESSION_FUNCTIONS = (
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_advisory_unlock",
    "pg_advisory_unlock_all",
    "pg_advisory_unlock_shared",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
    "set_config",
    "setseed",
)
_TEMPORARY = ("TEMP", "TEMPORARY")
_FALSE = ("FALSE", "OFF", "0")
_TRUE = ("TRUE", "T", "ON", "YES", "Y", "1")
# What can follow the name of a table after SELECT … INTO; so the word before it was that name.
_AFTER_TABLE = frozenset(
    ["", ".", ")", ",", "EXCEPT", "FETCH", "FOR", "FROM", "GROUP", "HAVING", "INTERSECT", "LIMIT", "OFFSET", "ORDER"]
) | {"UNION", "WHERE", "WINDOW"}


@dataclass(frozen=True, slots=True)
class CreateIndex:
    """CREATE INDEX. ``index`` None: the server chooses the name. The index lives in its table's schema.

    ``columns`` are those of the key, then those of INCLUDE; None is an expression. ``partial``: it has a WHERE.
    """

    index: str | None
    table: Name
    columns: tuple[str | None, ...]
    method: str
    unique: bool
    partial: bool
    concurrently: bool
    if_not_exists: bool


@dataclass(frozen=True, slots=True)
class DropIndex:
    """DROP INDEX."""

    indexes: tuple[Name, ...]
    concurrently: bool
    if_exists: bool


@dataclass(frozen=True, slots=True)
class Reindex:
    """REINDEX. ``name`` is None for a database or system that is not named (PostgreSQL 16 and later)."""

    what: Literal["index", "table", "schema", "database", "system"]
    name: Name | None
    concurrently: bool


@dataclass(frozen=True, slots=True)
class AddValue:
    """ALTER TYPE … ADD VALUE."""

    type: Name
    value: str
    if_not_exists: bool


@dataclass(frozen=True, slots=True)
class Detach:
    """ALTER TABLE … DETACH PARTITION."""

    parent: Name
    child: Name
    concurrently: bool
    finalize: bool


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A command that may simply be given again: ``command`` is VACUUM, ANALYZE or CLUSTER."""

    command: str


@dataclass(frozen=True, slots=True)
class CreateDatabase:
    """CREATE DATABASE."""

    name: str


@dataclass(frozen=True, slots=True)
class DropDatabase:
    """DROP DATABASE."""

    name: str
    if_exists: bool


@dataclass(frozen=True, slots=True)
class Other:
    """Any other command, by its tag."""

    command: str


Effect: TypeAlias = (
    CreateIndex | DropIndex | Reindex | AddValue | Detach | Repeatable | CreateDatabase | DropDatabase | Other
)


def needs_own(statement: Statement) -> bool:
    """PostgreSQL 14 to 18 refuses it in a transaction block or may do so, or it may itself end transactions.

    Where only the database knows (CLUSTER and REINDEX of something partitioned, DO, CALL, a subscription's slot), yes.
    """
    if not_in_transaction(statement) is not None or transaction_control(statement) is not None:
        return True
    match _head(statement, 2):
        case [word, *_] if word in _MAYBE:
            return True
        case ["ALTER" | "CREATE" | "DROP", "SUBSCRIPTION"]:
            return True
    return False


def sets_session(statement: Statement) -> bool:
    """Its effect ends with the session, so a script that goes on in a new session must have it repeated first.

    What ``makes_temporary`` is among them, though to repeat it gives an empty table: its rows are lost. A query is
    among them if all it does is to call functions like ``set_config(…, false)`` and ``pg_advisory_lock(…)``.
    """
    match _head(statement, 4):
        case ["SET", "LOCAL" | "TRANSACTION" | "CONSTRAINTS", *rest]:
            # SET LOCAL.x = 1 sets a parameter of that name.
            return rest[:1] in (["."], ["="], ["TO"])
        case ["SET", "SESSION", "TRANSACTION", *_]:
            return False
        case ["PREPARE", *_]:
            return transaction_control(statement) is None
        case ["SELECT", *_]:
            return _calls_for_session(statement) or makes_temporary(statement)
        case [word, *_] if word in _SESSION:
            return True
    return makes_temporary(statement)


def makes_temporary(statement: Statement) -> bool:
    """It creates something temporary: CREATE TEMP …, an object in the schema pg_temp, SELECT … INTO TEMP."""
    match _head(statement, 6):
        case ["CREATE", *more]:
            if more[:2] == ["OR", "REPLACE"]:
                more = more[2:]
            if more[:1] in (["GLOBAL"], ["LOCAL"]):
                more = more[1:]
            return more[0:1] in ([word] for word in _TEMPORARY) or _in_pg_temp(statement)
        case ["SELECT" | "WITH" | "(", *_]:
            return _into_temporary(statement)
    return False


def effect(statement: Statement) -> Effect:
    """What the statement is to change, with the names by which the catalog knows it."""
    other = Other(command_tag(statement))
    try:
        match _head(statement, 3):
            case ["CREATE", "INDEX", *_] | ["CREATE", "UNIQUE", "INDEX"]:
                return _create_index(Reader(statement.text))
            case ["DROP", "INDEX", *_]:
                return _drop_index(Reader(statement.text))
            case ["REINDEX", *_]:
                return _reindex(Reader(statement.text))
            case ["ALTER", "TYPE", *_]:
                return _add_value(Reader(statement.text)) or other
            case ["ALTER", "TABLE", *_]:
                return _detach(Reader(statement.text)) or other
            case ["VACUUM" | "ANALYZE" | "ANALYSE" | "CLUSTER", *_]:
                return Repeatable(other.command)
            case ["CREATE" | "DROP" as verb, "DATABASE", *_]:
                return _database(verb, Reader(statement.text))
    except ValueError:
        # The server will refuse what cannot be read here.
        return other
    return other


def _head(statement: Statement, most: int) -> list[str]:
    text = statement.text
    return [symbol(text, kind, start, end) for kind, start, end in islice(tokens(text), most)]


def _create_index(words: Reader) -> CreateIndex:
    words.expect("CREATE")
    unique = words.take("UNIQUE")
    words.expect("INDEX")
    concurrently = words.take("CONCURRENTLY")
    if_not_exists = words.take("IF", "NOT", "EXISTS")
    # ON is reserved: no index bears it without quotes.
    index = None if words.word == "ON" else words.ident()
    words.expect("ON")
    table = _table(words)
    method = words.ident() if words.take("USING") else "btree"
    columns = [_column(part) for part in words.group()]
    if words.take("INCLUDE"):
        columns += [_column(part) for part in words.group()]
    partial = False
    while words.word and not partial:
        # Before WHERE stand only WITH (…), TABLESPACE and NULLS; a tablespace's name is no reserved word.
        partial = words.skip() == "WHERE"
    return CreateIndex(index, table, tuple(columns), method, unique, partial, concurrently, if_not_exists)


def _column(part: Reader) -> str | None:
    """The column that is indexed; None for an expression, which begins with ( or a function's name."""
    if not part.at_name:
        return None
    name = part.ident()
    return None if part.word in ("(", ".") else name


def _table(words: Reader) -> Name:
    """``[ONLY] name [*]`` or ``ONLY (name)``."""
    only = words.take("ONLY")
    if only and words.take("("):
        table = words.name()
        words.expect(")")
        return table
    table = words.name()
    words.take("*")
    return table


def _drop_index(words: Reader) -> DropIndex:
    words.expect("DROP", "INDEX")
    concurrently = words.take("CONCURRENTLY")
    if_exists = words.take("IF", "EXISTS")
    indexes = [words.name()]
    while words.take(","):
        indexes.append(words.name())
    return DropIndex(tuple(indexes), concurrently, if_exists)


def _reindex(words: Reader) -> Reindex:
    words.expect("REINDEX")
    concurrently = False
    if words.word == "(":
        for option in words.group():
            if option.ident() == "concurrently":
                concurrently = option.word.strip("'").upper() not in _FALSE
    what = words.take_one("INDEX", "TABLE", "SCHEMA", "DATABASE", "SYSTEM")
    concurrently = words.take("CONCURRENTLY") or concurrently
    name = words.name() if words.word else None
    match what:
        case "INDEX" if name is not None:
            return Reindex("index", name, concurrently)
        case "TABLE" if name is not None:
            return Reindex("table", name, concurrently)
        case "SCHEMA" if name is not None:
            return Reindex("schema", name, concurrently)
        case "DATABASE":
            return Reindex("database", name, concurrently)
        case "SYSTEM":
            return Reindex("system", name, concurrently)
    raise NotRead("what to reindex")


def _add_value(words: Reader) -> AddValue | None:
    words.expect("ALTER", "TYPE")
    of = words.name()
    if not words.take("ADD", "VALUE"):
        return None
    if_not_exists = words.take("IF", "NOT", "EXISTS")
    return AddValue(of, words.string(), if_not_exists)


def _detach(words: Reader) -> Detach | None:
    words.expect("ALTER", "TABLE")
    words.take("IF", "EXISTS")
    parent = _table(words)
    if not words.take("DETACH", "PARTITION"):
        return None
    child = words.name()
    concurrently = words.take("CONCURRENTLY")
    return Detach(parent, child, concurrently, words.take("FINALIZE"))


def _database(verb: str, words: Reader) -> CreateDatabase | DropDatabase:
    words.expect(verb, "DATABASE")
    if verb == "CREATE":
        return CreateDatabase(words.ident())
    if_exists = words.take("IF", "EXISTS")
    return DropDatabase(words.ident(), if_exists)


def _calls_for_session(statement: Statement) -> bool:
    words = Reader(statement.text)
    try:
        words.expect("SELECT")
        while True:
            function = words.name()
            called = words.group()
            if function.schema not in (None, "pg_catalog") or function.name not in _SESSION_FUNCTIONS:
                return False
            # Any value but true is taken for false: to repeat it does no harm.
            if function.name == "set_config" and _true(called[-1]):
                return False
            if words.take("AS") or words.at_name:
                words.ident()
            if not words.take(","):
                return not words.word
    except ValueError:
        return False


def _true(value: Reader) -> bool:
    return len(value.rest) == 1 and value.word.strip("'").upper() in _TRUE


def _in_pg_temp(statement: Statement) -> bool:
    """The name of what is created begins with ``pg_temp.``; arguments and bodies come after it."""
    for before, word in pairwise(_head(statement, 12)):
        if before in ("PG_TEMP", '"pg_temp"') and word == ".":
            return True
        if before in ("(", "AS", "USING", "FROM"):
            return False
    return False


def _into_temporary(statement: Statement) -> bool:
    words = Reader(statement.text).rest
    for at, word in enumerate(words):
        # INSERT INTO temp, a column a.into and a table temp are not meant.
        if word == "INTO" and (at == 0 or words[at - 1] not in ("INSERT", "MERGE", ".")):
            kind, table, after = (*words[at + 1 :], "", "", "")[:3]
            if kind in ("LOCAL", "GLOBAL"):
                kind, table = table, after
            if kind in _TEMPORARY:
                return table not in _AFTER_TABLE
            return kind in ("PG_TEMP", '"pg_temp"') and table == "."
    return False
