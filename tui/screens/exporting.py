"""``e``: what is on the screen, whole, into a file that the operator names."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, get_args

from tui.engine import export as it
from tui.engine.export import ExportFailed, Format, Picture
from tui.widgets.line import Line, wrap
from tui.widgets.locks import whole_tree
from tui.widgets.sessions import whole_list
from tui.widgets.words import clock, counted

from .dialog import NO, Answer, Choice
from .watch_keys import ORDERS

_CHOICES = (
    Choice(NO, "No, nothing", "harmless"),
    Choice("csv", "CSV"),
    Choice("json", "JSON"),
    Choice("text", "Text"),
)


class Asker(Protocol):
    """Who puts a question to the operator: the screen."""

    def say(self, text: str, *, bad: bool = False) -> None: ...

    async def ask(
        self,
        title: str,
        body: Callable[[int], list[Line]],
        choices: tuple[Choice, ...],
        *,
        prompt: str | None = None,
        text: str = "",
        accepts: Callable[[str], str] = ...,
        at_once: bool = False,
    ) -> Answer: ...


Panes = Sequence[tuple[str, Sequence[str]]]


def panes(picture: Picture, gauges: Sequence[str], header: Sequence[Line]) -> Panes:
    """Every pane with its title, and nothing cut off."""
    from tui.widgets.progress import progress_lines

    sample = picture.sample
    running = [line.text for line in progress_lines(sample, None, 200)]
    shown, hidden = len(picture.roster.sessions), picture.roster.hidden
    title = f"SESSIONS {shown} of {counted(shown + hidden, 'session')}, by {ORDERS[picture.order]}"
    unknown = [f"{source.name}: {source.why}, since {clock(source.since)}" for source in sample.missing]
    if sample.hidden:
        unknown.append(f"{counted(sample.hidden, 'session')} of other roles, which ours may not look into")
    return [
        (f"lockstep watch at {sample.at.isoformat()}", [line.text for line in header]),
        ("GAUGES", gauges),
        ("LOCKS", whole_tree(sample.tree.sentence, picture.trees)),
        ("RUNNING", running or ["nothing that the server counts"]),
        (title, whole_list(picture.roster, picture.order)),
        ("NOT KNOWN", unknown or ["nothing: every source answered"]),
    ]


async def export(screen: Asker, picture: Picture, lines: Panes) -> None:
    """Asks for format and name, again where the file cannot be written, and says where it is."""
    name, trouble = it.default_name(picture.sample.at), ""
    while True:
        answer = await screen.ask(
            "Export what is shown",
            partial(_body, picture, trouble),
            _CHOICES,
            prompt="the file's name",
            text=name,
        )
        if answer.no:
            return
        name = answer.text
        (format,) = (one for one in get_args(Format) if one == answer.choice)
        try:
            path = it.path_of(name, format)
            await asyncio.to_thread(it.write, path, _text(picture, lines, format))
        except ExportFailed as failed:
            trouble = str(failed)
            continue
        screen.say(f"written: {path.absolute()}")
        return


def _text(picture: Picture, lines: Panes, format: Format) -> str:
    match format:
        case "csv":
            return it.as_csv(picture)
        case "json":
            return it.as_json(picture)
        case "text":
            return it.as_text(lines)


def _body(picture: Picture, trouble: str, width: int) -> list[Line]:
    shown = counted(len(picture.roster.sessions), "session")
    trees = counted(len(picture.trees), "lock tree")
    lines = wrap(f"{shown} and {trees}, as of {clock(picture.sample.at, seconds=True)}", width)
    if picture.filter:
        lines += wrap(f"the filter {picture.filter} keeps the others out of it", width, "warn")
    lines += wrap("CSV has the list of sessions, JSON and text have all that is on the screen, whole", width, "dim")
    lines += wrap("the file is for you alone; one that is there already stays as it is", width, "dim")
    return [*lines, *(wrap(trouble, width, "bad") if trouble else [])]
