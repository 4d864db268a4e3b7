"""What happens while a script runs: statements, waits, chunks, commits, its end. Durations are seconds."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tui.postgres.rows import PgError

from .facts import Blocker
from .proof import Measure

Direction = Literal["forward", "back"]


@dataclass(frozen=True, slots=True)
class RepairStarted:
    """The operator said yes to taking away what a statement left behind; ``sql`` runs now."""

    at: datetime
    step: str
    sql: str
    operator: str
    kind: Literal["repair_started"] = "repair_started"


@dataclass(frozen=True, slots=True)
class RepairFinished:
    """``error`` says why it did not get through; empty where it did."""

    at: datetime
    step: str
    sql: str
    seconds: float
    error: str = ""
    kind: Literal["repair_finished"] = "repair_finished"


@dataclass(frozen=True, slots=True)
class ScriptStarted:
    """A try of a script began: a step's own (``forward``) or one that undoes ``steps`` (``back``).

    ``script`` is the step's id, or the rollback's: for a step's own rollback again the step's id.
    ``tries`` is how many there may be.
    """

    at: datetime
    script: str
    title: str
    direction: Direction
    steps: tuple[str, ...]
    attempt: int
    tries: int
    statements: int
    backend_pid: int
    operator: str
    kind: Literal["script_started"] = "script_started"


@dataclass(frozen=True, slots=True)
class StatementStarted:
    """Statement ``index`` (from 1) was sent; ``line`` is its line in the script's file."""

    at: datetime
    script: str
    index: int
    line: int
    tag: str
    sql: str
    kind: Literal["statement_started"] = "statement_started"


@dataclass(frozen=True, slots=True)
class StatementFinished:
    """``rows`` is None where the command tag has no count; ``status`` is the server's command tag."""

    at: datetime
    script: str
    index: int
    seconds: float
    rows: int | None
    status: str
    kind: Literal["statement_finished"] = "statement_finished"


@dataclass(frozen=True, slots=True)
class StatementMeasured:
    """What the statement that finished has locked, written, scanned and built: in a rehearsal."""

    at: datetime
    script: str
    direction: Direction
    measure: Measure
    kind: Literal["statement_measured"] = "statement_measured"


@dataclass(frozen=True, slots=True)
class NoticeRaised:
    """The server said something while a script ran: NOTICE, WARNING, INFO…"""

    at: datetime
    script: str
    severity: str
    message: str
    kind: Literal["notice_raised"] = "notice_raised"


@dataclass(frozen=True, slots=True)
class LockWaited:
    """A wait of ours for a lock ended: granted, timed out, given back by the guard, or cancelled."""

    at: datetime
    script: str
    index: int
    wanted: str
    seconds: float
    blockers: tuple[Blocker, ...]
    queued: int
    kind: Literal["lock_waited"] = "lock_waited"


@dataclass(frozen=True, slots=True)
class LocksGivenBack:
    """The try was rolled back to free the application; the next one begins after ``retry_in`` seconds."""

    at: datetime
    script: str
    attempt: int
    reason: Literal["lock_timeout", "guard", "deadlock", "serialization"]
    detail: str
    retry_in: float
    kind: Literal["locks_given_back"] = "locks_given_back"


@dataclass(frozen=True, slots=True)
class CommitIntended:
    """Written and fsynced before COMMIT is sent: afterwards the server can be asked what became of it.

    ``part``: of a script that is not one transaction, and not its end. ``timeline``: of the server's WAL, in hex.
    """

    at: datetime
    script: str
    direction: Direction
    transaction_id: int
    steps: tuple[str, ...] = ()
    part: bool = False
    timeline: str = ""
    kind: Literal["commit_intended"] = "commit_intended"


@dataclass(frozen=True, slots=True)
class BatchMeasured:
    """A pass over the table begins: ``left`` rows are still to be done, ``done`` are done by this script so far."""

    at: datetime
    script: str
    done: int
    left: int
    size: int
    kind: Literal["batch_measured"] = "batch_measured"


@dataclass(frozen=True, slots=True)
class BatchDone:
    """Chunk ``chunk`` (from 1) of ``rows`` rows is committed, ledger row and all; the next one takes ``size`` rows."""

    at: datetime
    script: str
    chunk: int
    rows: int
    seconds: float
    done: int
    size: int
    kind: Literal["batch_done"] = "batch_done"


@dataclass(frozen=True, slots=True)
class BatchThrottled:
    """No chunk begins, for this reason; an empty one: it goes on."""

    at: datetime
    script: str
    reason: str
    kind: Literal["batch_throttled"] = "batch_throttled"


@dataclass(frozen=True, slots=True)
class ScriptDone:
    """Committed, ledger row and all: the steps are applied (forward) or rolled back (back)."""

    at: datetime
    script: str
    direction: Direction
    steps: tuple[str, ...]
    seconds: float
    kind: Literal["script_done"] = "script_done"


@dataclass(frozen=True, slots=True)
class ScriptFailed:
    """The script did not get through. ``outcome`` tells what the database holds now.

    ``rolled_back``: nothing of the script is in the database. ``partial``: a non-transactional script stopped
    after ``completed`` statements or chunks. ``in_doubt``: COMMIT was sent and its answer is not known.
    ``advice``: what the error means here and what mends it, beside the server's own ``message``.
    """

    at: datetime
    script: str
    direction: Direction
    steps: tuple[str, ...]
    reason: Literal["error", "cancelled", "locks", "connection"]
    outcome: Literal["rolled_back", "partial", "in_doubt"]
    completed: int
    error: PgError | None
    message: str
    advice: str = ""
    kind: Literal["script_failed"] = "script_failed"
