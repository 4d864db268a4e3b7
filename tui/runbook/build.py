"""From the tables of a ``runbook.toml`` to the runbook: what holds between tables, and the scripts."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from tui.runbook.batched import prelude
from tui.runbook.findings import Finding, nearest_or_all, quoted
from tui.runbook.inclusion import RUNBOOK_FILE
from tui.runbook.model import (
    AFTER_BACK,
    AFTER_END,
    Batch,
    ChecklistItem,
    Expect,
    Expectation,
    Phase,
    Proof,
    Requires,
    Rollback,
    Runbook,
    Safety,
    Script,
    Step,
    Verification,
)
from tui.runbook.schema import (
    ELEMENTS,
    ChecklistTable,
    ExpectTable,
    Problem,
    ProofTable,
    RollbackTable,
    RunbookTable,
    SafetyTable,
    StepTable,
    Table,
    VerificationTable,
    check,
    expectation,
)
from tui.runbook.scripts import Scripts, Source
from tui.runbook.toml_lines import Key, Place
from tui.runbook.values import Unfit, kind

_T = TypeVar("_T", bound=Table)
_NOTHING = Script("", "", ())


@dataclass(frozen=True, slots=True)
class _Element(Generic[_T]):
    """One ``[[table]]`` without what is wrong in it, where it stands, and all its keys, wrong ones too."""

    table: _T
    at: tuple[Key, ...]
    given: frozenset[str]
    item: str | None


class Builder:
    """Makes one runbook and adds what is wrong to ``findings``; with an error there it is not to be used."""

    def __init__(
        self, root: Path, raw: dict[str, Any], places: dict[tuple[Key, ...], Place], findings: list[Finding]
    ) -> None:
        self._root = root
        self._raw = raw
        self._places = places
        self._findings = findings
        self._scripts = Scripts(root, findings)

    def runbook(self) -> Runbook:
        top = check(RunbookTable, {key: value for key, value in self._raw.items() if key not in ELEMENTS})
        self._problems((), top.problems, None)
        checklist = self._elements("checklist", ChecklistTable)
        steps = self._elements("step", StepTable)
        verifications = self._elements("verification", VerificationTable)
        rollbacks = self._elements("rollback", RollbackTable)
        if not self._raw.get("step", ()) and isinstance(self._raw.get("step", []), list):
            self._error((), "there is no step", "add a [[step]] with id, title and sql")
        self._refuse_same_ids([*checklist, *steps, *verifications, *rollbacks])
        ids = [element.item for element in steps if element.item is not None]
        safety = _safety(Safety(), top.table.safety)
        requires = top.table.requires
        runbook = Runbook(
            path=self._root,
            name=top.table.name or "",
            window=top.table.window or math.inf,
            requires=Requires(requires.server, tuple(requires.extensions or ())) if requires else Requires(),
            production=top.table.production or False,
            safety=safety,
            checklist=tuple(self._checklist_item(element, ids) for element in checklist),
            steps=tuple(self._step(element, safety) for element in steps),
            verifications=tuple(self._verification(element, ids) for element in verifications),
            rollbacks=tuple(self._rollback(element, ids) for element in rollbacks),
            proof=_proof(top.table.proof),
        )
        self._refuse_same_undoes(rollbacks)
        self._refuse_misplaced(steps, rollbacks)
        doubtful = not isinstance(self._raw.get("rollback", []), list) or any(
            element.table.undoes is None or not set(element.table.undoes) <= set(ids) for element in rollbacks
        )
        self._warn_untested(runbook, steps, doubtful)
        return runbook

    def _elements(self, name: str, model: type[_T]) -> list[_Element[_T]]:
        value = self._raw.get(name, [])
        if not isinstance(value, list):
            self._error(
                (name,),
                f"`{name}` is {kind(value)}, not a list of tables",
                f"write [[{name}]] in double brackets",
            )
            return []
        elements = []
        for index, raw in enumerate(value):
            at = (name, index)
            if not isinstance(raw, dict):
                self._error(at, f"`{name}` holds {kind(raw)}, not a table", f"write [[{name}]] above each table")
                continue
            checked = check(model, raw)
            item = raw["id"] if isinstance(raw.get("id"), str) else None
            self._problems(at, checked.problems, item)
            elements.append(_Element(checked.table, at, checked.given, item))
        return elements

    def _refuse_same_ids(self, elements: Iterable[_Element[Any]]) -> None:
        first: dict[str, int | None] = {}
        for element in sorted(elements, key=lambda element: self._line((*element.at, "id")) or 0):
            if element.item is None:
                continue
            line = self._line((*element.at, "id"))
            if element.item in first:
                self._error(
                    (*element.at, "id"),
                    f"the id {quoted(element.item)} is already taken in line {first[element.item]}",
                    "ids are unique over checklist, steps, verifications and rollbacks: choose another",
                    element.item,
                )
            else:
                first[element.item] = line

    def _checklist_item(self, element: _Element[ChecklistTable], steps: list[str]) -> ChecklistItem:
        table, given = element.table, element.given
        if {"sql", "command"} <= given:
            self._at(element, "command", "`sql` and `command` exclude each other", "keep one; make two items of it")
        if "sql" in given and "expect" not in given:
            self._at(
                element,
                "sql",
                "`sql` without `expect`",
                "add what the query must give: expect = { value = 0 }",
            )
        if "expect" in given and "sql" not in given:
            mend = (
                "take it out: a command is judged by its exit code" if "command" in given else "add the query as `sql`"
            )
            self._at(element, "expect", "`expect` without `sql`", mend)
        if table.step is not None:
            if table.phase is not None and table.phase != "during":
                self._at(
                    element,
                    "step",
                    f"`step` with phase {quoted(table.phase)}",
                    'set phase = "during", or take it out',
                )
            self._refuse_unknown(element, "step", table.step, steps)
        expect = self._expect(element)
        if expect is not None and expect.kind is Expectation.SAME_AS_BEFORE:
            mend = "use another expectation, or make it a [[verification]]"
            self._at(element, "expect", "a checklist item has no `same_as_before`", mend)
        return ChecklistItem(
            id=table.id or "",
            phase=Phase(table.phase or Phase.BEFORE),
            title=table.title or "",
            detail=table.detail or "",
            required=table.required is not False,
            sql=None if table.sql is None else self._scripts.query(self._source(element, "sql", table.sql)),
            expect=expect,
            command=table.command,
            step=table.step,
        )

    def _step(self, element: _Element[StepTable], safety: Safety) -> Step:
        table = element.table
        transaction = True if "transaction" not in element.given else table.transaction
        batch = self._batch(element, transaction)
        return Step(
            id=table.id or "",
            title=table.title or "",
            sql=_NOTHING if table.sql is None else self._changes(element, "sql", table.sql, transaction, batch),
            rollback=None
            if table.rollback is None
            else self._changes(element, "rollback", table.rollback, transaction),
            transaction=transaction is not False,
            expected=table.expected,
            safety=_safety(safety, table.safety),
            batch=batch,
            point_of_no_return=table.point_of_no_return is True,
            not_before=table.not_before,
        )

    def _batch(self, element: _Element[StepTable], transaction: bool | None) -> Batch | None:
        """The step's batch; None without one, or where a key that it needs is missing or wrong."""
        table = element.table.batch
        if table is None:
            return None
        if transaction is False:
            mend = "take transaction out: each chunk is a transaction of its own"
            self._at(element, "batch", "`batch` with transaction = false", mend)
        batch = Batch(table.table or "", table.key or (), table.where or "")
        size = table.size or batch.size
        most = table.max_size or max(batch.max_size, size)
        if size > most:
            mend = f"write max_size = {size} or more" if table.size else f"write a size of {most} or less too"
            self._at(element, "batch", f"`batch.size` is {size}, more than `max_size` {most}", mend)
        if not (batch.table and batch.key and batch.where):
            return None
        return replace(batch, size=size, target=table.target or batch.target, max_size=most)

    def _changes(
        self,
        element: _Element[StepTable],
        key: str,
        value: str,
        transaction: bool | None,
        batch: Batch | None = None,
    ) -> Script:
        source = self._source(element, key, value)
        if transaction is None or (key == "sql" and "batch" in element.given and batch is None):
            return self._scripts.read(source)
        if not transaction:
            return self._scripts.statement_by_statement(source)
        elsewhere = "move it to a step of its own with transaction = false"
        if batch is not None:
            return self._scripts.batched(source, elsewhere, prelude(batch))
        return self._scripts.transactional(source, elsewhere)

    def _verification(self, element: _Element[VerificationTable], steps: list[str]) -> Verification:
        table = element.table
        known = [*steps, AFTER_END, AFTER_BACK]
        if table.after is not None:
            self._refuse_unknown(element, "after", table.after, known)
        return Verification(
            id=table.id or "",
            title=table.title or "",
            sql=_NOTHING if table.sql is None else self._scripts.query(self._source(element, "sql", table.sql)),
            after=table.after if table.after in known else AFTER_END,
            expect=self._expect(element) or Expect(Expectation.EMPTY, True),
        )

    def _rollback(self, element: _Element[RollbackTable], steps: list[str]) -> Rollback:
        table = element.table
        if table.undoes is not None:
            self._judge_undoes(element, table.undoes, steps)
        elsewhere = "make it the own `rollback` of a step with transaction = false"
        return Rollback(
            id=table.id or "",
            title=table.title or "",
            undoes=tuple(table.undoes or ()),
            sql=_NOTHING
            if table.sql is None
            else self._scripts.transactional(self._source(element, "sql", table.sql), elsewhere),
        )

    def _judge_undoes(self, element: _Element[RollbackTable], undoes: list[str], steps: list[str]) -> None:
        if not undoes:
            self._at(element, "undoes", "`undoes` is empty", f"name the steps: {nearest_or_all('', steps)}")
        for step in dict.fromkeys(undoes):
            self._refuse_unknown(element, "undoes", step, steps)
            if undoes.count(step) > 1:
                self._at(element, "undoes", f"`undoes` names {quoted(step)} twice", "take one out")
        positions = sorted({steps.index(step) for step in undoes if step in steps})
        between = [steps[p] for p in range(positions[0], positions[-1]) if p not in positions] if positions else []
        if between and all(step in steps for step in undoes):
            names = ", ".join(quoted(step) for step in between[:5])
            self._at(
                element,
                "undoes",
                f"`undoes` leaves out {names} in between",
                "undo a run of steps without a gap, or write one [[rollback]] for each run",
            )

    def _refuse_same_undoes(self, rollbacks: list[_Element[RollbackTable]]) -> None:
        first: dict[frozenset[str], int | None] = {}
        for element in rollbacks:
            undone = frozenset(element.table.undoes or ())
            if undone and undone in first:
                what = f"the rollback in line {first[undone]} undoes the same steps"
                self._at(element, "undoes", what, "keep one, or Lockstep could not choose")
            first.setdefault(undone, self._line((*element.at, "undoes")))

    def _refuse_misplaced(self, steps: list[_Element[StepTable]], rollbacks: list[_Element[RollbackTable]]) -> None:
        """A point of no return that something takes back, and a first step that waits for the one before it."""
        if steps and "not_before" in steps[0].given:
            mend = "take it out: it counts from when the step before was applied"
            self._at(steps[0], "not_before", "`not_before` on the first step", mend)
        ends = {element.item for element in steps if element.table.point_of_no_return}
        for element in steps:
            if element.item in ends and "rollback" in element.given:
                what = "`rollback` of a point of no return"
                self._at(element, "rollback", what, "keep one: what can be taken back is no point of no return")
        for rollback in rollbacks:
            for step in (one for one in rollback.table.undoes or () if one in ends):
                what = f"`undoes` names {quoted(step)}, a point of no return"
                self._at(rollback, "undoes", what, "take it out, or take point_of_no_return out of the step")

    def _warn_untested(self, runbook: Runbook, elements: list[_Element[StepTable]], doubtful: bool) -> None:
        """``doubtful``: a rollback does not say which steps it undoes, so none is told to lack one."""
        mends = {
            "no rollback": "add `rollback`, or a [[rollback]] that undoes it",
            "no verification": "add a [[verification]] after it, after a later step or after the end",
        }
        for element, step in zip(elements, runbook.steps, strict=True):
            if not step.id:
                continue
            given = {"no rollback"} if doubtful or "rollback" in element.given else set()
            missing = [what for what in runbook.untested(step) if what not in given]
            if missing:
                self._findings.append(
                    Finding(
                        "warning",
                        RUNBOOK_FILE,
                        self._line(element.at),
                        f"step {quoted(step.id)} is untested: {', '.join(missing)}",
                        "; ".join(mends[what] for what in missing),
                        step.id,
                    )
                )

    def _expect(self, element: _Element[ChecklistTable] | _Element[VerificationTable]) -> Expect | None:
        table: ExpectTable | None = element.table.expect
        if table is None:
            return None
        try:
            return expectation(table)
        except Unfit as unfit:
            self._at(element, "expect", f"`expect` {unfit.what}", unfit.mend)
            return None

    def _refuse_unknown(self, element: _Element[Any], key: str, step: str, steps: list[str]) -> None:
        if step not in steps:
            self._at(element, key, f"`{key}` names {quoted(step)}, which is no step", nearest_or_all(step, steps))

    def _source(self, element: _Element[Any], key: str, value: str) -> Source:
        at = (*element.at, key)
        return Source(value, self._places.get(at) or Place(self._line(at) or 1), element.item)

    def _problems(self, at: tuple[Key, ...], problems: Iterable[Problem], item: str | None) -> None:
        for problem in problems:
            self._error((*at, *problem.at), problem.what, problem.mend, item)

    def _at(self, element: _Element[Any], key: str, what: str, mend: str) -> None:
        self._error((*element.at, key), what, mend, element.item)

    def _error(self, at: tuple[Key, ...], what: str, mend: str, item: str | None = None) -> None:
        self._findings.append(Finding("error", RUNBOOK_FILE, self._line(at), what, mend, item))

    def _line(self, at: tuple[Key, ...]) -> int | None:
        """The line of that key, else of the innermost table around it that stands in the file."""
        while at:
            if (place := self._places.get(at)) is not None:
                return place.line
            at = at[:-1]
        return None


def _proof(table: ProofTable | None) -> Proof:
    if table is None:
        return Proof()
    given = table.model_dump(include=table.model_fields_set - {"carries", "leaves"})
    return Proof(**given, carries=tuple(table.carries or ()), leaves=tuple(table.leaves or ()))


def _safety(base: Safety, table: SafetyTable | None) -> Safety:
    return base if table is None else replace(base, **table.model_dump(include=table.model_fields_set))
