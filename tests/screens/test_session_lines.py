"""What the detail of a session, or of a prepared transaction, says of it."""

import re
from dataclasses import replace

import pytest
from looked_at import BILLING, LONG, PREPARED, lock, look, queue, seen_of
from scenes import NIGHT, session

from tui.engine.closely import closely
from tui.engine.sample import Sample
from tui.postgres.decode import HIDDEN
from tui.postgres.rows import Progress, Session, Source
from tui.widgets.line import Line
from tui.widgets.session import session_lines, title_line
from tui.widgets.sql import laid_out


def text(shown: Sample, key: int | str, width: int = 120) -> str:
    return "\n".join(line.text for line in session_lines(key, seen_of(shown, key), width))


def test_who_it_is_what_it_holds_and_whom_it_blocks() -> None:
    shown = text(queue(looked_at=4242), 4242)
    assert "idle in transaction for 14:02 · transaction open for 14:02 · it has written nothing" in shown
    assert "billing_report as reporting on app from 10.0.3.7" in shown
    assert "client backend since 01:06:00" in shown
    assert "waits: Client ClientRead" in shown
    assert "18 sessions wait because of it, the oldest 2.4 s" in shown
    assert "LOCKS  3 locks held" in shown
    assert "ACCESS SHARE on 3: client_profiles, client_profiles_pkey, requests" in shown
    assert "its own virtual transaction 3/4242" in shown
    direct, behind = shown.split("BLOCKS")[1].split("and behind those:")
    assert "5131" in direct
    assert "wants ACCESS EXCLUSIVE on client_profiles" in direct
    assert behind.count("wants ACCESS SHARE on client_profiles") == 17
    assert "its last one" in shown
    assert LONG in " ".join(shown.split("QUERY")[1].split("LOCKS")[0].split())


def test_a_query_in_one_row_is_laid_out_by_its_clauses() -> None:
    rows = laid_out(LONG).splitlines()
    assert [row.split()[0] for row in rows] == ["SELECT", "FROM", "JOIN", "WHERE", "AND", "GROUP", "ORDER"]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1\n  FROM t",
        r"SELECT E'\'  FROM  x' FROM t",
        "SELECT $$  FROM  $$ FROM t",
        "SELECT 1 /* FROM */ FROM t -- WHERE",
        f"SELECT * FROM t WHERE a IN ({', '.join(map(str, range(100)))})",
        f"SELECT {'(' * 300}1{')' * 300}",
    ],
)
def test_a_query_that_might_be_taken_amiss_stays_as_it_is(query: str) -> None:
    assert laid_out(query) == query


def test_until_its_locks_are_read_it_says_so() -> None:
    assert "those that somebody waits for; all of them are read at the next look" in text(queue(), 4242)
    assert "at the next look" not in text(queue(looked_at=4242), 4242)


def test_one_that_waits_names_whom_it_waits_for() -> None:
    shown = text(queue(looked_at=5131), 5131)
    assert "wants ACCESS EXCLUSIVE on client_profiles, for 2.4 s" in shown
    assert re.search(r"4242 +billing_report +idle in transaction +14:02  holds it", shown)
    soft = text(queue(), 5204)
    assert re.search(r"5131 .* stands before it in the queue", soft)


def test_hundreds_of_locks_are_counted() -> None:
    parts = tuple(lock(4242, f"part_{n:03}", "RowExclusiveLock") for n in range(300))
    shown = text(look((BILLING,), parts, {}, looked_at=4242), 4242)
    assert "300 locks held" in shown
    assert "ROW EXCLUSIVE on 300: part_000," in shown
    assert "… 260 more" in shown


def test_hundreds_behind_it_are_counted() -> None:
    webs = tuple(session(10_000 + n, "web", "SELECT 1") for n in range(400))
    locks = (lock(4242, "t", "AccessShareLock"), *(lock(w.pid, "t", "AccessExclusiveLock", waits=1.0) for w in webs))
    blocking = {w.pid: (4242, *(o.pid for o in webs[:n])) for n, w in enumerate(webs)}
    shown = text(look((BILLING, *webs), locks, blocking, us=None), 4242)
    assert "400 sessions wait because of it" in shown
    assert "… 350 more" in shown
    assert len(shown.splitlines()) < 90


def test_parallel_workers_are_their_leader() -> None:
    workers = tuple(
        session(pid, "report", "SELECT 1", leader_pid=4242, backend_type="parallel worker") for pid in (9001, 9002)
    )
    shown = look((BILLING, *workers), (lock(9001, "t", "AccessShareLock"),), {}, looked_at=4242)
    assert "2 parallel workers: 9001, 9002" in text(shown, 4242)
    assert "ACCESS SHARE on t" in text(shown, 4242)
    assert text(shown, 9001) == text(shown, 4242)


def test_what_it_runs_is_measured() -> None:
    build = Progress(5131, "CREATE INDEX", "quotes", "building index: scanning table", 12400, 40960, "blocks", None)
    assert "CREATE INDEX quotes" in text(queue(progress=(build,)), 5131)


def test_what_is_hidden_is_said() -> None:
    hidden = Session(77, None, None, "web", "app", "web", "", "", "", "", None, None, None, "", HIDDEN)
    shown = text(look((hidden,), (), {}, looked_at=77), 77)
    assert "hidden from our role: to see it takes pg_read_all_stats" in shown
    assert HIDDEN not in shown
    assert "written" not in shown


def test_what_could_not_be_asked_is_not_denied() -> None:
    why = Source("locks", "too slow: no answer within 1 s", NIGHT), Source("blocking", "a catalog is locked", NIGHT)
    shown = text(look((BILLING,), (), {}, missing=why), 4242)
    assert "LOCKS  n/a: too slow: no answer within 1 s" in shown
    assert "who waits because of it is n/a: a catalog is locked" in shown
    assert "nobody waits" not in shown
    assert "holds none" not in shown


def test_what_it_has_written_has_a_number() -> None:
    shown = text(look((replace(BILLING, backend_xid=4711),), (), {}), 4242)
    assert "it has written or locked rows, as 4711" in shown


@pytest.mark.parametrize(
    ("length", "says"),
    [(2000, "the first 2,000 bytes"), (1023, "maybe cut: the server keeps 1,024 bytes"), (1500, ""), (40, "")],
)
def test_a_query_that_was_cut_says_so(length: int, says: str) -> None:
    shown = text(look((replace(BILLING, query="SELECT " + "x" * (length - 7)),), (), {}), 4242, 160)
    head = next(line for line in shown.splitlines() if "QUERY" in line)
    assert head.strip() == f"QUERY  its last one{f'; {says}' if says else ''}" + (
        " where track_activity_query_size says nothing else" if length == 1023 else ""
    )


def test_a_prepared_transaction_says_how_to_end_it() -> None:
    waiter = session(5300, "web", "ALTER TABLE t ADD a int")
    locks = (*PREPARED, lock(5300, "t", "AccessExclusiveLock", waits=3.0))
    shown = look((waiter,), locks, {5300: (0,)}, us=None, prepared={"771": "night's batch"})
    (root,) = shown.tree.roots
    assert root.key == "-1/771"
    said = text(shown, root.key)
    assert "ROLLBACK PREPARED 'night''s batch';" in said
    assert "ROW EXCLUSIVE on t" in said
    assert "1 session waits because of it, the oldest 3.0 s" in said
    title = title_line(root.key, seen_of(shown, root.key), NIGHT, 80).text
    assert title.startswith(" prepared transaction night's batch ")
    nameless = look((waiter,), locks, {5300: (0,)}, us=None)
    assert "pg_prepared_xacts" in text(nameless, "-1/771")


def test_a_pid_that_nobody_has_is_told() -> None:
    waiter = session(5300, "web", "ALTER TABLE t ADD a int")
    shown = look((waiter,), (lock(5300, "t", "AccessExclusiveLock", waits=3.0),), {5300: (4444,)}, us=None)
    assert "somebody waits for 4444, and the server shows no such session" in text(shown, 4444)
    assert "1 session waits because of it" in text(shown, 4444)
    assert closely(shown, 1) is None


def test_foreign_text_drives_nothing() -> None:
    evil = replace(BILLING, application_name="[bold]x[/]", query="SELECT '\x1b[31m'")
    lines = session_lines(4242, seen_of(look((evil,), (), {}), 4242), 80)
    assert all("\x1b" not in line.text for line in lines)
    assert any("[bold]x[/]" in line.text for line in lines)


def test_lines_are_never_wider_than_the_pane() -> None:
    for width in (60, 80, 120, 200):
        lines: list[Line] = session_lines(4242, seen_of(queue(looked_at=4242), 4242), width)
        assert max(line.cells for line in lines) <= width
