"""What panes say, where the figures are at their edges and the names are long."""

from dataclasses import replace
from pathlib import Path

import pytest
from scenes import NIGHT, backfill, building, changed, doubt, in_006, leftover, repairing, runbook

from tui.engine import events as e
from tui.engine.rollback import RollbackPlan, RollbackScript
from tui.engine.state import BatchState, RunState, fold
from tui.paths import shipped_runbooks
from tui.runbook.model import Script
from tui.runbook.statements import Statement
from tui.screens.endings import exposed, in_flight
from tui.screens.way_back import rollback_lines
from tui.widgets.batch import batch_lines, percent
from tui.widgets.line import Line
from tui.widgets.line import fold as folded
from tui.widgets.mending import doubt_lines, settle_commands
from tui.widgets.step import statement_lines
from tui.widgets.view import View
from tui.widgets.words import grouped


def view(events: list[e.Event], path: Path = Path("iso-agents-to-users")) -> View:
    return View(fold(events), NIGHT, runbook=runbook(path))


def batch_text(events: list[e.Event]) -> str:
    shown = view(events)
    assert shown.script is not None
    return "\n".join(line.text for line in batch_lines(shown, shown.script, 80))


@pytest.mark.parametrize(
    ("done", "left", "shown"),
    [(0, 0, 100), (0, 10, 0), (999_999, 1, 99), (10, 0, 100), (1, 2, 33), (5, -3, 100), (-1, 10, 0)],
)
def test_percent(done: int, left: int, shown: int) -> None:
    assert percent(BatchState(done, left, 10)) == shown


def test_a_rate_that_nobody_knows_is_none() -> None:
    assert "rate not known yet   left not known yet" in batch_text(backfill(chunks=0))
    assert "rate not known yet" in batch_text(backfill(chunks=1))
    assert "rate 2 500 rows/s   left about 1:20" in batch_text(backfill(chunks=2))
    at_once = [replace(event, at=NIGHT) for event in backfill(chunks=3)]
    assert "rate not known yet" in batch_text(at_once)


def test_chunks_go_on_from_an_earlier_try() -> None:
    text = batch_text([*backfill(chunks=2), e.BatchMeasured(NIGHT, "006", 98_000, 0, 2500)])
    assert "100 %   98 000 of 98 000 rows" in text
    assert "looks for rows that came meanwhile" in text


@pytest.mark.parametrize(
    ("sql", "left"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", "an invalid index"),
        ("REINDEX TABLE CONCURRENTLY t", "an invalid index"),
        ("DROP INDEX CONCURRENTLY i", "maybe not valid any more"),
        ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "half detached"),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", ""),
        ("VACUUM t", ""),
    ],
)
def test_what_cancelling_leaves(sql: str, left: str) -> None:
    *before, statement = building()
    assert isinstance(statement, e.StatementStarted)
    told = exposed(fold([*before, replace(statement, sql=sql, tag=sql.split()[0])]))
    assert left in told
    assert bool(told) == bool(left)


def test_what_cancelling_leaves_otherwise() -> None:
    state: RunState = fold(in_006(1))
    assert exposed(state) == ""
    assert "rolled back" in in_flight(state)
    assert in_flight(fold(backfill())) == "chunks done so far stay (123 000 rows), it goes on from there"
    assert "maybe not valid any more" in exposed(fold(repairing()))
    ended = [*building(), e.StatementFinished(NIGHT, "006", 6, 1.0, None, "CREATE INDEX")]
    assert "finished statements will stay" in in_flight(fold(ended))
    assert exposed(fold(leftover())) == ""


def test_settling_is_one_command_that_the_shell_takes() -> None:
    assert settle_commands(view(doubt(), shipped_runbooks() / "iso-agents-to-users"), "006") == (
        'lockstep settle iso-agents-to-users 006 applied --reason "…"',
        'lockstep settle iso-agents-to-users 006 not-applied --reason "…"',
    )
    assert "settle '/srv/my books/iso' 006" in settle_commands(view(doubt(), Path("/srv/my books/iso")), "006")[0]


@pytest.mark.parametrize("width", [74, 79])
@pytest.mark.parametrize("length", [1, 10, 30, 60, 200])
def test_no_command_is_cut(width: int, length: int) -> None:
    shown = view(doubt(), Path("/srv") / ("r" * length))
    lines = doubt_lines(shown, width, 15)
    text = " ".join(line.text.strip().removesuffix("\\").strip() for line in lines)
    for command in settle_commands(shown, "006"):
        assert command in text
    begins = [line for line in lines if line.text.strip().startswith("lockstep settle")]
    assert len(begins) == 2
    if length <= 10:
        assert all(line.cells <= width for line in begins)
        assert all(line.text.strip().endswith('"…"') for line in begins)


def test_thousands_stand_apart() -> None:
    assert grouped("between 1 and 1000000000") == "between 1 and 1 000 000 000"
    assert grouped("20000") == "20 000"
    assert grouped("1234") == "1234"
    assert grouped("version 160014") == "version 160014"
    assert grouped("between 0.123456 and 10000.5") == "between 0.123456 and 10 000.5"


def test_folding_loses_nothing() -> None:
    line = Line("DROP INDEX ").add("CONCURRENTLY", "sql-keyword").add(" a." + "b" * 50)
    rows = folded(line, 20, "  ")
    assert all(row.cells <= 20 for row in rows)
    assert "".join(row.text.replace(" ", "") for row in rows) == line.text.replace(" ", "")


def test_the_way_back_is_told_in_full() -> None:
    index = "client_profiles_of_a_rather_long_name_by_user_id"
    plan = RollbackPlan(
        None,
        (
            RollbackScript(
                "006",
                "Back from Build the indexes that the new application needs from its first request on",
                ("006",),
                Script("steps/006.back.sql", "SELECT 1", (Statement("SELECT 1", 0, 8, 1),)),
                False,
                (f"DROP INDEX CONCURRENTLY public.{index}",),
            ),
        ),
        None,
        (),
    )
    lines = rollback_lines(plan, fold(changed()), NIGHT, 70)
    assert all(line.cells <= 70 for line in lines)
    text = " ".join(" ".join(line.text.split()) for line in lines)
    assert f"1. repair DROP INDEX CONCURRENTLY public.{index};" in text
    assert "2. 006 Back from Build the indexes that the new application untested" in text
    assert "from its first request on" in text
    assert "undoes" not in text
    assert "changed since it was applied: steps/005.sql, runbook.toml" in text


def test_statements_of_an_earlier_try_are_done() -> None:
    again = [*leftover(), e.ScriptStarted(NIGHT, "006", "Update", "forward", ("006",), 1, 10, 9, 1, "dba1")]
    shown = view(again)
    assert shown.script is not None
    signs = [line.text.split()[0] for line in statement_lines(shown, "006", shown.script, 80)]
    assert "".join(signs) == "✓✓✓✓✓○○○○"
