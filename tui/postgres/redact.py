"""Query texts without their literals: other people's data stand in them.

Cut by our own lexer, which follows ``scan.l`` exactly. sqlparse, which colours what is shown, takes a backslash in a
plain string for an escape, ends nested comments at the first ``*/``, and opens no quote that the server cut off: each
time it takes words of a literal for names (measured with 0.6.1), and would show them.
"""

import re

from tui.runbook.lexer import SplitError, next_token

LITERAL = "?"
COMMENT = "/*…*/"

_BLANKS = " \t\n\r\f\v"
# Tokens that stay as they are, as many as follow each other: not a word that is the prefix of a quote, nor the
# characters that begin a comment, a string, a dollar quote or a number. Then, for speed alone, a literal that is plain
# to see: no backslash, and before a character that rules out its going on.
_EASY = re.compile(
    r"""((?>(?:
        [ \t\n\r\f\v]++
      | (?![bBeEnNxX]'|[uU]&['"]) [A-Za-z_\x80-\U0010ffff][A-Za-z_0-9$\x80-\U0010ffff]*+
      | "[^"]*+(?>(?:""[^"]*+)*)"
      | \$[0-9]++
      | \.(?![0-9]) | -(?!-) | /(?!\*) | [,;:()=<>+*%^~!@\#&|`?\[\]{}\\]
    )*))
    ((?: '[^'\\]*+(?>(?:''[^'\\]*+)*)' | [0-9]++(?>(?:\.[0-9]++)?) )(?=[,;:)\]]|[ ][A-Za-z,)=|]|\Z))?""",
    re.VERBOSE,
)
_LITERALS = frozenset(["string", "estring", "dollar", "number"])
_PREFIXES = frozenset("bBnNxX")
# A quote behind an odd number of backslashes.
_ESCAPED_QUOTE = re.compile(r"(?<!\\)(?>(?:\\\\)*)\\'")
# Where a query begins in a text that somebody put together; or a string of one that begins otherwise.
_QUERY = re.compile(
    r"""--|/\*|'|\$\w*\$|\b(?:ALTER|ANALYZE|CALL|CLUSTER|COMMENT|COPY|CREATE|DECLARE|DELETE|DO|DROP|EXECUTE|EXPLAIN|GRANT|INSERT
    |LOCK|MERGE|NOTIFY|PREPARE|REFRESH|REINDEX|REVOKE|SECURITY|SELECT|SET|TABLE|TRUNCATE|UPDATE|VACUUM|VALUES|WITH)\b""",
    re.IGNORECASE | re.VERBOSE,
)


def redact(sql: str) -> str:
    """The text with each literal as ``?`` and each comment as ``/*…*/``; all else stays, line by line.

    A literal is a string of any form, whole with its prefix, or a number. What does not end (the server cuts a query at
    ``track_activity_query_size``) is one to the end. Whether ``\\'`` ends a plain string depends on the session's
    ``standard_conforming_strings``, which nobody else can see: from such a string on nothing is shown. Never raises,
    takes linear time, and changes nothing in what it gave.
    """
    pieces: list[str] = []
    position = 0
    while True:
        if easy := _EASY.match(sql, position):
            pieces.append(easy[1])
            position = easy.end()
            if easy[2] is not None:
                pieces.append(LITERAL)
                continue
        try:
            kind, start, end = next_token(sql, position)
        except SplitError:
            pieces.append(_unfinished(sql[position:]))
            break
        if start > position:
            pieces.append(_commented(sql[position:start]))
        if kind == "end":
            break
        if kind == "string" and _ESCAPED_QUOTE.search(sql, start, end):
            pieces.append(LITERAL)
            break
        if kind in _LITERALS:
            pieces.append(LITERAL)
        elif not (sql[start:end] in _PREFIXES and sql.startswith("'", end)):
            pieces.append(sql[start:end])
        position = end
    return "".join(pieces)


def _unfinished(rest: str) -> str:
    text = rest.lstrip(_BLANKS)
    return rest[: len(rest) - len(text)] + (COMMENT if text.startswith(("/*", "--")) else LITERAL)


def _commented(gap: str) -> str:
    """What lies between two tokens, its comments as one."""
    comments = gap.strip(_BLANKS)
    return gap.replace(comments, COMMENT) if comments else gap


def redact_within(text: str) -> str:
    """The text without literals from its first SQL command, comment or string on: ``4242: SELECT ?``."""
    found = _QUERY.search(text)
    return text if found is None else text[: found.start()] + redact(text[found.start() :])
