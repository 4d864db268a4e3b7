"""Frozen rows of the monitor's queries, made safe where they enter.

application_name, query and every name are in other people's hands: control and format characters (Unicode Cc and
Cf: escape sequences, bidirectional overrides, zero-width characters) never get past this module.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


class _Table(dict[int, str]):
    """What becomes of each character, found out when it is first met: translate() looks it up at C speed."""

    def __init__(self, kept: dict[str, str]) -> None:
        super().__init__({ord(character): shown for character, shown in kept.items()})

    def __missing__(self, code: int) -> str:
        # Cs (lone surrogates) cannot be encoded, Zl and Zp break lines where nobody expects it.
        hidden = unicodedata.category(chr(code)) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        shown = self[code] = "·" if hidden else chr(code)
        return shown


_ONE_LINE = _Table({"\n": " ", "\t": " ", "\r": ""})
_LINES = _Table({"\n": "\n", "\t": "\t", "\r": ""})

# A literal may stand within another one, its quotes doubled, or have lost its end where a query's text was cut off.
_LITERAL = r"""(?:E|U&)?(?:
    (?P<doubled>'{4}|'{2})(?=[^\s';,)]).*?(?:(?P=doubled)|\Z)
    | '(?:[^'\\]|''|\\.)*(?:'|\Z)(?:\s*\n\s*'(?:[^']|'')*')*
    | \$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z)
)"""
_FLAGS = re.IGNORECASE | re.DOTALL | re.VERBOSE
_ROLE = re.compile(rf"((?<!')\bPASSWORD(?:\s|--[^\n]{{0,200}}\n|/\*.{{0,200}}?\*/)*){_LITERAL}", _FLAGS)
_SETTING = re.compile(rf"(\b(?:PG|ssl)?password\s*=\s*){_LITERAL}", _FLAGS)
_BARE_SETTING = re.compile(r"(\b(?:PG|ssl)?password=)[^\s'\"&;)?]+", re.IGNORECASE)
_URI = re.compile(r"(\bpostgres(?:ql)?://[^\s:/@'\"]{0,200}:)[^\s@'\"]{0,200}@", re.IGNORECASE)


def safe(text: str, *, lines: bool = False) -> str:
    """The text with every control and format character shown as ``·``.

    Line ends and tabs become one blank, or stay where ``lines`` is true (a query that is shown whole).
    """
    # What Python calls printable is none of the categories that are hidden.
    if text.isprintable():
        return text
    return text.translate(_LINES if lines else _ONE_LINE)


def without_passwords(text: str) -> str:
    """The text with every password that can be told as one as ``***``: journals and screens hold none.

    The literal after PASSWORD (CREATE ROLE, a user mapping's options), a setting ``password=`` (conninfo, PGPASSWORD),
    and the one in a URI. What only the server knows to be a password (an argument of format()) is not found.
    """
    lower = text.lower()
    if "password" in lower:
        text = _ROLE.sub(r"\1'***'", text)
        text = _SETTING.sub(r"\1'***'", text)
        text = _BARE_SETTING.sub(r"\1***", text)
    return _URI.sub(r"\1***@", text) if "postgres" in lower else text


@dataclass(frozen=True, slots=True)
class Session:
    """One row of pg_stat_activity. Seconds are the server's, at the time of the sample; None is unknown.

    ``query`` keeps its lines and at most its first 2,000 bytes. What the server hides from our role is empty or None.
    """

    pid: int
    leader_pid: int | None
    backend_start: datetime | None
    user: str
    database: str
    application_name: str
    client: str
    state: str
    wait_event_type: str
    wait_event: str
    transaction_seconds: float | None
    state_seconds: float | None
    backend_xid: int | None
    backend_type: str
    query: str


@dataclass(frozen=True, slots=True)
class Lock:
    """One row of pg_locks. ``pid`` None is a prepared transaction. ``relation`` is a name, resolved or ``oid N``.

    ``relation`` names any other locked object too (``schema private``). ``mode`` is the server's word
    (``AccessExclusiveLock``). ``detail`` is the rest of the lock's tag as text: the row ``(12,5)``, the transaction
    ``4711``, the virtual transaction ``3/42``, the advisory key ``42`` or ``(1, 2)``.
    ``wait_seconds`` comes from waitstart; None where the lock is held or the server did not tell yet.
    """

    pid: int | None
    locktype: str
    database: int | None
    relation_oid: int | None
    relation: str
    detail: str
    mode: str
    granted: bool
    fastpath: bool
    wait_seconds: float | None
    virtualtransaction: str

    @property
    def tag(self) -> tuple[str, int | None, int | None, str]:
        """What is locked: equal tags are the same lock."""
        return (self.locktype, self.database, self.relation_oid, self.detail)


@dataclass(frozen=True, slots=True)
class Progress:
    """One row of a pg_stat_progress view. ``done`` and ``total`` in ``unit``, of ``phase``; None is unknown.

    ``phase`` is empty where it is hidden from our role. ``part``: the index or child table in hand. ``parts_done`` of
    ``parts_total`` count ``parts`` (partitions, tablespaces …) of the whole command. ``skipped``: rows that COPY leaves
    out as malformed. ``slept_seconds``: by the cost-based delay. Where this server does not tell them they are None.
    """

    pid: int
    command: str
    relation: str
    phase: str
    done: int | None
    total: int | None
    unit: str
    waits_for_pid: int | None
    part: str = ""
    parts_done: int | None = None
    parts_total: int | None = None
    parts: str = ""
    skipped: int | None = None
    slept_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Replica:
    """One row of pg_stat_replication; lag in seconds and bytes, None is unknown.

    ``reply_seconds``: how old the lag is, which is as of the replica's last word. ``state`` is empty where our role may
    not see more than that it is there.
    """

    application_name: str
    client: str
    state: str
    sync_state: str
    replay_lag_seconds: float | None
    replay_lag_bytes: int | None
    reply_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """One row of pg_replication_slots: the bytes of WAL that it keeps, and may at most (None: no limit).

    ``wal_status`` is the server's: reserved, extended, unreserved (about to be lost) or lost; empty is unknown.
    """

    name: str
    slot_type: str
    active: bool
    wal_status: str
    retained_bytes: int | None
    limit_bytes: int | None


HolderKind = Literal["session", "standby", "prepared transaction", "slot"]


@dataclass(frozen=True, slots=True)
class Horizon:
    """Who holds back the oldest xmin: dead rows that are younger than so many transactions stay.

    ``seconds`` since its transaction began, None where that is not known. ``name`` is the session's
    application_name, the slot's name or the prepared transaction's gid.
    """

    kind: HolderKind
    name: str
    pid: int | None
    transactions: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Rights:
    """What our role may: read every session's statistics, and signal other roles' sessions (but no superuser's)."""

    role: str
    reads_all: bool
    signals: bool


@dataclass(frozen=True, slots=True)
class Counters:
    """What the server counts: WAL position in bytes, transactions ended in this database, connections of clients.

    None is unknown. On a standby the WAL position is what it has received or replayed. ``temp_bytes`` is what this
    database's statements wrote to temporary files; ``usable_connections`` are those that are not reserved.
    """

    wal_bytes: int | None
    transactions: int | None
    connections: int | None
    max_connections: int
    in_recovery: bool
    rollbacks: int | None = None
    temp_bytes: int | None = None
    usable_connections: int | None = None


@dataclass(frozen=True, slots=True)
class PgError:
    """What PostgreSQL answered, field by field; ``line`` is in the script's file where a position is known."""

    sqlstate: str
    message: str
    detail: str = ""
    hint: str = ""
    context: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A source that gives nothing: ``why`` in a few words, since when; shown once, in its place."""

    name: str
    why: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """All that one look at the server gave. A source that gave nothing is in ``missing``, and its field is empty.

    ``blocking``: by the pid of each session that waits for a lock, whom it waits for; 0 is a prepared transaction.
    ``prepared``: the gid of each prepared transaction by its transaction id, asked only where one blocks.
    ``held``: of the relations that were asked for, the locks by relation, pid (None: a prepared transaction) and mode.
    ``own_transactions``: how many of the database's transactions were our own looks, since the connection was made.
    ``cost``: seconds from the first question to the last answer.
    ``rarely``: the sources that can wait are read every so many seconds, because looks take long; else None.
    """

    at: datetime
    cost: float
    sessions: tuple[Session, ...] = ()
    blocking: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    locks: tuple[Lock, ...] = ()
    prepared: Mapping[str, str] = field(default_factory=dict)
    progress: tuple[Progress, ...] = ()
    replicas: tuple[Replica, ...] = ()
    counters: Counters | None = None
    own_transactions: int = 0
    missing: tuple[Source, ...] = ()
    held: tuple[tuple[str, int | None, str], ...] = ()
    slots: tuple[Slot, ...] = ()
    horizon: Horizon | None = None
    rights: Rights | None = None
    rarely: float | None = None

    def has(self, source: str) -> bool:
        """This source gave an answer."""
        return all(gone.name not in (source, MONITOR) for gone in self.missing)


MONITOR = "monitor"
"""The name of the source that is missing while there is no connection: all of them."""
