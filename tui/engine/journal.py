"""The local record of a run: one event a line, fsynced before anybody hears of it; readable by its owner alone."""

import asyncio
import errno
import os
import re
import resource
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tui.paths import state_root

from . import reserve
from .events import Event, RunOpened, Target, from_json, to_json
from .reserve import Reserve

_RUN = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")


class JournalFailed(Exception):
    """The journal cannot be written or read: the text names the file and the reason."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A journal on this machine and the event it begins with."""

    path: Path
    opened: RunOpened


def new_run_id(at: datetime) -> str:
    """Sorts by time; the tail tells two of the same second apart."""
    return f"{at:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


class Journal:
    """The open file of one run. Only ever appended to, by one thread at a time.

    Beside it lies a reserve, so that a disk that is full refuses the next act (``ready``) and not the end of this one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        self._torn: int | None = None
        self._reserve = Reserve(path.with_name(f"{path.name}.reserve"))
        # A task that is cancelled leaves its thread at work: the next one, and closing, wait for it.
        self._alone = threading.Lock()

    def open(self) -> None:
        """Makes the file, or takes it up again after its last whole line. Raises JournalFailed."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            os.fchmod(self._descriptor, 0o600)
            whole = self.path.read_bytes().rfind(b"\n") + 1
            os.ftruncate(self._descriptor, whole)
            self._make_room()
            _sync_directory(self.path.parent)
        except OSError as error:
            if self._descriptor >= 0 and not os.fstat(self._descriptor).st_size:
                with suppress(OSError):
                    self.path.unlink()
            self.close()
            raise JournalFailed(f"cannot write the journal {self.path}: {_why(error)}") from None

    async def ready(self) -> None:
        """Sees that an act that begins now can be told to its end. Raises JournalFailed."""
        try:
            await asyncio.to_thread(self._ready)
        except OSError as error:
            raise JournalFailed(f"cannot write the journal {self.path}: {_why(error)}; nothing was begun") from None

    def _ready(self) -> None:
        with self._alone:
            self._mend()
            self._make_room()

    def _make_room(self) -> None:
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        if limit != resource.RLIM_INFINITY and os.fstat(self._descriptor).st_size + reserve.SIZE > limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        self._reserve.fill()

    async def append(self, event: Event) -> None:
        """Writes the event and waits until the disk has it. Raises JournalFailed."""
        line = to_json(event) + b"\n"
        try:
            await asyncio.to_thread(self._append, line)
        except OSError as error:
            raise JournalFailed(f"cannot write the journal {self.path}: {_why(error)}") from None

    def _append(self, line: bytes) -> None:
        with self._alone:
            while True:
                try:
                    self._mend()
                    return self._write(line)
                except OSError as error:
                    if error.errno not in reserve.NO_SPACE or not self._reserve.give():
                        raise

    def _write(self, line: bytes) -> None:
        whole = os.fstat(self._descriptor).st_size
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            os.fsync(self._descriptor)
        except OSError:
            # Half a line would swallow the next one: nobody was told of this event, so it goes.
            self._torn = whole
            with suppress(OSError):
                self._mend()
            raise

    def _mend(self) -> None:
        if self._torn is not None:
            os.ftruncate(self._descriptor, self._torn)
            self._torn = None

    def close(self) -> None:
        with self._alone:
            with suppress(OSError):
                self._reserve.remove()
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1


def _why(error: OSError) -> str:
    """The system's word, and what mends it where that is plain."""
    mend = {errno.EFBIG: "raise the limit of a file's size"} | dict.fromkeys(reserve.NO_SPACE, "free some space there")
    return "; ".join(filter(None, (error.strerror, mend.get(error.errno or 0))))


def _sync_directory(path: Path) -> None:
    """A file whose name is not on the disk is lost with the power, however well it was written."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems have nothing to sync there, and say so in this way.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def runs_directory() -> Path:
    return state_root() / "runs"


def read(path: Path) -> list[Event]:
    """All whole lines of a journal; a torn last line was never told to anybody and is left out.

    Raises JournalFailed for a line in the middle that is no event.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise JournalFailed(f"cannot read the journal {path}: {error.strerror}") from None
    found: list[Event] = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            found.append(from_json(line))
        except ValueError:
            raise JournalFailed(f"{path}:{number}: this line is no event; the journal was changed by hand") from None
    return found


def stored_runs() -> list[StoredRun]:
    """The journals of this machine, newest first; what does not begin as a run is passed over."""
    found = []
    for path in sorted(runs_directory().glob("*.jsonl"), reverse=True):
        try:
            with path.open("rb") as file:
                event = from_json(file.readline())
        except (OSError, ValueError):
            continue
        if isinstance(event, RunOpened):
            found.append(StoredRun(path, event))
    return found


def newest_run(runbook: str, target: Target) -> StoredRun | None:
    """The last run of this runbook on this very database."""
    return next((stored for stored in stored_runs() if is_of(stored.opened, runbook, target)), None)


def is_of(opened: RunOpened, runbook: str, target: Target) -> bool:
    """Whether this opening was of this runbook on this very database."""
    there = opened.target
    same_server = (
        there.system_identifier == target.system_identifier
        if target.system_identifier is not None
        else (there.host, there.port) == (target.host, target.port)
    )
    same_database = there.database == target.database and there.database_oid == target.database_oid
    return opened.runbook == runbook and same_database and same_server


def path_of(run: str, runbook: str) -> Path:
    """Where the journal of this run lies on this machine. ValueError where this is no run's id."""
    if not _RUN.fullmatch(run):
        raise ValueError(f"{run!r} is no run's id")
    return runs_directory() / f"{run}-{runbook}.jsonl"
