"""Tries a runbook on throwaway databases: forward, back from each step and from each stop-point, forward again.

After each step: back by its own rollback and forward again, then back to where nothing was applied. What is there after
a way back is compared with what was there before, object by object and table by table. Where a way back fails or loses
something the next one begins on a fresh copy, so that each is judged for itself.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from tui.postgres import fingerprint
from tui.postgres.fingerprint import Fingerprint
from tui.postgres.rows import without_passwords
from tui.postgres.session import CannotConnect, ConnectionLost, Dsn, PgSession
from tui.runbook.model import Runbook

from . import events as e
from .before import on_purpose, told_apart
from .meter import OPTIONS
from .place import NAME
from .places import Place
from .proof import Difference, Rehearsal, StepProof, TableSize, Verdict, WayBack
from .proofs import scripts_of, sizes
from .recorder import each_text
from .rollback import RollbackImpossible
from .run import Run
from .standing import StepStatus, VerificationStatus
from .state import RunState
from .tried import Tried
from .work import GateClosed

_REASON = "a rehearsal, on a throwaway database"
_ONCE = "it got through once, and not on a fresh copy"
_WORST: tuple[Verdict, ...] = ("failed", "lossy", "missing", "proven")

Heard = Callable[[e.Event, RunState], None]


class _Unsteady(Exception):
    """A step that got through does not do so on a fresh copy: nothing after it can be tried."""


class Rehearsing:
    """One rehearsal. ``heard`` is called at each event of the runs that it makes, and at its own."""

    def __init__(self, runbook: Runbook, place: Place, heard: Heard) -> None:
        # On a throwaway nobody waits two weeks.
        steps = tuple(replace(step, not_before=step.not_before and 0.0) for step in runbook.steps)
        self._runbook = replace(runbook, steps=steps)
        self._place = place
        self._heard = heard
        self._tried = Tried(runbook, others_data=place.kind == "clone")
        self._dsn = Dsn()
        self._run: Run | None = None
        self._first: list[Fingerprint] = []
        """By number of steps that are applied: what was there the first time."""
        self._last: dict[int, Fingerprint] = {}
        """The same, as it was there the last time: values that a default makes anew are others each time."""
        self._ways: list[WayBack] = []
        self._tables: dict[str, TableSize] = {}
        self._limits: dict[str, None] = {}
        self._since: int | None = None
        """The proven way back after which it goes forward now; None on a fresh copy."""
        self._done = 0

    async def go(self) -> Rehearsal:
        """Tries everything.

        Raises PlaceFailed, WrongTarget and OtherOperator where a run cannot be opened there, StatementFailed where the
        copy cannot be read, CannotConnect, ConnectionLost.
        """
        try:
            return await self._go()
        finally:
            await self._leave()

    async def _go(self) -> Rehearsal:
        self._tell("makes a copy of the database")
        self._dsn = await self._place.fresh()
        self._first.append(await self._look(0))
        async with await PgSession.open(self._dsn, application_name=NAME) as session:
            server = (await session.server()).version
        await self._size()
        with suppress(_Unsteady):
            await self._try_all()
        proofs = tuple(self._proof(number) for number in range(1, len(self._runbook.steps) + 1))
        ends = {step.id for step in self._runbook.steps if step.point_of_no_return}
        named = {name for proof in proofs for measure in proof.statements for name in measure.relations}
        found = Rehearsal(
            e.now(),
            self._runbook.slug,
            self._place.kind,
            server,
            proofs,
            tuple(self._ways),
            tuple(table for name, table in sorted(self._tables.items()) if name in named),
            tuple(self._limits),
            all(p.state == "applied" and (p.rollback == "proven" or p.step in ends) and not p.red for p in proofs)
            and all(w.verdict == "proven" for w in self._ways if w.to is None)
            and not any(way.again for way in self._ways),
        )
        # What differs, and what the server said, may quote a password out of a function or a setting.
        masked: Rehearsal = each_text(found, without_passwords)
        return masked

    async def _try_all(self) -> None:
        last = len(self._runbook.steps)
        for number in range(1, last + 1):
            if not await self._forward(number):
                return
            if self._runbook.steps[number - 1].point_of_no_return:
                continue
            if not await self._back_by_its_own(number):
                return
            if not self._ended(number):
                await self._back_whole(number)
        if self._since is not None:
            await self._forward(last)

    def _ended(self, number: int) -> bool:
        """Nothing leads back to the start from there."""
        return any(step.point_of_no_return for step in self._runbook.steps[:number])

    # Forward

    async def _forward(self, number: int) -> bool:
        """Until so many steps are applied; False where one of them does not get through on a fresh copy."""
        while True:
            run = await self._opened()
            at = len(run.state.applied) + 1
            if at > number:
                return True
            step = self._runbook.steps[at - 1].id
            again = at < len(self._first)
            self._tell(f"{step} forward{' again' if again else ''}")
            self._tried.begin(None if again else step)
            error = await self._step(run, step)
            if error and again and self._since is not None:
                self._tell_again((Difference("changed", step, f"{step} does not go forward again: {error}"),))
                await self._renew(at)
            elif error:
                self._tried.failed[step] = f"{_ONCE}: {error}" if again else error
                return False
            elif not again:
                self._tried.red[step] = self._red(run)
                self._first.append(await self._look(at))
                await self._size()
            elif at == min(number, len(self._first) - 1):
                now = await self._look(at)
                if self._since is None:
                    continue
                found = self._apart(_by_count(self._first[at]), _by_count(now))
                self._tell_again(found)
                if found and at < len(self._runbook.steps):
                    # What comes next is judged for itself.
                    await self._renew(at)

    async def _step(self, run: Run, step: str) -> str:
        """What went wrong with it, in words; empty where it is applied and its verifications were asked."""
        while True:
            act = run.state.next_act()
            if act.kind == "confirm_production":
                assert run.state.opened is not None
                await run.confirm_production(run.state.opened.target.database)
                continue
            if act.kind == "finished" or (act.kind == "run_step" and act.step != step):
                return ""
            before = run.state
            try:
                await run.go_on()
            except GateClosed as closed:
                if not closed.act.gate_ids:
                    return str(closed)
                await run.override(closed.act.gate_ids, _REASON)
                continue
            if run.state.step(step).status is not StepStatus.APPLIED:
                if act.kind == "run_step" or run.state == before:
                    return self._tried.error or "it did not get through"
            elif act.kind in ("run_step", "run_verifications") and not self._pending(run):
                return ""

    def _pending(self, run: Run) -> bool:
        return any(v.status is VerificationStatus.PENDING for v in run.state.due)

    def _red(self, run: Run) -> tuple[str, ...]:
        """Verifications that are not as expected; without data nobody can expect much."""
        if not self._place.has_data:
            return ()
        told = {words for red in self._tried.red.values() for words in red}
        found = (
            _unexpected(v.plan.title, v.result)
            for v in run.state.due
            if v.status in (VerificationStatus.FAILED, VerificationStatus.ACCEPTED)
            and v.result is not None
            and not v.result.ok
        )
        return tuple(words for words in found if words not in told)

    # Back

    async def _back_by_its_own(self, number: int) -> bool:
        """From this step to the one before it, and forward once more; False where that cannot be."""
        if number == 1 or not await self._back(number, number - 1):
            return True
        way = len(self._ways) - 1
        if not await self._forward(number):
            return False
        if self._ways[way].again and self._since is not None:
            await self._renew(number)
        self._since = None
        return True

    async def _back_whole(self, number: int) -> None:
        """From this step to where nothing is applied."""
        if await self._back(number, 0):
            # What is taken back whole is a run that is over: the next one begins anew.
            await self._leave()

    async def _back(self, number: int, to: int) -> bool:
        """Tries the way back from here to where ``to`` steps are applied; False where it is not proven."""
        steps = self._runbook.steps
        run = await self._opened()
        after, stays = steps[number - 1].id, steps[to - 1].id if to else None
        self._tell(f"back from {after} to {f'after {stays}' if stays else 'the start'}")
        try:
            plan = run.plan_rollback(stays)
        except RollbackImpossible as impossible:
            self._tell_way(WayBack(after, stays, (), "missing", error=str(impossible)))
            return False
        scripts = tuple(script.id for script in plan.scripts)
        self._tried.begin(None)
        error = ""
        try:
            await run.roll_back(plan)
            if run.state.rollback_ok is not True:
                error = self._tried.error or "it did not get through"
        except GateClosed as closed:
            error = str(closed)
        if error:
            self._tell_way(WayBack(after, stays, scripts, "failed", self._tried.seconds, (), error))
            await self._renew_after(number, to)
            return False
        apart = self._apart(self._last[to], await self._fingerprint())
        found = (*apart, *self._red_back(run, plan.verifications))
        verdict: Verdict = "lossy" if found else "proven"
        self._tell_way(WayBack(after, stays, scripts, verdict, self._tried.seconds, found))
        if found:
            await self._renew_after(number, to)
        else:
            self._since = len(self._ways) - 1
        return not found

    def _red_back(self, run: Run, judges: tuple[str, ...]) -> tuple[Difference, ...]:
        if not self._place.has_data:
            return ()
        red = (run.state.verification(one) for one in judges)
        return tuple(
            Difference("changed", v.plan.title, _unexpected(v.plan.title, v.result))
            for v in red
            if v.result is not None and not v.result.ok
        )

    def _tell_again(self, found: tuple[Difference, ...]) -> None:
        """Where going forward once more after that way back has not ended where it ended the first time."""
        if found and self._since is not None:
            self._ways[self._since] = replace(self._ways[self._since], again=found)

    # The ground

    async def _renew_after(self, number: int, to: int) -> None:
        """For what is tried next, where anything is: from the same step, or from the start."""
        if to or number < len(self._runbook.steps):
            await self._renew(number if to else 0)

    async def _renew(self, number: int) -> None:
        """A fresh copy, with so many steps applied again. Raises _Unsteady."""
        await self._leave()
        self._since = None
        self._dsn = await self._place.fresh()
        run = await self._opened()
        for step in self._runbook.steps[:number]:
            self._tried.begin(None)
            if error := await self._step(run, step.id):
                self._tried.failed[step.id] = f"{_ONCE}: {error}"
                raise _Unsteady
        if number:
            await self._look(number)

    async def _opened(self) -> Run:
        if self._run is None:
            dsn = self._dsn.with_(options=" ".join(filter(None, (self._dsn.get("options"), OPTIONS))))
            run = Run(self._runbook, dsn, operator_name=NAME, rehearsal=True)
            run.subscribe(self._tried.hear)
            run.subscribe(self._heard)
            await run.open()
            self._run = run
        return self._run

    async def _leave(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            with suppress(ConnectionLost, CannotConnect):
                await run.close("done", 0)

    async def _size(self) -> None:
        """Each relation's size when it first had its name."""
        async with await PgSession.open(self._dsn, application_name=NAME) as session:
            self._tables = {table.table: table for table in await sizes(session)} | self._tables

    async def _look(self, number: int) -> Fingerprint:
        """What is there with so many steps applied, on this copy."""
        self._last[number] = await self._fingerprint()
        return self._last[number]

    def _apart(self, was: Fingerprint, now: Fingerprint) -> tuple[Difference, ...]:
        found, limits = told_apart(was, now)
        self._limits |= dict.fromkeys(limits)
        return tuple(one for one in found if not on_purpose(one, self._runbook))

    async def _fingerprint(self) -> Fingerprint:
        async with (
            await PgSession.open(self._dsn, application_name=NAME) as session,
            await PgSession.open(self._dsn, application_name=NAME) as beside,
        ):
            return await fingerprint.take(session, data="whole" if self._place.has_data else "none", beside=beside)

    # Telling

    def _tell(self, what: str) -> None:
        steps = len(self._runbook.steps)
        # Each step forward so often as a later one needs it, and the ways back.
        total = 1 + steps * (steps + 1) // 2 + steps + (steps - 1) * 2 + steps
        self._done = min(self._done + 1, total)
        self._heard(e.RehearsalMoved(e.now(), self._done, total, what), RunState())

    def _tell_way(self, way: WayBack) -> None:
        self._ways.append(way)
        self._heard(each_text(e.WayBackTried(e.now(), way), without_passwords), RunState())

    def _proof(self, number: int) -> StepProof:
        step = self._runbook.steps[number - 1]
        ways = self._its_ways(number)
        # What does not go forward again has left something behind where nobody looked.
        verdicts: list[Verdict] = ["lossy" if w.again and w.verdict == "proven" else w.verdict for w in ways]
        verdict: Verdict = min(verdicts, key=_WORST.index, default="missing")
        state = "failed" if step.id in self._tried.failed else "applied" if number < len(self._first) else "pending"
        shortest = next((way for way in ways if way.to is not None), ways[0] if ways else None)
        return StepProof(
            step.id,
            state,  # type: ignore[arg-type]
            verdict,
            scripts_of(self._runbook, step),
            self._tried.forward.get(step.id),
            shortest.seconds if shortest is not None else None,
            tuple(self._tried.measures.get(step.id, ())),
            tuple(dict.fromkeys(d for way in ways for d in (*way.differences, *way.again))),
            self._tried.red.get(step.id, ()),
            self._tried.failed.get(step.id, "") or next((w.error for w in ways if w.verdict == "failed"), ""),
        )

    def _its_ways(self, number: int) -> list[WayBack]:
        """The ways back that speak of this step: by its own rollback, or by one that it shares.

        The way to the start runs the rollbacks of the steps before too: what was wrong with it there is not this one's.
        """
        steps = self._runbook.steps
        step, before = steps[number - 1].id, steps[number - 2].id if number > 1 else None
        by_ends = {(way.after, way.to): way for way in self._ways}
        own, whole = by_ends.get((step, before)), by_ends.get((step, None))
        if self._ended(number):
            return [own] if own is not None else []
        if own is None or whole is None or own.verdict == "missing" or number == 1:
            return [whole] if whole is not None else []
        shared = {rollback.id for rollback in self._runbook.rollbacks if step in rollback.undoes}
        earlier = by_ends[before or "", None]
        news = set(whole.differences) - set(earlier.differences)
        if shared & set(whole.scripts) or news or _WORST.index(whole.verdict) < _WORST.index(earlier.verdict):
            return [own, replace(whole, differences=tuple(d for d in whole.differences if d in news))]
        return [own]


def _unexpected(title: str, result: e.VerificationFinished) -> str:
    return f"{title}: expected {result.expected}, found {result.found}"


def _by_count(taken: Fingerprint) -> Fingerprint:
    """Without the rows' values: those that a default or a sequence makes anew are others each time."""
    return replace(taken, data=tuple(replace(t, checksum="", columns=()) for t in taken.data), sequences=())
