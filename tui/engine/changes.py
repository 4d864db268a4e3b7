"""Files that are no longer what they were when they were applied. Pure: ledger rows and the runbook as it is now."""

from collections.abc import Iterable
from typing import Literal

from tui.runbook.inclusion import RUNBOOK_FILE
from tui.runbook.meaning import meaning, runbook_meaning
from tui.runbook.model import Runbook, Script

from .facts import Change, LedgerStep

_SHOWN = 12
"""Hex digits of a hash that are shown: who compares them by eye needs no more."""


def changes(runbook: Runbook, rows: Iterable[LedgerStep]) -> tuple[Change, ...]:
    """What changed since these rows were written: scripts in the runbook's order, then ``runbook.toml``.

    A row counts where its step is applied, or where its script was begun and not taken back. Of a way back that was
    begun it is that script which is compared. A row without a hash tells nothing; one without a meaning, ``more``.
    """
    standing = {row.step: row for row in rows if row.applied or row.completed or row.begun is not None}
    found: list[Change] = []
    for step in runbook.steps:
        row = standing.get(step.id)
        script = _script(runbook, row) if row is not None else None
        if row is None or script is None or row.sha256 in ("", script.sha256):
            continue
        if row.undoing and any(change.file == script.name for change in found):
            continue  # one way back of several steps
        kind = _kind(row.meaning, meaning(script))
        found.append(Change(script.name, step.id, kind, row.sha256, script.sha256, row.at, not row.applied))
    known = [row for row in standing.values() if row.runbook_sha256]
    newest = max(known, key=lambda row: row.at, default=None)
    if newest is not None and newest.runbook_sha256 != runbook.toml_sha256:
        kind = _kind(newest.runbook_meaning, runbook_meaning(runbook))
        found.append(Change(RUNBOOK_FILE, "", kind, newest.runbook_sha256, runbook.toml_sha256, newest.at))
    return tuple(found)


def words(change: Change) -> str:
    """The change in one line, with the first digits of both hashes."""
    when = f"{change.applied_at:%Y-%m-%d %H:%M} UTC"
    if not change.step:
        since = f"after the last step was applied ({when})"
    elif change.partly:
        since = f"after it was begun for step {change.step} ({when})"
    else:
        since = f"after {change.step} was applied ({when})"
    what = "comments and white space alone" if change.kind == "comments" else "more than comments and white space"
    then, now = change.applied_sha256[:_SHOWN], change.sha256[:_SHOWN]
    return f"{change.file} changed {since}: {what}; sha256 {then} then, {now} now"


def _kind(then: str, now: str) -> Literal["comments", "more"]:
    return "comments" if then == now else "more"


def _script(runbook: Runbook, row: LedgerStep) -> Script | None:
    """The script that the row tells of, as it is now; None where the runbook has it no more."""
    step = runbook.step(row.step)
    if not row.undoing:
        return step.sql
    shared = next((rollback.sql for rollback in runbook.rollbacks if rollback.id == row.script), None)
    return shared or step.rollback
