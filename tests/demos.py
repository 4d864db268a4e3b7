"""Where a demo of a test puts its server, and what of it is still there."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


class Place:
    """A directory for the temporary files of one test's demos, reachable by the server's user as ``/tmp`` is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def servers(self) -> list[Path]:
        """The directories of the servers that are there."""
        return sorted(self.path.glob("lockstep-*"))

    @property
    def dsn(self) -> str:
        """The database of the one demo."""
        (directory,) = self.servers
        return f"host={directory} user=postgres dbname=app"

    @property
    def processes(self) -> list[str]:
        """The command lines that name this place: postmasters, and the application's process."""
        # By its last part alone: in a URI the slashes before it are written otherwise.
        return [line for line in _command_lines() if self.path.name in line]

    def empty(self) -> bool:
        return not self.servers and not self.processes


def _command_lines() -> Iterator[str]:
    if sys.platform != "linux":
        listed = subprocess.run(["ps", "-A", "-ww", "-o", "args="], check=True, capture_output=True, text=True)
        yield from listed.stdout.splitlines()
        return
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")


@contextmanager
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """What is started in the block puts its server here; at the end nothing may be left of it."""
    # pytest's own directories are closed to the user that the server runs as where we are root.
    with tempfile.TemporaryDirectory(prefix="ls-", dir="/tmp") as made:
        path = Path(made).resolve()
        path.chmod(0o711)
        monkeypatch.setenv("TMPDIR", str(path))
        here = Place(path)
        yield here
        assert eventually(here.empty), [*here.servers, *here.processes]


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether it comes to hold in time: for what other processes do, of which no event tells us."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True
