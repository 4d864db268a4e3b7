"""The one main screen, fed only by data: a state, a sample, a clock. What the operator wants goes out as messages."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.widget import Widget

from tui.engine import events as e
from tui.engine.facts import Holder
from tui.engine.sample import Sample
from tui.engine.state import RunState, ScriptState, VerificationStatus
from tui.runbook.model import Runbook
from tui.widgets.frame import Divider, KeyBar, Rule
from tui.widgets.gauges import History
from tui.widgets.header import header_lines
from tui.widgets.line import Line
from tui.widgets.lines import CursorLines, Lines
from tui.widgets.locks import LockPane
from tui.widgets.outline import Key, strip_line
from tui.widgets.outline_pane import OutlinePane
from tui.widgets.panel import panel_lines
from tui.widgets.view import View

from . import flows
from .actions import ACTS
from .held import HeldKey
from .help import console_help
from .home import HIGH, LOW, NARROW, Home
from .keys import acts, hints, may_signal, watching, works
from .leading import gate, next_line
from .messages import Command, TakenOver
from .session import SessionScreen

if TYPE_CHECKING:
    from tui.engine.run import Run


class ConsoleScreen(Home):
    """Give it states with ``show_state`` and samples with ``show_sample``; it asks nobody for anything else."""

    CSS_PATH = "console.tcss"
    AUTO_FOCUS = "#outline"
    BINDINGS: ClassVar[list[BindingType]] = [act.bound("console") for act in ACTS]
    acts = ACTS

    def __init__(
        self, runbook: Runbook | None, clock: Callable[[], datetime] = e.now, held: HeldKey | None = None
    ) -> None:
        super().__init__(clock, held)
        self.state = RunState()
        self._runbook = runbook
        self._sample: Sample | None = None
        self._before: RunState | None = None
        self._scripts: dict[str, ScriptState] = {}
        self._history = History()
        self._chosen = False
        self._holder: Holder | None = None
        self._list_wanted: bool | None = None

    # What stands where

    def compose(self) -> ComposeResult:
        yield Lines(id="header")
        yield Lines(id="strip")
        yield Rule(id="rule-top", mark="┬")
        with Container(id="body"):
            yield OutlinePane(id="outline")
            yield Divider(id="divider")
            with Vertical(id="right"):
                yield Lines(id="step")
                yield Rule(id="rule-locks")
                yield LockPane(id="locks")
                yield Rule(id="rule-gauges")
                yield Lines(id="gauges")
        yield Rule(id="rule-bottom", mark="┴")
        yield KeyBar(id="keys")

    def on_mount(self) -> None:
        for name in ("header", "strip", "gauges"):
            self.query_one(f"#{name}", Lines).can_focus = False
        self.query_one("#header", Lines).show(lambda width: header_lines(self.view(), width))
        self.query_one("#strip", Lines).show(lambda width: [strip_line(self.view(), width)])
        self.query_one("#gauges", Lines).show(self._gauges)
        self.query_one("#step", Lines).show(self._panel)
        self.set_interval(1.0, self.tick_clock)
        self._arrange(self.size.width, self.size.height)
        self.redraw()

    def on_resize(self, event: events.Resize) -> None:
        self._arrange(event.size.width, event.size.height)
        self.call_after_refresh(self.redraw)

    def _arrange(self, width: int, height: int) -> None:
        self.set_class(width < NARROW or height < LOW, "-narrow")
        self.set_class(height >= HIGH, "-high")
        outline = 44 if width < 150 else min(64, width // 3)
        self.query_one("#outline").styles.width = "100%" if self.narrow else outline
        joint = None if self.narrow else outline
        for name in ("rule-top", "rule-bottom"):
            self.query_one(f"#{name}", Rule).join_at(joint)

    @property
    def narrow(self) -> bool:
        """Too small for two columns."""
        return self.has_class("-narrow")

    @property
    def list_shown(self) -> bool:
        """On a narrow screen the list takes the body: by the operator's wish, else until the window opens."""
        if self._list_wanted is not None:
            return self._list_wanted
        # Probes run while one ticks: hiding the list for them would take the focus from it.
        script = self.state.script
        idle = script is None or not script.active
        return self.state.window_opened_at is None and self.state.watched is None and idle

    # Data in

    def view(self) -> View:
        """Everything there is to draw from, at this moment."""
        return View(
            self.state,
            self.moment(),
            self._sample,
            self._runbook,
            self._before,
            self._scripts,
            self._chosen,
            self._holder,
        )

    def show_state(self, state: RunState) -> None:
        """Another state; ``state.last`` is the event that made it."""
        was_busy, self.state = self.state.busy, state
        if state.watched is not None:
            self._holder = state.watched.holder or self._holder
        if state.script is not None:
            self._scripts[state.script.started.script] = state.script
        self._turn(state.last, was_busy)
        self.redraw()

    def show_sample(self, sample: Sample) -> None:
        """Another look at the server."""
        self._sample = sample
        self._history.limits = self.view().limits
        self._history.add(sample)
        self.redraw()

    def show_before(self, before: RunState) -> None:
        """The run as the journal knew it, when this console opened a run that was begun before."""
        self._before = before
        self.redraw()

    def tick_clock(self) -> None:
        """A second went by."""
        self.redraw()

    def _turn(self, event: e.Event | None, was_busy: bool) -> None:
        """Lead the eye to what has just come about; between such moments the cursor is the operator's."""
        outline = self.query_one(OutlinePane)
        match event:
            case e.ScriptStarted(direction="back", attempt=1):
                self.query_one("#step", Lines).scroll_home(animate=False)
            case e.ScriptStarted(direction="forward", attempt=1):
                self.query_one("#step", Lines).scroll_home(animate=False)
                self._lead(Key("step", event.script))
                self._list_wanted = None
            case e.VerificationFinished(ok=False):
                self._lead(Key("verification", event.verification), chosen=True)
            case e.ScriptFailed():
                self._lead(Key("step", event.steps[0]))
            case e.RollbackFinished() | e.RollbackPlanned():
                self._chosen = False
            case e.LedgerRead() if self.state.watched is not None and self._chosen:
                pass
            case e.WindowOpened() | e.LedgerRead():
                self._lead_to_next()
            case e.ScriptDone():
                self._chosen = False
        if was_busy and not self.state.busy:
            self._held.rest()
            self._before = None
            # Probes end while the operator ticks: the cursor must not jump from under the next `space`.
            if not self._failed() and not isinstance(event, e.ItemProbed):
                self._lead_to_next()
        if outline.cursor is None:
            self._lead_to_next()

    def _failed(self) -> bool:
        script = self.state.script
        failed = any(v.status is VerificationStatus.FAILED for v in self.state.due)
        return failed or (script is not None and script.phase == "failed")

    def _lead_to_next(self) -> None:
        wanted = next_line(self.state)
        if wanted is not None:
            self._lead(wanted[0], chosen=wanted[1])

    def _lead_to_gate(self) -> None:
        """A closed gate puts the cursor on what keeps it closed."""
        shut = gate(self.state, self.state.next_act())
        if shut is not None:
            self._lead(shut, chosen=shut.kind != "step")
            self.redraw()

    def _lead(self, key: Key, *, chosen: bool = False) -> None:
        self._chosen = chosen
        self.query_one(OutlinePane).put(key)

    # Drawing

    def redraw(self) -> None:
        """Build every pane again; only lines that differ reach the terminal."""
        if not self.is_mounted:
            return
        narrow, listed = self.narrow, self.narrow and self.list_shown
        self.set_class(listed, "-list")
        opened = self.state.opened
        self.set_class(opened is not None and opened.target.production, "-production")
        view = self.view()
        self._history.limits = view.limits
        outline = self.query_one(OutlinePane)
        outline.feed(view)
        if outline.cursor is None and outline.keys:
            self._lead_to_next()
        self.query_one(LockPane).feed(self._sample, self.state)
        for name in ("header", "strip", "gauges", "step"):
            self.query_one(f"#{name}", Lines).rebuild()
        self._share_height(narrow)
        self._frame()
        self.call_after_refresh(self._settle)

    def _share_height(self, narrow: bool) -> bool:
        """Waits give the tree what it needs; else the step or the detail has most of the room. True if it changed."""
        step, locks = self.query_one("#step", Lines), self.query_one(LockPane)
        room = max(6, self.query_one("#right").size.height - (1 if narrow else 2) - self._gauge_rows)
        tree = bool(self._sample and self._sample.tree.roots)
        if narrow and self.list_shown:
            height = max(3, self.query_one("#right").size.height - 1)
        elif tree:
            height = max(5 if narrow else 8, min(step.line_count, room - locks.line_count))
        elif self.state.busy:
            height = max(5, room - max(5, min(locks.line_count, room // 3)))
        else:
            height = max(room // 2, room - max(5, min(locks.line_count, room // 3)))
        if step.styles.height is not None and step.styles.height.value == height:
            return False
        step.styles.height = height
        return True

    def _frame(self) -> None:
        focused = self.focused
        self.query_one("#rule-locks", Rule).light(isinstance(focused, LockPane))
        self.query_one(KeyBar).offer(hints(self.view(), self._selected(), self._target(), self.narrow, self._in_locks))

    def _settle(self) -> None:
        """What depends on the layout that the last drawing led to."""
        if self._share_height(self.narrow):
            self.call_after_refresh(self._settle)
            return
        rules: list[Widget] = [self.query_one("#rule-locks"), self.query_one("#rule-gauges")]
        self.query_one(Divider).meet(rules)

    @property
    def _gauge_rows(self) -> int:
        """As many as the style sheet gives them."""
        return max(1, self.query_one("#gauges").size.height)

    def _gauges(self, width: int) -> list[Line]:
        return self._history.lines(width, self.moment(), self._gauge_rows)

    def _panel(self, width: int) -> list[Line]:
        right = self.query_one("#right")
        room = max(5, (right.size.height - 3) // 2) if not self.narrow else max(5, right.size.height // 2)
        return panel_lines(self.view(), self._selected(), width, room)

    # What is selected

    def _selected(self) -> Key | None:
        return self.query_one(OutlinePane).selected

    @property
    def _in_locks(self) -> bool:
        return isinstance(self.focused, LockPane) and self.query_one(LockPane).selected is not None

    def _target(self) -> int | None:
        """Whom ``k`` means: the session under the cursor, else the first that blocks us."""
        pane = self.query_one(LockPane)
        if isinstance(self.focused, LockPane) and pane.selected is not None:
            return None if pane.selected.ours else pane.selected.pid
        blockers = self._sample.tree.blockers if self._sample is not None else ()
        script = self.state.script
        if not blockers and script is not None and script.phase == "backoff" and script.waits:
            # Between two tries nobody blocks us, but who did is still there: now is the time to see to it.
            return next((blocker.pid for blocker in script.waits[-1].blockers if blocker.pid), None)
        return next((node.pid for node in blockers if node.pid is not None), None)

    @on(CursorLines.Moved)
    def _moved(self, event: CursorLines.Moved) -> None:
        if isinstance(event.key, Key):
            self._chosen = True
        self.redraw()

    def on_descendant_focus(self) -> None:
        self.call_after_refresh(self.redraw)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key that does not work now does nothing at all."""
        return works(action, self.view(), self._selected(), self._target(), self._in_locks)

    def _command(self, group: str, work: "Callable[[Run], Awaitable[None]]") -> None:
        self.post_message(Command(group, work))

    def action_go_on(self) -> None:
        if self._in_locks:
            self.action_detail()
        elif self._held.takes():
            self._lead_to_gate()
            self._command("run", partial(flows.go_on, self))

    def on_key(self, event: events.Key) -> None:
        """While somebody else has the run in hand a key that would act says why it does not."""
        act = next((act for act in ACTS if act.key == event.key), None)
        why = watching(self.view()) if act is not None and not self.check_action(act.action, ()) else ""
        if act is not None and act.action != "summary" and why:
            self.say(why)

    def action_summary(self) -> None:
        self._chosen = False
        self.redraw()

    def action_tick(self) -> None:
        key = self._selected()
        if key is None or key.kind != "item":
            return
        item = self.state.item(key.id)
        if item.plan.by == "human":
            done = not item.done
            self._command(f"tick {key.id}", lambda run: run.tick(key.id, done, item.note if done else ""))
        else:
            self._command("probe", lambda run: run.probe(key.id))

    def action_note(self) -> None:
        key = self._selected()
        if key is not None:
            self._command("note", lambda run: flows.note(self, run, key.id))

    def action_cancel(self) -> None:
        self._command("cancel", partial(flows.cancel, self))

    def action_signal(self) -> None:
        pid = self._target()
        if pid is not None:
            self._command("signal", lambda run: flows.signal(self, run, pid))

    def action_pause(self) -> None:
        paused = not self.state.paused
        self._command("pause", lambda run: run.pause(paused))

    def action_roll_back(self) -> None:
        self._command("rollback", partial(flows.roll_back, self))

    def action_verify(self) -> None:
        key = self._selected()
        chosen = key.id if key is not None and key.kind == "verification" else None
        self._command("run", lambda run: flows.verify(self, run, chosen))

    def action_override(self) -> None:
        self._command("run", partial(flows.override, self))

    def action_detail(self) -> None:
        node = self.query_one(LockPane).selected
        if node is not None:
            signal = self._signal if may_signal(self.view()) else None
            self.app.push_screen(SessionScreen(node.key, lambda: self._sample, self._look_at, signal, self.moment))

    def _look_at(self, pid: int | None) -> None:
        async def work(run: "Run") -> None:
            run.look_at(pid)

        # Each in a group of its own: what closes one must not be taken for what opens the next.
        self._command(f"look at {pid}", work)

    async def _signal(self, pid: int) -> None:
        self._command("signal", lambda run: flows.signal(self, run, pid))

    def action_list(self) -> None:
        if self.narrow:
            self._list_wanted = not self.list_shown
        self.redraw()
        self.query_one(OutlinePane if not self.narrow or self.list_shown else LockPane).focus()

    def help_lines(self, width: int) -> list[Line]:
        return console_help(acts(self.view()), width)

    def taken_over(self) -> None:
        """The run that was watched is ours."""
        self.post_message(TakenOver())
