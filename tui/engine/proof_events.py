"""What is told of rehearsals and of the proof that a way back led back. Durations are seconds."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from .proof import Difference, Made, Rehearsal, StepForecast, TableSize, WayBack


@dataclass(frozen=True, slots=True)
class RehearsalMoved:
    """A rehearsal begins its next part: ``done`` of ``total``, and what it does now in a few words."""

    at: datetime
    done: int
    total: int
    what: str
    kind: Literal["rehearsal_moved"] = "rehearsal_moved"


@dataclass(frozen=True, slots=True)
class WayBackTried:
    """A rehearsal has tried a way back."""

    at: datetime
    way: WayBack
    kind: Literal["way_back_tried"] = "way_back_tried"


@dataclass(frozen=True, slots=True)
class ProofRead:
    """The newest rehearsal of this runbook, as it is known where the run was opened.

    ``stale``: the steps that were rehearsed with other scripts than are there now.
    """

    at: datetime
    rehearsal: Rehearsal
    stale: tuple[str, ...] = ()
    kind: Literal["proof_read"] = "proof_read"


@dataclass(frozen=True, slots=True)
class ForecastMade:
    """What each step that is to come will lock, by its rehearsal or by rule, and how large those tables are here."""

    at: datetime
    steps: tuple[StepForecast, ...]
    tables: tuple[TableSize, ...]
    kind: Literal["forecast_made"] = "forecast_made"


@dataclass(frozen=True, slots=True)
class DeadlineCrossed:
    """A step that is to begin would end after the moment by which going back still fits: ``words`` tell when."""

    at: datetime
    step: str
    words: str
    kind: Literal["deadline_crossed"] = "deadline_crossed"


@dataclass(frozen=True, slots=True)
class LookStarted:
    """The database is looked at: to be kept as it is, to be compared, to count what is new. It may take a while."""

    at: datetime
    what: Literal["keeps", "compares", "counts"]
    kind: Literal["look_started"] = "look_started"


@dataclass(frozen=True, slots=True)
class FingerprintTaken:
    """How the database was before the first step is kept in it; ``error`` says why it could not be found out.

    ``tables``: the oid of each table and the number of its last column.
    """

    at: datetime
    sha256: str
    objects: int
    seconds: float
    tables: tuple[tuple[int, int], ...] = ()
    error: str = ""
    kind: Literal["fingerprint_taken"] = "fingerprint_taken"


@dataclass(frozen=True, slots=True)
class FingerprintCompared:
    """After a way back: where the database is not what it was before the first step; ``error``: that is not known.

    ``reading``: how rows were read. ``limits`` say what could be compared with nothing. ``earlier``: what an earlier
    try of these 24 hours, begun at ``earlier_at``, has lost and nobody has put back since. ``final``: asking again
    would end the same. ``left``: what is new and stays on purpose, as the runbook says.
    """

    at: datetime
    differences: tuple[Difference, ...]
    objects: int
    seconds: float
    error: str = ""
    reading: Literal["none", "sampled", "whole"] = "none"
    limits: tuple[str, ...] = ()
    earlier: tuple[Difference, ...] = ()
    earlier_at: datetime | None = None
    final: bool = False
    left: tuple[str, ...] = ()
    kind: Literal["fingerprint_compared"] = "fingerprint_compared"

    @property
    def identical(self) -> bool:
        """All that was compared: without rows where ``reading`` is none."""
        return not self.error and not self.differences


@dataclass(frozen=True, slots=True)
class MadeCounted:
    """Once ``step`` was applied: what is in the tables and columns that were not there before the first step.

    ``was``: what was in them just before it. ``error`` says why it could not be counted.
    """

    at: datetime
    step: str
    made: tuple[Made, ...]
    error: str = ""
    was: tuple[Made, ...] = ()
    kind: Literal["made_counted"] = "made_counted"
