"""A script read whole: cut into statements, psql's ``\\i`` and ``\\ir`` replaced by what they include."""

import posixpath
from collections.abc import Callable
from dataclasses import replace
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

_DEEPEST = 20
_MOST = 1000
_ON = ("", "on", "true", "yes", "1")
_ALLOWED = r"only \i, \ir and \set ON_ERROR_STOP on are read here"


def read_script(root: Path, name: str, reference: Place, report: Report) -> Script:
    """The script in the file of that name; without statements if anything in it was reported."""
    reader = _Reader(root, report)
    text = reader.include(name, RUNBOOK_FILE, reference.line, ())
    return reader.script(name, text, name, None)


def inline_script(root: Path, text: str, place: Place, report: Report) -> Script:
    """The script that is written in the runbook; its statements' lines count in the runbook."""
    reader = _Reader(root, report)
    first = place.text_line
    reader.expand(text, RUNBOOK_FILE, lambda line: place.line if first is None else first + line - 1, ())
    return reader.script(f"{RUNBOOK_FILE}:{place.line}", text, RUNBOOK_FILE, place.line)


class _Reader:
    def __init__(self, root: Path, report: Report) -> None:
        self._root = root
        self._report = report
        self._failed = False
        self._found: list[tuple[Statement, str]] = []
        self._included: list[str] = []
        self._size = 0

    def script(self, name: str, text: str, file: str, line: int | None) -> Script:
        """What was read; ``file`` and ``line`` are where it is told that there is nothing in it."""
        if not self._found and not self._failed:
            empty = not text.strip("\ufeff \t\r\n")
            what = "the SQL is empty" if empty else "the SQL holds no statement, only comments or psql commands"
            self._fail(file, line, what, "write a statement")
        if self._failed:
            return Script(name, text, ())
        return Script(
            name,
            text,
            tuple(statement for statement, _ in self._found),
            tuple(file for _, file in self._found),
            tuple(self._included),
        )

    def include(self, name: str, by: str, line: int, stack: tuple[str, ...]) -> str:
        """Read a file to which ``by`` refers in that line, expand it, and give its text."""
        try:
            normal = normal_name(name)
            if normal in stack:
                raise FileProblem(f"{quoted(normal)} includes itself", "take this inclusion out")
            if len(stack) > _DEEPEST or len(self._included) > _MOST or self._size > LARGEST:
                raise FileProblem("the inclusions are too deep, too many or too large", "include less")
            text = read_text(self._root, normal)
        except FileProblem as problem:
            file, at = (by, line) if problem.name is None else (problem.name, problem.line)
            self._fail(file, at, problem.what, problem.mend)
            return ""
        self._size += len(text)
        if stack:
            self._included.append(text)
        self.expand(text, normal, lambda inner: inner, (*stack, normal))
        return text

    def expand(self, text: str, file: str, line_of: Callable[[int], int], stack: tuple[str, ...]) -> None:
        """Take the statements of a text in, and those of what it includes."""
        try:
            items = scan(text)
        except SplitError as error:
            what, _, mend = str(error).partition(": ")
            self._fail(file, line_of(error.line), what, mend)
            return
        for item in items:
            line = line_of(item.line)
            if isinstance(item, Statement):
                self._found.append((item if line == item.line else replace(item, line=line), file))
            else:
                self._command(item, file, line, stack or (RUNBOOK_FILE,))

    def _command(self, command: MetaCommand, file: str, line: int, stack: tuple[str, ...]) -> None:
        if command.name not in ("\\i", "\\ir", "\\set"):
            self._fail(file, line, f"{quoted(command.text)} is a command of psql, not SQL", _ALLOWED)
            return
        try:
            arguments = command.arguments
        except SplitError as error:
            self._fail(file, line, str(error), _ALLOWED)
            return
        match command.name, arguments:
            case "\\set", ("ON_ERROR_STOP", *value):
                if "".join(value).lower() not in _ON:
                    self._fail(file, line, "ON_ERROR_STOP is switched off", "a script always stops at its first error")
            case "\\i" | "\\ir", (name,):
                inside = posixpath.dirname(file) if command.name == "\\ir" else ""
                self.include(posixpath.join(inside, name), file, line, stack)
            case "\\i" | "\\ir", _:
                self._fail(file, line, f"{command.name} with {len(arguments)} file names", "write one")
            case _:
                self._fail(file, line, f"{quoted(command.text)} sets a variable of psql", _ALLOWED)

    def _fail(self, file: str, line: int | None, what: str, mend: str) -> None:
        self._failed = True
        self._report(file, line, what, mend)
