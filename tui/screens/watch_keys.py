"""Every key of ``lockstep watch``, once: bindings, help, command palette and the row of keys are made from this."""

from collections.abc import Mapping
from dataclasses import dataclass

from tui.widgets.frame import Hint
from tui.widgets.line import Line, wrap

from .actions import Act
from .help import entry, key_lines, tree_lines

ORDERS: Mapping[str, str] = {
    "transaction": "age of transaction",
    "wait": "wait for a lock",
    "state": "time in its state",
    "pid": "pid",
    "database": "database",
    "application": "application",
}
"""The orders of the list, each with its name, as ``s`` goes through them."""

ACTS = (
    Act("detail", "enter", "Detail", "Everything about the session under the cursor."),
    Act("signal", "k", "Terminate", "Look at the session under the cursor, and end it or its query."),
    Act("fold", "space", "Unfold", "Show the sessions of the group under the cursor one by one, or fold them again."),
    Act("filter", "slash", "Filter", "Show only what matches, in the list and in the lock trees.", "/"),
    Act("unfilter", "escape", "Filter off", "Show everything again.", "esc"),
    Act("sort", "s", "Sort", "Sort the list by what comes next: " + ", ".join(ORDERS.values()) + "."),
    Act("sort_back", "S", "Sort back", "The order before this one.", "S"),
    Act("pause", "p", "Pause", "Let the picture stand still, or go on with the newest; looking never stops."),
    Act("export", "e", "Export", "Write what is shown to a file, whole: as text, CSV or JSON."),
    Act("theme", "t", "Theme", "Change between the dark and the light theme."),
    Act("help", "question_mark", "Help", "Keys, filters and signs.", "?"),
    Act("leave", "q", "Quit", "Leave; nothing is left behind at the server."),
)

_WORDS = (
    ("db:app", "the database's name has this in it"),
    ("role:web", "the role's"),
    ("app:worker", "the application_name"),
    ("state:idle", "the state: active, idle in transaction, …"),
    ("pid:4242", "exactly this session"),
    ("orders", "the query or the application_name has this in it"),
)
_MORE = (
    "All words must match, in any case. A minus before one means: not that. What has blanks or a colon stands in "
    'quotes: "order by", app:"night job". A lock tree is shown whole where any session of it matches.'
)
_READ_ONLY = "Without --act nothing can be ended from here: there is no such key, and no connection that could."


@dataclass(frozen=True, slots=True)
class Standing:
    """What the keys depend on. ``target``: whom ``k`` and ``enter`` mean; ``order``: by what is sorted."""

    known: bool = False
    acts: bool = False
    target: int | None = None
    detail: bool = False
    in_tree: bool = False
    foldable: str = ""
    filtered: bool = False
    typing: bool = False
    paused: bool = False
    order: str = "transaction"


def works(action: str, at: Standing) -> bool:
    """Whether this key does anything now."""
    if at.typing:
        return action in ("unfilter", "leave")
    needs = {
        "detail": at.detail,
        "signal": at.acts and at.target is not None,
        "fold": at.in_tree and at.foldable != "",
        "unfilter": at.filtered,
        "pause": at.known,
        "export": at.known,
    }
    return needs.get(action, True)


def hints(at: Standing) -> list[Hint]:
    """The row of keys, the most urgent first."""
    if at.typing:
        return [Hint("enter", "Filter", "keep", 0), Hint("esc", "As it was", "unfilter", 0)]
    names = list(ORDERS)
    following = names[(names.index(at.order) + 1) % len(names)]
    found = [
        Hint("k", f"Terminate {at.target}", "signal", 0),
        Hint("enter", "Detail", "detail", 1),
        Hint("space", at.foldable, "fold", 1),
        Hint("/", "Filter", "filter", 0),
        Hint("esc", "Filter off", "unfilter", 1),
        Hint("s", f"Sort by {following}", "sort", 2),
        Hint("p", "Go on" if at.paused else "Pause", "pause", 0),
        Hint("e", "Export", "export", 1),
        Hint("tab", "Pane", "app.focus_next", 3),
        Hint("?", "Help", "help", 1),
        Hint("^p", "Commands", "app.command_palette", 4),
        Hint("q", "Quit", "leave", 0),
    ]
    return [hint for hint in found if works(hint.action, at)]


def watch_help(acts: bool, width: int) -> list[Line]:
    """Keys, then what a filter understands, then the tree's signs."""
    shown = [act for act in ACTS if acts or act.action != "signal"]
    lines = [*key_lines(shown, width), Line(), Line("In a filter", "strong")]
    for word, text in _WORDS:
        lines += entry(word, "key", text, width, 12)
    lines += [*wrap(_MORE, width - 1, indent="  "), Line(), *tree_lines(width)]
    return lines if acts else [*lines, Line(), *wrap(_READ_ONLY, width - 1, "dim")]
