"""One cell of the matrix: a fault, at a moment, of a kind of script; then the truth, and going on."""

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from child import OURS, Console, Ended, Event, console, eventually, lockstep
from ground import Ground, fingerprint, psql
from kinds import KINDS, At, Kind, Moment
from proxy import Hold, Proxy
from small_disk import SmallDisk, small_disk

GONE_WITHIN = 5.0
"""Seconds until the server has let go of every session of a console that ended or died."""
DISK = 4 << 20
OPERATOR = "first.dba"


class Untrue(Exception):
    """The cell does not hold: what was promised, and what was seen."""


def expect(holds: bool, what: str) -> None:
    if not holds:
        raise Untrue(what)


@dataclass(frozen=True, slots=True)
class Stage:
    """What a fault may touch, once its moment is reached. ``unblock`` lets a statement that waits go on."""

    kind: Kind
    moment: Moment
    ground: Ground
    dsn: str
    book: str
    state: Path
    proxy: Proxy
    hold: Hold
    console: Console
    unblock: Callable[[], None]
    disk: SmallDisk | None

    def psql(self, query: str) -> str:
        return psql(self.ground.server, self.dsn, query)

    def status(self) -> Ended:
        ended = lockstep("status", self.book, "-d", self.dsn, state=self.state)
        expect(bool(ended.events), f"status ended with {ended.code}: {ended.told}")
        return ended

    def act(self, operator: str = OPERATOR) -> Ended:
        """The run, or the rollback, once more and not by way of the proxy."""
        return lockstep(self.kind.command, self.book, "-d", self.dsn, "--yes", "--operator", operator, state=self.state)


# The faults: each ends when the console has ended, and gives how.


def kill9(stage: Stage) -> Ended:
    stage.console.process.kill()
    ended = stage.console.end()
    stage.proxy.cut()
    return ended


def _signalled(number: signal.Signals) -> Callable[[Stage], Ended]:
    def fault(stage: Stage) -> Ended:
        stage.console.signal(number)
        stage.hold.release()
        ended = stage.console.end()
        expect(ended.code == 128 + number, f"ended with {ended.code} instead of {128 + number}: {ended.told}")
        return ended

    return fault


def terminated(stage: Stage) -> Ended:
    with psycopg.connect(stage.dsn, autocommit=True) as other:
        gone = other.execute("SELECT pg_terminate_backend(%s, 5000)", (stage.hold.backend_pid,)).fetchone()
    expect(gone == (True,), "the runner's session could not be terminated")
    stage.hold.lose()
    return stage.console.end()


def server_stopped(stage: Stage) -> Ended:
    stage.ground.server.halt("immediate")
    try:
        stage.hold.lose()
    finally:
        stage.ground.server.start()
    return stage.console.end(60)


def cut(stage: Stage) -> Ended:
    stage.proxy.cut()
    return stage.console.end()


def silent(stage: Stage) -> Ended:
    """Nobody answers and nothing is closed; whoever asks from elsewhere is told the truth meanwhile."""
    stage.proxy.silence()
    said = stage.status()
    present = _effects(stage)
    seen = f"in the silence status says {said.status}, under way: {said.last['under_way']}; there is {present}"
    expect(said.status["2"] != "applied" or all(present), seen)
    partly = not stage.kind.whole and said.last["under_way"] is not None
    expect(said.status["2"] not in ("pending", "rolled_back") or partly or not any(present), seen)
    stage.proxy.cut()
    return stage.console.end()


def journal_full(stage: Stage) -> Ended:
    assert stage.disk is not None
    stage.disk.fill()
    stage.unblock()
    stage.hold.release()
    ended = stage.console.end()
    if ended.code == 0:
        # The last block of the journal had room for the little that was left to tell.
        (journal,) = stage.state.glob("runs/*.jsonl")
        whole = journal.read_bytes().splitlines()[-1]
        expect(json.loads(whole)["kind"] == "run_closed", f"it ended well, and its journal ends with {whole!r}")
    else:
        expect(bool(re.search("journal|disk", ended.told)), f"no word about the journal: {ended.told}")
    before = fingerprint(stage.ground.server, stage.dsn)
    again = stage.act()
    expect(again.code in (1, 2), f"with a full disk it went on, and ended with {again.code}: {again.told}")
    expect(fingerprint(stage.ground.server, stage.dsn) == before, "with a full disk it changed the database")
    stage.disk.free()
    return ended


def second_operator(stage: Stage) -> Ended:
    with TemporaryDirectory(prefix="ls-second-") as elsewhere:
        arguments = (stage.kind.command, stage.book, "-d", stage.dsn, "--yes", "--operator", "second.dba")
        second = lockstep(*arguments, state=Path(elsewhere))
    expect(second.code == 4, f"the second console ended with {second.code}: {second.told}")
    expect(OPERATOR in second.told, f"the second console is not told who holds the run: {second.told}")
    stage.unblock()
    stage.hold.release()
    first = stage.console.end()
    expect(first.code == 0, f"the first console ended with {first.code}: {first.told}")
    return first


FAULTS: dict[str, tuple[str, Callable[[Stage], Ended]]] = {
    "kill9": ("kill -9", kill9),
    "sigterm": ("SIGTERM", _signalled(signal.SIGTERM)),
    "sighup": ("SIGHUP", _signalled(signal.SIGHUP)),
    "terminated": ("backend terminated", terminated),
    "server_stopped": ("server stopped (immediate) and started", server_stopped),
    "cut": ("network cut", cut),
    "silent": ("network silent, then cut", silent),
    "journal_full": ("journal's disk full", journal_full),
    "second_operator": ("second operator", second_operator),
}
STOPS_SERVER = ("server_stopped",)


def why_not(fault: str, moment: Moment, kind: str) -> str | None:
    """Why there is no such cell; None where there is one."""
    at = KINDS[kind].moments[moment]
    return at if isinstance(at, str) else None


def run_cell(ground: Ground, fault: str, moment: Moment, kind: str) -> float:
    """Tries it; gives the seconds that it took. Raises Untrue, and Skipped where a small disk cannot be had."""
    begun = time.monotonic()
    with ExitStack() as stack:
        dsn = stack.enter_context(ground.using(kind))
        place = Path(stack.enter_context(TemporaryDirectory(prefix="ls-cell-", ignore_cleanup_errors=True)))
        disk = stack.enter_context(small_disk(place, DISK)) if fault == "journal_full" else None
        stage = stack.enter_context(_at_the_moment(ground, dsn, disk.path if disk else place, disk, moment, kind))
        try:
            ended = FAULTS[fault][1](stage)
        except Untrue as untrue:
            raise Untrue(f"{untrue}\nthe console said:\n{stage.console.told}") from None
        try:
            expect("Traceback" not in ended.told, "a traceback")
            _judge(stage, ground.undisturbed(kind))
        except Untrue as untrue:
            raise Untrue(f"{untrue}\nthe console (exit code {ended.code}) said:\n{ended.told}") from None
    return time.monotonic() - begun


@contextmanager
def _at_the_moment(
    ground: Ground, dsn: str, state: Path, disk: SmallDisk | None, moment: Moment, name: str
) -> Iterator[Stage]:
    kind, book = KINDS[name], str(ground.runbook(name))
    at = kind.moments[moment]
    assert isinstance(at, At)
    with ExitStack() as stack:
        blocker = stack.enter_context(psycopg.connect(dsn, application_name="blocker"))
        if moment == "in_statement":
            blocker.execute(kind.lock.encode())
        proxy = stack.enter_context(Proxy(dsn))
        hold = proxy.hold(at.statement, at.when, *at.seen)
        arguments = (kind.command, book, "-d", proxy.dsn(), "--yes", "--operator", OPERATOR)
        first = stack.enter_context(console(*arguments, state=state))
        while not hold.wait(0.1):
            expect(first.process.poll() is None, f"it ended before the moment came: {first.told}")
        if moment == "in_statement":
            expect(_waits(dsn, hold.backend_pid), "its statement does not wait for the lock")
        yield Stage(kind, moment, ground, dsn, book, state, proxy, hold, first, blocker.close, disk)


def _waits(dsn: str, pid: int) -> bool:
    with psycopg.connect(dsn, autocommit=True) as direct:
        asked = "SELECT coalesce((SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s), false)"
        return eventually(lambda: direct.execute(asked, (pid,)).fetchone() == (True,))


def _judge(stage: Stage, undisturbed: str) -> None:
    ground, dsn = stage.ground, stage.dsn
    with psycopg.connect(dsn, autocommit=True) as direct:
        gone = eventually(lambda: direct.execute(OURS.encode()).fetchone() == (0,), GONE_WITHIN)
    expect(gone, f"after {GONE_WITHIN:g} s the server still has sessions of it")
    stage.unblock()
    said = _true_status(stage)
    finished = "applied" if not stage.kind.rollback else "rolled_back"
    if not stage.kind.rollback or "applied" in said.status.values():
        again = stage.act()
        expect(again.code == 0, f"going on ended with {again.code}: {again.told}")
    states = set(stage.status().status.values())
    expect(states == {finished}, f"after going on: {states}")
    expect(fingerprint(ground.server, dsn) == undisturbed, "after going on the database is another than undisturbed")


def _effects(stage: Stage) -> list[bool]:
    asked = ", ".join(stage.kind.effects)
    return [answer == "t" for answer in stage.psql(f"SELECT {asked}").split("|")]


def _true_status(stage: Stage) -> Ended:
    """What status says is what an independent psql finds, in the ledger and in the objects and rows."""
    said = stage.status()
    step = said.last["steps"][1]
    present, ledger, rest = _effects(stage), _ledger(stage), _leftovers(stage)
    seen = f"status says {said.status}, {step['message']!r}; there is {present}; the ledger says {ledger}; {rest}"
    for name in ("1", "3"):
        there = stage.psql(f"SELECT count(*) FROM trail WHERE n = {name}")
        expect(there == ("1" if said.status[name] == "applied" else "0"), f"{seen}; step {name} is there {there} times")
    match step["state"]:
        case "applied":
            expect(all(present) and not rest and ledger == "forward", seen)
        case "pending" | "rolled_back":
            expect(not any(present) and not rest and ledger in ("", "back"), seen)
        case "failed" if stage.kind.whole:
            expect(not any(present) and ledger in ("", "back"), seen)
        case "failed":
            expect(ledger.startswith(f"{stage.kind.direction} after "), seen)
            expect(bool(step["repair"]) == bool(rest), f"{seen}; repair: {step['repair']}")
            expect(_parts_done(stage) == _parts_told(stage, step, ledger), f"{seen}; completed: {step['completed']}")
        case _:
            raise Untrue(f"{seen}: somebody could know")
    expect(said.code == ("failed" in said.status.values()), f"{seen}: status ended with {said.code}")
    return said


def _ledger(stage: Stage) -> str:
    """What the newest row of the subject says: nothing, ``forward``, ``back``, or ``forward after`` so many parts."""
    if stage.psql("SELECT to_regclass('lockstep.act') IS NULL") == "t":
        return ""
    part = "rows" if stage.kind is KINDS["batch"] else "statement - begun::int"
    asked = f"SELECT concat(direction, ' after ' || CASE WHEN statement IS NOT NULL THEN {part} END) FROM lockstep.act"
    return stage.psql(f"{asked} WHERE step = '2' ORDER BY id DESC LIMIT 1")


def _parts_done(stage: Stage) -> str:
    """How many of its statements took effect; of a batch, how many rows are done."""
    if stage.kind is KINDS["batch"]:
        return stage.psql("SELECT count(*) FROM accounts WHERE balance = 1 AND email_lower = lower(email)")
    present = _effects(stage)
    return str(present.count(not stage.kind.rollback))


def _parts_told(stage: Stage, step: Event, ledger: str) -> str:
    """The same by status, which asks the catalog about the last one; of a batch by the ledger, which counts rows."""
    return ledger.removeprefix("forward after ") if stage.kind is KINDS["batch"] else str(step["completed"] or 0)


def _leftovers(stage: Stage) -> str:
    """The invalid indexes."""
    asked = "SELECT coalesce(string_agg(indexrelid::regclass::text, ' '), '') FROM pg_index WHERE NOT indisvalid"
    return stage.psql(asked)
