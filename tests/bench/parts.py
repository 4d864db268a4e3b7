"""What one picture of the console is made of: each question's CPU at the server and here, decoding, tree, drawing.

``python tests/bench/parts.py [SESSIONS WAITING LOCKS]`` prints milliseconds of CPU a picture under that load.
"""

import asyncio
import gc
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from load import GREAT, ISSUE, Shape, load, prepare, server_for
from measured import COLUMNS, LINES, backend_cpu

from tui.engine.filter import Filter
from tui.engine.locks import build_tree
from tui.engine.sample import Sample
from tui.engine.sampler import Sampler
from tui.engine.wait_graph import WaitGraph
from tui.postgres.monitor import APPLICATION_NAME, OPTIONS, Monitor
from tui.postgres.queries import load as query
from tui.postgres.session import Dsn, connect
from tui.screens.console import ConsoleScreen
from tui.screens.watch import WatchScreen
from tui.shell import Shell

TIMES = 60


@dataclass
class Cost:
    """Seconds of CPU: of this process, and of the server's where there is one."""

    here: float = 0.0
    server: float | None = None

    def row(self, name: str, times: int, more: str = "") -> str:
        server = f"{self.server / times * 1000:>9.2f}" if self.server is not None else " " * 9
        return f"{name:<34} {self.here / times * 1000:>9.2f} {server}   {more}".rstrip()


@contextmanager
def costing(backend: int | None = None) -> Iterator[Cost]:
    cost = Cost()
    here, there = time.process_time(), backend_cpu(backend) if backend else 0.0
    yield cost
    cost.here = time.process_time() - here
    cost.server = backend_cpu(backend) - there if backend else None


class Watched(Monitor):
    """A monitor that remembers what it asked, and how often."""

    def __init__(self, dsn: Dsn) -> None:
        super().__init__(dsn)
        self.asked: dict[str, Mapping[str, object] | None] = {}
        self.times: Counter[str] = Counter()

    async def _ask(
        self, questions: Mapping[str, Mapping[str, object] | None]
    ) -> dict[str, list[tuple[object, ...]] | None]:
        self.asked |= questions
        self.times.update(questions.keys())
        return await super()._ask(questions)


class Drawing(Shell):
    """The real screen without an engine: it draws the samples that it is given, as it does beside a server."""

    def __init__(self, name: str) -> None:
        self.console_screen = ConsoleScreen(None) if name == "console" else None
        self.watch_screen = WatchScreen(Filter(), may_act=False, look_at=lambda pid: None)
        super().__init__(self.console_screen or self.watch_screen)

    def begin(self) -> None:
        pass

    def show(self, sample: Sample) -> None:
        if self.console_screen is not None:
            self.console_screen.show_sample(sample)
        else:
            self.watch_screen.show_sample(sample, None)


async def questions(dsn: str, asked: Mapping[str, Mapping[str, object] | None], times_asked: Counter[str]) -> None:
    """Each question of a look by itself: what it costs until its rows are Python's."""
    connection = await connect(
        Dsn(dsn), application_name=APPLICATION_NAME, options=OPTIONS, client_encoding="SQL_ASCII"
    )
    connection.prepare_threshold = 0
    async with connection:
        backend = connection.info.backend_pid
        for name, parameters in asked.items():
            text = query(f"monitor/{name}", connection.info.server_version)
            rows = 0
            for times in (3, TIMES):  # the first ones warm up what the server and psycopg keep
                with costing(backend) as cost:
                    for _ in range(times):
                        cursor = connection.cursor(binary=True)
                        await cursor.execute(text, parameters, prepare=True)
                        rows = len(await cursor.fetchall())
            print(
                cost.row(f"  {name}.sql", TIMES, f"{rows:,} rows, asked in {times_asked[name]} of {TIMES} looks"),
                flush=True,
            )


async def looks(dsn: str) -> list[Sample]:
    """Whole looks, then what is made of them; gives the samples."""
    samples: list[Sample] = []
    sampler = Sampler(Dsn(dsn), samples.append, our_pid=lambda: None, busy=lambda: True)
    monitor = Watched(Dsn(dsn))
    await monitor.look()
    backend = monitor.backend_pid
    monitor.times.clear()
    with costing(backend) as cost:
        seen = [await monitor.look() for _ in range(TIMES)]
    print(cost.row("look, whole", TIMES))
    await monitor.close()
    await questions(dsn, monitor.asked, monitor.times)
    with costing() as cost:
        for look in seen:
            WaitGraph(look.sessions, look.locks, look.blocking)
    print(cost.row("WaitGraph", TIMES, f"{len(seen[-1].locks):,} locks read"))
    with costing() as cost:
        for look in seen:
            build_tree(look.sessions, look.locks, look.blocking, None)
    print(cost.row("build_tree (with WaitGraph)", TIMES))
    with costing() as cost:
        samples += [sampler._sample(look) for look in seen]
    print(cost.row("sample (with build_tree)", TIMES, samples[-1].tree.sentence))
    return samples


async def draw(samples: list[Sample]) -> None:
    for name in ("console", "watch"):
        app = Drawing(name)
        async with app.run_test(size=(COLUMNS, LINES)) as pilot:
            for sample in samples[:3]:
                app.show(sample)
                await pilot.pause()
            with costing() as cost:
                for sample in samples:
                    app.show(sample)
                    await pilot.pause()
            print(cost.row(f"draw, {name}", len(samples)), flush=True)


async def main(shapes: list[Shape]) -> None:
    for shape in shapes:
        async with server_for([shape]) as server:
            dsn = await asyncio.to_thread(server.create_database, "app")
            await asyncio.to_thread(prepare, dsn)
            async with load(dsn, shape) as found:
                # The sessions of the load are thousands of objects of ours: not to be looked through for garbage.
                gc.collect()
                gc.freeze()
                print(f"\n{found}: ms of CPU a picture\n{'':<34} {'client':>9} {'server':>9}", flush=True)
                await draw(await looks(dsn))


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(main([Shape(*numbers)] if numbers else [ISSUE, GREAT]))
