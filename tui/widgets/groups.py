"""The lock tree as rows: what fits stands alone, of the rest all that wait alike are one row."""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache

from tui.engine.sample import LockNode
from tui.runbook.lexer import SplitError, tokens

MOST = 8
"""As many children as one looks at; a queue of hundreds is a few rows and figures."""
_DEEPEST = 10
"""Levels until a fold: a long chain goes on below it."""
_WIDEST_BRANCH = 18
"""Cells, three a level; of what stands deeper the level is a number: the pid must stay in sight."""
_READ = 500
"""Characters of a query that make its shape."""
_VALUES = {"string", "estring", "dollar", "number", "param"}
_LIST = re.compile(r"\?(?:\s*,\s*\?)+")

Path = tuple[int | str, ...]
"""The way to a node: the key of each one from the root to it."""


@dataclass(frozen=True, slots=True, order=True)
class Kind:
    """What makes waits alike: the application, the lock and the mode that are wanted, the query's shape."""

    name: str
    wants: str
    shape: str


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes in one row; ``kind`` is None where they are of several kinds.

    ``sessions``: how many there are, with ``behind``, those that wait below them; ``oldest``: the longest wait among
    all of them, in seconds, None where none is known. ``soft``: as each of its nodes is.
    """

    kind: Kind | None
    sessions: int
    behind: int
    oldest: float | None
    soft: bool


@dataclass(frozen=True, slots=True)
class TreeRow:
    """A node with the branch that leads to it, or a group of nodes; ``path`` is then that of their parent."""

    path: Path
    branch: str
    node: LockNode | None
    group: Group | None = None

    @property
    def key(self) -> tuple[Hashable, ...]:
        """Stays the same from one look to the next."""
        return self.path if self.group is None else ("more", self.path, self.group.kind)


@lru_cache(8192)
def shape(query: str) -> str:
    """A query without what differs from call to call: each value is ``?``, a list of them ``?, …``, no comments."""
    pieces: list[str] = []
    last = 0
    try:
        for kind, start, end in tokens(query[:_READ]):
            if pieces and start > last:
                pieces.append(" ")
            pieces.append("?" if kind in _VALUES else query[start:end])
            last = end
    except SplitError:
        # The server cuts long queries off, and so do we: a quote may have lost its end.
        pieces.append(" …")
    return _LIST.sub("?, …", "".join(pieces))


def kind_of(node: LockNode) -> Kind:
    """What this one has in common with others."""
    session = node.session
    if session is None:
        return Kind(node.title, node.wants or "", "")
    doing = session.state if session.state.startswith("idle") else shape(session.query)
    return Kind(session.application_name or session.user or node.title, node.wants or "", doing)


def tree_rows(
    roots: Sequence[LockNode], unfolded: Set[Hashable] = frozenset(), most: int = MOST, cursor: Hashable = None
) -> list[TreeRow]:
    """The tree as rows, of each node's children about ``most``: the others are grouped.

    ``unfolded`` has the keys of groups that are shown one by one, and the paths of nodes all of whose children are.
    The row whose key is ``cursor`` stays, whatever comes and goes around it.
    """
    folding = _Folding(roots, unfolded, most, _place(roots, cursor) if isinstance(cursor, tuple) else ())
    rows: list[TreeRow] = []
    # (what, the path of its parent, its branch, the branch of what is below it), the next one last.
    ahead: list[tuple[LockNode | Group, Path, str, str]] = []

    def push(shown: Sequence[LockNode | Group], path: Path, below: str) -> None:
        for position in reversed(range(len(shown))):
            one = shown[position]
            if not path:
                ahead.append((one, path, "", ""))
                continue
            last = position == len(shown) - 1
            stroke = "▶" if isinstance(one, LockNode) and one.ours else "┄" if one.soft else "─"
            branch = f"{below}{'└' if last else '├'}{stroke} "
            ahead.append((one, path, branch, f"{below}{'  ' if last else '│ '} "))

    push(folding.shown((), roots), (), "")
    while ahead:
        one, path, branch, below = ahead.pop()
        if len(branch) > _WIDEST_BRANCH:
            level = f"{len(path) + 1}…".rjust(3)
            branch = level + branch[len(level) - _WIDEST_BRANCH :]
        if isinstance(one, Group):
            rows.append(TreeRow(path, branch, None, one))
            continue
        path = (*path, one.key)
        rows.append(TreeRow(path, branch, one))
        push(folding.shown(path, one.children), path, below)
    return rows


def followed(rows: Sequence[TreeRow], cursor: Hashable) -> Hashable:
    """The key of the row where what had this key is now: elsewhere in the tree; of a group that is none any more, one
    that was like those in it. None where nothing is left of it.
    """
    if not isinstance(cursor, tuple) or any(row.key == cursor for row in rows):
        return cursor
    if cursor[0] != "more":
        return next((row.key for row in rows if row.node is not None and row.path[-1] == cursor[-1]), None)
    _, path, kind = cursor
    alike = [row for row in rows if kind is not None and kind == _kind(row)]
    alike.sort(key=lambda row: (row.group is None, row.path[: len(path)] != path))
    return alike[0].key if alike else None


def _kind(row: TreeRow) -> Kind | None:
    if row.node is not None:
        return kind_of(row.node)
    return row.group.kind if row.group is not None else None


def _place(roots: Sequence[LockNode], cursor: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    """The path at which the session under the cursor stands now; the same where it has not moved."""
    if cursor[0] == "more":
        return ()
    nodes: Sequence[LockNode] = roots
    for key in cursor:
        below = next((node.children for node in nodes if node.key == key), None)
        if below is None:
            break
        nodes = below
    else:
        return cursor
    parent = {id(child): node for node in _bottom_up(roots) for child in node.children}
    node = next((node for node in _bottom_up(roots) if node.key == cursor[-1] and not node.cycle), None)
    path: list[int | str] = []
    while node is not None:
        path.append(node.key)
        node = parent.get(id(node))
    return tuple(reversed(path))


class _Folding:
    """Which children stand alone and which are grouped."""

    def __init__(
        self, roots: Sequence[LockNode], unfolded: Set[Hashable], most: int, cursor: tuple[Hashable, ...]
    ) -> None:
        self._unfolded = unfolded
        self._most = most
        self._cursor = cursor
        self._all: dict[int, tuple[int, float | None, bool]] = {}
        for node in _bottom_up(roots):
            sessions, oldest, ours = 0 if node.cycle else 1, node.wait_seconds, node.ours
            for child in node.children:
                more, waits, leads = self._all[id(child)]
                sessions, oldest, ours = sessions + more, _longer(oldest, waits), ours or leads
            self._all[id(node)] = sessions, oldest, ours

    def shown(self, path: Path, children: Sequence[LockNode]) -> list[LockNode | Group]:
        """The children in rows, those that lead to us last."""
        if path in self._unfolded or not children:
            return list(children)
        if path and len(path) % (_DEEPEST + 1) == 0 and not self._on_the_way(path):
            return [self._group(None, children)]
        # A fold that hides one single row would take the place of that row.
        if len(children) <= self._most + 1:
            return list(children)
        kinds = {id(child): kind_of(child) for child in children}
        kept = self._kept(path)
        alone = {id(c) for c in children if c.cycle or self._all[id(c)][2] or c.key == kept}
        open_kinds = {kind for kind in set(kinds.values()) if ("more", path, kind) in self._unfolded}
        opened = {id(c) for c in children if kinds[id(c)] in open_kinds}
        rest = [child for child in children if id(child) not in alone and id(child) not in opened]
        # Who keeps others waiting is of more interest than another one at the queue's end.
        rest.sort(key=lambda child: not child.children)
        head, groups = self._split(rest, [kinds[id(child)] for child in rest], self._most - len(alone))
        alone |= opened | {id(child) for child in head}
        singly = [child for child in children if id(child) in alone]
        ours = [child for child in singly if self._all[id(child)][2]]
        others = [child for child in singly if not self._all[id(child)][2]]
        return [*others, *groups, *ours]

    def _kept(self, path: Path) -> Hashable:
        """Which child of this path the cursor is on or below."""
        cursor = self._cursor
        return cursor[len(path)] if len(cursor) > len(path) and cursor[: len(path)] == path else None

    def _on_the_way(self, path: Path) -> bool:
        return self._kept(path) is not None

    def _split(
        self, rest: Sequence[LockNode], kinds: Sequence[Kind], room: int
    ) -> tuple[list[LockNode], list[LockNode | Group]]:
        """Who of the rest stands alone, and the groups of the others, in ``room`` rows where that can be."""
        most_groups = max(1, self._most // 2)
        cut = max(0, min(room, len(rest)))
        distinct = set(kinds[cut:])
        while cut > 0 and cut + min(len(distinct), most_groups) > room:
            cut -= 1
            distinct.add(kinds[cut])
        members: defaultdict[Kind, list[LockNode]] = defaultdict(list)
        for child, kind in zip(rest[cut:], kinds[cut:], strict=True):
            members[kind].append(child)
        largest = set(members)
        if len(members) > most_groups:
            by_size = sorted(members, key=lambda kind: (-len(members[kind]), kind))
            largest = set(by_size[: most_groups - 1])
        found: list[LockNode | Group] = []
        others: list[LockNode] = []
        # By name: an order that goes by figures would make the rows change places while one reads them.
        for kind, nodes in sorted(members.items(), key=lambda item: item[0]):
            if kind not in largest:
                others += nodes
            elif len(nodes) == 1:
                found += nodes
            else:
                found.append(self._group(kind, nodes))
        if others:
            found.append(self._group(None, others))
        return list(rest[:cut]), found

    def _group(self, kind: Kind | None, nodes: Sequence[LockNode]) -> Group:
        sessions, oldest = 0, None
        for node in nodes:
            more, waits, _ = self._all[id(node)]
            sessions, oldest = sessions + more, _longer(oldest, waits)
        behind = sessions - sum(not node.cycle for node in nodes)
        return Group(kind, sessions, behind, oldest, all(node.soft for node in nodes))


def _bottom_up(roots: Sequence[LockNode]) -> Iterator[LockNode]:
    """Every node after its children; a chain of thousands is no recursion."""
    found: list[LockNode] = []
    ahead = list(roots)
    while ahead:
        node = ahead.pop()
        found.append(node)
        ahead.extend(node.children)
    return reversed(found)


def _longer(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
