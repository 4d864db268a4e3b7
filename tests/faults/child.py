"""The console without a screen as a child process: what it tells, how it ends, what it leaves at the server."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from forks import start

OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'lockstep %' AND datname = current_database()"

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: exit code (minus the signal that killed it), the events of stdout, the narration of stderr."""

    code: int
    events: tuple[Event, ...]
    told: str

    @property
    def status(self) -> dict[str, str]:
        """The state of each step, as ``status --json`` says it."""
        return {step["id"]: step["state"] for step in self.last["steps"]}

    @property
    def last(self) -> Event:
        return self.events[-1]


class Console:
    """A command of Lockstep that goes on; both its streams are read all the while."""

    def __init__(self, *arguments: str, state: Path) -> None:
        stdout, stderr = os.pipe(), os.pipe()
        environment = os.environ | {"LOCKSTEP_STATE": str(state)}
        with Path(os.devnull).open("rb") as nothing:
            self.process = start([*arguments, "--json"], environment, nothing.fileno(), stdout[1], stderr[1])
        os.close(stdout[1])
        os.close(stderr[1])
        self._events: list[Event] = []
        self._told: list[str] = []
        self._heard = threading.Condition()
        self._over = False
        self._readers = [
            self._reading(os.fdopen(stdout[0], "rb"), self._hear),
            self._reading(os.fdopen(stderr[0], "rb"), lambda line: self._told.append(line.decode(errors="replace"))),
        ]

    def _reading(self, stream: IO[bytes], hear: Callable[[bytes], None]) -> threading.Thread:
        def read() -> None:
            with stream:
                for line in stream:
                    # A console that was killed may leave half a line.
                    if line.endswith(b"\n"):
                        hear(line)
            with self._heard:
                self._over = True
                self._heard.notify_all()

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        return thread

    def _hear(self, line: bytes) -> None:
        with self._heard:
            self._events.append(json.loads(line))
            self._heard.notify_all()

    @property
    def told(self) -> str:
        """What stderr said so far."""
        return "".join(self._told)

    def until(self, event: int, seconds: float = 30.0) -> None:
        """Waits until it has told this many events and one more, or has ended."""
        with self._heard:
            enough = self._heard.wait_for(lambda: len(self._events) > event or self._over, seconds)
        assert enough, f"it told {len(self._events)} events in {seconds:g} s: {self.told}"

    def signal(self, number: int) -> None:
        """Sends it, and waits until the process has taken it, where the system tells."""
        self.process.send_signal(number)
        path = Path(f"/proc/{self.process.pid}/status")
        eventually(lambda: not path.exists() or _at_rest(path), 2)

    def end(self, seconds: float = 30.0) -> Ended:
        """Waits for its end. Raises subprocess.TimeoutExpired."""
        code = self.process.wait(seconds)
        for thread in self._readers:
            thread.join()
        return Ended(code, tuple(self._events), self.told)

    def stop(self) -> None:
        """Kills it if it is still there."""
        if self.process.poll() is None:
            self.process.kill()
        self.end()


def _at_rest(status: Path) -> bool:
    """No signal waits for this process, and it sleeps: what a signal brings about has begun."""
    try:
        fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
    except (OSError, ValueError):
        return True
    return fields["State"][0] in "SZ" and not int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)


@contextmanager
def console(*arguments: str, state: Path) -> Iterator[Console]:
    """A command that goes on; nothing of it is there after the block."""
    running = Console(*arguments, state=state)
    try:
        yield running
    finally:
        running.stop()


def lockstep(*arguments: str, state: Path) -> Ended:
    """A command, run to its end."""
    with console(*arguments, state=state) as running:
        return running.end()


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether it comes to hold in time: for what other processes do, of which no event tells us."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
