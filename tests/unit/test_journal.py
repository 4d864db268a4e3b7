"""The journal on the disk: torn, spoiled, unreadable, full."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tui.engine import events as e
from tui.engine import journal
from tui.engine.journal import Journal, JournalFailed, new_run_id, newest_run, read, stored_runs

AT = datetime(2026, 11, 21, 1, 20, tzinfo=UTC)


def target(**changes: object) -> e.Target:
    fields: dict[str, object] = {
        "host": "db1",
        "port": 5432,
        "database": "app",
        "user": "dba",
        "server_version": 160014,
        "system_identifier": 7,
        "production": False,
    }
    return e.Target(**{**fields, **changes})  # type: ignore[arg-type]


def opened(run: str = "r1", runbook: str = "small", at: e.Target | None = None) -> e.RunOpened:
    return e.RunOpened(AT, run, runbook, "Small", "0" * 64, "dba1", "ops1", at or target(), 600.0, (), (), ())


EVENTS: list[e.Event] = [
    opened(),
    e.ItemTicked(AT, "backup", "dba1", True, "with a note\nof two lines, ünïcode \U0001f512"),
    e.RunClosed(AT, "done", 0),
]


async def written(path: Path, events: list[e.Event] = EVENTS) -> Path:
    file = Journal(path)
    file.open()
    for event in events:
        await file.append(event)
    file.close()
    return path


async def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = await written(tmp_path / "runs" / "a.jsonl")
    assert read(path) == EVENTS
    assert path.read_bytes().count(b"\n") == len(EVENTS)


async def test_it_is_its_owners_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        path = await written(tmp_path / "runs" / "a.jsonl")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("torn", [b"{", b'{"kind":"run_cl', b"\x00\x00\x00", b"\xff"])
async def test_a_torn_last_line_is_left_out_and_cut_off(tmp_path: Path, torn: bytes) -> None:
    path = await written(tmp_path / "a.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert read(path) == EVENTS
    await written(path, [e.PauseSet(AT, True, "dba1")])
    assert path.read_bytes().startswith(whole)
    assert read(path) == [*EVENTS, e.PauseSet(AT, True, "dba1")]


async def test_a_whole_last_line_without_its_end_was_never_told(tmp_path: Path) -> None:
    path = await written(tmp_path / "a.jsonl")
    path.write_bytes(path.read_bytes()[:-1])
    assert read(path) == EVENTS[:-1]


@pytest.mark.parametrize("foreign", [b"hello\n", b"\n", b"{}\n", b'{"kind": "no_such_event"}\n', b"\xff\xfe\n"])
async def test_a_foreign_line_in_the_middle_is_named(tmp_path: Path, foreign: bytes) -> None:
    path = await written(tmp_path / "a.jsonl")
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(first + b"\n" + foreign + rest)
    with pytest.raises(JournalFailed, match=r"a\.jsonl:2: this line is no event"):
        read(path)


async def test_every_event_reaches_the_disk_before_append_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync
    path = tmp_path / "a.jsonl"
    file = Journal(path)
    file.open()

    def fsync(descriptor: int) -> None:
        real(descriptor)
        synced.append(path.stat().st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    for event in EVENTS:
        await file.append(event)
        assert synced[-1] == path.stat().st_size
    assert len(synced) == len(EVENTS)
    file.close()


async def test_a_short_write_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    file = Journal(path)
    file.open()
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    for event in EVENTS:
        await file.append(event)
    file.close()
    assert read(path) == EVENTS


async def test_the_name_of_a_new_journal_is_on_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))

    monkeypatch.setattr(os, "fsync", fsync)
    file = Journal(tmp_path / "a.jsonl")
    file.open()
    file.close()
    assert synced[-1]


def test_a_place_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file, no directory")
    with pytest.raises(JournalFailed, match="cannot write the journal"):
        Journal(tmp_path / "runs" / "a.jsonl").open()


def test_a_journal_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalFailed, match="cannot read the journal"):
        read(tmp_path / "none.jsonl")


async def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    file = Journal(tmp_path / "a.jsonl")
    file.close()
    file.open()
    file.close()
    file.close()


async def test_runs_are_found_newest_first_and_what_is_none_is_passed_over() -> None:
    place = journal.runs_directory()
    assert stored_runs() == []
    await written(place / "20260101T000000-aaaaaa-small.jsonl", [opened("old")])
    await written(place / "20260201T000000-bbbbbb-small.jsonl", [opened("new")])
    (place / "20260301T000000-cccccc-small.jsonl").write_bytes(b"no journal\n")
    (place / "20260302T000000-dddddd-small.jsonl").write_bytes(b"")
    await written(place / "20260303T000000-eeeeee-small.jsonl", [e.PauseSet(AT, True, "dba1")])
    (place / "notes.txt").write_text("nothing of ours")
    assert [run.opened.run for run in stored_runs()] == ["new", "old"]


async def test_a_journal_that_cannot_be_opened_keeps_nobody_from_the_others() -> None:
    place = journal.runs_directory()
    await written(place / "20260101T000000-aaaaaa-small.jsonl", [opened("old")])
    (place / "20260201T000000-bbbbbb-small.jsonl").mkdir()
    assert [run.opened.run for run in stored_runs()] == ["old"]


@pytest.mark.parametrize(
    ("there", "here", "found"),
    [
        ({}, {}, True),
        ({}, {"database": "other"}, False),
        ({}, {"system_identifier": 8}, False),
        ({}, {"host": "127.0.0.1", "port": 6432, "user": "other", "server_version": 180004}, True),
        ({"system_identifier": None}, {"system_identifier": None}, True),
        ({"system_identifier": None}, {"system_identifier": None, "host": "db2"}, False),
        ({"system_identifier": None}, {"system_identifier": None, "port": 5433}, False),
    ],
)
async def test_a_run_goes_on_only_on_its_own_database(
    there: dict[str, object], here: dict[str, object], found: bool
) -> None:
    await written(journal.runs_directory() / "20260101T000000-a-small.jsonl", [opened(at=target(**there))])
    assert (newest_run("small", target(**here)) is not None) is found
    assert newest_run("other", target(**there)) is None


def test_run_ids_sort_by_time_and_differ() -> None:
    ids = [new_run_id(AT) for _ in range(100)]
    assert len(set(ids)) == 100
    assert new_run_id(datetime(2026, 11, 22, tzinfo=UTC)) > max(ids)
