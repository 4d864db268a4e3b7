"""What happens to a run: opening, checklist, gates, verifications, ways back, its end. Durations are seconds."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tui.postgres.rows import PgError

from .facts import Change, Holder, LedgerStep, PlannedItem, PlannedStep, PlannedVerification, Remains, Target
from .script_events import CommitIntended

CommitStatus = Literal["committed", "aborted", "in progress", "unknown"]


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
    """The ledger was read; a step that it does not name was never applied, unless the ledger itself is lost.

    ``exists``: there is one. ``intent``: the COMMIT that nobody heard the answer to, if there is one, and ``commit``
    what the server's commit log says of it. ``under_way``: the session of an earlier console that still runs a script.
    """

    at: datetime
    steps: tuple[LedgerStep, ...]
    exists: bool = True
    intent: CommitIntended | None = None
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
    """This console watches: somebody else has the run in hand, or it only ever looks (``read_only``).

    ``holder`` is None when nobody has the run in hand: it can be taken over, unless ``read_only``.
    """

    at: datetime
    holder: Holder | None
    script_pid: int | None = None
    read_only: bool = False
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
    """The rows of a ``same_as_before`` verification before step one, as text; ``error`` if the query failed.

    ``sha256`` is over the rows as they came: what is kept of them has no passwords and no control characters.
    """

    at: datetime
    verification: str
    rows: tuple[tuple[str | None, ...], ...]
    error: str | None = None
    sha256: str = ""
    kind: Literal["baseline_taken"] = "baseline_taken"


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
