"""The statements of a batched script: the prelude that fills ``batch`` for psql, and those that use ``batch``."""

import re

from tui.runbook.lexer import symbol, tokens
from tui.runbook.model import BATCH, Batch
from tui.runbook.statements import Statement

_NAMES = (BATCH.upper(), f'"{BATCH}"')
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_WORD = re.compile(rf"\b{BATCH}\b", re.IGNORECASE)
_LONGEST = 100


def is_prelude(statement: Statement) -> bool:
    """``CREATE TEMP TABLE batch … AS …``: under psql it names all the rows, where Lockstep fills in one chunk."""
    words = _symbols(statement)
    match words:
        case ["CREATE", "TEMP" | "TEMPORARY", "TABLE", *rest]:
            pass
        case ["CREATE", "LOCAL" | "GLOBAL", "TEMP" | "TEMPORARY", "TABLE", *rest]:
            pass
        case _:
            return False
    if rest[:3] == ["IF", "NOT", "EXISTS"]:
        rest = rest[3:]
    if rest[:2] in (["PG_TEMP", "."], ['"pg_temp"', "."]):
        rest = rest[2:]
    if rest[:1] not in [[name] for name in _NAMES]:
        return False
    depth = 0
    for word in rest:
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth == 0 and word == "AS":
            return True
    return False


def names_batch(statement: Statement) -> bool:
    """Whether the statement uses the table ``batch``; in a body in dollar quotes the word alone counts."""
    text = statement.text
    before: list[str] = ["", ""]
    for kind, start, end in tokens(text):
        word = symbol(text, kind, start, end)
        if kind == "dollar" and _WORD.search(word):
            return True
        if word in _NAMES and (before[-1] != "." or before[-2] in ("PG_TEMP", '"pg_temp"')):
            return True
        before = [before[-1], word]
    return False


def prelude(batch: Batch) -> str:
    """The prelude that would fill ``batch`` with all that is to be done."""
    columns = ", ".join(name if _PLAIN.fullmatch(name) else _quoted(name) for name in batch.key)
    where = " ".join(batch.where.split())
    if len(where) > _LONGEST or "--" in where:
        where = "…"
    # Shown to be copied, never run.
    return f"CREATE TEMP TABLE {BATCH} AS SELECT {columns} FROM {batch.table} WHERE {where};"  # noqa: S608


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _symbols(statement: Statement) -> list[str]:
    return [symbol(statement.text, kind, start, end) for kind, start, end in tokens(statement.text)]
