"""Runs on a real server: forward, failing, cancelled, back, opened again; what is told is what is committed."""

import asyncio
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from runbooks import Live, execute, one, opened, read, rows, session, until_true, write

from tui.engine import events as e
from tui.engine import journal
from tui.engine.connections import RUNNER, OtherOperator, WrongTarget
from tui.engine.journal import JournalFailed
from tui.engine.rollback import RollbackImpossible
from tui.engine.state import StepStatus, VerificationStatus, fold
from tui.engine.turn import Busy
from tui.engine.verify import ask
from tui.engine.work import GateClosed
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.session import Dsn, PgSession
from tui.runbook.load import load

TABLE = "CREATE TABLE t (a int PRIMARY KEY, b text)"
FILL = "INSERT INTO t SELECT n, 'x' FROM generate_series(1, 100) AS n"


def statuses(live: Live) -> list[str]:
    return [step.status.value for step in live.state.steps]


def check(name: str, sql: str, expect: str = "{ value = 0 }", after: str = "end") -> str:
    head = f'[[verification]]\nid = "{name}"\ntitle = "Check {name}"\n'
    return f'{head}sql = """{sql}"""\nafter = "{after}"\nexpect = {expect}\n'


def thing(name: str, phase: str = "before", more: str = "") -> str:
    return f'[[checklist]]\nid = "{name}"\nphase = "{phase}"\ntitle = "Item {name}"\n{more}\n'


# Forward


async def test_forward_with_everything_that_is_told(tmp_path: Path, database_each: str) -> None:
    first = (
        "-- the table\n"
        f"{TABLE};\n\n{FILL};\n"
        "UPDATE t SET b = 'y'\n WHERE a <= 7;\n"
        "DO $$ BEGIN RAISE NOTICE 'seven \x1b[31mchanged'; RAISE WARNING 'and %', 'this'; END $$;\n"
        "DELETE FROM t WHERE a > 90;\n"
    )
    book = write(
        tmp_path,
        {"1": first, "2": "ALTER TABLE t ADD c int;"},
        more=check("v", "SELECT count(*) FROM t", "{ value = 90 }"),
    )
    async with opened(book, database_each) as live:
        assert await live.to_end() == 0
        assert statuses(live) == ["applied", "applied"]
        done = [event for event in live.all(e.StatementFinished) if event.script == "1"]
        assert [(s.index, s.rows, s.status) for s in done] == [
            (1, None, "CREATE TABLE"),
            (2, 100, "INSERT 0 100"),
            (3, 7, "UPDATE 7"),
            (4, None, "DO"),
            (5, 10, "DELETE 10"),
        ]
        assert all(0 < s.seconds < 5 for s in done)
        begun = [event for event in live.all(e.StatementStarted) if event.script == "1"]
        assert [s.line for s in begun] == [2, 4, 5, 7, 8]
        assert [s.tag for s in begun] == ["CREATE TABLE", "INSERT", "UPDATE", "DO", "DELETE"]
        assert [(n.script, n.severity, n.message) for n in live.all(e.NoticeRaised)] == [
            ("1", "NOTICE", "seven ·[31mchanged"),
            ("1", "WARNING", "and this"),
        ]
        assert [
            type(event) for event in live.events if event.kind.startswith("statement") or event.kind == "notice_raised"
        ][6:10] == [e.StatementStarted, e.NoticeRaised, e.NoticeRaised, e.StatementFinished]
        assert sum(s.seconds for s in done) <= live.all(e.ScriptDone)[0].seconds
        assert live.state.verification("v").status is VerificationStatus.PASSED
        ledger = rows(
            database_each,
            "SELECT step, direction, statement, operator, runbook,"
            " xmin::text = (transaction_id::text::bigint % 4294967296)::text FROM lockstep.act ORDER BY id",
        )
        assert ledger == [
            ("1", "forward", None, "dba1", tmp_path.name, True),
            ("2", "forward", None, "dba1", tmp_path.name, True),
        ]
        intents = live.all(e.CommitIntended)
        assert [i.transaction_id for i in intents] == [
            int(str(row[0])) for row in rows(database_each, "SELECT transaction_id FROM lockstep.act ORDER BY id")
        ]


async def test_folding_the_journal_gives_the_live_state(tmp_path: Path, database: str) -> None:
    more = check("v", "SELECT count(*) FROM t") + check("same", "SELECT 1", "{ same_as_before = true }") + thing("a")
    book = write(tmp_path, {"1": TABLE, "2": "SELECT 1/0"}, {"1": "DROP TABLE t"}, more=more)
    async with opened(book, database) as live:
        await live.run.tick("a", True, "with a note")
        assert await live.to_end() == 1
        await live.run.pause(True)
        assert live.run.journal_path is not None
        assert fold(journal.read(live.run.journal_path)) == live.state
        assert journal.read(live.run.journal_path) == live.events
        await live.run.roll_back(live.run.plan_rollback(None))
        assert fold(journal.read(live.run.journal_path)) == live.state


async def test_the_row_comes_with_the_change_and_not_before(tmp_path: Path, database: str) -> None:
    execute(database, "CREATE TABLE gate (a int)")
    book = write(tmp_path, {"1": f"{TABLE}; SELECT pg_advisory_xact_lock(7);"}, safety='[safety]\nlock_timeout = "20s"')
    async with session(database) as holder, opened(book, database) as live:
        await holder.execute("SELECT pg_advisory_lock(7)")
        going = asyncio.create_task(live.to_end())
        await live.until(e.StatementStarted, lambda s: s.index == 2)
        assert one(database, "SELECT count(*) FROM lockstep.act") == 0
        assert one(database, "SELECT to_regclass('t') IS NULL") is True
        await holder.execute("SELECT pg_advisory_unlock(7)")
        assert await going == 0
        assert one(database, "SELECT count(*) FROM lockstep.act") == 1


async def test_a_failing_step_leaves_neither_change_nor_row(tmp_path: Path, database: str) -> None:
    script = f"{TABLE};\n{FILL};\n\nSELECT *\n  FROM t\n WHERE nonsense = 1;\nDROP TABLE t;\n"
    book = write(tmp_path, {"1": "CREATE TABLE other ()", "2": script})
    async with opened(book, database) as live:
        assert await live.to_end() == 1
        failed = live.last(e.ScriptFailed)
        assert (failed.reason, failed.outcome, failed.script) == ("error", "rolled_back", "2")
        assert failed.error is not None
        assert (failed.error.sqlstate, failed.error.line) == ("42703", 6)
        assert statuses(live) == ["applied", "failed"]
        assert one(database, "SELECT to_regclass('t') IS NULL") is True
        assert one(database, "SELECT string_agg(step, ',') FROM lockstep.act") == "1"
        # Mended, the same run goes on.
        (tmp_path / "steps" / "2.sql").write_text(TABLE)
        live.run.runbook = read(tmp_path)
        assert await live.to_end() == 0
        assert statuses(live) == ["applied", "applied"]


async def test_a_new_run_goes_on_after_a_failed_one(tmp_path: Path, database: str) -> None:
    book = write(tmp_path, {"1": TABLE, "2": "SELECT 1/0;"}, more=thing("a"))
    async with opened(book, database) as live:
        await live.run.tick("a", True)
        assert await live.to_end() == 1
        name = live.run.journal_path
    async with opened(book, database, operator="dba2") as again:
        assert again.run.journal_path == name
        assert statuses(again) == ["applied", "failed"]
        assert again.state.step("2").message == "division by zero"
        assert again.state.item("a").operator == "dba1"
        assert again.state.window_opened_at == live.state.window_opened_at
    (tmp_path / "steps" / "2.sql").write_text(FILL)
    async with opened(book, database) as mended:
        assert await mended.to_end() == 0
        assert statuses(mended) == ["applied", "applied"]
    assert one(database, "SELECT count(*) FROM t") == 100


async def test_a_constraint_that_fails_only_at_commit(tmp_path: Path, database_each: str) -> None:
    execute(
        database_each,
        "CREATE TABLE parent (a int PRIMARY KEY)",
        "CREATE TABLE child (a int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
    )
    book = write(tmp_path, {"1": "INSERT INTO child VALUES (1);", "2": TABLE})
    async with opened(book, database_each) as live:
        assert await live.to_end() == 1
        failed = live.last(e.ScriptFailed)
        assert failed.error is not None
        assert (failed.outcome, failed.error.sqlstate) == ("rolled_back", "23503")
        assert statuses(live) == ["failed", "pending"]
        assert one(database_each, "SELECT count(*) FROM lockstep.act") == 0
        execute(database_each, "INSERT INTO parent VALUES (1)")
        assert await live.to_end() == 0
        assert [n.message for n in live.all(e.NoticeRaised)] == []


async def test_what_a_script_leaves_behind_does_not_reach_the_next(tmp_path: Path, database_each: str) -> None:
    execute(
        database_each,
        "DO $$ BEGIN CREATE ROLE leftover; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        "CREATE SCHEMA elsewhere",
        "GRANT USAGE ON SCHEMA elsewhere TO leftover",
    )
    first = (
        "CREATE TEMP TABLE t (z int);\nSET search_path = elsewhere;\nSET lock_timeout = '7s';\nSET ROLE leftover;\n"
        "PREPARE p AS SELECT 1;\nSET statement_timeout = 0;\nSET standard_conforming_strings = off;\n"
        "SELECT pg_advisory_lock(99);\nLISTEN something;\nDECLARE c CURSOR WITH HOLD FOR SELECT 1;\n"
    )
    second = (
        "DO $$ BEGIN\n"
        "ASSERT current_user = session_user, 'role';\n"
        "ASSERT current_setting('search_path') = '\"$user\", public', 'search_path';\n"
        "ASSERT to_regclass('pg_temp.t') IS NULL, 'temporary table';\n"
        "ASSERT current_setting('lock_timeout') = '200ms', 'lock_timeout ' || current_setting('lock_timeout');\n"
        "ASSERT current_setting('statement_timeout') = '20s', 'statement_timeout';\n"
        "ASSERT current_setting('standard_conforming_strings') = 'on', 'strings';\n"
        "ASSERT NOT EXISTS (SELECT FROM pg_prepared_statements WHERE name = 'p'), 'prepared';\n"
        "ASSERT NOT EXISTS (SELECT FROM pg_cursors WHERE name = 'c'), 'cursor';\n"
        "ASSERT NOT EXISTS (SELECT FROM pg_listening_channels()), 'listen';\n"
        "ASSERT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 99), 'advisory lock';\n"
        "END $$;\n"
    )
    verify = check(
        "v", "SELECT current_user = session_user AND current_setting('role') = 'none'", "{ value = true }", "1"
    )
    book = write(tmp_path, {"1": first, "2": second, "3": first}, more=verify)
    async with opened(book, database_each) as live:
        assert await live.to_end() == 0, [f.message for f in live.all(e.ScriptFailed)]
    execute(database_each, "DROP SCHEMA elsewhere")


async def test_a_script_may_act_as_somebody_else(tmp_path: Path, database: str) -> None:
    execute(
        database,
        "DO $$ BEGIN CREATE ROLE somebody; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        "CREATE SCHEMA theirs AUTHORIZATION somebody",
    )
    script = "SET SESSION AUTHORIZATION somebody;\nCREATE TABLE theirs.mine (a int);\n"
    async with opened(write(tmp_path, {"1": script, "2": TABLE}), database) as live:
        assert await live.to_end() == 0, [f.message for f in live.all(e.ScriptFailed)]
        owner = "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'mine'"
        assert one(database, owner) == "somebody"
    execute(database, "DROP SCHEMA theirs CASCADE")


ROWS = "1\tone\n2\t\\N\n3\ttab\\there\n\\.\n"
COPY = f"CREATE TABLE c (a int, b text);\nCOPY c FROM stdin;\n{ROWS}DELETE FROM c WHERE a = 1;\n"


@pytest.mark.parametrize(
    "script",
    [
        f"BEGIN;\n{COPY}COMMIT;\n".encode(),
        COPY.encode(),
        COPY.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + COPY.encode(),
        b"\xef\xbb\xbf" + f"-- first\nBEGIN;\n{COPY}COMMIT;\n".replace("\n", "\r\n").encode(),
    ],
    ids=["begin-commit", "plain", "crlf", "bom", "all"],
)
async def test_copy_wrapped_scripts_windows_files(tmp_path: Path, database: str, script: bytes) -> None:
    async with opened(write(tmp_path, {"1": script}), database) as live:
        assert await live.to_end() == 0, [f.message for f in live.all(e.ScriptFailed)]
        copied = [s for s in live.all(e.StatementFinished) if s.status.startswith("COPY")]
        assert [s.rows for s in copied] == [3]
        assert rows(database, "SELECT * FROM c ORDER BY a") == [(2, None), (3, "tab\there")]
        assert one(database, "SELECT count(*) FROM lockstep.act") == 1


async def test_copy_with_bad_data_says_where(tmp_path: Path, database: str) -> None:
    script = "CREATE TABLE c (a int);\nCOPY c FROM stdin;\n1\nx\n\\.\n"
    async with opened(write(tmp_path, {"1": script}), database) as live:
        assert await live.to_end() == 1
        error = live.last(e.ScriptFailed).error
        assert error is not None
        assert (error.sqlstate, error.line) == ("22P02", 2)
        assert "line 2" in error.context


def test_copy_to_stdout_is_refused_when_read(tmp_path: Path) -> None:
    root = write(tmp_path, {"1": "COPY (SELECT 1) TO STDOUT;", "2": TABLE})
    assert [(f.file, f.line, f.what) for f in load(root).findings if f.severity == "error"] == [
        ("steps/1.sql", 1, "COPY TO STDOUT, which nobody reads here")
    ]


async def test_percent_signs_backslashes_and_parameters_are_only_text(tmp_path: Path, database: str) -> None:
    script = "CREATE TABLE p AS SELECT '100%' AS a, '%s %(x)s' AS b, E'\\\\n' AS c, 7 % 4 AS d, '$1' AS e;"
    async with opened(write(tmp_path, {"1": script}), database) as live:
        assert await live.to_end() == 0
        assert rows(database, "SELECT * FROM p") == [("100%", "%s %(x)s", "\\n", 3, "$1")]


async def test_an_error_behind_windows_line_ends_and_a_mark_has_its_line(tmp_path: Path, database: str) -> None:
    script = b"\xef\xbb\xbf-- a\r\nSELECT 1;\r\n-- b\r\n\r\nSELECT\r\n  nonsense;\r\n"
    async with opened(write(tmp_path, {"1": script}), database) as live:
        await live.to_end()
        error = live.last(e.ScriptFailed).error
        assert error is not None
        assert error.line == 6


async def test_statement_timeout(tmp_path: Path, database: str) -> None:
    book = write(tmp_path, {"1": "SELECT pg_sleep(30)"}, safety='[safety]\nstatement_timeout = "100ms"')
    async with opened(book, database) as live:
        assert await live.to_end() == 1
        failed = live.last(e.ScriptFailed)
        assert (failed.reason, failed.outcome) == ("error", "rolled_back")
        assert "statement timeout" in failed.message
        assert not live.all(e.LocksGivenBack)


async def test_notices_belong_to_the_script_that_raised_them(tmp_path: Path, database: str) -> None:
    execute(
        database,
        "CREATE FUNCTION loud() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'from a check'; RETURN 0; END $$",
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE NOTICE 'at commit'; RETURN NULL; END $$",
        "CREATE TABLE n (a int)",
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON n DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION late()",
    )
    book = write(tmp_path, {"1": "INSERT INTO n VALUES (1)", "2": TABLE}, more=check("v", "SELECT loud()", after="1"))
    async with opened(book, database) as live:
        assert await live.to_end() == 0
        assert [(n.script, n.message) for n in live.all(e.NoticeRaised)] == [("1", "at commit")]


# Cancelled by the operator


async def test_cancelled_in_a_statement(tmp_path: Path, database: str) -> None:
    book = write(tmp_path, {"1": f"{TABLE}; SELECT pg_sleep(30);"})
    async with opened(book, database) as live:
        going = asyncio.create_task(live.to_end())
        await live.until(e.StatementStarted, lambda s: s.index == 2)
        assert await live.run.cancel()
        assert await going == 1
        failed = live.last(e.ScriptFailed)
        assert (failed.reason, failed.outcome, failed.message) == ("cancelled", "rolled_back", "cancelled by dba1")
        assert statuses(live) == ["pending"]
        assert one(database, "SELECT to_regclass('t') IS NULL") is True
        (tmp_path / "steps" / "1.sql").write_text(TABLE)
        live.run.runbook = read(tmp_path)
        assert await live.to_end() == 0


@pytest.mark.parametrize("after", [1, 2])
async def test_cancelled_between_statements(tmp_path: Path, database: str, after: int) -> None:
    async with opened(write(tmp_path, {"1": f"{TABLE}; {FILL};"}), database) as live:
        asked: list[bool] = []

        def cancel(event: e.Event, _: object) -> None:
            if isinstance(event, e.StatementFinished) and event.index == after:
                asked.append(live.run._held.runner.cancel())

        live.run.subscribe(cancel)
        assert await live.to_end() == 1
        assert asked == [True]
        assert live.last(e.ScriptFailed).reason == "cancelled"
        assert one(database, "SELECT to_regclass('t') IS NULL") is True
        assert one(database, "SELECT count(*) FROM lockstep.act") == 0


async def test_cancelled_just_before_a_statement_is_sent(tmp_path: Path, database: str) -> None:
    async with opened(write(tmp_path, {"1": f"{TABLE}; SELECT pg_sleep(15);"}), database) as live:

        def cancel(event: e.Event, _: object) -> None:
            if isinstance(event, e.StatementStarted) and event.index == 2:
                assert live.run._held.runner.cancel()

        live.run.subscribe(cancel)
        async with asyncio.timeout(5):
            assert await live.to_end() == 1
        assert live.last(e.ScriptFailed).reason == "cancelled"


async def test_a_cancel_request_that_gets_lost_is_sent_again(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server ignores a request that arrives before the statement that it is meant for.
    real, lost = PgSession.cancel, [True]

    async def cancel(self: PgSession) -> None:
        if lost:
            lost.pop()
        else:
            await real(self)

    monkeypatch.setattr(PgSession, "cancel", cancel)
    async with opened(write(tmp_path, {"1": f"{TABLE}; SELECT pg_sleep(15);"}), database) as live:
        going = asyncio.create_task(live.to_end())
        await live.until(e.StatementStarted, lambda s: s.index == 2)
        assert await live.run.cancel()
        async with asyncio.timeout(5):
            assert await going == 1
        assert live.last(e.ScriptFailed).reason == "cancelled"


async def test_a_cancel_that_was_taken_is_kept_even_while_the_row_is_written(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tui.engine import ledger

    real = ledger.record
    async with opened(write(tmp_path, {"1": TABLE, "2": "CREATE TABLE u ()"}), database) as live:
        asked: list[bool] = []

        async def record(*args: object, **kwargs: object) -> None:
            asked.append(await live.run.cancel())
            await real(*args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(ledger, "record", record)
        assert await live.to_end() == 1
        assert asked == [True]
        assert live.last(e.ScriptFailed).reason == "cancelled"
        assert one(database, "SELECT to_regclass('t') IS NULL") is True
        assert one(database, "SELECT count(*) FROM lockstep.act") == 0


async def test_too_late_to_cancel(tmp_path: Path, database: str) -> None:
    async with opened(write(tmp_path, {"1": TABLE}), database) as live:
        asked: list[bool] = []

        def cancel(event: e.Event, _: object) -> None:
            if isinstance(event, e.CommitIntended):
                asked.append(live.run._held.runner.cancel())

        live.run.subscribe(cancel)
        assert await live.to_end() == 0
        assert asked == [False]
        assert statuses(live) == ["applied"]
        assert not await live.run.cancel()


async def test_closing_in_the_middle_takes_everything_back(tmp_path: Path, database: str) -> None:
    async with opened(write(tmp_path, {"1": f"{TABLE}; SELECT pg_sleep(30);"}), database) as live:
        going = asyncio.create_task(live.run.go_on())
        await live.run.go_on() if not live.state.window_opened_at and not going else None
        await live.until(e.WindowOpened)
        await going
        going = asyncio.create_task(live.run.go_on())
        await live.until(e.StatementStarted, lambda s: s.index == 2)
    await asyncio.gather(going, return_exceptions=True)
    assert live.last(e.ScriptFailed).reason == "cancelled"
    assert isinstance(live.events[-1], e.RunClosed)
    await until_true(database, f"SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = '{RUNNER}'")
    assert one(database, "SELECT to_regclass('t') IS NULL") is True


# The checklist


async def test_gates_ticks_and_overrides(tmp_path: Path, database: str) -> None:
    more = (
        thing("backup")
        + thing("nice", more="required = false")
        + thing("freeze", "during")
        + thing("deploy", "during", 'step = "2"')
        + thing("webhook", "after")
    )
    async with opened(write(tmp_path, {"1": TABLE, "2": FILL}, more=more), database) as live:
        with pytest.raises(GateClosed) as closed:
            await live.run.go_on()
        assert closed.value.act.gate_ids == ("backup",)
        for reason in ("", "  \n"):
            with pytest.raises(ValueError, match="reason"):
                await live.run.override(("backup",), reason)
        await live.run.override(("backup",), " restored\tyesterday\x1b ")
        assert live.state.overrides[0].reason == "restored yesterday·"
        await live.run.go_on()
        with pytest.raises(GateClosed) as closed:
            await live.run.go_on()
        assert closed.value.act.gate_ids == ("freeze",)
        await live.run.tick("freeze", True)
        await live.run.go_on()
        assert statuses(live) == ["applied", "pending"]
        with pytest.raises(GateClosed) as closed:
            await live.run.go_on()
        assert closed.value.act.gate_ids == ("deploy",)
        assert one(database, "SELECT count(*) FROM t") == 0
        await live.run.tick("deploy", True, "version 2\n by hand")
        ticked = live.state.item("deploy")
        assert (ticked.done, ticked.operator, ticked.note) == (True, "dba1", "version 2  by hand")
        await live.run.tick("freeze", False)
        with pytest.raises(GateClosed):
            await live.run.go_on()
        await live.run.tick("freeze", True)
        await live.run.go_on()
        assert statuses(live) == ["applied", "applied"]
        assert live.state.next_act().gate_ids == ("webhook",)
        await live.run.tick("webhook", True)
        assert live.state.next_act().gates == ()
        with pytest.raises(KeyError):
            await live.run.tick("unknown", True)


async def test_probes_look_when_opened_and_again_when_asked(tmp_path: Path, database: str) -> None:
    execute(database, "CREATE TABLE facts (n int)", "INSERT INTO facts VALUES (3)")
    more = thing("p", more='sql = "SELECT n FROM facts"\nexpect = { value = 0 }') + thing(
        "bad", more='sql = "SELECT nonsense"\nexpect = { value = 0 }\nrequired = false'
    )
    async with opened(write(tmp_path, {"1": TABLE}, more=more), database) as live:
        red = live.all(e.ItemProbed)
        assert [(p.item, p.ok, p.expected, p.found) for p in red] == [
            ("p", False, "0", "3"),
            ("bad", False, "0", 'error: column "nonsense" does not exist'),
        ]
        assert red[1].error == 'column "nonsense" does not exist'
        with pytest.raises(ValueError, match="not ticked by hand"):
            await live.run.tick("p", True)
        with pytest.raises(GateClosed):
            await live.run.go_on()
        execute(database, "UPDATE facts SET n = 0")
        await live.run.probe("p")
        assert live.state.item("p").done
        assert await live.to_end() == 0


async def test_a_probe_that_turns_red_keeps_the_window_shut(tmp_path: Path, database: str) -> None:
    execute(database, "CREATE TABLE facts (n int)", "INSERT INTO facts VALUES (0)")
    more = thing("p", more='sql = "SELECT n FROM facts"\nexpect = { value = 0 }')
    async with opened(write(tmp_path, {"1": TABLE}, more=more), database) as live:
        assert live.state.item("p").done
        execute(database, "UPDATE facts SET n = 1")
        with pytest.raises(GateClosed):
            await live.run.go_on()
        assert live.state.window_opened_at is None


def processes(*command: str) -> list[Path]:
    """Where this command runs, on Linux."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if process.read_bytes() == "".join(f"{word}\0" for word in command).encode():
                found.append(process)
    return found


async def test_commands(tmp_path: Path, database: str) -> None:
    more = (
        thing("good", more="""command = "printf 'one\\\\n\\\\033[31mtwo\\\\a'; printf three >&2" """)
        + thing("bad", more='command = "echo no; exit 7"')
        + thing("slow", more='command = "sleep 30"')
        + thing("left", more='command = "sleep 31 & echo started"')
        + thing("killed", more='command = "kill -9 $$"')
    )
    book = write(tmp_path, {"1": TABLE}, more=more, safety='[safety]\nstatement_timeout = "500ms"')
    async with opened(book, database) as live:
        for item in ("good", "bad", "slow", "left", "killed"):
            await live.run.probe(item)
        good, bad, slow, left, killed = live.all(e.ItemProbed)
        assert (good.ok, good.found, good.output) == (True, "exit code 0", "one\n·[31mtwo·three")
        assert (bad.ok, bad.found, bad.output) == (False, "exit code 7", "no\n")
        assert (slow.ok, slow.error) == (False, "not done after 0.5 s, and stopped")
        assert slow.seconds < 5
        assert not left.ok
        assert not killed.ok
        assert live.state.next_act().gate_ids == ("bad", "slow", "left", "killed")
    assert not processes("sleep", "31")


async def test_a_human_item_is_not_probed(tmp_path: Path, database: str) -> None:
    async with opened(write(tmp_path, {"1": TABLE}, more=thing("a")), database) as live:
        with pytest.raises(ValueError, match="by hand"):
            await live.run.probe("a")


# Verifications


@pytest.mark.parametrize(
    ("sql", "expect", "ok", "found"),
    [
        ("SELECT count(*) FROM t", "{ value = 100 }", True, "100"),
        ("SELECT count(*) FROM t", "{ value = 99 }", False, "100"),
        ("SELECT 1.0::numeric", "{ value = 1 }", True, "1.0"),
        ("SELECT 1", "{ value = 1.0 }", True, "1"),
        ("SELECT true", "{ value = true }", True, "t"),
        ("SELECT 1 = 2", "{ value = true }", False, "f"),
        ("SELECT null::int", "{ value = 0 }", False, "null"),
        ("SELECT 'null'", '{ value = "null" }', True, "null"),
        ("SELECT 0 WHERE false", "{ value = 0 }", False, "no row"),
        ("VALUES (0), (0)", "{ value = 0 }", False, "2 rows where one was expected"),
        ("SELECT a FROM t", "{ rows = 100 }", True, "100 rows"),
        ("SELECT a FROM t", "{ rows = 0 }", False, "100 rows"),
        ("SELECT a FROM t WHERE b IS NULL", "{ empty = true }", True, "no row"),
        ("SELECT a FROM t", "{ empty = true }", False, "100 rows"),
        ("SELECT avg(a) FROM t", "{ between = [50, 51] }", True, "50.5000000000000000"),
        ("SELECT avg(a) FROM t", "{ between = [51, 52] }", False, "50.5000000000000000"),
        (
            "SELECT a, b, a = 1 FROM t WHERE a < 3 ORDER BY a",
            '{ equals = [[1, "x", true], [2, "x", false]] }',
            True,
            "1 x t, 2 x f",
        ),
        ("SELECT a, b FROM t WHERE a < 3 ORDER BY a DESC", '{ equals = [[1, "x"], [2, "x"]] }', False, "2 x, 1 x"),
        ("SELECT count(*) FROM nowhere", "{ value = 0 }", False, 'error: relation "nowhere" does not exist'),
        ("SELECT 1/0", "{ empty = true }", False, "error: division by zero"),
        ("SELECT pg_sleep(30)", "{ rows = 1 }", False, "error: canceling statement due to statement timeout"),
    ],
)
async def test_every_expectation_green_and_red(
    tmp_path: Path, database: str, sql: str, expect: str, ok: bool, found: str
) -> None:
    safety = '[safety]\nstatement_timeout = "300ms"'
    book = write(tmp_path, {"1": f"{TABLE}; {FILL}"}, more=check("v", sql, expect), safety=safety)
    async with opened(book, database) as live:
        assert await live.to_end() == (0 if ok else 1)
        result = live.last(e.VerificationFinished)
        assert (result.ok, result.found) == (ok, found)
        assert statuses(live) == ["applied"]
        assert (result.error is not None) is found.startswith("error")
        assert len(result.rows) <= 50


async def test_a_red_verification_shows_its_rows_and_holds_the_next_step(tmp_path: Path, database: str) -> None:
    more = check("v", 'SELECT a AS \\"a\\u001b[2J\\", b, null AS c FROM t', "{ empty = true }", after="1")
    book = write(tmp_path, {"1": f"{TABLE}; {FILL}; UPDATE t SET b = E'\\x1b]0;evil'", "2": "DROP TABLE t"}, more=more)
    async with opened(book, database) as live:
        assert await live.to_end() == 1
        result = live.last(e.VerificationFinished)
        assert (result.row_count, len(result.rows), result.columns) == (100, 50, ("a·[2J", "b", "c"))
        assert result.rows[0][1:] == ("·]0;evil", None)
        assert statuses(live) == ["applied", "pending"]
        with pytest.raises(GateClosed) as closed:
            await live.run.go_on()
        assert closed.value.act.gate_ids == ("v",)
        await live.run.override(("v",), "agreed with the team")
        assert await live.to_end() == 0


async def test_a_red_verification_can_be_asked_again(tmp_path: Path, database: str) -> None:
    book = write(tmp_path, {"1": f"{TABLE}; {FILL}"}, more=check("v", "SELECT a FROM t", "{ empty = true }"))
    async with opened(book, database) as live:
        assert await live.to_end() == 1
        execute(database, "DELETE FROM t")
        await live.run.verify("v")
        assert live.state.verification("v").status is VerificationStatus.PASSED
        with pytest.raises(KeyError):
            await live.run.verify("unknown")


async def test_a_verification_cannot_change_anything(tmp_path: Path, database: str) -> None:
    execute(
        database,
        TABLE,
        "CREATE SEQUENCE s",
        "CREATE FUNCTION wipe() RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (1); RETURN 0; END $$",
        "CREATE FUNCTION writable() RETURNS int LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM set_config('transaction_read_only', 'off', true); INSERT INTO t VALUES (2); RETURN 0; END $$",
    )
    more = (
        check("v", "SELECT wipe()")
        + check("w", "SELECT nextval('s')", "{ value = 1 }")
        + check("x", "SELECT writable()")
    )
    async with opened(write(tmp_path, {"1": "SELECT 1"}, more=more), database) as live:
        assert await live.to_end() == 1
        assert {v.verification: v.ok for v in live.all(e.VerificationFinished)} == {"v": False, "w": False, "x": False}
        assert one(database, "SELECT count(*) FROM t") == 0
        assert one(database, "SELECT is_called FROM s") is False


@pytest.mark.parametrize(
    "sql",
    ["COMMIT; DELETE FROM t", "DELETE FROM t", "SET TRANSACTION READ WRITE; DELETE FROM t", "ROLLBACK; DROP TABLE t"],
)
async def test_a_verification_that_would_change_something_is_refused_when_read(tmp_path: Path, sql: str) -> None:
    assert load(write(tmp_path, {"1": TABLE}, more=check("v", sql))).runbook is None


async def test_the_baseline_is_taken_before_step_one(tmp_path: Path, database: str) -> None:
    execute(database, TABLE, FILL)
    more = check("n", "SELECT count(*) FROM t", "{ same_as_before = true }", "1")
    more += check("vb", "SELECT a, b FROM t ORDER BY a", "{ same_as_before = true }", "back")
    back = {"1": "UPDATE t SET b = 'x'", "2": "INSERT INTO t VALUES (1, 'x')"}
    book = write(
        tmp_path,
        {"1": "UPDATE t SET b = 'y'; CREATE TABLE later ()", "2": "DELETE FROM t WHERE a = 1"},
        back,
        more=more,
    )
    async with opened(book, database) as live:
        await live.run.go_on()
        await live.run.go_on()
        results = {v.verification: v for v in live.all(e.VerificationFinished)}
        assert (results["n"].ok, results["n"].expected) == (True, "as before: 100")
        await live.run.go_on()
        assert live.state.applied == ("1", "2")
    # Its baseline outlives the console.
    async with opened(book, database) as live:
        await live.run.roll_back(live.run.plan_rollback(None))
        assert live.state.rolled_back
        assert live.state.verification("vb").status is VerificationStatus.PASSED
        assert rows(database, "SELECT DISTINCT b FROM t") == [("x",)]


async def test_without_its_baseline_no_step_begins(tmp_path: Path, database: str) -> None:
    execute(database, TABLE, FILL)
    more = check("new", "SELECT count(*) FROM later", "{ same_as_before = true }", "1")
    book = write(tmp_path, {"1": "CREATE TABLE later ()"}, more=more)
    async with opened(book, database) as live:
        await live.run.go_on()
        with pytest.raises(GateClosed, match=r'no baseline for .*relation "later" does not exist'):
            await live.run.go_on()
        assert not live.all(e.ScriptStarted)
        execute(database, "CREATE TABLE later (a int)", "ALTER TABLE t RENAME TO u")
        # Mended, it is asked again; what failed before is forgotten.
        with suppress(GateClosed):
            await live.run.go_on()
        assert live.state.baselines["new"].error is None


async def test_a_rollback_that_loses_something_is_red(tmp_path: Path, database: str) -> None:
    execute(database, TABLE, FILL)
    more = check("vb", "SELECT a, b FROM t ORDER BY a", "{ same_as_before = true }", "back")
    book = write(tmp_path, {"1": "DELETE FROM t WHERE a > 98"}, {"1": "INSERT INTO t VALUES (99, 'x')"}, more=more)
    async with opened(book, database) as live:
        assert await live.to_end() == 0
        await live.run.roll_back(live.run.plan_rollback(None))
        result = live.last(e.VerificationFinished)
        assert (result.ok, result.found) == (False, "gone: 100 x")


# Going back

STEPS = {"1": TABLE, "2": FILL, "3": "ALTER TABLE t ADD c int"}
BACK = {"1": "DROP TABLE t", "2": "DELETE FROM t", "3": "ALTER TABLE t DROP c"}
ALL = '[[rollback]]\nid = "9"\ntitle = "All"\nundoes = ["1", "2", "3"]\nsql = "rollback/9.sql"\n'


async def test_all_the_way_back_by_their_own(tmp_path: Path, database: str) -> None:
    async with opened(write(tmp_path, STEPS, BACK), database) as live:
        assert await live.to_end() == 0
        plan = live.run.plan_rollback(None)
        await live.run.roll_back(plan)
        assert live.state.rolled_back
        assert statuses(live) == ["rolled_back"] * 3
        assert live.last(e.RollbackPlanned).undoes == ("3", "2", "1")
        acts = rows(database, "SELECT step, direction FROM lockstep.act ORDER BY id")
        assert acts == [
            ("1", "forward"),
            ("2", "forward"),
            ("3", "forward"),
            ("3", "back"),
            ("2", "back"),
            ("1", "back"),
        ]
        assert one(database, "SELECT to_regclass('t') IS NULL") is True
        assert live.state.next_act().kind == "finished"
        with pytest.raises(RollbackImpossible):
            live.run.plan_rollback(None)


async def test_back_to_a_step_and_forward_again(tmp_path: Path, database: str) -> None:
    more = check("v", "SELECT count(*) FROM t", "{ value = 0 }", "1")
    async with opened(write(tmp_path, STEPS, BACK, more=more), database) as live:
        assert await live.to_end() == 0
        await live.run.roll_back(live.run.plan_rollback("1"))
        assert statuses(live) == ["applied", "rolled_back", "rolled_back"]
        assert live.state.rollback_ok
        assert not live.state.rolled_back
        assert len(live.all(e.VerificationFinished)) == 2
        assert await live.to_end() == 0
        assert statuses(live) == ["applied"] * 3
        assert one(database, "SELECT count(*) FROM t") == 100


async def test_the_shared_one_for_all_and_a_new_run_after_it(tmp_path: Path, database: str) -> None:
    book = write(tmp_path, STEPS, BACK, more=ALL + thing("a"), files={"rollback/9.sql": "BEGIN; DROP TABLE t; COMMIT;"})
    async with opened(book, database) as live:
        await live.run.tick("a", True)
        assert await live.to_end() == 0
        await live.run.roll_back(live.run.plan_rollback(None))
        assert [s.script for s in live.all(e.ScriptDone)] == ["1", "2", "3", "9"]
        assert one(database, "SELECT count(*) FROM lockstep.act WHERE script = '9'") == 3
        assert one(database, "SELECT count(DISTINCT transaction_id) FROM lockstep.act WHERE script = '9'") == 1
        before = live.run.journal_path
    async with opened(book, database) as again:
        assert again.run.journal_path != before
        assert not again.state.item("a").done
        assert again.state.window_opened_at is None
        assert statuses(again) == ["rolled_back"] * 3
        with pytest.raises(GateClosed):
            await again.run.go_on()
        await again.run.tick("a", True)
        assert await again.to_end() == 0
        assert statuses(again) == ["applied"] * 3


async def test_a_rollback_that_fails_midway_tells_where_it_stands(tmp_path: Path, database: str) -> None:
    back = {**BACK, "2": "DELETE FROM t; SELECT 1/0"}
    async with opened(write(tmp_path, STEPS, back), database) as live:
        assert await live.to_end() == 0
        await live.run.roll_back(live.run.plan_rollback(None))
        assert live.last(e.RollbackFinished).ok is False
        assert statuses(live) == ["applied", "applied", "rolled_back"]
        assert live.state.step("2").message == "division by zero"
        assert one(database, "SELECT count(*) FROM t") == 100
    (tmp_path / "rollback" / "2.sql").write_text("DELETE FROM t")
    async with opened(tmp_path, database) as live:
        assert statuses(live) == ["applied", "applied", "rolled_back"]
        await live.run.roll_back(live.run.plan_rollback(None))
        assert live.state.rolled_back


@pytest.mark.parametrize("to", [None, "1"])
async def test_back_while_a_step_is_in_flight(tmp_path: Path, database: str, to: str | None) -> None:
    steps = {"1": TABLE, "2": "INSERT INTO t VALUES (1); SELECT pg_sleep(30)"}
    async with opened(write(tmp_path, steps, BACK), database) as live:
        going = asyncio.create_task(live.to_end())
        await live.until(e.StatementStarted, lambda s: s.script == "2" and s.index == 2)
        plan = live.run.plan_rollback(to)
        assert plan.in_flight == "2"
        await live.run.roll_back(plan)
        await going
        assert live.last(e.RollbackFinished).ok
        assert statuses(live) == (["rolled_back", "pending"] if to is None else ["applied", "pending"])
        assert one(database, "SELECT to_regclass('t') IS NULL") is (to is None)


async def test_back_when_the_first_step_is_in_flight(tmp_path: Path, database: str) -> None:
    async with opened(write(tmp_path, {"1": f"{TABLE}; SELECT pg_sleep(30)"}, BACK), database) as live:
        going = asyncio.create_task(live.to_end())
        await live.until(e.StatementStarted, lambda s: s.index == 2)
        await live.run.roll_back(live.run.plan_rollback(None))
        await going
        assert live.last(e.RollbackFinished).ok
        assert one(database, "SELECT to_regclass('t') IS NULL") is True


async def test_without_a_way_back_nothing_is_touched(tmp_path: Path, database: str) -> None:
    async with opened(write(tmp_path, STEPS, {"3": BACK["3"]}), database) as live:
        assert await live.to_end() == 0
        with pytest.raises(RollbackImpossible, match="2 has no rollback"):
            live.run.plan_rollback(None)
        await live.run.roll_back(live.run.plan_rollback("2"))
        assert statuses(live) == ["applied", "applied", "rolled_back"]


async def test_two_acts_at_once_are_refused(tmp_path: Path, database: str) -> None:
    more = thing("p", "during", 'sql = "SELECT 0"\nexpect = { value = 0 }')
    async with opened(write(tmp_path, {"1": "SELECT pg_sleep(30)"}, more=more), database) as live:
        await live.run.go_on()
        going = asyncio.create_task(live.run.go_on())
        await live.until(e.StatementStarted)
        for act in (live.run.go_on, live.run.verify, lambda: live.run.probe("p")):
            with pytest.raises(Busy):
                await act()
        await live.run.cancel()
        await going


# Opened again


async def test_the_journal_is_private_and_knows_no_password(tmp_path: Path, database: str) -> None:
    dsn = f"{database}&password=s3cret-word"
    async with opened(write(tmp_path, {"1": TABLE, "2": "SELECT 1/0"}), dsn) as live:
        await live.to_end()
        path = live.run.journal_path
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert b"s3cret-word" not in path.read_bytes()
    assert "s3cret-word" not in repr(live.run.__dict__)


async def test_a_lost_journal_leaves_the_ledger_and_what_was_shared(tmp_path: Path, database: str) -> None:
    book = write(tmp_path, STEPS, BACK, more=thing("a"))
    async with opened(book, database) as live:
        await live.run.tick("a", True)
        assert await live.to_end("2") == 0
        path = live.run.journal_path
    assert path is not None
    path.unlink()
    async with opened(book, database) as again:
        assert statuses(again) == ["applied", "applied", "pending"]
        assert again.state.step("1").operator == "dba1"
        # What the database was told of the run is there as well.
        assert again.state.window_opened_at == live.state.window_opened_at
        assert again.state.item("a").done
        assert await again.to_end() == 0
        await again.run.roll_back(again.run.plan_rollback(None))
        assert again.state.rolled_back


async def test_a_torn_journal_goes_on(tmp_path: Path, database: str) -> None:
    book = write(tmp_path, STEPS, BACK)
    async with opened(book, database) as live:
        assert await live.to_end("1") == 0
        path = live.run.journal_path
    assert path is not None
    with path.open("ab") as file:
        file.write(b'{"kind":"script_done","at":"2026')
    async with opened(book, database) as again:
        assert statuses(again) == ["applied", "pending", "pending"]
        assert await again.to_end() == 0
    assert fold(journal.read(path)).applied == ("1", "2", "3")


async def test_a_spoiled_journal_is_refused_by_name_and_line(tmp_path: Path, database: str) -> None:
    book = write(tmp_path, STEPS)
    async with opened(book, database) as live:
        path = live.run.journal_path
    assert path is not None
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(first + b"\nthis is no event\n" + rest)
    with pytest.raises(JournalFailed, match=rf"{path.name}:2"):
        async with opened(book, database):
            pass
    assert one(database, f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{RUNNER}'") == 0


async def test_other_runbooks_do_not_disturb(tmp_path: Path, database: str) -> None:
    async with opened(write(tmp_path / "one", {"1": TABLE, "2": FILL}, BACK), database) as live:
        assert await live.to_end() == 0
    async with opened(write(tmp_path / "two", {"1": "CREATE TABLE u ()", "2": "SELECT 1"}, BACK), database) as other:
        assert statuses(other) == ["pending", "pending"]
        assert await other.to_end("1") == 0
    async with opened(tmp_path / "one", database) as live:
        assert statuses(live) == ["applied", "applied"]


async def test_a_full_journal_stops_before_anything_is_committed(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = journal.Journal._write

    def full(self: journal.Journal, line: bytes) -> None:
        if b'"commit_intended"' in line:
            raise OSError(28, "No space left on device")
        real(self, line)

    async with opened(write(tmp_path, {"1": TABLE}), database) as live:
        monkeypatch.setattr(journal.Journal, "_write", full)
        with pytest.raises(JournalFailed, match="No space left"):
            await live.to_end()
        assert one(database, "SELECT to_regclass('t') IS NULL") is True
        assert one(database, "SELECT count(*) FROM lockstep.act") == 0
        idle = f"SELECT state = 'idle' FROM pg_stat_activity WHERE application_name = '{RUNNER}'"
        await until_true(database, idle)


# One operator


async def test_a_second_operator_is_told_who_has_it(tmp_path: Path, database: str) -> None:
    book = write(tmp_path, {"1": TABLE})
    async with opened(book, database):
        with pytest.raises(
            OtherOperator, match=r"has .* in hand: session \d+ of postgres from this host, since 20\d\d-"
        ):
            async with opened(book, database, operator="dba2"):
                pass
        lockstep = f"SELECT count(*) {ACTIVITY} LIKE 'lockstep%'"
        await until_true(database, f"SELECT ({lockstep}) <= 3")
        async with opened(write(tmp_path / "other", {"1": "SELECT 1"}), database) as other:
            assert await other.to_end() == 0
    async with opened(book, database, operator="dba2") as live:
        assert await live.to_end() == 0


# The target


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ('requires = { server = ">=99" }', "needs PostgreSQL 99 or newer; localhost has"),
        ('requires = { extensions = ["no_such_thing", "plpgsql"] }', "does not have the extension no_such_thing:"),
    ],
)
async def test_a_database_that_does_not_fit(tmp_path: Path, database: str, head: str, why: str) -> None:
    with pytest.raises(WrongTarget, match=why):
        async with opened(write(tmp_path, {"1": TABLE}, head=head), database):
            pass
    assert one(database, "SELECT to_regnamespace('lockstep') IS NULL") is True


async def test_a_role_that_may_not_make_the_ledger(tmp_path: Path, server18: EmbeddedServer, database: str) -> None:
    execute(database, "DO $$ BEGIN CREATE ROLE humble LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    name = str(one(database, "SELECT current_database()"))
    humble = server18.dsn(name, "humble")
    book = write(tmp_path, {"1": "CREATE TABLE mine (a int)"})
    with pytest.raises(WrongTarget, match=f"GRANT CREATE ON DATABASE {name} TO humble"):
        async with opened(book, humble):
            pass
    execute(database, f"GRANT CREATE ON DATABASE {name} TO humble", "GRANT CREATE ON SCHEMA public TO humble")
    async with opened(book, humble) as live:
        assert await live.to_end() == 0
    assert one(database, "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'act'") == "humble"


@pytest.mark.parametrize(
    ("name", "head", "asked", "production"),
    [
        ("app", "", False, False),
        ("app", "", True, True),
        ("app", "production = true", False, True),
        ("app", 'production = ["app*"]', False, True),
        ("app", 'production = ["*live*"]', False, False),
        ("shop_prod", "", False, True),
        ("products", "", False, False),
        ("reproduction", "", False, False),
        ("Production-EU", "", False, True),
    ],
)
async def test_production_wants_its_name_typed(
    tmp_path: Path, server18: EmbeddedServer, name: str, head: str, asked: bool, production: bool
) -> None:
    dsn = server18.create_database(name)
    try:
        async with opened(write(tmp_path, {"1": TABLE}, head=head), dsn, production=asked) as live:
            assert live.state.opened is not None
            assert live.state.opened.target.production is production
            if production:
                with pytest.raises(GateClosed):
                    await live.run.go_on()
                assert not await live.run.confirm_production(name.swapcase())
                assert not await live.run.confirm_production("")
                with pytest.raises(GateClosed):
                    await live.run.go_on()
                assert await live.run.confirm_production(name)
            await live.run.go_on()
            assert live.state.window_opened_at is not None
    finally:
        server18.drop_database(name)


# Lost connections


ACTIVITY = "FROM pg_stat_activity WHERE datname = current_database() AND application_name"
RUNNERS = f"SELECT pg_terminate_backend(pid) {ACTIVITY} = '{{}}'"
MONITORED = f"SELECT count(*) = 1 {ACTIVITY} = 'lockstep monitor'"


async def test_the_runner_is_terminated_in_a_statement(tmp_path: Path, database_each: str) -> None:
    steps = {"1": TABLE, "2": f"{FILL}; SELECT pg_sleep(30)"}
    async with opened(write(tmp_path, steps, BACK), database_each) as live:
        going = asyncio.create_task(live.to_end())
        await live.until(e.StatementStarted, lambda s: s.script == "2" and s.index == 2)
        execute(database_each, RUNNERS.format(RUNNER))
        assert await going == 1
        failed = live.last(e.ScriptFailed)
        assert (failed.reason, failed.outcome) == ("connection", "rolled_back")
        assert statuses(live)[0] == "applied"
        assert one(database_each, "SELECT count(*) FROM t") == 0
        (tmp_path / "steps" / "2.sql").write_text(FILL)
        live.run.runbook = read(tmp_path)
        assert await live.to_end() == 0
        assert statuses(live) == ["applied", "applied"]


@pytest.mark.parametrize("script", ["1", "2"])
async def test_the_runner_is_terminated_between_statements(tmp_path: Path, database: str, script: str) -> None:
    killed: list[str] = []
    async with opened(
        write(tmp_path, {"1": TABLE, "2": f"{FILL}; {FILL.replace('1, 100', '101, 200')}"}), database
    ) as live:

        def kill(event: e.Event, _: object) -> None:
            if not killed and isinstance(event, e.StatementFinished) and event.script == script:
                killed.append(script)
                execute(database, RUNNERS.format(RUNNER))

        live.run.subscribe(kill)
        assert await live.to_end() == 1
        assert live.last(e.ScriptFailed).outcome == "rolled_back"
        assert await live.to_end() == 0
        assert one(database, "SELECT count(*) FROM t") == 200


async def test_the_runner_is_terminated_at_commit(tmp_path: Path, database: str) -> None:
    killed: list[str] = []
    async with opened(write(tmp_path, {"1": TABLE}), database) as live:

        def kill(event: e.Event, _: object) -> None:
            if not killed and isinstance(event, e.CommitIntended):
                killed.append("now")
                execute(database, RUNNERS.format(RUNNER))

        live.run.subscribe(kill)
        await live.to_end()
        assert live.last(e.ScriptFailed).outcome == "in_doubt"
        # The commit log was asked: it did not reach the server.
        assert statuses(live) == ["pending"]
        assert await live.to_end() == 0
        assert statuses(live) == ["applied"]


async def test_the_runner_is_terminated_while_it_has_nothing_to_do(tmp_path: Path, database: str) -> None:
    more = check("v", "SELECT count(*) FROM t", "{ value = 100 }", "2") + thing(
        "p", more='sql = "SELECT 0"\nexpect = { value = 0 }'
    )
    async with opened(write(tmp_path, {"1": TABLE, "2": FILL}, BACK, more=more), database) as live:
        execute(database, RUNNERS.format(RUNNER))
        await live.run.probe("p")
        assert live.state.item("p").done
        execute(database, RUNNERS.format(RUNNER))
        await live.run.go_on()
        assert live.state.window_opened_at is not None
        execute(database, RUNNERS.format(RUNNER))
        await live.run.go_on()
        assert live.state.applied == ("1",) or await live.to_end("1") == 0
        assert await live.to_end() == 0
        execute(database, RUNNERS.format(RUNNER))
        await live.run.verify()
        assert live.state.verified
        execute(database, RUNNERS.format(RUNNER))
        await live.run.roll_back(live.run.plan_rollback("1"))
        if live.state.applied != ("1",):
            await live.run.roll_back(live.run.plan_rollback("1"))
        assert live.state.applied == ("1",)


async def test_the_runner_is_terminated_in_a_verification(tmp_path: Path, database: str) -> None:
    execute(database, "CREATE TABLE pace (seconds float)", "INSERT INTO pace VALUES (30)")
    more = check("v", "SELECT pg_sleep(seconds) FROM pace", "{ rows = 1 }")
    async with opened(write(tmp_path, {"1": TABLE}, more=more), database) as live:
        going = asyncio.create_task(live.to_end())
        await live.until(e.VerificationStarted)
        await until_true(
            database,
            f"SELECT count(*) = 1 {ACTIVITY} = '{RUNNER}' AND wait_event = 'PgSleep'",
        )
        execute(database, "UPDATE pace SET seconds = 0", RUNNERS.format(RUNNER))
        await asyncio.gather(going, return_exceptions=True)
        assert not live.state.busy
        assert live.state.applied == ("1",)
        assert await live.to_end() == 0
        assert live.state.verified


async def test_the_monitor_is_terminated(tmp_path: Path, database: str) -> None:
    async with opened(write(tmp_path, {"1": f"{TABLE}; SELECT pg_sleep(0.6)", "2": FILL}), database) as live:
        going = asyncio.create_task(live.to_end())
        await live.until(e.StatementStarted, lambda s: s.index == 2)
        await until_true(
            database,
            MONITORED,
        )
        execute(database, RUNNERS.format("lockstep monitor"))
        assert await going == 0
        assert not live.all(e.ScriptFailed)
        await until_true(
            database,
            MONITORED,
        )


# Without a transaction

INDEX = "CREATE INDEX CONCURRENTLY t_b ON t (b);\n"
ALONE = {"1": "transaction = false"}


async def test_concurrently_runs_without_a_transaction(tmp_path: Path, database_each: str) -> None:
    execute(database_each, TABLE, FILL)
    back = {"1": "DROP INDEX CONCURRENTLY t_b;"}
    async with opened(write(tmp_path, {"1": f"{INDEX}VACUUM t;"}, back, keys=ALONE), database_each) as live:
        assert await live.to_end() == 0
        assert one(database_each, "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_b'::regclass") is True
        said = [(1, True), (1, False), (2, True), (2, False), (None, False)]
        assert rows(database_each, "SELECT statement, begun FROM lockstep.act ORDER BY id") == said
        await live.run.roll_back(live.run.plan_rollback(None))
        assert live.state.rolled_back
        assert one(database_each, "SELECT to_regclass('t_b') IS NULL") is True


async def test_half_of_it_is_told_and_the_rest_goes_on(tmp_path: Path, database: str) -> None:
    execute(database, TABLE, FILL)
    book = write(tmp_path, {"1": f"{INDEX}INSERT INTO later VALUES (1);\nVACUUM t;\n"}, keys=ALONE)
    async with opened(book, database) as live:
        assert await live.to_end() == 1
        failed = live.last(e.ScriptFailed)
        assert (failed.outcome, failed.completed) == ("partial", 1)
        assert failed.error is not None
        assert failed.error.line == 2
        assert statuses(live) == ["failed"]
    async with opened(book, database) as again:
        assert again.state.step("1").status is StepStatus.FAILED
        execute(database, "CREATE TABLE later (a int)")
        assert await again.to_end() == 0
        assert [s.index for s in again.all(e.StatementStarted)] == [2, 3]
        assert statuses(again) == ["applied"]


async def test_a_way_back_that_stopped_half_is_not_taken_for_done(tmp_path: Path, database: str) -> None:
    execute(database, TABLE, FILL, "CREATE TABLE u ()")
    back = {"1": "DROP INDEX CONCURRENTLY t_b;\nDROP TABLE missing;\n"}
    book = write(tmp_path, {"1": INDEX}, back, keys=ALONE)
    async with opened(book, database) as live:
        assert await live.to_end() == 0
        await live.run.roll_back(live.run.plan_rollback(None))
        assert live.last(e.ScriptFailed).outcome == "partial"
        assert statuses(live) == ["failed"]
        assert live.state.present == ("1",)
        assert live.state.exit_code == 1
    async with opened(book, database) as again:
        assert statuses(again) == ["failed"]
        with pytest.raises(GateClosed, match="stopped half-way"):
            await again.run.go_on()
        execute(database, "CREATE TABLE missing ()")
        await again.run.roll_back(again.run.plan_rollback(None))
        # The index is not dropped a second time.
        assert [s.index for s in again.all(e.StatementStarted)] == [2]
        assert statuses(again) == ["rolled_back"]


async def test_as_somebody_else_without_a_transaction(tmp_path: Path, database: str) -> None:
    execute(
        database,
        "DO $$ BEGIN CREATE ROLE somebody; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        "CREATE SCHEMA theirs AUTHORIZATION somebody",
    )
    script = "SET ROLE somebody;\nCREATE TABLE theirs.mine (a int);\nVACUUM theirs.mine;\n"
    async with opened(write(tmp_path, {"1": script}, keys=ALONE), database) as live:
        assert await live.to_end() == 0, [f.message for f in live.all(e.ScriptFailed)]
        assert one(database, "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'mine'") == "somebody"
        said = [(1, False), (2, False), (3, True), (3, False), (None, False)]
        assert rows(database, "SELECT statement, begun FROM lockstep.act ORDER BY id") == said
    execute(database, "DROP SCHEMA theirs CASCADE")


async def test_cancelled_without_a_transaction(tmp_path: Path, database: str) -> None:
    execute(database, TABLE, FILL)
    book = write(tmp_path, {"1": "INSERT INTO t VALUES (0, 'kept');\nSELECT pg_sleep(30);\n"}, keys=ALONE)
    async with opened(book, database) as live:
        going = asyncio.create_task(live.to_end())
        await live.until(e.StatementStarted, lambda s: s.index == 2)
        await live.run.cancel()
        assert await going == 1
        failed = live.last(e.ScriptFailed)
        assert (failed.reason, failed.outcome, failed.completed) == ("cancelled", "partial", 1)
        assert statuses(live) == ["failed"]
        assert one(database, "SELECT count(*) FROM t WHERE a = 0") == 1


# What a query gives, beneath a run


async def test_asking_never_leaves_a_transaction_open(tmp_path: Path, database: str) -> None:
    book = read(write(tmp_path, {"1": "SELECT 1/0"}))
    async with await PgSession.open(Dsn(database), application_name="asker") as asker:
        answer = await ask(asker, book.steps[0].sql, book.safety)
        assert answer.error is not None
        assert answer.error.sqlstate == "22012"
        assert one(database, "SELECT state FROM pg_stat_activity WHERE application_name = 'asker'") == "idle"
