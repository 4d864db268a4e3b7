"""Whether a statement only asks. What a function does, only the server's read-only transaction can judge."""

from itertools import pairwise

from tui.runbook.lexer import symbol, tokens
from tui.runbook.statements import Statement

QUERIES = ("SELECT", "VALUES", "TABLE", "WITH", "SHOW", "EXPLAIN")

_LONGEST_COMMAND = 30
_CHANGES = frozenset(["INSERT", "UPDATE", "DELETE", "MERGE"])
_LOCKS = (["FOR", "UPDATE"], ["FOR", "NO", "KEY", "UPDATE"], ["FOR", "SHARE"], ["FOR", "KEY", "SHARE"])
_AFTER_COLUMN = frozenset([",", ")", "FROM", "WHERE", "GROUP", "ORDER", "UNION", "EXCEPT", "INTERSECT", "LIMIT"])


def not_a_query(statement: Statement) -> str | None:
    """Why the statement is more than a query, in words that follow it: ``is DELETE``; None if it only asks."""
    text = statement.text
    words = [symbol(text, kind, start, end) for kind, start, end in tokens(text)]
    if words[0] == "EXPLAIN":
        words = _explained(words[1:])
    first = next((word for word in words if word != "("), "(")
    if first not in QUERIES:
        return f"is {first}" if first.isalpha() and len(first) <= _LONGEST_COMMAND else "is no command"
    if any(word == "INTO" and before not in (".", "AS") for before, word in pairwise(words)):
        return "writes INTO a table"
    for strength in _LOCKS:
        if any(words[at : at + len(strength)] == strength for at, word in enumerate(words) if word == "FOR"):
            return f"locks rows {' '.join(strength)}"
    for before, word, after in zip(words, words[1:], words[2:], strict=False):
        if word == "(" and before in ("AS", "MATERIALIZED") and after in _CHANGES:
            return f"holds {after}"
        # The command to which WITH belongs stands after a parenthesis, and so may a column named like one.
        if first == "WITH" and before == ")" and (word, after) == ("DELETE", "FROM"):
            return "is DELETE"
        if first == "WITH" and before == ")" and word == "UPDATE" and after not in _AFTER_COLUMN:
            return "is UPDATE"
    return None


def _explained(words: list[str]) -> list[str]:
    """What EXPLAIN explains: the words after its options."""
    if words[:1] == ["("] and ")" in words and words[1:2] != ["("] and words[1] not in QUERIES:
        return words[words.index(")") + 1 :]
    while words and words[0] in ("ANALYZE", "ANALYSE", "VERBOSE"):
        words = words[1:]
    return words
