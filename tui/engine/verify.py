"""Runs a query that changes nothing and judges its rows by an expectation."""

import hashlib
import json
import re
import time
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from tui.postgres.redact import redact_within
from tui.postgres.rows import PgError, safe
from tui.postgres.session import PgSession, StatementFailed, Table
from tui.runbook.model import Expect, Expectation, Safety, Scalar, Script, Verification

from . import events as e

SHOWN_ROWS = 50
"""Rows of an answer that an event carries; the count is always the whole."""

Rows = tuple[tuple[str | None, ...], ...]
_QUERIES = re.compile(r"\bpg_stat_(?:activity|statements)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``ok``, and both sides in words."""

    ok: bool
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gave, or the error it met; seconds."""

    table: Table
    seconds: float
    error: PgError | None = None


async def ask(session: PgSession, script: Script, safety: Safety) -> Answer:
    """Runs the script in a read-only transaction; its last statement's rows are the answer.

    Raises ConnectionLost.
    """
    started = time.monotonic()
    table, error = Table((), ()), None
    await session.fresh()
    await session.execute("BEGIN READ ONLY")
    try:
        await session.execute(f"SET LOCAL lock_timeout = {max(1, round(safety.lock_timeout * 1000))}")
        await session.execute(f"SET LOCAL statement_timeout = {max(1, round(safety.statement_timeout * 1000))}")
        for statement in script.statements:
            table = await session.query(statement.text)
    except StatementFailed as failure:
        error = failure.error
    # It has changed nothing: a COMMIT keeps our questions out of the server's count of rolled back transactions, which
    # is how an application that meets errors is seen.
    await session.execute("COMMIT")
    return Answer(table, time.monotonic() - started, error)


async def run(
    session: PgSession, verification: Verification, safety: Safety, baseline: Rows | None, exact: str = ""
) -> e.VerificationFinished:
    """Asks and judges. Raises ConnectionLost; a query's own error is a red answer.

    ``exact`` is the baseline's digest: the rows that are kept of it have no passwords and no control characters.
    """
    answer = await ask(session, verification.sql, safety)
    verdict = told(verification.sql, judge(verification.expect, answer, baseline))
    before = verification.expect.kind is Expectation.SAME_AS_BEFORE and baseline is not None
    if before and exact and answer.error is None:
        verdict = replace(verdict, ok=digest(answer.table.rows) == exact)
    rows = without_literals(verification.sql, answer.table.rows[:SHOWN_ROWS])
    shown = tuple(tuple(None if v is None else safe(v) for v in row) for row in rows)
    return e.VerificationFinished(
        e.now(),
        verification.id,
        verdict.ok,
        verdict.expected,
        verdict.found,
        answer.table.columns,
        shown,
        len(answer.table.rows),
        answer.seconds,
        answer.error,
    )


def without_literals(script: Script, rows: Rows) -> Rows:
    """The rows; where the script reads what other sessions run, their queries without literals.

    It is recorded and shared, and nobody knows what stands in them.
    """
    if not _reads_queries(script):
        return rows
    return tuple(tuple(None if value is None else redact_within(value) for value in row) for row in rows)


def told(script: Script, verdict: Verdict) -> Verdict:
    """The verdict; where the script reads what other sessions run, its words without their literals."""
    return replace(verdict, found=redact_within(verdict.found)) if _reads_queries(script) else verdict


def _reads_queries(script: Script) -> bool:
    return any(_QUERIES.search(statement.text) for statement in script.statements)


def digest(rows: Rows) -> str:
    """sha256 in hex over the rows as they came, in their order."""
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def unanswered(verification: Verification, baseline: Rows | None, why: str) -> e.VerificationFinished:
    """The server went away over the question: red, whatever was expected."""
    error = PgError("08006", why)
    expected = describe(verification.expect, baseline)
    return e.VerificationFinished(e.now(), verification.id, False, expected, f"error: {why}", (), (), 0, 0.0, error)


def judge(expect: Expect, answer: Answer, baseline: Rows | None = None) -> Verdict:
    """Whether the answer is what was expected. ``baseline`` serves ``same_as_before``."""
    expected = describe(expect, baseline)
    if answer.error is not None:
        return Verdict(False, expected, f"error: {answer.error.message}")
    rows = answer.table.rows
    value = expect.value
    match expect.kind:
        case Expectation.EMPTY:
            return Verdict(not rows, expected, _rows_in_words(rows))
        case Expectation.ROWS:
            return Verdict(len(rows) == value, expected, _rows_in_words(rows))
        case Expectation.VALUE:
            if not rows:
                return Verdict(False, expected, "no row")
            assert not isinstance(value, tuple)
            return Verdict(len(rows) == 1 and same(value, rows[0][0]), expected, _first(rows))
        case Expectation.BETWEEN:
            if not rows:
                return Verdict(False, expected, "no row")
            assert isinstance(value, tuple)
            low, high = value
            return Verdict(len(rows) == 1 and _between(low, rows[0][0], high), expected, _first(rows))
        case Expectation.EQUALS:
            assert isinstance(value, tuple)
            ok = len(rows) == len(value) and all(
                isinstance(wanted, tuple)
                and len(wanted) == len(got)
                and all(same(w, g) for w, g in zip(wanted, got, strict=True))
                for wanted, got in zip(value, rows, strict=True)
            )
            return Verdict(ok, expected, _table_in_words(rows))
        case Expectation.SAME_AS_BEFORE:
            if baseline is None:
                return Verdict(False, expected, "no baseline was taken before the first step")
            return Verdict(rows == baseline, expected, _difference(baseline, rows))


def describe(expect: Expect, baseline: Rows | None = None) -> str:
    """The expectation in words: ``0``, ``3 rows``, ``no row``, ``between 1 and 5``, ``as before: 7 rows``."""
    value = expect.value
    match expect.kind:
        case Expectation.EMPTY:
            return "no row"
        case Expectation.ROWS:
            return f"{value} row{'' if value == 1 else 's'}"
        case Expectation.VALUE:
            assert not isinstance(value, tuple)
            return _literal(value)
        case Expectation.BETWEEN:
            assert isinstance(value, tuple)
            return f"between {value[0]} and {value[1]}"
        case Expectation.EQUALS:
            assert isinstance(value, tuple)
            return _table_in_words(tuple(tuple(_literal(c) for c in row) for row in value if isinstance(row, tuple)))
        case Expectation.SAME_AS_BEFORE:
            return "as before" if baseline is None else f"as before: {_table_in_words(baseline)}"


def same(wanted: Scalar, found: str | None) -> bool:
    """A TOML scalar against a value as PostgreSQL writes it: numbers by value, booleans by t and f."""
    if found is None or wanted is None:
        return found is None and wanted is None
    if isinstance(wanted, bool):
        return found == ("t" if wanted else "f")
    if isinstance(wanted, int | float):
        number = _number(found)
        return number is not None and number == Decimal(str(wanted))
    return wanted == found


def _between(low: Scalar | tuple[Scalar, ...], found: str | None, high: Scalar | tuple[Scalar, ...]) -> bool:
    if found is None:
        return False
    if isinstance(low, str) and isinstance(high, str):
        return low <= found <= high
    number = _number(found)
    return number is not None and Decimal(str(low)) <= number <= Decimal(str(high))


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _literal(value: Scalar) -> str:
    if isinstance(value, bool):
        return "t" if value else "f"
    return "null" if value is None else safe(str(value))


def _first(rows: Rows) -> str:
    if len(rows) > 1:
        return f"{len(rows)} rows where one was expected"
    return "null" if rows[0][0] is None else safe(rows[0][0])


def _rows_in_words(rows: Rows) -> str:
    if not rows:
        return "no row"
    return "1 row" if len(rows) == 1 else f"{len(rows)} rows"


def _row(row: tuple[str | None, ...]) -> str:
    return " ".join("null" if value is None else safe(value) for value in row)


def _table_in_words(rows: Rows) -> str:
    """A short table is told whole, a long one by its count."""
    told = ", ".join(_row(row) for row in rows)
    return told if rows and len(told) <= 60 else _rows_in_words(rows)


def _difference(baseline: Rows, rows: Rows) -> str:
    if rows == baseline:
        return _table_in_words(rows)
    lost = list((Counter(baseline) - Counter(rows)).elements())
    added = list((Counter(rows) - Counter(baseline)).elements())
    parts = [f"gone: {_row(row)}" for row in lost[:2]] + [f"new: {_row(row)}" for row in added[:2]]
    more = len(lost) + len(added) - len(parts)
    if more > 0:
        parts.append(f"{more} more")
    return "; ".join(parts) if parts else "the same rows in another order"
