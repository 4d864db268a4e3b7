"""The monitor against pg_activity, in the same run under the same load; its pace under a great load; how it grows.

``python tests/bench/monitor.py [picture] [pace] [growth]`` does those parts, all where none is named. pg_activity comes
with the extra ``bench``. Costs are CPU, of the program and of its server process; only what is called a time is one.
"""

import asyncio
import gc
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyte
from load import GREAT, ISSUE, Shape, load, prepare, server_for
from measured import (
    COLUMNS,
    LINES,
    Program,
    backend_appears,
    backend_cpu,
    book,
    busy_machine,
    lockstep,
    looks_in,
    pg_activity,
    program,
    quantile,
    resident,
    run_step,
)

AIM, LIMIT = 1 / 8, 1 / 4
PICTURES = 120
"""Looks of ours, at least 100, and refreshes of a screen of pg_activity's, at least 60, that a figure is taken from."""
REFRESH = 0.5
"""Seconds, the least that pg_activity allows, between two refreshes."""
EVERY = 0.25
MINUTE = 60.0
FRAME_LIMIT = 0.050
SCREENS = {"running queries": "f1", "waiting queries": "f2", "blocking queries": "f3"}
GROWTH = {
    "sessions": [Shape(n, 2, 1_000) for n in (10, 30, 100, 300, 1_000)],
    "waiting": [Shape(1_000, n, 10_000) for n in (2, 10, 50, 100, 250, 500)],
    "locks": [Shape(300, 50, n) for n in (1_000, 3_000, 10_000, 30_000, 100_000)],
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of CPU a picture."""

    client: float
    server: float
    pictures: int

    @property
    def both(self) -> float:
        return self.client + self.server

    def row(self, name: str) -> str:
        parts = (self.client * 1000, self.server * 1000, self.both * 1000)
        return f"{name:<44} {parts[0]:>8.1f} {parts[1]:>8.1f} {parts[2]:>8.1f}   {self.pictures:>4}"


HEAD = f"{'ms of CPU a picture':<44} {'client':>8} {'server':>8} {'both':>8}   pictures"


def measured(one: Program, backend: int, seconds: float, count: Callable[[float, float], int]) -> Cost:
    """What a program and its server process take over this time, by the pictures that there were in it."""
    start, here, there = time.monotonic(), one.cpu(), backend_cpu(backend)
    one.live(seconds)
    client, server = one.cpu() - here, backend_cpu(backend) - there
    pictures = count(start, time.monotonic())
    return Cost(client / pictures, server / pictures, pictures)


def ours(dsn: str, name: str, root: Path, seconds: float) -> Cost:
    """`watch`, or the console while its step waits for a lock."""
    looks = root / "looks"
    looks.unlink(missing_ok=True)
    arguments = ["watch", "-d", dsn]
    if name == "console":
        script = "ALTER TABLE orders ADD COLUMN bench text;\n"
        arguments = ["open", str(book(root / "book", script)), "-d", dsn, "--operator", "bench"]
    with lockstep(looks, *arguments) as one:
        backend = backend_appears(dsn, "lockstep monitor", one)
        if name == "console":
            run_step(one)
        one.live(5.0)  # what is imported and drawn for the first time does not count
        return measured(one, backend, seconds, lambda start, end: len(looks_in(looks, start, end)))


def theirs(dsn: str) -> dict[str, Cost]:
    """Each screen of pg_activity; a refresh is told by the line that it begins with."""
    costs = {}
    with program([pg_activity(), "--refresh", str(REFRESH), dsn]) as one:
        backend = backend_appears(dsn, "pg_activity", one)
        for name, key in SCREENS.items():
            one.press(key)
            one.until(name.upper().encode(), since=len(one.chunks))
            one.live(3.0)

            def refreshes(start: float, end: float) -> int:
                written = b"".join(data for moment, data in one.chunks if start <= moment < end)
                return written.count(b"Ref.: ")

            costs[name] = measured(one, backend, PICTURES / 2 * (REFRESH + 0.15), refreshes)
    return costs


def picture(dsn: str, found: Shape, root: Path) -> None:
    """Our one screen against the sum of their three."""
    print(f"\n{found}: our one screen against pg_activity's three\n{HEAD}", flush=True)
    watch = ours(dsn, "watch", root, PICTURES * EVERY)
    print(watch.row("lockstep watch"), flush=True)
    console = ours(dsn, "console", root, PICTURES * EVERY)
    print(console.row("lockstep open, its step waits"), flush=True)
    peers = theirs(dsn)
    for name, cost in peers.items():
        print(cost.row(f"pg_activity, {name}"), flush=True)
    total = sum(cost.both for cost in peers.values())
    print(f"{'pg_activity, the three of them':<62} {total * 1000:>8.1f}")
    for name, cost in (("watch", watch), ("open", console)):
        ratio = cost.both / total
        verdict = "aim held" if ratio <= AIM else "limit held" if ratio <= LIMIT else "BROKEN"
        print(
            f"{name}: ratio {ratio:.3f}, 1/{1 / ratio:.1f}: {verdict} (at most 1/{1 / LIMIT:.0f}, aim 1/{1 / AIM:.0f})"
        )


# Pace under a great load


def pace(dsn: str, found: Shape, root: Path) -> None:
    """A minute of `watch` with an operator at the keys: looks that are missing, and from a key to its frame."""
    looks = root / "looks"
    looks.unlink(missing_ok=True)
    chance = random.Random(6)
    with lockstep(looks, "watch", "-d", dsn) as one:
        backend = backend_appears(dsn, "lockstep monitor", one)
        one.live(8.0)
        one.press("down")
        one.live(2.0)
        presses: list[float] = []
        start, here, there = time.monotonic(), one.cpu(), backend_cpu(backend)
        while time.monotonic() < start + MINUTE:
            presses.append(one.press("down" if len(presses) % 20 < 10 else "up"))
            one.live(chance.uniform(0.3, 0.7))
        end = time.monotonic()
        client, server = one.cpu() - here, backend_cpu(backend) - there
        one.live(1.0)
        memory = resident(one.process.pid)
    seen = looks_in(looks, start, end)
    due = round((end - start) / EVERY)
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(seen)]
    took = [ended - began for began, ended in seen]
    # A key that was never seen to be answered counts as the slowest of all.
    frames = [math.inf if later is None else later for later in answers(one.chunks, presses)]
    unseen = sum(map(math.isinf, frames))
    print(f"\n{found}: {end - start:.0f} s of lockstep watch, {busy_machine()}")
    print(f"looks                       {len(seen)} of {due} due, {max(0, due - len(seen))} missed")
    print(
        f"from look to look           median {statistics.median(gaps) * 1000:.0f} ms, longest {max(gaps) * 1000:.0f} ms"
    )
    middle, p95 = statistics.median(took) * 1000, quantile(took, 0.95) * 1000
    print(f"a look takes                median {middle:.0f} ms, p95 {p95:.0f} ms")
    client, server = client / len(seen) * 1000, server / len(seen) * 1000
    print(
        f"CPU a look                  client {client:.1f} ms, server {server:.1f} ms; resident memory {memory:.0f} MB"
    )
    p95 = quantile(frames, 0.95)
    print(
        f"from key to frame           p50 {quantile(frames, 0.5) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, "
        f"longest {max(frames, default=math.nan) * 1000:.0f} ms, {len(presses) - unseen} of {len(presses)} keys seen: "
        f"{'held' if p95 <= FRAME_LIMIT else 'BROKEN'} (p95 at most {FRAME_LIMIT * 1000:.0f} ms)"
    )


def answers(chunks: Sequence[tuple[float, bytes]], presses: Sequence[float]) -> list[float | None]:
    """By each key, the seconds until the cursor's ground stood on another row; None where it never did.

    What else is drawn meanwhile has the ground of its row, so a tick's own frame is no answer to a key.
    """
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    waiting = list(presses)
    found: list[float | None] = []
    pressed: float | None = None
    grounds = before = _grounds(screen)
    for moment, data in chunks:
        while waiting and moment > waiting[0]:
            if pressed is not None:
                found.append(None)
            pressed, before = waiting.pop(0), grounds
        stream.feed(data)
        grounds = _grounds(screen)
        if pressed is not None and grounds != before:
            found.append(moment - pressed)
            pressed = None
    # The last one, and those that nothing at all was drawn after.
    return found + [None] * (len(presses) - len(found))


def _grounds(screen: pyte.Screen) -> tuple[tuple[str, ...], ...]:
    columns = (4, COLUMNS // 2, COLUMNS - 10)
    return tuple(tuple(screen.buffer[row][column].bg for column in columns) for row in range(LINES))


# Growth


def growth(dsn: str, root: Path) -> None:
    """What a picture costs by the number of sessions, of waiters, of locks, each varied alone."""
    print(f"\nCPU of a picture of lockstep watch by the size of the load\n{HEAD}")
    for varied, shapes in GROWTH.items():
        costs = []
        for shape in shapes:
            costs.append(asyncio.run(_one(dsn, shape, root)))
            print(costs[-1].row(str(shape)), flush=True)
        sizes = [getattr(shape, varied) for shape in shapes]
        for name, values in (
            ("client", [cost.client for cost in costs]),
            ("server", [cost.server for cost in costs]),
            ("both", [cost.both for cost in costs]),
        ):
            last = math.log(values[-1] / values[-2]) / math.log(sizes[-1] / sizes[-2])
            whole = exponent(sizes, values)
            verdict = "held" if max(whole, last) <= 1.0 else "BROKEN"
            print(f"  {varied}, {name}: exponent {whole:.2f}, between the last two {last:.2f}: {verdict} (at most 1)")


async def _one(dsn: str, shape: Shape, root: Path) -> Cost:
    async with load(dsn, shape):
        gc.collect()
        return ours(dsn, "watch", root, 15.0)


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The slope of the straight line through the logarithms."""
    slope: float = statistics.linear_regression([math.log(s) for s in sizes], [math.log(v) for v in values]).slope
    return slope


def main(parts: set[str]) -> None:
    wanted = parts or {"picture", "pace", "growth"}
    with tempfile.TemporaryDirectory() as state:
        os.environ["LOCKSTEP_STATE"] = state
        root = Path(state)
        for name, shape, act in (("picture", ISSUE, picture), ("pace", GREAT, pace)):
            if name in wanted:
                with server_for([shape]) as server:
                    dsn = server.create_database("app")
                    prepare(dsn)
                    asyncio.run(_under(dsn, shape, root, act))
        if "growth" in wanted:
            with server_for([shape for shapes in GROWTH.values() for shape in shapes]) as server:
                dsn = server.create_database("app")
                prepare(dsn)
                growth(dsn, root)


async def _under(dsn: str, shape: Shape, root: Path, act: Callable[[str, Shape, Path], None]) -> None:
    async with load(dsn, shape) as found:
        # The load only sleeps: its loop is not needed meanwhile.
        act(dsn, found, root)


if __name__ == "__main__":
    main(set(sys.argv[1:]))
