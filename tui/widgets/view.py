"""Everything that a pane draws from, frozen: the state, the newest sample, and this moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tui.engine.facts import Holder
from tui.engine.sample import Sample
from tui.engine.state import (
    RunState,
    ScriptState,
    StepState,
    StepStatus,
    VerificationState,
    VerificationStatus,
)
from tui.postgres.rows import MONITOR, Source
from tui.runbook.model import Runbook

from .figures import Limits
from .line import Role


@dataclass(frozen=True, slots=True)
class View:
    """``before`` is the run as the journal knew it when this console opened; ``scripts`` each script's last try.

    ``chosen``: the operator moved the cursor since the last turn of events, and wants to see what it is on. ``holder``:
    who had the run in hand last, while it is watched.
    """

    state: RunState
    now: datetime
    sample: Sample | None = None
    runbook: Runbook | None = None
    before: RunState | None = None
    scripts: Mapping[str, ScriptState] = field(default_factory=dict)
    chosen: bool = False
    holder: Holder | None = None

    @property
    def script(self) -> ScriptState | None:
        """The script that is under way, if one is."""
        script = self.state.script
        return script if script is not None and script.active else None

    @property
    def in_pieces(self) -> str:
        """What a script that is not one transaction commits piece by piece, by its name."""
        script = self.state.script
        return "chunk" if script is not None and script.batch is not None else "statement"

    @property
    def lock_wait(self) -> float | None:
        """How long our running script has waited for a lock, in seconds; None if it does not wait."""
        if self.script is None or self.script.phase == "backoff" or self.sample is None:
            return None
        tree = self.sample.tree
        return (tree.our_wait_seconds or 0.0) if tree.waiting_for_lock else None

    @property
    def blind(self) -> Source | None:
        """Why and since when nothing is known of the server, while the monitor has lost it."""
        if self.sample is None:
            return None
        return next((source for source in self.sample.missing if source.name == MONITOR), None)

    @property
    def limits(self) -> Limits:
        """What the gauges are judged by: as patient as the guard is with what runs; else the runbook's own lag."""
        script, runbook = self.script, self.runbook
        steps = script.started.steps if script is not None else ()
        plans = [step.plan for step in self.state.steps if step.plan.id in steps]
        lags = [step.safety.max_replica_lag for step in runbook.steps if step.id in steps] if runbook else []
        return Limits(
            max((plan.max_blocked_sessions for plan in plans), default=None),
            max((plan.max_blocked_for for plan in plans), default=None),
            max(lags, default=runbook.safety.max_replica_lag if runbook else None),
            self.state.window_opened_at,
        )

    @property
    def elapsed(self) -> float | None:
        """Seconds since the try in hand began."""
        return None if self.script is None else (self.now - self.script.started.at).total_seconds()

    @property
    def throttled(self) -> str:
        """Why no chunk of our batch begins, if none does."""
        return self.script.batch.throttled if self.script is not None and self.script.batch is not None else ""

    @property
    def running_verification(self) -> VerificationState | None:
        running = VerificationStatus.RUNNING
        return next((v for v in self.state.verifications if v.status is running), None)

    def sign_of_step(self, step: StepState) -> tuple[str, Role]:
        """The step's sign and its colour."""
        if step.status is StepStatus.RUNNING and (self.lock_wait is not None or self.in_backoff or self.throttled):
            return "◷", "warn"
        return STEP_SIGNS[step.status]

    @property
    def in_backoff(self) -> bool:
        return self.script is not None and self.script.phase == "backoff"

    @property
    def retry_in(self) -> float:
        """Seconds until the next try, while one is awaited."""
        at = None if self.script is None else self.script.retry_at
        return 0.0 if at is None else max(0.0, (at - self.now).total_seconds())


STEP_SIGNS: dict[StepStatus, tuple[str, Role]] = {
    StepStatus.PENDING: ("○", "dim"),
    StepStatus.RUNNING: ("▶", "us"),
    StepStatus.APPLIED: ("✓", "good"),
    StepStatus.FAILED: ("✗", "bad"),
    StepStatus.IN_DOUBT: ("?", "bad"),
    StepStatus.ROLLED_BACK: ("↺", "warn"),
}
STEP_WORDS: dict[StepStatus, str] = {
    StepStatus.PENDING: "to come",
    StepStatus.RUNNING: "running",
    StepStatus.APPLIED: "committed",
    StepStatus.FAILED: "failed",
    StepStatus.IN_DOUBT: "in doubt",
    StepStatus.ROLLED_BACK: "rolled back",
}
VERIFICATION_SIGNS: dict[VerificationStatus, tuple[str, Role]] = {
    VerificationStatus.PENDING: ("○", "dim"),
    VerificationStatus.RUNNING: ("▶", "us"),
    VerificationStatus.PASSED: ("✓", "good"),
    VerificationStatus.FAILED: ("✗", "bad"),
    VerificationStatus.ACCEPTED: ("!", "warn"),
}
