"""The lock tree: who blocks us above, whom we block below; a sentence on top that says it in words."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.engine.sample import LockNode, Sample
from tui.postgres.rows import MONITOR

from .degraded import degraded_lines
from .groups import MOST, Group, TreeRow, followed, kind_of, tree_rows
from .line import Line, Role, spread, wrap
from .lines import CursorLines, Made
from .words import clock, counted, duration, running

if TYPE_CHECKING:
    from tui.engine.state import RunState


class LockPane(CursorLines):
    """Fed by samples; the cursor stays on its session, and is gone when the session is.

    ``state`` is that of the run whose locks these are, None where nothing is run.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.sample: Sample | None = None
        self.state: RunState | None = None
        self._acts = True
        self._rows: list[TreeRow] = []

    def on_mount(self) -> None:
        self.show(self._content)

    def feed(self, sample: Sample | None, state: "RunState | None", *, acts: bool = True) -> None:
        """Draw another sample. ``acts``: sessions may be ended from this screen."""
        self._acts = acts
        self.sample, self.state = sample, state
        self.rebuild()
        self._follow()
        self.place()

    @property
    def selected(self) -> LockNode | None:
        """The node under the cursor."""
        if self.cursor is None:
            return None
        return next((row.node for row in self._rows if row.node is not None and row.key == self.cursor), None)

    @property
    def nodes(self) -> int:
        """How many rows the tree has now."""
        return len(self._rows)

    def _follow(self) -> None:
        """What moved to another place in the tree keeps the cursor."""
        self.cursor = followed(self._rows, self.cursor)

    def action_unfold(self) -> None:
        """Show one by one what the row under the cursor holds: a group, or all that wait for a session."""
        if not isinstance(self.cursor, tuple):
            return
        before = {row.key for row in self._rows}
        if self.cursor[0] != "more":
            self.unfolded.add(self.cursor)
            self.rebuild()
        else:
            _, path, kind = self.cursor
            self.unfolded.add(path if kind is None else self.cursor)
            self.rebuild()
            new = (row for row in self._rows if row.node is not None and row.key not in before)
            shown = (row.key for row in new if row.node is not None and kind in (None, kind_of(row.node)))
            self.cursor = next(shown, None)
        self.place()

    @property
    def foldable(self) -> str:
        """What ``toggle`` does now, in a word; empty where there is nothing to fold or to unfold."""
        if not isinstance(self.cursor, tuple) or not self.cursor:
            return ""
        if self.cursor[0] == "more":
            return "Unfold"
        if any(self.cursor[:length] in self.unfolded for length in range(1, len(self.cursor) + 1)):
            return "Fold"
        grouped = any(row.group is not None and row.path == self.cursor for row in self._rows)
        if grouped:
            return "Unfold"
        return "Fold" if self._open_group() is not None else ""

    def _open_group(self) -> Hashable | None:
        """The group that the node under the cursor was taken out of, if it is unfolded."""
        node, cursor = self.selected, self.cursor
        if node is None or not isinstance(cursor, tuple):
            return None
        key = ("more", cursor[:-1], kind_of(node))
        return key if key in self.unfolded else None

    def toggle(self) -> None:
        """Unfold what is folded under the cursor, or fold again what the cursor is in."""
        what = self.foldable
        if what == "Unfold":
            self.action_unfold()
        elif what == "Fold" and isinstance(self.cursor, tuple):
            for length in range(len(self.cursor), 0, -1):
                self.unfolded.discard(self.cursor[:length])
            if (group := self._open_group()) is not None:
                self.unfolded.discard(group)
            self.rebuild()
            self._follow()
            self.place()

    def action_fold(self) -> None:
        super().action_fold()
        self._follow()
        self.place()

    def _content(self, width: int) -> Sequence[Line]:
        sample = self.sample
        if sample is None:
            self.keys, self._rows = (), []
            return [Line(" no look at the server yet", "dim")]
        lost = next((source for source in sample.missing if source.name == MONITOR), None)
        if lost is not None:
            self.keys, self._rows = (), []
            said = f"n/a since {clock(lost.since, seconds=True)}: the monitor has no connection"
            meant = "who waits for whom is not known and the guard sees nothing; what runs goes on without it"
            if self.state is None:
                meant = "who waits for whom is not known; it is tried again all the time"
            return [Line(f" {said}", "warn").cut(width), *wrap(meant, width - 1, "dim", indent=" ")]
        head = self._sentence(sample, width)
        most = max(MOST, self.app.size.height // 3 - 4)
        self._rows = tree_rows(sample.tree.roots, self.unfolded, most, self.cursor)
        if not self._rows:
            body = _quiet(sample, width, 12 if self.state is not None else 0)
            self.keys = [None] * (len(head) + len(body))
            return [*head, *body]
        self.keys = [*([None] * len(head)), *(row.key for row in self._rows)]
        columns = _Columns.fit(self._rows, sample.tree.our_wants, width)
        return Made(head, self._rows, lambda row: columns.line(row, width))

    def _sentence(self, sample: Sample, width: int) -> list[Line]:
        tree = sample.tree
        role: Role = "strong" if tree.roots else "dim"
        # Where it is not known who waits, nobody does only as far as we see.
        said = [] if sample.blocked_sessions is None and not tree.roots else [tree.sentence]
        lines = [line for text in said for line in wrap(text, width - 2, role, indent=" ", limit=3)]
        watched = self.state.watched if self.state is not None else None
        if watched is not None and tree.our_pid is not None and tree.roots:
            text = f"“us” and “our” is session {tree.our_pid}: the script that you watch"
            lines += wrap(text, width - 2, "dim", indent=" ")
        guard = self._guard(sample)
        if guard.parts and lines:
            room = width - lines[-1].cells - 2
            if guard.cells < room:
                lines[-1] = spread(lines[-1], guard, width)
            else:
                lines.append(spread(Line(), guard, width))
        acts = self._acts and watched is None
        return [*lines, *degraded_lines(sample, width, acts=acts), Line()]

    def _guard(self, sample: Sample) -> Line:
        """How near the pile-up guard is to giving our locks back."""
        script = self.state.script if self.state is not None else None
        if self.state is None or script is None or not script.active or not sample.tree.queued:
            return Line()
        plans = [s.plan for s in self.state.steps if s.plan.id in script.started.steps]
        if not plans:
            return Line()
        sessions = max(p.max_blocked_sessions for p in plans)
        seconds = max(p.max_blocked_for for p in plans)
        near = sample.tree.queued > 0.7 * sessions or (sample.tree.oldest or 0.0) > 0.7 * seconds
        text = f"guard: {sample.tree.queued} of {counted(sessions, 'session')}, "
        return Line(text + f"{duration(sample.tree.oldest)} of {seconds:g} s ", "warn" if near else "dim")


class _Everything(frozenset[Hashable]):
    """Every path there is: nothing is folded."""

    def __contains__(self, key: object) -> bool:
        return True


def whole_tree(sentence: str, roots: Sequence[LockNode]) -> list[str]:
    """The sentence and the trees below it with nothing folded and nothing cut off, as text."""
    rows = tree_rows(roots, _Everything())
    if not rows:
        return [sentence]
    tree = max(_who(row).cells for row in rows) + 2
    what = max(Line(_doing(row.node)[0]).cells for row in rows if row.node is not None)
    columns = _Columns(tree, what, 0, "")
    width = tree + what + 10 + max(_lock(row, "").cells for row in rows)
    return [sentence, "", *(columns.line(row, width).text.rstrip() for row in rows)]


def _quiet(sample: Sample, width: int, most: int) -> list[Line]:
    """Nobody waits: how many are connected, and whose transactions are the oldest, for they will be in the way."""
    sessions = [s for s in sample.sessions if s.backend_type == "client backend" and s.pid != sample.tree.our_pid]
    if any(source.name == "activity" for source in sample.missing):
        return []
    active = sum(s.state == "active" for s in sessions)
    idle = [s for s in sessions if s.state.startswith("idle in transaction")]
    line = Line(f" {counted(len(sessions), 'session')}, {active} active, ", "dim")
    line.add(
        f"{len(idle)} idle in transaction",
        "warn" if any(_old(s.transaction_seconds) for s in idle) else "dim",
    )
    if sample.counters is not None:
        line.add(f"; {sample.counters.connections} of {sample.counters.max_connections} connections", "dim")
    lines = [line.cut(width)]
    open_ones = [s for s in sessions if s.transaction_seconds is not None]
    oldest = sorted(open_ones, key=lambda s: s.transaction_seconds or 0.0, reverse=True)[:most]
    for session in oldest:
        row = Line("   ").column(str(session.pid), 8).column(session.application_name or session.user, 18).add(" ")
        row.column(session.state, 20, "warn" if session in idle and _old(session.transaction_seconds) else "dim")
        row.column(running(session.transaction_seconds), 8, right=True).add("   ")
        lines.append(row.add(session.query, "dim").cut(width))
    return lines


def _old(seconds: float | None) -> bool:
    return seconds is not None and seconds > 60


@dataclass(frozen=True, slots=True)
class _Columns:
    """How wide the tree, what they do, and the locks are; the same for every row."""

    tree: int
    what: int
    lock: int
    relation: str

    @classmethod
    def fit(cls, rows: Sequence[TreeRow], our_wants: str | None, width: int) -> "_Columns":
        relation = (our_wants or "").partition(" on ")[2]
        # A long tree is measured by its beginning: its width must not jump about while it is scrolled.
        head = rows[:60]
        tree = min(max(_who(row).cells for row in head) + 2, max(24, width * 2 // 5))
        lock = min(max(_lock(row, relation).cells for row in head) + 1, max(24, width // 3))
        return cls(tree, max(8, width - tree - lock - 10), lock, relation)

    def line(self, row: TreeRow, width: int) -> Line:
        line = _who(row).pad(self.tree)
        node = row.node
        if node is None:
            return self._group(line, row).pad(width)
        what, role = _doing(node)
        line.column(what, self.what, role)
        seconds = node.wait_seconds if node.wants else (node.session.transaction_seconds if node.session else None)
        about = "~" if node.wait_approximate and node.wants else ""
        line.column(about + running(seconds) if seconds is not None else "", 8, right=True).add("  ")
        return line.extend(_lock(row, self.relation)).pad(width)

    def _group(self, line: Line, row: TreeRow) -> Line:
        group = row.group
        if group is None or group.kind is None:
            return line
        oldest = " oldest" if group.oldest is not None else ""
        line.column(group.kind.shape, self.what - len(oldest), "dim").add(oldest, "dim")
        line.column("" if group.oldest is None else running(group.oldest), 8, right=True).add("  ")
        return line.extend(_lock(row, self.relation))


def _who(row: TreeRow) -> Line:
    line = Line(" ").add(row.branch, "rule")
    node = row.node
    if node is None:
        return line.add(_many(row.group), "dim")
    pid = "prepared" if node.pid is None else str(node.pid)
    if node.ours:
        return line.add(f"us {pid}", "us")
    session = node.session
    name = (session.application_name or session.user) if session is not None else node.title
    return line.add(pid, "strong" if len(row.path) == 1 else "").add("  ").extend(Line(name).cut(18))


def _many(group: Group | None) -> str:
    if group is None:
        return ""
    if group.kind is None:
        return f"… {group.sessions} more"
    return f"… {group.sessions - group.behind} {Line(group.kind.name).cut(18).text}"


def _doing(node: LockNode) -> tuple[str, Role]:
    session = node.session
    if session is None:
        return node.title, "dim"
    if session.state.startswith("idle"):
        return session.state, "warn"
    return " ".join(session.query[:200].split()) or session.state, "" if node.ours else "dim"


def _lock(row: TreeRow, relation: str) -> Line:
    """What it wants or holds; the relation that all is about is named at the top only."""
    node = row.node
    if node is None:
        if row.group is None or row.group.kind is None:
            return Line()
        behind = f" {row.group.behind} wait behind" if row.group.behind else ""
        return _wants(row.group.kind.wants, relation, "").add(behind, "dim")
    if node.cycle:
        return Line("deadlock, shown above", "bad")
    if node.wants:
        return _wants(node.wants, relation, "warn" if node.ours else "")
    if not node.holds:
        return Line()
    held = next((h for h in node.holds if relation and h.endswith(f" on {relation}")), node.holds[0])
    more = f" +{len(node.holds) - 1}" if len(node.holds) > 1 else ""
    return (
        Line("holds ", "dim")
        .add(held.partition(" on ")[0] if relation and held.endswith(relation) else held)
        .add(more, "dim")
    )


def _wants(wants: str, relation: str, role: Role) -> Line:
    if not wants:
        return Line()
    mode, _, wanted = wants.partition(" on ")
    return Line("wants ", "dim").add(mode if wanted == relation else wants, role)
