"""The way back: which scripts, in which order, from where one stands."""

from pathlib import Path

import pytest
from runbooks import read, write

from tui.engine import events as e
from tui.engine.plan import opening, target_of
from tui.engine.rollback import RollbackImpossible, RollbackPlan, patience, plan
from tui.engine.state import RunState, StepStatus, fold
from tui.postgres.session import Server
from tui.runbook.model import Runbook

STEPS = {name: f"SELECT '{name}';" for name in ("004", "005", "006", "007")}
OWN = {name: f"SELECT 'back {name}';" for name in STEPS}
FILES = {"rollback/008.sql": "SELECT 'all back';", "rollback/009.sql": "SELECT 'two back';"}
SHARED = """
[[rollback]]
id = "008"
title = "Back from all"
undoes = ["004", "005", "006", "007"]
sql = "rollback/008.sql"
"""
PAIR = """
[[rollback]]
id = "009"
title = "Back from two"
undoes = ["005", "006"]
sql = "rollback/009.sql"
"""
JUDGES = """
[[verification]]
id = "v4"
title = "Four"
sql = "SELECT 0"
after = "004"
expect = { value = 0 }

[[verification]]
id = "vend"
title = "End"
sql = "SELECT 0"
after = "end"
expect = { value = 0 }

[[verification]]
id = "vback"
title = "Back"
sql = "SELECT 0"
after = "back"
expect = { value = 0 }
"""


def book(path: Path, back: dict[str, str] | None = None, more: str = SHARED, **keys: str) -> Runbook:
    files = {name: text for name, text in FILES.items() if name in more}
    return read(write(path, STEPS, back, more=more + JUDGES, files=files, keys=keys))


def state(runbook: Runbook, *applied: str, then: tuple[e.Event, ...] = ()) -> RunState:
    server = Server("db1", 5432, "app", "dba", 160014, 7, 16384)
    begun = opening(runbook, "r1", target_of(runbook, server, asked=False), "dba1", "ops1")
    rows = tuple(e.LedgerStep(step, True, e.now(), "dba1", 1.0, "") for step in applied)
    return fold([begun, e.LedgerRead(e.now(), rows), *then])


def scripts(way: RollbackPlan) -> list[tuple[str, tuple[str, ...]]]:
    return [(script.id, script.undoes) for script in way.scripts]


def test_a_shared_rollback_when_all_of_it_is_applied(tmp_path: Path) -> None:
    runbook = book(tmp_path, OWN)
    way = plan(runbook, state(runbook, *STEPS), None)
    assert scripts(way) == [("008", ("007", "006", "005", "004"))]
    assert way.undoes == ("007", "006", "005", "004")
    assert way.scripts[0].title == "Back from all"
    assert way.verifications == ("vback",)
    assert way.in_flight is None


def test_own_rollbacks_when_not_all_of_the_shared_one_is_applied(tmp_path: Path) -> None:
    runbook = book(tmp_path, OWN)
    way = plan(runbook, state(runbook, "004", "005"), None)
    assert scripts(way) == [("005", ("005",)), ("004", ("004",))]
    assert way.scripts[0].sql.statements[0].text.startswith("SELECT 'back 005'")


def test_own_rollbacks_when_not_all_of_the_shared_one_is_to_go(tmp_path: Path) -> None:
    runbook = book(tmp_path, OWN)
    way = plan(runbook, state(runbook, *STEPS), "004")
    assert scripts(way) == [("007", ("007",)), ("006", ("006",)), ("005", ("005",))]
    assert way.to == "004"
    assert way.verifications == ("v4",)


def test_the_largest_that_fits_and_own_ones_around_it(tmp_path: Path) -> None:
    runbook = book(tmp_path, OWN, SHARED + PAIR)
    assert scripts(plan(runbook, state(runbook, *STEPS), None)) == [("008", ("007", "006", "005", "004"))]
    assert scripts(plan(runbook, state(runbook, *STEPS), "004")) == [("007", ("007",)), ("009", ("006", "005"))]
    assert scripts(plan(runbook, state(runbook, "004", "005", "006"), None)) == [
        ("009", ("006", "005")),
        ("004", ("004",)),
    ]
    assert scripts(plan(runbook, state(runbook, *STEPS), "005")) == [("007", ("007",)), ("006", ("006",))]


def test_no_way_back_names_the_step(tmp_path: Path) -> None:
    runbook = book(tmp_path)
    with pytest.raises(RollbackImpossible, match="007 has no rollback of its own"):
        plan(runbook, state(runbook, *STEPS), "004")
    with pytest.raises(RollbackImpossible, match="005 has no rollback of its own"):
        plan(runbook, state(runbook, "004", "005"), None)
    assert scripts(plan(runbook, state(runbook, *STEPS), None))


def test_one_missing_on_the_way_is_told_before_anything_runs(tmp_path: Path) -> None:
    runbook = book(tmp_path, {name: sql for name, sql in OWN.items() if name != "005"}, more="")
    with pytest.raises(RollbackImpossible, match="005"):
        plan(runbook, state(runbook, *STEPS), None)
    assert scripts(plan(runbook, state(runbook, *STEPS), "005")) == [("007", ("007",)), ("006", ("006",))]


def test_nothing_to_take_back(tmp_path: Path) -> None:
    runbook = book(tmp_path, OWN)
    with pytest.raises(RollbackImpossible, match="nothing is applied"):
        plan(runbook, state(runbook), None)
    with pytest.raises(RollbackImpossible, match="nothing is applied after 005"):
        plan(runbook, state(runbook, "004", "005"), "005")
    with pytest.raises(RollbackImpossible, match="nothing is applied after 007"):
        plan(runbook, state(runbook, *STEPS), "007")


def test_a_step_that_does_not_exist(tmp_path: Path) -> None:
    runbook = book(tmp_path, OWN)
    with pytest.raises(RollbackImpossible, match="there is no step 999; the steps are 004, 005, 006, 007"):
        plan(runbook, state(runbook, *STEPS), "999")


def test_in_doubt_there_is_no_plan(tmp_path: Path) -> None:
    runbook = book(tmp_path, OWN)
    lost = e.ScriptFailed(e.now(), "005", "forward", ("005",), "connection", "in_doubt", 1, None, "gone")
    with pytest.raises(RollbackImpossible, match="005 is in doubt"):
        plan(runbook, state(runbook, "004", then=(lost,)), None)


def test_what_is_in_flight_is_named_and_not_undone(tmp_path: Path) -> None:
    runbook = book(tmp_path, OWN)
    running = e.ScriptStarted(e.now(), "005", "Step 005", "forward", ("005",), 1, 4, 1, 4242, "dba1")
    way = plan(runbook, state(runbook, "004", then=(running,)), None)
    assert way.in_flight == "005"
    assert scripts(way) == [("004", ("004",))]
    only = plan(runbook, state(runbook, then=(running,)), None)
    assert (only.in_flight, only.scripts, only.verifications) == ("005", (), ("vback",))


def test_a_gap_is_no_reason_to_use_the_shared_one(tmp_path: Path) -> None:
    runbook = book(tmp_path, OWN)
    assert scripts(plan(runbook, state(runbook, "004", "006"), None)) == [("006", ("006",)), ("004", ("004",))]


def test_a_rolled_back_step_is_not_taken_back_twice(tmp_path: Path) -> None:
    runbook = book(tmp_path, OWN)
    back = e.ScriptDone(e.now(), "007", "back", ("007",), 1.0)
    now = state(runbook, *STEPS, then=(back,))
    assert now.step("007").status is StepStatus.ROLLED_BACK
    assert [s.id for s in plan(runbook, now, "005").scripts] == ["006"]


def test_a_way_back_may_do_what_its_most_demanding_step_may(tmp_path: Path) -> None:
    keys = {"005": 'safety = { lock_timeout = "9s", max_blocked_for = "30s" }', "006": "safety = { lock_retries = 50 }"}
    runbook = book(tmp_path, OWN, **keys)
    allowed = patience(runbook, plan(runbook, state(runbook, *STEPS), None).scripts[0])
    assert (allowed.lock_timeout, allowed.max_blocked_for, allowed.lock_retries) == (9.0, 30.0, 50)
    own = patience(runbook, plan(runbook, state(runbook, *STEPS), "006").scripts[0])
    assert (own.lock_timeout, own.lock_retries) == (0.2, 3)
