"""A script read whole: cut into statements, psql's ``\\i`` and ``\\ir`` replaced by what they include."""

import posixpath
from collections.abc import Callable
from pathlib import Path

from tui.runbook.files import LARGEST, FileProblem, normal_name, read_text
from tui.runbook.findings import quoted
from tui.runbook.lexer import SplitError
from tui.runbook.model import Script
from tui.runbook.statements import MetaCommand, Statement, scan
from tui.runbook.toml_lines import Place

RUNBOOK_FILE = "runbook.toml"

Report = Callable[[str, int | None, str, str], None]
"""Takes what is wrong: file, line, what, mend."""

_MOST_INCLUSIONS = 1000
_ON = ("", "on", "true", "yes", "1")
_ALLOWED = r"only \i, \ir and \set ON_ERROR_STOP on are read here"


def read_script(root: Path, name: str, reference: Place, report: Report) -> Script:
    """The script in the file of that name; without statements if anything in it was reported."""
    reader = _Reader(root, report)
    text = reader.include(name, RUNBOOK_FILE, reference.line, ())
    return reader.script(name, text)


def inline_script(root: Path, text: str, place: Place, report: Report) -> Script:
    """The script that is written in the runbook; its statements' lines count in the runbook."""
    reader = _Reader(root, report)
    first = place.text_line
    reader.expand(text, RUNBOOK_FILE, lambda line: place.line if first is None else first + line - 1, ())
    return reader.script(f"{RUNBOOK_FILE}:{place.line}", text)


class _Reader:
    def __init__(self, root: Path, report: Report) -> None:
        self._root = root
        self._report = report
        self._failed = False
        self._found: list[tuple[Statement, str]] = []
        self._included: list[str] = []
        self._size = 0

    def script(self, name: str, text: str) -> Script:
        """What was read. The first text is the script's own, all others were included."""
        if self._failed:
            return Script(name, text, ())
        if not self._found:
            file, _, line = name.partition(":") if name.startswith(f"{RUNBOOK_FILE}:") else (name, "", "")
            self._report(file, int(line) if line else None, "there is no statement in this SQL", "write one")
        statements, files = zip(*self._found, strict=True) if self._found else ((), ())
        return Script(name, text, statements, files, tuple(self._included))

    def include(self, name: str, by: str, line: int, stack: tuple[str, ...]) -> str:
        """Read a file to which ``by`` refers in that line, expand it, and give its text."""
        try:
            normal = normal_name(name)
            if normal in stack:
                raise FileProblem(f"{quoted(normal)} includes itself", "take this \\i out")
            text = read_text(self._root, normal)
        except FileProblem as problem:
            if problem.name is None:
                self._fail(by, line, problem.what, problem.mend)
            else:
                self._fail(problem.name, problem.line, problem.what, problem.mend)
            return ""
        self._size += len(text)
        if stack:
            self._included.append(text)
        if self._size > LARGEST or len(self._included) > _MOST_INCLUSIONS:
            self._fail(by, line, "the included files are too many or too large", "include less")
        else:
            self.expand(text, normal, lambda inner: inner, (*stack, normal))
        return text

    def expand(self, text: str, file: str, line_of: Callable[[int], int], stack: tuple[str, ...]) -> None:
        """Take the statements of a text in, and those of what it includes."""
        try:
            for item in scan(text):
                if isinstance(item, Statement):
                    line = line_of(item.line)
                    self._found.append((item if line == item.line else _moved(item, line), file))
                else:
                    self._command(item, item.arguments, file, line_of(item.line), stack or (RUNBOOK_FILE,))
        except SplitError as error:
            what, _, mend = str(error).partition(": ")
            self._fail(file, line_of(error.line), what, mend or _ALLOWED)

    def _command(
        self, command: MetaCommand, arguments: tuple[str, ...], file: str, line: int, stack: tuple[str, ...]
    ) -> None:
        match command.name, arguments:
            case ("\\i" | "\\ir", (name,)):
                inside = posixpath.dirname(file) if command.name == "\\ir" else ""
                self.include(posixpath.join(inside, name), file, line, stack)
            case "\\set", ("ON_ERROR_STOP", *value) if "".join(value).lower() in _ON:
                pass
            case _:
                self._fail(file, line, f"{quoted(command.text)} is a command of psql, not SQL", _ALLOWED)

    def _fail(self, file: str, line: int | None, what: str, mend: str) -> None:
        self._failed = True
        self._report(file, line, what, mend)


def _moved(statement: Statement, line: int) -> Statement:
    return Statement(statement.text, statement.start, statement.end, line, statement.copy_data)
