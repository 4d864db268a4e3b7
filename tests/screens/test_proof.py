"""What the panes and dialogs say of rehearsal and proof, where a figure is at its edge or nothing is known."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rehearsed import (
    AE,
    BROKEN,
    HERE,
    LOSSES,
    LOST,
    QUICK,
    RE,
    REHEARSED,
    REPORT,
    SRE,
    back,
    by_rule,
    done_as_rehearsed,
    forecast,
    in_the_way,
    known,
    late,
    lock,
    mixed,
    mixed_proofs,
    never,
    rehearsal,
    rehearsed_in_006,
    to_come,
    waits,
)
from scenes import NIGHT, at, console, in_006, plan, runbook, sample, samples, show, two_done, waiting_tree, window_open
from textual.widgets import Button

from tui.engine import events as e
from tui.engine.deadline import deadline
from tui.engine.narrate import badge, narrate, rehearsed_when
from tui.engine.proof import Difference, ForeseenLock, Loss, StepForecast
from tui.engine.rollback import RollbackPlan
from tui.engine.sample import InTheWay, Sample
from tui.engine.state import RunState, fold
from tui.postgres.rows import Lock
from tui.screens.dialog import Dialog
from tui.screens.way_back import Counting, confirmation, rollback_lines
from tui.widgets.detail import detail_lines
from tui.widgets.forecast import Foreseen, calm_lines, in_the_way_lines
from tui.widgets.header import header_lines
from tui.widgets.line import Line
from tui.widgets.lines import Lines
from tui.widgets.outline import Key, outline_rows
from tui.widgets.panel import panel_lines
from tui.widgets.proof import deadline_line, deadline_role
from tui.widgets.step import step_lines
from tui.widgets.view import View
from tui.widgets.words import about

LOCKED = (ForeseenLock("requests", RE, 1, HERE["requests"]),)
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])


def view(events: list[e.Event], look: Sample | None = None, now: datetime = NIGHT) -> View:
    return View(fold(events), now, look, runbook(Path("iso-agents-to-users")))


def text(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines)


def detail(events: list[e.Event], step: str, width: int = 75) -> str:
    lines = detail_lines(view(events), Key("step", step), width)
    assert all(line.cells <= width for line in lines)
    return text(lines)


# Badges


def badges(state: RunState) -> str:
    return " ".join(badge(state, step) for step in state.steps)


def test_each_step_has_one_word() -> None:
    assert badges(fold(two_done())) == "untested untested untested untested"
    # 007 has no verification: nobody vouches for it, however well its way back went.
    assert badges(fold(known(two_done()))) == "proven proven proven untested"
    assert badges(fold(mixed_proofs())) == "proven lossy stale failed"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"rollback": "missing"}, "untested"),
        ({"state": "pending"}, "untested"),
        ({"state": "failed"}, "failed"),
        ({"red": ("Roles: expected 0, found 1",)}, "failed"),
        ({"rollback": "lossy"}, "lossy"),
    ],
)
def test_what_a_rehearsal_found_is_one_word(changes: dict[str, object], word: str) -> None:
    first, *rest = rehearsal().steps
    found = replace(rehearsal(), steps=(replace(first, **changes), *rest))  # type: ignore[arg-type]
    state = fold(known(two_done(), found))
    assert badge(state, state.step("004")) == word
    # A verdict on another script is none.
    assert badge(fold(known(two_done(), found, ("004",))), state.step("004")) == "stale"


@pytest.mark.parametrize("width", [42, 80])
def test_the_list_has_word_and_colour(width: int) -> None:
    rows = [r.line for r in outline_rows(view(mixed_proofs()), width, 60, set()) if r.key and r.key.kind == "step"]
    assert [row.text.split()[-1] for row in rows] == ["proven", "lossy", "stale", "failed"]
    roles = [next(role for word, role in row.parts if word.strip() == row.text.split()[-1]) for row in rows]
    assert roles == ["good", "warn", "warn", "bad"]
    assert all(row.cells <= width for row in rows)


def test_without_an_expectation_the_rehearsed_time_stands_there() -> None:
    events = known(two_done())
    first = events[0]
    assert isinstance(first, e.RunOpened)
    events[0] = replace(first, steps=tuple(replace(s, expected=None) for s in first.steps))
    rows = outline_rows(view(events), 80, 60, set())
    assert any("006 Update foreign keys" in row.line.text and "~6.2 s" in row.line.text for row in rows)


# The step's own lines


def test_the_detail_tells_when_on_what_and_how_long() -> None:
    assert "proven 2 days ago on 18.4 (clone)   forward 6.2 s, back 3.0 s" in detail(known(two_done()), "006")
    assert "untested: never rehearsed" in detail(two_done(), "006")
    assert "untested: never rehearsed; no verification" in detail(two_done(), "007")
    told = detail(mixed_proofs(), "005")
    assert "lossy 2 days ago on 18.4 (clone): going back does not end where it began" in told
    # What is lost comes first, the order of columns last.
    at_lines = [told.index(word) for word in ("- constraint quotes", "~ column users.email", "~ columns of requests")]
    assert at_lines == sorted(at_lines)
    assert "failed 2 days ago" in detail(mixed_proofs(), "007")
    assert "rollback/007.sql:12: DROP TYPE: cannot drop type user_role" in detail(mixed_proofs(), "007")
    assert "stale: " in detail(mixed_proofs(), "006")
    assert "steps/006.sql changed since it was" in detail(mixed_proofs(), "006")


def test_going_forward_again_elsewhere_is_told() -> None:
    found = rehearsal()
    ways = tuple(replace(way, again=LOST[:1]) if way.after == "006" else way for way in found.ways_back)
    told = detail(known(two_done(), replace(found, ways_back=ways)), "006")
    assert "taken back and forward again it did not end as the first time" in told
    assert LOST[0].words in told


def test_the_margin_is_told() -> None:
    told = " ".join(detail(known(two_done()), "006").split())
    assert "once 006 is applied, roll back by 02:19:11" in told
    assert "going back took 6.1 s in rehearsal, × 3 as the tables are larger here, margin 30 s" in told
    assert "once" not in detail(known(two_done()), "005")
    assert "roll back by" not in detail(known(two_done()), "004")
    assert "roll back by unknown: never rehearsed" in detail(two_done(), "005")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "just now"), (90, "1 min ago"), (3 * 3600, "3 h ago"), (86400, "1 day ago"), (9 * 86400, "9 days ago")],
)
def test_how_long_ago(seconds: float, words: str) -> None:
    assert rehearsed_when(rehearsal(), REHEARSED + timedelta(seconds=seconds)) == f"{words} on 18.4 (clone)"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (0, "0 rows"),
        (1, "1 row"),
        (950, "950 rows"),
        (1500, "1.5 k rows"),
        (20_012, "20 k rows"),
        (300_000, "300 k rows"),
        (999_600, "1.0 M rows"),
        (1_400_000, "1.4 M rows"),
        (3 * 10**9, "3.0 G rows"),
    ],
)
def test_rows_in_few_words(rows: int, words: str) -> None:
    assert about(rows, "row") == words


# The forecast


def test_the_forecast_names_every_strong_lock_with_sizes() -> None:
    told = detail(known(two_done()), "006", 110)
    assert "will lock as rehearsed, held 6.2 s there" in told
    sizes = "1.2 GB, 300 k rows here; 400 MB, 100 k rows in rehearsal"
    assert f"ACCESS EXCLUSIVE on client_profiles   {sizes}" in told
    assert "rewrites iso_agents" in detail([*known(window_open())], "004")
    weak = detail(to_come(), "005")
    assert "SHARE UPDATE EXCLUSIVE on iso_agents_pkey, idx_iso_agents_email" in weak
    assert "and weaker ones on 1 relation" in weak
    # What is applied has its locks behind it.
    assert "will lock" not in detail(known(two_done()), "005")


def test_what_the_rules_do_not_know_is_never_no_lock() -> None:
    told = detail(never(), "005")
    assert "will lock by rule, never rehearsed" in told
    assert "! statement 2 (DO): it runs code that is not read" in told
    told = detail(never(), "007")
    assert "not known: the rules do not know all of its statements" in told
    assert "nothing that stands" not in told
    harmless = StepForecast("005", "rules", ())
    events = [*never(), replace(by_rule(), steps=(harmless,))]
    assert "nothing that stands in anybody's way" in detail(events, "005")


def test_a_stale_forecast_says_so() -> None:
    told = replace(forecast(), steps=tuple(replace(one, stale=True) for one in forecast().steps))
    assert "stale: scripts have changed" in detail([*to_come(), told], "005")


def test_who_is_in_the_way_is_one_sentence() -> None:
    lines = in_the_way_lines(view(to_come(), in_the_way()[-1]), 200)
    assert [line.text for line in lines] == [
        " ◷ 005 wants ACCESS EXCLUSIVE on iso_agents; would queue behind 4242 (billing_report), "
        "idle in transaction 14 min"
    ]


def test_others_in_the_way() -> None:
    def one(pid: int | None, **changes: object) -> InTheWay:
        who = replace(REPORT, pid=pid or 0, **changes) if changes else None  # type: ignore[arg-type]
        return InTheWay("iso_agents", AE, "AccessShareLock", pid, who)

    vacuum = one(7, application_name="", user="", state="", backend_type="autovacuum worker", transaction_seconds=61.0)
    many = [one(pid, state="active") for pid in range(100, 106)]
    look = sample(in_the_way=(one(None), one(9), vacuum, *many))
    told = text(in_the_way_lines(view(to_come(), look), 120))
    assert "would queue behind a prepared transaction" in told
    assert "also behind session 9, on iso_agents" in told
    assert "also behind 7 (autovacuum worker), autovacuum worker 1 min 1 s" in told
    assert "and behind 5 more sessions" in told


def test_short_transactions_are_no_alarm() -> None:
    brief = sample(in_the_way=(InTheWay("iso_agents", AE, "AccessShareLock", 5302, QUICK),))
    assert in_the_way_lines(view(to_come(), brief), 80) == []
    assert "only transactions of less than 1 s" in text(calm_lines(view(to_come(), brief), "005", 80))
    assert "nobody is in the way of that now" in text(calm_lines(view(to_come(), sample()), "005", 80))
    assert calm_lines(view(to_come(), sample()), "006", 80) == []
    assert calm_lines(view(to_come(), in_the_way()[-1]), "005", 80) == []


@SIZES
@pytest.mark.parametrize("keys", [[], ["up"], ["up", "up", "up"]])
async def test_who_is_in_the_way_is_seen_wherever_the_cursor_is(size: tuple[int, int], keys: list[str]) -> None:
    app, _ = console()
    async with app.run_test(size=size) as pilot:
        await show(app, pilot, to_come(), in_the_way())
        await pilot.press(*keys)
        await pilot.pause()
        pane = app.console_screen.query_one("#step", Lines)
        first = " ".join(" ".join(pane.text.splitlines()[:3]).split())
        assert "would queue behind 4242 (billing_report), idle in transaction 14 min" in first
        assert pane.scroll_offset.y == 0


def test_before_the_window_it_is_told_of_the_first_step() -> None:
    look = sample(in_the_way=(InTheWay("iso_agents", AE, "AccessShareLock", 4242, REPORT),))
    shown = view([event for event in known(window_open()) if not isinstance(event, e.WindowOpened)], look)
    assert "004 wants ACCESS EXCLUSIVE on iso_agents" in text(panel_lines(shown, Key("item", "backup"), 100, 20))


# While it runs


def running(events: list[e.Event], looks: list[Sample], width: int = 110) -> str:
    return text(step_lines(view(events, looks[-1]), width, 20))


def test_a_foreseen_wait_is_told_with_the_tables_size() -> None:
    told = running(rehearsed_in_006(), waits())
    assert "wants ACCESS EXCLUSIVE on client_profiles (1.2 GB, 300 k rows)" in told
    assert "as rehearsed" in told
    assert "not foreseen" not in told
    assert "expected 5–10 s   rehearsed 6.2 s" in told
    assert "(1.2 GB)" in running(rehearsed_in_006(), waits(), 75)
    assert "as foreseen by rule" in running([*rehearsed_in_006(), by_rule()], waits())


def test_a_lock_that_was_not_foreseen_is_marked() -> None:
    told = running(rehearsed_in_006(), waits(lock("iso_agents", SRE), lock("iso_agents", RE)))
    assert "! holds SHARE ROW EXCLUSIVE on iso_agents" in told
    assert told.count("not foreseen") == 1
    stronger = replace(forecast().steps[2], locks=(ForeseenLock("client_profiles", SRE, 1),))
    told = running([*rehearsed_in_006(), replace(forecast(), steps=(stronger,))], waits())
    # A stronger mode than the foreseen one, and two tables of which nothing was foreseen.
    assert told.count("not foreseen") == 3


@pytest.mark.parametrize(
    "ours",
    [
        lock("pg_class", AE, oid=1259),
        lock("pg_toast.pg_toast_16400", AE, oid=16404),
        lock("lockstep.act", AE, oid=16900),
        lock("idx_requests_status", AE, oid=16421),
        lock("oid 17001", AE, oid=17001),
        replace(lock("iso_agents", AE), locktype="transactionid"),
        lock("client_profiles", SRE),
    ],
    ids=lambda ours: ours.relation,
)
def test_what_is_no_table_of_theirs_is_not_judged(ours: Lock) -> None:
    shown = view(rehearsed_in_006(), sample(waiting_tree()))
    assert Foreseen(shown).judge(ours) in ("", "as rehearsed")


def test_an_index_that_is_used_otherwise_is_no_surprise() -> None:
    read = StepForecast("006", "rehearsed", (ForeseenLock("requests_pkey", "AccessShareLock", 1), *LOCKED))
    for before in (True, False):
        events = [*known(in_006(), before=before), replace(forecast(), steps=(read,))]
        shown = view(events, sample(waiting_tree()))
        assert Foreseen(shown).judge(lock("requests_pkey", RE, oid=16421)) == ""
        assert Foreseen(shown).judge(lock("requests", AE)) == "not foreseen"
        # Without the list of tables of before only what the forecast knows for a table can be judged.
        assert Foreseen(shown).judge(lock("quotes", AE)) == ("not foreseen" if before else "")


def test_a_table_of_an_earlier_step_is_judged() -> None:
    shown = view(rehearsed_in_006(), sample(waiting_tree()))
    assert Foreseen(shown).judge(lock("users_new", AE, oid=16990)) == "not foreseen"
    # Of going back nothing was foreseen lock by lock.
    undone = ("005", "004")
    begun = e.ScriptStarted(NIGHT, "008", "Back", "back", undone, 1, 10, 3, 5131, "dba1")
    assert Foreseen(view([*known(two_done()), begun], sample())).judge(lock("quotes", AE)) == ""


def test_going_back_in_one_script_has_its_rehearsed_time() -> None:
    undone = ("005", "004")
    begun: list[e.Event] = [
        e.RollbackPlanned(NIGHT, "dba1", ("008",), undone, None),
        e.ScriptStarted(NIGHT, "008", "Back", "back", undone, 1, 10, 3, 5131, "dba1"),
    ]
    assert "rehearsed 3.1 s" in running([*known(two_done()), *begun], samples())
    planned, started = begun
    assert isinstance(planned, e.RollbackPlanned)
    assert isinstance(started, e.ScriptStarted)
    single: list[e.Event] = [replace(planned, scripts=("005", "004")), replace(started, script="005")]
    assert "rehearsed" not in running([*known(two_done()), *single], samples()).splitlines()[1]


# Roll back by


@pytest.mark.parametrize("width", [80, 120])
def test_the_header_counts_down_to_the_last_moment(width: int) -> None:
    told = text(header_lines(view(known(two_done())), width))
    assert "roll back by 02:19" in told
    assert ("from now" in told) == (width == 120)
    stale = text(header_lines(view(known(two_done(), stale=("005",))), width))
    assert "roll back by 02:19 stale" in stale or "02:19 (35:08 from now) stale" in stale
    unknown = text(header_lines(view(two_done()), width))
    assert ("roll back by ?" if width == 80 else "roll back by unknown: never rehearsed") in unknown
    past = text(header_lines(view(known(two_done()), now=at("02:19:50")), width))
    assert "roll back by 02:19: 0:29 PAST" in past


def test_the_header_before_anything_is_applied() -> None:
    told = text(header_lines(view(known(window_open()), now=at("01:20:30")), 120))
    assert "after 004: roll back by 02:19" in told
    assert "roll back by" not in text(header_lines(view(known(window_open())), 80))
    assert "roll back by" not in text(header_lines(view(window_open()), 120))


def test_the_countdown_turns_amber_and_red() -> None:
    limit = deadline(fold(known(two_done())))
    assert limit is not None
    assert limit.at is not None
    for left, role in ((3600.0, ""), (901.0, ""), (899.0, "warn"), (1.0, "warn"), (-1.0, "badge-bad")):
        shown = view(known(two_done()), now=limit.at - timedelta(seconds=left))
        assert deadline_role(shown, limit) == role, left
        assert deadline_line(shown).parts[0][1] == role


# Going back


def going_back(shown: RollbackPlan, state: RunState, now: datetime = NIGHT, counting: Counting | None = None) -> str:
    lines = rollback_lines(shown, state, now, 70, counting)
    assert all(line.cells <= 70 for line in lines), [line.text for line in lines if line.cells > 70]
    return " ".join(" ".join(line.text.split()) for line in lines)


PROVEN = replace(plan(), rehearsed=rehearsal().ways_back[1], seconds=9.3)


def test_the_plan_tells_how_it_went_in_rehearsal() -> None:
    state = fold(rehearsed_in_006())
    told = going_back(PROVEN, state)
    assert "2. 008 Back to iso_agents undoes 005, 004 ~9.3 s proven" in told
    assert "3. verify: schema identical to the one at 01:20, 1 check" in told
    assert "rehearsed 2 days ago on 18.4 (clone), 3.1 s there, × 3 as the tables are larger here" in told
    assert "fits back by 01:44, the limit is 02:19" in told
    assert confirmation(PROVEN) == "Roll back"
    told = going_back(replace(PROVEN, rehearsed=mixed().ways_back[1]), state)
    assert "lossy 2 days ago on 18.4 (clone): it does not end where it began" in told
    assert LOST[1].words in told
    told = going_back(replace(PROVEN, stale=True), state)
    assert "~9.3 s stale" in told
    assert "its scripts have changed since then" in told
    broken = replace(PROVEN, rehearsed=mixed().ways_back[3], seconds=None)
    assert BROKEN in going_back(broken, state)
    assert confirmation(broken) == "Roll back, it failed"
    assert confirmation(plan()) == "Roll back untested"


def test_why_a_way_back_is_untested() -> None:
    assert "never rehearsed" in going_back(plan(), fold(in_006()))
    assert "with these scripts, was not rehearsed" in going_back(plan(), fold(rehearsed_in_006()))


def test_whether_it_fits() -> None:
    state = fold(rehearsed_in_006())
    assert "does not fit back by 03:14, the window ends 02:20" in going_back(replace(PROVEN, seconds=5400.0), state)
    told = going_back(PROVEN, state, at("02:19:30"))
    assert "back by 02:19, later than the limit of 02:19; the window ends 02:20" in told
    assert "fits not known: how long it takes was never measured" in going_back(replace(PROVEN, seconds=None), state)
    assert "back by 01:44, the window ends 02:20" in going_back(PROVEN, fold(in_006()))
    no_window: list[e.Event] = [event for event in rehearsed_in_006() if not isinstance(event, e.WindowOpened)]
    assert going_back(PROVEN, fold(no_window)).endswith("fits back by 01:44")


def test_a_plan_without_the_way_to_compare_says_why() -> None:
    error = e.FingerprintTaken(at("01:20"), "", 0, 0.1, (), "permission denied for schema app")
    told = going_back(PROVEN, fold([*rehearsed_in_006(), error]))
    assert "3. verify: 1 check" in told
    assert "not compared with what was there before: permission denied for schema app" in told
    judged_by_nothing = replace(PROVEN, verifications=())
    assert "nothing verifies that it is back: untested" in going_back(judged_by_nothing, fold(in_006()))


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (LOSSES, "12 rows of users_new written since 01:21 (20 012 in all)"),
        (LOSSES, "users.avatar_url: 3 values since 01:22"),
        (LOSSES, "goes with it users.locale (60 000)"),
        ((Loss("t", "rows", 7, "004", 7),), "7 rows of t written since 01:21 fits"),
        ((Loss("t", "rows", 7, "", None),), "t: 7 rows"),
        ((Loss("t", "rows", None, "004", None),), "t: rows, which could not be counted now"),
        ((Loss("t.c", "values", 7, "004", 2),), "t.c: 7 values, 2 of them since 01:21"),
        (
            (Loss("t", "rows", 5, "004", -3),),
            "would be lost no more than the steps made; changes in that are not seen goes with it t (5)",
        ),
        (tuple(Loss(f"t{n}", "rows", 1, "004", 1) for n in range(15)), "and 3 more tables and columns"),
        ((), "would be lost nothing that is counted"),
        (None, "would be lost not known: it could not be counted now"),
    ],
)
async def test_what_would_be_lost(found: tuple[Loss, ...] | None, told: str) -> None:
    async def count() -> tuple[Loss, ...] | None:
        return found

    counting = Counting(count())
    state = fold(rehearsed_in_006())
    assert "would be lost counting …" in going_back(PROVEN, state, counting=counting)
    await counting._task
    assert told in going_back(PROVEN, state, counting=counting)


async def test_what_cannot_be_counted_says_why() -> None:
    async def fails() -> tuple[Loss, ...] | None:
        raise OSError("the connection is lost")

    counting = Counting(fails())
    await counting.stop()
    assert counting.found is None
    assert "what was there before the first step was not kept" in going_back(PROVEN, fold(in_006()), counting=counting)


@SIZES
async def test_the_question_stands_before_the_count_is_there(size: tuple[int, int]) -> None:
    app, run = console()
    run.counts.clear()
    run.lost = LOSSES
    async with app.run_test(size=size) as pilot:
        await show(app, pilot, rehearsed_in_006(), waits())
        await pilot.press("R")
        await pilot.pause()
        dialog = app.screen
        assert isinstance(dialog, Dialog)
        body = dialog.query_one(Lines)
        assert "counting …" in body.text
        assert isinstance(app.focused, Button)
        assert app.focused.id == "choice-no"
        run.counts.set()
        await pilot.pause()
        dialog.refresh_body()
        assert "12 rows of users_new" in body.text
        await pilot.press("enter")
        await pilot.pause()
        assert [call for call in run.calls if call[0] == "roll_back"] == []


async def test_a_count_that_takes_long_is_let_go_before_anything_is_taken_back() -> None:
    app, run = console()
    run.counts.clear()
    async with app.run_test(size=(120, 40)) as pilot:
        await show(app, pilot, rehearsed_in_006(), waits())
        await pilot.press("R")
        await pilot.pause()
        await pilot.press("right", "enter")
        await pilot.pause()
        # The other plan is counted anew, the first count is over.
        assert run.counting == 1
        await pilot.press("right", "right", "enter")
        await pilot.pause()
        assert run.counting == 0
        assert run.calls[-1] == ("roll_back", plan("004"))


# After it


def panel(events: list[e.Event], width: int = 75) -> str:
    lines = panel_lines(view(events, sample()), None, width, 20)
    return " ".join(" ".join(line.text.split()) for line in lines)


def test_after_going_back_the_comparison_is_told() -> None:
    told = panel(back())
    assert "✓ identical to the schema at 01:20, 412 objects compared" in told
    assert "rows were not compared" in told
    told = panel(back(*LOST))
    assert "✗ not what it was at 01:20: 3 differences, 412 objects compared" in told
    assert told.index("- constraint quotes") < told.index("~ column users.email") < told.index("~ columns of requests")
    assert "! not compared: permission denied" in panel(back(error="permission denied"))
    assert "not compared yet with what was there before: enter compares" in panel(back()[:-1])
    looks = [*back()[:-1], e.LookStarted(NIGHT, "compares")]
    assert "▶ compares the database with what it was before the first step" in panel(looks)


def test_what_an_earlier_try_lost_and_what_could_not_be_compared_is_told() -> None:
    told = [*back()[:-1], earlier_lost()]
    assert "✓ identical to the schema at 01:20" in panel(told)
    assert "! but against 23:50, before an earlier try: - constraint quotes" in panel(told)
    assert "not compared: rows of app.secret were not read" in panel(told)
    line = narrated(earlier_lost(), known(two_done())) or ""
    assert "not compared: rows of app.secret were not read\n! against 23:50, before an earlier try:" in line


def earlier_lost() -> e.FingerprintCompared:
    lost = (Difference("lost", "constraint quotes_pkey", "constraint quotes_pkey on quotes is gone"),)
    limits = ("rows of app.secret were not read",)
    return e.FingerprintCompared(NIGHT, (), 412, 0.1, "", "whole", limits, lost, at("23:50"))


def test_an_identical_schema_needs_no_verification_to_be_tested() -> None:
    def alone(events: list[e.Event]) -> list[e.Event]:
        first = events[0]
        assert isinstance(first, e.RunOpened)
        kept = tuple(v for v in first.verifications if v.after != "back")
        told = [event for event in events if getattr(event, "verification", "") != "back"]
        return [replace(first, verifications=kept), *told[1:]]

    assert "untested" not in panel(alone(back()))
    assert "nothing verifies the way back: untested" in panel(alone(back(error="no")))


def test_a_whole_run_beside_its_rehearsal() -> None:
    assert "4 steps in 41.9 s (rehearsed 38.0 s)" in panel(done_as_rehearsed())


def test_a_late_step_is_told_and_leads_to_its_line() -> None:
    assert "! 006 would end at 02:19:13; to be back when the window ends" in panel(late())


async def test_a_late_step_asks_for_a_reason() -> None:
    app, run = console(at("02:18:55"))
    async with app.run_test(size=(120, 40)) as pilot:
        await show(app, pilot, late(), samples())
        await pilot.press("o")
        await pilot.pause()
        body = app.screen.query_one(Lines).text
        assert "! 006 would end at 02:19:13" in body
        assert "margin 30 s" in body
        await pilot.press(*"agreed", "enter", "enter")
        await pilot.pause()
        assert run.calls[-1] == ("override", ("late:006",), "agreed")


# Without a screen


def narrated(event: e.Event, events: list[e.Event]) -> str | None:
    return narrate(event, fold([*events, event]))


def test_each_is_one_line_without_a_screen() -> None:
    read = e.ProofRead(NIGHT, mixed(), ("006",))
    assert narrated(read, two_done()) == (
        "rehearsed 2 days ago on 18.4 (clone): 004 proven, 005 lossy, 006 stale, 007 failed"
    )
    assert narrated(e.DeadlineCrossed(NIGHT, "006", "006 would end late"), two_done()) == "! 006 would end late"
    assert narrated(e.FingerprintTaken(NIGHT, "0", 9, 0.1), two_done()) is None
    failed = narrated(e.FingerprintTaken(NIGHT, "", 0, 0.1, (), "permission denied"), two_done())
    assert failed == "! how the database was before the first step is not known: permission denied"
    same = e.FingerprintCompared(NIGHT, (), 412, 0.1)
    assert narrated(same, known(two_done())) == (
        "✓ identical to the schema at 01:20, 412 objects compared; rows were not compared"
    )
    assert narrated(same, two_done()) == (
        "✓ identical to the schema before, 412 objects compared; rows were not compared"
    )
    differs = narrated(e.FingerprintCompared(NIGHT, LOST, 412, 0.1), known(two_done()))
    assert differs is not None
    assert differs.startswith("✗ not what it was at 01:20:\n  changed: column users.email")
    unknown = narrated(e.FingerprintCompared(NIGHT, (), 0, 0.1, "no rights"), two_done())
    assert unknown == "! not compared with what was before: no rights"
    assert narrated(e.MadeCounted(NIGHT, "005", ()), two_done()) is None
    assert narrated(forecast(), two_done()) is None
