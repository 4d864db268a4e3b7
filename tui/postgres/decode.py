"""From the monitor's raw tuples to frozen rows: bytes to safe text, oids to names. Columns stand as in the SQL."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast

from .redact import redact
from .rows import (
    Counters,
    HolderKind,
    Horizon,
    Lock,
    Progress,
    Replica,
    Rights,
    Session,
    Slot,
    safe,
    without_passwords,
)

PG_CLASS = 1259
"""The oid of pg_class, fixed since its beginning: under it the names of relations are kept."""
DATID, DATNAME = 2, 5
"""Where activity.sql has the database's oid and name."""
HIDDEN = "<insufficient privilege>"
"""What the server shows for the query of a session that our role may not look into."""

Row = Sequence[Any]


class Text:
    """Bytes of the server as safe text, queries without passwords; what is not valid shows as ``�``. None is empty.

    ``redacted``: queries without any literal.
    """

    def __init__(self, codec: str, *, redacted: bool) -> None:
        self._codec = codec
        self._redacted = redacted
        self._short = lru_cache(4096)(lambda data: safe(data.decode(codec, "replace")))
        # More than there are sessions: they are all read anew each time, and few have another query.
        self._long = lru_cache(2048)(self._query)

    def __call__(self, data: bytes | None) -> str:
        return "" if data is None else self._short(data)

    def lines(self, data: bytes | None) -> str:
        return "" if data is None else self._long(data)

    def _query(self, data: bytes) -> str:
        text = data.decode(self._codec, "replace")
        return query_text(text, redacted=self._redacted)


def query_text(text: str, *, redacted: bool) -> str:
    """A query that somebody else runs as it may be shown: safe, without passwords or, ``redacted``, any literal."""
    # Before anything is taken out of it, which might be what ends a literal.
    return without_passwords(safe(redact(text) if redacted else text, lines=True))


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


def hidden_sessions(sessions: Iterable[Session]) -> int:
    """How many sessions of other roles are hidden; the server's own processes have no role or no database."""
    return sum(1 for s in sessions if hidden(s) and s.user and s.database and s.leader_pid is None)


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
    pid, command, database, oid, part, phase, done, total, unit, waits_for, parts_done, parts_total, parts, *more = row
    return Progress(
        pid,
        text(command),
        names.relation(database, oid),
        text(phase),
        done,
        total,
        text(unit),
        waits_for,
        names.relation(database, part),
        parts_done,
        parts_total,
        text(parts),
        *more,
    )


def replica(row: Row, text: Text, sessions: Mapping[int, Session]) -> Replica:
    """A row of replication.sql, named after its sender's session."""
    pid, state, sync, seconds, behind, reply = row
    sender = sessions.get(pid)
    return Replica(
        sender.application_name if sender else "",
        sender.client if sender else "",
        text(state),
        text(sync),
        seconds,
        behind,
        None if reply is None else max(0.0, reply),
    )


def counters(row: Row, connections: int | None) -> Counters:
    """A row of counters.sql."""
    wal, transactions, rollbacks, most, recovery, temporary, usable = row[:7]
    return Counters(wal, transactions, connections, most, recovery, rollbacks, temporary, usable)


def slot(row: Row, text: Text) -> Slot:
    """A row of slots.sql."""
    name, kind, active, status, retained, limit = row
    return Slot(text(name), text(kind), active, text(status), retained, limit)


def horizon(row: Row, text: Text) -> Horizon:
    """A row of horizon.sql."""
    kind, name, pid, transactions, seconds = row
    held = cast(HolderKind, text(kind))
    return Horizon(held, text(name), pid, transactions, None if seconds is None else max(0.0, seconds))


def rights(row: Row, text: Text) -> Rights:
    """A row of rights.sql."""
    role, reads_all, signals = row
    return Rights(text(role), reads_all, signals)


def relations(locks: Iterable[Row], here: int) -> set[tuple[int, int]]:
    """The relations that these locks are on, as far as our database can name them."""
    return {(PG_CLASS, row[3]) for row in locks if row[3] and row[2] in (here, 0)}


def objects(locks: Iterable[Row], here: int) -> set[tuple[int, int]]:
    """The other objects that these locks are on; an advisory lock only looks like one."""
    return {(row[8], row[9]) for row in locks if row[1] == b"object" and row[2] in (here, 0)}


def progressing(rows: Iterable[Row], here: int) -> set[tuple[int, int]]:
    """The relations that the progress views speak of."""
    return {(PG_CLASS, oid) for row in rows if row[2] in (here, 0) for oid in row[3:5] if oid}
