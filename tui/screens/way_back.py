"""What ``R`` shows before anything happens: the scripts, whether they were tried, what they lose, whether they fit."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from datetime import datetime, timedelta

from tui.engine.deadline import deadline, scale
from tui.engine.narrate import rehearsed_when
from tui.engine.proof import Loss
from tui.engine.rollback import RollbackPlan
from tui.engine.state import RunState
from tui.widgets.line import Line, Role, fold, spread, wrap
from tui.widgets.proof import ROLES, difference_lines
from tui.widgets.words import clock, counted, duration, listed, number, running

from .endings import in_flight, one_transaction

_LABEL = 16
_MOST = 12


class Counting:
    """What a way back would drop, counted beside the question that shows it."""

    def __init__(self, losses: Awaitable[tuple[Loss, ...] | None]) -> None:
        self._task = asyncio.ensure_future(losses)

    @property
    def done(self) -> bool:
        return self._task.done()

    @property
    def found(self) -> tuple[Loss, ...] | None:
        """None where it could not be counted, or is not yet."""
        if not self._task.done() or self._task.cancelled() or self._task.exception() is not None:
            return None
        return self._task.result()

    async def stop(self) -> None:
        """Lets go of the tables that are being counted: a way back must not wait for us."""
        self._task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._task


def rollback_title(plan: RollbackPlan) -> str:
    if plan.to is not None:
        return f"Roll back to after {plan.to}?"
    if not plan.scripts:
        return f"Roll back {plan.in_flight}?"
    return f"Roll back to before {plan.undoes[-1]}?"


def verdict(plan: RollbackPlan) -> tuple[str, Role]:
    """The one word for this way back; nothing where there is no script to try."""
    if not plan.scripts:
        return "", ""
    if plan.rehearsed is None or plan.rehearsed.verdict == "missing":
        return "untested", ROLES["untested"]
    if plan.stale:
        return "stale", ROLES["stale"]
    if plan.rehearsed.verdict == "proven" and plan.without_rows:
        return "proven without rows", ROLES["schema"]
    return plan.rehearsed.verdict, ROLES[plan.rehearsed.verdict]


def confirmation(plan: RollbackPlan) -> str:
    """What the answer that goes back is called: it says when nobody knows that it will get there."""
    return {"failed": "Roll back, it failed", "untested": "Roll back untested"}.get(verdict(plan)[0], "Roll back")


def rollback_lines(
    plan: RollbackPlan, state: RunState, now: datetime, width: int, counting: Counting | None = None
) -> list[Line]:
    """The plan of a rollback, step by step, with what is and is not known of it."""
    lines = [*_script_lines(plan, state, width), *_verify(plan, state, width), *_changed(state, width)]
    if not plan.scripts:
        return lines
    known = [*_tried(plan, state, now, width), *_lost(state, width, counting), *_fits(plan, state, now, width)]
    return [*lines, Line(), *known]


def _script_lines(plan: RollbackPlan, state: RunState, width: int) -> list[Line]:
    lines: list[Line] = []
    begun = 0

    def entry(left: Line, right: Line, under: str = "") -> None:
        nonlocal begun
        begun += 1
        head = Line(f"{begun}. ", "dim").extend(left)
        whole = Line().extend(head).add(f"   {under}" if under else "")
        if whole.cells + right.cells + 2 <= width:
            lines.append(spread(whole, right, width))
            return
        first, *rest = fold(head, max(20, width - right.cells - 2), "   ")
        lines.extend([spread(first, right, width), *rest])
        lines.extend(wrap(under, width, indent="   ") if under else [])

    if plan.in_flight is not None:
        what = "" if one_transaction(state) else in_flight(state)
        told = f"cancel {plan.in_flight}, in flight" + ("" if what else ": nothing of it is committed")
        entry(Line(told), Line(), what)
    alone = len(plan.scripts) == 1
    for script in plan.scripts:
        for sql in script.repair:
            entry(Line("repair ", "warn").add(f"{sql};"), Line())
        if script.sql.statements or not script.repair:
            head = Line(f"{script.id} ", "strong").add(script.title)
            # "006 Back from …" says already whom it undoes.
            under = f"undoes {', '.join(script.undoes)}" if script.undoes != (script.id,) else ""
            entry(head, _measured(plan) if alone else Line(), under)
    if not alone and plan.scripts:
        lines.append(spread(Line("   together", "dim"), _measured(plan), width))
    return lines


def _measured(plan: RollbackPlan) -> Line:
    seconds = plan.seconds
    if seconds is None:
        return Line(*verdict(plan))
    return Line(f"~{seconds:.0f} s   " if 10 <= seconds < 100 else f"~{duration(seconds)}   ").add(*verdict(plan))


def _verify(plan: RollbackPlan, state: RunState, width: int) -> list[Line]:
    pieces = []
    whole = plan.to is None and bool(plan.scripts)
    if whole and state.before is not None and not state.before.error:
        pieces.append(f"schema identical to the one at {clock(state.before.at)}")
    if plan.verifications:
        pieces.append(counted(len(plan.verifications), "check"))
    place = sum(len(s.repair) + bool(s.sql.statements or not s.repair) for s in plan.scripts) + bool(plan.in_flight) + 1
    lines = []
    if pieces:
        lines.append(Line(f"{place}. ", "dim").add(f"verify: {', '.join(pieces)}").cut(width))
    else:
        lines.append(Line("nothing verifies that it is back: untested", "bad"))
    if whole and state.before is not None and state.before.error:
        text = f"not compared with what was there before: {state.before.error}"
        lines += wrap(text, width, "warn", indent="   ", limit=3)
    return lines


def _changed(state: RunState, width: int) -> list[Line]:
    if not state.changes:
        return []
    names = listed(tuple(change.file for change in state.changes), 3)
    accepted = "" if state.unaccepted_changes else " (accepted with a reason)"
    return wrap(f"! changed since it was applied: {names}{accepted}", width, "warn", limit=3)


def _row(label: str, told: list[Line], role: Role = "dim") -> list[Line]:
    """A label at the left, and beside it what there is to say."""
    first, *rest = told
    return [Line().column(label, _LABEL, role).extend(first), *(Line(" " * _LABEL).extend(line) for line in rest)]


def _tried(plan: RollbackPlan, state: RunState, now: datetime, width: int) -> list[Line]:
    room = width - _LABEL
    word, role = verdict(plan)
    way, told = plan.rehearsed, state.proof
    if way is None or told is None or word == "untested":
        return _row(word, wrap(_why_untested(state), room, role), role)
    when = rehearsed_when(told.rehearsal, now)
    if way.verdict == "failed":
        lines = _row("failed", wrap(when, room, role), "bad")
        lines += wrap(way.error, width, "bad", indent="  ", limit=8)
    elif way.differences:
        begins = "it does not end where it began" if plan.to is None else f"it does not end as after {plan.to}"
        lines = _row("lossy", wrap(f"{when}: {begins}", room, "warn"), "warn")
        lines += difference_lines(way.differences, width, "  ")
    else:
        factor = scale(state, way.after)
        took = f", {duration(way.seconds)} there" if way.seconds is not None else ""
        larger = f", × {factor:.3g} as the tables are larger here" if factor is not None and factor > 1.05 else ""
        lines = _row("rehearsed", wrap(f"{when}{took}{larger}", room))
    if plan.stale:
        lines += _row(
            "stale", wrap("its scripts have changed since then: nobody has tried them so", room, "warn"), "warn"
        )
    return lines


def _why_untested(state: RunState) -> str:
    if state.proof is None:
        return "this runbook was never rehearsed: nobody has tried this way back"
    if any(step.half for step in state.steps):
        return "from a step that is half done nobody has tried it"
    return "this way back, with these scripts, was not rehearsed"


def _lost(state: RunState, width: int, counting: Counting | None) -> list[Line]:
    if counting is None:
        return []
    room = width - _LABEL
    if not counting.done:
        return _row("would be lost", [Line("counting …", "dim")])
    found = counting.found
    if found is None:
        why = "it could not be counted now"
        if state.before is None:
            why = "what was there before the first step was not kept"
        elif state.before.error:
            why = "what was there before the first step could not be read"
        return _row("would be lost", wrap(f"not known: {why}", room, "warn"))
    if not found:
        return _row("would be lost", [Line("nothing that is counted")])
    told: list[Line] = []
    carried = [f"{loss.name} ({number(loss.count)})" if loss.count else loss.name for loss in found if loss.carried]
    found = tuple(loss for loss in found if not loss.carried)
    written = [loss for loss in found if not _own(loss)]
    for loss in written[:_MOST]:
        told += wrap(_loss(loss, state), room, "warn", limit=3)
    if len(written) > _MOST:
        told.append(Line(f"… and {len(written) - _MOST} more tables and columns", "warn"))
    lines = _row("would be lost", told or wrap("no more than the steps made; changes in that are not seen", room))
    own = [f"{loss.name} ({number(loss.count)})" for loss in found if _own(loss) and loss.count is not None]
    if carried:
        text = f"{listed(tuple(carried), _MOST)}: the script carries them back, as the runbook says"
        lines += _row("carried back", wrap(text, room, "dim", limit=4))
    if own:
        lines += _row("goes with it", wrap(listed(tuple(own), _MOST), room, "dim", limit=4))
    return lines


def _own(loss: Loss) -> bool:
    """There is no more of it than the step itself has made."""
    return loss.since is not None and loss.since <= 0


def _loss(loss: Loss, state: RunState) -> str:
    """``12 rows of users_new written since 01:31 (20 012 in all)``, ``users.avatar_url: 3 values``."""
    at = next((s.at for s in state.steps if s.plan.id == loss.step), None)
    noun = loss.what.removesuffix("s")
    if loss.count is None:
        return f"{loss.name}: {loss.what}, which could not be counted now"
    if loss.since is not None and loss.since > 0 and at is not None:
        if loss.what == "rows":
            whole = f" ({number(loss.count)} in all)" if loss.count != loss.since else ""
            return f"{counted(loss.since, noun)} of {loss.name} written since {clock(at)}{whole}"
        more = (
            f", {number(loss.since)} of them since {clock(at)}" if loss.count != loss.since else f" since {clock(at)}"
        )
        return f"{loss.name}: {counted(loss.count, noun)}{more}"
    return f"{loss.name}: {counted(loss.count, noun)}"


def _fits(plan: RollbackPlan, state: RunState, now: datetime, width: int) -> list[Line]:
    ends, room = state.window_ends_at, width - _LABEL
    if plan.seconds is None:
        told = wrap("not known: how long it takes was never measured", room, "warn")
        if ends is not None:
            left = (ends - now).total_seconds()
            told.append(Line(f"the window has {running(left)} left" if left > 0 else "the window is over", "dim"))
        return _row("fits", told)
    back = now + timedelta(seconds=plan.seconds)
    text = f"back by {clock(back)}"
    if ends is None:
        return _row("fits", [Line(text)])
    if back > ends:
        return _row("does not fit", wrap(f"{text}, the window ends {clock(ends)}", room, "bad"), "bad")
    limit = deadline(state)
    if limit is None or limit.at is None:
        return _row("fits", wrap(f"{text}, the window ends {clock(ends)}", room))
    if now > limit.at:
        text += f", later than the limit of {clock(limit.at)}; the window ends {clock(ends)}"
        return _row("fits", wrap(text, room, "warn"))
    return _row("fits", wrap(f"{text}, the limit is {clock(limit.at)}", room))
