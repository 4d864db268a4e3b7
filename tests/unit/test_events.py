"""Every event goes through JSON and comes back as it is kept, and a line that is none is refused."""

import dataclasses
import json
import re
import types
from datetime import UTC
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.engine import events as e
from tui.engine.kept import kept

CLASSES: tuple[type[Any], ...] = get_args(e.Event)

st.register_type_strategy(float, st.floats(0, 1e9, allow_nan=False))
# What PostgreSQL or TOML can give: no lone surrogates.
st.register_type_strategy(str, st.text(st.characters(codec="utf-8"), max_size=20))


def test_every_event_class_is_in_the_union() -> None:
    with_kind = {
        one
        for one in vars(e).values()
        if isinstance(one, type)
        and dataclasses.is_dataclass(one)
        and "kind" in one.__dataclass_fields__
        and one.__dataclass_fields__["kind"].default is not dataclasses.MISSING
    }
    assert with_kind == set(CLASSES)


@pytest.mark.parametrize("one", CLASSES, ids=lambda c: c.__name__)
def test_its_kind_is_its_name_and_it_is_frozen(one: type[Any]) -> None:
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", one.__name__).lower()
    assert one.__dataclass_fields__["kind"].default == snake
    assert one.__dataclass_params__.frozen


@pytest.mark.parametrize("one", CLASSES, ids=lambda c: c.__name__)
def test_through_json_and_back(one: type[Any]) -> None:
    # builds() leaves out what has a default, so those are asked for by name.
    defaulted = {
        field.name: ...
        for field in dataclasses.fields(one)
        if field.name != "kind" and field.default is not dataclasses.MISSING
    }
    aware = {"at": st.datetimes(timezones=st.just(UTC))}

    @settings(max_examples=25, deadline=None, database=None)
    @given(st.builds(one, **aware, **defaulted))
    def there_and_back(event: Any) -> None:
        line = e.to_json(event)
        assert b"\n" not in line
        assert json.loads(line)["kind"] == event.kind
        assert e.from_json(line) == kept(event)

    st.register_type_strategy(e.LedgerStep, st.builds(e.LedgerStep, **aware))
    there_and_back()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"kind": "no_such"}',
        b'{"kind": "run_closed"}',
        b'{"kind": "run_closed", "at": "yesterday", "reason": "", "exit_code": 0}',
        b"\xff\xfe",
        b'{"kind": "pause_set", "at": "2026-01-01T00:00:00Z", "paused": true, "operator"',
    ],
)
def test_what_is_no_event_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (pydantic's text is its own)
        e.from_json(line)


def test_the_union_is_one_of_types() -> None:
    assert isinstance(e.Event, types.UnionType)


def test_a_target_tells_its_version_as_the_server_does() -> None:
    target = e.Target("db1", 5432, "app", "dba", 160014, None, False)
    assert target.version == "16.14"
