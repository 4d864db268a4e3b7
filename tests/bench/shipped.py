"""The table of the runbooks that ship, as README has it: ``python tests/bench/shipped.py [--scale 1] [NAME …]``.

Each is rehearsed on its fixture on the newest server; seconds are those of that rehearsal.
"""

import argparse
import asyncio
from collections import Counter

from tui.demo import shipped
from tui.engine import places
from tui.engine.proof import Rehearsal
from tui.engine.rehearsal import Rehearsing
from tui.postgres.fingerprint import CatalogObject
from tui.runbook.load import find_runbook, load_or_refuse
from tui.runbook.model import Runbook

COUNTED = {
    "table": "table",
    "view": "view",
    "type": "type",
    "index": "index",
    "foreign key": "foreign key",
    "check": "check",
    "function": "function",
    "trigger": "trigger",
    "policy": "policy",
}
MANY = {"index": "indexes", "policy": "policies"}


def kind_of(one: CatalogObject) -> str:
    definition = dict(one.facts).get("definition", "")
    if one.kind == "constraint":
        starts = {"FOREIGN KEY": "foreign key", "CHECK": "check"}
        return next((kind for start, kind in starts.items() if definition.startswith(start)), "")
    return COUNTED.get(one.kind, "")


def counted(number: int, kind: str) -> str:
    return f"{number} {kind if number == 1 else MANY.get(kind, kind + 's')}"


async def rehearsed(runbook: Runbook, scale: float) -> tuple[Rehearsal, Counter[str]]:
    async with places.on_fixture(runbook, scale=scale, major=None, told=lambda line: None) as place:
        rehearsing = Rehearsing(runbook, place, lambda event, state: None)
        found = await rehearsing.go()
        before, after = rehearsing._first[0], rehearsing._first[-1]
    known = {(one.kind, one.on, one.name) for one in before.objects}
    made = Counter(kind_of(one) for one in after.objects if (one.kind, one.on, one.name) not in known)
    return found, made


def row(runbook: Runbook, found: Rehearsal, made: Counter[str]) -> str:
    objects = ", ".join(counted(made[kind], kind) for kind in COUNTED.values() if made[kind])
    verdicts = Counter("one-way" if runbook.step(one.step).point_of_no_return else one.rollback for one in found.steps)
    badge = ", ".join(word if len(verdicts) == 1 else f"{n} {word}" for word, n in verdicts.items())
    forward = sum(one.forward_seconds or 0.0 for one in found.steps)
    back = max((way.seconds or 0.0 for way in found.ways_back if way.to is None), default=0.0)
    name = f"[`{runbook.slug}`](sql/runbooks/{runbook.slug}/README.md)"
    cells = (
        name,
        str(len(found.steps)),
        objects,
        str(len(runbook.verifications)),
        badge,
        f"{forward:.1f} / {back:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=shipped())
    parser.add_argument("--scale", type=float, default=1.0)
    given = parser.parse_args()
    print("| Runbook | Steps | Objects made | Verifications | Way back | Seconds forward / back |")
    print("|---|--:|---|--:|---|--:|")
    for name in given.names:
        runbook, _ = load_or_refuse(find_runbook(name))
        print(row(runbook, *asyncio.run(rehearsed(runbook, given.scale))), flush=True)


if __name__ == "__main__":
    main()
