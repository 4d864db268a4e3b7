"""A script to run, and how a try of it ends early."""

import random
from dataclasses import dataclass
from typing import Literal

from tui.postgres.rows import PgError
from tui.runbook.model import Batch, Safety, Script
from tui.runbook.statements import Statement

from . import events as e
from .facts import Position

GiveBack = Literal["lock_timeout", "guard", "deadlock", "serialization"]

_LONGEST_BACKOFF = 10.0


@dataclass(frozen=True, slots=True)
class Job:
    """A step's own script (forward) or one that undoes ``steps`` (back).

    ``skip`` statements, or chunks of a batch, are committed already; ``position`` is how far a batch came. ``repair``
    takes away what an earlier try left behind, before anything else.
    """

    id: str
    title: str
    direction: e.Direction
    steps: tuple[str, ...]
    script: Script
    transaction: bool
    safety: Safety
    skip: int = 0
    batch: Batch | None = None
    position: Position | None = None
    repair: tuple[Statement, ...] = ()


class Stop(Exception):
    """A try ended before its end; ``give_back`` is set where another one may follow."""

    def __init__(
        self,
        reason: Literal["error", "cancelled", "locks"],
        message: str,
        error: PgError | None = None,
        give_back: GiveBack | None = None,
    ) -> None:
        super().__init__(message)
        self.reason, self.message, self.error, self.give_back = reason, message, error, give_back


def backoff(attempt: int) -> float:
    """Seconds to leave the application alone after this try: 1, 2, 4, 8, then 10, each a quarter more or less."""
    return float(min(_LONGEST_BACKOFF, 2.0 ** (attempt - 1)) * random.uniform(0.75, 1.25))  # noqa: S311
