"""Text that others wrote reaches the terminal as text, whatever is in it and however long it is."""

import unicodedata
from dataclasses import replace

import pytest
from rehearsed import AE, LOSSES, LOST, back, by_rule, late, lock, mixed, mixed_proofs, never, rehearsed_in_006, to_come
from scenes import (
    abandoned,
    accepted,
    backfill,
    changed,
    checklist,
    console,
    cut_off,
    doubt,
    failed,
    finished,
    in_006,
    leftover,
    node,
    red,
    repairing,
    sample,
    session,
    show,
    waiting_tree,
    watching,
)
from textual.pilot import Pilot

from tui.app import LockstepApp
from tui.engine import events as e
from tui.engine.narrate import narrate
from tui.engine.proof import Difference, Rehearsal
from tui.engine.sample import InTheWay, Sample
from tui.engine.state import RunState
from tui.postgres.rows import PgError, safe
from tui.widgets.line import Line, spread, wrap
from tui.widgets.lines import Lines

HOSTILE = {
    "markup": "[bold red]x[/] [/] [@click=app.bell]y[/] [link=http://x]z[/link] \\[ $primary [",
    "escape": "\x1b[2J\x1b]0;title\x07\x9b31m\x00\r\nnext\ttab",
    "bidi": "abc\u202edcba\u2066x\u2069\u200b\u200d\ufeff\u2028",
    "long": "x" * 10_000,
    "long_words": "many words " * 1000,
    "wide": "表格測試" * 300,
    "combining": "e\u0301\u0302\u0303" * 500,
    "surrogate": "\udc80\ud800",
    "empty": "",
}
HOSTILE["together"] = "".join(
    HOSTILE[kind][:80] for kind in ("markup", "escape", "bidi", "surrogate", "combining", "wide")
)


MAKES = {
    made.__name__: made
    for made in (
        *(checklist, red, failed, in_006, finished),
        *(watching, abandoned, leftover, repairing, doubt, backfill, cut_off, changed, accepted),
        *(to_come, never, mixed_proofs, rehearsed_in_006, late, back),
    )
}


def hostile_events(text: str, make: str) -> list[e.Event]:
    """The whole night with ``text`` in every place that others fill, but identifiers."""
    events = MAKES[make]()
    if make == "backfill":
        events.append(e.BatchThrottled(events[-1].at, "006", "why"))
    told: list[e.Event] = []
    for event in events:
        match event:
            case e.RunOpened():
                told.append(
                    replace(
                        event,
                        title=text,
                        operator=text,
                        client=text,
                        target=replace(event.target, host=text, database=text, user=text),
                        items=tuple(replace(i, title=text, detail=text) for i in event.items),
                        steps=tuple(replace(s, title=text) for s in event.steps),
                        verifications=tuple(replace(v, title=text, sql=text) for v in event.verifications),
                    )
                )
            case e.ItemProbed():
                told.append(replace(event, expected=text, found=text, output=text, error=text or None))
            case e.ItemTicked():
                told.append(replace(event, note=text, operator=text))
            case e.StatementStarted():
                told.append(replace(event, sql=text, tag=text))
            case e.VerificationFinished():
                rows = tuple(tuple(text for _ in row) for row in event.rows)
                told.append(
                    replace(event, expected=text, found=text, columns=tuple(text for _ in event.columns), rows=rows)
                )
            case e.ScriptFailed():
                error = PgError("XX000", text, text, text, text)
                told.append(replace(event, error=error, message=text, advice=text))
            case e.RunWatched(holder=holder) if holder is not None:
                who = replace(holder, operator=text, user=text, client=text)
                told.append(replace(event, holder=who))
            case e.RemainsFound(remains=found):
                told.append(replace(event, remains=replace(found, what=text, repair=(text, text))))
            case e.RepairStarted():
                told.append(replace(event, sql=text))
            case e.ServerAwaited():
                told.append(replace(event, why=text))
            case e.BatchThrottled():
                told.append(replace(event, reason=text))
            case e.ChangesFound():
                told.append(replace(event, changes=tuple(replace(c, file=text) for c in event.changes)))
            case e.GateOverridden():
                told.append(replace(event, open=(f"changed:{text}",), reason=text, operator=text))
            case e.LockWaited():
                blockers = tuple(replace(b, application_name=text, user=text, holds=text) for b in event.blockers)
                told.append(replace(event, wanted=text, blockers=blockers))
            case e.SessionSignalled():
                told.append(replace(event, session=text, message=text, operator=text))
            case e.LocksGivenBack():
                told.append(replace(event, detail=text))
            case e.ProofRead():
                told.append(replace(event, rehearsal=hostile_rehearsal(text)))
            case e.ForecastMade():
                steps = tuple(
                    replace(
                        step,
                        locks=tuple(replace(one, relation=text) for one in step.locks),
                        rewrites=(text,),
                        scans=(text, text),
                        caveats=(text,),
                    )
                    for step in (*event.steps[:2], *by_rule().steps[2:])
                )
                told.append(replace(event, steps=steps))
            case e.DeadlineCrossed():
                told.append(replace(event, words=text))
            case e.MadeCounted():
                told.append(replace(event, made=tuple(replace(one, name=text) for one in event.made)))
            case e.FingerprintCompared():
                told.append(replace(event, differences=hostile_differences(text)))
            case _:
                told.append(event)
    if make == "in_006":
        told.append(e.NoticeRaised(told[-1].at, "006", "NOTICE", text))
    return told


def hostile_differences(text: str) -> tuple[Difference, ...]:
    return tuple(replace(one, object=text, words=text) for one in LOST)


def hostile_rehearsal(text: str) -> Rehearsal:
    """005 lost something, 007 failed, and a verification of 004 was red, in these words."""
    found = mixed()
    differences = hostile_differences(text)
    steps = tuple(
        replace(
            step,
            differences=differences if step.differences else (),
            error=text if step.error else "",
            red=(text,) if step.step == "004" else (),
            scripts=((text, "0" * 64),),
        )
        for step in found.steps
    )
    ways = tuple(replace(way, differences=differences, again=differences, error=text) for way in found.ways_back)
    return replace(found, steps=steps, ways_back=ways)


def hostile_sample(text: str) -> Sample:
    who = session(4242, text, text, "active", 3.0, user=text, client=text, database=text, wait_event=text)
    waiter = node(session(7, text, text), f"ACCESS SHARE on {text}", wait=1.0)
    ours = node(session(5131, text, text), f"ACCESS EXCLUSIVE on {text}", wait=2.0, ours=True, children=(waiter,))
    root = node(who, holds=(f"ACCESS SHARE on {text}",), children=(ours,))
    tree = replace(
        waiting_tree(1), sentence=text, roots=(root,), blockers=(root,), our_wants=f"ACCESS EXCLUSIVE on {text}"
    )
    ours_now = (lock(text, AE, False, 16410), lock(text, AE, True, 16420), lock(text, "AccessShareLock", True, 16430))
    held = (
        InTheWay(text, AE, "AccessShareLock", 4242, who),
        InTheWay(text, AE, text, 4243, replace(who, application_name="", user="", state="")),
        InTheWay(text, AE, AE, None, None),
    )
    return sample(tree, sessions=(who,), our_locks=ours_now, in_the_way=held)


def shown(app: LockstepApp) -> list[str]:
    """What the terminal would get, row by row, without styles."""
    return ["".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips()]


def harmless(text: str) -> bool:
    return all(unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in text)


async def look(app: LockstepApp, pilot: Pilot[int]) -> None:
    await pilot.pause()
    for row in shown(app):
        assert harmless(row)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("kind", ["together", "long", "wide", "empty"])
@pytest.mark.parametrize("make", ["checklist", "in_006", "red", "failed", "finished"])
async def test_hostile_text(kind: str, make: str, size: tuple[int, int]) -> None:
    text = HOSTILE[kind]
    app, _ = console()
    async with app.run_test(size=size) as pilot:
        await show(app, pilot, hostile_events(text, make), [hostile_sample(text)])
        await look(app, pilot)
        for keys in (["down", "down"], ["k"], ["escape", "R"], ["escape", "q"], ["escape", "enter"], ["escape", "l"]):
            await pilot.press(*keys)
            await look(app, pilot)
        await pilot.press("escape")
        app.console_screen.say(text, bad=True)
        await look(app, pilot)
        for pane in app.console_screen.query(Lines):
            assert harmless(pane.text.replace("\n", ""))


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("kind", ["together", "long"])
@pytest.mark.parametrize(
    "make", ["watching", "abandoned", "leftover", "repairing", "doubt", "backfill", "cut_off", "changed", "accepted"]
)
async def test_hostile_text_in_what_must_be_mended(kind: str, make: str, size: tuple[int, int]) -> None:
    text = HOSTILE[kind]
    app, _ = console()
    async with app.run_test(size=size) as pilot:
        await show(app, pilot, hostile_events(text, make), [hostile_sample(text)])
        await look(app, pilot)
        for keys in (["enter"], ["escape", "R"], ["escape", "q"], ["escape", "up"]):
            await pilot.press(*keys)
            await look(app, pilot)
        for pane in app.console_screen.query(Lines):
            assert harmless(pane.text.replace("\n", ""))


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("kind", ["together", "long", "empty"])
@pytest.mark.parametrize("make", ["to_come", "never", "mixed_proofs", "rehearsed_in_006", "late", "back"])
async def test_hostile_text_in_what_a_rehearsal_found(kind: str, make: str, size: tuple[int, int]) -> None:
    text = HOSTILE[kind]
    app, run = console()
    run.way, run.stale, run.seconds = hostile_rehearsal(text).ways_back[3], True, 9.0
    run.lost = tuple(replace(loss, name=text) for loss in LOSSES)
    async with app.run_test(size=size) as pilot:
        await show(app, pilot, hostile_events(text, make), [hostile_sample(text)])
        await look(app, pilot)
        for keys in (["R"], ["right", "enter"], ["escape", "o"], ["escape", "down"], ["down"], ["up", "up", "up"]):
            await pilot.press(*keys)
            await look(app, pilot)
        for pane in app.console_screen.query(Lines):
            assert harmless(pane.text.replace("\n", ""))


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_in_one_line_for_a_log(kind: str) -> None:
    for make in ("mixed_proofs", "late", "back"):
        state = RunState()
        for event in hostile_events(HOSTILE[kind], make):
            state = state.apply(event)
            assert harmless(safe(narrate(event, state) or ""))


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("width", [1, 2, 7, 40, 119])
def test_lines_keep_their_width(kind: str, width: int) -> None:
    text = HOSTILE[kind]
    assert Line(text).cut(width).cells <= width
    assert Line(text).pad(width).cells == width
    assert spread(Line(text), Line(text), width).cells == width
    assert Line().column(text, width).cells == width
    assert all(line.cells <= max(8, width) for line in wrap(text, width))
    assert harmless(Line(text).text)


def test_wrap_keeps_the_words() -> None:
    assert [line.text for line in wrap("one two three", 8)] == ["one two", "three"]
    assert [line.text for line in wrap("a\n\nb", 8)] == ["a", "", "b"]
    assert [line.text for line in wrap("x" * 20, 8)] == ["x" * 8, "x" * 8, "x" * 4]
    assert safe("tab\there") == "tab here"
