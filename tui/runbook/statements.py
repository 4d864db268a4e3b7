"""SQL scripts cut into statements as psql and the server cut them, and what each statement does."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

from tui.runbook.extent import Extent, copy_data
from tui.runbook.lexer import SplitError, Token, error_at, newlines, next_token, skip_plain, symbol, tokens

__all__ = [
    "MetaCommand",
    "SplitError",
    "Statement",
    "command_tag",
    "not_in_transaction",
    "scan",
    "split",
    "title",
    "transaction_control",
]

_REST_OF_LINE = re.compile(r"[^\n\r]*")
_META_NAME = re.compile(r"\\[^\s\\]*")
_META_ARGUMENT = re.compile(r"""\s+((?:[^\s'"`\\:]|:(?![\w'"{])|'(?:[^'\\]|'')*')+)""")
_META_QUOTED = re.compile(r"'((?:[^']|'')*)'")

# Objects whose name in a command is more than one word.
_OBJECTS = (
    ("FOREIGN", "DATA", "WRAPPER"),
    ("TEXT", "SEARCH", "CONFIGURATION"),
    ("TEXT", "SEARCH", "DICTIONARY"),
    ("TEXT", "SEARCH", "PARSER"),
    ("TEXT", "SEARCH", "TEMPLATE"),
    ("ACCESS", "METHOD"),
    ("DEFAULT", "PRIVILEGES"),
    ("EVENT", "TRIGGER"),
    ("FOREIGN", "TABLE"),
    ("INDEX", "CONCURRENTLY"),
    ("LARGE", "OBJECT"),
    ("MATERIALIZED", "VIEW"),
    ("OPERATOR", "CLASS"),
    ("OPERATOR", "FAMILY"),
    ("USER", "MAPPING"),
)
# Words between CREATE and the kind of object that are no part of its name.
_ADJECTIVES = frozenset(["CONSTRAINT", "DEFAULT", "OR", "PROCEDURAL", "RECURSIVE", "REPLACE", "TRUSTED", "UNIQUE"])
_PERSISTENCE = frozenset(["GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED"])
# Commands named by more than their first word, longest first.
_LONG_NAMES = (
    ("REFRESH", "MATERIALIZED", "VIEW", "CONCURRENTLY"),
    ("REFRESH", "MATERIALIZED", "VIEW"),
    ("IMPORT", "FOREIGN", "SCHEMA"),
    ("REASSIGN", "OWNED"),
    ("SECURITY", "LABEL"),
    ("SET", "CONSTRAINTS"),
    ("SET", "LOCAL"),
)
_TAGS = {"ANALYSE": "ANALYZE", "LOCK": "LOCK TABLE", "TABLE": "SELECT", "TRUNCATE": "TRUNCATE TABLE"}
_AFTER_WITH = frozenset(["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE"])
# After these stands a name, which may be spelled like a command: WITH update AS (…).
_BEFORE_NAME = frozenset(["WITH", "RECURSIVE", ",", ".", "BY", "SET", "TO", "DEFAULT", "USING"])
_FALSE = frozenset(["FALSE", "OFF", "0"])
_BREAK = re.compile(r"[ ]*[\t\n\r\f\v]\s*")


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement, from its first to its last token: no ``;``, no comment or white space around it.

    ``start`` and ``end`` are character offsets into the script, half-open: ``script[start:end] == text``.
    ``line`` is the 1-based line of the first token; CR LF, LF and CR each end a line, as in libpq.
    ``copy_data`` is what follows a ``COPY … FROM stdin``, up to but without its ``\\.`` line; else None.
    """

    text: str
    start: int
    end: int
    line: int
    copy_data: str | None = None


@dataclass(frozen=True, slots=True)
class MetaCommand:
    """One backslash command of psql between two statements, from the backslash to the end of its line."""

    text: str
    start: int
    end: int
    line: int

    @property
    def name(self) -> str:
        """The command with its backslash, in the letters of the script: ``\\ir``."""
        found = _META_NAME.match(self.text)
        return found.group() if found else ""

    @property
    def arguments(self) -> tuple[str, ...]:
        """The words after the command, single quotes taken off as psql does.

        Raises SplitError for what only psql can work out: a variable, a backquoted shell command, a
        double-quoted word, a backslash.
        """
        words = []
        at = len(self.name)
        while at < len(self.text):
            found = _META_ARGUMENT.match(self.text, at)
            if found is None:
                raise SplitError(
                    f"{self.name} takes only plain or 'single-quoted' words here, no psql variable, "
                    "backquote, double quote or backslash",
                    self.line,
                )
            words.append(_META_QUOTED.sub(lambda quoted: quoted[1].replace("''", "'"), found[1]))
            at = found.end()
        return tuple(words)


def split(sql: str) -> list[Statement]:
    """Cut a script into its statements; empty ones are dropped.

    Raises SplitError for what ``scan`` refuses, and for any backslash command of psql.
    """
    statements: list[Statement] = []
    for item in scan(sql):
        if isinstance(item, MetaCommand):
            raise SplitError(f"{item.name} is a command of psql, not SQL: write SQL in its place", item.line)
        statements.append(item)
    return statements


def scan(sql: str) -> list[Statement | MetaCommand]:
    """Cut a script into its statements and psql's backslash commands, in order, in linear time.

    A byte-order mark at the start is skipped, as psql does. Raises SplitError for a quote, comment,
    parenthesis or ``BEGIN ATOMIC`` body that does not end, COPY data without its ``\\.``, a backslash command
    inside a statement, and a NUL character.
    """
    if (nul := sql.find("\0")) >= 0:
        raise error_at("a NUL character: PostgreSQL's text cannot hold one; save the file as UTF-8 text", sql, nul)
    found: list[Statement | MetaCommand] = []
    position = 1 if sql.startswith("\ufeff") else 0
    line, counted = 1, 0
    while True:
        kind, start, end = next_token(sql, position)
        if kind == "end":
            return found
        if sql[start] == ";":
            position = end
            continue
        line, counted = line + newlines(sql, counted, start), start
        if sql[start] == "\\":
            text = _rest_of_line(sql, start).rstrip(" \t\f\v")
            position = start + len(text)
            found.append(MetaCommand(text, start, position, line))
        else:
            statement, position = _statement(sql, (kind, start, end), line)
            found.append(statement)


def _rest_of_line(sql: str, position: int) -> str:
    found = _REST_OF_LINE.match(sql, position)
    return found.group() if found else ""


def _statement(sql: str, token: Token, line: int) -> tuple[Statement, int]:
    """The statement that begins with this token, and the offset where the next may begin."""
    kind, start, end = token
    extent = Extent(sql)
    while True:
        extent.take(kind, start, end)
        if not extent.watching:
            end = skip_plain(sql, end)
        last, (kind, start, end) = end, next_token(sql, end)
        if kind == "end":
            extent.refuse_if_open()
        elif kind != "other":
            continue
        elif sql[start] == "\\":
            name = _META_NAME.match(sql, start)
            raise error_at(
                f"{name.group() if name else ''} is a command of psql in the middle of a statement: "
                "end the statement with ; or take the command out",
                sql,
                start,
            )
        elif sql[start] != ";" or not extent.may_end():
            continue
        first = token[1]
        data = None
        if extent.reads_stdin():
            data, end = copy_data(sql, first, end)
        return Statement(sql[first:last], first, last, line, data), end


def transaction_control(statement: Statement) -> str | None:
    """The command that begins, ends or divides a transaction, such as ``ROLLBACK TO``; None if it is none."""
    match _symbols(statement, 3):
        case ["COMMIT" | "ROLLBACK" as verb, "PREPARED", *_]:
            return f"{verb} PREPARED"
        case ["ROLLBACK", "TO", *_] | ["ROLLBACK", "WORK" | "TRANSACTION", "TO"]:
            return "ROLLBACK TO"
        case ["START", "TRANSACTION", *_]:
            return "START TRANSACTION"
        case ["PREPARE", "TRANSACTION", gid] if "'" in gid:  # PREPARE transaction AS … prepares a statement
            return "PREPARE TRANSACTION"
        case ["ABORT" | "BEGIN" | "COMMIT" | "END" | "RELEASE" | "ROLLBACK" | "SAVEPOINT" as verb, *_]:
            return verb
    return None


def not_in_transaction(statement: Statement) -> str | None:
    """The command, if PostgreSQL 14 to 18 refuses it in a transaction block; else None.

    From the calls of ``PreventInTransactionBlock`` in the server's source. What only the database knows is
    not told: CLUSTER and REINDEX of something partitioned, a DO or CALL that commits. DROP SUBSCRIPTION is
    told, though it runs when no slot belongs to it. COMMIT PREPARED and ROLLBACK PREPARED are
    ``transaction_control``.
    """
    head = _symbols(statement, 2)
    if head[0] not in ("ALTER", "CLUSTER", "CREATE", "DISCARD", "DROP", "REINDEX", "VACUUM"):
        return None
    words = _symbols(statement)
    match words:
        case ["VACUUM", *_]:
            return "VACUUM"
        case ["DISCARD", "ALL"]:
            return "DISCARD ALL"
        case ["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY", *_]:
            return "CREATE INDEX CONCURRENTLY"
        case ["CREATE" | "DROP" as verb, "INDEX", "CONCURRENTLY", *_]:
            return f"{verb} INDEX CONCURRENTLY"
        case ["CREATE" | "DROP" as verb, "DATABASE" | "TABLESPACE" as kind, *_]:
            return f"{verb} {kind}"
        case ["CREATE", "SUBSCRIPTION", *_]:
            options = _options_after_with(words)
            return None if {options.get("CREATE_SLOT"), options.get("CONNECT")} & _FALSE else "CREATE SUBSCRIPTION"
        case ["DROP", "SUBSCRIPTION", *_]:
            return "DROP SUBSCRIPTION"
        case ["ALTER", "SYSTEM", *_]:
            return "ALTER SYSTEM"
        # Also written as an option: [WITH] TABLESPACE [=] x.
        case ["ALTER", "DATABASE", _, *_, "TABLESPACE", _] | ["ALTER", "DATABASE", _, *_, "TABLESPACE", "=", _]:
            return "ALTER DATABASE SET TABLESPACE"
        case ["ALTER", "TABLE", *middle, before, "CONCURRENTLY"] if before != ".":
            return "DETACH PARTITION CONCURRENTLY" if ("DETACH", "PARTITION") in pairwise(middle) else None
        case ["ALTER", "SUBSCRIPTION", _, "REFRESH", *_]:
            return "ALTER SUBSCRIPTION REFRESH PUBLICATION"
        case ["ALTER", "SUBSCRIPTION", _, "ADD" | "DROP" | "SET" as verb, "PUBLICATION", *_]:
            refreshes = _options_after_with(words).get("REFRESH") not in _FALSE
            return f"ALTER SUBSCRIPTION {verb} PUBLICATION" if refreshes else None
        case ["CLUSTER", *rest]:
            _, rest = _options(rest)
            return "CLUSTER" if rest in ([], ["VERBOSE"]) else None
        case ["REINDEX", *rest]:
            return _reindex(rest)
    return None


def command_tag(statement: Statement) -> str:
    """A short name for display, mostly PostgreSQL's tag: ``UPDATE``, ``CREATE INDEX CONCURRENTLY``."""
    if control := transaction_control(statement):
        return control
    words = [word for word in _symbols(statement, 12) if word != "("]
    verb = words[0] if words else "("
    if verb in ("CREATE", "ALTER", "DROP"):
        return f"{verb} {_object(words[1:])}".rstrip()
    if verb == "WITH":
        return _after_with(statement)
    if verb == "REINDEX":
        return not_in_transaction(statement) or "REINDEX"
    for name in _LONG_NAMES:
        if tuple(words[: len(name)]) == name:
            return " ".join(name)
    return _TAGS.get(verb, verb if verb.isalpha() else "SQL")


def title(statement: Statement, width: int) -> str:
    """The statement on one line of at most ``width`` characters (not cells), cut with an ellipsis.

    Comments are dropped, white space folded, characters that cannot be printed taken out.
    """
    parts: list[str] = []
    used = last = 0
    for _, start, end in tokens(statement.text):
        part = _BREAK.sub(" ", statement.text[start:end])
        if not part.isprintable():
            part = "".join(character for character in part if character.isprintable())
        if parts and start > last:
            part = " " + part
        parts.append(part)
        used += len(part)
        last = end
        if used > width:
            return "".join(parts)[: max(width - 1, 0)].rstrip() + "…"
    return "".join(parts)


def _symbols(statement: Statement, most: int | None = None) -> list[str]:
    """The statement's tokens in the form in which they are compared, at most so many of them."""
    text = statement.text
    found: Iterator[tuple[str, int, int]] = islice(tokens(text), most)
    return [symbol(text, kind, start, end) for kind, start, end in found]


def _reindex(words: list[str]) -> str | None:
    options, words = _options(words)
    kind = words[0] if words else ""
    if words[1:2] == ["CONCURRENTLY"] or options.get("CONCURRENTLY", "OFF") not in _FALSE:
        return "REINDEX CONCURRENTLY"
    return f"REINDEX {kind}" if kind in ("DATABASE", "SCHEMA", "SYSTEM") else None


def _options(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """The list ``(name [value], …)`` at the head, in upper case without quotes, and the words after it."""
    if words[:1] != ["("] or ")" not in words:
        return {}, words
    close = words.index(")")
    options: dict[str, str] = {}
    entry: list[str] = []
    for word in [*words[1:close], ","]:
        if word != ",":
            entry.append(word)
        elif entry:
            options[entry[0].strip('"').upper()] = entry[-1].strip("'\"").upper() if len(entry) > 1 else "TRUE"
            entry = []
    return options, words[close + 1 :]


def _options_after_with(words: list[str]) -> dict[str, str]:
    for at, pair in enumerate(pairwise(words)):
        if pair == ("WITH", "("):
            return _options(words[at + 1 :])[0]
    return {}


def _object(words: list[str]) -> str:
    """The kind of object after CREATE, ALTER or DROP."""
    while words:
        for name in _OBJECTS:
            if tuple(words[: len(name)]) == name:
                return " ".join(name)
        if words[0] not in _ADJECTIVES | _PERSISTENCE:
            return words[0] if words[0].isalpha() else ""
        words = words[1:]
    return ""


def _after_with(statement: Statement) -> str:
    """The command to which the queries of WITH belong."""
    depth = 0
    for before, word in pairwise(_symbols(statement)):
        depth += {"(": 1, ")": -1}.get(before, 0)
        if depth == 0 and word in _AFTER_WITH and before not in _BEFORE_NAME:
            return _TAGS.get(word, word)
    return "WITH"
