"""The places on which a runbook can be rehearsed."""

from tui.postgres.session import Dsn
from tui.runbook.model import Runbook

from .place import Place, PlaceFailed, Told
from .place_clone import Clone, sweep
from .place_fit import fit_to_copy, size_in_words
from .place_fixture import Fixture
from .place_keeper import GUARDED
from .place_like import Like

__all__ = [
    "GUARDED",
    "Place",
    "PlaceFailed",
    "Told",
    "fit_to_copy",
    "on_clone",
    "on_fixture",
    "on_like",
    "size_in_words",
    "sweep",
]


def on_fixture(runbook: Runbook, *, scale: float = 1.0, major: int | None = None, told: Told) -> Place:
    """The runbook's fixture on an embedded server, of this major or the newest; ``scale`` 1 is its author's size."""
    return Fixture(runbook, scale, major, told)


def on_clone(dsn: Dsn, runbook: Runbook, *, told: Told) -> Place:
    """A copy of the database on its own server, data and all. While it is copied nobody may be connected to it."""
    return Clone(dsn, runbook, told)


def on_like(dsn: Dsn, runbook: Runbook, *, major: int | None = None, told: Told) -> Place:
    """The database's schema, without rows, on an embedded server of its major or a newer one, or of ``major``."""
    return Like(dsn, runbook, major, told)
