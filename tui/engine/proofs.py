"""Rehearsals as they are kept on this machine, and which parts of them still hold."""

import hashlib
import os
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.paths import state_root
from tui.postgres.queries import load
from tui.postgres.rows import safe
from tui.postgres.session import PgSession
from tui.runbook.inclusion import RUNBOOK_FILE
from tui.runbook.model import Runbook, Script, Step

from .proof import Rehearsal, StepProof, TableSize

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_KEPT = 20
"""Rehearsals that are kept of a runbook."""


@cache
def _adapter() -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(Rehearsal)


def to_json(rehearsal: Rehearsal) -> bytes:
    """As one line of JSON, without the line's end."""
    return bytes(_adapter().dump_json(rehearsal))


def keep(rehearsal: Rehearsal) -> Path:
    """Writes it where ``newest`` finds it, whole or not at all, and lets go of the oldest. Raises OSError."""
    directory = _directory(rehearsal.runbook)
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / f"{rehearsal.at:%Y%m%dT%H%M%S%f}.json"
    with tempfile.NamedTemporaryFile(dir=directory, suffix=".part", delete=False) as file:
        file.write(to_json(rehearsal) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
    for old in sorted(directory.glob("*.json"))[:-_KEPT]:
        old.unlink(missing_ok=True)
    return path


def newest(runbook: str) -> Rehearsal | None:
    """The last rehearsal of this runbook on this machine that can be read."""
    for path in sorted(_directory(runbook).glob("*.json"), reverse=True):
        try:
            found: Rehearsal = _adapter().validate_json(path.read_bytes())
        except (OSError, ValueError):
            continue
        return found
    return None


def _directory(runbook: str) -> Path:
    return state_root() / "rehearsals" / runbook


def for_others(rehearsal: Rehearsal) -> Rehearsal:
    """The same for others to read: what may quote rows stays on the machine where it was rehearsed.

    That is a script's notices, what the server said of a failure, and what a verification found.
    """
    steps = tuple(
        replace(
            step,
            statements=tuple(replace(measure, notices=()) for measure in step.statements),
            red=tuple(red.partition(": expected ")[0] for red in step.red),
            error=_place(step.error),
        )
        for step in rehearsal.steps
    )
    ways = tuple(replace(way, error=_place(way.error)) for way in rehearsal.ways_back)
    return replace(rehearsal, steps=steps, ways_back=ways)


def _place(error: str) -> str:
    """``rollback/004.sql:12: DROP TYPE`` of all that was said."""
    return ": ".join(error.split(": ")[:2])


def scripts_of(runbook: Runbook, step: Step) -> tuple[tuple[str, str], ...]:
    """By name, the hashes of what a step's proof stands for: all that runs up to it, and all that may undo that.

    A way back was tried from what the steps before had made. How a script is run counts as well as its text.
    """
    position = [one.id for one in runbook.steps].index(step.id)
    found: dict[str, str] = {}
    for number, one in enumerate(runbook.steps[: position + 1]):
        how = f"{number} {one.transaction} {one.batch}"
        found[_name(one.sql, f"step {one.id}")] = _hash(one.sql, how)
        if one.rollback is not None:
            found[_name(one.rollback, f"rollback {one.id}")] = _hash(one.rollback, how)
        for rollback in runbook.rollbacks:
            if one.id in rollback.undoes:
                found[_name(rollback.sql, f"rollback {rollback.id}")] = _hash(rollback.sql, " ".join(rollback.undoes))
    return tuple(sorted(found.items()))


def _name(script: Script, otherwise: str) -> str:
    """Inline SQL has no file of its own, and the line that it stands on is no name."""
    return otherwise if script.name.startswith(f"{RUNBOOK_FILE}:") else script.name


def _hash(script: Script, how: str) -> str:
    return hashlib.sha256(f"{script.sha256} {how}".encode()).hexdigest()


def stale(runbook: Runbook, proof: StepProof) -> tuple[str, ...]:
    """The names of the scripts that are not what was rehearsed any more."""
    step = next((one for one in runbook.steps if one.id == proof.step), None)
    if step is None:
        return ()
    then, now = dict(proof.scripts), dict(scripts_of(runbook, step))
    return tuple(sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name)))


async def sizes(session: PgSession) -> tuple[TableSize, ...]:
    """Every relation of the user's by its size. Raises StatementFailed, ConnectionLost."""
    answer = await session.ask(load("proof/sizes"))
    return tuple(
        TableSize(safe(name or ""), int(size or 0), None if rows is None else int(rows), index == "t")
        for name, size, rows, index in answer.rows
    )
