"""The monitor at work: how soon a wait is on the screen, what the application pays, a long night's memory, the start.

``python tests/bench/live.py [waits] [pgbench] [memory] [start]`` does those parts, all where none is named.
"""

import asyncio
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from load import ISSUE, load, prepare, server_for
from measured import (
    backend_appears,
    backend_cpu,
    book,
    busy_machine,
    lockstep,
    looks_in,
    pg_activity,
    program,
    quantile,
    run_step,
)

from tui.postgres.embedded import EmbeddedServer

WAITS = 60
WAIT_LIMIT = 0.350
ROUNDS = 12
RUN = 5
PGBENCH_LIMIT = 0.99
STARTS = 20
FRAMES = 10
START_LIMIT = 0.150
_NIGHT = Path(__file__).with_name("night.py")


# From the start of a wait to the screen


def waits(root: Path) -> None:
    """Sessions that begin to wait one after another while a step of the console holds what they want."""
    chance = random.Random(17)
    seconds = []
    with EmbeddedServer() as server:
        dsn = server.create_database("app")
        with psycopg.connect(dsn, autocommit=True) as admin:
            admin.execute("CREATE TABLE orders (id int PRIMARY KEY)")
        script = "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE;\nSELECT pg_sleep(7200);\n"
        with lockstep(root / "looks", "open", str(book(root / "waits", script)), "-d", dsn) as console:
            run_step(console)
            console.until_shown(lambda shown: "statement 2 of" in shown)
            for number in range(WAITS):
                console.live(chance.uniform(0.3, 0.8))
                name = f"waiter{number:03}"
                with psycopg.connect(dsn, autocommit=True, application_name=name) as waiter:
                    sent = threading.Thread(target=_waits, args=(waiter,))
                    since = len(console.chunks)
                    began = time.monotonic()
                    sent.start()
                    seconds.append(console.until(name.encode(), since=since) - began)
                    waiter.cancel_safe()
                    sent.join()
    p95 = quantile(seconds, 0.95)
    print(f"\nfrom the start of a wait to the screen, while a step runs, {len(seconds)} waits, {busy_machine()}")
    print(
        f"p50 {quantile(seconds, 0.5) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, longest {max(seconds) * 1000:.0f} ms: "
        f"{'held' if p95 <= WAIT_LIMIT else 'BROKEN'} (p95 at most {WAIT_LIMIT * 1000:.0f} ms)"
    )


def _waits(session: psycopg.Connection[tuple[object, ...]]) -> None:
    with suppress(psycopg.errors.QueryCanceled):
        session.execute("SELECT * FROM orders")


# What the application pays


def pgbench(root: Path) -> None:
    """Interleaved runs without and with `watch`.

    An operator sits at another machine: `watch` and this program have the last core, server and pgbench the others.
    The disk's whims are larger than what is measured: nothing is flushed.
    """
    *others, last = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, others)
    options: dict[str, str | int | bool] = {"max_connections": 60, "fsync": False, "synchronous_commit": False}
    with EmbeddedServer(options=options) as server:
        dsn = server.create_database("app")
        tool = ["taskset", "-c", ",".join(map(str, others)), str(server.bin / "pgbench")]
        subprocess.run([*tool, "-i", "-q", "-s", "20", dsn], check=True, capture_output=True)
        os.sched_setaffinity(0, [last])
        print(f"\npgbench -c 8 for {RUN} s, {ROUNDS} times each in turn, transactions a second, {busy_machine()}")
        for script in ("tpcb-like", "select-only"):
            alone, beside = [], []
            for number in range(ROUNDS):
                # What drifts, drifts for both: who is first changes.
                if number % 2:
                    beside.append(_watched(tool, dsn, script, root))
                alone.append(_tps(tool, dsn, script))
                if not number % 2:
                    beside.append(_watched(tool, dsn, script, root))
            rates = [watched.tps for watched in beside]
            ratio = statistics.median(rates) / statistics.median(alone)
            print(f"{script}: without {_spread(alone)}, with watch {_spread(rates)}")
            client, backend, looks = (statistics.mean(part) for part in zip(*(one.paid for one in beside), strict=True))
            print(
                f"  ratio of the medians {ratio:.3f}: {'held' if ratio >= PGBENCH_LIMIT else 'BROKEN'} (at least "
                f"{PGBENCH_LIMIT}); CPU of one core: client {client * 100:.1f} %, its server process "
                f"{backend * 100:.1f} %; {looks:.1f} looks a second",
                flush=True,
            )
    os.sched_setaffinity(0, [*others, last])


@dataclass(frozen=True, slots=True)
class Watched:
    """A run beside `watch`. ``paid``: shares of a core, the client's and its server process's; looks a second."""

    tps: float
    paid: tuple[float, float, float]


def _tps(tool: list[str], dsn: str, script: str) -> float:
    command = [*tool, "-n", "-b", script, "-M", "prepared", "-c", "8", "-j", "2", "-T", str(RUN), dsn]
    said = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
    (rate,) = re.findall(r"^tps = ([\d.]+)", said, re.M)
    return float(rate)


def _watched(tool: list[str], dsn: str, script: str, root: Path) -> Watched:
    looks = root / "looks"
    with lockstep(looks, "watch", "-d", dsn) as one:
        backend = backend_appears(dsn, "lockstep monitor", one)
        one.live(3.0)
        rates: list[float] = []
        run = threading.Thread(target=lambda: rates.append(_tps(tool, dsn, script)))
        began, here, there = time.monotonic(), one.cpu(), backend_cpu(backend)
        run.start()
        while run.is_alive():
            one.read(0.2)
        ended = time.monotonic()
        paid = (one.cpu() - here, backend_cpu(backend) - there, len(looks_in(looks, began, ended)))
    client, server, seen = (each / (ended - began) for each in paid)
    return Watched(rates[0], (client, server, seen))


def _spread(rates: Sequence[float]) -> str:
    return f"median {statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"


# A night's memory


def memory() -> None:
    """In a process of its own, so that nothing of this one counts."""
    subprocess.run([sys.executable, str(_NIGHT)], check=True)


# The start


def start(root: Path) -> None:
    """From the program's start to the first whole picture, under the load of the issue; then of ``--version`` alone."""
    with server_for([ISSUE]) as server:
        dsn = server.create_database("app")
        prepare(dsn)
        asyncio.run(_first_frames(dsn))
    bare = [_lasted([sys.executable, "-c", "pass"]) for _ in range(STARTS)]
    command = [sys.executable, "-m", "tui", "--version"]
    version = [_lasted(command) for _ in range(STARTS)]
    print(f"\nstarts, medians of {STARTS}, {busy_machine()}")
    for name, values in (("python -c pass", bare), ("lockstep --version", version)):
        print(f"{name:<20} {_median(values, 0):>7.0f} ms, of which CPU {_median(values, 1):.0f} ms")
    more = (_median(version, 0) - _median(bare, 0)) / 1000
    print(f"more than Python's own {more * 1000:.0f} ms: {'held' if more <= START_LIMIT else 'BROKEN'} (at most 150)")


async def _first_frames(dsn: str) -> None:
    async with load(dsn, ISSUE) as found:
        ours, theirs = [], []
        for _ in range(FRAMES):
            ours.append(_first_frame([sys.executable, "-m", "tui", "watch", "-d", dsn], b"billing_report"))
            theirs.append(_first_frame([pg_activity(), dsn], b"RUNNING QUERIES"))
    print(f"\n{found}: from the start to the first frame with sessions in it, medians of {FRAMES}, {busy_machine()}")
    for name, values in (("lockstep watch", ours), ("pg_activity", theirs)):
        print(f"{name:<20} {_median(values, 0):>7.0f} ms, of which CPU {_median(values, 1):.0f} ms")
    print(f"ratio of the medians {_median(ours, 0) / _median(theirs, 0):.2f}")


def _first_frame(command: Sequence[str], text: bytes) -> tuple[float, float]:
    """Seconds until this stands on the screen, and of CPU until then; pg_activity writes it with its first rows."""
    with program(command) as one:
        moment = one.until(text)
        return moment - one.started, one.cpu()


def _lasted(command: Sequence[str]) -> tuple[float, float]:
    """Seconds from the start of a program to its end, and of CPU."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    _, code, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(code)
    assert process.returncode == 0, command
    return seconds, used.ru_utime + used.ru_stime


def _median(values: Sequence[tuple[float, float]], which: int) -> float:
    """Milliseconds."""
    return statistics.median(value[which] for value in values) * 1000


def main(parts: set[str]) -> None:
    wanted = parts or {"waits", "pgbench", "memory", "start"}
    with tempfile.TemporaryDirectory() as state:
        os.environ["LOCKSTEP_STATE"] = state
        root = Path(state)
        if "waits" in wanted:
            waits(root)
        if "start" in wanted:
            start(root)
        if "pgbench" in wanted:
            pgbench(root)
        if "memory" in wanted:
            memory()


if __name__ == "__main__":
    main(set(sys.argv[1:]))
