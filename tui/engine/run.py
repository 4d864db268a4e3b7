"""One runbook against one database: the acts of the operator, and the one place where events are recorded."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tui.postgres.rows import safe
from tui.postgres.session import Dsn, PgSession
from tui.runbook.meaning import runbook_meaning
from tui.runbook.model import Runbook

from . import before, ledger, operator, rollback, shared
from . import events as e
from .connections import Connections, OtherOperator, WrongTarget
from .fit import misfits, too_old
from .forecast import foreseen
from .gates import KEPT
from .grip import Grip
from .operator import Action, SignalPreview
from .plan import opening, target_of
from .proof import Loss
from .recorder import Recorder
from .rollback import RollbackPlan
from .sample import Sample
from .sampler import Sampler
from .shared import Shared
from .state import RunState
from .watching import Watch
from .who import client, login
from .work import GateClosed, Work

_SOON = 0.1
"""Seconds after which a statement that still runs is looked at, before the sampler's next turn."""
_CLOSES_WITHIN = 1.0
_COMMITS_WITHIN = 10.0
"""Seconds that closing waits for what is under way, and for the answer to a COMMIT; then the connection is closed."""


class Run:
    """Opened once, closed once. All acts are coroutines on one loop; what they do comes back as events.

    ``looked_at``: the session all of whose locks samples show.
    ``rehearsal``: on a database that is thrown away. It leaves no journal, and each statement is measured.
    ``redacted``: other sessions' queries come without their literals.
    ``read_only``: it is watched and never taken in hand; nothing is written, neither there nor here, nobody signalled.
    """

    def __init__(
        self,
        runbook: Runbook,
        dsn: Dsn,
        *,
        operator_name: str | None = None,
        production: bool = False,
        rehearsal: bool = False,
        redacted: bool = False,
        read_only: bool = False,
    ) -> None:
        self.runbook = runbook
        self.operator = safe(operator_name or login())
        self.sample: Sample | None = None
        self.looked_at: int | None = None
        self._dsn = dsn
        self._asked_production = production
        self._watchers: list[Callable[[Sample], None]] = []
        self._rehearsal = rehearsal
        self._redacted = redacted
        self._read_only = read_only
        self._recorder = Recorder(kept=not rehearsal)
        self._recorder.subscribe(self._heed)
        self._recorder.subscribe(self._share)
        self._connections: Connections | None = None
        self._watch: Watch | None = None
        self._shared: Shared | None = None
        self._grip: Grip | None = None
        self._beside: PgSession | None = None
        self._sampler: Sampler | None = None
        self._sampling: asyncio.Task[None] | None = None
        self._closing = False

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

    def _heed(self, event: e.Event, _: RunState) -> None:
        """A statement that is still running after a moment may wait for a lock: that is worth a look of its own."""
        if isinstance(event, e.StatementStarted):
            asyncio.get_running_loop().call_later(_SOON, self._look_at, event)

    def _share(self, event: e.Event, _: RunState) -> None:
        if self._shared is not None:
            self._shared.hear(event)

    def _look_at(self, statement: e.StatementStarted) -> None:
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

    async def open(self, *, watch: bool = False) -> None:
        """Connects, takes the operator's lock, folds the journal, reads the ledger, asks the probes.

        Nothing is written into the database, but for a ledger's row that was lost. With ``watch`` a run that somebody
        else has in hand is watched until `take_over`. Raises CannotConnect, WrongTarget, OtherOperator, JournalFailed.
        """
        try:
            await self._open(watch)
        except BaseException:
            # Who closes it in the midst of that lets go of everything, once its end is recorded.
            if not self._closing:
                await self._let_go()
            raise

    async def _open(self, watch: bool) -> None:
        connections = self._connections = await Connections.open(
            self._dsn, operator_name=self.operator, read_only=self._read_only
        )
        target = await self._target(connections)
        self._sampler = Sampler(
            self._dsn,
            on_sample=self._see,
            busy=lambda: self.state.busy or self._script_pid is not None,
            our_pid=lambda: self._script_pid,
            own_pids=lambda: frozenset({connections.operator.backend_pid}),
            foreseen=lambda: foreseen(self.state),
            looked_at=lambda: self.looked_at,
            redacted=self._redacted,
        )
        await self._sampler.connect()
        self._sampling = asyncio.create_task(self._sampler.keep_running())
        if self._read_only:
            return await self._begin_to_watch(connections, target)
        try:
            await connections.take_lock(self.runbook.slug)
        except OtherOperator:
            if not watch:
                raise
            await self._begin_to_watch(connections, target)
        else:
            await self._take_in_hand(connections, target)

    async def _begin_to_watch(self, connections: Connections, target: e.Target) -> None:
        self._recorder.tell(opening(self.runbook, "", target, self.operator, client()))
        self._watch = Watch(connections, self.runbook, self._recorder, read_only=self._read_only)
        await self._watch.begin()

    def _renewed(self) -> None:
        # The guard must not go on looking at a server that the runner has left.
        if self._sampler is not None:
            self._sampler.reconnect()

    @property
    def _script_pid(self) -> int | None:
        """The session whose locks the tree is drawn from: our runner's, or that of whom we watch."""
        if self._grip is not None:
            return self._grip.runner.backend_pid
        return self._watch.script_pid if self._watch is not None else None

    async def _target(self, connections: Connections) -> e.Target:
        server = await connections.runner.server()
        # Who only looks needs no rights of a migration's.
        wrong = too_old(server) if self._read_only else await misfits(connections.runner, server, self.runbook)
        if wrong:
            raise WrongTarget("; ".join(wrong))
        return target_of(self.runbook, server, asked=self._asked_production)

    async def _take_in_hand(self, connections: Connections, target: e.Target) -> None:
        known = await shared.read(connections.runner, self.runbook.slug, target)
        rows = await ledger.read(connections.runner, self.runbook.slug)
        stands = any(row.applied or row.completed is not None for row in rows)
        taken = await self._recorder.take_up(self.runbook.slug, target, known, stands=stands)
        run = taken.run
        signature = ledger.Signature(
            run,
            self.runbook.slug,
            self.operator,
            client(),
            self.runbook.toml_sha256,
            runbook_meaning(self.runbook),
        )
        told = known.events if known is not None and known.run == run else ()
        self._shared = Shared(
            connections, run, self.runbook.slug, (event for event in taken.known if event not in told)
        )
        await self.record(opening(self.runbook, run, target, self.operator, signature.client))
        if self._rehearsal:
            self._beside = await PgSession.open(self._dsn, application_name="lockstep meter")
        self._grip = Grip(connections, self.runbook, signature, self._recorder, self._renewed, self._beside)
        await self._grip.read_ledger(taken.unanswered)
        if self.state.ledger is not None and self.state.ledger.exists:
            self._shared.begin()
        if self.state.rollback is not None and self.state.rollback_ok is None and not self.state.present:
            await self.record(e.RollbackFinished(e.now(), True))
        if not self._rehearsal:
            await self._work.foretell()
        if not self.state.applied and self.state.under_way is None:
            async with self._held.turn():
                await self._work.probe_phase("before")

    async def take_over(self) -> None:
        """Takes a watched run in hand, now that nobody else has it.

        Raises OtherOperator when somebody was faster, CannotConnect, WrongTarget, JournalFailed.
        """
        assert self._watch is not None
        assert self._connections is not None
        assert not self._read_only
        await self._connections.take_lock(self.runbook.slug)
        watch, self._watch = self._watch, None
        await watch.end()
        try:
            await self._take_in_hand(self._connections, await self._target(self._connections))
        except BaseException:
            # It can be tried again, by anybody, and until then it is seen how the run stands.
            if self._grip is None:
                await self._connections.release()
                self._watch = watch
                await watch.begin()
            raise

    async def close(self, reason: str, exit_code: int | None = None) -> None:
        """Cancels what is in flight, waits until the server has rolled it back, and lets go of everything.

        Without an ``exit_code`` the record tells the one of the state that this leaves.
        """
        self._closing = True
        try:
            if self._grip is not None:
                await self._grip.end(_CLOSES_WITHIN)
                if self._grip.runner.committing:
                    await self._grip.end(_COMMITS_WITHIN)
            if self._grip is not None and self.state.opened is not None:
                code = self.state.exit_code if exit_code is None else exit_code
                await self.record(e.RunClosed(e.now(), reason, code))
            if self._shared is not None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._shared.end(), _CLOSES_WITHIN)
        finally:
            await self._let_go()

    async def _let_go(self) -> None:
        if self._watch is not None:
            await self._watch.end()
        if self._sampling is not None:
            self._sampling.cancel()
            await asyncio.gather(self._sampling, return_exceptions=True)
        if self._sampler is not None:
            await self._sampler.close()
        if self._connections is not None:
            await self._connections.close()
        if self._beside is not None:
            await self._beside.close()
        self._recorder.close()
        self._sampler = self._grip = self._watch = self._connections = self._shared = self._beside = None

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
            await self._work.probe(wanted)

    async def override(self, ids: tuple[str, ...], reason: str) -> None:
        """Opens the gates with these ids for this run, for a reason that is recorded. ValueError without one."""
        if not reason.strip():
            raise ValueError("an override needs a reason")
        await self.record(e.GateOverridden(e.now(), ids, safe(reason.strip()), self.operator))

    async def pause(self, paused: bool) -> None:
        """No further step, and no further chunk of a batch, begins while the run is paused."""
        await self.record(e.PauseSet(e.now(), paused, self.operator))
        self._held.runner.pause(paused)

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
                await self._work.probe_phase("before")
                act = self.state.next_act()
            if act.kind == "run_step" and act.step is not None:
                await self._work.probe_phase("during", act.step)
                await self._work.tell_if_late(act.step)
                act = self.state.next_act()
                if set(act.gate_ids) <= {KEPT} and len(act.gates) == len(act.gate_ids):
                    # Only now: until something is to run, looking at a database leaves nothing in it.
                    await self._work.keep_fingerprint()
                    act = self.state.next_act()
            if act.kind == "confirm_production" or (act.gates and act.kind != "finished"):
                raise GateClosed(act)
            match act.kind:
                case "open_window":
                    await self.record(e.WindowOpened(e.now(), self.operator, self.runbook.window))
                case "run_step" | "repair":
                    assert act.step is not None
                    await self._work.step(act.step)
                case "run_verifications":
                    await self._work.verify_due()
                case _:
                    return

    async def settle(self, step: str, *, applied: bool, reason: str) -> None:
        """A human's word on a step in doubt. ValueError without a reason, or when the step is in no doubt."""
        if not reason.strip():
            raise ValueError("settling needs a reason")
        async with self._held.turn():
            await self._work.settle(step, applied=applied, reason=safe(reason.strip()))

    async def cancel(self) -> bool:
        """Asks what is under way to stop; its end comes as events. False when nothing could be stopped."""
        return self._grip is not None and await self._grip.cancel()

    async def verify(self, *ids: str) -> None:
        """Runs these verifications, or all whose moment has come. Raises Busy."""
        async with self._held.turn():
            await self._work.verify(*(ids or tuple(v.plan.id for v in self.state.due)))
            if not ids and self.state.uncompared:
                await self._work.compare()

    # Going back

    def plan_rollback(self, to: str | None) -> RollbackPlan:
        """What taking back down to ``to`` would run: the last step that stays, None for all.

        Raises RollbackImpossible.
        """
        return rollback.plan(self.runbook, self.state, to)

    async def losses(self, plan: RollbackPlan) -> tuple[Loss, ...] | None:
        """What this would drop, counted now; None where nobody can know."""
        return await before.count_losses(self._dsn, self.runbook, self.state, plan.to)

    async def roll_back(self, plan: RollbackPlan) -> None:
        """Cancels what is in flight, runs the plan's scripts, then the verifications that judge it."""
        async with self._held.interrupt():
            # What was in flight may have been committed in the meantime.
            plan = rollback.way_back(self.runbook, self.state, plan.to)
            scripts = tuple(script.id for script in plan.scripts)
            await self.record(e.RollbackPlanned(e.now(), self.operator, scripts, plan.undoes, plan.to))
            done = False
            try:
                done = await self._work.take_back(plan)
            finally:
                await self.record(e.RollbackFinished(e.now(), done))
            if done:
                await self._work.verify(*plan.verifications)
                if self.state.uncompared:
                    await self._work.compare()

    # Other sessions

    def look_at(self, pid: int | None) -> None:
        """From the next look on, which comes at once, samples show all locks of this session; of none for None."""
        self.looked_at = pid
        if pid is not None and self._sampler is not None:
            self._sampler.wake()

    async def preview_signal(self, pid: int) -> SignalPreview:
        """Looks at a session closely. Raises SessionGone, StatementFailed, ConnectionLost."""
        connections = self._held.connections
        await connections.hold(self.runbook.slug)
        ours = set(connections.pids)
        if self._sampler is not None and self._sampler.backend_pid is not None:
            ours.add(self._sampler.backend_pid)
        session, runner = connections.operator, connections.runner.backend_pid
        return await operator.preview(session, pid, frozenset(ours), runner, redacted=self._redacted)

    async def signal(self, preview: SignalPreview, action: Action) -> None:
        """Cancels or terminates exactly the session that was previewed, and records what came of it."""
        await self.record(await operator.signalled(self._held.connections.operator, preview, action, self.operator))

    @property
    def _work(self) -> Work:
        assert self._shared is not None
        return Work(self.runbook, self._held, self._recorder, self._shared, rehearsal=self._rehearsal)

    @property
    def _held(self) -> Grip:
        if self._grip is None:
            raise RuntimeError("the run is not open")
        return self._grip
