"""From the monitor's raw tuples to frozen rows: bytes to safe text, oids to names. Columns stand as in the SQL."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from .rows import Lock, Progress, Replica, Session, safe, without_passwords

PG_CLASS = 1259
"""The oid of pg_class, fixed since its beginning: under it the names of relations are kept."""
DATID, DATNAME = 2, 5
"""Where activity.sql has the database's oid and name."""
HIDDEN = "<insufficient privilege>"
"""What the server shows for the query of a session that our role may not look into."""

Row = Sequence[Any]


class Text:
    """Bytes of the server as safe text, queries without passwords; what is not valid shows as ``�``. None is empty."""

    def __init__(self, codec: str) -> None:
        self._short = lru_cache(4096)(lambda data: safe(data.decode(codec, "replace")))
        self._long = lru_cache(512)(lambda data: without_passwords(safe(data.decode(codec, "replace"), lines=True)))

    def __call__(self, data: bytes | None) -> str:
        return "" if data is None else self._short(data)

    def lines(self, data: bytes | None) -> str:
        return "" if data is None else self._long(data)


@dataclass
class Names:
    """What oids are called. ``here`` is our database; ``known`` is by catalog and oid, None where it has no name."""

    here: int = 0
    databases: dict[int, str] = field(default_factory=dict)
    known: dict[tuple[int, int], str | None] = field(default_factory=dict)

    def relation(self, database: int | None, oid: int | None) -> str:
        """A relation's name, or its oid where it belongs to another database or is not committed."""
        if not oid:
            return ""
        if database not in (self.here, 0):
            return f"oid {oid} in {self.databases.get(database or 0) or f'database {database}'}"
        name = self.known.get((PG_CLASS, oid), "")
        return f"new relation (oid {oid})" if name is None else name or f"oid {oid}"

    def object(self, database: int | None, catalog: int, oid: int) -> str:
        """``schema private`` for what is locked that is no relation."""
        name = self.known.get((catalog, oid)) if database in (self.here, 0) else None
        return name or f"object {oid} of catalog {catalog}"


def session(row: Row, text: Text) -> Session:
    """A row of activity.sql."""
    (
        pid,
        leader,
        _,
        started,
        user,
        database,
        application,
        client,
        state,
        event_type,
        event,
        xact,
        since,
        xid,
        kind,
        query,
    ) = row
    return Session(
        pid,
        leader,
        started,
        text(user),
        text(database),
        text(application),
        text(client),
        text(state),
        text(event_type),
        text(event),
        xact,
        since,
        xid,
        text(kind),
        text.lines(query),
    )


def hidden(session: Session) -> bool:
    """Our role may not look into this session: whether it waits is not known."""
    return session.query == HIDDEN and not session.backend_type


def connections(rows: Iterable[Row], sessions: Iterable[Session]) -> int:
    """How many of these (the same, in the same order) are connections of clients, our own included."""
    return 1 + sum(
        1
        for row, session in zip(rows, sessions, strict=True)
        if session.backend_type == "client backend" or (hidden(session) and row[DATID] and session.leader_pid is None)
    )


def lock(row: Row, text: Text, names: Names) -> Lock:
    """A row of locks.sql."""
    (
        pid,
        kind,
        database,
        oid,
        page,
        item,
        vxid,
        xid,
        catalog,
        object_oid,
        sub,
        mode,
        granted,
        fast,
        seconds,
        holder,
    ) = row
    locktype = text(kind)
    relation, detail = "", ""
    match locktype:
        case "tuple":
            relation, detail = names.relation(database, oid), f"({page},{item})"
        case "page":
            relation, detail = names.relation(database, oid), f"{page}"
        case "transactionid" | "applytransaction":
            detail = text(xid) or f"{object_oid}"
        case "virtualxid":
            detail = text(vxid)
        case "advisory" | "userlock":
            detail = _advisory(catalog, object_oid, sub)
        case "object":
            relation = names.object(database, catalog, object_oid)
            detail = f"{catalog}/{object_oid}/{sub}"
        case "spectoken":
            detail = f"{text(xid)}/{object_oid}"
        case _:
            relation = names.relation(database, oid)
    waited = None if seconds is None or granted else max(0.0, seconds)
    return Lock(pid, locktype, database, oid, relation, detail, text(mode), granted, fast, waited, text(holder))


def _advisory(high: int, low: int, kind: int) -> str:
    """The key as it was given: one bigint (kind 1), or two integers (kind 2), both signed."""
    if kind == 1:
        key = high << 32 | low
        return f"{key - (1 << 64) if key >> 63 else key}"
    first, second = (part - (1 << 32) if part >> 31 else part for part in (high, low))
    return f"({first}, {second})"


def progress(row: Row, text: Text, names: Names) -> Progress:
    """A row of progress.sql."""
    pid, command, database, oid, phase, done, total, unit, waits_for = row
    return Progress(pid, text(command), names.relation(database, oid), text(phase), done, total, text(unit), waits_for)


def replica(row: Row, text: Text, sessions: Mapping[int, Session]) -> Replica:
    """A row of replication.sql, named after its sender's session."""
    pid, state, sync, seconds, behind = row
    sender = sessions.get(pid)
    return Replica(
        sender.application_name if sender else "",
        sender.client if sender else "",
        text(state),
        text(sync),
        seconds,
        behind,
    )


def relations(locks: Iterable[Row], here: int) -> set[tuple[int, int]]:
    """The relations that these locks are on, as far as our database can name them."""
    return {(PG_CLASS, row[3]) for row in locks if row[3] and row[2] in (here, 0)}


def objects(locks: Iterable[Row], here: int) -> set[tuple[int, int]]:
    """The other objects that these locks are on; an advisory lock only looks like one."""
    return {(row[8], row[9]) for row in locks if row[1] == b"object" and row[2] in (here, 0)}


def progressing(rows: Iterable[Row], here: int) -> set[tuple[int, int]]:
    """The relations that the progress views speak of."""
    return {(PG_CLASS, row[3]) for row in rows if row[3] and row[2] in (here, 0)}
