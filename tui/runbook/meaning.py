"""What a file says to the server or to us, as one hash: the same as long as only comments and white space change."""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from functools import lru_cache

from .lexer import next_token, tokens
from .model import Runbook, Script

# Characters of operators, which are as long as they can be, and those that let one end in + or - (scan.l).
_OPERATOR = frozenset("+-*/<>=~!@#%^&|`?")
_KEEPS_SIGN = re.compile(r"[~!@#%^&|`?]")
_PAIRS = frozenset(["::", ":=", ".."])


@lru_cache(maxsize=1000)
def meaning(script: Script) -> str:
    """sha256 in hex over the tokens of the script's statements and the data of its COPYs.

    Comments, white space between tokens, empty statements and a BEGIN and COMMIT around the whole do not count.
    All else does: the letters of a word, and every character of a string, quoted name, dollar quote or COPY's data.
    It reads the whole script anew: with many MB that takes seconds the first time.
    """
    digest = hashlib.sha256()
    for statement in script.statements:
        # No text of a script holds a NUL, so nothing of one can be taken for two.
        for token in _tokens(statement.text):
            digest.update(f"{token}\0".encode())
        data = "end" if statement.copy_data is None else f"data {statement.copy_data}"
        digest.update(f"\0{data}\0".encode())
    return digest.hexdigest()


def runbook_meaning(runbook: Runbook) -> str:
    """sha256 in hex over the values of its ``runbook.toml``: no comments, no white space, no order of keys."""
    values = tomllib.loads(runbook.toml.removeprefix("\ufeff"))
    # Dates are refused when a runbook is read; they are written out all the same, for what JSON cannot hold.
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=repr).encode()).hexdigest()


def _tokens(sql: str) -> Iterator[str]:
    """The tokens as the server's own lexer makes them: whole operators, prefixes with what they are read with."""
    joined, joined_kind, last = "", "", -1
    for kind, start, end in _lexed(sql):
        text = sql[start:end] if kind != "string" and kind != "estring" else _string(sql, start, end)
        if start == last and _joins(joined_kind, joined, kind, text):
            joined += text
        else:
            yield from _operators(joined, joined_kind)
            joined, joined_kind = text, kind
        last = end
    yield from _operators(joined, joined_kind)


def _lexed(sql: str) -> Iterator[tuple[str, int, int]]:
    kind, start, end = next_token(sql, 0)
    while kind != "end":
        yield kind, start, end
        kind, start, end = next_token(sql, end)


def _string(sql: str, start: int, end: int) -> str:
    """A string whose parts on several lines make one: 'a' and 'b' on one line are two, and an error."""
    text = sql[start:end]
    return "\n".join(text[first:last] for _, first, last in tokens(text))


def _joins(before_kind: str, before: str, kind: str, text: str) -> bool:
    """Whether the server reads a token that follows without a gap together with the one before."""
    if kind == "other" and before_kind == "other":
        return (before[-1] in _OPERATOR and text in _OPERATOR) or before + text in _PAIRS
    if kind == "string":
        return before_kind == "word" and before in ("b", "B", "n", "N", "x", "X")
    # 1a is an error since PostgreSQL 15, 1 a is not.
    return kind == "word" and before_kind in ("number", "param")


def _operators(text: str, kind: str) -> Iterator[str]:
    """A run of operator characters as the operators that it holds: ``=-`` are two, ``@-`` is one."""
    while kind == "other" and len(text) > 1 and text[-1] in "+-" and not _KEEPS_SIGN.search(text[:-1]):
        length = max(1, len(text.rstrip("+-")))
        yield text[:length]
        text = text[length:]
    if text:
        yield text
