"""``e``: what is on the screen, whole, into a file that the operator names."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
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


def panes(picture: Picture, header: Sequence[str], gauges: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    """Every pane with its title, and nothing cut off."""
    from tui.widgets.progress import progress_lines

    sample = picture.sample
    running = [line.text for line in progress_lines(sample, None, 200)] or ["nothing that the server counts"]
    if why := it.unknown(sample, "progress"):
        running = [f"n/a: {why}"]
    locks = whole_tree(sample.tree.sentence, picture.trees)
    if why := it.unknown(sample, "waits"):
        locks = [f"n/a: {why}"]
    shown, hidden = len(picture.roster.sessions), picture.roster.hidden
    title = f"SESSIONS {shown} of {counted(shown + hidden, 'session')}, by {ORDERS[picture.order]}"
    sessions = whole_list(picture.roster, picture.order)
    if why := it.unknown(sample, "sessions"):
        title, sessions = "SESSIONS", [f"n/a: {why}"]
    unknown = [f"{source.name}: {source.why}, since {clock(source.since)}" for source in sample.missing]
    if sample.hidden:
        unknown.append(f"{counted(sample.hidden, 'session')} of other roles, which ours may not look into")
    return [
        (f"lockstep watch at {sample.at.isoformat()}", header),
        ("GAUGES", gauges),
        ("LOCKS", locks),
        ("RUNNING", running),
        (title, sessions),
        ("NOT KNOWN", unknown or ["nothing: every source answered"]),
    ]


async def export(screen: Asker, picture: Picture, header: Sequence[str], gauges: Sequence[str]) -> None:
    """Asks for format and name, again where the file cannot be written, and says where it is."""

    def written(path: Path, format: Format) -> None:
        # Of thousands of sessions that takes a second, in which the screen must go on.
        it.write(path, _text(picture, header, gauges, format))

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
            await asyncio.to_thread(written, path, format)
        except ExportFailed as failed:
            trouble = str(failed)
            continue
        screen.say(f"written: {path.absolute()}")
        return


def _text(picture: Picture, header: Sequence[str], gauges: Sequence[str], format: Format) -> str:
    match format:
        case "csv":
            return it.as_csv(picture)
        case "json":
            return it.as_json(picture)
        case "text":
            return it.as_text(panes(picture, header, gauges))


def _body(picture: Picture, trouble: str, width: int) -> list[Line]:
    shown = counted(len(picture.roster.sessions), "session")
    trees = counted(len(picture.trees), "lock tree")
    lines = wrap(f"{shown} and {trees}, as of {clock(picture.sample.at, seconds=True)}", width)
    if why := it.unknown(picture.sample, "sessions"):
        lines = wrap(f"who is connected is not known: {why}", width, "warn")
    if picture.filter:
        lines += wrap(f"the filter {picture.filter} keeps the others out of it", width, "warn")
    lines += wrap("CSV has the list of sessions, JSON and text have all that is on the screen, whole", width, "dim")
    lines += wrap("the file is for you alone; one that is there already stays as it is", width, "dim")
    return [*lines, *(wrap(trouble, width, "bad") if trouble else [])]
