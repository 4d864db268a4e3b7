"""What may stand in a ``runbook.toml``, table by table, and what to say where something else does.

Every key may be absent for pydantic, so that a table with an error is still checked for all else; ``needs``
names the keys that must be there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import ErrorDetails

from tui.runbook import values
from tui.runbook.durations import DurationError
from tui.runbook.findings import nearest, nearest_or_all, quoted
from tui.runbook.model import Expect, Expectation
from tui.runbook.toml_lines import Key
from tui.runbook.values import Unfit

_LONGEST = 30 * 86_400.0
_LONGEST_WAIT = 366 * 86_400.0
# lock_timeout and statement_timeout are milliseconds in an int4: PostgreSQL takes 24.8 days.
_LONGEST_TIMEOUT = 24 * 86_400.0

_Id = Annotated[str, AfterValidator(values.identifier)]
_Line = Annotated[str, AfterValidator(values.line_of_text)]
_Text = Annotated[str, AfterValidator(values.long_text)]
_Command = Annotated[str, AfterValidator(values.command)]
_Sql = Annotated[str, AfterValidator(values.sql)]
_Extension = Annotated[str, AfterValidator(values.extension)]
_Duration = Annotated[float, PlainValidator(values.duration(_LONGEST))]
_Timeout = Annotated[float, PlainValidator(values.duration(_LONGEST_TIMEOUT))]
_Table = Annotated[str, AfterValidator(values.table)]
_Key = Annotated[tuple[str, ...], PlainValidator(values.key)]
_Condition = Annotated[str, AfterValidator(values.condition)]
_Rows = Annotated[int, Field(ge=1, le=10_000_000)]
_Range = Annotated[tuple[float, float], PlainValidator(values.duration_range(_LONGEST))]


class Table(BaseModel):
    """One table of the TOML file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    needs: ClassVar[tuple[str, ...]] = ()


class RequiresTable(Table):
    server: Annotated[int, PlainValidator(values.server)] | None = None
    extensions: list[_Extension] | None = None


class SafetyTable(Table):
    lock_timeout: _Timeout | None = None
    lock_retries: Annotated[int, Field(ge=0, le=1000)] | None = None
    statement_timeout: _Timeout | None = None
    max_blocked_sessions: Annotated[int, Field(ge=1, le=100_000)] | None = None
    max_blocked_for: _Timeout | None = None
    max_replica_lag: _Timeout | None = None


class ProofTable(Table):
    data: Literal["none", "sampled", "whole"] | None = None
    whole_up_to: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    carries: list[_Line] | None = None
    leaves: list[_Line] | None = None


class ExpectTable(Table):
    value: Annotated[Any, PlainValidator(values.scalar)] = None
    rows: Annotated[int, Field(ge=0)] | None = None
    empty: Annotated[Any, PlainValidator(values.only_true)] = None
    equals: Annotated[Any, PlainValidator(values.rows)] = None
    between: Annotated[Any, PlainValidator(values.bounds)] = None
    same_as_before: Annotated[Any, PlainValidator(values.only_true)] = None


class ChecklistTable(Table):
    needs = ("id", "phase", "title")

    id: _Id | None = None
    phase: Literal["before", "during", "after"] | None = None
    title: _Line | None = None
    detail: _Text | None = None
    required: bool | None = None
    sql: _Sql | None = None
    expect: ExpectTable | None = None
    command: _Command | None = None
    step: str | None = None


class BatchTable(Table):
    needs = ("table", "key", "where")

    table: _Table | None = None
    key: _Key | None = None
    where: _Condition | None = None
    size: _Rows | None = None
    target: _Duration | None = None
    max_size: _Rows | None = None


class StepTable(Table):
    needs = ("id", "title", "sql")

    id: _Id | None = None
    title: _Line | None = None
    sql: _Sql | None = None
    rollback: _Sql | None = None
    transaction: bool | None = None
    expected: _Range | None = None
    safety: SafetyTable | None = None
    batch: BatchTable | None = None
    point_of_no_return: bool | None = None
    not_before: Annotated[float, PlainValidator(values.duration(_LONGEST_WAIT))] | None = None


class VerificationTable(Table):
    needs = ("id", "title", "sql", "after", "expect")

    id: _Id | None = None
    title: _Line | None = None
    sql: _Sql | None = None
    after: str | None = None
    expect: ExpectTable | None = None


class RollbackTable(Table):
    needs = ("id", "title", "undoes", "sql")

    id: _Id | None = None
    title: _Line | None = None
    undoes: list[str] | None = None
    sql: _Sql | None = None


class RunbookTable(Table):
    """The keys outside of any table, and the tables that are there once."""

    needs = ("name", "window")

    name: _Line | None = None
    window: _Duration | None = None
    requires: RequiresTable | None = None
    production: Annotated[bool | tuple[str, ...], PlainValidator(values.production)] | None = None
    safety: SafetyTable | None = None
    proof: ProofTable | None = None


ELEMENTS: dict[str, type[ChecklistTable] | type[StepTable] | type[VerificationTable] | type[RollbackTable]] = {
    "checklist": ChecklistTable,
    "step": StepTable,
    "verification": VerificationTable,
    "rollback": RollbackTable,
}
"""The tables that are written in double brackets, as often as wanted."""

_INNER: dict[str, type[Table]] = {
    "requires": RequiresTable,
    "safety": SafetyTable,
    "proof": ProofTable,
    "batch": BatchTable,
    "expect": ExpectTable,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong below one table: where, counted from that table, what, and the mend."""

    at: tuple[Key, ...]
    what: str
    mend: str


_T = TypeVar("_T", bound=Table)


@dataclass(frozen=True, slots=True)
class Checked(Generic[_T]):
    """A table without what is wrong in it. ``given`` names all keys that it has, also the wrong ones."""

    table: _T
    given: frozenset[str]
    problems: tuple[Problem, ...]


def check(model: type[_T], raw: dict[str, Any]) -> Checked[_T]:
    """Validate one table; never raises."""
    problems: list[Problem] = []
    table = dict(raw)
    while True:
        try:
            valid = model.model_validate(table)
        except ValidationError as error:
            for details in error.errors(include_url=False):
                problems.append(_problem(model, details))
                _drop(table, details["loc"])
        else:
            return Checked(valid, frozenset(raw), (*_missing(model, raw), *problems))


def expectation(table: ExpectTable) -> Expect:
    """The one kind of expectation that the table names; raises Unfit for none or several."""
    kinds = [kind for kind in Expectation if kind.value in table.model_fields_set]
    if not kinds:
        raise Unfit("says nothing", f"write one of {', '.join(kind.value for kind in Expectation)}: {{ value = 0 }}")
    if len(kinds) > 1:
        raise Unfit(f"says {len(kinds)} things, {' and '.join(kinds)}", "keep one; write a second query for the other")
    return Expect(kinds[0], getattr(table, kinds[0].value))


def _missing(model: type[Table], raw: dict[str, Any], at: tuple[str, ...] = ()) -> Iterator[Problem]:
    # A key misspelled is told as such, not also as missing.
    meant = {nearest(key, model.model_fields) for key in raw if key not in model.model_fields}
    for key in model.needs:
        if key not in raw and key not in meant:
            yield Problem(at, f"`{'.'.join((*at, key))}` is missing", f"add `{key} = …`")
    for key, inner in _INNER.items():
        if key in model.model_fields and isinstance(raw.get(key), dict):
            yield from _missing(inner, raw[key], (*at, key))


def _drop(table: dict[str, Any], at: tuple[Key, ...]) -> None:
    """Take out what is wrong: one key of an inner table whose keys are independent, else the whole value."""
    key = str(at[0])
    if len(at) > 1 and key in ("safety", "requires", "proof", "batch") and isinstance(table.get(key), dict):
        table[key] = {inner: value for inner, value in table[key].items() if inner != at[1]}
    else:
        table.pop(key, None)


def _problem(model: type[Table], details: ErrorDetails) -> Problem:
    at = details["loc"]
    if details["type"] == "extra_forbidden":
        return Problem(at, *_unknown_key(model, at))
    error = details.get("ctx", {}).get("error")
    if isinstance(error, Unfit | DurationError):
        what, mend = error.what, error.mend
    else:
        what, mend = _wrong_value(details)
    name = ".".join(str(key) for key in at if isinstance(key, str))
    index = "".join(f"[{key}]" for key in at if isinstance(key, int))
    return Problem(at, f"`{name}{index}` {what}", mend)


def _unknown_key(model: type[Table], at: tuple[Key, ...]) -> tuple[str, str]:
    inner = _INNER[str(at[0])] if len(at) > 1 else model
    key = str(at[-1])
    valid = list(inner.model_fields)
    if inner is RunbookTable:
        valid += ELEMENTS
    where = f" in `{at[0]}`" if len(at) > 1 else ""
    if nearest(key, valid) is None:
        if key in RunbookTable.model_fields:
            return (
                f"unknown key {quoted(key)}{where}",
                "write it at the top of the file, above the first [table]",
            )
        if inner is RunbookTable and key in SafetyTable.model_fields:
            return f"unknown key {quoted(key)}", "write it under [safety]"
    return f"unknown key {quoted(key)}{where}", nearest_or_all(key, valid)


def _wrong_value(details: ErrorDetails) -> tuple[str, str]:
    """What pydantic's own errors mean, in plain words."""
    value = details["input"]
    limits = details.get("ctx", {})
    match details["type"]:
        case "string_type":
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return f"is {values.kind(value)}, not a string", (
                f'write it in quotes: "{values.shown(value)}"' if number else "write it in quotes"
            )
        case "int_type" | "int_from_float":
            return f"is {values.shown(value)}, not a whole number", "write a whole number without quotes"
        case "bool_type":
            return f"is {values.shown(value)}, not true or false", "write true or false without quotes"
        case "list_type":
            return f"is {values.kind(value)}, not a list", 'write a list: ["…", "…"]'
        case "model_type":
            return f"is {values.kind(value)}, not a table", "write a table: { key = value }"
        case "literal_error":
            valid = [word.strip("' ") for word in str(limits["expected"]).replace(" or ", ",").split(",")]
            return f"is {values.shown(value)}", nearest_or_all(str(value), valid)
        case "greater_than_equal":
            return f"is {values.shown(value)}, less than {limits['ge']}", f"write {limits['ge']} or more"
        case "less_than_equal":
            return f"is {values.shown(value)}, more than {limits['le']}", f"write {limits['le']} or less"
    return f"is not valid: {details['msg']}", "write it as the documentation of the runbook shows"
