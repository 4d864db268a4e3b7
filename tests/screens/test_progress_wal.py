"""WAL of the statement in hand beside its rehearsal's: shown as what it is, and only where it tells something."""

from dataclasses import replace
from datetime import timedelta

import pytest
from rehearsed import forecast, known, rehearsal
from scenes import BUILDING, NIGHT, SQL_006, in_006, sample, session, waiting_tree, watching

from tui.engine import events as e
from tui.engine.proof import Measure, Rehearsal
from tui.engine.sample import Sample
from tui.engine.state import fold
from tui.engine.wal import Written
from tui.widgets.progress import written_lines
from tui.widgets.step import step_lines
from tui.widgets.view import View
from tui.widgets.watch import watch_lines

US = 5131
WROTE = 412_000_000


def told(wal: int | None = WROTE, seconds: float | None = 5.0, others: float | None = 0.0) -> Written:
    began = None if wal is None else 1000
    return Written(US, NIGHT, 1000 + (wal or 0), began, seconds, others)


def rehearsed(wal: int = 1_100_000_000, **changes: object) -> Rehearsal:
    """006's third statement wrote so much WAL there, and reads all of client_profiles."""
    found = rehearsal()
    steps = []
    for proof in found.steps:
        statements = tuple(
            replace(one, wal=wal, scans=("client_profiles",)) if proof.step == "006" and one.index == 3 else one
            for one in proof.statements
        )
        steps.append(replace(proof, statements=statements))
    return replace(found, steps=tuple(steps), **changes)  # type: ignore[arg-type]


def as_large_as_there(found: Rehearsal) -> Rehearsal:
    """The tables had there the size that they have here."""
    return replace(found, tables=forecast().tables)


def shown(
    found: Rehearsal | None, written: Written | None = None, stale: tuple[str, ...] = (), look: Sample | None = None
) -> list[str]:
    events = in_006(1)
    state = fold(known(events, found, stale) if found is not None else events)
    seen = look or sample()
    view = View(state, NIGHT, replace(seen, written=written or told()))
    assert view.script is not None
    lines = written_lines(view, view.script, 75)
    assert all(line.cells <= 75 for line in lines)
    return [line.text.strip() for line in lines]


def test_beside_what_it_wrote_in_rehearsal() -> None:
    assert shown(as_large_as_there(rehearsed())) == ["WAL 412 MB of 1.1 GB as rehearsed"]


def test_more_than_in_rehearsal_is_no_percent() -> None:
    assert shown(as_large_as_there(rehearsed(300_000_000))) == [
        "WAL 412 MB: already more than the 300 MB of its rehearsal"
    ]


def test_where_tables_are_larger_here_it_is_said() -> None:
    assert shown(rehearsed()) == ["WAL 412 MB; 1.1 GB in rehearsal, where tables were 3 × smaller"]
    assert shown(rehearsed(300_000_000)) == ["WAL 412 MB; 300 MB in rehearsal, where tables were 3 × smaller"]


def test_tables_of_other_statements_say_nothing_of_this_one() -> None:
    found = rehearsed()
    same = [
        replace(table, bytes=1_200_000_000) if table.table == "client_profiles" else table for table in found.tables
    ]
    assert shown(replace(found, tables=tuple(same))) == ["WAL 412 MB of 1.1 GB as rehearsed"]


def test_a_rehearsal_without_rows_was_on_other_data() -> None:
    assert shown(rehearsed(place="like")) == ["WAL 412 MB; 1.1 GB in rehearsal, on other data"]


def test_a_rehearsal_of_other_scripts_is_no_measure() -> None:
    assert shown(as_large_as_there(rehearsed()), stale=("006",)) == [
        "WAL 412 MB; 1.1 GB in rehearsal, with other scripts"
    ]


def test_what_was_never_rehearsed_has_its_wal_alone() -> None:
    assert shown(None) == ["WAL 412 MB since it began, never rehearsed"]
    assert shown(None, told(900_000)) == []


def test_who_writes_besides_is_said() -> None:
    found = as_large_as_there(rehearsed())
    assert shown(found, told(others=10_000_000.0)) == [
        "WAL 412 MB of 1.1 GB as rehearsed; of the whole server, where others",
        "wrote 10.0 MB/s before",
    ]
    # A twentieth of it, and less, changes nothing.
    assert shown(found, told(others=4_000_000.0)) == ["WAL 412 MB of 1.1 GB as rehearsed"]
    assert shown(found, told(others=None)) == ["WAL 412 MB of 1.1 GB as rehearsed; of the whole server"]


def test_a_statement_that_writes_next_to_nothing_is_not_measured_by_it() -> None:
    assert shown(as_large_as_there(rehearsed(80_000)), told(40_000)) == []
    assert shown(as_large_as_there(rehearsed(80_000))) == []


@pytest.mark.parametrize("written", [told(None), told(seconds=None), told(seconds=1.9)])
def test_what_is_not_known_is_not_shown(written: Written) -> None:
    assert shown(as_large_as_there(rehearsed()), written) == []


def test_not_while_it_waits_for_a_lock_nor_where_the_server_counts_it() -> None:
    found = as_large_as_there(rehearsed())
    assert shown(found, look=sample(waiting_tree())) == []
    assert shown(found, look=sample(progress=(BUILDING,))) == []


def test_not_of_a_way_back_and_of_no_statement_that_is_not_in_hand() -> None:
    found, moment = as_large_as_there(rehearsed()), NIGHT - timedelta(seconds=7)
    begun = e.ScriptStarted(moment, "006", "Back", "back", ("006",), 1, 10, 3, US, "dba1")
    statement = e.StatementStarted(moment, "006", 3, 3, "ALTER TABLE", "ALTER TABLE t RENAME TO u")
    back = fold([*known(in_006(1), found), begun, statement])
    view = View(back, NIGHT, replace(sample(), written=told()))
    assert view.script is not None
    assert [line.text.strip() for line in written_lines(view, view.script, 75)] == [
        "WAL 412 MB since it began, never rehearsed"
    ]
    none = fold([*known(in_006(1), found), begun])
    view = View(none, NIGHT, replace(sample(), written=told()))
    assert view.script is not None
    assert written_lines(view, view.script, 75) == []


def test_the_pane_shows_it_under_the_statement() -> None:
    state = fold(known(in_006(1), as_large_as_there(rehearsed())))
    lines = step_lines(View(state, NIGHT, replace(sample(), written=told())), 75, 20)
    assert "   WAL 412 MB of 1.1 GB as rehearsed" in [line.text for line in lines]
    assert isinstance(rehearsed().steps[2].statements[2], Measure)


def test_what_the_server_counts_of_a_run_that_is_watched_is_seen_from_here() -> None:
    look = sample(progress=(BUILDING,), sessions=(session(US, "lockstep runner", SQL_006, "active", 7.0),))
    lines = [line.text.strip() for line in watch_lines(View(fold(watching()), NIGHT, look), 75, 20)]
    assert "CREATE INDEX client_profiles   building index: scanning table" in lines
    assert "███░░░░░░░░░  30 % of phase   12 400 of 40 960 blocks" in lines
