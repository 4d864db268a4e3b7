"""The one language between engine, journal, screen and ``--json``: what happened, as frozen facts.

Every event has ``at`` (UTC) and a ``kind``, the snake_case of its class. Durations are seconds.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tui.postgres.rows import PgError as PgError

from .facts import Blocker as Blocker
from .facts import Change as Change
from .facts import Holder as Holder
from .facts import LedgerStep as LedgerStep
from .facts import PlannedItem as PlannedItem
from .facts import PlannedStep as PlannedStep
from .facts import PlannedVerification as PlannedVerification
from .facts import Position as Position
from .facts import Remains as Remains
from .facts import Target as Target

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class RunOpened:
    """A console or a headless command opened the run, for the first time or again."""

    at: datetime
    run: str
    runbook: str
    title: str
    runbook_sha256: str
    operator: str
    client: str
    target: Target
    window: float
    items: tuple[PlannedItem, ...]
    steps: tuple[PlannedStep, ...]
    verifications: tuple[PlannedVerification, ...]
    kind: Literal["run_opened"] = "run_opened"


CommitStatus = Literal["committed", "aborted", "in progress", "unknown"]


@dataclass(frozen=True, slots=True)
class LedgerRead:
    """The ledger was read; a step that it does not name was never applied, unless the ledger itself is lost.

    ``exists``: there is one. ``intent``: the COMMIT that nobody heard the answer to, if there is one, and ``commit``
    what the server's commit log says of it. ``under_way``: the session of an earlier console that still runs a script.
    """

    at: datetime
    steps: tuple[LedgerStep, ...]
    exists: bool = True
    intent: "CommitIntended | None" = None
    commit: CommitStatus | None = None
    under_way: int | None = None
    kind: Literal["ledger_read"] = "ledger_read"


@dataclass(frozen=True, slots=True)
class RemainsFound:
    """The catalog was asked what became of this statement (from 1) of a step's script outside a transaction."""

    at: datetime
    step: str
    statement: int
    remains: Remains
    kind: Literal["remains_found"] = "remains_found"


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
    """``error`` is None where the repair got through."""

    at: datetime
    step: str
    sql: str
    seconds: float
    error: PgError | None
    kind: Literal["repair_finished"] = "repair_finished"


@dataclass(frozen=True, slots=True)
class StepSettled:
    """A human looked and said what became of a step in doubt, or of the statement where it stopped."""

    at: datetime
    step: str
    applied: bool
    reason: str
    operator: str
    kind: Literal["step_settled"] = "step_settled"


@dataclass(frozen=True, slots=True)
class ChangesFound:
    """Files that are no longer what they were when they were applied; empty when all are."""

    at: datetime
    changes: tuple[Change, ...]
    kind: Literal["changes_found"] = "changes_found"


@dataclass(frozen=True, slots=True)
class RunWatched:
    """Somebody else has the run in hand and this console watches; ``holder`` is None once it can be taken over."""

    at: datetime
    holder: Holder | None
    script_pid: int | None = None
    kind: Literal["run_watched"] = "run_watched"


@dataclass(frozen=True, slots=True)
class ServerAwaited:
    """The connection is lost and a new one does not come about yet: ``why``, in the server's or the system's words."""

    at: datetime
    why: str
    kind: Literal["server_awaited"] = "server_awaited"


@dataclass(frozen=True, slots=True)
class ServerAnswered:
    """The wait for the server is over: the connection is back, to the same database, or it was given up."""

    at: datetime
    back: bool
    kind: Literal["server_answered"] = "server_answered"


@dataclass(frozen=True, slots=True)
class ProductionConfirmed:
    """The operator typed the production database's name."""

    at: datetime
    operator: str
    database: str
    kind: Literal["production_confirmed"] = "production_confirmed"


@dataclass(frozen=True, slots=True)
class ItemTicked:
    """A human ticked a checklist item, or took the tick back (``done`` False)."""

    at: datetime
    item: str
    operator: str
    done: bool
    note: str = ""
    kind: Literal["item_ticked"] = "item_ticked"


@dataclass(frozen=True, slots=True)
class ItemsAsked:
    """The tool set out to look: each of these items gets its answer as an ItemProbed."""

    at: datetime
    items: tuple[str, ...]
    kind: Literal["items_asked"] = "items_asked"


@dataclass(frozen=True, slots=True)
class ItemProbed:
    """The tool looked: a query or a command answered. ``output`` is the command's, or the rows as text."""

    at: datetime
    item: str
    ok: bool
    expected: str
    found: str
    output: str
    seconds: float
    error: str | None = None
    kind: Literal["item_probed"] = "item_probed"


@dataclass(frozen=True, slots=True)
class GateOverridden:
    """The operator went on past open required items or failed verifications, with a reason."""

    at: datetime
    open: tuple[str, ...]
    reason: str
    operator: str
    kind: Literal["gate_overridden"] = "gate_overridden"


@dataclass(frozen=True, slots=True)
class WindowOpened:
    """The clock of the downtime window started."""

    at: datetime
    operator: str
    seconds: float
    kind: Literal["window_opened"] = "window_opened"


@dataclass(frozen=True, slots=True)
class BaselineTaken:
    """The rows of a ``same_as_before`` verification before step one, as text; ``error`` if the query failed."""

    at: datetime
    verification: str
    rows: tuple[tuple[str | None, ...], ...]
    error: str | None = None
    kind: Literal["baseline_taken"] = "baseline_taken"


Direction = Literal["forward", "back"]


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

    ``part``: of a script that is not one transaction, and not its end.
    """

    at: datetime
    script: str
    direction: Direction
    transaction_id: int
    steps: tuple[str, ...] = ()
    part: bool = False
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


@dataclass(frozen=True, slots=True)
class VerificationStarted:
    at: datetime
    verification: str
    kind: Literal["verification_started"] = "verification_started"


@dataclass(frozen=True, slots=True)
class VerificationFinished:
    """``rows`` holds at most the first 50 rows under ``columns``, as text; ``row_count`` all of them."""

    at: datetime
    verification: str
    ok: bool
    expected: str
    found: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    row_count: int
    seconds: float
    error: PgError | None = None
    kind: Literal["verification_finished"] = "verification_finished"


@dataclass(frozen=True, slots=True)
class RollbackPlanned:
    """The operator said yes to a rollback: these scripts, in this order, down to before/after ``to``."""

    at: datetime
    operator: str
    scripts: tuple[str, ...]
    undoes: tuple[str, ...]
    to: str | None
    kind: Literal["rollback_planned"] = "rollback_planned"


@dataclass(frozen=True, slots=True)
class RollbackFinished:
    """The rollback came to its end; ``ok`` is False if a script failed on the way."""

    at: datetime
    ok: bool
    kind: Literal["rollback_finished"] = "rollback_finished"


@dataclass(frozen=True, slots=True)
class SessionSignalled:
    """The operator cancelled or terminated a session; ``gone`` tells what was seen afterwards."""

    at: datetime
    pid: int
    action: Literal["cancel", "terminate"]
    operator: str
    session: str
    sent: bool
    gone: bool
    message: str
    kind: Literal["session_signalled"] = "session_signalled"


@dataclass(frozen=True, slots=True)
class PauseSet:
    """The operator paused the run before the next script, or let it go on."""

    at: datetime
    paused: bool
    operator: str
    kind: Literal["pause_set"] = "pause_set"


@dataclass(frozen=True, slots=True)
class RunClosed:
    """The console or command let go of the run."""

    at: datetime
    reason: str
    exit_code: int
    kind: Literal["run_closed"] = "run_closed"


Event = (
    RunOpened
    | LedgerRead
    | RemainsFound
    | RepairStarted
    | RepairFinished
    | StepSettled
    | ChangesFound
    | RunWatched
    | ServerAwaited
    | ServerAnswered
    | ProductionConfirmed
    | ItemTicked
    | ItemsAsked
    | ItemProbed
    | GateOverridden
    | WindowOpened
    | BaselineTaken
    | ScriptStarted
    | StatementStarted
    | StatementFinished
    | NoticeRaised
    | LockWaited
    | LocksGivenBack
    | CommitIntended
    | BatchMeasured
    | BatchDone
    | BatchThrottled
    | ScriptDone
    | ScriptFailed
    | VerificationStarted
    | VerificationFinished
    | RollbackPlanned
    | RollbackFinished
    | SessionSignalled
    | PauseSet
    | RunClosed
)


@cache
def _adapter() -> "TypeAdapter[Any]":
    from pydantic import Field, TypeAdapter

    return TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def to_json(event: Event) -> bytes:
    """The event as one line of JSON, without the line's end."""
    return bytes(_adapter().dump_json(event))


def from_json(line: bytes) -> Event:
    """The event of a journal's line; ValueError (pydantic's) if it is none."""
    event: Event = _adapter().validate_json(line)
    return event
