"""What a key sets going: look, ask if there is something to lose, then tell the engine. Workers of the app run it."""

from typing import TYPE_CHECKING, Protocol

from tui.engine.connections import OtherOperator
from tui.engine.rollback import RollbackImpossible, RollbackPlan
from tui.engine.state import NextAct, RunState, StepStatus
from tui.widgets.line import wrap

from . import endings, signals, way_back
from . import questions as q
from .dialog import NO, Answer, Choice

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tui.engine.run import Run
    from tui.widgets.line import Line
    from tui.widgets.view import View


class Asker(Protocol):
    """Who puts a question to the operator: the console."""

    state: RunState

    def moment(self) -> "datetime": ...

    def view(self) -> "View": ...

    def taken_over(self) -> None: ...

    def say(self, text: str, *, bad: bool = False) -> None: ...

    async def ask(
        self,
        title: str,
        body: "Callable[[int], list[Line]]",
        choices: tuple[Choice, ...],
        *,
        prompt: str | None = None,
        text: str = "",
        accepts: "Callable[[str], str]" = ...,
        at_once: bool = False,
    ) -> Answer: ...


def _reason(text: str) -> str:
    return "" if text.strip() else "a reason is needed: it goes into the record of this night"


async def go_on(console: Asker, run: "Run") -> None:
    """``enter``: what comes next, through the gate if one is shut."""
    act = console.state.next_act()
    match act.kind:
        case "confirm_production":
            await confirm_production(console, run)
        case "busy" | "finished" | "watch":
            return
        case "take_over":
            await take_over(console, run)
        case _ if act.gates:
            await through_gate(console, run, act)
        case "repair":
            await repair(console, run, act)
        case "run_step" if _first_on_production(console.state):
            if await _sure_of_production(console, act):
                await run.go_on()
        case _:
            await run.go_on()


def _first_on_production(state: RunState) -> bool:
    """Nothing was tried yet, and this is where it would hurt."""
    untouched = all(s.status is StepStatus.PENDING for s in state.steps) and state.script is None
    return untouched and state.opened is not None and state.opened.target.production


async def _sure_of_production(console: Asker, act: NextAct) -> bool:
    assert act.step is not None
    step = console.state.step(act.step)
    answer = await console.ask(
        f"Run {step.plan.id}, the first step, on PRODUCTION?",
        lambda width: [*q.production_lines(console.state, width)[:2], *wrap(step.plan.title, width, "strong")],
        (Choice(NO, "No, not yet", "harmless"), Choice("run", f"Run {step.plan.id}", "danger")),
    )
    return not answer.no


async def confirm_production(console: Asker, run: "Run") -> None:
    """The name of the production database, typed."""
    opened = console.state.opened
    if opened is None:
        return
    name = opened.target.database
    answer = await console.ask(
        "Production",
        lambda width: q.production_lines(console.state, width),
        (Choice(NO, "Only look", "harmless"), Choice("work", "Work on it", "danger", needs_text=True)),
        prompt="the database's name",
        accepts=lambda text: "" if text == name else "that is not its name",
        at_once=True,
    )
    if not answer.no:
        await run.confirm_production(answer.text)


async def take_over(console: Asker, run: "Run") -> None:
    """Nobody has the watched run in hand any more: it becomes ours, if nobody is faster."""
    holder = console.view().holder
    answer = await console.ask(
        "Take the run in hand?",
        lambda width: q.take_over_lines(console.state, holder, width),
        (Choice(NO, "No, go on watching", "harmless"), Choice("take", "Take it in hand")),
    )
    if answer.no:
        return
    try:
        await run.take_over()
    except OtherOperator as faster:
        console.say(f"somebody was faster: {faster}; you go on watching", bad=True)
        return
    console.taken_over()


async def repair(console: Asker, run: "Run", act: NextAct) -> None:
    """What an earlier try left behind is shown with the SQL that takes it away, and only then taken away."""
    assert act.step is not None
    step_id = act.step
    answer = await console.ask(
        f"Repair and go on with {step_id}?",
        lambda width: q.repair_lines(console.state.step(step_id), width),
        (Choice(NO, "No, leave it", "harmless"), Choice("repair", f"Repair and go on with {step_id}", "danger")),
    )
    if not answer.no:
        await run.go_on()


async def through_gate(console: Asker, run: "Run", act: NextAct) -> None:
    """A closed gate: what is open, and a way past it that needs a reason."""
    if not act.gate_ids:
        console.say("; ".join(act.gates) + ": p lets it go on")
        return
    answer = await console.ask(
        "Not yet",
        lambda width: q.gate_lines(act, console.state, width),
        (Choice(NO, "Stay", "harmless"), Choice("past", "Go on all the same", "danger", needs_text=True)),
        prompt="why it is right to go on all the same",
        accepts=_reason,
    )
    if not answer.no:
        await run.override(act.gate_ids, answer.text)


async def override(console: Asker, run: "Run") -> None:
    """``o``: the same question, asked for by name."""
    act = console.state.next_act()
    if act.gates:
        await through_gate(console, run, act)
    else:
        console.say("nothing is in the way")


async def note(console: Asker, run: "Run", item_id: str) -> None:
    """``n``: a tick with a note."""
    item = console.state.item(item_id)
    answer = await console.ask(
        "Note",
        lambda width: wrap(item.plan.title, width, "strong"),
        (Choice(NO, "Leave it", "harmless"), Choice("tick", "Tick with this note")),
        prompt="for the record of this night",
        text=item.note,
        at_once=True,
    )
    if not answer.no:
        await run.tick(item_id, True, answer.text)


async def cancel(console: Asker, run: "Run") -> None:
    """``c``: at once where nothing is lost by it, else after a question."""
    state, script = console.state, console.state.script
    if script is None or not script.active:
        if state.awaited is not None:
            await run.cancel()
        return
    asks = bool(script.finished) or script.started.direction == "back" or endings.exposed(state) != ""
    if script.phase != "backoff" and asks:
        answer = await console.ask(
            f"Cancel {script.started.script}?",
            lambda width: endings.cancel_lines(console.state, console.moment(), width),
            (Choice(NO, "No, go on", "harmless"), Choice("cancel", f"Cancel {script.started.script}", "danger")),
        )
        if answer.no:
            return
    await run.cancel()


async def signal(console: Asker, run: "Run", pid: int) -> None:
    """``k``: a close look at a session, then its end or that of its query."""
    await signals.signal(
        console.ask, lambda: console.view().sample, console.moment, run, pid, lambda: _next_try(console.state, pid)
    )


def _next_try(state: RunState, pid: int) -> str:
    """Between two tries nobody waits for whom we gave way to."""
    script = state.script
    if script is None or script.phase != "backoff" or not script.waits:
        return ""
    held_up = any(blocker.pid == pid for blocker in script.waits[-1].blockers)
    return f"{script.started.script} waited for it and tries again soon" if held_up else ""


async def roll_back(console: Asker, run: "Run") -> None:
    """``R``: the plan, whole or to a step; the operator may walk through what there is before saying so."""
    try:
        plan = run.plan_rollback(None)
    except RollbackImpossible as impossible:
        console.say(f"no way back: {impossible}", bad=True)
        return
    while True:
        nearer = _nearer(console.state, run, plan)
        counting = way_back.Counting(run.losses(plan))
        try:
            answer = await _which_way(console, plan, nearer, counting)
        finally:
            await counting.stop()
        if answer.choice == "other" and nearer is not None:
            plan = nearer
            continue
        if answer.choice == "back":
            await run.roll_back(plan)
        return


async def _which_way(
    console: Asker, plan: RollbackPlan, nearer: RollbackPlan | None, counting: way_back.Counting
) -> Answer:
    choices = [Choice(NO, "No, go on", "harmless")]
    if nearer is not None:
        choices.append(Choice("other", f"Only to after {nearer.to}" if nearer.to is not None else "Everything"))
    choices.append(Choice("back", way_back.confirmation(plan), "danger"))
    return await console.ask(
        way_back.rollback_title(plan),
        lambda width: way_back.rollback_lines(plan, console.state, console.moment(), width, counting),
        tuple(choices),
    )


def _nearer(state: RunState, run: "Run", plan: RollbackPlan) -> RollbackPlan | None:
    """The next plan to look at: from everything to the last step alone, then one more, and round again."""
    targets = [*state.applied[:-1][::-1], None]
    start = targets.index(plan.to) + 1 if plan.to in targets else 0
    for target in [*targets[start:], *targets[:start]]:
        if target == plan.to:
            continue
        try:
            return run.plan_rollback(target)
        except RollbackImpossible:
            continue
    return None


async def verify(console: Asker, run: "Run", verification_id: str | None) -> None:
    """``v``: the selected one, or all whose moment has come."""
    due = {v.plan.id for v in console.state.due}
    if verification_id is not None and verification_id in due:
        await run.verify(verification_id)
    elif verification_id is not None:
        console.say("its moment has not come yet")
    elif due:
        await run.verify(*(v.plan.id for v in console.state.due))
    else:
        console.say("no verification is due yet")


async def may_leave(console: Asker) -> bool:
    """``q``: True at once where nothing was begun or everything is over, else what the operator says."""
    state = console.state
    under_way = state.window_opened_at is not None and state.next_act().kind != "finished"
    if not state.busy and not under_way:
        return True
    what = state.script.started.script if state.script is not None and state.script.active else None
    leave = "Cancel it and leave" if what else "Leave"
    answer = await console.ask(
        "Leave the console?",
        lambda width: endings.quit_lines(console.state, console.moment(), width),
        (Choice(NO, "Stay", "harmless"), Choice("leave", leave, "danger")),
    )
    return not answer.no
