"""SQL in colours, by sqlparse's lexer; its grouping only lays out short queries: it costs more than their length."""

from functools import lru_cache

import sqlparse
from sqlparse import tokens
from sqlparse.exceptions import SQLParseError
from sqlparse.lexer import tokenize

from tui.postgres.rows import safe

from .line import Line, Role, fold

# A statement with rows of data in it can be megabytes; nobody reads further on a screen.
_LONGEST = 20_000
_LISTED = 60
"""Commas in a query up to which it is laid out: a list of hundreds takes sqlparse a tenth of a second."""


def sql_lines(sql: str, width: int, *, most: int | None = None, indent: str = "  ") -> list[Line]:
    """The SQL as it is written, one line a row, cut to ``width``; after ``most`` rows one that counts the rest."""
    rows = _coloured(sql[:_LONGEST])
    shown = rows if most is None or len(rows) <= most else rows[: most - 1]
    lines = [Line(indent).extend(_line(row)).cut(width) for row in shown]
    if len(shown) < len(rows):
        lines.append(Line(f"{indent}… {len(rows) - len(shown)} more lines", "dim"))
    return lines


def whole_sql(sql: str, width: int, *, indent: str = "  ") -> list[Line]:
    """The SQL with nothing left out: rows that are too long go on under themselves."""
    lines: list[Line] = []
    for row in _coloured(sql):
        lines += fold(Line(indent).extend(_line(row)), width, f"{indent}  ")
    return lines


@lru_cache(maxsize=64)
def laid_out(sql: str) -> str:
    """A query that came in one row, in rows by its clauses; any other as it is written.

    Also where sqlparse could take a part of a literal for something else, or is known to take its time.
    """
    if "\n" in sql.strip() or any(sign in sql for sign in ("\\", "$$", "/*", "--")) or sql.count(",") > _LISTED:
        return sql
    try:
        rows = sqlparse.format(sql, reindent=True, wrap_after=80)
    except SQLParseError:
        return sql
    return rows if "".join(rows.split()) == "".join(sql.split()) else sql


def _line(row: tuple[tuple[str, Role], ...]) -> Line:
    line = Line()
    for text, role in row:
        line.add(text, role)
    return line


@lru_cache(maxsize=64)
def _coloured(sql: str) -> tuple[tuple[tuple[str, Role], ...], ...]:
    text = safe(sql, lines=True).expandtabs(4).strip("\n")
    rows: list[list[tuple[str, Role]]] = [[]]
    for kind, value in tokenize(text):  # type: ignore[no-untyped-call]
        for number, piece in enumerate(value.split("\n")):
            if number:
                rows.append([])
            if piece:
                rows[-1].append((piece, _role(kind)))
    return tuple(tuple(row) for row in rows)


def _role(kind: object) -> Role:
    if kind in tokens.Comment:
        return "sql-comment"
    if kind in tokens.Keyword or kind in tokens.Name.Builtin:
        return "sql-keyword"
    if kind in tokens.String.Single or (kind in tokens.Literal and kind not in tokens.Number):
        return "sql-string"
    if kind in tokens.Number:
        return "sql-number"
    return ""
