"""The list at the left: checklist, steps and verifications, each with its sign, its words and what is known of it."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

from tui.engine import later
from tui.engine.deadline import proof_of
from tui.engine.state import ItemState, RunState, StepState, StepStatus, VerificationState, VerificationStatus

from .batch import percent
from .line import Line, Role, spread
from .proof import badge
from .view import VERIFICATION_SIGNS, View
from .words import clock, duration, expected, grouped, running


@dataclass(frozen=True, slots=True)
class Key:
    """What a row of the list stands for."""

    kind: Literal["item", "step", "verification", "more"]
    id: str


@dataclass(frozen=True, slots=True)
class Row:
    key: Key | None
    line: Line


def outline_rows(view: View, width: int, height: int, unfolded: set[Hashable]) -> list[Row]:
    """The whole list. Done checklist lines fold to three where the list is longer than ``height``."""
    state = view.state
    sections: list[list[Row]] = []
    for phase in ("before", "during"):
        if view.state.watched is not None:
            continue
        items = [i for i in state.items if i.plan.phase == phase]
        sections.append(_items(phase, items, view, width))
    sections.append(_section("steps", [_step(s, view, width) for s in state.steps], _steps_done(view), width))
    if state.watched is not None:
        # What humans ticked and what was verified is in the record of who has the run in hand.
        return sections[0]
    checks = [_verification(v, width) for v in state.verifications]
    asked = _asked(state)
    passed = sum(v.status in (VerificationStatus.PASSED, VerificationStatus.ACCEPTED) for v in asked)
    sections.append(_section("verify", checks, passed, width, len(asked)))
    sections.append(_items("after", [i for i in state.items if i.plan.phase == "after"], view, width))
    rows = [row for section in sections for row in section]
    if len(rows) <= height or state.window_opened_at is None:
        return rows
    return [row for section in sections for row in _folded(section, view, unfolded)]


def _steps_done(view: View) -> int:
    return sum(s.status is StepStatus.APPLIED for s in view.state.steps)


def _section(title: str, rows: list[Row], done: int, width: int, count: int | None = None) -> list[Row]:
    if not rows:
        return []
    of = len(rows) if count is None else count
    heading = spread(Line(f" {title.upper()}", "strong"), Line(f"{done} of {of}  ", "dim"), width)
    return [Row(None, heading), *rows]


def _items(phase: str, items: Sequence[ItemState], view: View, width: int) -> list[Row]:
    return _section(phase, [_item(i, width) for i in items], sum(i.done for i in items), width)


def _folded(section: list[Row], view: View, unfolded: set[Hashable]) -> list[Row]:
    """What is done shrinks to its first three lines; what is open, gone past or worth a look stays."""
    keys = [row.key for row in section if row.key]
    if not keys or keys[0].kind != "item":
        return section
    phase = view.state.item(keys[0].id).plan.phase
    more = Key("more", phase)
    done = [key for key in keys if view.state.item(key.id).done]
    if more in unfolded or len(done) < 6:
        return section
    hidden = set(done[3:])
    kept = [row for row in section if row.key not in hidden]
    return [*kept, Row(more, Line(f" … {len(hidden)} more, all done", "dim"))]


def item_sign(item: ItemState) -> tuple[str, Role]:
    """The sign of a checklist line and its colour."""
    if item.asking:
        return "▶", "us"
    if item.done:
        return "✓", "good"
    if item.overridden:
        return "!", "warn"
    if item.probe is not None:
        return ("✗", "bad") if item.plan.required else ("!", "warn")
    return "○", "" if item.plan.required else "dim"


def _item(item: ItemState, width: int) -> Row:
    right = ""
    if item.done and item.at is not None:
        # A probe's time says that it was the tool: no name, and the title has the room.
        right = f"{_short(item.operator)} {clock(item.at)}" if item.plan.by == "human" else clock(item.at)
    elif item.overridden:
        right = "gone past"
    elif item.probe is not None:
        right = clock(item.probe.at)
    elif not item.plan.required:
        right = "optional"
    return _row(Key("item", item.plan.id), item_sign(item), item.plan.title, Line(right, "dim"), width)


def _short(name: str) -> str:
    return name if len(name) <= 8 else f"{name[:7]}…"


def _step(step: StepState, view: View, width: int) -> Row:
    sign = view.sign_of_step(step)
    right = Line()
    match step.status:
        case StepStatus.RUNNING if view.in_backoff:
            right.add(f"again in {view.retry_in:.0f} s", "warn")
        case StepStatus.RUNNING if view.script is None:
            # Another console's, or one that is gone; what it committed is all that is known of it.
            right.add(f"{step.completed} done" if step.completed else "runs", sign[1])
        case StepStatus.RUNNING if view.script is not None and view.script.batch is not None:
            right.add(f"{percent(view.script.batch)} %  ", sign[1]).add(running(view.elapsed), sign[1])
        case StepStatus.RUNNING:
            right.add(running(view.elapsed), sign[1])
        case StepStatus.PENDING if step.plan.not_before is not None and later.next_step(view.state) is not step:
            due = later.due_at(view.state.steps, step)
            right.add(
                f"from {due.astimezone():%Y-%m-%d}" if due else f"{later.long(step.plan.not_before)} later", "dim"
            )
        case StepStatus.PENDING:
            right.add(expected(step.plan.expected) or _rehearsed(step, view), "dim")
        case StepStatus.APPLIED:
            right.add(duration(step.seconds), "dim")
        case StepStatus.FAILED:
            right.add("to be repaired" if step.repair else "failed", "bad")
        case StepStatus.IN_DOUBT:
            right.add("in doubt", "bad")
        case StepStatus.ROLLED_BACK:
            right.add("rolled back", "warn")
    if view.state.watched is None:
        widest = max(badge(view.state, one).cells for one in view.state.steps)
        right.add("  " if right.parts else "").extend(badge(view.state, step).pad(widest))
    elif step.plan.untested:
        # Who only watches has not read the rehearsals; what the runbook lacks is known all the same.
        right.add("  " if right.parts else "").add("untested", "bad")
    return _row(Key("step", step.plan.id), sign, f"{step.plan.id} {step.plan.title}", right, width)


def _rehearsed(step: StepState, view: View) -> str:
    proof = proof_of(view.state, step.plan.id)
    return f"~{duration(proof.forward_seconds)}" if proof is not None and proof.forward_seconds is not None else ""


def _verification(verification: VerificationState, width: int) -> Row:
    sign = VERIFICATION_SIGNS[verification.status]
    right = Line()
    result = verification.result
    match verification.status:
        case VerificationStatus.RUNNING:
            right.add("running", "us")
        case VerificationStatus.PASSED if result is not None:
            right.add(_brief(result.found), "dim")
        case VerificationStatus.FAILED if result is not None:
            right.add("error" if result.error else _brief(result.found, "found "), "bad")
        case VerificationStatus.ACCEPTED:
            right.add("accepted", "warn")
        case _:
            right.add(_when(verification.plan.after), "dim")
    return _row(Key("verification", verification.plan.id), sign, verification.plan.title, right, width)


def _brief(found: str, lead: str = "") -> str:
    return f"{lead}{grouped(found)}" if len(found) <= 14 else ""


def _when(after: str) -> str:
    return {"end": "at the end", "back": "after going back"}.get(after, f"after {after}")


def _row(key: Key, sign: tuple[str, Role], title: str, right: Line, width: int) -> Row:
    role: Role = "dim" if sign[1] == "dim" else ("strong" if sign[0] in "▶◷✗?" else "")
    left = Line(" ").add(sign[0], sign[1]).add(" ").add(title, role)
    room = width - right.cells - 2
    if room < 12:
        right = right.cut(max(0, width - 14))
    return Row(key, spread(left, right.add(" "), width))


def _asked(state: RunState) -> list[VerificationState]:
    """All but those that only judge a way back that nobody went."""
    due = state.due
    return [v for v in state.verifications if v.plan.after != "back" or v in due]


def strip_line(view: View, width: int) -> Line:
    """The list as one row of signs, for a narrow screen."""
    state = view.state
    if state.watched is not None:
        line = Line(" ")
        for sign, role in (view.sign_of_step(s) for s in state.steps):
            line.add(sign, role)
        return line.add(" steps, as the ledger has them", "dim")
    groups: list[tuple[list[tuple[str, Role]], str]] = [
        ([item_sign(i) for i in state.items if i.plan.phase == "before"], "before"),
        ([view.sign_of_step(s) for s in state.steps], "steps"),
        ([VERIFICATION_SIGNS[v.status] for v in _asked(state)], "verify"),
        ([item_sign(i) for i in state.items if i.plan.phase == "after"], "after"),
    ]
    room = max(4, (width - 36) // max(1, sum(bool(signs) for signs, _ in groups)))
    line = Line(" ")
    for signs, word in groups:
        if not signs:
            continue
        if len(signs) <= room:
            for sign, role in signs:
                line.add(sign, role)
        else:
            good = sum(sign == "✓" for sign, _ in signs)
            line.add(f"{good}/{len(signs)}", "good" if good == len(signs) else "")
            for sign in "✗?!":
                found = [role for s, role in signs if s == sign]
                line.add(f" {len(found)}{sign}" if found else "", found[0] if found else "")
        line.add(f" {word}   ", "dim")
    return line
