"""The journal on a disk that is full: the next act is refused, and the end of this one is written."""

import asyncio
import errno
import os
import resource
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest
from small_disk import small_disk

from tui.engine import events as e
from tui.engine import reserve
from tui.engine.journal import Journal, JournalFailed, read, runs_directory, stored_runs
from tui.engine.recorder import Recorder

AT = datetime(2026, 11, 21, 1, 20, tzinfo=UTC)
BEFORE = e.PauseSet(AT, False, "dba1")
TOLD = e.ItemTicked(AT, "backup", "dba1", True, "as long as a line is " * 12)
ONE_ACT = 2_000
REFUSED = r"cannot write the journal .*a\.jsonl: No space left on device; free some space there; nothing was begun"


class Disk(Protocol):
    """A disk with little room. ``fill`` leaves nothing free on it, ``free`` takes the ballast away again."""

    path: Path

    def fill(self) -> None: ...
    def free(self) -> None: ...


class ToldDisk:
    """A disk that is small by what os.write says of it: everywhere, but only our own files count."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, code: int = errno.ENOSPC) -> None:
        self.path = path
        self._full = False
        self._free = 0
        write, ftruncate = os.write, os.ftruncate

        def limited_write(descriptor: int, data: bytes) -> int:
            if not self._full or not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return write(descriptor, data)
            if not self._free:
                raise OSError(code, os.strerror(code))
            written = write(descriptor, data[: self._free])
            self._free -= written
            return written

        def limited_ftruncate(descriptor: int, length: int) -> None:
            self._free += max(0, os.fstat(descriptor).st_size - length)
            ftruncate(descriptor, length)

        monkeypatch.setattr(os, "write", limited_write)
        monkeypatch.setattr(os, "ftruncate", limited_ftruncate)

    def fill(self) -> None:
        self._full, self._free = True, 0

    def free(self) -> None:
        self._full = False


@pytest.fixture(params=["told", "real"])
def disk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    if request.param == "told":
        yield ToldDisk(tmp_path, monkeypatch)
        return
    with small_disk(tmp_path, 3 * reserve.SIZE) as real:
        yield real


def reserve_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.reserve")


async def test_a_full_disk_refuses_the_next_act_and_lets_this_one_end(disk: Disk) -> None:
    file = Journal(disk.path / "a.jsonl")
    file.open()
    await file.append(BEFORE)
    await file.ready()
    disk.fill()
    for _ in range(ONE_ACT):
        await file.append(TOLD)
    with pytest.raises(JournalFailed, match=REFUSED):
        await file.ready()
    # A refusal spends nothing: what is left of the reserve is still there for a tick, and for the run's close.
    await file.append(TOLD)
    disk.free()
    await file.ready()
    assert reserve_of(file.path).stat().st_size == reserve.SIZE
    file.close()
    assert read(file.path) == [BEFORE, *[TOLD] * (ONE_ACT + 1)]


async def test_a_disk_that_was_full_before_the_act_refuses_it_with_a_whole_reserve(disk: Disk) -> None:
    file = Journal(disk.path / "a.jsonl")
    file.open()
    disk.fill()
    with pytest.raises(JournalFailed, match=REFUSED):
        await file.ready()
    assert reserve_of(file.path).stat().st_size == reserve.SIZE
    file.close()


async def test_without_any_reserve_left_it_is_told_and_the_file_stays_whole(disk: Disk) -> None:
    file = Journal(disk.path / "a.jsonl")
    file.open()
    disk.fill()
    told: list[e.Event] = []

    async def tell_without_end() -> None:
        while True:
            await file.append(TOLD)
            told.append(TOLD)

    with pytest.raises(JournalFailed, match=r"a\.jsonl: No space left on device; free some space there$"):
        await tell_without_end()
    assert len(told) * len(e.to_json(TOLD)) > 0.9 * reserve.SIZE
    assert read(file.path) == told
    disk.free()
    await file.append(BEFORE)
    file.close()
    assert read(file.path) == [*told, BEFORE]


async def test_a_journal_is_not_begun_on_a_full_disk(disk: Disk) -> None:
    disk.fill()
    with pytest.raises(JournalFailed, match="No space left on device; free some space there"):
        Journal(disk.path / "a.jsonl").open()
    assert not list(disk.path.glob("a.jsonl*"))


async def test_a_reserve_is_its_owners_alone_no_run_and_gone_at_the_end() -> None:
    path = runs_directory() / "a.jsonl"
    old = os.umask(0)
    try:
        file = Journal(path)
        file.open()
    finally:
        os.umask(old)
    kept = reserve_of(path)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert kept.stat().st_blocks * 512 >= reserve.SIZE
    assert list(runs_directory().glob("*.jsonl")) == [path]
    assert stored_runs() == []
    file.close()
    assert not kept.exists()


@pytest.mark.parametrize("left", [0, 1000, reserve.SIZE, 2 * reserve.SIZE])
async def test_what_a_killed_console_left_is_taken_up_again(tmp_path: Path, left: int) -> None:
    path = tmp_path / "a.jsonl"
    reserve_of(path).write_bytes(b"x" * left)
    reserve_of(path).chmod(0o644)
    inode = reserve_of(path).stat().st_ino
    file = Journal(path)
    file.open()
    found = reserve_of(path).stat()
    assert (found.st_ino, found.st_size, stat.S_IMODE(found.st_mode)) == (inode, reserve.SIZE, 0o600)
    file.close()


async def test_a_journal_that_was_open_to_others_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.touch(mode=0o644)
    file = Journal(path)
    file.open()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    file.close()


async def test_a_quota_is_a_full_disk_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = ToldDisk(tmp_path, monkeypatch, errno.EDQUOT)
    file = Journal(tmp_path / "a.jsonl")
    file.open()
    disk.fill()
    await file.append(TOLD)
    with pytest.raises(JournalFailed, match="quota exceeded; free some space there; nothing was begun"):
        await file.ready()
    file.close()


async def test_a_disk_that_can_no_longer_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Journal(tmp_path / "a.jsonl")
    file.open()
    ToldDisk(tmp_path, monkeypatch, errno.EROFS).fill()
    with pytest.raises(JournalFailed, match="Read-only file system; nothing was begun"):
        await file.ready()
    with pytest.raises(JournalFailed, match=r"Read-only file system$"):
        await file.append(TOLD)
    # The reserve is no help against that, and stays.
    assert reserve_of(file.path).stat().st_size == reserve.SIZE
    file.close()


async def test_a_limit_of_a_files_size_refuses_the_next_act(tmp_path: Path) -> None:
    file = Journal(tmp_path / "a.jsonl")
    file.open()
    await file.append(TOLD)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (reserve.SIZE + 100, hard))
    try:
        with pytest.raises(JournalFailed, match="File too large; raise the limit of a file's size; nothing was begun"):
            await file.ready()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await file.ready()
    file.close()


async def test_an_append_that_was_abandoned_is_ended_before_the_file_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Journal(tmp_path / "a.jsonl")
    file.open()
    begun, goes_on, real = threading.Event(), threading.Event(), os.write

    def slow(descriptor: int, data: bytes) -> int:
        written = real(descriptor, data[:5])
        begun.set()
        goes_on.wait(10)
        return written

    monkeypatch.setattr(os, "write", slow)
    abandoned = asyncio.create_task(file.append(TOLD))
    await asyncio.to_thread(begun.wait, 10)
    abandoned.cancel()
    await asyncio.gather(abandoned, return_exceptions=True)
    after = asyncio.create_task(file.append(BEFORE))
    goes_on.set()
    await after
    file.close()
    assert read(file.path) == [TOLD, BEFORE]


async def test_a_recorder_without_a_journal_is_always_ready() -> None:
    await Recorder().ready()
