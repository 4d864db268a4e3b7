"""Steps that wait for their time, and the one after which there is no way back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tui.engine import events as e
from tui.engine.deadline import deadline
from tui.engine.later import waiting, waits_in_words
from tui.engine.state import RunState, VerificationStatus, fold

AT = datetime(2026, 11, 21, 1, 20, tzinfo=UTC)
DAY = timedelta(days=1)
TARGET = e.Target("db1", 5432, "app", "dba", 160014, 7, False)


def step(name: str, **changes: Any) -> e.PlannedStep:
    return replace(e.PlannedStep(name, f"Step {name}", 1, True, None, (), 10, 20, 5.0), **changes)


def opened(at: datetime = AT) -> e.RunOpened:
    steps = (step("1"), step("2"), step("3", not_before=14 * 86400.0, point_of_no_return=True))
    checks = (e.PlannedVerification("kept", "Nothing is lost", "end", "SELECT 0"),)
    return e.RunOpened(at, "r1", "small", "Small", "0" * 64, "dba1", "ops1", TARGET, 600.0, (), steps, checks)


def ran(name: str, at: datetime = AT) -> list[e.Event]:
    start = e.ScriptStarted(at, name, name, "forward", (name,), 1, 4, 1, 4242, "dba1")
    return [start, e.ScriptDone(at, name, "forward", (name,), 1.5)]


def ledger(*names: str, at: datetime = AT, read_at: datetime = AT) -> e.LedgerRead:
    return e.LedgerRead(read_at, tuple(e.LedgerStep(name, True, at, "dba1", 1.5, "f" * 64) for name in names))


def kept(at: datetime = AT) -> e.Event:
    return e.VerificationFinished(at, "kept", True, "0", "0", (), (), 1, 0.1)


NIGHT: list[e.Event] = [opened(), e.WindowOpened(AT, "dba1", 600.0), *ran("1"), *ran("2")]


def test_the_night_ends_before_a_step_whose_time_has_not_come() -> None:
    state = fold(NIGHT)
    # What is verified at the end is due now, not in two weeks.
    assert state.next_act().kind == "run_verifications"
    state = state.apply(kept())
    assert state.next_act().kind == "finished"
    assert state.exit_code == 0
    later = waiting(state)
    assert later is not None
    assert later.plan.id == "3"
    assert waits_in_words(state.steps, later) == f"not before {(AT + 14 * DAY).astimezone():%Y-%m-%d %H:%M}"


def test_before_the_step_it_waits_for_is_applied_it_says_how_long_after_that() -> None:
    state = fold(NIGHT[:4])
    later = waiting(state)
    assert later is not None
    assert waits_in_words(state.steps, later) == "not before 14 days after 2 is applied"
    assert state.next_act().step == "2"


@pytest.mark.parametrize(("days", "kind"), [(13.9, "finished"), (14, "open_window"), (30, "open_window")])
def test_when_its_time_has_come_it_wants_a_window_of_its_own(days: float, kind: str) -> None:
    then = AT + days * DAY
    state = fold([*NIGHT, kept(), opened(then), ledger("1", "2", read_at=then)])
    assert state.next_act().kind == kind


def test_on_another_machine_the_ledger_alone_tells_since_when_it_may_run() -> None:
    then = AT + 15 * DAY
    window = e.WindowOpened(AT, "dba1", 600.0)
    state = fold([window, opened(then), ledger("1", "2", read_at=then)])
    assert state.window_opened_at is None
    assert [v.status for v in state.due] == [VerificationStatus.PENDING]


def cleanup_night() -> RunState:
    then = AT + 15 * DAY
    window = e.WindowOpened(then, "dba1", 600.0)
    return fold([*NIGHT, kept(), opened(then), ledger("1", "2", read_at=then), window])


def test_a_point_of_no_return_is_asked_about_each_time_the_console_is_opened() -> None:
    state = cleanup_night()
    act = state.next_act()
    assert act.kind == "run_step"
    assert act.gates == ("after 3 there is no way back: it and all before it stay",)
    assert act.gate_ids == ("ends:3",)
    then = AT + 15 * DAY
    agreed = state.apply(e.GateOverridden(then, act.gate_ids, "two weeks without a complaint", "dba1"))
    assert agreed.next_act().gates == ()
    again = then + timedelta(minutes=5)
    reopened = agreed.apply(opened(again)).apply(ledger("1", "2", read_at=again))
    assert reopened.next_act().gate_ids == ("ends:3",)
    # It is the same night, with the same window.
    assert reopened.window_opened_at == then


def test_after_it_nothing_leads_back_and_what_was_verified_at_the_end_is_not_asked_again() -> None:
    state = cleanup_night()
    assert deadline(state) is not None
    for event in ran("3", AT + 15 * DAY):
        state = state.apply(event)
    assert deadline(state) is None
    assert state.due == ()
    assert state.verification("kept").status is VerificationStatus.PASSED
    assert state.next_act().kind == "finished"
    assert waiting(state) is None


def test_a_cleanup_that_stopped_half_way_need_not_wait_again() -> None:
    then = AT + 15 * DAY
    half = e.LedgerStep("3", False, then, "dba1", 1.0, "f" * 64, 1)
    state = cleanup_night().apply(e.LedgerRead(then, (*ledger("1", "2", at=then).steps, half)))
    assert state.next_act().step == "3"
