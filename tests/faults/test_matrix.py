"""Every pair of the matrix (fault and moment, fault and kind, moment and kind) as a test; and the matrix's command."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from cell import FAULTS, Untrue, run_cell
from kinds import KINDS, MOMENTS
from matrix import Cell, Grounds, Outcome, cells, main, outcome, table, wanted

EXISTING = [cell for cell in cells() if cell.why_not is None]
# A diagonal through the cube: a sixth of the cells, with every pair in it. The command tries them all.
PAIRS = [
    Cell(fault, moment, tuple(KINDS)[(i + j) % len(KINDS)])
    for i, fault in enumerate(FAULTS)
    for j, moment in enumerate(MOMENTS)
]


@pytest.fixture(scope="module")
def grounds() -> Iterator[Grounds]:
    running = Grounds()
    yield running
    running.close()


@pytest.mark.parametrize("cell", [cell for cell in PAIRS if cell in EXISTING], ids=str)
def test_it_is_true_and_goes_on(grounds: Grounds, cell: Cell) -> None:
    grounds.run(cell)


def test_every_combination_is_there_or_is_said_why_not() -> None:
    found = list(cells())
    assert len(found) == len(set(found)) == len(FAULTS) * len(MOMENTS) * len(KINDS)
    assert all(cell.why_not for cell in found if cell not in EXISTING)


def test_every_pair_is_tried() -> None:
    """Each kind needs as many places as there are moments, or the diagonal would leave a pair out."""
    assert len(KINDS) == len(MOMENTS)
    assert {(cell.fault, cell.kind) for cell in PAIRS} == {(cell.fault, cell.kind) for cell in cells()}
    assert {(cell.moment, cell.kind) for cell in PAIRS} == {(cell.moment, cell.kind) for cell in cells()}


def test_filters_name_cells() -> None:
    assert wanted(["kill9/after/batch"]) == [Cell("kill9", "after", "batch")]
    assert len(wanted(["*/after"])) == len(FAULTS) * len(KINDS)
    assert wanted([]) == list(cells())
    with pytest.raises(SystemExit):
        main(["--only", "nonsense"])


def test_the_table_names_what_is_missing() -> None:
    outcomes = [
        Outcome(Cell("kill9", "before", "batch"), "✓"),
        Outcome(Cell("kill9", "after", "batch"), "✗", reason="it lied"),
        Outcome(Cell("kill9", "between", "batch"), "–", reason="cannot be"),
    ]
    assert table(outcomes).splitlines()[2:] == ["| batch | kill -9 | ✓ |  | – 1 |  |  | ✗ |", "", "1. cannot be"]


def test_a_lie_is_seen(grounds: Grounds, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge is judged: an effect that the step does not have makes the cell fail."""
    lied = replace(KINDS["transactional"], effects=("false",))
    monkeypatch.setitem(KINDS, "transactional", lied)
    with pytest.raises(Untrue, match=r"status says .*'2': 'applied'.* there is \[False\]"):
        run_cell(grounds.shared, "kill9", "after", "transactional")
    assert outcome(grounds, Cell("kill9", "after", "transactional")).sign == "✗"
