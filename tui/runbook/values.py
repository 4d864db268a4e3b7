"""The single values of a ``runbook.toml``: each function gives the value meant, or raises Unfit."""

import math
import re
from collections.abc import Callable
from datetime import date, time
from typing import Literal

from tui.runbook.durations import format_duration, parse_duration
from tui.runbook.findings import hidden_character, quoted
from tui.runbook.lexer import SplitError, Token, tokens
from tui.runbook.model import AFTER_BACK, AFTER_END, BATCH, Scalar

_LONGEST_ID = 60
_SERVER = re.compile(r">= ?([0-9]{1,2})")


class Unfit(ValueError):
    """A value that is not valid: what is wrong with it (to be read after its key), and the mend."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"{what}; {mend}")
        self.what = what
        self.mend = mend


def kind(value: object) -> str:
    """The type of a TOML value in plain words."""
    if isinstance(value, bool):
        return "true or false"
    for types, words in (
        (str, "a string"),
        ((int, float), "a number"),
        ((date, time), "a date or time"),
        (list, "a list"),
        (dict, "a table"),
    ):
        if isinstance(value, types):
            return words
    raise AssertionError(f"TOML has no {type(value).__name__}")


def shown(value: object) -> str:
    """A value as a finding names it: itself where it is short, else its type."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) and abs(value) < 1e12 else kind(value)


def duration(longest: float) -> Callable[[object], float]:
    """A validator of durations of at most that many seconds; it gives seconds."""

    def validate(value: object) -> float:
        if not isinstance(value, str):
            raise Unfit(f"is {kind(value)}, not a duration", 'write it in quotes with its unit: "3s", "10min"')
        seconds = parse_duration(value)
        if seconds > longest:
            most = format_duration(longest)
            raise Unfit(f"is {quoted(value)}, longer than {most}", f"write at most {most}")
        return seconds

    return validate


def duration_range(longest: float) -> Callable[[object], tuple[float, float]]:
    """A validator of one duration or a pair of them; it gives (shortest, longest) in seconds."""
    one = duration(longest)

    def validate(value: object) -> tuple[float, float]:
        if not isinstance(value, list):
            seconds = one(value)
            return seconds, seconds
        if len(value) != 2:
            raise Unfit(f"is a list of {len(value)}", 'write one duration or two: "20s" or ["10s", "20s"]')
        low, high = one(value[0]), one(value[1])
        if low > high:
            raise Unfit("is a range from long to short", f'write ["{value[1]}", "{value[0]}"]')
        return low, high

    return validate


def line_of_text(value: str) -> str:
    """A name or title: one line that a terminal draws as it is."""
    if not value.strip():
        raise Unfit("is empty", "write what the operator shall read")
    if len(value) > 200:
        raise Unfit(f"is {len(value)} characters long", "write at most 200")
    if (hidden := hidden_character(value)) is not None:
        raise Unfit(f"holds a character that a terminal does not draw, {hidden}", "take it out")
    return value


def long_text(value: str) -> str:
    """Text of several lines."""
    if (hidden := hidden_character(value, allowed="\n\r\t")) is not None:
        raise Unfit(f"holds a character that a terminal does not draw, {hidden}", "take it out")
    return value


def command(value: str) -> str:
    """A shell command."""
    if not value.strip():
        raise Unfit("is empty", "write a shell command, or take the key out")
    return long_text(value)


def sql(value: str) -> str:
    """Inline SQL or the name of a file; which of the two and whether it is right is told by ``scripts``."""
    if not value.strip():
        raise Unfit("is empty", 'write the name of a file, "steps/005.sql", or the SQL itself')
    return value


def identifier(value: str) -> str:
    """The id of a checklist item, step, verification or rollback."""
    if not value:
        raise Unfit("is empty", 'write a short word, such as "005"')
    if len(value) > _LONGEST_ID:
        raise Unfit(f"is {len(value)} characters long", f"write at most {_LONGEST_ID}")
    if hidden_character(value) is not None or any(character.isspace() for character in value):
        raise Unfit("holds white space or a control character", 'write one word, such as "005" or "no-orphans"')
    if value in (AFTER_END, AFTER_BACK):
        raise Unfit(f"is {quoted(value)}, a word that `after` keeps for itself", "choose another")
    return value


def server(value: object) -> int:
    """The least major version of the server."""
    found = _SERVER.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        major = re.search(r"[0-9]{1,2}", value) if isinstance(value, str) else None
        mend = f'write it as ">={major.group() if major else 14}"'
        raise Unfit(f"is {shown(value)}, not a least major version", mend)
    return int(found[1])


def extension(value: str) -> str:
    """The name of an extension."""
    if not value.strip() or hidden_character(value) is not None:
        raise Unfit(f"is {quoted(value)}, not an extension's name", 'write it as pg_extension has it: "pgcrypto"')
    return value


def production(value: object) -> bool | tuple[str, ...]:
    """True, false, or fnmatch patterns over host and database name."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, list) or not all(isinstance(pattern, str) and pattern for pattern in value):
        raise Unfit(f"is {shown(value)}", 'write true, or patterns over host and database: ["*prod*"]')
    return tuple(value)


def table(value: str) -> str:
    """A table as SQL writes it, with or without its schema."""
    named = value if hidden_character(value) is None else ""
    match parts := _tokens(named):
        case [one] if _is_name(one):
            if name_of(named[one[1] : one[2]]) == BATCH:
                raise Unfit("is the name of the temporary table itself", f'write its schema: "public.{BATCH}"')
        case [schema, (_, start, end), one] if _is_name(schema) and _is_name(one) and named[start:end] == ".":
            pass
        case _:
            raise Unfit(f"is {quoted(value)}, not a table's name", 'write it as SQL does: "users", "public.users"')
    return "".join(named[start:end] for _, start, end in parts)


def key(value: object) -> tuple[str, ...]:
    """The columns of a key, one or several, as SQL writes them; it gives their names without quotes."""
    columns = [value] if isinstance(value, str) else value
    if columns == []:
        raise Unfit("is empty", 'write the columns of a unique key: ["id"]')
    if not isinstance(columns, list) or not all(isinstance(column, str) for column in columns):
        raise Unfit(f"is {shown(value)}, not a list of columns", 'write the columns of a unique key: ["id"]')
    names = []
    for column in columns:
        name = name_of(column)
        if name is None:
            raise Unfit(f"holds {quoted(column)}, not a column's name", 'write it as SQL does: "id"')
        if name in names:
            raise Unfit(f"names {quoted(name)} twice", "take one out")
        names.append(name)
    return tuple(names)


def condition(value: str) -> str:
    """What may stand after WHERE, whole in itself, so that it can be put in parentheses."""
    long_text(value)
    try:
        found = list(tokens(value))
    except SplitError as error:
        what, _, mend = str(error).partition(": ")
        raise Unfit(f"is no condition: {what}", mend) from None
    words = [value[start:end] for _, start, end in found]
    if not words:
        raise Unfit("is empty", 'write what a row is that still has to be done: "email_lower IS NULL"')
    if words[0].upper() == "WHERE":
        raise Unfit("begins with WHERE", "write the condition alone")
    if any(kind == "param" for kind, _, _ in found):
        raise Unfit("holds a parameter, which nobody fills in", "write its value")
    if ";" in words:
        raise Unfit("holds a semicolon", "write one condition and nothing after it")
    depth = 0
    for word in words:
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth < 0:
            break
    if depth != 0:
        raise Unfit("has a parenthesis without its other half", "write as many ( as )")
    return value


def name_of(text: str) -> str | None:
    """The name that an identifier of SQL means: ``Id`` means ``id``, ``"Id"`` means ``Id``; None if it is none."""
    found = _tokens(text) if hidden_character(text) is None else []
    if len(found) != 1 or not _is_name(found[0]):
        return None
    _, start, end = found[0]
    if text[start] == '"':
        return text[start + 1 : end - 1].replace('""', '"')
    # The server folds what is ASCII, and nothing more in a database of UTF-8.
    return "".join(character.lower() if character.isascii() else character for character in text[start:end])


def _tokens(text: str) -> list[Token]:
    try:
        found = list(tokens(text))
    except SplitError:
        return []
    # to_regclass() knows no U&"…".
    return [] if any(kind == "name" and text[start] != '"' for kind, start, _ in found) else found


def _is_name(token: Token) -> bool:
    kind, start, end = token
    return kind == "word" or (kind == "name" and end - start > 2)


def scalar(value: object) -> Scalar:
    """One value of a row."""
    if isinstance(value, float) and math.isnan(value):
        raise Unfit("is nan, which equals nothing", "write the value as a string")
    if isinstance(value, date | time):
        raise Unfit("is a date or time", "write it in quotes, as PostgreSQL prints it")
    if not isinstance(value, str | int | float):
        raise Unfit(f"is {kind(value)}, not a single value", "write a number, a string, true or false")
    return value


def rows(value: object) -> tuple[tuple[Scalar, ...], ...]:
    """Rows of equal width, at least one."""
    if not isinstance(value, list) or not value or not all(isinstance(row, list) and row for row in value):
        raise Unfit(
            "is not a list of rows",
            'write one list for each row: [["a", 1], ["b", 2]]; no row is `empty = true`',
        )
    if len({len(row) for row in value}) > 1:
        widths = ", ".join(str(len(row)) for row in value[:10])
        raise Unfit(
            f"has rows of different widths: {widths}",
            "write one value for each column of the query in every row",
        )
    return tuple(tuple(scalar(cell) for cell in row) for row in value)


def bounds(value: object) -> tuple[Scalar, Scalar]:
    """The lowest and the highest value, two numbers or two strings."""
    if not isinstance(value, list) or len(value) != 2:
        raise Unfit("is not a pair", "write the lowest and the highest value that are right: between = [1, 10]")
    low, high = scalar(value[0]), scalar(value[1])
    if isinstance(low, str) and isinstance(high, str):
        return low, high  # their order is that of the column's type, which only the server knows
    if not isinstance(low, int | float) or not isinstance(high, int | float) or bool in (type(low), type(high)):
        raise Unfit("does not have two ends of one type", "write two numbers or two strings")
    if low > high:
        raise Unfit("has its ends the wrong way round", f"write [{shown(high)}, {shown(low)}]")
    return low, high


def only_true(value: object) -> Literal[True]:
    """A key that says all by being there."""
    if value is not True:
        raise Unfit(f"is {shown(value)}", "write true, or another kind of expectation")
    return True
