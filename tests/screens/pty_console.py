"""The real program in a real pseudo-terminal: its screen as lines, keys as an operator presses them."""

import os
import re
import signal
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pexpect
import pyte

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
_COOKED = termios.ECHO | termios.ICANON | termios.ISIG


class Terminal:
    """A program under a terminal of this size. ``lines`` is its screen; nothing is read but by what waits for it."""

    def __init__(self, arguments: Sequence[str], size: tuple[int, int] = (120, 40)) -> None:
        columns, lines = size
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._modes: dict[int, bool] = {}
        self._tail = b""
        self._lines: list[str] = []  # drawn anew only when something came: pyte takes its time
        self._text = ""
        # What they say of a terminal's size would count for more than the terminal itself.
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment |= {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        command = ["-m", "tui", *arguments]
        self.process: pexpect.spawn[bytes] = pexpect.spawn(
            sys.executable, command, dimensions=(lines, columns), env=environment, timeout=30, encoding=None
        )
        self._begun = termios.tcgetattr(self.process.child_fd)

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
        """Takes in what the program writes within this time; False once it has ended."""
        data = b""
        try:
            while len(data) < _AT_ONCE:
                data += self.process.read_nonblocking(_AT_ONCE, 0 if data else seconds)
        except pexpect.TIMEOUT:
            pass
        except (pexpect.EOF, OSError):
            if not data:
                return False
        if not data:
            return True
        self._lines, self._text = [], ""
        for numbers, switch in _MODE.findall(self._tail + data):
            self._modes |= {int(number): switch == b"h" for number in numbers.split(b";")}
        self._tail = data[-16:] if data[-16:].rfind(b"\x1b") >= 0 else b""
        self._stream.feed(_UNKNOWN.sub(b"", data))
        return True

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
            assert time.monotonic() < until, f"not in {timeout} s: {what or 'that'}\n" + "\n".join(self.lines)
            going = self._read(0.1)
        return self.lines

    def see(self, *texts: str, timeout: float = 30) -> None:
        """Waits until all these texts are on the screen."""
        self.wait_for(lambda lines: self.has(*texts), timeout, " and ".join(map(repr, texts)))

    def see_no(self, text: str, timeout: float = 30) -> None:
        self.wait_for(lambda lines: not self.has(text), timeout, f"no {text!r}")

    # Typing

    def press(self, *keys: str) -> None:
        """Keys by their name, or as the characters that they are."""
        for key in keys:
            self.process.send(KEYS.get(key, key).encode())
            if key == "escape":
                self.live(_AFTER_ESCAPE)

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
        self.wait_for(holds, 0, f"{key} to lead to {what or 'that'}")

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
        self.process.setwinsize(lines, columns)

    # Ending

    def end(self, timeout: float = 30) -> int:
        """Waits for its end and gives its exit code; 128 + n when signal n killed it."""
        until = time.monotonic() + timeout
        while self._read(0.1) if self.process.child_fd >= 0 else self.process.isalive():
            assert time.monotonic() < until, "it did not end\n" + "\n".join(self.lines)
        self.process.wait()
        if self.process.signalstatus is not None:
            return 128 + int(self.process.signalstatus)
        assert self.process.exitstatus is not None
        return int(self.process.exitstatus)

    def assert_restored(self) -> None:
        """The terminal is as it was: no alternate screen, a cursor, no mouse, no paste mode, a line discipline."""
        left_on = [mode for mode in (1000, 1002, 1003, 1004, 1006, 1015, 1049, 2004) if self._modes.get(mode)]
        assert left_on == []
        assert self._modes[25], "the cursor is hidden"
        assert 1049 in self._modes, "it never was on the alternate screen"
        with suppress(termios.error):  # some systems forget a terminal that nobody has open
            now = termios.tcgetattr(self.process.child_fd)
            assert now[3] & _COOKED == self._begun[3] & _COOKED
            assert now[0] == self._begun[0]

    def hang_up(self) -> None:
        """The terminal goes away, as when its window is closed."""
        # By its file object: closed by number, it would be closed again when that object goes, whoever has it by then.
        pty: Any = getattr(self.process, "ptyproc")  # noqa: B009 - its stubs do not know it
        pty.fileobj.close()
        pty.closed = self.process.closed = True
        pty.fd = self.process.child_fd = -1

    def kill(self) -> None:
        if self.process.child_fd >= 0:
            with suppress(OSError):
                self.process.close(force=True)
        pid = self.process.pid
        assert pid is not None
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


@contextmanager
def terminal(*arguments: str, size: tuple[int, int] = (120, 40)) -> Iterator[Terminal]:
    """``lockstep`` with these arguments in a terminal; killed at the end of the block if it is still there."""
    one = Terminal(arguments, size)
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
