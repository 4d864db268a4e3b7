"""The one language between engine, journal, screen and ``--json``: what happened, as frozen facts.

Every event has ``at`` (UTC) and a ``kind``, the snake_case of its class. Durations are seconds.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tui.postgres.rows import PgError as PgError

from .facts import Blocker as Blocker
from .facts import LedgerStep as LedgerStep
from .facts import PlannedItem as PlannedItem
from .facts import PlannedStep as PlannedStep
from .facts import PlannedVerification as PlannedVerification
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


@dataclass(frozen=True, slots=True)
class LedgerRead:
    """The ledger was read; a step that it does not name was never applied."""

    at: datetime
    steps: tuple[LedgerStep, ...]
    kind: Literal["ledger_read"] = "ledger_read"


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
    """Written and fsynced before COMMIT is sent: afterwards the server can be asked what became of it."""

    at: datetime
    script: str
    direction: Direction
    transaction_id: int
    kind: Literal["commit_intended"] = "commit_intended"


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
    after ``completed`` statements. ``in_doubt``: COMMIT was sent and its answer is not known.
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
