"""What the record keeps of errors: what happened and where, and nothing of the database's data."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.engine import events as e
from tui.engine.kept import kept, without_values
from tui.postgres.rows import PgError

AT = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "hunter2"


def failed(error: PgError) -> e.ScriptFailed:
    return e.ScriptFailed(
        AT, "1", "forward", ("1",), "error", "rolled_back", 0, error, error.message, f"mend: {error.message}"
    )


@pytest.mark.parametrize(
    ("sqlstate", "detail", "expected"),
    [
        ("23505", "Key (email)=(a@b.c) already exists.", "Key (email)=(?) already exists."),
        ("23505", "Key (a, b)=(1, x) is duplicated.", "Key (a, b)=(?) is duplicated."),
        ("23505", "Key (lower(email))=(a)b=(c) already exists.", "Key (lower(email))=(?) already exists."),
        ("23505", "Key (a)=(x\n) y) already exists.", "Key (a)=(?) already exists."),
        ("23505", "Key (a)=(x", "Key (a)=(?)"),
        ("23505", "Schlüssel »(email)=(a@b.c)« existiert bereits.", "Schlüssel »(email)=(?)« existiert bereits."),
        ("23503", 'Key (a)=(5) is not present in table "t".', 'Key (a)=(?) is not present in table "t".'),
        ("23P01", "Key (a)=([1,5)) conflicts with existing key (a)=([2,3)).", "Key (a)=(?)."),
        ("23502", "Failing row contains (1, null, a (b).", "Failing row contains (?)."),
        ("23514", "Fehlgeschlagene Zeile enthält (1, x).", "Fehlgeschlagene Zeile enthält (?)."),
        ("23514", "Failing row contains (a, b) = (1, x).", "Failing row contains (?)."),
        (
            "23514",
            "Partition key of the failing row contains (a) = (5).",
            "Partition key of the failing row contains (?).",
        ),
        ("44000", "Failing row contains (1, x).", "Failing row contains (?)."),
        ("22P02", 'Token "x y" is invalid.', 'Token "?" is invalid.'),
        ("22P02", "Expected JSON value, but found „x“.", 'Expected JSON value, but found "?".'),
        # What says which objects are meant is needed to act, and nobody's data.
        ("2BP01", "view v depends on column a of table t (x)", "view v depends on column a of table t (x)"),
        ("40P01", "Process 1 waits for ShareLock on transaction 5; blocked by process 2.", None),
        ("55006", "There are 2 other sessions using the database.", None),
        ("P0001", 'what the script (itself) says of "x"', None),
        ("23505", "", None),
    ],
)
def test_detail(sqlstate: str, detail: str, expected: str | None) -> None:
    told = without_values(PgError(sqlstate, "m", detail))
    assert told.detail == (detail if expected is None else expected)
    assert without_values(told) == told


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('invalid input syntax for type integer: "x"', 'invalid input syntax for type integer: "?"'),
        ('invalid input value for enum mood: "x"y"', 'invalid input value for enum mood: "?"'),
        ("ungültige Eingabesyntax für Typ integer: »x«", 'ungültige Eingabesyntax für Typ integer: "?"'),
        ('value "99999999999" is out of range for type integer', 'value "?" is out of range for type integer'),
        ('date/time field value out of range: "2026-02-30"', 'date/time field value out of range: "?"'),
        ('duplicate key value violates unique constraint "u"', None),
        ('null value in column "a" of relation "t" violates not-null constraint', None),
        ('relation "t" does not exist', None),
        ('column "a" of relation "t" already exists', None),
        ('could not open file "base/1/2": No space left on device', None),
    ],
)
def test_message(message: str, expected: str | None) -> None:
    told = kept(failed(PgError("22P02", message)))
    assert told.error.message == told.message == (expected or message)
    assert told.advice == f"mend: {expected or message}"


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (
            "PL/pgSQL function dev.f(integer,character varying) line 3 at EXECUTE",
            "PL/pgSQL function dev.f(integer,character varying) line 3 at EXECUTE",
        ),
        (
            "SQL statement \"INSERT INTO t VALUES ('x\ny')\"\nPL/pgSQL function inline_code_block line 1 at EXECUTE\n"
            'SQL statement "SELECT f()"\nPL/pgSQL function g() line 9 at PERFORM',
            "PL/pgSQL function inline_code_block line 1 at EXECUTE\nPL/pgSQL function g() line 9 at PERFORM",
        ),
        ('SQL function "f" statement 2', 'SQL function "f" statement 2'),
        ('COPY t, line 3, column email: "x@y"', "COPY t, line 3, column email"),
        ('COPY t, line 3: "1,x@y\n2"', "COPY t, line 3"),
        ('JSON data, line 1: {"a": x', ""),
        ('while updating tuple (0,1) in relation "t"', 'while updating tuple (0,1) in relation "t"'),
        ("unnamed portal with parameters: $1 = 'x'", ""),
        ("SQL-Anweisung »SELECT 'x'«", ""),
        ("", ""),
    ],
)
def test_context(context: str, expected: str) -> None:
    told = without_values(PgError("XX000", "m", context=context))
    assert told.context == expected
    assert without_values(told) == told


EDGES = st.lists(st.sampled_from([")=(", ") = (", "(", ")", '"', "\n", ". ", "x"]), max_size=6).map("".join)


@given(EDGES, EDGES)
@settings(deadline=None, database=None)
def test_no_value_survives(before: str, after: str) -> None:
    value = f"{before}{SECRET}{after}"
    for sqlstate, detail in (
        ("23505", f"Key (a)=({value}) already exists."),
        ("23P01", f"Key (a)=(1) conflicts with existing key (a)=({value})."),
        ("23502", f"Failing row contains (1, {value}, null)."),
        ("23514", f"Failing row contains (a, b) = (1, {value})."),
        ("22P02", f'Token "{value}" is invalid.'),
    ):
        told = without_values(PgError(sqlstate, "m", detail))
        assert SECRET not in told.detail
        assert without_values(told) == told


ERROR = PgError("22P02", f'bad syntax for type integer: "{SECRET}"', f'Token "{SECRET}" is bad.', "hint", SECRET)


@pytest.mark.parametrize(
    "event",
    [
        failed(ERROR),
        e.VerificationFinished(AT, "v", False, "0", f"error: {ERROR.message}", (), (), 0, 0.0, ERROR),
        e.ItemProbed(AT, "i", False, "0", f"error: {ERROR.message}", "", 0.0, ERROR.message),
        e.BaselineTaken(AT, "v", (), ERROR.message),
    ],
    ids=lambda event: event.kind,
)
def test_every_event_with_a_servers_error(event: Any) -> None:
    line = e.to_json(event)
    assert SECRET not in line.decode()
    assert "bad syntax for type integer" in line.decode()
    assert e.from_json(line) == kept(event)
    assert kept(kept(event)) == kept(event)


def test_no_other_event_carries_an_error_of_the_server() -> None:
    """A new one that does has to be thought of."""
    schemas = e._adapter().json_schema()["$defs"]
    carries = {name for name, schema in schemas.items() if "#/$defs/PgError" in json.dumps(schema)}
    assert carries == {"ScriptFailed", "VerificationFinished"}


def test_what_a_runbook_asks_for_is_kept_whole() -> None:
    rows = ((SECRET, None), ("Key (a)=(b)", '"c"'))
    finished = e.VerificationFinished(AT, "v", False, "no row", "2 rows", ("a", "b"), rows, 2, 0.0)
    assert kept(finished) is finished
    assert e.from_json(e.to_json(finished)) == finished
    probed = e.ItemProbed(AT, "i", False, "no row", "1 row", f"{SECRET} (1)", 0.0)
    assert kept(probed) is probed


def test_a_failure_that_is_told_in_our_words_may_quote_the_servers() -> None:
    event = replace(failed(ERROR), error=None, message=f"its batch cannot be taken: {ERROR.message}", advice="")
    assert kept(event).message == 'its batch cannot be taken: bad syntax for type integer: "?"'
    event = replace(event, message="not applied within 10 min")
    assert kept(event) == event
