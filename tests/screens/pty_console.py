"""The real program in a real pseudo-terminal: its screen as lines, keys as an operator presses them."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import pyte
from forks import start

from tui.engine import events as e
from tui.engine.journal import read, runs_directory
from tui.engine.state import RunState, fold

KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "space": " ",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "insert": "\x1b[2~",
    "delete": "\x1b[3~",
    **{f"f{n}": f"\x1bO{'PQRS'[n - 1]}" for n in range(1, 5)},
    **{f"f{n}": f"\x1b[{code}~" for n, code in zip(range(5, 13), (15, 17, 18, 19, 20, 21, 23, 24), strict=True)},
    **{f"ctrl+{letter}": chr(ord(letter) - 96) for letter in "abcdefghklnopqrstuvwxyz"},
}
QUIET = 0.8
"""Seconds after which a press of Enter counts again: what the console takes for a held key is silent for less."""

_AT_ONCE = 65536
_AFTER_ESCAPE = 0.3  # seconds; what comes sooner after Escape is taken for one key with it
# Private sequences that pyte prints instead of passing over them: the keyboard protocol of newer terminals.
_UNKNOWN = re.compile(rb"\x1b\[[<>=?][0-9;]*u")
_MODE = re.compile(rb"\x1b\[\?([0-9;]+)([hl])")
# Standard input becomes the terminal of the session that it leads, as a login does it; then it is the program.
_LOGIN = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
_COOKED = termios.ECHO | termios.ICANON | termios.ISIG


class Terminal:
    """A program under a terminal of this size. ``lines`` is its screen; nothing is read but by what waits for it."""

    def __init__(self, arguments: Sequence[str], size: tuple[int, int] = (120, 40), *, cold: bool = False) -> None:
        columns, lines = size
        self._master, slave = os.openpty()
        os.set_blocking(self._master, False)
        _set_size(slave, columns, lines)
        self._begun = termios.tcgetattr(slave)
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._modes: dict[int, bool] = {}
        self._tail = b""
        self._lines: list[str] = []  # drawn anew only when something came: pyte takes its time
        self._text = ""
        # What they say of a terminal's size would count for more than the terminal itself.
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment |= {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "PYTHONFAULTHANDLER": "1"}
        self.process = (
            _cold(arguments, environment, slave) if cold else start(arguments, environment, slave, slave, slave)
        )
        os.close(slave)

    @property
    def lines(self) -> list[str]:
        if not self._lines:
            self._lines = [line.rstrip() for line in self._screen.display]
        return self._lines

    @property
    def text(self) -> str:
        """The screen, every run of blanks as one: what stands in a line does not depend on its columns."""
        if not self._text:
            self._text = "\n".join(" ".join(line.split()) for line in self.lines)
        return self._text

    def has(self, *texts: str) -> bool:
        return all(text in self.text for text in texts)

    # Reading

    def _read(self, seconds: float) -> bool:
        """Takes in what the program writes within this time; False once nobody can write any more."""
        if self._master < 0:
            return False
        data = b""
        open_ = True
        while len(data) < _AT_ONCE and select.select([self._master], [], [], 0 if data else seconds)[0]:
            try:
                more = os.read(self._master, _AT_ONCE)
            except OSError:  # how Linux says that the other end is closed
                more = b""
            data += more
            if not more:
                open_ = False
                break
        if data:
            self._lines, self._text = [], ""
            for numbers, switch in _MODE.findall(self._tail + data):
                self._modes |= {int(number): switch == b"h" for number in numbers.split(b";")}
            self._tail = data[-16:] if data[-16:].rfind(b"\x1b") >= 0 else b""
            self._stream.feed(_UNKNOWN.sub(b"", data))
        return open_

    def live(self, seconds: float) -> None:
        """Lets the program go on for this time: where something must *not* come about."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and self._read(min(left, 0.1)):
            pass

    def wait_for(self, holds: Callable[[list[str]], bool], timeout: float = 30, what: str = "") -> list[str]:
        """The first screen of which this holds."""
        until = time.monotonic() + timeout
        going = True
        while not holds(self.lines):
            assert going, f"it ended before {what or 'that'}:\n" + "\n".join(self.lines)
            if time.monotonic() > until:
                raise AssertionError(f"not in {timeout} s: {what or 'that'}\n" + "\n".join(self.lines))
            going = self._read(0.1)
        return self.lines

    def threads(self) -> str:
        """Where each thread of the program stands, by its own word; the program ends over it."""
        self.process.send_signal(signal.SIGABRT)
        told = b""
        with suppress(OSError):
            while select.select([self._master], [], [], 2)[0] and (more := os.read(self._master, _AT_ONCE)):
                told += more
        return told.decode(errors="replace")

    def see(self, *texts: str, timeout: float = 30) -> None:
        """Waits until all these texts are on the screen."""
        self.wait_for(lambda lines: self.has(*texts), timeout, " and ".join(map(repr, texts)))

    def see_no(self, text: str, timeout: float = 30) -> None:
        self.wait_for(lambda lines: not self.has(text), timeout, f"no {text!r}")

    # Typing

    def press(self, *keys: str) -> None:
        """Keys by their name, or as the characters that they are."""
        for key in keys:
            self._write(KEYS.get(key, key).encode())
            if key == "escape":
                self.live(_AFTER_ESCAPE)

    def _write(self, data: bytes) -> None:
        """Types it, however slowly it is taken; what the program writes meanwhile is read."""
        until = time.monotonic() + 30
        while data:
            assert time.monotonic() < until, "it takes no key:\n" + "\n".join(self.lines)
            if select.select([], [self._master], [], 0.1)[1]:
                data = data[os.write(self._master, data) :]
            else:
                self._read(0)

    def act(self, key: str, holds: Callable[[list[str]], bool], what: str = "", timeout: float = 30) -> None:
        """Presses a key as somebody does who waits for its effect, and again when there is none."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            self.live(QUIET)
            if holds(self.lines):
                return
            self.press(key)
            with suppress(AssertionError):
                self.wait_for(holds, 1.5)
                return
        with suppress(AssertionError):
            self.wait_for(holds, 0)
            return
        seen = "\n".join(self.lines)
        raise AssertionError(f"{key} did not lead to {what or 'that'}\n{seen}\n{self.threads()}")

    def act_to_see(self, key: str, *texts: str, timeout: float = 30) -> None:
        self.act(key, lambda lines: self.has(*texts), " and ".join(map(repr, texts)), timeout)

    def answer(self, title: str, *keys: str) -> None:
        """Answers the dialog with this title by these keys, and waits until it is gone."""
        self.see(title)
        self.live(QUIET)
        self.press(*keys)
        self.see_no(title)

    def hold(self, key: str, times: int = 30) -> None:
        """A key that is held down: the terminal sends nothing but repeats."""
        for _ in range(times):
            self.press(key)
            self.live(0.04)

    def click(self, column: int, line: int) -> None:
        """The left button, down and up; both count from 1."""
        self.press(f"\x1b[<0;{column};{line}M", f"\x1b[<0;{column};{line}m")

    def paste(self, text: str) -> None:
        self.press(f"\x1b[200~{text}\x1b[201~")

    def resize(self, columns: int, lines: int) -> None:
        """The terminal gets another size; the program hears of it by SIGWINCH."""
        self._screen.resize(lines, columns)
        self._lines, self._text = [], ""
        _set_size(self._master, columns, lines)

    # Ending

    def end(self, timeout: float = 30) -> int:
        """Waits for its end and gives its exit code; 128 + n when signal n killed it."""
        until = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < until, "it did not end\n" + "\n".join(self.lines)
            if not self._read(0.05):
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(0.05)
        self.live(0.2)
        code = self.process.wait(0)
        return 128 - code if code < 0 else code

    def assert_restored(self) -> None:
        """The terminal is as it was: no alternate screen, a cursor, no mouse, no paste mode, a line discipline."""
        left_on = [mode for mode in (1000, 1002, 1003, 1004, 1006, 1015, 1049, 2004) if self._modes.get(mode)]
        assert left_on == []
        assert self._modes[25], "the cursor is hidden"
        assert 1049 in self._modes, "it never was on the alternate screen"
        with suppress(termios.error):  # some systems forget a terminal that nobody has open
            now = termios.tcgetattr(self._master)
            assert now[3] & _COOKED == self._begun[3] & _COOKED
            assert now[0] == self._begun[0]

    def hang_up(self) -> None:
        """The terminal goes away, as when its window is closed."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def kill(self) -> None:
        self.process.kill()
        self.hang_up()
        self.process.wait()


def _set_size(descriptor: int, columns: int, lines: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def _cold(arguments: Sequence[str], environment: Mapping[str, str], terminal: int) -> "subprocess.Popen[bytes]":
    """As an operator starts it: an interpreter that has imported nothing yet."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _LOGIN, sys.executable, "-m", "tui", *arguments],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=dict(environment),
        start_new_session=True,
    )


@contextmanager
def terminal(*arguments: str, size: tuple[int, int] = (120, 40), cold: bool = False) -> Iterator[Terminal]:
    """``lockstep`` with these arguments in a terminal; killed at the end of the block if it is still there."""
    one = Terminal(arguments, size, cold=cold)
    try:
        yield one
    finally:
        one.kill()


# What it left


def journal() -> list[e.Event]:
    """Every event of the one run of this test."""
    (path,) = runs_directory().glob("*.jsonl")
    return read(path)


def state() -> RunState:
    return fold(journal())


def deeds() -> list[str]:
    """What was done to the database or to other sessions, in order."""
    done = []
    for event in journal():
        match event:
            case e.ScriptStarted():
                done.append(f"{event.direction} {event.script}")
            case e.WindowOpened():
                done.append("window")
            case e.RollbackPlanned() | e.SessionSignalled() | e.GateOverridden() | e.ScriptFailed():
                done.append(type(event).__name__)
            case _:
                pass
    return done
