"""What events carry: the target, the plan as a run began, the ledger's rows, a blocker as it was seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Target:
    """The database that a run works on. ``system_identifier`` is None where the server does not tell it.

    ``database_oid`` tells a database from another one that had its name before.
    """

    host: str
    port: int
    database: str
    user: str
    server_version: int
    system_identifier: int | None
    production: bool
    database_oid: int | None = None

    @property
    def version(self) -> str:
        """``16.14`` from server_version_num 160014."""
        return f"{self.server_version // 10000}.{self.server_version % 10000}"


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """A checklist line as the run began. ``by``: who ticks it (human, probe or command)."""

    id: str
    title: str
    detail: str
    phase: Literal["before", "during", "after"]
    required: bool
    by: Literal["human", "probe", "command"]
    step: str | None


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step as the run began. ``expected`` (shortest, longest) in seconds; ``untested`` names what is missing.

    ``not_before``: so many seconds after the step before it was applied.
    """

    id: str
    title: str
    statements: int
    transaction: bool
    expected: tuple[float, float] | None
    untested: tuple[str, ...]
    lock_retries: int
    max_blocked_sessions: int
    max_blocked_for: float
    point_of_no_return: bool = False
    not_before: float | None = None


@dataclass(frozen=True, slots=True)
class PlannedVerification:
    """A verification as the run began; ``after`` is a step's id, ``end`` or ``back``."""

    id: str
    title: str
    after: str
    sql: str


@dataclass(frozen=True, slots=True)
class Position:
    """How far a batched script came: ``rows`` in all, ``after`` the last key of this pass, None at its start."""

    rows: int
    after: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class LedgerStep:
    """What the ledger in the database says of one step: the truth about what is committed.

    ``completed`` is set where a script stopped on its way: so many statements, or chunks of a batch, are committed.
    ``undoing``: that script was the step's way back. ``begun``: this statement was sent, and the ledger does not know
    its end. ``position``: how far a batched script came. ``settled``: a human said so. ``meaning`` and the two hashes
    of runbook.toml are empty where they are unknown.
    """

    step: str
    applied: bool
    at: datetime
    operator: str
    seconds: float
    sha256: str
    completed: int | None = None
    undoing: bool = False
    script: str = ""
    begun: int | None = None
    position: Position | None = None
    settled: bool = False
    meaning: str = ""
    runbook_sha256: str = ""
    runbook_meaning: str = ""


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session that stood in our way, as it was seen last."""

    pid: int
    application_name: str
    user: str
    state: str
    holds: str
    transaction_seconds: float | None


@dataclass(frozen=True, slots=True)
class Remains:
    """What the catalog says of a statement outside a transaction that did not come to its end, or may not.

    ``done``: it took effect. ``not_done``: nothing of it is there, or it may simply be repeated. ``leftover``: it left
    something that is in the way, which the statements of ``repair`` take away. ``unknown``: the catalog cannot tell.
    ``what`` says it in one plain sentence, without a full stop.
    """

    outcome: Literal["done", "not_done", "leftover", "unknown"]
    what: str
    repair: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A file that is no longer what it was when ``step`` was applied; no step is named where it is runbook.toml.

    Hashes are sha256 in hex. ``comments``: the statements are the same, only comments and white space differ.
    ``partly``: the script, a step's own or its way back, was begun and did not come to its end.
    """

    file: str
    step: str
    kind: Literal["comments", "more"]
    applied_sha256: str
    sha256: str
    applied_at: datetime
    partly: bool = False

    @property
    def id(self) -> str:
        """What an override names it by."""
        return f"changed:{self.file}"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has the run in hand: the session that holds the operator's lock. ``client`` is its address or host."""

    pid: int
    operator: str
    user: str
    client: str
    since: datetime
