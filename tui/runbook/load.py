"""Reads a runbook's directory: the whole runbook, or everything that is wrong with it at once."""

import os
import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from tui.paths import shipped_runbooks
from tui.runbook.build import Builder
from tui.runbook.files import FileProblem, read_text
from tui.runbook.findings import Finding, RunbookRefused, hidden_character, nearest, quoted
from tui.runbook.inclusion import RUNBOOK_FILE
from tui.runbook.model import Runbook
from tui.runbook.toml_lines import locate

_DECODER_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_SYNTAX = {
    "Cannot overwrite": ("a key stands twice in its table", "take one out"),
    "Duplicate inline table key": ("a key stands twice in its table", "take one out"),
    "Cannot declare": ("a [table] stands twice", "write [[step]] in double brackets for what comes more than once"),
    "Cannot mutate": ("a table in { } or a list in [ ] is added to", "write all that it holds inside of it"),
    "Illegal character '\\n'": ("a string does not end on its line", "write the closing quote, or use three quotes"),
    "Unterminated string": ("a string does not end", "write the closing quotes"),
    "Invalid value": ("this is no value", "strings and durations stand in quotes"),
    "Unescaped '\\'": ("a backslash in double quotes", "write two of them, or put the string in single quotes"),
    "Expected newline": ("more follows after a value", "put strings and durations in quotes, each key on its own line"),
}
"""How the decoder's messages begin, and what they mean in a runbook."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The runbook, None if any finding is an error, and all findings in the order of the files."""

    runbook: Runbook | None
    findings: tuple[Finding, ...]


def find_runbook(name_or_path: str) -> Path:
    """The directory with that path, or that of the shipped runbook with that name.

    Raises RunbookRefused with one finding if there is neither.
    """
    path = Path(name_or_path)
    if name_or_path and _is_directory(path):
        return path
    ships = sorted(found.parent.name for found in shipped_runbooks().glob(f"*/{RUNBOOK_FILE}"))
    if name_or_path in ships:
        return shipped_runbooks() / name_or_path
    if name_or_path and os.path.lexists(path):
        raise RunbookRefused((_not_a_directory(path),))
    near = nearest(name_or_path, ships)
    mends = [f"the nearest is {quoted(near)}"] if near is not None else []
    mends.append(f"these ship: {', '.join(ships)}" if ships else "give the path of a directory")
    what = "there is no such directory, and no runbook of that name ships"
    raise RunbookRefused((Finding("error", name_or_path, None, what, "; ".join(mends)),))


def load_or_refuse(path: Path) -> tuple[Runbook, tuple[Finding, ...]]:
    """The runbook in that directory and its warnings; raises RunbookRefused if any finding is an error."""
    loaded = load(path)
    if loaded.runbook is None:
        raise RunbookRefused(loaded.findings)
    return loaded.runbook, loaded.findings


def load(path: Path) -> Loaded:
    """Read the runbook in that directory. Bad input is told in the findings, never raised."""
    if not _is_directory(path):
        return Loaded(None, (_not_a_directory(path),))
    root = Path(os.path.abspath(path))  # noqa: PTH100 (resolve() would name a link's target, not the runbook)
    if not root.name or hidden_character(root.name) is not None:
        what = "a runbook's directory needs a name that can be shown"
        return Loaded(None, (Finding("error", str(path), None, what, "rename the directory"),))
    try:
        written = read_text(root, RUNBOOK_FILE)
    except FileProblem as problem:
        return Loaded(None, (_unread(root, problem),))
    text = written.removeprefix("\ufeff")
    try:
        raw = tomllib.loads(text)
        places = locate(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        return Loaded(None, (_syntax(text, str(error)),))
    except RecursionError:
        return Loaded(None, (_syntax(text, "Lists or tables nested too deeply"),))
    except ValueError:  # what int() refuses: thousands of digits
        return Loaded(None, (_syntax(text, "A number too long to be one"),))
    findings: list[Finding] = []
    runbook = replace(Builder(root, raw, places, findings).runbook(), toml=written)
    # One file may serve two steps: what is wrong with it is told once.
    told = {(f.severity, f.file, f.line, f.what): f for f in reversed(findings)}
    ordered = tuple(sorted(told.values(), key=lambda f: (f.file != RUNBOOK_FILE, f.file, f.line or 0)))
    return Loaded(None if any(f.severity == "error" for f in ordered) else runbook, ordered)


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long, a folder above that may not be searched
        return False


def _not_a_directory(path: Path) -> Finding:
    if not os.path.lexists(path):
        return Finding("error", str(path), None, "there is no such directory", "give the directory of a runbook")
    mend = f"give its directory: {quoted(str(path.parent))}" if path.name == RUNBOOK_FILE else "give a directory"
    return Finding("error", str(path), None, "is no directory", mend)


def _unread(root: Path, problem: FileProblem) -> Finding:
    if problem.name is not None or os.path.lexists(root / RUNBOOK_FILE):
        return Finding("error", RUNBOOK_FILE, problem.line, problem.what, problem.mend)
    below = sorted(found.parent.name for found in root.glob(f"*/{RUNBOOK_FILE}"))
    mend = f"give a directory that holds one: {', '.join(quoted(b) for b in below[:10])}" if below else "create it"
    return Finding("error", RUNBOOK_FILE, None, f"there is no {RUNBOOK_FILE} in {quoted(str(root))}", mend)


def _syntax(text: str, message: str) -> Finding:
    found = _DECODER_PLACE.search(message)
    reason = message[: found.start()] if found else message
    column = f" at column {found[2]}" if found and found[2] else ""
    line = None
    if found:
        line = int(found[1]) if found[1] else len(text.splitlines())
    otherwise = f"{reason[:1].lower()}{reason[1:]}", "write `key = value`, [table] or [[table]]"
    what, mend = next((told for start, told in _SYNTAX.items() if reason.startswith(start)), otherwise)
    return Finding("error", RUNBOOK_FILE, line, f"not valid TOML{column}: {what}", mend)
