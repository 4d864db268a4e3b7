"""What a run does to its database: steps, ways back, verifications and probes. Whoever calls has the turn."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Literal

from tui.postgres.session import CannotConnect, ConnectionLost, PgSession, StatementFailed
from tui.runbook.meaning import meaning
from tui.runbook.model import ChecklistItem, Expectation, Runbook, Verification
from tui.runbook.statements import Statement, split

from . import before, checks, ledger, proofs, reading, rollback, verify
from . import events as e
from .connections import OtherOperator, WrongTarget
from .deadline import crossing
from .forecast import forecasts, relevant
from .gates import LATE
from .grip import Grip
from .job import Job
from .journal import JournalFailed
from .later import tonight
from .proof import Made
from .recorder import Recorder
from .rollback import RollbackPlan, RollbackScript
from .shared import Shared
from .state import NextAct, RunState, StepStatus, VerificationStatus


class GateClosed(Exception):
    """Something that must be done first is not; ``act`` names it."""

    def __init__(self, act: NextAct) -> None:
        super().__init__("; ".join(act.gates))
        self.act = act


class Work:
    """On one grip; everything that happens is recorded, and read back from the state that the records make.

    ``rehearsal``: nothing is foretold, and nothing kept to compare with, as the rehearsal itself does that.
    """

    def __init__(
        self, runbook: Runbook, grip: Grip, recorder: Recorder, shared: Shared, *, rehearsal: bool = False
    ) -> None:
        self._runbook = runbook
        self._grip = grip
        self._recorder = recorder
        self._shared = shared
        self._rehearsal = rehearsal

    @property
    def _state(self) -> RunState:
        return self._recorder.state

    # What is known beforehand

    async def tell_if_late(self, step: str) -> None:
        """A step that would cross the moment by which going back still fits is asked about first."""
        back = self._state.rollback.at if self._state.rollback is not None else None
        since = [one for one in self._state.overrides if back is None or one.at > back]
        agreed = any(f"{LATE}{step}" in override.open for override in since)
        words = crossing(self._state, step, e.now())
        if words and not agreed:
            await self._recorder.record(e.DeadlineCrossed(e.now(), step, words))

    async def foretell(self) -> None:
        """What is known of each step from a rehearsal or by rule, before it begins."""
        told = self._state.proof
        known = told.rehearsal if told is not None else None
        kept = await asyncio.to_thread(proofs.newest, self._runbook.slug)
        newest = max((one for one in (known, kept) if one is not None), key=lambda one: one.at, default=None)
        stale: tuple[str, ...] = ()
        if newest is not None:
            stale = tuple(proof.step for proof in newest.steps if proofs.stale(self._runbook, proof))
            if told is None or (newest.at, stale) != (told.rehearsal.at, told.stale):
                await self._recorder.record(e.ProofRead(e.now(), proofs.for_others(newest), stale))
        if self._state.forecast is not None and self._state.present:
            # Its names and sizes are those of before the first step.
            await self._foretell_rest()
            return
        here = await self._grip.asked(proofs.sizes)
        steps = await asyncio.to_thread(forecasts, self._runbook, newest, stale, here)
        forecast = e.ForecastMade(e.now(), steps, ())
        await self._recorder.record(replace(forecast, tables=relevant(forecast, here)))

    # Steps

    async def step(self, step_id: str) -> None:
        """Runs a step from where it stands, then the verifications whose moment it brings. Raises GateClosed."""
        rows = await self._grip.ledger_rows()
        if _untouched(rows):
            await self._take_baselines(step_id)
        step = self._runbook.step(step_id)
        await self._still_there(step_id)
        row = next((s for s in rows if s.step == step_id), None)
        if row is not None and row.completed is not None and row.undoing:
            raise _closed(step_id, f"the way back from {step_id} stopped half-way: R ends it")
        skip = self._state.step(step_id).completed or 0
        if row is not None and skip and step.batch is None and row.meaning != meaning(step.sql):
            changed = f"{step.sql.name} changed after {skip} of its statements were done"
            raise _closed(step_id, f"{changed}: roll {step_id} back first")
        job = Job(
            step.id,
            step.title,
            "forward",
            (step.id,),
            step.sql,
            step.transaction,
            step.safety,
            skip,
            step.batch,
            row.position if row is not None else None,
            _statements(self._state.step(step_id).repair),
        )
        was = await self._made_so_far()
        if await self._run(job):
            await self._count_made(step_id, was)
            await self._foretell_rest()
            await self.verify_due()

    async def _still_there(self, step_id: str) -> None:
        """What is to be repaired is looked at once more: somebody may have mended it since it was shown."""
        shown = self._state.step(step_id).repair
        if shown:
            await self._grip.read_ledger(None)
            if self._state.step(step_id).repair != shown:
                raise _closed(step_id, f"what {step_id} left behind is not what was shown any more: look again")

    async def verify_due(self) -> None:
        """The verifications whose moment has come and that have not been asked yet; at the end the probes after it."""
        pending = VerificationStatus.PENDING
        await self.verify(*(v.plan.id for v in self._state.due if v.status is pending))
        if self._state.uncompared:
            await self.compare()
        if self._state.applied == tuple(step.plan.id for step in tonight(self._state.steps)):
            await self.probe_phase("after")

    async def _run(self, job: Job) -> bool:
        # Only now: until something is to run, looking at a database leaves nothing in it.
        await self._grip.asked(ledger.create)
        # What was ticked, and how it was before, is known to everybody before the first step changes it.
        self._shared.begin()
        await self._shared.flush()
        if self._grip.stopping:
            return False
        try:
            await self._grip.runner.run(job)
        except JournalFailed as failure:
            # The disk cannot be told; those who look at the screen can, and the ledger is right in any case.
            with suppress(JournalFailed):
                await self._grip.asked(PgSession.fresh)
            self._recorder.tell(
                e.ScriptFailed(e.now(), job.id, job.direction, job.steps, "error", "in_doubt", 0, None, str(failure))
            )
            async for fact in reading.facts(self._grip.connections.runner, self._runbook, None, None, None):
                self._recorder.tell(fact)
            raise
        failed = self._state.script is not None and self._state.script.phase == "failed"
        # What it left behind (a role, an advisory lock) goes now; a lost connection is noticed and renewed.
        await self._grip.asked(PgSession.fresh)
        if failed and not job.transaction and not self._read_since_failure:
            await self._grip.read_ledger(None)
        wanted = StepStatus.APPLIED if job.direction == "forward" else StepStatus.ROLLED_BACK
        return all(self._state.step(step).status is wanted for step in job.steps)

    @property
    def _read_since_failure(self) -> bool:
        script, read = self._state.script, self._state.ledger
        return script is not None and script.failure is not None and read is not None and read.at > script.failure.at

    async def _take_baselines(self, step: str) -> None:
        """Raises GateClosed where one cannot be had: after the step it could never be taken again."""
        for verification in self._runbook.verifications:
            if self._grip.stopping or verification.expect.kind is not Expectation.SAME_AS_BEFORE:
                continue
            answer = await self._grip.asked(partial(verify.ask, script=verification.sql, safety=self._runbook.safety))
            error, exact = answer.error.message if answer.error else None, verify.digest(answer.table.rows)
            rows = verify.without_literals(verification.sql, answer.table.rows)
            await self._recorder.record(e.BaselineTaken(e.now(), verification.id, rows, error, exact))
            if error is not None:
                raise _closed(step, f"no baseline for \u201c{verification.title}\u201d: {error}")

    async def keep_fingerprint(self) -> None:
        """Before the first step: how the database is, for the comparison after the way back.

        Where that is not to be had the first step has a gate.
        """
        rows = await self._grip.ledger_rows()
        if self._rehearsal or not _untouched(rows):
            return
        await self._grip.asked(ledger.create)
        await self._recorder.record(e.LookStarted(e.now(), "keeps"))
        run = self._grip.signature.run
        taken = e.FingerprintTaken(e.now(), "", 0, 0.0, (), "stopped")
        try:
            async with self._grip.connections.beside() as beside:
                taken = await self._grip.asked(lambda session: before.keep(session, beside, run, self._runbook))
        finally:
            await self._told_in_any_case(taken)

    async def _made_so_far(self) -> tuple[Made, ...]:
        """What is in it just before a step: all that is more afterwards is the step's own."""
        taken = self._state.before
        if taken is None or not self._state.made or self._grip.stopping:
            return ()
        try:
            return await self._grip.asked(lambda session: before.made(session, taken))
        except StatementFailed:
            return ()

    async def _count_made(self, step_id: str, was: tuple[Made, ...]) -> None:
        """What the step itself has put where nothing was: what comes in later is somebody's who would lose it."""
        taken = self._state.before
        if taken is None or taken.error:
            return
        await self._recorder.record(e.LookStarted(e.now(), "counts"))
        made: tuple[Made, ...] = ()
        error = "stopped"
        try:
            if not self._grip.stopping:
                made, error = await self._grip.asked(lambda session: before.made(session, taken)), ""
        except StatementFailed as failure:
            error = str(failure)
        finally:
            await self._told_in_any_case(e.MadeCounted(e.now(), step_id, made, error, was))

    async def _foretell_rest(self) -> None:
        """What the step has renamed, or made, is there now for the next ones, and has a size."""
        known, told = self._state.forecast, self._state.proof
        if known is None or self._grip.stopping:
            return
        here = await self._grip.asked(proofs.sizes)
        rehearsal, stale = (told.rehearsal, told.stale) if told is not None else (None, ())
        told_anew = await asyncio.to_thread(forecasts, self._runbook, rehearsal, stale, here)
        anew = {one.step: one for one in told_anew}
        steps = tuple(one if one.step in self._state.applied else anew[one.step] for one in known.steps)
        forecast = e.ForecastMade(e.now(), steps, known.tables)
        if steps != known.steps:
            await self._recorder.record(replace(forecast, tables=known.tables + relevant(forecast, here)))

    # Ways back

    async def compare(self) -> None:
        """Whether the database is again what it was before the first step."""
        if self._rehearsal or self._grip.stopping:
            return
        await self._recorder.record(e.LookStarted(e.now(), "compares"))
        run = self._grip.signature.run
        found = e.FingerprintCompared(e.now(), (), 0, 0.0, "stopped")
        try:
            async with self._grip.connections.beside() as beside:
                found = await self._grip.asked(lambda session: before.compare_now(session, beside, run, self._runbook))
        finally:
            await self._told_in_any_case(found)

    async def take_back(self, plan: RollbackPlan) -> bool:
        """Runs the plan's scripts in order; False when one did not get through."""
        for script in plan.scripts:
            if not await self._run(await self._job_back(script)):
                return False
        return True

    async def _job_back(self, script: RollbackScript) -> Job:
        rows = {row.step: row for row in await self._grip.ledger_rows()}
        row = rows.get(script.undoes[0])
        half = row is not None and row.undoing
        if row is not None and half and row.completed and row.meaning != meaning(script.sql):
            changed = f"{script.sql.name} changed after {row.completed} of its statements were done"
            raise _closed(script.undoes[0], f"{changed}: put it back as it was")
        return Job(
            script.id,
            script.title,
            "back",
            script.undoes,
            script.sql,
            script.transaction,
            rollback.patience(self._runbook, script),
            skip=(self._state.step(script.undoes[0]).completed or 0) if half else 0,
            repair=_statements(script.repair),
        )

    async def settle(self, step_id: str, *, applied: bool, reason: str) -> None:
        """Writes down what a human found out of a step in doubt. Raises ValueError when it is in none."""
        stands = self._state.step(step_id)
        if stands.status is not StepStatus.IN_DOUBT:
            raise ValueError(f"{step_id} is not in doubt: it is {stands.status.value.replace('_', ' ')}")
        await self._grip.asked(ledger.create)
        row = next((row for row in await self._grip.ledger_rows() if row.step == step_id), None)
        direction, statement = reading.settled(row, applied=applied)
        step = self._runbook.step(step_id)
        await ledger.record(
            self._grip.connections.runner,
            self._grip.signature,
            steps=(step_id,),
            direction=direction,
            script=ledger.SETTLED if statement is None else step_id,
            sha256=row.sha256 if row is not None else step.sql.sha256,
            meaning=row.meaning if row is not None else "",
            seconds=0,
            statement=statement,
            note=reason,
        )
        await self._recorder.record(e.StepSettled(e.now(), step_id, applied, reason, self._grip.signature.operator))
        await self._grip.read_ledger(None)

    # Verifications

    async def verify(self, *ids: str) -> None:
        for wanted in ids:
            if self._grip.stopping:
                return
            await self._verify_one(self._runbook.verification(wanted))

    async def _verify_one(self, verification: Verification) -> None:
        await self._recorder.record(e.VerificationStarted(e.now(), verification.id))
        taken = self._state.baselines.get(verification.id)
        baseline = None if taken is None or taken.error is not None else taken.rows
        exact = taken.sha256 if taken is not None else ""
        try:
            finished = await self._grip.asked(
                lambda session: verify.run(session, verification, self._runbook.safety, baseline, exact)
            )
        except StatementFailed as failure:
            finished = verify.unanswered(verification, baseline, str(failure))
        except (ConnectionLost, CannotConnect, WrongTarget, OtherOperator) as lost:
            await self._told_in_any_case(verify.unanswered(verification, baseline, str(lost)))
            raise
        await self._told_in_any_case(finished)

    async def _told_in_any_case(self, event: e.Event) -> None:
        """What was begun on the screen ends there, also where the disk does not take it. Raises JournalFailed."""
        try:
            await self._recorder.record(event)
        except JournalFailed:
            self._recorder.tell(event)
            raise

    # Probes

    async def probe(self, *items: ChecklistItem) -> None:
        """Asks these items' queries, or runs their commands."""
        if not items:
            return
        await self._recorder.record(e.ItemsAsked(e.now(), tuple(item.id for item in items)))
        for number, item in enumerate(items, start=1):
            try:
                await self._told_in_any_case(await self._answer(item))
            except JournalFailed as failure:
                for left in items[number:]:
                    self._recorder.tell(checks.unanswered(left, str(failure)))
                raise

    async def _answer(self, item: ChecklistItem) -> e.ItemProbed:
        """Every item that was asked gets its answer, if only that there is none."""
        safety = self._runbook.safety
        if self._grip.stopping:
            return checks.unanswered(item, "stopped")
        if item.command is not None:
            answer = await self._grip.command(checks.run_command(item, safety.statement_timeout))
            return answer or checks.unanswered(item, "stopped")
        try:
            return await self._grip.asked(partial(checks.probe, item=item, safety=safety))
        except (ConnectionLost, CannotConnect, WrongTarget, OtherOperator, StatementFailed) as failure:
            return checks.unanswered(item, str(failure))

    async def probe_phase(self, phase: Literal["before", "during", "after"], step: str | None = None) -> None:
        """All queries of a phase; with a step those that this step waits for. Commands are the operator's to run."""
        await self.probe(
            *(
                item
                for item in self._runbook.checklist
                if item.phase == phase and item.sql is not None and (step is None or item.step in (None, step))
            )
        )


def _untouched(rows: tuple[e.LedgerStep, ...]) -> bool:
    """Nothing of the runbook is in the database, and nothing has been begun."""
    return not any(row.applied or row.completed or row.begun for row in rows)


def _closed(step: str, gate: str) -> GateClosed:
    return GateClosed(NextAct("run_step", step, (gate,)))


def _statements(repair: tuple[str, ...]) -> tuple[Statement, ...]:
    return tuple(statement for sql in repair for statement in split(sql))
