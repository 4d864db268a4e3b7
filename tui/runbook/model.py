"""The runbook as the engine sees it: resolved, checked, immutable. Durations are seconds."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeVar

from .statements import Statement

Scalar = str | int | float | bool | None


class Phase(StrEnum):
    """When a checklist item is due."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


class Expectation(StrEnum):
    """How the rows of a query are judged."""

    VALUE = "value"
    ROWS = "rows"
    EMPTY = "empty"
    EQUALS = "equals"
    BETWEEN = "between"
    SAME_AS_BEFORE = "same_as_before"


AFTER_END = "end"
AFTER_BACK = "back"
BATCH = "batch"
"""The temporary table that holds the keys of one chunk."""


@dataclass(frozen=True, slots=True)
class Expect:
    """What a query must give; ``value`` holds what the kind needs, in the runbook's own types.

    ``value``: a scalar. ``rows``: an int. ``empty`` and ``same_as_before``: True. ``equals``: a tuple of
    row tuples. ``between``: a pair of numbers or strings, both ends included.
    """

    kind: Expectation
    value: Scalar | tuple[Scalar, Scalar] | tuple[tuple[Scalar, ...], ...]


@dataclass(frozen=True, slots=True)
class Script:
    """SQL from a file or from the runbook itself, with what psql's ``\\i`` included already in its place.

    ``name`` is the path relative to the runbook, or ``runbook.toml:LINE`` for inline SQL. ``text`` is as it lies
    on the disk. ``statements`` leaves out a BEGIN and COMMIT that wrap the whole file. ``files`` names, for each
    statement, the file in which its ``line`` counts; its ``start`` and ``end`` count in that file's own text.
    ``included`` holds the texts of the included files in the order of their ``\\i``.
    """

    name: str
    text: str
    statements: tuple[Statement, ...]
    files: tuple[str, ...] = ()
    included: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Over the text as it lies on the disk; with inclusions over all their texts, a NUL before each."""
        return hashlib.sha256("\0".join((self.text, *self.included)).encode()).hexdigest()

    def place(self, index: int) -> str:
        """Where the statement with this index stands: ``steps/005.sql:12``."""
        return f"{self.files[index] if self.files else self.name}:{self.statements[index].line}"


@dataclass(frozen=True, slots=True)
class Safety:
    """What a step may do to the application before it gives its locks back. Seconds and sessions."""

    lock_timeout: float = 3.0
    lock_retries: int = 10
    statement_timeout: float = 600.0
    max_blocked_sessions: int = 20
    max_blocked_for: float = 5.0
    max_replica_lag: float = 30.0


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One line of the checklist, ticked by a human, a query (``sql`` and ``expect``) or a ``command``."""

    id: str
    phase: Phase
    title: str
    detail: str = ""
    required: bool = True
    sql: Script | None = None
    expect: Expect | None = None
    command: str | None = None
    step: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """How a backfill is cut into chunks, each a transaction of its own.

    ``table`` is as SQL writes it. ``key`` names its columns, without quotes. ``where`` is the condition of a row that
    still has to be done. ``size`` and ``max_size`` count rows: of the first chunk, and the most that any may have.
    ``target`` is how long a chunk should take, in seconds.
    """

    table: str
    key: tuple[str, ...]
    where: str
    size: int = 1000
    target: float = 1.0
    max_size: int = 100_000


@dataclass(frozen=True, slots=True)
class Step:
    """One script of the migration. ``expected`` is (shortest, longest) in seconds, or None.

    With a ``batch`` the script's statements run once a chunk; the prelude that fills ``batch`` for psql is left out.
    ``point_of_no_return``: nothing takes it back, nor what was before it. ``not_before``: so many seconds after the
    step before it was applied; None where it need not wait.
    """

    id: str
    title: str
    sql: Script
    rollback: Script | None
    transaction: bool
    expected: tuple[float, float] | None
    safety: Safety
    batch: Batch | None = None
    point_of_no_return: bool = False
    not_before: float | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """A query and what it must give. ``after``: a step's id, ``end``, ``back`` (after a whole rollback)."""

    id: str
    title: str
    sql: Script
    after: str
    expect: Expect


@dataclass(frozen=True, slots=True)
class Rollback:
    """One script that undoes several steps at once."""

    id: str
    title: str
    undoes: tuple[str, ...]
    sql: Script


@dataclass(frozen=True, slots=True)
class Requires:
    """What the server must have: the least major version, and extensions by name."""

    server: int | None = None
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """How closely a database is looked at before the first step and after the way back.

    ``data``: its rows not at all; tables of more than ``whole_up_to`` rows at both ends of their key; or all of them.
    ``carries`` names tables, with their schema, and columns that ways back drop and whose rows they carry back;
    ``leaves`` what they leave behind on purpose.
    """

    data: Literal["none", "sampled", "whole"] = "none"
    whole_up_to: int = 100_000
    carries: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Runbook:
    """A whole runbook. ``production`` is True or fnmatch patterns over host and database name.

    ``toml`` is the text of its ``runbook.toml`` as it lies on the disk.
    """

    path: Path
    name: str
    window: float
    requires: Requires
    production: bool | tuple[str, ...]
    safety: Safety
    checklist: tuple[ChecklistItem, ...]
    steps: tuple[Step, ...]
    verifications: tuple[Verification, ...]
    rollbacks: tuple[Rollback, ...]
    proof: Proof = Proof()
    toml: str = ""

    @property
    def slug(self) -> str:
        """The directory's name: the identity of the runbook in ledger and journal."""
        return self.path.name

    @property
    def sha256(self) -> str:
        """One hash over every script that changes the database, in order."""
        digest = hashlib.sha256()
        for step in self.steps:
            digest.update(f"{step.id}\0{step.sql.sha256}\0{step.rollback.sha256 if step.rollback else ''}\0".encode())
        for rollback in self.rollbacks:
            digest.update(f"{rollback.id}\0{rollback.sql.sha256}\0".encode())
        return digest.hexdigest()

    @property
    def toml_sha256(self) -> str:
        """Of its ``runbook.toml`` as it lies on the disk."""
        return hashlib.sha256(self.toml.encode()).hexdigest()

    def step(self, step_id: str) -> Step:
        """The step with this id; KeyError if there is none."""
        return _with_id(self.steps, step_id)

    def item(self, item_id: str) -> ChecklistItem:
        """The checklist item with this id; KeyError if there is none."""
        return _with_id(self.checklist, item_id)

    def verification(self, verification_id: str) -> Verification:
        """The verification with this id; KeyError if there is none."""
        return _with_id(self.verifications, verification_id)

    def verifications_after(self, after: str) -> tuple[Verification, ...]:
        return tuple(v for v in self.verifications if v.after == after)

    def untested(self, step: Step) -> tuple[str, ...]:
        """What nobody can vouch for: ``no rollback`` and ``no verification``, each where it holds."""
        missing = []
        undone = step.rollback is not None or any(step.id in r.undoes for r in self.rollbacks)
        if not undone and not step.point_of_no_return:
            missing.append("no rollback")
        position = [s.id for s in self.steps].index(step.id)
        later = {s.id for s in self.steps[position:]} | {AFTER_END}
        if not any(v.after in later for v in self.verifications):
            missing.append("no verification")
        return tuple(missing)


_Item = TypeVar("_Item", Step, ChecklistItem, Verification)


def _with_id(items: tuple[_Item, ...], wanted: str) -> _Item:
    for item in items:
        if item.id == wanted:
            return item
    raise KeyError(wanted)
