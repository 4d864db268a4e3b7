"""Limits of the server that a step runs into: what the operator is told is what the database holds."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from runbooks import Live, execute, one, opened, read, rows, session, until_true, write
from small_disk import small_disk

from tui import cli
from tui.engine import events as e
from tui.engine.failures import of_connection, sentence
from tui.engine.state import StepStatus
from tui.engine.status import look
from tui.postgres.embedded import EmbeddedServer, installations
from tui.postgres.session import CannotConnect, Dsn

MADE = "CREATE TABLE made (a int);\n"
LEDGER = "SELECT step, direction, statement FROM lockstep.act ORDER BY id"


def safety(**changes: str) -> str:
    plain = {"lock_timeout": '"10s"', "max_blocked_for": '"10s"', "statement_timeout": '"20s"', **changes}
    return "[safety]\n" + "\n".join(f"{key} = {value}" for key, value in plain.items())


async def nothing_stays(live: Live, book: Path, dsn: str, admin: str = "") -> e.ScriptFailed:
    """Step 1 failed and is told so by the run and by ``lockstep status``; neither it nor its row is there."""
    failed = live.last(e.ScriptFailed)
    assert (failed.script, failed.outcome) == ("1", "rolled_back")
    assert live.state.step("1").status is StepStatus.FAILED
    assert (await look(read(book), Dsn(dsn))).step("1").status is StepStatus.FAILED
    assert one(admin or dsn, "SELECT to_regclass('made') IS NULL") is True
    assert rows(admin or dsn, LEDGER) == []
    return failed


async def all_is_there(live: Live, book: Path, dsn: str) -> None:
    """Step 1 is applied, as the run and ``lockstep status`` say, once and with its row."""
    assert live.state.step("1").status is StepStatus.APPLIED
    assert (await look(read(book), Dsn(dsn))).step("1").status is StepStatus.APPLIED
    assert one(dsn, "SELECT to_regclass('made') IS NOT NULL") is True
    assert rows(dsn, LEDGER) == [("1", "forward", None)]


def told(failed: e.ScriptFailed, sqlstate: str) -> str:
    """The plain sentence, beside which the server's own words stand."""
    assert failed.error is not None
    assert failed.error.sqlstate == sqlstate
    assert failed.error.message in failed.message
    assert failed.advice == sentence(failed.error)
    return failed.advice


# statement_timeout


async def test_statement_timeout(tmp_path: Path, database_each: str) -> None:
    steps = {"1": f"{MADE}SELECT pg_sleep(30);"}
    book = write(tmp_path, steps, safety=safety(statement_timeout='"100ms"'))
    async with opened(book, database_each) as live:
        assert await live.to_end() == 1
        failed = await nothing_stays(live, book, database_each)
        assert told(failed, "57014") == (
            "the statement ran longer than its statement_timeout: see why, or raise it in the step's safety"
        )
        assert not live.all(e.LocksGivenBack)
        write(tmp_path, {"1": f"{MADE}SELECT pg_sleep(0.2);"})
        live.run.runbook = read(book)
        assert await live.to_end() == 0
        await all_is_there(live, book, database_each)


async def test_statement_timeout_outside_a_transaction(tmp_path: Path, database_each: str) -> None:
    execute(database_each, "CREATE TABLE patience AS SELECT 30 AS seconds")
    script = f"{MADE}SELECT pg_sleep(seconds) FROM patience;\nINSERT INTO made VALUES (1);\n"
    changes = {"keys": {"1": "transaction = false"}, "safety": safety(statement_timeout='"1s"')}
    book = write(tmp_path, {"1": script}, **changes)  # type: ignore[arg-type]
    async with opened(book, database_each) as live:
        assert await live.to_end() == 1
        failed = live.last(e.ScriptFailed)
        assert "statement_timeout" in told(failed, "57014")
        assert (failed.outcome, failed.completed) == ("partial", 1)
        for state in (live.state, await look(read(book), Dsn(database_each))):
            assert (state.step("1").status, state.step("1").completed) == (StepStatus.FAILED, 1)
        assert one(database_each, "SELECT count(*) FROM made") == 0
        execute(database_each, "UPDATE patience SET seconds = 0")
        assert await live.to_end() == 0
        for state in (live.state, await look(read(book), Dsn(database_each))):
            assert (state.step("1").status, state.step("1").completed) == (StepStatus.APPLIED, None)
        assert one(database_each, "SELECT count(*) FROM made") == 1


# Out of connections

ALLOWED = 12


@pytest.fixture(scope="module")
def narrow() -> Iterator[EmbeddedServer]:
    """A server that allows few connections, two of them to superusers alone."""
    newest = installations()[0]
    options: dict[str, str | int | bool] = {"max_connections": ALLOWED, "superuser_reserved_connections": 2}
    with EmbeddedServer(newest, options=options) as server:
        execute(server.dsn(), "CREATE ROLE app LOGIN", "CREATE DATABASE app OWNER app")
        yield server


@contextmanager
def exhausted(dsn: str, but: int = 0) -> Iterator[int]:
    """All connections that this DSN's role may have are taken, but so many; gives how many that were."""
    with ExitStack() as stack:
        taken: list[psycopg.Connection[tuple[object, ...]]] = []
        while len(taken) <= ALLOWED:
            try:
                taken.append(stack.enter_context(psycopg.connect(dsn, autocommit=True, application_name="crowd")))
            except psycopg.OperationalError:
                break
        for connection in taken[:but]:
            connection.close()
        left = f"SELECT count(*) = {len(taken) - but} FROM pg_stat_activity WHERE application_name = 'crowd'"
        if but:
            wait_until(Dsn(dsn, user="postgres").reveal(), left)
        yield len(taken) - but


@pytest.mark.parametrize(
    ("user", "why"),
    [("postgres", "sorry, too many clients already"), ("app", "connection slots are reserved")],
)
def test_no_connection_is_left_at_the_opening(
    tmp_path: Path, narrow: EmbeddedServer, user: str, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    book, dsn = str(write(tmp_path / "small", {"1": MADE})), narrow.dsn("app", user)
    with exhausted(dsn):
        assert cli.run(["run", book, "-d", dsn, "--yes"]) == 3
        shown = capfd.readouterr().err
        assert why in shown
        assert shown.splitlines()[-1].strip() == (
            "all connections that the server allows are taken: end some that are not needed, "
            "or raise max_connections, which needs a restart"
        )
    assert one(narrow.dsn("app"), "SELECT to_regclass('made') IS NULL AND to_regclass('lockstep.act') IS NULL") is True


@pytest.mark.parametrize("left", [1, 2])
async def test_too_few_connections_for_runner_operator_and_monitor(
    tmp_path: Path, narrow: EmbeddedServer, left: int
) -> None:
    """All three are taken at the opening, or none is kept."""
    dsn = narrow.dsn("app", "app")
    with exhausted(dsn, but=left):
        with pytest.raises(CannotConnect) as refused:
            async with opened(write(tmp_path / "small", {"1": "SELECT 1"}), dsn):
                pass
        assert "raise max_connections" in of_connection(str(refused.value))
        await until_true(narrow.dsn(), "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name ~ '^lockstep'")


async def test_after_the_opening_no_connection_is_needed(tmp_path: Path, narrow: EmbeddedServer) -> None:
    dsn = narrow.dsn("app", "app")
    more = '[[verification]]\nid = "v"\ntitle = "Rows"\nafter = "end"\nexpect = { value = 1 }\n'
    more += 'sql = """SELECT count(*) FROM made"""\n'
    steps = {"1": MADE, "2": "INSERT INTO made VALUES (1);"}
    book = write(tmp_path / "small", steps, {"1": "DROP TABLE made", "2": "TRUNCATE made"}, more=more)
    async with opened(book, dsn) as live:
        ours = "SELECT count(*) = 3 FROM pg_stat_activity WHERE application_name ~ '^lockstep'"
        await until_true(narrow.dsn(), ours)
        with exhausted(dsn) as taken:
            assert taken == ALLOWED - 2 - 3
            assert await live.to_end() == 0
            assert live.state.applied == ("1", "2")
            await live.run.roll_back(live.run.plan_rollback("1"))
            assert await live.to_end() == 0
            assert not live.all(e.ScriptFailed)
        assert rows(dsn, "SELECT * FROM made") == [(1,)]
        assert (await look(read(book), Dsn(dsn))).applied == ("1", "2")
        await live.run.roll_back(live.run.plan_rollback(None))
    execute(dsn, "DROP SCHEMA lockstep CASCADE")


# Disk full


async def test_disk_full_in_the_tablespace(tmp_path: Path, database: str, server18: EmbeddedServer) -> None:
    owner = server18.data.stat()
    script = (
        f"{MADE}CREATE TABLE big TABLESPACE small AS SELECT n, repeat('x', 500) FROM generate_series(1, 10000) AS n;"
    )
    book = write(tmp_path / "small", {"1": script})
    with small_disk(server18.directory, 16 * 1024 * 1024) as disk:
        os.chown(disk.path, owner.st_uid, owner.st_gid)
        execute(database, f"CREATE TABLESPACE small LOCATION '{disk.path}'")
        try:
            oid = one(database, "SELECT oid FROM pg_tablespace WHERE spcname = 'small'")
            disk.fill()
            async with opened(book, database) as live:
                assert await live.to_end() == 1
                failed = await nothing_stays(live, book, database)
                where = f"the server's disk is full in the tablespace with the oid {oid}"
                assert told(failed, "53100") == f"{where}: free space there, then run it again"
                disk.free()
                assert await live.to_end() == 0
                await all_is_there(live, book, database)
                assert one(database, "SELECT count(*) FROM big") == 10000
        finally:
            execute(database, "DROP TABLE IF EXISTS big", "DROP TABLESPACE small")


# Deadlock


@pytest.mark.parametrize("retries", [1, 0])
async def test_deadlock(tmp_path: Path, database: str, retries: int) -> None:
    execute(database, "CREATE TABLE a AS SELECT 1 AS n", "CREATE TABLE b AS SELECT 1 AS n")
    script = f"{MADE}UPDATE a SET n = n + 1;\nSELECT pg_advisory_xact_lock(7);\nUPDATE b SET n = n + 1;\n"
    book = write(tmp_path, {"1": script}, safety=safety(lock_retries=str(retries)))
    async with session(database) as gate, session(database, name="web", autocommit=False) as web:
        await gate.execute("SELECT pg_advisory_lock(7)")
        # It waits longest before it looks for a deadlock: we are the ones who find it, and give way.
        await web.execute("SET deadlock_timeout = '15s'")
        await web.execute("UPDATE b SET n = 10")
        async with opened(book, database) as live:
            going = asyncio.create_task(live.to_end())
            await live.until(e.StatementStarted, lambda s: s.index == 3)
            other = asyncio.create_task(web.execute("UPDATE a SET n = 10"))
            waits = f"SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {web.info.backend_pid}"
            await until_true(database, waits)
            await gate.execute("SELECT pg_advisory_unlock(7)")
            await other
            await web.commit()
            if retries:
                assert await going == 0
                given = live.last(e.LocksGivenBack)
                assert (given.reason, given.detail) == ("deadlock", "deadlock detected")
                await all_is_there(live, book, database)
                assert rows(database, "SELECT a.n, b.n FROM a, b") == [(11, 11)]
                return
            assert await going == 1
            failed = await nothing_stays(live, book, database)
            assert told(failed, "40P01").endswith("the server ended ours; it is safe to run it again")
            assert rows(database, "SELECT a.n, b.n FROM a, b") == [(10, 10)]
            assert await live.to_end() == 0
            await all_is_there(live, book, database)


# Serialization


@pytest.mark.parametrize("retries", [1, 0])
@pytest.mark.parametrize("by", ["script", "database"])
async def test_serialization_failure(tmp_path: Path, database: str, retries: int, by: str) -> None:
    """Each of two transactions reads what the other writes: only one can be committed, and the other one was first."""
    execute(database, "CREATE TABLE a AS SELECT 1 AS n", "CREATE TABLE b AS SELECT 1 AS n")
    head = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n" if by == "script" else ""
    if by == "database":
        execute(database, f"ALTER DATABASE {database_name(database)} SET default_transaction_isolation = serializable")
    script = f"{head}UPDATE b SET n = (SELECT n FROM a);\n{MADE}SELECT pg_advisory_xact_lock(7);\n"
    book = write(tmp_path, {"1": script}, safety=safety(lock_retries=str(retries)))
    async with session(database) as gate, opened(book, database) as live:
        await gate.execute("SELECT pg_advisory_lock(7)")
        going = asyncio.create_task(live.to_end())
        await live.until(e.StatementStarted, lambda s: "advisory" in s.sql)
        async with session(database, autocommit=False) as web:
            await web.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            await web.execute("UPDATE a SET n = (SELECT n + 1 FROM b)")
            await web.commit()
        await gate.execute("SELECT pg_advisory_unlock(7)")
        if retries:
            assert await going == 0
            assert [g.reason for g in live.all(e.LocksGivenBack)] == ["serialization"]
        else:
            assert await going == 1
            failed = await nothing_stays(live, book, database)
            assert "at the same time; it is safe to run it again" in told(failed, "40001")
            assert rows(database, "SELECT a.n, b.n FROM a, b") == [(2, 1)]
            assert await live.to_end() == 0
        await all_is_there(live, book, database)
        assert rows(database, "SELECT a.n, b.n FROM a, b") == [(2, 2)]


# Timeouts of idle and of long transactions


async def test_a_timeout_of_the_database_does_not_reach_us(
    tmp_path: Path, database_each: str, server: EmbeddedServer
) -> None:
    settings = ["idle_in_transaction_session_timeout = '1ms'"]
    if server.major >= 17:
        settings.append("transaction_timeout = '1s'")
    name = database_name(database_each)
    execute(database_each, *(f"ALTER DATABASE {name} SET {setting}" for setting in settings))
    steps = {"1": f"{MADE}SELECT pg_sleep(1.2);\nINSERT INTO made VALUES (1);\n", "2": "INSERT INTO made VALUES (2);"}
    book = write(tmp_path, steps)
    async with opened(book, database_each) as live:
        assert await live.to_end() == 0
        assert not live.all(e.ScriptFailed)
        assert live.state.applied == ("1", "2")
    assert rows(database_each, LEDGER) == [("1", "forward", None), ("2", "forward", None)]
    assert rows(database_each, "SELECT a FROM made ORDER BY a") == [(1,), (2,)]


async def test_idle_in_transaction_timeout(tmp_path: Path, database_each: str) -> None:
    script = f"{MADE}SET idle_in_transaction_session_timeout = '1ms';\nINSERT INTO made VALUES (1);\n"
    book = write(tmp_path, {"1": script})
    async with opened(book, database_each) as live:

        def dawdle(event: e.Event, _: object) -> None:
            """Between two statements, for as long as it takes the server to lose patience."""
            if isinstance(event, e.StatementFinished) and event.index == 2:
                pid = live.last(e.ScriptStarted).backend_pid
                wait_until(database_each, f"SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid})")

        live.run.subscribe(dawdle)
        assert await live.to_end() != 0
        failed = await cut_off(live, book, database_each)
        said = [failed.message, *(notice.message for notice in live.all(e.NoticeRaised))]
        assert any(
            of_connection(text).startswith("the server ended our session: its transaction stood idle") for text in said
        ), said


async def test_transaction_timeout(tmp_path: Path, database: str) -> None:
    book = write(tmp_path, {"1": f"{MADE}SET transaction_timeout = '100ms';\nSELECT pg_sleep(30);\n"})
    async with opened(book, database) as live:
        assert await live.to_end() != 0
        failed = await cut_off(live, book, database)
        assert of_connection(failed.message).startswith(
            "the server ended our session: its transaction took longer than transaction_timeout"
        )


async def cut_off(live: Live, book: Path, dsn: str) -> e.ScriptFailed:
    """The server ended the session in the step: nothing of it is there, and the run goes on with a new one."""
    failed = live.last(e.ScriptFailed)
    assert (failed.reason, failed.outcome) == ("connection", "rolled_back")
    status = live.state.step("1").status
    assert status in (StepStatus.FAILED, StepStatus.PENDING)
    assert (await look(read(book), Dsn(dsn))).step("1").status is status
    assert one(dsn, "SELECT to_regclass('made') IS NULL") is True
    assert rows(dsn, LEDGER) == []
    write(book, {"1": MADE})
    live.run.runbook = read(book)
    assert await live.to_end() == 0
    await all_is_there(live, book, dsn)
    return failed


# Insufficient privilege


@pytest.fixture
def deployer(database_each: str) -> Iterator[str]:
    """A role that may make schemas and tables here, and nothing with the tables of others."""
    role = f"deployer_{uuid4().hex[:8]}"
    execute(
        database_each,
        f"CREATE ROLE {role} LOGIN",
        f"GRANT CREATE ON DATABASE {database_name(database_each)} TO {role}",
        f"GRANT CREATE ON SCHEMA public TO {role}",
        "CREATE TABLE theirs (a int)",
    )
    yield Dsn(database_each, user=role).reveal()
    execute(database_each, f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")


@pytest.mark.parametrize(
    ("statement", "advice"),
    [
        (
            "ALTER TABLE theirs ADD b int",
            "only the owner of table theirs may do this: connect as its owner or as a member of that role",
        ),
        (
            "INSERT INTO theirs VALUES (1)",
            "our role lacks the right to table theirs: GRANT it, or connect as a role that has it",
        ),
    ],
)
async def test_insufficient_privilege(
    tmp_path: Path, database_each: str, deployer: str, statement: str, advice: str
) -> None:
    book = write(tmp_path, {"1": f"{MADE}{statement};\n"})
    async with opened(book, deployer) as live:
        assert await live.to_end() == 1
        failed = await nothing_stays(live, book, deployer, database_each)
        assert told(failed, "42501") == advice
        role = Dsn(deployer).get("user")
        execute(database_each, f"ALTER TABLE theirs OWNER TO {role}")
        assert await live.to_end() == 0
        await all_is_there(live, book, deployer)


def wait_until(dsn: str, query: str) -> None:
    """Holds everything up until the query's one value is true."""
    deadline = time.monotonic() + 10
    while one(dsn, query) is not True:
        assert time.monotonic() < deadline, query


def database_name(dsn: str) -> str:
    name = Dsn(dsn).get("dbname")
    assert name is not None
    return name
