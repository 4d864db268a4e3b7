"""One session looked at closely: how the screen follows what goes on, and which keys there are."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from looked_at import BILLING, PREPARED, US, lock, look, queue
from scenes import NIGHT, console, in_006, sample, samples, session, show, watching
from textual.app import App
from textual.pilot import Pilot

from tui.engine.sample import Sample
from tui.postgres.rows import MONITOR, Source
from tui.screens.dialog import Dialog
from tui.screens.session import SessionScreen
from tui.screens.themes import DARK
from tui.widgets.frame import KeyBar
from tui.widgets.lines import Lines
from tui.widgets.locks import LockPane

SMALL, HOME = (80, 24), (120, 40)


class Host(App[None]):
    """Shows the screen alone, as any console may."""

    def __init__(self, key: int | str, signal: Callable[[int], Awaitable[None]] | None = None) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name
        self.newest: Sample | None = queue()
        self.now: datetime = NIGHT
        self.looked_at: list[int | None] = []
        self.view = SessionScreen(key, lambda: self.newest, self.looked_at.append, signal, lambda: self.now)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return DARK.variables

    async def on_mount(self) -> None:
        await self.push_screen(self.view)

    def pane(self, name: str) -> str:
        return self.view.query_one(f"#session-{name}", Lines).text

    async def see(self, pilot: Pilot[None], shown: Sample | None, seconds: float = 0.0) -> None:
        self.newest, self.now = shown, NIGHT + timedelta(seconds=seconds)
        self.view.follow()
        await pilot.pause()


async def test_it_follows_the_looks() -> None:
    app = Host(4242)
    async with app.run_test(size=HOME) as pilot:
        await pilot.pause()
        assert app.looked_at == [4242]
        assert "read at the next look" in app.pane("body")
        await app.see(pilot, queue(looked_at=4242))
        assert "3 locks held" in app.pane("body")
        quiet = look((BILLING,), (lock(4242, "requests", "AccessShareLock"),), {}, looked_at=4242)
        await app.see(pilot, quiet)
        assert "nobody waits because of it" in app.pane("body")
        await pilot.press("escape")
        await pilot.pause()
        assert app.looked_at == [4242, None]
        assert not isinstance(app.screen, SessionScreen)


async def test_when_it_is_gone_the_last_that_was_known_stays() -> None:
    async def never(pid: int) -> None:
        raise AssertionError

    app = Host(4242, never)
    async with app.run_test(size=HOME) as pilot:
        await app.see(pilot, queue(looked_at=4242))
        assert "k Terminate 4242" in app.view.query_one(KeyBar).text
        later = look((US,), (), {}, at=NIGHT + timedelta(seconds=1))
        await app.see(pilot, later, 1)
        assert "GONE at 01:44:13" in app.pane("title")
        assert "the look at 01:44:13 did not show it any more; what was last known of it" in app.pane("body")
        assert "3 locks held" in app.pane("body")
        assert "Terminate" not in app.view.query_one(KeyBar).text
        await pilot.press("k")
        # Another session that is given its number is not taken for it.
        reborn = replace(BILLING, backend_start=NIGHT, application_name="psql")
        await app.see(pilot, look((reborn,), (), {}, at=NIGHT + timedelta(seconds=2)), 2)
        assert "GONE at 01:44:13" in app.pane("title")
        assert "psql" not in app.pane("body")


async def test_another_session_under_its_number_is_not_it() -> None:
    app = Host(4242)
    async with app.run_test(size=HOME) as pilot:
        await app.see(pilot, queue())
        reborn = replace(BILLING, backend_start=NIGHT, application_name="psql")
        await app.see(pilot, look((reborn,), (), {}, at=NIGHT + timedelta(seconds=1)), 1)
        assert "GONE at 01:44:13" in app.pane("title")
        assert "billing_report" in app.pane("body")


async def test_a_server_that_is_away_is_no_end_of_it() -> None:
    app = Host(4242)
    async with app.run_test(size=HOME) as pilot:
        await app.see(pilot, queue(looked_at=4242))
        lost = Source(MONITOR, "the server closed the connection", NIGHT)
        await app.see(pilot, sample(sessions=(), missing=(lost,), at=NIGHT + timedelta(seconds=3)), 3)
        assert "AS OF 01:44:12" in app.pane("title")
        assert "not known since 01:44:12: the server closed the connection" in app.pane("body")
        assert "billing_report" in app.pane("body")
        await app.see(pilot, queue(at=NIGHT + timedelta(seconds=4)), 4)
        assert "as of 01:44:16" in app.pane("title")
        assert "not known" not in app.pane("body")


async def test_an_old_look_says_how_old() -> None:
    app = Host(4242)
    async with app.run_test(size=HOME) as pilot:
        shown = queue(looked_at=4242)
        await app.see(pilot, shown)
        assert "as of 01:44:12" in app.pane("title")
        await app.see(pilot, shown, 12)
        assert "AS OF 01:44:12, 0:12 OLD" in app.pane("title")


async def test_before_the_first_look() -> None:
    app = Host(4242)
    app.newest = None
    async with app.run_test(size=SMALL) as pilot:
        await pilot.pause()
        assert "the next look at the server will tell" in app.pane("body")
        await app.see(pilot, look((), (), {}))
        assert "nothing is known of it" in " ".join(app.pane("body").split())


async def test_k_asks_for_this_session_and_only_where_it_may() -> None:
    asked: list[int] = []

    async def signal(pid: int) -> None:
        asked.append(pid)

    app = Host(4242, signal)
    async with app.run_test(size=SMALL) as pilot:
        await app.see(pilot, queue())
        await pilot.press("k")
        await pilot.pause()
        assert asked == [4242]
    for key, may in ((4242, None), (5131, signal)):
        other = Host(key, may)
        async with other.run_test(size=SMALL) as pilot:
            await other.see(pilot, queue())
            assert "Terminate" not in other.view.query_one(KeyBar).text
            await pilot.press("k", "enter", "space", "R", "c")
            assert other.screen is other.view
    assert asked == [4242]


async def test_it_scrolls_by_keys() -> None:
    app = Host(4242)
    async with app.run_test(size=SMALL) as pilot:
        await app.see(pilot, queue(looked_at=4242))
        body = app.view.query_one("#session-body", Lines)
        assert body.has_focus
        await pilot.press("end")
        await pilot.pause()
        assert body.scroll_offset.y == body.max_scroll_y > 0
        await pilot.press("home")
        await pilot.pause()
        assert body.scroll_offset.y == 0


# In the console


async def test_the_console_goes_on_behind_it() -> None:
    app, run = console()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, in_006(), [*samples(), queue()])
        app.console_screen.query_one(LockPane).focus()
        await pilot.press("down", "d")
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, SessionScreen)
        assert ("look_at", 4242) in run.calls
        app.console_screen.show_sample(queue(looked_at=4242))
        screen.follow()
        assert "3 locks held" in screen.query_one("#session-body", Lines).text
        assert "17 sessions wait" in app.console_screen.query_one(LockPane).text
        await pilot.press("k")
        await pilot.pause()
        assert isinstance(app.screen, Dialog)
        assert "frees us at once" in app.screen.query_one(Lines).text
        await pilot.press("right", "enter")
        await pilot.pause()
        assert run.calls[-1][0] == "signal"
        assert app.screen_stack[-1] is screen
        await pilot.press("q")
        await pilot.pause()
        assert not isinstance(app.screen_stack[-1], SessionScreen)
        assert run.calls[-1] == ("look_at", None)


async def test_who_only_watches_ends_nobody() -> None:
    app, run = console()
    async with app.run_test(size=HOME) as pilot:
        await show(app, pilot, watching(), [*samples(), queue()])
        app.console_screen.query_one(LockPane).focus()
        await pilot.press("down", "enter")
        await pilot.pause()
        assert isinstance(app.screen, SessionScreen)
        assert "Terminate" not in app.screen.query_one(KeyBar).text
        await pilot.press("k")
        await pilot.pause()
        assert not any(call[0] in ("preview_signal", "signal") for call in run.calls)


# Pictures


def batch() -> Sample:
    waiter = session(5300, "web", "ALTER TABLE t ADD a int")
    locks = (
        *PREPARED,
        lock(5300, "t", "AccessExclusiveLock", waits=3.0),
        lock(5131, "t", "AccessShareLock", waits=1.0),
    )
    return look((waiter, US), locks, {5131: (5300,), 5300: (0,)}, prepared={"771": "night's batch"})


MOMENTS: dict[str, tuple[Callable[[], Sample], tuple[int, int], tuple[str, ...]]] = {
    "blocker_home": (lambda: queue(looked_at=4242), HOME, ("down", "d")),
    "blocker_small": (lambda: queue(looked_at=4242), SMALL, ("down", "d")),
    "us_home": (lambda: queue(looked_at=5131), HOME, ("down", "down", "d")),
    "prepared_home": (batch, HOME, ("down", "d")),
    "prepared_small": (batch, SMALL, ("down", "d")),
    "terminate_small": (lambda: queue(looked_at=4242), SMALL, ("down", "d", "k")),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_picture(snap_compare: Any, name: str) -> None:
    shown, size, keys = MOMENTS[name]
    app, _ = console()

    async def before(pilot: Pilot[int]) -> None:
        await show(app, pilot, in_006(), [*samples(), shown()])
        app.console_screen.query_one(LockPane).focus()
        for key in keys:
            await pilot.press(key)
            await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=before)


def test_picture_of_one_that_is_gone(snap_compare: Any) -> None:
    app, _ = console()

    async def before(pilot: Pilot[int]) -> None:
        await show(app, pilot, in_006(), [*samples(), queue(looked_at=4242)])
        app.console_screen.query_one(LockPane).focus()
        await pilot.press("down", "d")
        await pilot.pause()
        app.console_screen.show_sample(look((US,), (), {}, at=NIGHT + timedelta(seconds=1)))
        screen = app.screen
        assert isinstance(screen, SessionScreen)
        screen.follow()
        await pilot.pause()

    assert snap_compare(app, terminal_size=HOME, run_before=before)
