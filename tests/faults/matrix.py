"""The matrix of "Never half": every fault, at every moment, of every kind of script.

``python tests/faults/matrix.py`` tries every cell and prints the table; it exits with 1 if one does not hold.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

# As a command it finds what all tests share, as it does under pytest.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from _pytest.outcomes import Skipped
from cell import FAULTS, STOPS_SERVER, Untrue, run_cell, why_not
from ground import Ground
from kinds import KINDS, MOMENTS, Moment

from tui.postgres.embedded import Installation, installations


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination."""

    fault: str
    moment: Moment
    kind: str

    def __str__(self) -> str:
        return f"{self.fault}-{self.moment}-{self.kind}"

    @property
    def why_not(self) -> str | None:
        return why_not(self.fault, self.moment, self.kind)


@dataclass(frozen=True, slots=True)
class Outcome:
    """``sign`` is what the table shows: ✓, ✗, or – where there is no such cell or it could not be tried here."""

    cell: Cell
    sign: str
    seconds: float = 0.0
    reason: str = ""


def cells() -> Iterator[Cell]:
    """All of them, those too that cannot exist."""
    for kind in KINDS:
        for fault in FAULTS:
            for moment in MOMENTS:
                yield Cell(fault, moment, kind)


class Grounds:
    """The server that all share, and the one that is stopped and started."""

    def __init__(self, installation: Installation | None = None) -> None:
        self._installation = installation
        self._stack = ExitStack()
        self.shared = self._stack.enter_context(Ground(installation, alone=False))
        self.stopped = self._stack.enter_context(Ground(installation, alone=True))

    def close(self) -> None:
        self._stack.close()

    def run(self, cell: Cell) -> float:
        """As `run_cell`, on the server that fits."""
        ground = self.stopped if cell.fault in STOPS_SERVER else self.shared
        return run_cell(ground, cell.fault, cell.moment, cell.kind)


def outcome(grounds: Grounds, cell: Cell) -> Outcome:
    if cell.why_not is not None:
        return Outcome(cell, "–", reason=cell.why_not)
    try:
        return Outcome(cell, "✓", grounds.run(cell))
    except Skipped as skipped:
        return Outcome(cell, "–", reason=str(skipped))
    except Untrue as untrue:
        return Outcome(cell, "✗", reason=str(untrue))
    except Exception as fault:
        return Outcome(cell, "✗", reason=f"the test itself failed: {type(fault).__name__}: {fault}")


def table(outcomes: Sequence[Outcome]) -> str:
    """Markdown: a row a fault and kind, a column a moment; then why cells are missing."""
    signs = {str(one.cell): one for one in outcomes}
    lines = ["| | | " + " | ".join(MOMENTS.values()) + " |", "|---|---|" + "---|" * len(MOMENTS)]
    reasons: dict[str, str] = {}
    for kind in KINDS:
        for fault, (title, _) in FAULTS.items():
            row = [signs.get(str(Cell(fault, moment, kind))) for moment in MOMENTS]
            if not any(row):
                continue
            shown = []
            for one in row:
                if one is not None and one.sign == "–":
                    number = reasons.setdefault(one.reason, str(len(reasons) + 1))
                    shown.append(f"– {number}")
                else:
                    shown.append(one.sign if one else "")
            lines.append(f"| {KINDS[kind].title} | {title} | " + " | ".join(shown) + " |")
    return "\n".join([*lines, "", *(f"{number}. {reason}" for reason, number in reasons.items())])


def wanted(only: Sequence[str]) -> list[Cell]:
    """The cells of which each of these filters FAULT/MOMENT/KIND, of which any part may be ``*``, names one."""
    return [cell for cell in cells() if not only or any(_fits(cell, one) for one in only)]


def _fits(cell: Cell, pattern: str) -> bool:
    parts = [*pattern.split("/"), "*", "*"][:3]
    return all(part in ("*", "", name) for part, name in zip(parts, (cell.fault, cell.moment, cell.kind), strict=True))


def tried(chosen: Sequence[Cell], grounds: Grounds, jobs: int) -> list[Outcome]:
    """Tries these cells, so many at a time, and beside them those that stop their server, one by one."""

    def one(cell: Cell) -> Outcome:
        found = outcome(grounds, cell)
        told = f"{found.sign} {cell} {found.seconds:.1f} s"
        print(f"{told}\n{found.reason}" if found.sign == "✗" else told, file=sys.stderr, flush=True)
        return found

    stopping = [cell for cell in chosen if cell.fault in STOPS_SERVER]
    others = [cell for cell in chosen if cell.fault not in STOPS_SERVER]
    with closing(grounds), ThreadPoolExecutor(jobs) as many, ThreadPoolExecutor(1) as alone:
        trying = [alone.submit(one, cell) for cell in stopping] + [many.submit(one, cell) for cell in others]
        try:
            return [cell.result() for cell in trying]
        finally:
            # Only after an interruption is there one that has not begun.
            for cell in trying:
                cell.cancel()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="FAULT/MOMENT/KIND", help="* stands for all")
    parser.add_argument("--server", type=int, help="the PostgreSQL to try it on, by its major version")
    parser.add_argument("--jobs", type=int, default=3, help="cells at a time")
    given = parser.parse_args(arguments)
    fitting = [one for one in installations() if given.server in (None, one.major)]
    chosen = wanted(given.only)
    if not fitting or not chosen:
        parser.error("there is no such server or cell")
    outcomes = tried(chosen, Grounds(fitting[0]), given.jobs)
    print(table(outcomes))
    held, broken = (sum(one.sign == sign for one in outcomes) for sign in "✓✗")
    print(f"\nPostgreSQL {fitting[0].version}: {held} of {held + broken} cells hold.")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
