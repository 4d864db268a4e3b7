"""Which keys work now, and what they are called now."""

from tui.engine.state import VerificationStatus
from tui.widgets.frame import Hint
from tui.widgets.outline import Key
from tui.widgets.panel import summed_up
from tui.widgets.view import View
from tui.widgets.watch import gone_words, named

from .actions import ACTS, Act

_ALWAYS = {"list", "theme", "help", "leave"}
_ACTING = {act.action for act in ACTS} - _ALWAYS
_LOOKING = _ALWAYS | {"detail", "summary"}


def acts(view: View) -> tuple[Act, ...]:
    """The keys that there are: a console that only looks has none that act."""
    watched = view.state.watched
    return tuple(act for act in ACTS if watched is None or not watched.read_only or act.action in _LOOKING)


def watching(view: View) -> str:
    """Why no key acts while somebody else has the run in hand; empty when it is ours."""
    watched = view.state.watched
    if watched is None:
        return ""
    if watched.read_only:
        return "read only: this console looks and does nothing"
    return f"{named(watched.holder)} has this run in hand: you watch" if watched.holder else gone_words(view)


def looking_only(view: View) -> bool:
    """On production, until the database's name was typed."""
    opened = view.state.opened
    return opened is None or (opened.target.production and not view.state.production_confirmed)


def may_signal(view: View) -> bool:
    """Sessions may be ended from here at all: the run is in our hand, on production by its name."""
    return view.state.watched is None and not looking_only(view)


def works(action: str, view: View, selected: Key | None, target: int | None, in_locks: bool) -> bool:
    """Whether this key does anything now; actions that are not the console's own always may."""
    if action in _ALWAYS:
        return True
    if action == "summary":
        return view.chosen and summed_up(view)
    if action == "detail":
        return in_locks
    if action == "go_on":
        return in_locks or _enter(view) != ""
    if view.state.watched is not None and action in _ACTING:
        return False
    needs_hand = {
        "tick": _can_tick,
        "note": _can_note,
        "cancel": lambda view, key: view.script is not None or view.state.awaited is not None,
        "signal": lambda view, key: target is not None,
        "pause": lambda view, key: view.state.window_opened_at is not None and view.state.next_act().kind != "finished",
        "roll_back": _can_roll_back,
        "verify": _can_verify,
        "override": _can_override,
    }
    check = needs_hand.get(action)
    return True if check is None else not looking_only(view) and check(view, selected)


def _can_tick(view: View, key: Key | None) -> bool:
    if key is None or key.kind != "item":
        return False
    item = view.state.item(key.id)
    return item.plan.by == "human" or not view.state.busy


def _can_note(view: View, key: Key | None) -> bool:
    return key is not None and key.kind == "item" and view.state.item(key.id).plan.by == "human"


def _can_roll_back(view: View, key: Key | None) -> bool:
    script = view.state.script
    active = script is not None and script.active
    going_back = script is not None and active and script.started.direction == "back"
    return not going_back and (bool(view.state.present) or active)


def _can_verify(view: View, key: Key | None) -> bool:
    return not view.state.busy and bool(view.state.due)


def _can_override(view: View, key: Key | None) -> bool:
    act = view.state.next_act()
    return bool(act.gate_ids) and act.kind not in ("busy", "finished")


def _enter(view: View) -> str:
    """What ``enter`` does now, in words; nothing where it does nothing."""
    act = view.state.next_act()
    shut = f" ({len(act.gates)} open)" if act.gates else ""
    match act.kind:
        case "confirm_production":
            return "Type the name to work" if view.state.opened is not None else ""
        case "open_window":
            return f"Open the window{shut}" if view.state.opened is not None else ""
        case "run_step":
            step = view.state.step(act.step or "")
            if step.completed:
                return f"Go on with {act.step}{shut}"
            again = "again " if step.status == "failed" else ""
            return f"Run {act.step} {again}".rstrip() + shut
        case "run_verifications":
            pending = any(v.status == "pending" for v in view.state.due)
            return "Verify" if pending or not view.state.uncompared else "Compare"
        case "resolve":
            return "Ask the database"
        case "repair":
            return f"Repair {act.step}{shut}"
        case "take_over":
            return "Take the run in hand"
        case _:
            return ""


def hints(view: View, selected: Key | None, target: int | None, narrow: bool, in_locks: bool) -> list[Hint]:
    """The row of keys, the most urgent first."""

    def can(action: str) -> bool:
        return works(action, view, selected, target, in_locks)

    found: list[Hint] = []
    enter = "Detail" if in_locks else _enter(view)
    if can("signal"):
        found.append(Hint("k", f"Terminate {target}", "signal", 0))
    if enter:
        found.append(Hint("enter", enter, "go_on", 0))
    if can("tick") and selected is not None:
        item = view.state.item(selected.id)
        word = ("Untick" if item.done else "Tick") if item.plan.by == "human" else "Ask again"
        found.append(Hint("space", word, "tick", 1))
    if can("note"):
        found.append(Hint("n", "Note", "note", 3))
    if can("cancel"):
        what = "Stop waiting" if view.script is None else "Cancel" if narrow else f"Cancel {_in_hand(view)}"
        found.append(Hint("c", what, "cancel", 0))
    if can("verify"):
        failed = any(v.status is VerificationStatus.FAILED for v in view.state.due)
        found.append(Hint("v", "Verify again", "verify", 1 if failed else 3))
    if can("override"):
        found.append(Hint("o", "Go on all the same", "override", 2))
    if can("pause"):
        batch = view.script is not None and view.script.batch is not None
        found.append(
            Hint("p", "Go on" if view.state.paused else "Pause", "pause", 1 if view.state.paused or batch else 3)
        )
    if can("roll_back"):
        found.append(Hint("R", "Roll back", "roll_back", 0))
    if can("summary"):
        found.append(Hint("esc", "Summary", "summary", 1))
    if narrow:
        found.append(Hint("l", "List", "list", 1))
    found.append(Hint("tab", "Pane", "app.focus_next", 4))
    found.append(Hint("?", "Help", "help", 1))
    found.append(Hint("^p", "Commands", "app.command_palette", 4))
    found.append(Hint("q", "Quit", "leave", 0))
    return found


def _in_hand(view: View) -> str:
    return view.script.started.script if view.script is not None else ""
