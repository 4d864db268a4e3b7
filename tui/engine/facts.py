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
    """A step as the run began. ``expected`` (shortest, longest) in seconds; ``untested`` names what is missing."""

    id: str
    title: str
    statements: int
    transaction: bool
    expected: tuple[float, float] | None
    untested: tuple[str, ...]
    lock_retries: int
    max_blocked_sessions: int
    max_blocked_for: float


@dataclass(frozen=True, slots=True)
class PlannedVerification:
    """A verification as the run began; ``after`` is a step's id, ``end`` or ``back``."""

    id: str
    title: str
    after: str
    sql: str


@dataclass(frozen=True, slots=True)
class LedgerStep:
    """What the ledger in the database says of one step: the truth about what is committed.

    ``completed`` is set where a non-transactional script stopped after so many statements; ``undoing``, where that
    script was the step's way back.
    """

    step: str
    applied: bool
    at: datetime
    operator: str
    seconds: float
    sha256: str
    completed: int | None = None
    undoing: bool = False


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session that stood in our way, as it was seen last."""

    pid: int
    application_name: str
    user: str
    state: str
    holds: str
    transaction_seconds: float | None
