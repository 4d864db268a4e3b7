"""Where one statement ends: parentheses, ``BEGIN ATOMIC`` bodies, the data of ``COPY … FROM stdin``.

Parentheses and data follow psql (``psqlscan.l``). Bodies follow the server's grammar where psql only guesses:
every statement of a body ends with ``;``, so the body's ``END`` stands where one would begin; an
``END`` of a ``CASE``, or one used as a name, never does.
"""

import re

from tui.runbook.lexer import error_at, symbol

_BLANK_TO_NEWLINE = re.compile(r"[ \t\f\v]*(?:--[^\n\r]*)?(?:\r?\n|\Z)")
_COPY_END = re.compile(r"^\\\.\r?(?:\n|\Z)", re.MULTILINE)
_ROUTINES = (
    ["CREATE", "FUNCTION"],
    ["CREATE", "PROCEDURE"],
    ["CREATE", "OR", "REPLACE", "FUNCTION"],
    ["CREATE", "OR", "REPLACE", "PROCEDURE"],
)


class Extent:
    """What the tokens of a statement say about where it ends: parentheses, atomic bodies, COPY's source."""

    __slots__ = ("_bodies", "_copy", "_head", "_parens", "_previous", "_sql", "watching")

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._parens: list[int] = []
        self._bodies: list[int] = []
        self._head: list[str] = []  # the first four words of the statement, or of the one in a body
        self._previous = ""
        self._copy = ""  # of COPY: its FROM or TO, then what stands there
        self.watching = True  # words matter only in CREATE and COPY

    def take(self, kind: str, start: int, end: int) -> None:
        if kind == "other":
            character = self._sql[start]
            if character == "(":
                self._parens.append(start)
            elif character == ")" and self._parens:
                self._parens.pop()
            if self.watching:
                self._note(character, start)
        elif self.watching:
            self._note(symbol(self._sql, kind, start, end), start)

    def _note(self, word: str, start: int) -> None:
        head, previous, self._previous = self._head, self._previous, word
        if self._parens:
            return
        if word == ";":
            head.clear()
            return
        if self._bodies and not head and word == "END":
            self._bodies.pop()
            head[:] = ["", "", "", ""]
            return
        if len(head) < 4:
            head.append(word)
            self.watching = bool(self._bodies) or head[0] == "COPY" or _may_make_routine(head)
        if head[0] == "COPY" and not self._bodies:
            if self._copy in ("FROM", "TO"):
                self._copy += f" {word}"
                self.watching = False
            elif not self._copy and word in ("FROM", "TO") and previous != ".":
                self._copy = word
        elif previous == "BEGIN" and word == "ATOMIC" and _makes_routine(head):
            self._bodies.append(start)
            head.clear()

    def may_end(self) -> bool:
        return not self._parens and not self._bodies

    def reads_stdin(self) -> bool:
        # STDOUT: the server's grammar takes it for STDIN after FROM.
        return self._copy in ("FROM STDIN", "FROM STDOUT")

    def refuse_if_open(self) -> None:
        if self._parens:
            raise error_at("a ( is opened here and never closed: write the missing )", self._sql, self._parens[-1])
        if self._bodies:
            raise error_at(
                "a BEGIN ATOMIC body is opened here and never ends: each of its statements ends with ; "
                "and END comes after the last ;",
                self._sql,
                self._bodies[-1],
            )


def _may_make_routine(head: list[str]) -> bool:
    return any(form[: len(head)] == head for form in _ROUTINES) or _makes_routine(head)


def _makes_routine(head: list[str]) -> bool:
    return head[:2] in _ROUTINES or head in _ROUTINES


def copy_data(sql: str, copy: int, position: int) -> tuple[str, int]:
    """The data after a COPY's semicolon, from the next line on, and the offset after its ``\\.`` line."""
    blank = _BLANK_TO_NEWLINE.match(sql, position)
    if blank is None:
        raise error_at(
            "the data of COPY … FROM stdin begins on the next line: move what follows its ; below the data",
            sql,
            position,
        )
    last = _COPY_END.search(sql, blank.end())
    if last is None:
        raise error_at("the data of this COPY … FROM stdin has no end: add a line that is only \\.", sql, copy)
    return sql[blank.end() : last.start()], last.end()
