"""The tokens of an SQL script, by PostgreSQL's own lexical rules.

The rules are those of ``scan.l`` in PostgreSQL 16 to 18, with ``standard_conforming_strings = on``.
"""

import re
from collections.abc import Iterator

# \v is white space since PostgreSQL 16, an error before.
_BLANK = r"(?:[ \t\n\r\f\v]++ | --[^\n\r]*+)*"
_WORD = r"[A-Za-z_\x80-\U0010ffff][A-Za-z_0-9$\x80-\U0010ffff]*+"
_NUMBER = r"""(?: 0[xX](?:_?[0-9A-Fa-f])+ | 0[oO](?:_?[0-7])+ | 0[bB](?:_?[01])+
    | (?: [0-9](?:_?[0-9])*(?:\.(?:[0-9](?:_?[0-9])*)?)? | \.[0-9](?:_?[0-9])* )
      (?:[eE][-+]?[0-9](?:_?[0-9])*)? )"""
# The last alternatives take any character and the end, so the pattern never fails and never backtracks.
_TOKEN = re.compile(
    rf"""{_BLANK}
    (?: (?P<estring>[eE]')
      | (?P<string>(?:[uU]&)?')
      | (?P<name>(?:[uU]&)?")
      | (?P<word>{_WORD})
      | (?P<number>{_NUMBER})
      | (?P<dollar>\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z_0-9\x80-\U0010ffff]*)?\$)
      | (?P<param>\$[0-9]+)
      | (?P<comment>/\*)
      | (?P<other>.)
      | (?P<end>\Z)
    )
    """,
    re.VERBOSE | re.DOTALL,
)
# Tokens that neither open nor close anything, many at once: this makes a long script quick to split. A string
# is among them only before a character that rules out its going on. Bounded: the matcher notes repetitions.
_PLAIN = re.compile(
    rf"""(?:{_BLANK}
    (?: (?![eE]'|[uU]&['"]){_WORD}
      | {_NUMBER}
      | '[^']*+(?:''[^']*+)*'(?=[,);:])
      | \([^'"$\\();/\-]*+\)
      | -(?!-) | /(?!\*) | [.,:=<>+*%^~!@\#&|`?\[\]{{}}]
    )){{1,500}}""",
    re.VERBOSE,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_ESTRING_EDGE = re.compile(r"'|\\")
# Only white space with a newline in it joins two strings into one ({quotecontinue} in scan.l).
# Possessive, or a line of dashes after a string would be tried in every way to cut it into comments.
_CONTINUED = re.compile(r"(?:[ \t\f\v]++|--[^\n\r]*+)*[\n\r](?:[ \t\n\r\f\v]++|--[^\n\r]*+[\n\r])*'")

Token = tuple[str, int, int]  # kind (a group of _TOKEN), start and end offset


class SplitError(ValueError):
    """A script that cannot be cut into statements. ``str()`` says what is wrong and how to mend it.

    ``line`` is the 1-based line of the place meant: where a quote was opened, not where the text ran out.
    """

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def tokens(sql: str) -> Iterator[Token]:
    """All tokens of a text; a string that goes on over lines comes in its parts, without what lies between.

    Raises SplitError for a quote or comment that does not end.
    """
    kind, start, end = next_token(sql, 0)
    while kind != "end":
        if kind in ("string", "estring"):
            opened = sql.index("'", start) + 1
            for first, last in _string_parts(sql, start, opened, kind == "estring"):
                yield kind, first, last
        else:
            yield kind, start, end
        kind, start, end = next_token(sql, end)


def skip_plain(sql: str, position: int) -> int:
    """The end of the tokens from here on that neither open nor close anything; the offset if none do."""
    while found := _PLAIN.match(sql, position):
        position = found.end()
    return position


def next_token(sql: str, position: int) -> Token:
    """The next token from an offset on, comments and white space skipped; kind "end" when there is none."""
    while True:
        found = _TOKEN.match(sql, position)
        if found is None or found.lastgroup is None:
            raise AssertionError("the token pattern takes any character and the end")
        kind = found.lastgroup
        end = found.end()
        if kind in ("word", "other", "number", "end", "param"):
            return kind, found.start(kind), end
        start = found.start(kind)
        if kind == "comment":
            position = _comment_end(sql, start)
        elif kind == "dollar":
            tag = found[kind]
            close = sql.find(tag, end)
            if close < 0:
                raise error_at(f"a {tag} quote is opened here and never closed: write {tag} at its end", sql, start)
            return kind, start, close + len(tag)
        elif kind == "name":
            return kind, start, _plain_end(sql, start, end, '"')
        else:
            *_, (_, last) = _string_parts(sql, start, end, kind == "estring")
            return kind, start, last


def _comment_end(sql: str, start: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise error_at("a /* comment is opened here and never closed: comments nest, each /* needs its */", sql, start)


def _plain_end(sql: str, start: int, position: int, quote: str) -> int:
    """The offset after the closing quote; a doubled quote is a character of the text."""
    while True:
        close = sql.find(quote, position)
        if close < 0:
            raise error_at(f"a {quote} quote is opened here and never closed: write the missing {quote}", sql, start)
        if not sql.startswith(quote, close + 1):
            return close + 1
        position = close + 2


def _string_parts(sql: str, start: int, position: int, escapes: bool) -> Iterator[tuple[int, int]]:
    """A string and its continuations on later lines, which keep the rules of the first part."""
    while True:
        end = _escaped_end(sql, start, position) if escapes else _plain_end(sql, start, position, "'")
        yield start, end
        continued = _CONTINUED.match(sql, end)
        if continued is None:
            return
        position = continued.end()
        start = position - 1


def _escaped_end(sql: str, start: int, position: int) -> int:
    while edge := _ESTRING_EDGE.search(sql, position):
        position = edge.end() + 1
        if edge.group() == "'" and not sql.startswith("'", edge.end()):
            return edge.end()
    raise error_at(
        "an E' string is opened here and never closed: write the missing ' (there, \\' does not close)",
        sql,
        start,
    )


def newlines(sql: str, start: int, end: int) -> int:
    """How many lines end between two offsets: CR LF, LF and a lone CR each end one, as libpq counts."""
    lone_cr = sql.count("\r", start, end) - sql.count("\r\n", start, end)
    return sql.count("\n", start, end) + lone_cr


def error_at(message: str, sql: str, offset: int) -> SplitError:
    """The error about the text at an offset, with its line."""
    return SplitError(message, 1 + newlines(sql, 0, offset))


def symbol(sql: str, kind: str, start: int, end: int) -> str:
    """A token in the form in which it is compared: a word in upper case, all else as written.

    Keywords fold in ASCII only (``scan.l``), so a word with other letters is never one.
    """
    text = sql[start:end]
    return text.upper() if kind == "word" and text.isascii() else text
