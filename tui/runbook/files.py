"""Files of a runbook: found inside its directory only, read as UTF-8 text."""

import os
import posixpath
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath

from tui.runbook.findings import hidden_character, nearest, quoted
from tui.runbook.lexer import newlines

LARGEST = 64 * 1024 * 1024
"""Bytes: a script beyond that is data, and belongs where COPY reads it."""

_MOST_NAMES = 5000


class FileProblem(Exception):
    """A file that cannot be used: what is wrong and the mend.

    ``name`` is the file concerned and ``line`` its 1-based line; both None where the reference is wrong.
    """

    def __init__(self, what: str, mend: str, name: str | None = None, line: int | None = None) -> None:
        super().__init__(f"{what}; {mend}")
        self.what = what
        self.mend = mend
        self.name = name
        self.line = line


def normal_name(name: str) -> str:
    """A path relative to the runbook in its shortest form; raises FileProblem if it leaves the runbook."""
    if not name.strip() or (hidden := hidden_character(name)) is not None:
        raise FileProblem(
            f"{quoted(name)} is no file name" + (f": it holds {hidden}" if name.strip() else ""),
            'write a path relative to the runbook: "steps/005.sql"',
        )
    if "\\" in name:
        raise FileProblem(f"{quoted(name)} holds a backslash", "write / between folders")
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive:
        raise FileProblem(f"{quoted(name)} is an absolute path", "write it relative to the runbook")
    normal = posixpath.normpath(name)
    if normal == ".." or normal.startswith("../"):
        raise FileProblem(f"{quoted(name)} is outside of the runbook's directory", "copy the file into the runbook")
    return normal


def read_text(root: Path, name: str) -> str:
    """The text of the file with that normal name, with its byte-order mark and its line ends as they are.

    Raises FileProblem for everything that keeps it from being read as text.
    """
    path = root / name
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            raise FileProblem(
                f"{quoted(name)} is a link that leaves the runbook's directory",
                "copy the file into the runbook",
            )
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise FileProblem(f"{quoted(name)} is a directory", "name a file")
        if not stat.S_ISREG(mode):
            raise FileProblem(f"{quoted(name)} is not a regular file", "name a regular file")
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise FileProblem(f"there is no file {quoted(name)}", _mend_missing(root, name)) from None
    except (OSError, RuntimeError, ValueError) as error:
        # RuntimeError is a loop of links, ValueError a name that the file system's encoding cannot hold.
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        what = f"{quoted(name)} cannot be read: {reason}"
        raise FileProblem(what, "mend its name or its permissions") from error
    if len(data) > LARGEST:
        raise FileProblem(
            f"is larger than {LARGEST // 1024 // 1024} MiB",
            "keep bulk data out of scripts: COPY it from a file",
            name,
        )
    return _decoded(data, name)


def _decoded(data: bytes, name: str) -> str:
    sample = data[:200]
    # UTF-16 without a mark is, for SQL, every second byte zero.
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or (sample and sample.count(0) * 3 >= len(sample)):
        raise FileProblem("is UTF-16, not UTF-8", "save it as UTF-8", name, 1)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        line = 1 + newlines(before, 0, len(before))
        column = len(before) - max(before.rfind("\n"), before.rfind("\r"))
        raise FileProblem(
            f"is not UTF-8: byte 0x{data[error.start]:02x} at column {column}", "save it as UTF-8", name, line
        ) from None


def _mend_missing(root: Path, name: str) -> str:
    names = _sql_names(root)
    folded = posixpath.basename(name).lower()
    near = nearest(name, names) or next((n for n in names if posixpath.basename(n).lower() == folded), None)
    return f"the nearest is {quoted(near)}" if near is not None else "create it, or mend the name"


def _sql_names(root: Path) -> list[str]:
    """The names of the SQL files of the runbook, at most so many as are looked through in a moment."""
    names: list[str] = []
    for folder, folders, files in os.walk(root):
        folders.sort()
        inside = Path(folder).relative_to(root)
        names += sorted((inside / file).as_posix() for file in files if file.lower().endswith(".sql"))
        if len(names) > _MOST_NAMES:
            break
    return names[:_MOST_NAMES]
