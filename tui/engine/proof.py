"""What a rehearsal found out, and how much of it still holds. Pure; seconds and bytes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Verdict = Literal["proven", "lossy", "failed", "missing"]
"""A way back: it ends where it began; it ends elsewhere, which is named; it does not end; there is none."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a database is not what it was before.

    ``words`` say it whole, without a full stop: ``constraint tasks_user_id_fkey on dev.tasks is gone``. ``order``: only
    the order of columns is another one.
    """

    rank: Literal["lost", "changed", "added", "order"]
    object: str
    words: str


@dataclass(frozen=True, slots=True)
class TakenLock:
    """A lock that a statement took: ``relation`` with its schema, ``mode`` as pg_locks names it."""

    relation: str
    mode: str


@dataclass(frozen=True, slots=True)
class Measure:
    """What one statement of a script did; relations as the monitor names them.

    ``wal``: bytes written meanwhile, by anybody. ``locks``: by relation the strongest, where it is stronger than what
    its transaction held before. ``watched``: it ran outside a transaction and its locks were looked for from another
    session, which may have come too late for some. ``notices`` are the server's words, its DEBUG messages left out.
    """

    index: int
    line: int
    tag: str
    seconds: float
    wal: int
    locks: tuple[TakenLock, ...] = ()
    rewrites: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    index_builds: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    watched: bool = False

    @property
    def relations(self) -> frozenset[str]:
        """All that it locks, rewrites or scans."""
        return frozenset((*self.rewrites, *self.scans, *(lock.relation for lock in self.locks)))


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table, or another relation, as the statistics know it; ``rows`` is None where none were ever taken."""

    table: str
    bytes: int
    rows: int | None
    index: bool = False


@dataclass(frozen=True, slots=True)
class ForeseenLock:
    """A lock that a step will take: ``relation`` as the monitor names it, ``mode`` as pg_locks does.

    ``statement`` (from 1) is the first that takes it. ``there``: the table's size where it was rehearsed, ``here``: in
    this database; None where that is unknown.
    """

    relation: str
    mode: str
    statement: int
    here: TableSize | None = None
    there: TableSize | None = None


@dataclass(frozen=True, slots=True)
class StepForecast:
    """What a step will do. ``seconds``: how long it took in rehearsal, from its first strong lock on to its end.

    ``source``: ``rehearsed``; ``rules``, which know a statement's text alone. ``caveats`` say what those cannot know.
    """

    step: str
    source: Literal["rehearsed", "rules"]
    locks: tuple[ForeseenLock, ...]
    rewrites: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    seconds: float | None = None
    stale: bool = False
    caveats: tuple[str, ...] = ()

    @property
    def relations(self) -> frozenset[str]:
        """All that it will lock, rewrite or scan."""
        return frozenset((*self.rewrites, *self.scans, *(lock.relation for lock in self.locks)))


@dataclass(frozen=True, slots=True)
class Made:
    """A table, or a column of one that was there before, that the steps have made: what a way back drops.

    ``count``: its rows, or its values that are not null; None where the table is too large to be counted now.
    """

    oid: int
    column: int
    name: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Loss:
    """What going back would drop: rows of the table ``name``, or values that are not null where it is a column.

    ``count`` is None where it is too large to be counted now. ``since``: how many more there are than when ``step`` was
    applied, which made it; None where that was not counted. ``carried``: its ways back carry them, says the runbook.
    """

    name: str
    what: Literal["rows", "values"]
    count: int | None
    step: str
    since: int | None
    carried: bool = False


@dataclass(frozen=True, slots=True)
class WayBack:
    """One way back that was tried: from where ``after`` is the last step applied, to where ``to`` is (None: nothing).

    ``seconds``: what its scripts took together. ``error`` says of a failed one which statement and what the server
    said. ``again``: where going forward once more did not end where it ended the first time.
    """

    after: str
    to: str | None
    scripts: tuple[str, ...]
    verdict: Verdict
    seconds: float | None = None
    differences: tuple[Difference, ...] = ()
    error: str = ""
    again: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class StepProof:
    """What was found of one step.

    ``scripts`` are the hashes, by name, of all scripts up to it and of all that undo them.
    ``state``: whether its own script got through. ``red``: verifications that were not as expected, in words.
    """

    step: str
    state: Literal["applied", "failed", "pending"]
    rollback: Verdict
    scripts: tuple[tuple[str, str], ...]
    forward_seconds: float | None = None
    rollback_seconds: float | None = None
    statements: tuple[Measure, ...] = ()
    differences: tuple[Difference, ...] = ()
    red: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A whole rehearsal: where and on what it ran, what came of each step and of each way back.

    ``limits`` say in words what could not be compared.
    """

    at: datetime
    runbook: str
    place: Literal["fixture", "clone", "like"]
    server: int
    steps: tuple[StepProof, ...]
    ways_back: tuple[WayBack, ...]
    tables: tuple[TableSize, ...]
    limits: tuple[str, ...]
    ok: bool
    kind: Literal["rehearsal"] = "rehearsal"
