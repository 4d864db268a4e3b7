"""One runbook against one database: the acts of the operator, and the one place where events are recorded."""

import asyncio
import getpass
import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from tui.postgres.rows import safe
from tui.postgres.session import CannotConnect, ConnectionLost, Dsn, PgSession, StatementFailed
from tui.runbook.model import ChecklistItem, Expectation, Runbook, Verification

from . import checks, ledger, operator, rollback, verify
from . import events as e
from .connections import Connections
from .fit import misfits
from .grip import Grip
from .journal import JournalFailed
from .operator import SignalPreview
from .plan import opening, target_of
from .recorder import Recorder
from .rollback import RollbackPlan
from .runner import Job
from .sample import Sample
from .sampler import Sampler
from .state import NextAct, RunState, StepStatus, VerificationStatus

_SOON = 0.1
"""Seconds after which a statement that still runs is looked at, before the sampler's next turn."""
_CLOSES_WITHIN = 10.0
"""Seconds that closing waits for what is under way; a COMMIT without an answer is settled at the next opening."""


class GateClosed(Exception):
    """Something that must be done first is not; ``act`` names it."""

    def __init__(self, act: NextAct) -> None:
        super().__init__("; ".join(act.gates))
        self.act = act


class WrongTarget(Exception):
    """The database is not what the runbook needs; the text says what and where."""


class Run:
    """Opened once, closed once. All acts are coroutines on one loop; what they do comes back as events."""

    def __init__(
        self, runbook: Runbook, dsn: Dsn, *, operator_name: str | None = None, production: bool = False
    ) -> None:
        self.runbook = runbook
        self.operator = safe(operator_name or _login())
        self.sample: Sample | None = None
        self._dsn = dsn
        self._asked_production = production
        self._watchers: list[Callable[[Sample], None]] = []
        self._recorder = Recorder()
        self._grip: Grip | None = None
        self._sampler: Sampler | None = None
        self._sampling: asyncio.Task[None] | None = None

    # Listening

    def subscribe(self, listener: Callable[[e.Event, RunState], None]) -> None:
        """Calls ``listener(event, state)`` after each event is on the disk."""
        self._recorder.subscribe(listener)

    def watch(self, listener: Callable[[Sample], None]) -> None:
        """Calls ``listener(sample)`` at each look at the server."""
        self._watchers.append(listener)

    @property
    def state(self) -> RunState:
        """Everything that the events have told so far."""
        return self._recorder.state

    @property
    def journal_path(self) -> Path | None:
        """Where this run is recorded, while it is open."""
        return self._recorder.path

    async def record(self, event: e.Event) -> None:
        """Journal first, then everybody else. Raises JournalFailed."""
        await self._recorder.record(event)
        if isinstance(event, e.StatementStarted):
            asyncio.get_running_loop().call_later(_SOON, self._look_at, event)

    def _look_at(self, statement: e.StatementStarted) -> None:
        """A statement that is still running after a moment may wait for a lock: that is worth a look of its own."""
        script = self.state.script
        if script is None or script.statement is not statement or script.phase != "running":
            return
        if statement.index > len(script.finished) and self._sampler is not None:
            self._sampler.wake()

    def _see(self, sample: Sample) -> None:
        self.sample = sample
        if self._grip is not None:
            self._grip.runner.see(sample)
        for watcher in self._watchers:
            watcher(sample)

    # Opening and closing

    async def open(self) -> None:
        """Connects, takes the operator's lock, folds the journal, reads the ledger, asks the probes.

        Nothing is written into the database. Raises CannotConnect, WrongTarget, OtherOperator, JournalFailed.
        """
        try:
            await self._open()
        except BaseException:
            await self._let_go()
            raise

    async def _open(self) -> None:
        connections = await Connections.open(self._dsn)
        try:
            unanswered = await self._take_in_hand(connections)
        except BaseException:
            await connections.close()
            raise
        await self._held.read_ledger(unanswered)
        if self.state.rollback is not None and self.state.rollback_ok is None and not self.state.present:
            await self.record(e.RollbackFinished(e.now(), True))
        self._sampler = Sampler(
            self._dsn,
            on_sample=self._see,
            busy=lambda: self.state.busy,
            our_pid=lambda: self._grip.runner.backend_pid if self._grip is not None else None,
            own_pids=lambda: frozenset({connections.operator.backend_pid}),
        )
        self._sampling = asyncio.create_task(self._keep_sampling(self._sampler))
        if not self.state.applied:
            async with self._held.turn():
                await self._probe_phase("before")

    async def _take_in_hand(self, connections: Connections) -> e.CommitIntended | None:
        """Gives the COMMIT that an earlier console sent and heard no answer to, if there is one."""
        server = await connections.runner.server()
        target = target_of(self.runbook, server, asked=self._asked_production)
        wrong = await misfits(connections.runner, server, self.runbook)
        if wrong:
            raise WrongTarget("; ".join(wrong))
        await connections.take_lock(self.runbook.slug)
        run = self._recorder.take_up(self.runbook.slug, target)
        signature = ledger.Signature(run, self.runbook.slug, self.operator, safe(socket.gethostname()))
        # The ledger is only asked once that transaction has ended.
        unanswered = self.state.unanswered_commit
        await self.record(opening(self.runbook, run, target, self.operator, signature.client))
        self._grip = Grip(connections, signature, self._recorder)
        return unanswered

    async def _keep_sampling(self, sampler: Sampler) -> None:
        """The guard is blind without samples: a fault in who listens to them is told, and the looking goes on."""
        while True:
            try:
                await sampler.run()
            except Exception as fault:
                told = {"message": "the sampler stopped and is started again", "exception": fault}
                asyncio.get_running_loop().call_exception_handler(told)
                await asyncio.sleep(1)

    async def close(self, reason: str, exit_code: int) -> None:
        """Cancels what is in flight, waits until the server has rolled it back, and lets go of everything."""
        try:
            if self._grip is not None:
                await self._grip.end(_CLOSES_WITHIN)
            if self._recorder.path is not None and self.state.opened is not None:
                await self.record(e.RunClosed(e.now(), reason, exit_code))
        finally:
            await self._let_go()

    async def _let_go(self) -> None:
        if self._sampling is not None:
            self._sampling.cancel()
            await asyncio.gather(self._sampling, return_exceptions=True)
        if self._grip is not None:
            await self._grip.connections.close()
        self._recorder.close()
        self._sampler = self._grip = None

    # Checklist and gates

    async def confirm_production(self, typed: str) -> bool:
        """The operator typed a database name; True and recorded when it is the target's."""
        assert self.state.opened is not None
        if typed != self.state.opened.target.database:
            return False
        await self.record(e.ProductionConfirmed(e.now(), self.operator, typed))
        return True

    async def tick(self, item: str, done: bool, note: str = "") -> None:
        """A human's tick, or its taking back. ValueError for a probe's item: only the tool ticks that."""
        if self.state.item(item).plan.by != "human":
            raise ValueError(f"{item} is not ticked by hand")
        await self.record(e.ItemTicked(e.now(), item, self.operator, done, safe(note)))

    async def probe(self, item: str) -> None:
        """Asks a probe's query, or runs an item's command, again. Raises Busy while a script runs."""
        wanted = self.runbook.item(item)
        if wanted.command is None and wanted.sql is None:
            raise ValueError(f"{item} is ticked by hand")
        async with self._held.turn():
            await self._probe(wanted)

    async def _probe(self, *items: ChecklistItem) -> None:
        if not items:
            return
        await self.record(e.ItemsAsked(e.now(), tuple(item.id for item in items)))
        for item in items:
            await self.record(await self._answer(item))

    async def _answer(self, item: ChecklistItem) -> e.ItemProbed:
        """Every item that was asked gets its answer, if only that there is none."""
        safety = self.runbook.safety
        if self._held.stopping:
            return checks.unanswered(item, "stopped")
        if item.command is not None:
            answer = await self._held.command(checks.run_command(item, safety.statement_timeout))
            return answer or checks.unanswered(item, "stopped")
        try:
            return await self._held.asked(partial(checks.probe, item=item, safety=safety))
        except (ConnectionLost, CannotConnect, StatementFailed) as failure:
            return checks.unanswered(item, str(failure))

    async def _probe_phase(self, phase: Literal["before", "during", "after"], step: str | None = None) -> None:
        """All queries of a phase; with a step those that this step waits for. Commands are the operator's to run."""
        await self._probe(
            *(
                item
                for item in self.runbook.checklist
                if item.phase == phase and item.sql is not None and (step is None or item.step in (None, step))
            )
        )

    async def override(self, ids: tuple[str, ...], reason: str) -> None:
        """Opens the gates with these ids for this run, for a reason that is recorded. ValueError without one."""
        if not reason.strip():
            raise ValueError("an override needs a reason")
        await self.record(e.GateOverridden(e.now(), ids, safe(reason.strip()), self.operator))

    async def pause(self, paused: bool) -> None:
        """No further step begins while the run is paused."""
        await self.record(e.PauseSet(e.now(), paused, self.operator))

    # Going on

    async def go_on(self) -> None:
        """Does what ``state.next_act()`` names. Raises GateClosed and Busy."""
        async with self._held.turn():
            act = self.state.next_act()
            if act.kind == "resolve":
                await self._held.asked(PgSession.fresh)
                await self._held.read_ledger(self.state.unanswered_commit)
                return
            if act.kind == "open_window" and not self.state.applied:
                await self._probe_phase("before")
                act = self.state.next_act()
            if act.kind == "run_step":
                await self._probe_phase("during", act.step)
                act = self.state.next_act()
            if act.kind == "confirm_production" or (act.gates and act.kind != "finished"):
                raise GateClosed(act)
            match act.kind:
                case "open_window":
                    await self.record(e.WindowOpened(e.now(), self.operator, self.runbook.window))
                case "run_step":
                    assert act.step is not None
                    await self._step(act.step)
                case "run_verifications":
                    pending = VerificationStatus.PENDING
                    await self._verify(*(v.plan.id for v in self.state.due if v.status is pending))
                    await self._finish()
                case _:
                    return

    async def _step(self, step_id: str) -> None:
        rows = await self._held.ledger_rows()
        if not any(row.applied or row.completed for row in rows):
            await self._take_baselines(step_id)
        step = self.runbook.step(step_id)
        row = next((s for s in rows if s.step == step_id), None)
        skip = (row.completed or 0) if row is not None else 0
        if row is not None and row.undoing:
            raise GateClosed(
                NextAct("run_step", step_id, (f"the way back from {step_id} stopped half-way: R ends it",))
            )
        if row is not None and skip and row.sha256 != step.sql.sha256:
            changed = f"{step.sql.name} changed after {skip} of its statements were done: roll {step_id} back first"
            raise GateClosed(NextAct("run_step", step_id, (changed,)))
        job = Job(step.id, step.title, "forward", (step.id,), step.sql, step.transaction, step.safety, skip)
        if await self._work(job):
            pending = VerificationStatus.PENDING
            await self._verify(*(v.plan.id for v in self.state.due if v.status is pending))
            await self._finish()

    async def _finish(self) -> None:
        if len(self.state.applied) == len(self.runbook.steps) and not self.state.rolled_back:
            await self._probe_phase("after")

    async def _work(self, job: Job) -> bool:
        # Only now: until something is to run, looking at a database leaves nothing in it.
        await self._held.asked(ledger.create)
        if self._held.stopping:
            return False
        try:
            await self._held.runner.run(job)
        except JournalFailed as failure:
            # The disk cannot be told; those who look at the screen can, and the ledger is right in any case.
            await self._held.asked(PgSession.fresh)
            back = e.ScriptFailed(
                e.now(), job.id, job.direction, job.steps, "error", "rolled_back", 0, None, str(failure)
            )
            self._recorder.tell(back)
            self._recorder.tell(e.LedgerRead(e.now(), await self._held.ledger_rows()))
            raise
        # What it left behind (a role, an advisory lock) goes now; a lost connection is noticed and renewed.
        await self._held.asked(PgSession.fresh)
        wanted = StepStatus.APPLIED if job.direction == "forward" else StepStatus.ROLLED_BACK
        return all(self.state.step(step).status is wanted for step in job.steps)

    async def _take_baselines(self, step: str) -> None:
        """Raises GateClosed where one cannot be had: after the step it could never be taken again."""
        for verification in self.runbook.verifications:
            if self._held.stopping or verification.expect.kind is not Expectation.SAME_AS_BEFORE:
                continue
            answer = await self._held.asked(partial(verify.ask, script=verification.sql, safety=self.runbook.safety))
            error = answer.error.message if answer.error else None
            await self.record(e.BaselineTaken(e.now(), verification.id, answer.table.rows, error))
            if error is not None:
                gate = f"no baseline for \u201c{verification.title}\u201d: {error}"
                raise GateClosed(NextAct("run_step", step, (gate,)))

    async def cancel(self) -> bool:
        """Asks what is under way to stop; its end comes as events. False when nothing could be stopped."""
        return self._grip is not None and await self._grip.cancel()

    async def verify(self, *ids: str) -> None:
        """Runs these verifications, or all whose moment has come. Raises Busy."""
        async with self._held.turn():
            await self._verify(*(ids or tuple(v.plan.id for v in self.state.due)))

    async def _verify(self, *ids: str) -> None:
        for wanted in ids:
            if self._held.stopping:
                return
            await self._verify_one(self.runbook.verification(wanted))

    async def _verify_one(self, verification: Verification) -> None:
        await self.record(e.VerificationStarted(e.now(), verification.id))
        taken = self.state.baselines.get(verification.id)
        baseline = None if taken is None or taken.error is not None else taken.rows
        try:
            finished = await self._held.asked(
                lambda session: verify.run(session, verification, self.runbook.safety, baseline)
            )
        except StatementFailed as failure:
            finished = verify.unanswered(verification, baseline, str(failure))
        except (ConnectionLost, CannotConnect) as lost:
            await self.record(verify.unanswered(verification, baseline, str(lost)))
            raise
        await self.record(finished)

    # Going back

    def plan_rollback(self, to: str | None) -> RollbackPlan:
        """What taking back down to ``to`` would run: the last step that stays, None for all.

        Raises RollbackImpossible.
        """
        return rollback.plan(self.runbook, self.state, to)

    async def roll_back(self, plan: RollbackPlan) -> None:
        """Cancels what is in flight, runs the plan's scripts, then the verifications that judge it."""
        async with self._held.interrupt():
            # What was in flight may have been committed in the meantime.
            plan = rollback.way_back(self.runbook, self.state, plan.to)
            scripts = tuple(script.id for script in plan.scripts)
            await self.record(e.RollbackPlanned(e.now(), self.operator, scripts, plan.undoes, plan.to))
            done = False
            try:
                done = await self._take_back(plan)
            finally:
                await self.record(e.RollbackFinished(e.now(), done))
            if done:
                await self._verify(*plan.verifications)

    async def _take_back(self, plan: RollbackPlan) -> bool:
        for script in plan.scripts:
            rows = {row.step: row for row in await self._held.ledger_rows()}
            row = rows.get(script.undoes[0])
            half = row is not None and row.undoing and row.sha256 == script.sql.sha256
            job = Job(
                script.id,
                script.title,
                "back",
                script.undoes,
                script.sql,
                script.transaction,
                rollback.patience(self.runbook, script),
                (row.completed or 0) if row is not None and half else 0,
            )
            if not await self._work(job):
                return False
        return True

    # Other sessions

    async def preview_signal(self, pid: int) -> SignalPreview:
        """Looks at a session closely. Raises SessionGone, StatementFailed, ConnectionLost."""
        connections = self._held.connections
        await connections.hold(self.runbook.slug)
        ours = set(connections.pids)
        if self._sampler is not None and self._sampler.backend_pid is not None:
            ours.add(self._sampler.backend_pid)
        return await operator.preview(connections.operator, pid, frozenset(ours), connections.runner.backend_pid)

    async def signal(self, preview: SignalPreview, action: Literal["cancel", "terminate"]) -> None:
        """Cancels or terminates exactly the session that was previewed, and records what came of it."""
        seen = preview.session
        try:
            done = await operator.signal(self._held.connections.operator, preview, action)
        except StatementFailed as failure:
            done = operator.Signalled(False, False, failure.error.message)
        session = f"{seen.application_name or 'no name'} as {seen.user} from {seen.client or 'unknown'}"
        await self.record(
            e.SessionSignalled(e.now(), seen.pid, action, self.operator, session, done.sent, done.gone, done.message)
        )

    @property
    def _held(self) -> Grip:
        if self._grip is None:
            raise RuntimeError("the run is not open")
        return self._grip


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user often has a number and no name.
        return f"uid {os.getuid()}"
