"""The one screen of ``lockstep watch``, fed only by data: who waits for whom, what runs, and every session."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Input

from tui.engine.export import Picture
from tui.engine.facts import Target
from tui.engine.filter import Filter, FilterRefused, parse
from tui.engine.roster import roster
from tui.engine.sample import Sample
from tui.postgres.rows import MONITOR
from tui.widgets.frame import KeyBar, Rule
from tui.widgets.gauges import History
from tui.widgets.line import Line
from tui.widgets.lines import CursorLines, Lines
from tui.widgets.locks import LockPane
from tui.widgets.sessions import SessionsPane
from tui.widgets.watch_header import Rhythm, header_lines
from tui.widgets.words import counted

from .held import HeldKey
from .home import Home
from .messages import Command
from .watch_keys import ACTS, ORDERS, Standing, hints, watch_help, works

if TYPE_CHECKING:
    from .signals import Signaller

_REMEMBERED = 240
"""Samples that are kept while the picture stands still: the gauges' last minute."""
_MEASURED = 20
"""Samples that the pace of looking is taken over."""


def _now() -> datetime:
    return datetime.now(UTC)


class WatchScreen(Home):
    """Give it samples with ``show_sample``. ``acts``: sessions may be ended from here.

    ``look_at`` asks for all locks of a session from now on, None: of none.
    """

    CSS_PATH = "watch.tcss"
    AUTO_FOCUS = "#locks"
    BINDINGS: ClassVar[list[BindingType]] = [act.bound("watch") for act in ACTS]
    acts = ACTS

    def __init__(
        self,
        wanted: Filter,
        *,
        may_act: bool,
        look_at: Callable[[int | None], None],
        clock: Callable[[], datetime] = _now,
        held: HeldKey | None = None,
    ) -> None:
        super().__init__(clock, held)
        self.target: Target | None = None
        self.filter = wanted
        self.order = "transaction"
        self.picture: Picture | None = None
        """What is drawn; while it stands still samples go on coming."""
        self.newest: Sample | None = None
        self._may_act = may_act
        self._look_at = look_at
        self._history = History()
        self._unseen: deque[Sample] = deque(maxlen=_REMEMBERED)
        self._paused_since: datetime | None = None
        self._looks: deque[tuple[datetime, float]] = deque(maxlen=_MEASURED)

    # What stands where

    def compose(self) -> ComposeResult:
        yield Lines(id="header")
        yield Lines(id="gauges")
        yield Rule(id="rule-locks")
        yield LockPane(id="locks")
        yield Rule(id="rule-progress")
        yield Lines(id="progress")
        yield Rule(id="rule-sessions")
        yield Lines(id="columns")
        yield SessionsPane(id="sessions")
        with Horizontal(id="filter"):
            yield Lines(id="filter-name")
            yield Input(id="filter-input", compact=True, max_length=500, select_on_focus=False)
            yield Lines(id="filter-said")
        yield KeyBar(id="keys")

    def on_mount(self) -> None:
        for name in ("header", "gauges", "progress", "columns", "filter-name", "filter-said"):
            self.query_one(f"#{name}", Lines).can_focus = False
        self.query_one("#header", Lines).show(self._header)
        self.query_one("#gauges", Lines).show(self._gauges)
        self.query_one("#progress", Lines).show(self._progress)
        self.query_one("#columns", Lines).show(lambda width: [self.query_one(SessionsPane).head(width, self.order)])
        self.query_one("#filter-name", Lines).show(lambda width: [Line(" filter ", "key")])
        self.query_one("#filter-said", Lines).show(self._said)
        self.query_one("#rule-progress", Rule).entitle(Line("RUNNING", "strong"))
        self.query_one("#filter-input", Input).can_focus = False
        self.set_interval(1.0, self.redraw)
        self.redraw()

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self.redraw)

    # Data in

    def show_sample(self, sample: Sample, target: Target | None) -> None:
        """Another look at the server, which is ``target``."""
        self.newest = sample
        self.target = target or self.target
        if any(source.name == MONITOR for source in sample.missing):
            # Without a connection there was no look whose cost could be told.
            self._looks.clear()
        else:
            self._looks.append((sample.at, sample.cost))
        if self._paused_since is None:
            self._history.add(sample)
            self._see(sample)
        else:
            self._unseen.append(sample)
        self.redraw()

    def _see(self, sample: Sample) -> None:
        """Make the picture of this sample by the present filter and order."""
        self.picture = Picture(
            sample,
            roster(sample, self.filter, self.order),
            self.filter.kept(sample.tree.roots),
            self.target,
            self.filter.text,
            self.order,
            self._paused_since,
        )

    # Drawing

    def redraw(self) -> None:
        """Build every pane again; only lines that differ reach the terminal."""
        if not self.is_mounted:
            return
        picture = self.picture
        locks = self.query_one(LockPane)
        if picture is None:
            locks.feed(None, None)
        else:
            tree = replace(picture.sample.tree, roots=picture.trees)
            locks.feed(replace(picture.sample, tree=tree), None, acts=self._may_act)
            self.query_one(SessionsPane).feed(picture.roster, self._instead(picture))
        self._share_height()
        for name in ("header", "gauges", "progress", "columns", "filter-said"):
            self.query_one(f"#{name}", Lines).rebuild()
        self._frame()

    def _instead(self, picture: Picture) -> str:
        """What stands in the place of a list that is empty: an unknown one is not one of nobody."""
        missing = {source.name: source.why for source in picture.sample.missing}
        if MONITOR in missing:
            return "n/a: the monitor has no connection"
        if picture.roster.sessions:
            return ""
        if "activity" in missing:
            return f"n/a: {missing['activity']}"
        return "nobody matches the filter" if picture.roster.hidden else "no session but ours"

    def _share_height(self) -> None:
        """The trees have what they need up to half of the room, the list the rest."""
        height = self.size.height
        gauges = 1 if height < 30 else 2 if height < 50 else 3
        progress = self._progress(max(1, self.size.width - 1))
        running = min(len(progress), 2 if height < 30 else 8)
        self.set_class(bool(running), "-progress")
        room = height - gauges - 6 - (running + 1 if running else 0) - self.has_class("-typing")
        trees = self.query_one(LockPane).line_count
        for name, rows in (("gauges", gauges), ("progress", running), ("locks", max(3, min(trees, room // 2)))):
            pane = self.query_one(f"#{name}")
            if pane.styles.height is None or pane.styles.height.value != rows:
                pane.styles.height = rows

    def _frame(self) -> None:
        for name in ("locks", "sessions"):
            self.query_one(f"#rule-{name}", Rule).light(self.query_one(f"#{name}").has_focus)
        self.query_one("#rule-locks", Rule).entitle(Line("LOCKS", "strong"))
        self.query_one("#rule-sessions", Rule).entitle(self._list_title())
        self.query_one(KeyBar).offer(hints(self._standing()))

    def _list_title(self) -> Line:
        title = Line("SESSIONS", "strong")
        shown, hidden = (len(self.picture.roster.sessions), self.picture.roster.hidden) if self.picture else (0, 0)
        if shown or hidden:
            title.add(f"  {shown} of {counted(shown + hidden, 'session')}" if hidden else f"  {shown}")
            title.add(f" by {ORDERS[self.order]}", "dim")
        return title

    def _header(self, width: int) -> list[Line]:
        return header_lines(self.target, self.picture, self._rhythm(), self.moment(), self._may_act, width)

    def _rhythm(self) -> Rhythm:
        """As measured over the last looks."""
        if not self._looks:
            return Rhythm()
        spent = sum(cost for _, cost in self._looks) / len(self._looks)
        between = (self._looks[-1][0] - self._looks[0][0]).total_seconds()
        return Rhythm(spent, between / (len(self._looks) - 1) if len(self._looks) > 1 else None)

    def _gauges(self, width: int) -> list[Line]:
        return self._history.lines(width, self._gauged_at(), max(1, self.query_one("#gauges").size.height))

    def _gauged_at(self) -> datetime:
        """What stands still is as old as it is, not older by the second."""
        return self.moment() if self._paused_since is None else self._paused_since

    def _progress(self, width: int) -> list[Line]:
        if self.picture is None or not self.picture.sample.progress:
            return []
        from tui.widgets.progress import progress_lines

        return progress_lines(self.picture.sample, None, width)

    def _said(self, width: int) -> list[Line]:
        """What is wrong with the filter that is being typed, or what it would show."""
        typed = self.query_one("#filter-input", Input).value
        try:
            wanted = parse(typed)
        except FilterRefused as refused:
            return [Line(str(refused), "bad").cut(width)]
        if self.picture is None or not wanted:
            return [Line("db: role: app: pid: state: or text; - negates", "dim").cut(width)]
        found = roster(self.picture.sample, wanted, self.order)
        shown, trees = len(found.sessions), len(wanted.kept(self.picture.sample.tree.roots))
        total = counted(shown + found.hidden, "session")
        return [Line(f"shows {shown} of {total}, {counted(trees, 'lock tree')}", "dim" if shown else "warn").cut(width)]

    # What is selected

    def _standing(self) -> Standing:
        locks, sessions = self.query_one(LockPane), self.query_one(SessionsPane)
        in_tree = locks.has_focus
        node = locks.selected if in_tree else None
        target = node.pid if node is not None else sessions.selected if sessions.has_focus else None
        return Standing(
            known=self.picture is not None,
            acts=self._may_act,
            target=target,
            detail=target is not None or node is not None,
            in_tree=in_tree,
            foldable=locks.foldable if in_tree else "",
            filtered=bool(self.filter),
            typing=self.has_class("-typing"),
            paused=self._paused_since is not None,
            order=self.order,
        )

    @on(CursorLines.Moved)
    def _moved(self) -> None:
        # A key must not wait until thousands of rows are made anew: only what it leads to is drawn.
        self._frame()

    def on_descendant_focus(self) -> None:
        field = self.query_one("#filter-input", Input)
        if self.has_class("-typing") and self.focused is not field:
            # Whoever goes elsewhere has not kept the filter.
            self.set_class(False, "-typing")
            field.can_focus = False
        self.call_after_refresh(self._frame)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key that does not work now does nothing at all."""
        if action == "keep":
            return self.has_class("-typing")
        return works(action, self._standing()) if self.is_mounted else True

    def help_lines(self, width: int) -> list[Line]:
        return watch_help(self._may_act, width)

    def action_detail(self) -> None:
        from .session import SessionScreen

        node = self.query_one(LockPane).selected if self.query_one(LockPane).has_focus else None
        key = node.key if node is not None else self.query_one(SessionsPane).selected
        if key is not None:
            signal = self._signal if self._may_act else None
            still = self._paused_since is not None
            self.app.push_screen(SessionScreen(key, self._shown, self._look_at, signal, self.moment, still=still))

    def _shown(self) -> Sample | None:
        return self.picture.sample if self.picture is not None else None

    async def _signal(self, pid: int) -> None:
        """From the detail, whose own worker this runs in."""
        self.post_message(Command("signal", lambda lookout: self._end(lookout, pid)))

    def action_signal(self) -> None:
        pid = self._standing().target
        if pid is not None:
            self.post_message(Command("signal", lambda lookout: self._end(lookout, pid)))

    async def _end(self, lookout: "Signaller", pid: int) -> None:
        from . import signals

        await signals.signal(self.ask, lambda: self.newest, self.moment, lookout, pid)

    def action_fold(self) -> None:
        self.query_one(LockPane).toggle()
        self.redraw()

    def action_sort(self, by: int = 1) -> None:
        names = list(ORDERS)
        self.order = names[(names.index(self.order) + by) % len(names)]
        self._again()

    def action_sort_back(self) -> None:
        self.action_sort(-1)

    def _again(self) -> None:
        """The same sample, by another filter or order."""
        if self.picture is not None:
            self._see(self.picture.sample)
        self.redraw()

    def action_pause(self) -> None:
        if self._paused_since is None:
            self._paused_since = self.moment()
        else:
            self._paused_since = None
            while self._unseen:
                self._history.add(self._unseen.popleft())
            if self.newest is not None:
                self._see(self.newest)
        self._again()

    def action_export(self) -> None:
        from .exporting import export

        picture = self.picture
        if picture is not None:
            header = [line.text for line in self._header(160)]
            gauges = [line.text for line in self._history.lines(160, self._gauged_at(), 3)]
            self.post_message(Command("export", lambda _: export(self, picture, header, gauges)))

    # The filter

    def action_filter(self) -> None:
        field = self.query_one("#filter-input", Input)
        field.value = self.filter.text + (" " if self.filter else "")
        field.cursor_position = len(field.value)
        self._type(True)

    def on_key(self, event: events.Key) -> None:
        """Keys that come in one go with ``/``, before its field has the focus, are meant for it and for nothing else.

        Bindings come later than this, when the rest has passed already: so ``/`` is taken here.
        """
        field = self.query_one("#filter-input", Input)
        if not self.has_class("-typing"):
            if event.key != "slash":
                return
            self.action_filter()
        elif event.is_printable and event.character:
            field.insert_text_at_cursor(event.character)
        elif event.key == "backspace":
            field.action_delete_left()
        elif event.key == "enter":
            self.action_keep()
        else:
            return
        event.stop()

    def action_unfilter(self) -> None:
        """Out of the filter's field without a change; else off with the filter."""
        if self.has_class("-typing"):
            self._type(False)
        else:
            self.filter = Filter()
            self._again()

    @on(Input.Changed, "#filter-input")
    def _typed(self) -> None:
        """What is wrong is told at once, but nothing moves before the filter is whole."""
        self.query_one("#filter-said", Lines).rebuild()

    @on(Input.Submitted, "#filter-input")
    def action_keep(self) -> None:
        try:
            self.filter = parse(self.query_one("#filter-input", Input).value)
        except FilterRefused:
            # Why stands beside it.
            self.app.bell()
            return
        self._type(False)

    def _type(self, typing: bool) -> None:
        self.set_class(typing, "-typing")
        field = self.query_one("#filter-input", Input)
        field.can_focus = typing
        self.call_after_refresh(self.set_focus, field if typing else self.query_one(SessionsPane))
        self._again()
