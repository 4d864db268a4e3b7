"""What a rehearsal found of a step and of its way back, and until when going back fits."""

from tui.engine import narrate
from tui.engine.deadline import Deadline, deadline, proof_of
from tui.engine.narrate import rehearsed_when
from tui.engine.proof import Difference, Rehearsal, StepProof
from tui.engine.proofs import stale
from tui.engine.state import RunState, StepState

from .line import Line, Role, wrap
from .view import View
from .words import clock, duration, listed, running

ROLES: dict[narrate.Badge, Role] = {
    "proven": "good",
    "schema": "warn",
    "lossy": "warn",
    "failed": "bad",
    "untested": "bad",
    "stale": "warn",
    "one-way": "warn",
}
_RANKS: dict[str, tuple[str, Role]] = {
    "lost": ("-", "bad"),
    "changed": ("~", "warn"),
    "added": ("+", "warn"),
    "order": ("~", "dim"),
}
_SOON = 300.0
"""Seconds before the moment to go back from which it is amber, or a quarter of the window where that is more."""


def badge(state: RunState, step: StepState) -> Line:
    """``proven``, ``lossy``, ``failed``, ``untested``, ``stale``, in its colour."""
    word = narrate.badge(state, step)
    # Red is for what somebody should have seen to; without any rehearsal every line would be.
    unknown = word == "untested" and state.proof is None and not step.plan.untested
    return Line(word, "warn" if unknown else ROLES[word])


def difference_lines(differences: tuple[Difference, ...], width: int, indent: str = "   ") -> list[Line]:
    """Each on rows of its own: what is lost first, then what changed, what is new, the order of columns."""
    lines = []
    for difference in sorted(differences, key=lambda one: list(_RANKS).index(one.rank)):
        sign, role = _RANKS[difference.rank]
        first, *rest = wrap(difference.words, width - len(indent) - 2, role)
        lines.append(Line(f"{indent}{sign} ", role).extend(first))
        lines += [Line(f"{indent}  ").extend(row) for row in rest]
    return lines


def proof_lines(view: View, step: StepState, width: int) -> list[Line]:
    """What is known of a step from its newest rehearsal."""
    told, proof = view.state.proof, proof_of(view.state, step.plan.id)
    missing = " and ".join(step.plan.untested)
    if view.state.watched is not None:
        return [Line(f" untested: {missing}", "bad").cut(width)] if missing else []
    if told is None or proof is None:
        text = "never rehearsed" + (f"; {missing}" if missing else "")
        return [Line(" ").extend(badge(view.state, step)).add(f": {text}", "warn").cut(width)]
    lines = [*_verdict(view, step, proof, told.rehearsal, width)]
    if missing:
        lines += wrap(f"untested: {missing}", width - 1, "bad", indent=" ")
    for red in proof.red:
        lines += wrap(f"verification in rehearsal: {red}", width - 1, "bad", indent="   ", limit=4)
    for way in told.rehearsal.ways_back:
        if way.after == step.plan.id and way.again:
            lines.append(Line("   taken back and forward again it did not end as the first time:", "warn").cut(width))
            lines += difference_lines(way.again, width, "     ")
    took = _durations(proof)
    if took and len(lines) == 1 and lines[0].cells + len(took) + 3 <= width:
        return [lines[0].add(f"   {took}", "dim")]
    return [*lines, Line(f"   rehearsed {took}", "dim").cut(width)] if took else lines


def _verdict(view: View, step: StepState, proof: StepProof, rehearsal: Rehearsal, width: int) -> list[Line]:
    when = rehearsed_when(rehearsal, view.now)
    word = narrate.badge(view.state, step)
    head = Line(" ").extend(badge(view.state, step))
    if word == "stale":
        changed = listed(stale(view.runbook, proof)) if view.runbook is not None else ""
        first, *rest = wrap(f"{changed or 'a script'} changed since it was rehearsed {when}", width - 8)
        lines = [head.add(": ").extend(first), *(Line("   ").extend(row) for row in rest)]
        return [*lines, *wrap(f"then: {_then(proof)}", width - 1, "dim", indent="   ", limit=4)]
    if word == "lossy":
        head.add(f" {when}: going back does not end where it began")
        return [head.cut(width), *difference_lines(proof.differences, width)]
    if word == "failed" and proof.error:
        return [head.add(f" {when}:").cut(width), *wrap(proof.error, width - 1, "bad", indent="   ", limit=8)]
    if proof.state == "pending":
        return [head.add(f": the rehearsal {when} did not come so far").cut(width)]
    if word == "one-way":
        return wrap(f"one-way: rehearsed {when}; after it there is no way back", width - 1, "warn", indent=" ")
    if proof.rollback == "missing":
        return [head.add(f": no way back was there in the rehearsal {when}").cut(width)]
    if word == "untested":
        return [Line(" ").add(f"its way back was {proof.rollback} {when}").cut(width)]
    if word == "schema":
        return wrap(f"schema: proven without rows {when}", width - 1, "warn", indent=" ")
    return [head.add(f" {when}").cut(width)]


def _then(proof: StepProof) -> str:
    if proof.error:
        return f"failed: {proof.error}"
    if proof.differences:
        return f"{proof.rollback}: {'; '.join(difference.words for difference in proof.differences)}"
    return proof.rollback


def _durations(proof: StepProof) -> str:
    """``forward 6.2 s, back 3.0 s``."""
    known = (("forward", proof.forward_seconds), ("back", proof.rollback_seconds))
    return ", ".join(f"{way} {duration(seconds)}" for way, seconds in known if seconds is not None)


def deadline_role(view: View, limit: Deadline) -> Role:
    """Amber in time, red when it is past."""
    if limit.at is None:
        return "warn"
    left = (limit.at - view.now).total_seconds()
    window = view.state.opened.window if view.state.opened is not None else 0.0
    if left < 0:
        return "badge-bad"
    return "warn" if left < max(_SOON, window / 4) else ""


def deadline_line(view: View, *, brief: bool = False) -> Line:
    """``roll back by 02:09 (26:30 from now)``, for the header; empty where nothing is to be taken back."""
    state = view.state
    limit = deadline(state)
    if limit is None:
        return Line() if brief else _to_come(view)
    role = deadline_role(view, limit)
    if limit.at is None:
        return Line("roll back by ?" if brief else f"roll back by unknown: {limit.unknown}", role)
    left = (limit.at - view.now).total_seconds()
    stale_word = Line(" stale", "warn") if limit.stale else Line()
    if left < 0:
        return Line(f"roll back by {clock(limit.at)}: {running(-left)} PAST", role).extend(stale_word)
    line = Line(f"roll back by {clock(limit.at)}", role)
    return line.extend(stale_word) if brief else line.add(f" ({running(left)} from now)", "dim").extend(stale_word)


def _to_come(view: View) -> Line:
    """Before anything is applied: what will hold once the first step is."""
    act = view.state.next_act()
    limit = deadline(view.state, act.step) if act.kind == "run_step" and act.step is not None else None
    if limit is None or limit.at is None:
        return Line()
    return Line(f"after {limit.after}: roll back by {clock(limit.at)}", "dim")


def margin_words(limit: Deadline) -> str:
    """``8.1 s in rehearsal, × 3 as the tables are larger here, margin 30 s``."""
    larger = f", × {limit.scale:.3g} as the tables are larger here" if limit.scale > 1.05 else ""
    return f"{duration(limit.back)} in rehearsal{larger}, margin {_margin(limit.margin)}"


def _margin(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else duration(seconds)


def margin_lines(view: View, step: StepState, width: int) -> list[Line]:
    """How the moment to go back from here comes about: of the last step that is there, and of those to come."""
    present = view.state.present
    if step.plan.id in present[:-1]:
        return []
    limit = deadline(view.state, step.plan.id)
    if limit is None:
        return []
    once = "" if step.plan.id in present else f"once {step.plan.id} is applied, "
    if limit.at is None:
        return wrap(f"{once}roll back by unknown: {limit.unknown}", width - 1, "warn", indent=" ")
    text = f"{once}roll back by {clock(limit.at, seconds=True)}: going back took {margin_words(limit)}"
    return wrap(text, width - 1, "dim", indent=" ")
