"""Makes the pictures of this directory: ``python screenshots/make.py``.

Nothing is staged but the operator's keys: the embedded server, the shipped runbook, its traffic, the real console.
"""

import asyncio
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
from textual.pilot import Pilot

from tui.app import LockstepApp
from tui.demo import Stage, stage
from tui.engine import places, proofs
from tui.engine.filter import Filter
from tui.engine.lookout import Lookout
from tui.engine.rehearsal import Rehearsing
from tui.engine.run import Run
from tui.engine.sample import LockNode, LockTree
from tui.engine.state import StepStatus, VerificationStatus
from tui.postgres.session import Dsn
from tui.runbook.load import find_runbook, load_or_refuse
from tui.runbook.model import Runbook
from tui.watch import WatchApp
from tui.widgets.lines import Lines
from tui.widgets.locks import LockPane

HERE = Path(__file__).parent
SIZE = (120, 36)
PATIENCE = 180.0

# The orphan that a verification must find: it comes with the ledger's row, after the step's own check has looked.
ORPHAN = """
CREATE FUNCTION lockstep.slip_in() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.client_profiles (company_name, contact_name, email) VALUES ('Nobody''s', 'Nobody', 'x@y.example');
  RETURN NULL;
END $$;
CREATE TRIGGER slip_in AFTER INSERT ON lockstep.act
FOR EACH ROW WHEN (NEW.step = '006' AND NEW.direction = 'forward') EXECUTE FUNCTION lockstep.slip_in();
"""
NO_ORPHAN = """
DROP TRIGGER slip_in ON lockstep.act;
DROP FUNCTION lockstep.slip_in();
DELETE FROM public.client_profiles WHERE user_id IS NULL;
"""


def self_contained(svg: str) -> str:
    """The picture without fonts from the network, and with blanks that every renderer keeps."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1)
    return re.sub(r"\s*<!-- Generated with Rich.*?-->", "", svg)


async def until(pilot: Pilot[int], holds: Callable[[], bool]) -> None:
    """Lets the console live until this holds."""
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await pilot.pause(0.05)
    await pilot.pause(0.3)


async def picture(pilot: Pilot[int], name: str) -> None:
    await pilot.pause(0.3)
    path = HERE / f"{name}.svg"
    path.write_text(self_contained(pilot.app.export_screenshot(title="lockstep")), encoding="utf-8")
    print(path)


class Night:
    """A console under the operator's keys."""

    def __init__(self, pilot: Pilot[int], run: Run) -> None:
        self.pilot = pilot
        self.run = run

    async def until(self, holds: Callable[[], bool]) -> None:
        await until(self.pilot, holds)

    async def picture(self, name: str) -> None:
        await picture(self.pilot, name)

    async def tick(self, phase: str) -> None:
        for item in self.run.state.items:
            if item.plan.phase == phase and item.plan.by == "human" and not item.done:
                await self.run.tick(item.plan.id, True)
        await self.pilot.pause(0.2)

    async def ready(self) -> None:
        """The console is open and its probes have answered."""
        asked = [item.id for item in self.run.runbook.checklist if item.phase == "before" and item.sql is not None]
        await self.until(lambda: bool(self.run.state.items) and self.run.sample is not None)
        await self.until(lambda: all(self.run.state.item(item).probe is not None for item in asked))
        await asyncio.sleep(1)

    async def step(self, step: str) -> None:
        """``enter``, and the step through to its verifications."""
        await self.until(lambda: self.run.state.next_act().step == step)
        await asyncio.sleep(1)
        await self.pilot.press("enter")
        while not self.applied(step):
            await self.until(lambda: self.applied(step) or reported(self.run))
            if not self.applied(step):
                await self.terminate_blocker()

    def applied(self, step: str) -> bool:
        return self.run.state.step(step).status is StepStatus.APPLIED and not self.run.state.busy

    async def terminate_blocker(self) -> None:
        """``k``, and yes, if the blocker is still there by then."""
        await self.pilot.press("k")
        await self.pilot.pause(0.5)
        if len(self.pilot.app.screen_stack) > 2:
            await asyncio.sleep(1)
            await self.pilot.press("right", "enter")
            await self.pilot.pause(1)


def reported(run: Run) -> bool:
    """The report, back after its minute, is in the way again."""
    names = [node.session.application_name for node in run.sample.tree.blockers if node.session] if run.sample else []
    return "billing_report" in names and waits(run, 1.0)


def in_the_way(run: Run, seconds: float) -> bool:
    """The report is back and holds what the step to come wants."""
    held = [one.session for one in run.sample.in_the_way if one.session] if run.sample else []
    return any(s.application_name == "billing_report" and (s.transaction_seconds or 0) >= seconds for s in held)


async def first_night(night: Night, on: Stage) -> None:
    """Checklist, a lock queue and its end, what the next step will meet, a red verification, the way back."""
    run, press = night.run, night.pilot.press
    await night.ready()
    for _ in range(4):
        await press("space", "down")
    await night.picture("checklist")
    await night.tick("before")
    await press("enter")
    await night.until(lambda: run.state.window_opened_at is not None)
    await night.tick("during")
    await night.until(lambda: not run.state.busy)
    await asyncio.sleep(1)
    await press("enter")
    await night.until(lambda: run.sample is not None and run.sample.tree.queued >= 8 and waits(run, 1.5))
    await night.picture("waiting")
    # In a task of its own: each console has its own notion of the one that is active.
    await asyncio.create_task(colleague(on))
    await asyncio.create_task(onlooker(on))
    await night.until(lambda: waits(run, 1.0))
    await press("k")
    await night.until(lambda: len(night.pilot.app.screen_stack) > 2)
    await night.picture("terminate")
    await press("right", "enter")
    await night.until(lambda: bool(run.state.signals))
    await night.until(lambda: run.state.step("004").status is StepStatus.APPLIED and not run.state.busy)
    await night.until(lambda: run.state.next_act().step == "005" and in_the_way(run, 8.0))
    await night.picture("forecast")
    await night.step("005")
    async with await psycopg.AsyncConnection.connect(on.dsn, autocommit=True) as own:
        await own.execute(ORPHAN)
        await night.step("006")
        await night.until(lambda: any(v.status is VerificationStatus.FAILED for v in run.state.due))
        await night.picture("verification-red")
        await own.execute(NO_ORPHAN)
    await press("R")
    await night.until(lambda: len(night.pilot.app.screen_stack) > 2)
    await night.until(lambda: "counting …" not in night.pilot.app.screen.query_one(Lines).text)
    await night.picture("rollback-plan")
    await press("right", "right", "enter")
    await night.until(lambda: run.state.rolled_back and run.state.compared is not None and run.state.verified)
    await night.picture("rolled-back")


async def colleague(on: Stage) -> None:
    """A second console looks over the shoulder of the first."""
    runbook, _ = load_or_refuse(find_runbook("iso-agents-to-users"))
    run = Run(runbook, Dsn(on.dsn), operator_name="dba2")
    app = LockstepApp(run)
    async with app.run_test(size=SIZE) as pilot:
        night = Night(pilot, run)
        await night.until(lambda: run.sample is not None and run.sample.tree.queued >= 8 and waits(run, 1.5))
        await night.picture("watching")
        await run.close("done", 0)


async def onlooker(on: Stage) -> None:
    """The same moment without a runbook, and the session that keeps everybody waiting from near."""
    app = WatchApp(lambda: Lookout(Dsn(on.dsn), act=False), Filter())
    async with app.run_test(size=SIZE) as pilot:

        def shown() -> LockTree | None:
            pictured = app.watch_screen.picture
            return pictured.sample.tree if pictured is not None else None

        await until(pilot, lambda: (tree := shown()) is not None and len(everybody(tree.roots)) >= 10)
        # So many looks that the gauges have something to show.
        await pilot.pause(12)
        await until(pilot, lambda: (tree := shown()) is not None and len(everybody(tree.roots)) >= 10)
        await picture(pilot, "watch")
        app.watch_screen.query_one(LockPane).focus()
        await pilot.press("home", "enter")
        await pilot.pause(1)
        await picture(pilot, "session")
        await app.let_go("done", 0)


def everybody(nodes: Sequence[LockNode]) -> list[LockNode]:
    return [one for node in nodes for one in (node, *everybody(node.children))]


async def second_night(night: Night) -> None:
    """Straight to the end."""
    await night.ready()
    await night.tick("before")
    await night.pilot.press("enter")
    await night.until(lambda: night.run.state.window_opened_at is not None)
    await night.tick("during")
    for step in ("004", "005", "006", "007"):
        await night.step(step)
    await night.until(lambda: night.run.state.next_act().kind == "finished")
    await asyncio.sleep(1)
    await night.picture("done")


def waits(run: Run, seconds: float) -> bool:
    tree = run.sample.tree if run.sample else None
    return tree is not None and tree.waiting_for_lock and (tree.our_wait_seconds or 0) >= seconds


async def rehearsed(runbook: Runbook) -> None:
    """The runbook is tried on a tenth of the fixture, and what came of it is kept."""
    async with places.on_fixture(runbook, scale=0.1, major=None, told=print) as place:
        proofs.keep(await Rehearsing(runbook, place, lambda event, state: None).go())


async def main() -> None:
    runbook, _ = load_or_refuse(find_runbook("iso-agents-to-users"))
    await rehearsed(runbook)
    async with stage(runbook, 1.0) as on:
        for play in (lambda night: first_night(night, on), second_night):
            run = Run(runbook, Dsn(on.dsn), operator_name="dba1")
            app = LockstepApp(run)
            async with app.run_test(size=SIZE) as pilot:
                await play(Night(pilot, run))
                await run.close("done", 0)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as state:
        os.environ["LOCKSTEP_STATE"] = state
        asyncio.run(main())
