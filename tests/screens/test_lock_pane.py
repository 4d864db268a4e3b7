"""The lock tree with thousands of waiters: few rows, a cursor that stays, and no line made that nobody sees."""

import pytest
from scenes import node, sample, session
from textual.app import App, ComposeResult

from tui.engine.sample import LockNode, LockTree, Sample
from tui.screens.themes import DARK
from tui.widgets import locks
from tui.widgets.groups import TreeRow
from tui.widgets.line import Line
from tui.widgets.locks import LockPane

HOME = (120, 40)
KINDS = (
    ("web", "SELECT * FROM client_profiles WHERE id = {}", "ACCESS SHARE"),
    ("web", "UPDATE client_profiles SET updated_at = now() WHERE id = {}", "ROW EXCLUSIVE"),
    ("worker", "SELECT id FROM client_profiles WHERE id > {} FOR UPDATE", "ROW SHARE"),
)


class Pane(App[None]):
    """The pane alone on the screen."""

    def __init__(self) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return DARK.variables

    def compose(self) -> ComposeResult:
        yield LockPane()

    def on_mount(self) -> None:
        self.pane.focus()

    @property
    def pane(self) -> LockPane:
        return self.query_one(LockPane)


def waiting(count: int, start: int = 10_000) -> tuple[LockNode, ...]:
    return tuple(
        node(
            session(start + n, KINDS[n % 3][0], KINDS[n % 3][1].format(n)),
            f"{KINDS[n % 3][2]} on client_profiles",
            wait=6.2 - 0.001 * n,
            soft=True,
        )
        for n in range(count)
    )


def watched(*waiters: LockNode) -> Sample:
    """4242 holds what all of these wait for, and nothing is run."""
    idle = session(4242, "billing", "SELECT * FROM client_profiles", "idle in transaction", 842.0)
    root = node(idle, holds=("ACCESS SHARE on client_profiles",), children=waiters)
    said = "idle in transaction 4242 (billing, 14 min) holds client_profiles"
    return sample(LockTree(said, (root,), None, False, None, None, (), 0, None))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Line]:
    """Every row of the tree that was made into a line."""
    lines: list[Line] = []
    make = locks._Columns.line

    def counting(columns: locks._Columns, row: TreeRow, width: int) -> Line:
        lines.append(make(columns, row, width))
        return lines[-1]

    monkeypatch.setattr(locks._Columns, "line", counting)
    return lines


async def test_five_thousand_waiters(made: list[Line]) -> None:
    app = Pane()
    async with app.run_test(size=HOME) as pilot:
        pane = app.pane
        pane.feed(watched(*waiting(5000)), None)
        await pilot.pause()
        assert pane.nodes == 10
        # Each kind is one row, in the words of the others: how many, what they do, since when, what they want.
        rows = [" ".join(line.split()) for line in pane.text.splitlines()[-3:]]
        assert rows[0] == (
            "├┄ … 1665 web SELECT * FROM client_profiles WHERE id = ? oldest 0:06 wants ACCESS SHARE on client_profiles"
        )
        assert rows[1].startswith("├┄ … 1665 web UPDATE client_profiles SET updated_at = now(")
        assert rows[2].startswith("└┄ … 1664 worker SELECT id FROM client_profiles WHERE id > ? ")
        await pilot.press("end")
        assert pane.selected is None
        assert pane.cursor == pane._rows[-1].key

        await pilot.press("right")
        # All of its kind, and where their row was, one more of the others.
        assert pane.nodes == 1 + 1666 + 7 + 2
        assert pane.selected is not None
        assert pane.selected.pid == 10_000 + 8
        made.clear()
        pane.feed(watched(*waiting(5000)), None)
        await pilot.pause()
        assert len(made) <= HOME[1]
        made.clear()
        await pilot.press("down", "down", "pagedown", "pageup", "end")
        await pilot.pause()
        assert len(made) <= 2 * HOME[1]
        assert pane.cursor_row == len(pane.keys) - 1

        await pilot.press("up", "up", "left")
        assert pane.selected is not None
        assert pane.nodes == 10


async def test_the_cursor_stays_while_the_groups_change() -> None:
    app = Pane()
    async with app.run_test(size=HOME) as pilot:
        pane = app.pane
        pane.feed(watched(*waiting(300)), None)
        await pilot.press("end", "up")
        on = pane.cursor
        assert isinstance(on, tuple)
        assert on[0] == "more"
        for count in (299, 5000, 40, 301):
            pane.feed(watched(*waiting(count)), None)
            await pilot.pause()
            assert pane.cursor == on
            assert pane.keys[pane.cursor_row or 0] == on
        # So few that each has its own row: the cursor is on one that was in the group.
        pane.feed(watched(*waiting(6)), None)
        await pilot.pause()
        assert pane.selected is not None
        assert pane.selected.session is not None
        assert pane.selected.session.query.startswith("UPDATE")
        # And on it stays, when so many come that it would go into a group.
        pid = pane.selected.pid
        older = waiting(400, 50_000)
        pane.feed(watched(*older, *waiting(6)), None)
        await pilot.pause()
        assert pane.selected is not None
        assert pane.selected.pid == pid


async def test_what_is_unfolded_can_be_folded_from_within() -> None:
    app = Pane()
    async with app.run_test(size=HOME) as pilot:
        pane = app.pane
        pane.feed(watched(*waiting(300)), None)
        await pilot.press("end", "right", "pagedown", "pagedown")
        pid = pane.selected.pid if pane.selected else None
        assert pid is not None
        await pilot.press("left")
        assert pane.selected is not None
        assert pane.selected.pid == pid
        assert pane.nodes == 10
        assert pane.keys[pane.cursor_row or 0] == pane.cursor


async def test_whole_trees_are_grouped() -> None:
    app = Pane()
    async with app.run_test(size=(80, 24)) as pilot:
        pairs = [
            node(session(n, "web", "UPDATE t", "idle in transaction"), children=waiting(1, 100_000 + n))
            for n in range(1, 1000)
        ]
        pane = app.pane
        pane.feed(sample(LockTree("…", tuple(pairs), None, False, None, None, (), 0, None)), None)
        await pilot.pause()
        assert pane.nodes < 20
        assert pane.text.splitlines()[-1].split()[:3] == ["…", "992", "web"]
        assert "992 wait behind" in pane.text.splitlines()[-1]
        assert all(len(line) <= 80 for line in pane.text.splitlines())


def test_a_whole_tree_cuts_no_query_that_is_wider_than_it_is_long() -> None:
    query = "SELECT '複製レプリカ名前' AS 名前"
    assert query in locks.whole_tree("…", [node(session(1, "web", query), wants="ACCESS SHARE on t")])[-1]
