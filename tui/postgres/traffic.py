"""The application during a demo: the sessions of a fixture's ``traffic.toml``, in a process of their own.

`Traffic` starts ``python -m tui.postgres.traffic --dsn DSN --fixture DIR`` and talks to it over pipes. That
process takes the lines ``deploy``, ``undeploy`` and ``quit``, ends with its stdin, and tells each second what
its sessions did. Their failures are the demonstration: tables are renamed under them, sessions terminated.
They are counted; the session waits a little longer than usual, connects again if it must, and goes on.

A session with ``hold`` that is terminated comes back only after 60 seconds, so that terminating it helps.
"""

import argparse
import asyncio
import json
import os
import random
import select
import sys
import tomllib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
)

from tui.postgres.rows import safe
from tui.postgres.session import CannotConnect, Dsn, connect
from tui.runbook.durations import parse_duration
from tui.runbook.statements import SplitError, split

FILE: Final = "traffic.toml"
AFTER_FAILURE: Final = 0.2
AFTER_LOST_CONNECTION: Final = 1.0
AFTER_TERMINATED_HOLD: Final = 60.0
STOP_SECONDS: Final = 5.0
LONGEST_ERROR: Final = 200


class TrafficError(Exception):
    """A ``traffic.toml`` that cannot be used; the text names the file and every fault."""


def _seconds(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError('is not a duration; write it in quotes with its unit: "20ms"')  # noqa: TRY004
    return parse_duration(value)


def _statements(name: object, info: ValidationInfo[Path]) -> tuple[str, ...]:
    """The statements of a SQL file, named relative to the fixture's directory."""
    if not isinstance(name, str):
        raise ValueError("is not the name of a SQL file")  # noqa: TRY004
    try:
        text = (info.context / name).read_text(encoding="utf-8-sig")
        statements = tuple(statement.text for statement in split(text))
    except (OSError, UnicodeDecodeError, SplitError) as error:
        raise ValueError(f"{name}: {error}") from None
    if not statements:
        raise ValueError(f"{name} holds no statement")
    return statements


def _ascending(pause: tuple[float, float]) -> tuple[float, float]:
    if pause[0] > pause[1]:
        raise ValueError("goes from long to short")
    return pause


Seconds = Annotated[float, BeforeValidator(_seconds)]
Round = Annotated[tuple[str, ...], BeforeValidator(_statements)]


class SessionPlan(BaseModel):
    """One ``[[session]]``: `count` equal sessions; `pause` and `hold` in seconds, a round as statements."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    application_name: str
    role: str
    count: int = Field(default=1, ge=1, le=500)
    pause: Annotated[tuple[Seconds, Seconds], AfterValidator(_ascending)] = (0.1, 0.1)
    transaction: bool = True
    before: Round
    after: Round | None = None
    hold: Seconds | None = None


class TrafficPlan(BaseModel):
    """A ``traffic.toml``. `deploy` is the checklist item whose tick means: the new application runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    deploy: str | None = None
    session: tuple[SessionPlan, ...]


@dataclass(frozen=True, slots=True)
class TrafficStats:
    """Rounds that ended in the last second, the sessions connected, and the latest error there ever was."""

    ok: int = 0
    failed: int = 0
    sessions: int = 0
    deployed: bool = False
    last_error: str | None = None


def load_traffic(fixture: Path) -> TrafficPlan | None:
    """The traffic of a fixture, or None where the fixture has none.

    Raises:
        TrafficError: with everything that is wrong in it.
    """
    path = fixture / FILE
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return TrafficPlan.model_validate(data, context=fixture)
    except FileNotFoundError:
        return None
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise TrafficError(f"{path}: " + "; ".join(faults)) from None
    except (OSError, ValueError) as error:
        raise TrafficError(f"{path}: {error}") from None


class Traffic:
    """The console's side: starts the process and keeps what it tells, which `on_stats` hears each second."""

    def __init__(self, on_stats: Callable[[TrafficStats], None] | None = None) -> None:
        self.stats = TrafficStats()
        self._on_stats = on_stats
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it was started and not stopped."""
        return self._process.pid if self._process else None

    async def start(self, dsn: str, fixture: Path) -> TrafficPlan | None:
        """Start the fixture's traffic on a server that trusts us; give its plan, None where it has none.

        Raises:
            TrafficError: the ``traffic.toml`` cannot be used.
            ValueError: the DSN holds a password, which the process list would show.
        """
        if conninfo_to_dict(dsn).get("password"):
            raise ValueError("traffic takes no DSN with a password")
        if (plan := load_traffic(fixture)) is None:
            return None
        command = [sys.executable, "-P", "-m", __name__, "--dsn", dsn, "--fixture", os.fspath(fixture)]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # the terminal's Ctrl-C is the console's to handle
        )
        self._reader = asyncio.create_task(self._read(self._process))
        return plan

    async def deploy(self) -> None:
        """From its next round on each session is the new application."""
        await self._say(b"deploy\n")

    async def undeploy(self) -> None:
        """From its next round on each session is the old application again."""
        await self._say(b"undeploy\n")

    async def stop(self) -> None:
        """End the process and wait for it; harmless when there is none."""
        if (process := self._process) is None or self._reader is None:
            return
        self._process = None
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
        await self._reader

    async def _say(self, line: bytes) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        with suppress(ConnectionError):  # it has ended, and the reader tells so
            self._process.stdin.write(line)
            await self._process.stdin.drain()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self._tell(TrafficStats(**json.loads(line)))
        if self._process is not None:
            ended = f"the traffic process ended with {await process.wait()}"
            self._tell(replace(self.stats, ok=0, failed=0, sessions=0, last_error=ended))

    def _tell(self, stats: TrafficStats) -> None:
        self.stats = stats
        if self._on_stats:
            self._on_stats(stats)


class _Application:
    """The process's side: all sessions, counted together."""

    def __init__(self, dsn: Dsn, plan: TrafficPlan) -> None:
        self._dsn = dsn
        self._plan = plan
        self._stats = TrafficStats()

    async def run(self) -> None:
        """Until stdin ends or says quit."""
        work = [self._session(plan) for plan in self._plan.session for _ in range(plan.count)]
        tasks = [asyncio.create_task(one) for one in (self._obey(), self._report(), *work)]
        ended, going = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in going:
            task.cancel()
        await asyncio.wait(going)
        for task in ended:
            task.result()

    async def _obey(self) -> None:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while (line := (await reader.readline()).strip()) or not reader.at_eof():
            if line == b"quit":
                return
            if line in (b"deploy", b"undeploy"):
                self._stats = replace(self._stats, deployed=line == b"deploy")

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(1)
            # A console that is stopped reads nothing: better no line than an application that stands still.
            if select.select([], [1], [], 0)[1]:
                os.write(1, json.dumps(asdict(self._stats)).encode() + b"\n")
            self._stats = replace(self._stats, ok=0, failed=0)

    def _count(self, *, ok: int = 0, failed: int = 0, sessions: int = 0, error: Exception | None = None) -> None:
        now = self._stats
        said = safe(str(error).strip().partition("\n")[0])[:LONGEST_ERROR] if error else now.last_error
        self._stats = replace(
            now, ok=now.ok + ok, failed=now.failed + failed, sessions=now.sessions + sessions, last_error=said
        )

    async def _session(self, plan: SessionPlan) -> None:
        """Connect, work until the connection is lost, connect again."""
        dsn = self._dsn.with_(user=plan.role)
        while True:
            try:
                connection = await connect(dsn, application_name=plan.application_name)
            except CannotConnect as error:
                self._count(failed=1, error=error)
                await asyncio.sleep(AFTER_LOST_CONNECTION)
                continue
            self._count(sessions=1)
            try:
                while not connection.closed:
                    await self._round_and_pause(connection, plan)
            finally:
                self._count(sessions=-1)
                await connection.close()
            await asyncio.sleep(AFTER_TERMINATED_HOLD if plan.hold else AFTER_LOST_CONNECTION)

    async def _round_and_pause(self, connection: psycopg.AsyncConnection[Any], plan: SessionPlan) -> None:
        pause = random.uniform(*plan.pause)  # noqa: S311
        statements = plan.after if plan.after and self._stats.deployed else plan.before
        try:
            if plan.transaction or plan.hold:
                async with connection.transaction(force_rollback=plan.hold is not None):
                    await self._round(connection, statements, plan.hold)
            else:
                await self._round(connection, statements, None)
        except psycopg.Error as error:
            self._count(failed=1, error=error)
            pause += AFTER_FAILURE
        else:
            self._count(ok=1)
        if not connection.closed:
            await asyncio.sleep(pause)

    @staticmethod
    async def _round(connection: psycopg.AsyncConnection[Any], statements: tuple[str, ...], hold: float | None) -> None:
        for statement in statements:
            await connection.execute(statement.encode())
        if hold:
            # Waits for what never comes: unlike a sleep it notices when the session is terminated.
            async for _ in connection.notifies(timeout=hold):
                pass


def main() -> None:
    """The process: exit 0 when stdin ended or said quit."""
    parser = argparse.ArgumentParser(prog="python -m tui.postgres.traffic")
    parser.add_argument("--dsn", required=True, help="the database, without a password: the server must trust us")
    parser.add_argument("--fixture", required=True, type=Path, help="the directory that holds traffic.toml")
    given = parser.parse_args()
    try:
        plan = load_traffic(given.fixture)
    except TrafficError as error:
        sys.exit(str(error))
    if plan is None:
        sys.exit(f"{given.fixture} has no {FILE}")
    asyncio.run(_Application(Dsn(given.dsn), plan).run())


if __name__ == "__main__":
    main()
