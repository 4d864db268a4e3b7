"""Expectations of every kind against answers of every shape."""

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.engine.verify import Answer, Rows, describe, judge, same
from tui.postgres.rows import PgError
from tui.postgres.session import Table
from tui.runbook.model import Expect, Expectation, Scalar


def answer(*rows: tuple[str | None, ...]) -> Answer:
    return Answer(Table(("a", "b"), rows), 0.1)


def value(wanted: Scalar) -> Expect:
    return Expect(Expectation.VALUE, wanted)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (0, "0"),
        (1, "1.0"),
        (1, "1"),
        (1, "1.000"),
        (1.0, "1"),
        (100, "1e2"),
        (0, "-0"),
        (0.1, "0.10"),
        (0.3, "0.3"),
        (20000, "20000"),
        (2**70, str(2**70)),
        (True, "t"),
        (False, "f"),
        ("", ""),
        ("t", "t"),
        ("sales_rep", "sales_rep"),
        ("1.0", "1.0"),
        (None, None),
    ],
)
def test_a_value_that_is_as_expected(wanted: Scalar, found: str | None) -> None:
    assert same(wanted, found)
    assert judge(value(wanted), answer((found, "further columns do not count"))).ok


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (0, "1"),
        (0, None),
        (0, ""),
        (0, "f"),
        (1, "t"),
        (1, "true"),
        (True, "1"),
        (True, "f"),
        (True, "true"),
        (False, None),
        (False, "0"),
        ("", None),
        ("1", "1.0"),
        ("a", "A"),
        ("a", "a "),
        (0, "NaN"),
        (1, "Infinity"),
        (1, "one"),
        (0.1, "0.1000000000000000055"),
        (2**53, str(2**53 + 1)),
        (None, ""),
    ],
)
def test_a_value_that_is_not(wanted: Scalar, found: str | None) -> None:
    assert not same(wanted, found)
    assert not judge(value(wanted), answer((found,))).ok


@given(st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_a_number_is_itself_however_many_zeros_follow(number: int | Decimal) -> None:
    text = f"{number:f}" if isinstance(number, Decimal) else f"{number}.000"
    wanted = int(number) if number == int(number) else float(number)
    assert same(wanted, text + "0" * ("." in text)) or Decimal(str(wanted)) != Decimal(text)


def test_a_value_wants_exactly_one_row() -> None:
    none, two = judge(value(0), answer()), judge(value(0), answer(("0",), ("0",)))
    assert (none.ok, none.found) == (False, "no row")
    assert (two.ok, two.found) == (False, "2 rows where one was expected")


def test_a_value_says_both_sides() -> None:
    red = judge(value(0), answer(("3",)))
    assert (red.ok, red.expected, red.found) == (False, "0", "3")
    assert judge(value(True), answer((None,))).found == "null"


@pytest.mark.parametrize(
    ("wanted", "count", "ok", "expected", "found"),
    [
        (0, 0, True, "0 rows", "no row"),
        (1, 1, True, "1 row", "1 row"),
        (3, 3, True, "3 rows", "3 rows"),
        (3, 2, False, "3 rows", "2 rows"),
        (3, 0, False, "3 rows", "no row"),
        (0, 1, False, "0 rows", "1 row"),
    ],
)
def test_rows_are_counted(wanted: int, count: int, ok: bool, expected: str, found: str) -> None:
    verdict = judge(Expect(Expectation.ROWS, wanted), answer(*[("x", "y")] * count))
    assert (verdict.ok, verdict.expected, verdict.found) == (ok, expected, found)


def test_empty_means_no_row_and_a_null_row_is_one() -> None:
    empty = Expect(Expectation.EMPTY, True)
    assert judge(empty, answer()).ok
    red = judge(empty, answer((None, None)))
    assert (red.ok, red.expected, red.found) == (False, "no row", "1 row")


@pytest.mark.parametrize(
    ("low", "high", "found", "ok"),
    [
        (1, 5, "1", True),
        (1, 5, "5.0", True),
        (1, 5, "3.7", True),
        (0.5, 0.7, "0.6", True),
        (1, 5, "0.999", False),
        (1, 5, "5.001", False),
        (1, 5, None, False),
        (1, 5, "three", False),
        (1, 5, "NaN", False),
        (1, 5, "Infinity", False),
        (5, 1, "3", False),
        ("2026-01-01", "2026-12-31", "2026-06-01", True),
        ("2026-01-01", "2026-12-31", "2027-01-01", False),
    ],
)
def test_between(low: Scalar, high: Scalar, found: str | None, ok: bool) -> None:
    expect = Expect(Expectation.BETWEEN, (low, high))
    assert judge(expect, answer((found,))).ok is ok


def test_between_wants_exactly_one_row() -> None:
    expect = Expect(Expectation.BETWEEN, (1, 5))
    assert not judge(expect, answer()).ok
    assert not judge(expect, answer(("2",), ("3",))).ok
    assert describe(expect) == "between 1 and 5"


EQUALS = Expect(Expectation.EQUALS, (("a", 1), ("b", True)))


@pytest.mark.parametrize(
    ("rows", "ok"),
    [
        ((("a", "1"), ("b", "t")), True),
        ((("a", "1.0"), ("b", "t")), True),
        ((("b", "t"), ("a", "1")), False),
        ((("a", "1"),), False),
        ((("a", "1"), ("b", "t"), ("b", "t")), False),
        ((("a", "1", "x"), ("b", "t", "x")), False),
        ((("a", None), ("b", "t")), False),
        ((), False),
    ],
)
def test_equals_is_these_rows_in_this_order(rows: Rows, ok: bool) -> None:
    assert judge(EQUALS, answer(*rows)).ok is ok


def test_equals_says_both_sides() -> None:
    verdict = judge(EQUALS, answer(("a", "2"), ("b", None)))
    assert (verdict.expected, verdict.found) == ("a 1, b t", "a 2, b null")


BEFORE = Expect(Expectation.SAME_AS_BEFORE, True)


def test_without_a_baseline_nothing_is_as_before() -> None:
    verdict = judge(BEFORE, answer(("1",)))
    assert not verdict.ok
    assert "no baseline" in verdict.found


def test_an_empty_baseline_is_one() -> None:
    assert judge(BEFORE, answer(), ()).ok
    assert not judge(BEFORE, answer(("1",)), ()).ok


@pytest.mark.parametrize(
    ("baseline", "now", "found"),
    [
        ((("a", "1"),), (("a", "1"),), "a 1"),
        ((("a", "1"),), (("a", "2"),), "gone: a 1; new: a 2"),
        ((("a", "1"), ("b", "2")), (("a", "1"),), "gone: b 2"),
        ((("a", "1"),), (("a", "1"), ("b", None)), "new: b null"),
        ((("a",), ("b",)), (("b",), ("a",)), "the same rows in another order"),
    ],
)
def test_the_difference_to_before_is_named(baseline: Rows, now: Rows, found: str) -> None:
    verdict = judge(BEFORE, answer(*now), baseline)
    assert (verdict.ok, verdict.found) == (baseline == now, found)


@pytest.mark.parametrize(
    ("baseline", "now", "found"),
    [
        ((("a",), ("a",)), (("a",),), "gone: a"),
        ((("a",),), (("a",), ("a",), ("a",)), "new: a; new: a"),
        ((("a",),) * 5, (("a",),) * 9, "new: a; new: a; 2 more"),
    ],
)
def test_a_row_lost_from_among_equal_ones_is_no_other_order(baseline: Rows, now: Rows, found: str) -> None:
    verdict = judge(BEFORE, answer(*now), baseline)
    assert (verdict.ok, verdict.found) == (False, found)


def test_the_difference_of_large_answers_comes_at_once() -> None:
    before = tuple((str(n),) for n in range(20_000))
    started = time.process_time()
    verdict = judge(BEFORE, answer(*(((str(n + 1),)) for n in range(20_000))), before)
    assert verdict.found == "gone: 0; new: 20000"
    assert time.process_time() - started < 2


def test_an_error_is_red_whatever_was_expected() -> None:
    error = PgError("42P01", 'relation "users" does not exist')
    for kind in Expectation:
        wanted: dict[Expectation, Expect] = {
            Expectation.VALUE: value(0),
            Expectation.ROWS: Expect(kind, 0),
            Expectation.EMPTY: Expect(kind, True),
            Expectation.EQUALS: EQUALS,
            Expectation.BETWEEN: Expect(kind, (0, 1)),
            Expectation.SAME_AS_BEFORE: BEFORE,
        }
        verdict = judge(wanted[kind], Answer(Table((), ()), 0.1, error), ())
        assert (verdict.ok, verdict.found) == (False, 'error: relation "users" does not exist')


def test_what_is_found_cannot_drive_a_terminal() -> None:
    hostile = "\x1b[2J\u202e\x07evil"
    for expect in (value("x"), EQUALS, BEFORE):
        found = judge(expect, answer((hostile, None)), (("x",),)).found
        assert "\x1b" not in found
        assert "\u202e" not in found


def test_what_is_expected_of_a_large_table_is_its_size() -> None:
    baseline = tuple((f"a rather long line {n}",) for n in range(100))
    assert describe(BEFORE, baseline) == "as before: 100 rows"
    assert describe(BEFORE, (("7",),)) == "as before: 7"
    assert describe(BEFORE) == "as before"
    assert describe(Expect(Expectation.EMPTY, True)) == "no row"
    assert describe(value(False)) == "f"


def test_expected_words_cannot_drive_a_terminal() -> None:
    assert "\x1b" not in describe(value("\x1b[31mred"))
    assert "\x1b" not in describe(Expect(Expectation.EQUALS, (("\x1b[31mred",),)))
