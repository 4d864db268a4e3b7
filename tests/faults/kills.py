"""Random kills of a real migration: ``iso-agents-to-users``, forward and back, at random moments.

``python tests/faults/kills.py --kills 200 --seed 1`` exits with 1 if one of them leaves a lie or a dead end behind.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

# As a command it finds what all tests share, as it does under pytest.
sys.path.append(str(Path(__file__).resolve().parents[1]))

import psycopg
from cell import GONE_WITHIN, Untrue, expect
from child import OURS, Ended, console, eventually, lockstep
from ground import OPTIONS, fingerprint, psql

from tui.engine import fixture
from tui.paths import shipped_runbooks
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.session import Dsn

RUNBOOK = shipped_runbooks() / "iso-agents-to-users"
SCALE = 0.01
STEPS = ("004", "005", "006", "007")
LINGER = 0.03
"""Seconds at most between an event of the console and its kill."""
_BACK_SHARE = 0.4
_APPLIED = "SELECT coalesce(string_agg(step, ' ' ORDER BY step), '') FROM ({}) AS newest WHERE direction = 'forward'"
_NEWEST = "SELECT DISTINCT ON (step) step, direction FROM lockstep.act ORDER BY step, id DESC"


@dataclass(frozen=True, slots=True)
class Kill:
    """Which command dies, after which of its events, and how many seconds after that."""

    command: str
    event: int
    linger: float


class Migration:
    """The database that kills start from, and every state that is no half one."""

    def __init__(self, server: EmbeddedServer, directory: Path) -> None:
        self.server = server
        self.states: dict[tuple[str, ...], str] = {}
        """The fingerprint with these steps applied."""
        self.events: dict[str, int] = {}
        """How many events an undisturbed command tells."""
        base = server.create_database("base")
        asyncio.run(fixture.load(Dsn(base), RUNBOOK, SCALE, lambda *_: None))
        self.states[()] = fingerprint(server, base)
        dsn = server.create_database("undisturbed", "base")
        for number, step in enumerate(STEPS, start=1):
            done("run", dsn, directory, "--to", step)
            self.states[STEPS[:number]] = fingerprint(server, dsn)
        done("rollback", dsn, directory)
        assert fingerprint(server, dsn) == self.states[()], "an undisturbed rollback does not lead back"
        run, back = done("run", dsn, directory), done("rollback", dsn, directory)
        self.events = {"run": len(run.events), "rollback": len(back.events)}

    def draw(self, dice: random.Random) -> list[Kill]:
        """The kills of the next night: of the run, and in some nights of the rollback that follows it."""
        commands = ["run", "rollback"] if dice.random() < _BACK_SHARE else ["run"]
        return [Kill(name, dice.randrange(self.events[name]), dice.uniform(0, LINGER)) for name in commands]

    def try_(self, kills: Sequence[Kill]) -> list[str]:
        """What each left behind; a console that ended before it could be killed is left out. Raises Untrue."""
        name = f"kill_{uuid4().hex[:12]}"
        dsn = self.server.create_database(name, "base")
        try:
            with tempfile.TemporaryDirectory(prefix="ls-kill-") as state:
                left = [self._try(kill, dsn, Path(state)) for kill in kills]
        finally:
            self.server.drop_database(name)
        return [f"{kill.command}: {applied}" for kill, applied in zip(kills, left, strict=True) if applied is not None]

    def _try(self, kill: Kill, dsn: str, state: Path) -> str | None:
        with console(*arguments(kill.command, dsn), state=state) as running:
            running.until(kill.event)
            time.sleep(kill.linger)
            running.process.kill()
            ended = running.end()
        if ended.code == 0:
            return None
        with psycopg.connect(dsn, autocommit=True) as direct:
            gone = eventually(lambda: direct.execute(OURS.encode()).fetchone() == (0,), GONE_WITHIN)
        expect(gone, f"{kill}: after {GONE_WITHIN:g} s the server still has sessions of it")
        try:
            applied = self._true_state(dsn, state)
            if kill.command == "run" or applied:
                again = lockstep(*arguments(kill.command, dsn), state=state)
                expect(again.code == 0, f"going on ended with {again.code}: {again.told}")
            wanted = STEPS if kill.command == "run" else ()
            expect(fingerprint(self.server, dsn) == self.states[wanted], "going on did not come to its end")
        except Untrue as untrue:
            raise Untrue(f"{kill}: {untrue}") from None
        return " ".join(applied) or "nothing"

    def _true_state(self, dsn: str, state: Path) -> tuple[str, ...]:
        """What status, the ledger and the objects say, which must be the same."""
        said = lockstep("status", str(RUNBOOK), "-d", dsn, state=state)
        expect(said.code == 0, f"status ended with {said.code}: {said.told}")
        states = said.status
        expect(set(states.values()) <= {"applied", "pending", "rolled_back"}, f"status says {states}")
        applied = tuple(step for step in STEPS if states[step] == "applied")
        ledger = psql(self.server, dsn, "SELECT to_regclass('lockstep.act') IS NOT NULL") == "t"
        there = psql(self.server, dsn, _APPLIED.format(_NEWEST)) if ledger else ""
        expect(there == " ".join(applied), f"status says {applied}, the ledger {there!r}")
        expect(fingerprint(self.server, dsn) == self.states.get(applied), f"status says {applied}, the objects differ")
        return applied


def arguments(command: str, dsn: str) -> list[str]:
    """The command line for the runbook."""
    return [command, str(RUNBOOK), "-d", dsn, "--yes", *(["--tick-all"] if command == "run" else [])]


def done(command: str, dsn: str, state: Path, *options: str) -> Ended:
    """Runs this command to its good end."""
    ended = lockstep(*arguments(command, dsn), *options, state=state)
    assert ended.code == 0, ended.told
    return ended


@contextmanager
def migration() -> Iterator[Migration]:
    """On a server of its own, for as long as the block lasts."""
    with EmbeddedServer(options=OPTIONS) as server, tempfile.TemporaryDirectory(prefix="ls-kills-") as directory:
        yield Migration(server, Path(directory))


@dataclass
class Tally:
    """What came of the kills."""

    left: Counter[str]
    failures: list[str]

    @property
    def kills(self) -> int:
        return self.left.total() + len(self.failures)


def kill_many(whole: Migration, kills: int, seed: int, jobs: int) -> Tally:
    """Draws and tries until so many consoles died before their end."""
    dice, order, tally, under_way = random.Random(seed), threading.Lock(), Tally(Counter(), []), 0

    def draw() -> list[Kill]:
        nonlocal under_way
        with order:
            night = whole.draw(dice)[: max(0, kills - tally.kills - under_way)]
            under_way += len(night)
            return night

    def nights() -> None:
        nonlocal under_way
        while night := draw():
            left, failures = Counter[str](), []
            try:
                left.update(whole.try_(night))
            except Untrue as untrue:
                failures.append(str(untrue))
            with order:
                under_way -= len(night)
                tally.left += left
                tally.failures += failures
                print(f"{tally.kills} of {kills}", file=sys.stderr, flush=True)

    with ThreadPoolExecutor(jobs) as threads:
        for ended in [threads.submit(nights) for _ in range(jobs)]:
            ended.result()
    return tally


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="kills at a time")
    given = parser.parse_args(words)
    with migration() as whole:
        tally = kill_many(whole, given.kills, given.seed, given.jobs)
    for failure in tally.failures:
        print(failure)
    for left, count in sorted(tally.left.items()):
        print(f"{count:4} killed with this applied: {left}")
    print(f"{tally.kills - len(tally.failures)} of {tally.kills} true and resumable (seed {given.seed})")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
