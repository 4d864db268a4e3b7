"""What is wrong with a runbook, told so that it can be mended."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend. ``str()`` is one line: ``file:line: error: what; mend``.

    ``file`` is relative to the runbook, or the path given where there is no runbook. ``line`` is 1-based, None
    where no single line is meant. ``item`` is the id of the item, step, verification or rollback concerned.
    """

    severity: Literal["error", "warning"]
    file: str
    line: int | None
    what: str
    mend: str
    item: str | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return visible(f"{place}: {self.severity}: {self.what}; {self.mend}")


class RunbookRefused(Exception):
    """A runbook with at least one error. ``findings`` holds all of them, warnings too."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = findings


def hidden_character(text: str, allowed: str = "") -> str | None:
    """The name of the first character that a terminal obeys or hides instead of drawing it, or None.

    These are Unicode's categories Cc (control), Cf (format, such as bidirectional overrides), Cs, Zl and Zp.
    """
    for character in text:
        if character not in allowed and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            return f"U+{ord(character):04X} {unicodedata.name(character, 'control character')}"
    return None


def visible(text: str) -> str:
    """The text with its hidden characters written as escapes, so that it may go to a terminal on one line."""
    return "".join(
        f"\\u{ord(character):04x}" if hidden_character(character) is not None else character for character in text
    )


def quoted(text: str) -> str:
    """Foreign text as a finding names it: in quotes, without hidden characters, cut where it is long."""
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return f'"{visible(shown)}"'


def nearest(word: str, valid: Iterable[str]) -> str | None:
    """The valid word that is spelled most like this one, or None when none is close."""
    words = {candidate.lower(): candidate for candidate in valid}
    found = get_close_matches(word[:200].lower(), list(words), n=1)
    return words[found[0]] if found else None


def nearest_or_all(word: str, valid: Iterable[str], none: str = "there is none") -> str:
    """A mend that names the nearest valid word, else all of them (at most 20)."""
    words = list(valid)
    near = nearest(word, words)
    if near is not None:
        return f"the nearest is {quoted(near)}"
    if not words:
        return none
    shown = ", ".join(quoted(candidate) for candidate in words[:20])
    return f"valid are {shown}" + (f" and {len(words) - 20} more" if len(words) > 20 else "")
