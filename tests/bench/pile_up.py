"""Step 006 under the traffic of 30 sessions while a report holds client_profiles for 20 s: who waited, and how long.

``python tests/bench/pile_up.py`` prints the figures; waits are measured by the application's own clocks.
"""

import asyncio
import os
import tempfile
import time
from dataclasses import dataclass, field

import psycopg

from tui.engine import events as e
from tui.engine import fixture, unattended
from tui.engine.run import Run
from tui.engine.sample import Sample
from tui.engine.state import RunState
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.session import Dsn
from tui.runbook.load import find_runbook, load_or_refuse

SESSIONS = 30
HOLD = 20.0


@dataclass
class Figures:
    """What was seen; seconds."""

    waits: list[float] = field(default_factory=list)
    errors: int = 0
    tries: int = 0
    given_back: list[str] = field(default_factory=list)
    holder_above: bool = False
    queue_below: int = 0
    sentence: str = ""
    done_after: float = 0.0


async def application(dsn: str, number: int, figures: Figures, stop: asyncio.Event) -> None:
    """A session that reads and writes both tables, by the old column or by the new one."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, application_name=f"web {number}") as own:
        column = "iso_agent_id"
        while not stop.is_set():
            begun = time.monotonic()
            try:
                async with own.transaction():
                    # Dependent tables first, as the steps lock them.
                    await own.execute(f"UPDATE requests SET updated_at = now() WHERE {column} IS NULL")
                    await own.execute(f"SELECT count({column}) FROM client_profiles WHERE {column} IS NULL")
            except psycopg.errors.UndefinedColumn:
                figures.errors += 1
                column = "user_id" if column == "iso_agent_id" else "iso_agent_id"
            figures.waits.append(time.monotonic() - begun)
            await asyncio.sleep(0.05)


async def holder(dsn: str, holding: asyncio.Event) -> None:
    """A report that reads client_profiles and stays idle in transaction."""
    async with await psycopg.AsyncConnection.connect(dsn, application_name="billing_report") as own:
        await own.execute("SELECT count(*) FROM client_profiles")
        holding.set()
        await asyncio.sleep(HOLD)
        await own.rollback()


async def main() -> None:
    figures = Figures()
    runbook, _ = load_or_refuse(find_runbook("iso-agents-to-users"))
    async with EmbeddedServer() as server:
        dsn = await asyncio.to_thread(server.create_database, "app")
        await fixture.load(Dsn(dsn), runbook.path, 1.0, lambda done, total, file: None)
        run = Run(runbook, Dsn(dsn), operator_name="dba1")

        def told(event: e.Event, state: RunState) -> None:
            if isinstance(event, e.ScriptStarted):
                figures.tries = event.attempt
            if isinstance(event, e.LocksGivenBack):
                figures.given_back.append(event.detail)

        def seen(sample: Sample) -> None:
            tree = sample.tree
            if any(
                blocker.title.startswith("billing_report")
                or (blocker.session and blocker.session.application_name == "billing_report")
                for blocker in tree.blockers
            ):
                figures.holder_above = True
            if tree.queued > figures.queue_below:
                figures.queue_below, figures.sentence = tree.queued, tree.sentence

        await run.open()
        await unattended.tick(run, (), everything=True)
        await unattended.run_to(run, "005")
        run.subscribe(told)
        run.watch(seen)
        stop, holding = asyncio.Event(), asyncio.Event()
        sessions = [asyncio.create_task(application(dsn, n, figures, stop)) for n in range(SESSIONS)]
        report = asyncio.create_task(holder(dsn, holding))
        await holding.wait()
        figures.waits.clear()
        begun = time.monotonic()
        code = await unattended.run_to(run, "006")
        figures.done_after = time.monotonic() - begun
        stop.set()
        await asyncio.gather(*sessions, report)
        await run.close("bench", 0)
    limit = runbook.step("006").safety.lock_timeout + 0.5
    ordered = sorted(figures.waits)
    print(f"exit code of the step           {code}")
    print(f"done after                      {figures.done_after:.1f} s (the report held for {HOLD:.0f} s)")
    print(f"tries                           {figures.tries}, locks given back {len(figures.given_back)} times")
    print(f"holder seen above us            {figures.holder_above}")
    print(f"most sessions seen behind us    {figures.queue_below}: {figures.sentence}")
    print(f"application rounds              {len(ordered)}, of which failed for the renamed column {figures.errors}")
    print(
        f"median, p99, longest round      {ordered[len(ordered) // 2]:.3f} {ordered[len(ordered) * 99 // 100]:.3f} "
        f"{ordered[-1]:.3f} s"
    )
    print(f"limit (lock_timeout + 0.5 s)    {limit:.1f} s: {'held' if ordered[-1] <= limit else 'BROKEN'}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as state:
        os.environ["LOCKSTEP_STATE"] = state
        asyncio.run(main())
