"""Durations in the runbook's notation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.runbook.durations import DurationError, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("3s", 3.0),
        ("10min", 600.0),
        ("1h", 3600.0),
        ("14d", 1_209_600.0),
        ("1h30min", 5400.0),
        ("1d2h3min4s5ms", 93_784.005),
        ("0h1s", 1.0),
        ("90min", 5400.0),
    ],
)
def test_reads_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "3",
        "s",
        "3x",
        "3.5s",
        "1e3s",
        "+3s",
        "30min1h",
        "3s3s",
        "3s ",
        "３s",
        "1_0s",
        "3sx",
        "9" * 20 + "d",
        "\n",
    ],
)
def test_refuses_what_is_none_and_names_the_forms(text: str) -> None:
    with pytest.raises(DurationError) as refused:
        parse_duration(text)
    assert refused.value.what.endswith(", not a duration")
    assert '"1h30min"' in refused.value.mend or refused.value.mend == 'write "3s"'


@pytest.mark.parametrize(
    ("text", "what"), [("-3s", "negative"), (" -1", "negative"), ("0s", "zero"), ("0h0min", "zero")]
)
def test_refuses_what_lasts_no_time(text: str, what: str) -> None:
    with pytest.raises(DurationError, match=what):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "meant"), [("10m", "10min"), ("3 sec", "3s"), ("1H 30M", "1h30min"), ("2 days", "2d"), ("5 msecs", "5ms")]
)
def test_names_what_was_probably_meant(text: str, meant: str) -> None:
    with pytest.raises(DurationError) as refused:
        parse_duration(text)
    assert refused.value.mend == f'write "{meant}"'


@given(st.integers(min_value=1, max_value=10**12))
def test_writes_what_it_reads(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0s"), (-1.0, "0s"), (0.0004, "0s"), (5400.0, "1h30min"), (2.4, "2s400ms")]
)
def test_writes_the_runbooks_notation(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.text(max_size=20))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except DurationError:
        return
    assert seconds > 0
