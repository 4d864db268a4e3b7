"""The terminal's driver, made to outlive its terminal: neither one that is gone nor one that nobody reads stops us."""

import os
import select
import sys
import termios
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

_MOST_WAITING = 1 << 17
"""Bytes that wait for a terminal which does not take them: two frames of a large screen. What comes then is dropped."""

_LAST_WORDS = 0.5
"""Seconds that leaving waits for a terminal to take what was written."""

_LOOK_EVERY = 0.05

# Ends a sequence of which the terminal got only the beginning.
_CANCEL = b"\x18"
# Ends an update whose end was dropped, and clears what half of the frames left.
_ANEW = "\x1b[?2026l\x1b[0m\x1b[2J"


class TerminalGone(Message):
    """Nobody will see or type anything any more."""


class Output(threading.Thread):
    """Writes to a terminal in its own time: nobody who has something to write ever waits for it.

    ``caught_up`` is called, in this thread, when the terminal has taken all that waited, but some of it was dropped.
    """

    def __init__(self, descriptor: int, caught_up: Callable[[], None]) -> None:
        super().__init__(name="terminal-output", daemon=True)
        self._descriptor = _opened_anew(descriptor)
        self._caught_up = caught_up
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._size = 0  # bytes, with those that are just being written
        self._dropped = False
        self._abandoned = False
        self._stopping = False
        self._gone = False

    def put(self, data: bytes) -> None:
        """Takes it to be written. After something was dropped so is all else, until the terminal has caught up."""
        with self._changed:
            if self._dropped or (self._size and self._size + len(data) > _MOST_WAITING):
                self._dropped = True
                return
            self._waiting.append(data)
            self._size += len(data)
            self._changed.notify_all()

    def abandon(self, within: float) -> None:
        """Gives up what the terminal has not taken in so many seconds, so that it can be told to be as it was."""
        with self._changed:
            if self._changed.wait_for(lambda: not self._size, within):
                return
            self._abandoned = True
            self._waiting.clear()
            if self._changed.wait_for(lambda: not self._size, within):
                self._abandoned = self._dropped = False
            # What it has not read yet makes room for the end.
            with suppress(termios.error):
                termios.tcflush(self._descriptor, termios.TCOFLUSH)
        self.put(_CANCEL)

    def stop(self, within: float) -> None:
        """Ends the thread once all is written; without its end after so many seconds."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self.join(within)
        self._abandoned = True

    def run(self) -> None:
        while (data := self._next()) is not None:
            self._write(data)
            with self._changed:
                self._size = sum(map(len, self._waiting))
                caught_up = self._dropped and not (self._size or self._stopping or self._abandoned or self._gone)
                self._dropped = self._dropped and not caught_up
                self._changed.notify_all()
            if caught_up:
                self._caught_up()
        os.close(self._descriptor)

    def _next(self) -> bytes | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            return self._waiting.popleft() if self._waiting else None

    def _write(self, data: bytes) -> None:
        while data and not self._abandoned and not self._gone:
            if not select.select([], [self._descriptor], [], _LOOK_EVERY)[1]:
                continue
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                # There was room for less than one line's end.
                time.sleep(_LOOK_EVERY)
            except OSError:
                self._gone = True


def _opened_anew(descriptor: int) -> int:
    """The same terminal once more, for writes that never block: what we say of this one is not said of the shell's."""
    try:
        # Only of the terminal that controls us, which everybody may open by that name, also after sudo.
        os.tcgetpgrp(descriptor)
        return os.open("/dev/tty", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        # Our thread may have to wait for another one; the loop still does not.
        return os.dup(descriptor)


class TerminalDriver(LinuxDriver):
    """Textual's own driver, but the app hears of it when its terminal goes away, and never waits for it.

    Textual's waits for its terminal, and the loop with it, once thirty writes are queued: a connection that hangs would
    blind the guard.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._output: Output | None = None

    def write(self, data: str) -> None:
        assert self._output is not None, "the driver must be in application mode"
        assert sys.__stderr__ is not None
        self._output.put(data.encode(sys.__stderr__.encoding, "backslashreplace"))

    def start_application_mode(self) -> None:
        assert sys.__stderr__ is not None
        self._output = Output(sys.__stderr__.fileno(), self._caught_up)
        self._output.start()
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def _caught_up(self) -> None:
        # The loop may have been closed meanwhile.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._draw_anew)

    def _draw_anew(self) -> None:
        self.write(_ANEW)
        # What the terminal was asked for may have been dropped as well.
        if self._in_band_window_resize:
            self._enable_in_band_window_resize()
        if self._mouse_pixels:
            self._enable_mouse_pixels()
        self._app.refresh()

    def _sigcont_application(self, *_: object) -> None:
        """Only after a stop of ours is there something to resume: a terminal that hangs up sends SIGCONT as well."""
        if self._must_signal_resume:
            super()._sigcont_application()
        else:
            self._caught_up()

    def stop_application_mode(self) -> None:
        assert self._output is not None
        self._output.abandon(_LAST_WORDS)
        super().stop_application_mode()

    def close(self) -> None:
        if self._output is not None:
            self._output.stop(_LAST_WORDS)
        super().close()

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except OSError:
            self._app.call_later(self._app.post_message, TerminalGone())


def driver_class(usual: type[Driver]) -> type[Driver]:
    """Ours in place of Textual's own for a terminal; any other driver as it is."""
    return TerminalDriver if usual is LinuxDriver else usual
