"""Programs in a pseudo-terminal of 120 by 40, and what they cost: their CPU, their server's, their frames in time."""

import fcntl
import os
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pyte

COLUMNS, LINES = 120, 40
KEYS = {"up": b"\x1b[A", "down": b"\x1b[B", "tab": b"\t", "enter": b"\r", "f1": b"1", "f2": b"2", "f3": b"3"}
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_AT_ONCE = 1 << 20
_LOOKS = Path(__file__).with_name("looks.py")


class Program:
    """One program under a terminal; ``chunks`` is all that it wrote, with the monotonic moment at which it came."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        os.set_blocking(self._master, False)
        known = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        known |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8", **(environment or {})}
        self.chunks: list[tuple[float, bytes]] = []
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=known, start_new_session=True
        )
        os.close(slave)

    def read(self, seconds: float) -> bool:
        """Takes in one piece of what it writes within this time; False where nothing came."""
        if not select.select([self._master], [], [], max(0.0, seconds))[0]:
            return False
        try:
            data = os.read(self._master, _AT_ONCE)
        except OSError:  # how Linux says that the other end is closed
            data = b""
        if not data:
            raise RuntimeError(f"it ended:\n{self.screen()}")
        self.chunks.append((time.monotonic(), data))
        return True

    def live(self, seconds: float) -> None:
        """Reads for this time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.read(left)

    def until(self, text: bytes, timeout: float = 60.0, *, since: int = 0) -> float:
        """The moment at which this came, in the pieces from number ``since`` on. Raises TimeoutError."""
        end = time.monotonic() + timeout
        tail = b""
        while True:
            while since < len(self.chunks):
                moment, data = self.chunks[since]
                since += 1
                if text in tail + data:
                    return moment
                tail = (tail + data)[-len(text) :]
            if (left := end - time.monotonic()) <= 0:
                raise TimeoutError(f"{text!r} did not come:\n{self.screen()}")
            self.read(min(left, 1.0))

    def until_shown(self, holds: Callable[[str], bool], timeout: float = 60.0) -> str:
        """The first screen of which this holds, looked at five times a second. Raises TimeoutError."""
        end = time.monotonic() + timeout
        while not holds(shown := self.screen()):
            if time.monotonic() > end:
                raise TimeoutError(f"not in {timeout} s:\n{shown}")
            self.live(0.2)
        return shown

    def press(self, key: str) -> float:
        """The moment at which it was pressed."""
        os.write(self._master, KEYS.get(key, key.encode()))
        return time.monotonic()

    def screen(self) -> str:
        """What stands on the terminal now; slow, for it is made from everything that was ever written."""
        screen = pyte.Screen(COLUMNS, LINES)
        pyte.ByteStream(screen).feed(b"".join(data for _, data in self.chunks))
        return "\n".join(line.rstrip() for line in screen.display)

    def cpu(self) -> float:
        """Seconds of CPU of all its threads so far."""
        return cpu_of(self.process.pid)

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self._master)


@contextmanager
def program(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[Program]:
    """The program, ended with the block."""
    one = Program(command, environment)
    try:
        yield one
    finally:
        one.end()


@contextmanager
def lockstep(looks: Path, *arguments: str) -> Iterator[Program]:
    """``lockstep`` with these arguments; each look at the server is noted in the file ``looks``."""
    with program([sys.executable, str(_LOOKS), str(looks), *arguments]) as one:
        yield one


def looks_in(path: Path, start: float, end: float) -> list[tuple[float, float]]:
    """The looks that began within these monotonic moments: when each began and ended."""
    rows = [tuple(map(float, line.split())) for line in path.read_text().splitlines()]
    return [(began, ended) for began, ended in rows if start <= began < end]


def pg_activity() -> str:
    """The program that the extra ``bench`` brings. Raises FileNotFoundError."""
    beside = Path(sys.executable).parent
    found = shutil.which("pg_activity", path=os.pathsep.join((str(beside), os.environ.get("PATH", ""))))
    if found is None:
        raise FileNotFoundError("pg_activity is not there: pip install 'pg-lockstep[bench]'")
    return found


def cpu_of(pid: int) -> float:
    """Seconds of CPU, user's and system's, that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def backend_cpu(pid: int) -> float:
    """The same of a process of one thread, as a server process is, to the microsecond."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def resident(pid: int) -> float:
    """Megabytes (of 10^6 bytes) that a process has in memory."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024 / 1e6


def backend_of(dsn: str, application_name: str) -> int:
    """The pid of the one server process that serves a program of this name."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND backend_type = 'client backend'"
        ((pid,),) = connection.execute(query, (application_name,)).fetchall()
    return int(pid)


def backend_appears(dsn: str, application_name: str, shown: Program, timeout: float = 30.0) -> int:
    """As `backend_of`, once it is there. Raises TimeoutError."""
    until = time.monotonic() + timeout
    while True:
        try:
            return backend_of(dsn, application_name)
        except ValueError:
            if time.monotonic() > until:
                raise TimeoutError(f"no session of {application_name}:\n{shown.screen()}") from None
            shown.live(0.2)


def book(root: Path, script: str) -> Path:
    """A runbook of one step that may wait as long as it likes."""
    (root / "steps").mkdir(parents=True)
    (root / "steps" / "001.sql").write_text(script)
    (root / "runbook.toml").write_text(
        'name = "bench"\nwindow = "4h"\n'
        '[safety]\nlock_timeout = "1h"\nstatement_timeout = "2h"\n'
        'max_blocked_sessions = 100000\nmax_blocked_for = "1h"\n'
        '[[step]]\nid = "001"\ntitle = "Waits"\nsql = "steps/001.sql"\n'
    )
    return root


def run_step(console: Program) -> None:
    """Presses enter until the console's one step runs."""
    until = time.monotonic() + 60
    while not re.search(r"statement \d+ of", shown := console.screen()):
        if time.monotonic() > until:
            raise TimeoutError(f"the step does not run:\n{shown}")
        # What the console takes for a held key is silent for less.
        console.live(1.0)
        if "enter Open the window" in shown or "enter Run 001" in shown:
            console.press("enter")


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of all is not above; nan where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def busy_machine() -> str:
    """How loaded the machine was, for figures that elapsed time decides."""
    one, five, _ = os.getloadavg()
    return f"load average {one:.1f} (1 min), {five:.1f} (5 min), {os.cpu_count()} cores"
