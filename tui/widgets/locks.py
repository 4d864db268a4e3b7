"""The lock tree: who blocks us above, whom we block below; a sentence on top that says it in words."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from tui.engine.sample import LockNode, Sample
from tui.engine.state import RunState
from tui.postgres.rows import MONITOR

from .line import Line, Role, spread, wrap
from .lines import CursorLines
from .words import clock, counted, duration, running

# As many children as one looks at; a queue of hundreds is one line and a figure.
_SHOWN = 8
_DEEPEST = 10

Path = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class TreeRow:
    """A node with the branch that leads to it, or the fold of the children that are not shown."""

    path: Path
    branch: str
    node: LockNode | None
    hidden: int = 0


def tree_rows(roots: Sequence[LockNode], unfolded: set[Hashable], most: int = _SHOWN) -> list[TreeRow]:
    """The tree as rows, each node's first ``most`` children only, unless its path is in ``unfolded``."""
    rows: list[TreeRow] = []

    def grow(node: LockNode, path: Path, branch: str, below: str) -> None:
        rows.append(TreeRow(path, branch, node))
        children = node.children
        # A fold that hides one single row would take the place of that row.
        shown = children if path in unfolded or len(children) <= most + 1 else children[:most]
        if len(path) > _DEEPEST:
            shown = ()
        hidden = len(children) - len(shown)
        for position, child in enumerate(shown):
            last = position == len(shown) - 1 and not hidden
            stroke = "▶" if child.ours else "┄" if child.soft else "─"
            branched = f"{below}{'└' if last else '├'}{stroke} "
            grow(child, (*path, child.pid), branched, f"{below}{'  ' if last else '│ '} ")
        if hidden:
            rows.append(TreeRow(path, f"{below}└─ ", None, hidden))

    for root in roots:
        grow(root, (root.pid,), "", "")
    return rows


class LockPane(CursorLines):
    """Fed by samples; the cursor stays on its session, and is gone when the session is."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.sample: Sample | None = None
        self.state = RunState()
        self._rows: list[TreeRow] = []

    def on_mount(self) -> None:
        self.show(self._content)

    def feed(self, sample: Sample | None, state: RunState) -> None:
        """Draw another sample."""
        self.sample, self.state = sample, state
        self.rebuild()
        self._follow()
        self.place()

    @property
    def selected(self) -> LockNode | None:
        """The node under the cursor."""
        if self.cursor is None:
            return None
        return next((row.node for row in self._rows if row.node is not None and _key(row) == self.cursor), None)

    @property
    def nodes(self) -> int:
        """How many rows the tree has now."""
        return len(self._rows)

    def _follow(self) -> None:
        """A session that moved to another place in the tree keeps the cursor."""
        if self.cursor is None or self.cursor in self.keys or not isinstance(self.cursor, tuple):
            return
        pid = self.cursor[-1]
        self.cursor = next((_key(row) for row in self._rows if row.path[-1] == pid and row.node), None)

    def action_unfold(self) -> None:
        if isinstance(self.cursor, tuple):
            path = self.cursor[1:] if self.cursor[0] == "more" else self.cursor
            self.unfolded.add(path)
            if self.cursor[0] == "more":
                self.cursor = path
            self.rebuild()
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
            return [Line(f" {said}", "warn").cut(width), *wrap(meant, width - 1, "dim", indent=" ")]
        head = self._sentence(sample, width)
        self._rows = tree_rows(sample.tree.roots, self.unfolded, max(_SHOWN, self.app.size.height // 3 - 4))
        if not self._rows:
            body = _quiet(sample, width)
            self.keys = [None] * (len(head) + len(body))
            return [*head, *body]
        self.keys = [*([None] * len(head)), *(_key(row) for row in self._rows)]
        columns = _Columns.fit(self._rows, sample.tree.our_wants, width)
        return [*head, *(columns.line(row, width) for row in self._rows)]

    def _sentence(self, sample: Sample, width: int) -> list[Line]:
        tree = sample.tree
        role: Role = "strong" if tree.roots else "dim"
        lines = wrap(tree.sentence, width - 2, role, indent=" ", limit=3)
        if self.state.watched is not None and tree.our_pid is not None and tree.roots:
            text = f"“us” and “our” is session {tree.our_pid}: the script that you watch"
            lines += wrap(text, width - 2, "dim", indent=" ")
        guard = self._guard(sample)
        if guard.parts:
            room = width - lines[-1].cells - 2
            if guard.cells < room:
                lines[-1] = spread(lines[-1], guard, width)
            else:
                lines.append(spread(Line(), guard, width))
        return [*lines, Line()]

    def _guard(self, sample: Sample) -> Line:
        """How near the pile-up guard is to giving our locks back."""
        script = self.state.script
        if script is None or not script.active or not sample.tree.queued:
            return Line()
        plans = [s.plan for s in self.state.steps if s.plan.id in script.started.steps]
        if not plans:
            return Line()
        sessions = max(p.max_blocked_sessions for p in plans)
        seconds = max(p.max_blocked_for for p in plans)
        near = sample.tree.queued > 0.7 * sessions or (sample.tree.oldest or 0.0) > 0.7 * seconds
        text = f"guard: {sample.tree.queued} of {counted(sessions, 'session')}, "
        return Line(text + f"{duration(sample.tree.oldest)} of {seconds:g} s ", "warn" if near else "dim")


def _key(row: TreeRow) -> tuple[object, ...]:
    return row.path if row.node is not None else ("more", *row.path)


def _quiet(sample: Sample, width: int) -> list[Line]:
    """Nobody waits: how many are connected, and whose transactions are the oldest, for they will be in the way."""
    sessions = [s for s in sample.sessions if s.backend_type == "client backend" and s.pid != sample.tree.our_pid]
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
    oldest = sorted(open_ones, key=lambda s: s.transaction_seconds or 0.0, reverse=True)[:12]
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
        lock = min(max(_lock(row.node, relation).cells for row in head if row.node) + 1, max(24, width // 3))
        return cls(tree, max(8, width - tree - lock - 10), lock, relation)

    def line(self, row: TreeRow, width: int) -> Line:
        node = row.node
        line = _who(row)
        if node is None:
            return line.pad(width)
        line = line.pad(self.tree)
        what, role = _doing(node)
        line.column(what, self.what, role)
        seconds = node.wait_seconds if node.wants else (node.session.transaction_seconds if node.session else None)
        about = "~" if node.wait_approximate and node.wants else ""
        line.column(about + running(seconds) if seconds is not None else "", 8, right=True).add("  ")
        return line.extend(_lock(node, self.relation)).pad(width)


def _who(row: TreeRow) -> Line:
    line = Line(" ").add(row.branch, "rule")
    node = row.node
    if node is None:
        return line.add(f"… {row.hidden} more", "dim")
    pid = "prepared" if node.pid is None else str(node.pid)
    if node.ours:
        return line.add(f"us {pid}", "us")
    session = node.session
    name = (session.application_name or session.user) if session is not None else node.title
    return line.add(pid, "strong" if len(row.path) == 1 else "").add("  ").extend(Line(name).cut(18))


def _doing(node: LockNode) -> tuple[str, Role]:
    session = node.session
    if session is None:
        return node.title, "dim"
    if session.state.startswith("idle"):
        return session.state, "warn"
    return " ".join(session.query[:200].split()) or session.state, "" if node.ours else "dim"


def _lock(node: LockNode, relation: str) -> Line:
    """What it wants or holds; the relation that all is about is named at the top only."""
    if node.cycle:
        return Line("deadlock, shown above", "bad")
    if node.wants:
        mode, _, wanted = node.wants.partition(" on ")
        return Line("wants ", "dim").add(mode if wanted == relation else node.wants, "warn" if node.ours else "")
    if not node.holds:
        return Line()
    held = next((h for h in node.holds if relation and h.endswith(f" on {relation}")), node.holds[0])
    more = f" +{len(node.holds) - 1}" if len(node.holds) > 1 else ""
    return (
        Line("holds ", "dim")
        .add(held.partition(" on ")[0] if relation and held.endswith(relation) else held)
        .add(more, "dim")
    )
