"""The terminal's driver, made to outlive its terminal: a dropped SSH connection must not stop us from closing well."""

from contextlib import suppress
from typing import IO, Any

from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message


class TerminalGone(Message):
    """Nobody will see or type anything any more."""


class _Output:
    """The terminal's file. Once it is gone, what is written goes nowhere, instead of ending the thread that writes."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class TerminalDriver(LinuxDriver):
    """Textual's own driver, but the app hears of it when its terminal goes away, and is not stopped by it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._file: Any = _Output(self._file)

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except OSError:
            self._app.call_later(self._app.post_message, TerminalGone())


def driver_class(usual: type[Driver]) -> type[Driver]:
    """Ours in place of Textual's own for a terminal; any other driver as it is."""
    return TerminalDriver if usual is LinuxDriver else usual
