"""The fold: what the screen says after each event, and what going on means then."""

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from tui.engine import events as e
from tui.engine.state import NextAct, RunState, StepStatus, VerificationStatus, fold
from tui.postgres.rows import PgError

AT = datetime(2026, 11, 21, 1, 20, tzinfo=UTC)
TARGET = e.Target("db1", 5432, "app", "dba", 160014, 7, False)


def item(name: str, phase: Literal["before", "during", "after"], **changes: Any) -> e.PlannedItem:
    return replace(e.PlannedItem(name, f"Item {name}", "", phase, True, "human", None), **changes)


def step(name: str) -> e.PlannedStep:
    return e.PlannedStep(name, f"Step {name}", 2, True, None, (), 10, 20, 5.0)


def verification(name: str, after: str) -> e.PlannedVerification:
    return e.PlannedVerification(name, f"Check {name}", after, "SELECT 0")


def opened(**changes: Any) -> e.RunOpened:
    plain = e.RunOpened(
        AT,
        "r1",
        "small",
        "Small",
        "0" * 64,
        "dba1",
        "ops1",
        TARGET,
        600.0,
        (item("backup", "before"), item("deploy", "during", step="2"), item("webhook", "after", required=False)),
        (step("1"), step("2")),
        (verification("v1", "1"), verification("v2", "end"), verification("vb", "back")),
    )
    return replace(plain, **changes)


def tick(name: str, done: bool = True) -> e.ItemTicked:
    return e.ItemTicked(AT, name, "dba1", done)


def started(name: str, direction: e.Direction = "forward", attempt: int = 1, steps: tuple[str, ...] = ()) -> e.Event:
    return e.ScriptStarted(AT, name, name, direction, steps or (name,), attempt, 4, 2, 4242, "dba1")


def done(name: str, direction: e.Direction = "forward", steps: tuple[str, ...] = ()) -> e.Event:
    return e.ScriptDone(AT, name, direction, steps or (name,), 1.5)


def failed(
    name: str,
    outcome: Literal["rolled_back", "partial", "in_doubt"] = "rolled_back",
    reason: Literal["error", "cancelled", "locks", "connection"] = "error",
    direction: e.Direction = "forward",
    steps: tuple[str, ...] = (),
) -> e.Event:
    error = PgError("42601", "syntax error") if reason == "error" else None
    return e.ScriptFailed(AT, name, direction, steps or (name,), reason, outcome, 0, error, "it broke")


def verified(name: str, ok: bool = True) -> e.Event:
    return e.VerificationFinished(AT, name, ok, "0", "0" if ok else "3", (), (), 1, 0.1)


def ledger(*rows: tuple[str, bool], completed: int | None = None) -> e.LedgerRead:
    return e.LedgerRead(AT, tuple(e.LedgerStep(s, a, AT, "dba2", 2.5, "f" * 64, completed) for s, a in rows))


WINDOW = e.WindowOpened(AT, "dba1", 600.0)
ONE_DONE: list[e.Event] = [opened(), tick("backup"), WINDOW, started("1"), done("1"), verified("v1")]
ALL_DONE: list[e.Event] = [*ONE_DONE, tick("deploy"), started("2"), done("2"), verified("v2")]


def test_nothing_told_is_nothing_known() -> None:
    state = RunState()
    assert not state.busy
    assert not state.rolled_back
    assert state.window_ends_at is None
    with pytest.raises(KeyError):
        state.step("1")


def test_an_applied_event_changes_no_earlier_state() -> None:
    states = [RunState()]
    copies = [copy.deepcopy(states[0])]
    for event in [*ALL_DONE, e.BaselineTaken(AT, "v2", (("1",),)), e.CommitIntended(AT, "2", "forward", 7)]:
        states.append(states[-1].apply(event))
        copies.append(copy.deepcopy(states[-1]))
    assert states == copies
    assert fold(ALL_DONE) == fold(tuple(ALL_DONE))


def test_forward_from_gate_to_end() -> None:
    assert fold([opened()]).next_act() == NextAct("open_window", gates=("Item backup",), gate_ids=("backup",))
    assert fold([opened(), tick("backup")]).next_act() == NextAct("open_window")
    assert fold(ONE_DONE[:3]).next_act() == NextAct("run_step", "1")
    assert fold(ONE_DONE[:4]).next_act() == NextAct("busy")
    assert fold(ONE_DONE[:5]).next_act() == NextAct("run_verifications")
    assert fold(ONE_DONE).next_act() == NextAct("run_step", "2", ("Item deploy",), ("deploy",))
    assert fold([*ONE_DONE, tick("deploy")]).next_act() == NextAct("run_step", "2")
    assert fold(ALL_DONE[:-1]).next_act() == NextAct("run_verifications")
    assert fold(ALL_DONE).next_act() == NextAct("finished")
    assert fold(ALL_DONE).verified


def test_the_window_has_its_end() -> None:
    assert fold([opened(), WINDOW]).window_ends_at == AT + timedelta(seconds=600)


def test_a_tick_taken_back_closes_the_gate_again() -> None:
    state = fold([opened(), tick("backup"), tick("backup", False)])
    assert state.next_act().gate_ids == ("backup",)
    assert not state.item("backup").done


def test_an_item_during_without_a_step_gates_every_step() -> None:
    general = opened(items=(item("freeze", "during"), item("deploy", "during", step="2")))
    state = fold([general, WINDOW])
    assert state.next_act() == NextAct("run_step", "1", ("Item freeze",), ("freeze",))
    state = fold([general, WINDOW, tick("freeze"), started("1"), done("1"), verified("v1"), tick("freeze", False)])
    assert state.next_act().gate_ids == ("freeze", "deploy")


def test_what_is_not_required_gates_nothing() -> None:
    state = fold([opened(items=(item("nice", "before", required=False),))])
    assert state.next_act() == NextAct("open_window")


def test_required_items_after_the_last_step_are_named_at_the_end() -> None:
    events: list[e.Event] = [opened(items=(item("webhook", "after"),)), WINDOW, started("1"), done("1"), verified("v1")]
    state = fold([*events, started("2"), done("2"), verified("v2")])
    assert state.next_act() == NextAct("finished", gates=("Item webhook",), gate_ids=("webhook",))


def test_an_override_opens_a_gate_and_stays_on_record() -> None:
    state = fold([opened(), e.GateOverridden(AT, ("backup",), "restored yesterday", "dba1")])
    assert state.next_act() == NextAct("open_window")
    assert not state.item("backup").done
    assert [o.reason for o in state.overrides] == ["restored yesterday"]


def test_a_probe_ticks_and_unticks() -> None:
    red = e.ItemProbed(AT, "backup", False, "0", "1", "", 0.1)
    state = fold([opened(), red])
    assert state.next_act().gate_ids == ("backup",)
    state = state.apply(replace(red, ok=True, found="0"))
    assert state.next_act().gates == ()
    assert state.item("backup").operator == "probe"
    assert not state.apply(red).item("backup").done


def test_production_has_to_be_named_once_an_opening() -> None:
    production = opened(target=replace(TARGET, production=True))
    confirmed = e.ProductionConfirmed(AT, "dba1", "app")
    assert fold([production]).next_act() == NextAct("confirm_production")
    assert fold([production, confirmed]).next_act().kind == "open_window"
    assert fold([production, confirmed, production]).next_act() == NextAct("confirm_production")


def test_a_red_verification_stops_the_next_step() -> None:
    state = fold([*ONE_DONE[:-1], verified("v1", ok=False), tick("deploy")])
    assert state.next_act() == NextAct("run_step", "2", ("failed: Check v1",), ("v1",))
    assert not state.verified
    state = state.apply(e.GateOverridden(AT, ("v1",), "known", "dba1"))
    assert state.next_act() == NextAct("run_step", "2")
    assert state.verification("v1").status is VerificationStatus.ACCEPTED
    assert state.apply(verified("v1", ok=False)).next_act().gate_ids == ("v1",)


def test_an_override_does_not_accept_what_never_failed() -> None:
    state = fold([*ONE_DONE, e.GateOverridden(AT, ("v1", "v2"), "why not", "dba1")])
    assert state.verification("v1").status is VerificationStatus.PASSED
    assert state.verification("v2").status is VerificationStatus.PENDING


def test_while_paused_no_step_begins() -> None:
    state = fold([*ONE_DONE, tick("deploy"), e.PauseSet(AT, True, "dba1")])
    assert state.next_act() == NextAct("run_step", "2", ("the run is paused",))
    assert state.apply(e.PauseSet(AT, False, "dba1")).next_act() == NextAct("run_step", "2")


def test_a_failed_step_is_the_next_one_again() -> None:
    state = fold([*ONE_DONE[:4], failed("1")])
    assert state.step("1").status is StepStatus.FAILED
    assert state.step("1").message == "it broke"
    assert state.next_act() == NextAct("run_step", "1")
    assert not state.busy
    again = state.apply(started("1"))
    assert (again.step("1").status, again.step("1").message) == (StepStatus.RUNNING, "")


def test_a_cancelled_step_is_to_come() -> None:
    assert fold([*ONE_DONE[:4], failed("1", reason="cancelled")]).step("1").status is StepStatus.PENDING
    partial = fold([*ONE_DONE[:4], failed("1", "partial", "cancelled")])
    assert partial.step("1").status is StepStatus.FAILED


def test_in_doubt_nothing_goes_on() -> None:
    state = fold([*ONE_DONE[:4], failed("1", "in_doubt", "connection")])
    assert state.step("1").status is StepStatus.IN_DOUBT
    assert state.next_act() == NextAct("resolve")
    assert state.apply(ledger(("1", True))).step("1").status is StepStatus.APPLIED
    assert state.apply(ledger()).step("1").status is StepStatus.PENDING


@pytest.mark.parametrize("direction", ["forward", "back"])
def test_the_phases_of_a_script(direction: e.Direction) -> None:
    state = fold([*ONE_DONE, started("1", direction)])
    assert state.script is not None
    assert (state.script.phase, state.script.active, state.busy) == ("running", True, True)
    state = state.apply(e.StatementStarted(AT, "1", 1, 3, "UPDATE", "UPDATE t SET a = 1"))
    state = state.apply(e.NoticeRaised(AT, "1", "NOTICE", "hello"))
    state = state.apply(e.StatementFinished(AT, "1", 1, 0.5, 7, "UPDATE 7"))
    assert state.script is not None
    assert [n.message for n in state.script.notices] == ["hello"]
    assert [s.rows for s in state.script.finished] == [7]
    back = e.LocksGivenBack(AT, "1", 1, "lock_timeout", "no lock", 1.5)
    waited = e.LockWaited(AT, "1", 2, "ACCESS EXCLUSIVE on t", 0.2, (), 3)
    state = state.apply(waited).apply(back)
    assert state.script is not None
    assert (state.script.phase, state.script.finished) == ("backoff", ())
    assert state.script.retry_at == AT + timedelta(seconds=1.5)
    assert state.busy
    state = state.apply(started("1", direction, attempt=2))
    assert state.script is not None
    assert (state.script.phase, state.script.retry_at) == ("running", None)
    assert state.script.waits == state.waits == (waited,)
    assert state.script.given_back == back
    state = state.apply(e.CommitIntended(AT, "1", direction, 4711))
    assert state.script is not None
    assert state.script.phase == "committing"
    assert state.intents["1"].transaction_id == 4711
    state = state.apply(done("1", direction))
    assert state.script is not None
    assert (state.script.phase, state.busy) == ("done", False)
    assert state.step("1").status is (StepStatus.APPLIED if direction == "forward" else StepStatus.ROLLED_BACK)


def test_a_new_script_does_not_inherit_the_waits_of_another() -> None:
    waited = e.LockWaited(AT, "1", 1, "x", 0.2, (), 3)
    state = fold([*ONE_DONE[:4], waited, done("1"), started("2")])
    assert state.script is not None
    assert state.script.waits == ()
    assert state.waits == (waited,)


def test_notices_without_end_are_cut() -> None:
    events = [e.NoticeRaised(AT, "1", "NOTICE", str(n)) for n in range(1000)]
    state = fold([*ONE_DONE[:4], *events])
    assert state.script is not None
    assert [n.message for n in state.script.notices] == [str(n) for n in range(800, 1000)]


def test_events_of_no_script_in_hand_are_harmless() -> None:
    for event in (
        e.NoticeRaised(AT, "1", "NOTICE", "x"),
        e.StatementFinished(AT, "1", 1, 0.1, None, "DO"),
        done("1"),
        failed("1"),
        e.CommitIntended(AT, "1", "forward", 7),
    ):
        assert fold([opened(), event]).script is None


def test_back_to_the_beginning() -> None:
    plan = e.RollbackPlanned(AT, "dba1", ("008",), ("2", "1"), None)
    events = [*ALL_DONE, plan, started("008", "back", steps=("2", "1")), done("008", "back", ("2", "1"))]
    state = fold(events)
    assert not state.rolled_back
    state = state.apply(e.RollbackFinished(AT, True))
    assert state.rolled_back
    assert state.applied == ()
    assert [v.plan.id for v in state.due] == ["vb"]
    assert state.next_act() == NextAct("run_verifications")
    assert state.verification("v1").status is VerificationStatus.PENDING
    state = state.apply(verified("vb"))
    assert (state.next_act(), state.verified) == (NextAct("finished"), True)


def test_back_to_a_step_is_not_back() -> None:
    plan = e.RollbackPlanned(AT, "dba1", ("2",), ("2",), "1")
    events = [*ALL_DONE, plan, started("2", "back"), done("2", "back"), e.RollbackFinished(AT, True)]
    state = fold(events)
    assert not state.rolled_back
    assert state.applied == ("1",)
    assert state.step("2").status is StepStatus.ROLLED_BACK
    assert state.verification("v1").status is VerificationStatus.PASSED
    assert state.verification("v2").status is VerificationStatus.PENDING
    assert state.next_act() == NextAct("run_step", "2")


def test_a_rollback_that_stopped_leaves_the_step_applied_and_says_why() -> None:
    plan = e.RollbackPlanned(AT, "dba1", ("008",), ("2", "1"), None)
    both = ("2", "1")
    failure = failed("008", direction="back", steps=both)
    state = fold([*ALL_DONE, plan, started("008", "back", steps=both), failure, e.RollbackFinished(AT, False)])
    assert state.applied == ("1", "2")
    assert state.step("2").message == "it broke"
    assert not state.rolled_back
    assert state.rollback_ok is False


def test_forward_again_after_going_back_forgets_the_rollback() -> None:
    plan = e.RollbackPlanned(AT, "dba1", ("2", "1"), ("2", "1"), None)
    events = [plan, done("2", "back"), done("1", "back"), e.RollbackFinished(AT, True)]
    state = fold([*ALL_DONE, *events, opened(), started("1"), done("1")])
    assert not state.rolled_back
    assert state.rollback_ok is None


class TestLedger:
    """The database is right, whatever the journal says."""

    def test_applied_there_is_applied_here(self) -> None:
        state = fold([opened(), ledger(("1", True))])
        assert state.step("1").status is StepStatus.APPLIED
        assert (state.step("1").operator, state.step("1").seconds, state.step("1").at) == ("dba2", 2.5, AT)
        assert state.step("2").status is StepStatus.PENDING

    def test_not_there_is_not_applied(self) -> None:
        state = fold([*ALL_DONE, ledger()])
        assert state.applied == ()
        assert {v.status for v in state.verifications if v.plan.after == "1"} == {VerificationStatus.PENDING}

    def test_taken_back_there_is_taken_back_here(self) -> None:
        state = fold([*ALL_DONE, ledger(("1", True), ("2", False))])
        assert state.step("2").status is StepStatus.ROLLED_BACK
        assert state.applied == ("1",)

    @pytest.mark.parametrize(
        ("rows", "wanted"),
        [
            ((), StepStatus.PENDING),
            ((("1", True),), StepStatus.APPLIED),
            ((("1", False),), StepStatus.ROLLED_BACK),
        ],
    )
    def test_a_step_that_ran_when_the_console_died(
        self, rows: tuple[tuple[str, bool], ...], wanted: StepStatus
    ) -> None:
        state = fold([*ONE_DONE[:4], opened(), ledger(*rows)])
        assert state.step("1").status is wanted
        assert state.script is None
        assert not state.busy

    @pytest.mark.parametrize("rows", [(), (("1", False),)])
    def test_a_failure_stays_a_failure(self, rows: tuple[tuple[str, bool], ...]) -> None:
        state = fold([*ONE_DONE[:4], failed("1"), opened(), ledger(*rows)])
        assert (state.step("1").status, state.step("1").message) == (StepStatus.FAILED, "it broke")

    def test_a_failure_that_was_mended_elsewhere_is_none(self) -> None:
        state = fold([*ONE_DONE[:4], failed("1"), ledger(("1", True))])
        assert (state.step("1").status, state.step("1").message) == (StepStatus.APPLIED, "")

    def test_stopped_half_way(self) -> None:
        state = fold([opened(), ledger(("1", False), completed=1)])
        assert state.step("1").status is StepStatus.FAILED
        assert state.step("1").message == "stopped after 1 of 2 statements"

    def test_steps_that_the_runbook_does_not_know_do_not_disturb(self) -> None:
        state = fold([opened(), ledger(("1", True), ("99", True))])
        assert state.applied == ("1",)


def test_opened_again_ticks_window_and_results_stay() -> None:
    state = fold([*ONE_DONE, e.RunClosed(AT, "done", 0), opened(operator="dba2")])
    assert state.operator == "dba2"
    assert state.closed is None
    assert state.item("backup").done
    assert state.window_opened_at == AT
    assert state.step("1").status is StepStatus.APPLIED
    assert state.verification("v1").status is VerificationStatus.PASSED


def test_opened_again_with_a_changed_runbook() -> None:
    changed = opened(steps=(step("1"), step("1b"), step("2")), items=(item("new", "before"),), verifications=())
    state = fold([*ONE_DONE, changed])
    assert [s.plan.id for s in state.steps] == ["1", "1b", "2"]
    assert state.applied == ("1",)
    assert [i.plan.id for i in state.items] == ["new"]
    assert state.next_act() == NextAct("run_step", "1b")


def test_a_verification_that_ran_when_the_console_died_runs_again() -> None:
    running = [*ONE_DONE[:5], e.VerificationStarted(AT, "v1")]
    assert fold(running).next_act() == NextAct("busy")
    state = fold([*running, opened(), ledger(("1", True))])
    assert state.verification("v1").status is VerificationStatus.PENDING
    assert state.next_act() == NextAct("run_verifications")


def test_a_run_without_steps_is_never_due_at_the_end() -> None:
    state = fold([opened(steps=()), tick("backup"), WINDOW])
    assert state.due == ()
