"""What a statement outside a transaction left behind, by the catalog; and what is in its way before it is sent.

The rules are those of PostgreSQL's documentation of CREATE INDEX (Building Indexes Concurrently), REINDEX (Rebuilding
Indexes Concurrently), ALTER TABLE (DETACH PARTITION) and DROP DATABASE.
"""

import json
from collections.abc import Mapping

from tui.engine.facts import Remains
from tui.postgres.queries import load
from tui.postgres.rows import safe
from tui.postgres.session import PgSession, StatementFailed
from tui.runbook.names import quoted
from tui.runbook.outside import (
    AddValue,
    CreateDatabase,
    CreateIndex,
    Detach,
    DropDatabase,
    DropIndex,
    Other,
    Reindex,
    Repeatable,
    effect,
    sets_session,
)
from tui.runbook.statements import Statement, command_tag

Row = Mapping[str, str | None]

# Where to look after a command of which the catalog's answer would need to be compared with what was before.
_LOOK = {
    "ALTER DATABASE": "look at its tablespace in pg_database",
    "ALTER SUBSCRIPTION": "look at pg_subscription and pg_subscription_rel",
    "ALTER SYSTEM": "look at pg_file_settings",
    "CALL": "look at the data that the procedure changes: it may have committed a part",
    "CREATE SUBSCRIPTION": "look at pg_subscription, and on the publisher at pg_replication_slots",
    "CREATE TABLESPACE": "look at pg_tablespace and at the directory",
    "DO": "look at the data that the block changes: it may have committed a part",
    "DROP SUBSCRIPTION": "look at pg_subscription, and on the publisher at pg_replication_slots",
    "DROP TABLESPACE": "look at pg_tablespace and at the directory",
}


async def after(session: PgSession, statement: Statement) -> Remains:
    """What is there of a statement that was sent once and failed, or whose end is not known.

    Asked under the search path under which it was sent, when its backend is gone: one that still works is recognised
    only where it builds an index. Once ``repair`` has run, ask again: a detached partition is then done. ``repair`` is
    SQL to be sent as it is; names in it may hold any character. Raises ConnectionLost.
    """
    try:
        return await _after(session, statement)
    except StatementFailed as failed:
        return Remains("unknown", f"the catalog cannot be asked: {failed}")


async def before(session: PgSession, statement: Statement) -> Remains | None:
    """What is in the way of a statement that is to be sent; None if nothing is.

    ``leftover`` of an earlier try, which ``repair`` takes away, or ``unknown`` where the statement would be refused or
    skipped for a reason that a human must judge. Raises StatementFailed and ConnectionLost.
    """
    match effect(statement):
        case CreateIndex() as wanted:
            return await _index_in_the_way(session, wanted)
        case Reindex(concurrently=True) as wanted:
            return await _rebuilt(session, wanted)
        case Detach(finalize=False) as wanted:
            pending = [row for row in await _partitions(session, wanted) if row["pending"] == "t"]
            if not wanted.concurrently:
                pending = [row for row in pending if row["meant"] == "t"]
            return _pending(pending) if pending else None
        case CreateDatabase(name):
            found = await _rows(session, "database", name=name)
            return _invalid_database(found[0]) if found and found[0]["invalid"] == "t" else None
    return None


async def _after(session: PgSession, statement: Statement) -> Remains:
    match effect(statement):
        case CreateIndex() as wanted:
            return await _index_made(session, wanted)
        case DropIndex() as wanted:
            return await _index_dropped(session, wanted)
        case Reindex() as wanted:
            return await _rebuilt(session, wanted) or Remains(
                "not_done", f"{command_tag(statement)} may simply be repeated"
            )
        case AddValue() as wanted:
            return await _value_added(session, wanted)
        case Detach() as wanted:
            return await _detached(session, wanted)
        case Repeatable(command):
            return Remains("not_done", f"{command} may simply be repeated")
        case CreateDatabase(name):
            found = await _rows(session, "database", name=name)
            if not found:
                return Remains("not_done", f"there is no database {safe(quoted(name))}")
            if found[0]["invalid"] == "t":
                return _invalid_database(found[0])
            return Remains("done", f"the database {_shown(found[0], 'database')} is there")
        case DropDatabase(name):
            found = await _rows(session, "database", name=name)
            if not found:
                return Remains("done", f"the database {safe(quoted(name))} is gone")
            state = "invalid, its files may be gone in part" if found[0]["invalid"] == "t" else "still there"
            return Remains("not_done", f"the database {_shown(found[0], 'database')} is {state}: drop it again")
        case Other(command):
            if sets_session(statement):
                return Remains("not_done", f"what {command} does ends with its session and may simply be repeated")
            look = _LOOK.get(command, "look at what it changes")
            return Remains("unknown", f"the catalog does not tell whether {command} took effect: {look}")


async def _index_made(session: PgSession, wanted: CreateIndex) -> Remains:
    found = await _candidates(session, wanted)
    if not found:
        return Remains("not_done", f"there is no table {safe(wanted.table.sql)}")
    indexes = [row for row in found if row["relation"] is not None]
    if busy := _building(indexes):
        return busy
    if wanted.index is None:
        indexes = [row for row in indexes if row["alike"] == "t"]
        if broken := [row for row in indexes if row["valid"] == "f" and row["kind"] == "index"]:
            return _invalid(broken)
        if indexes:
            names = ", ".join(_shown(row) for row in indexes)
            return Remains("unknown", f"whether this statement made {names}, or it was there before, cannot be told")
        return Remains("not_done", f"no index of these columns is on {safe(wanted.table.sql)}")
    if not indexes:
        return Remains("not_done", f"the index {safe(quoted(wanted.index))} is not there")
    row = indexes[0]
    if row["of_table"] != "t":
        return Remains("not_done", f"its name is taken by the {row['kind']} {_shown(row)}")
    if row["valid"] == "f":
        if row["kind"] == "index":
            return _invalid([row])
        return Remains(
            "unknown", f"{_shown(row)} is not valid until every partition has its index: look at pg_inherits"
        )
    if row["alike"] != "t":
        return Remains("unknown", f"the index {_shown(row)} is there and valid, but defined otherwise: compare them")
    return Remains("done", f"the index {_shown(row)} is there and valid")


async def _index_in_the_way(session: PgSession, wanted: CreateIndex) -> Remains | None:
    indexes = [row for row in await _candidates(session, wanted) if row["relation"] is not None]
    if wanted.index is None:
        indexes = [row for row in indexes if row["alike"] == "t"]
    if broken := [row for row in indexes if row["valid"] == "f" and row["of_table"] == "t" and row["kind"] == "index"]:
        return _building(broken) or _invalid(broken)
    if wanted.index is None or not wanted.if_not_exists or not indexes:
        return None
    row = indexes[0]
    if row["of_table"] != "t":
        return Remains(
            "unknown", f"IF NOT EXISTS would make nothing: the name is taken by the {row['kind']} {_shown(row)}"
        )
    if row["alike"] != "t":
        return Remains("unknown", f"IF NOT EXISTS would make nothing: the index {_shown(row)} is defined otherwise")
    return None


async def _candidates(session: PgSession, wanted: CreateIndex) -> list[Row]:
    return await _rows(
        session,
        "index",
        table=wanted.table.sql,
        index=wanted.index,
        unique=wanted.unique,
        method=wanted.method,
        partial=wanted.partial,
        columns=json.dumps(wanted.columns),
    )


def _invalid(rows: list[Row]) -> Remains:
    return Remains(
        "leftover",
        f"an earlier try left the invalid {_named(rows)}: no query uses it, and writes may still pay for it",
        _drops(rows),
    )


def _building(rows: list[Row]) -> Remains | None:
    for row in rows:
        if row["of_table"] == "t" and row["valid"] == "f" and row["builder"] is not None:
            return Remains("unknown", f"session {row['builder']} is at work on {_shown(row)}: ask again when it ended")
    return None


async def _index_dropped(session: PgSession, wanted: DropIndex) -> Remains:
    there: list[str] = []
    for name in wanted.indexes:
        for row in await _rows(session, "relation", index=name.sql):
            if row["is_index"] != "t":
                return Remains("not_done", f"{_shown(row)} is no index")
            if name.schema is None and row["first"] != "t" and row["valid"] == "t":
                return Remains(
                    "unknown",
                    f"{_shown(row)} is there; whether the search path led to another of that name, now gone, "
                    "cannot be told",
                )
            there.append(f"{_shown(row)} is still there" + ("" if row["valid"] == "t" else ", not valid any more"))
    if there:
        return Remains("not_done", f"{', '.join(there)}: drop it again")
    return Remains("done", f"{', '.join(safe(name.sql) for name in wanted.indexes)} is gone")


async def _rebuilt(session: PgSession, wanted: Reindex) -> Remains | None:
    """What an unfinished REINDEX CONCURRENTLY left of what it was to rebuild."""
    if not wanted.concurrently:
        # Each relation is rebuilt in one transaction, which leaves all or nothing.
        return None
    relation = wanted.name.sql if wanted.name is not None else None
    rows = await _rows(session, "rebuilt", what=wanted.what, relation=relation)
    for row in rows:
        if row["builder"] is not None:
            return Remains("unknown", f"session {row['builder']} is at work on {_shown(row)}: ask again when it ended")
    new = [row for row in rows if row["replaced"] != "t"]
    old = [row for row in rows if row["replaced"] == "t"]
    parts: list[str] = []
    if new:
        parts.append(f"REINDEX CONCURRENTLY left the unfinished {_named(new)}")
    if old:
        parts.append(f"the index was rebuilt, and what it replaced is left: {_named(old)}")
    if toast := [row for row in rows if row["toast_of"] is not None]:
        owners = ", ".join(sorted({_shown(row, "toast_of") for row in toast}))
        parts.append(f"those in pg_toast belong to {owners} and need a superuser, or USAGE on that schema")
    return Remains("leftover", "; ".join(parts), _drops(rows)) if rows else None


async def _value_added(session: PgSession, wanted: AddValue) -> Remains:
    found = await _rows(session, "label", type=wanted.type.sql, value=wanted.value)
    if not found:
        return Remains("not_done", f"there is no type {safe(wanted.type.sql)}")
    there = found[0]["there"] == "t"
    has = f"the type {_shown(found[0], 'type')} {'has' if there else 'does not have'} the value '{safe(wanted.value)}'"
    return Remains("done" if there else "not_done", has)


async def _detached(session: PgSession, wanted: Detach) -> Remains:
    rows = await _partitions(session, wanted)
    meant = [row for row in rows if row["meant"] == "t"]
    if not meant:
        absent = [
            safe(name.sql)
            for name, there in ((wanted.parent, "parent_there"), (wanted.child, "child_there"))
            if any(row[there] == "f" for row in rows)
        ]
        if absent:
            return Remains("unknown", f"there is no table {' and no table '.join(absent)}")
        return Remains("done", f"{safe(wanted.child.sql)} is no partition of {safe(wanted.parent.sql)}")
    shown = _shown(meant[0], "partition")
    if meant[0]["pending"] != "t":
        return Remains("not_done", f"{shown} is still a partition of {safe(wanted.parent.sql)}")
    if wanted.finalize:
        return Remains("not_done", f"{shown} is still being detached: FINALIZE may simply be repeated")
    return _pending(meant)


async def _partitions(session: PgSession, wanted: Detach) -> list[Row]:
    return await _rows(session, "detach", parent=wanted.parent.sql, child=wanted.child.sql)


def _pending(rows: list[Row]) -> Remains:
    names = ", ".join(_shown(row, "partition") for row in rows)
    what = "is half detached: queries do not see it any more, FINALIZE brings it to the end"
    return Remains("leftover", f"{names} {what}", tuple(str(row["finalize"]) for row in rows))


def _invalid_database(row: Row) -> Remains:
    database = row["database"]
    return Remains(
        "leftover",
        f"the database {safe(str(database))} is invalid: an interrupted DROP DATABASE left it",
        (f"DROP DATABASE {database}",),
    )


def _named(rows: list[Row]) -> str:
    return f"{'index' if len(rows) == 1 else 'indexes'} {', '.join(_shown(row) for row in rows)}"


def _drops(rows: list[Row]) -> tuple[str, ...]:
    return tuple(f"DROP INDEX CONCURRENTLY {row['relation']}" for row in rows)


def _shown(row: Row, column: str = "relation") -> str:
    return safe(row[column] or "")


async def _rows(session: PgSession, query: str, /, **parameters: object) -> list[Row]:
    table = await session.query(load(f"remains/{query}"), parameters)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]
