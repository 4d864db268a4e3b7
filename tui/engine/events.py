"""The one language between engine, journal, screen and ``--json``: what happened, as frozen facts.

Every event has ``at`` (UTC) and a ``kind``, the snake_case of its class. Durations are seconds.
"""

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

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
from .kept import kept
from .proof_events import DeadlineCrossed as DeadlineCrossed
from .proof_events import FingerprintCompared as FingerprintCompared
from .proof_events import FingerprintTaken as FingerprintTaken
from .proof_events import ForecastMade as ForecastMade
from .proof_events import LookStarted as LookStarted
from .proof_events import MadeCounted as MadeCounted
from .proof_events import ProofRead as ProofRead
from .proof_events import RehearsalMoved as RehearsalMoved
from .proof_events import WayBackTried as WayBackTried
from .run_events import BaselineTaken as BaselineTaken
from .run_events import ChangesFound as ChangesFound
from .run_events import CommitStatus as CommitStatus
from .run_events import GateOverridden as GateOverridden
from .run_events import ItemProbed as ItemProbed
from .run_events import ItemsAsked as ItemsAsked
from .run_events import ItemTicked as ItemTicked
from .run_events import LedgerRead as LedgerRead
from .run_events import PauseSet as PauseSet
from .run_events import ProductionConfirmed as ProductionConfirmed
from .run_events import RemainsFound as RemainsFound
from .run_events import RollbackFinished as RollbackFinished
from .run_events import RollbackPlanned as RollbackPlanned
from .run_events import RunClosed as RunClosed
from .run_events import RunOpened as RunOpened
from .run_events import RunWatched as RunWatched
from .run_events import ServerAnswered as ServerAnswered
from .run_events import ServerAwaited as ServerAwaited
from .run_events import SessionSignalled as SessionSignalled
from .run_events import StepSettled as StepSettled
from .run_events import VerificationFinished as VerificationFinished
from .run_events import VerificationStarted as VerificationStarted
from .run_events import WindowOpened as WindowOpened
from .script_events import BatchDone as BatchDone
from .script_events import BatchMeasured as BatchMeasured
from .script_events import BatchThrottled as BatchThrottled
from .script_events import CommitIntended as CommitIntended
from .script_events import Direction as Direction
from .script_events import LocksGivenBack as LocksGivenBack
from .script_events import LockWaited as LockWaited
from .script_events import NoticeRaised as NoticeRaised
from .script_events import RepairFinished as RepairFinished
from .script_events import RepairStarted as RepairStarted
from .script_events import ScriptDone as ScriptDone
from .script_events import ScriptFailed as ScriptFailed
from .script_events import ScriptStarted as ScriptStarted
from .script_events import StatementFinished as StatementFinished
from .script_events import StatementMeasured as StatementMeasured
from .script_events import StatementStarted as StatementStarted

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


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
    | StatementMeasured
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
    | ProofRead
    | ForecastMade
    | DeadlineCrossed
    | LookStarted
    | FingerprintTaken
    | FingerprintCompared
    | MadeCounted
    | RehearsalMoved
    | WayBackTried
    | RunClosed
)


@cache
def _adapter() -> "TypeAdapter[Any]":
    from pydantic import Field, TypeAdapter

    return TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def to_json(event: Event) -> bytes:
    """The event as the record keeps it, as one line of JSON without the line's end."""
    return bytes(_adapter().dump_json(kept(event)))


def from_json(line: bytes) -> Event:
    """The event of a journal's line; ValueError (pydantic's) if it is none."""
    event: Event = _adapter().validate_json(line)
    return event
