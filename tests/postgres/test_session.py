"""Connections: DSNs that keep their secret, answers as text, failures under their own names."""

import asyncio
from pathlib import Path

import pytest
from runbooks import execute, one, session, until_true

from tui.postgres.session import CannotConnect, ConnectionLost, Dsn, PgSession, StatementFailed


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://dba:hunter2@db1/app",
        "host=db1 dbname=app user=dba password=hunter2",
        "host=db1 password='hunter2' sslpassword=hunter2",
        "postgresql://dba@db1/app?password=hunter2",
    ],
)
def test_a_dsn_never_shows_its_password(text: str) -> None:
    dsn = Dsn(text)
    assert "hunter2" in dsn.reveal()
    for shown in (
        str(dsn),
        repr(dsn),
        f"{dsn}",
        f"{dsn!r}",
        str([dsn]),
        str(dsn.get("password")),
        str(dsn.get("sslpassword")),
    ):
        assert "hunter2" not in shown
    assert "hunter2" in dsn.with_(application_name="x").reveal()
    assert "hunter2" not in str(dsn.with_(application_name="x"))


@pytest.mark.parametrize(
    "text",
    [
        "host=db1 password=hunter2 nonsense=1",
        "password=hunter2 =",
        "postgresql://dba:hunter2@[db1/app",
        "postgresql://dba:hunter2@db1:port/app?x",
        "hunter2",
        "host='hunter2",
    ],
)
def test_a_dsn_that_cannot_be_read_is_not_quoted(text: str) -> None:
    with pytest.raises(CannotConnect) as refused:
        Dsn(text)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


async def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(CannotConnect) as refused:
        await PgSession.open(Dsn(f"host={tmp_path} dbname=app password=hunter2"), application_name="x")
    assert "hunter2" not in str(refused.value)
    assert str(tmp_path) in str(refused.value)


async def test_a_database_that_is_not_there(database: str) -> None:
    with pytest.raises(CannotConnect, match='database "missing" does not exist'):
        await PgSession.open(Dsn(database).with_(dbname="missing"), application_name="x")


async def test_settings_and_name_are_given_at_the_start(database: str) -> None:
    asked = Dsn(database).with_(options="-c work_mem=5MB")
    async with await PgSession.open(asked, application_name="lockstep test", options={"lock_timeout": "123"}) as it:
        for name, wanted in (("lock_timeout", "123ms"), ("work_mem", "5MB"), ("application_name", "lockstep test")):
            assert (await it.query(f"SHOW {name}")).rows == ((wanted,),)


async def test_answers_are_text_as_psql_shows_it(database_each: str) -> None:
    async with await PgSession.open(Dsn(database_each), application_name="x") as it:
        answer = await it.query(
            "SELECT 1 AS a, 1.50::numeric AS b, true AS c, null AS d, ARRAY[1,2] AS e,"
            " '{\"x\": 1}'::jsonb AS f, 'é€\U0001f512' AS g"
        )
        assert answer.rows == (("1", "1.50", "t", None, "{1,2}", '{"x": 1}', "é€\U0001f512"),)
        assert answer.columns == ("a", "b", "c", "d", "e", "f", "g")
        assert (await it.query("DO $$ BEGIN END $$")).rows == ()
        assert (await it.query("SELECT %(x)s::text || '%%'", {"x": "50"})).rows == (("50%",),)


@pytest.mark.parametrize(
    ("sql", "status", "count"),
    [
        ("CREATE TABLE t (a int)", "CREATE TABLE", None),
        ("INSERT INTO t SELECT generate_series(1, 3)", "INSERT 0 3", 3),
        ("UPDATE t SET a = 1 WHERE a > 1", "UPDATE 2", 2),
        ("SELECT * FROM t", "SELECT 3", 3),
        ("DELETE FROM t WHERE false", "DELETE 0", 0),
        ("DO $$ BEGIN END $$", "DO", None),
        ("BEGIN", "BEGIN", None),
        ("ROLLBACK", "ROLLBACK", None),
    ],
)
async def test_rows_come_from_the_command_tag(database: str, sql: str, status: str, count: int | None) -> None:
    execute(database, "CREATE TABLE IF NOT EXISTS seed (a int)")
    async with await PgSession.open(Dsn(database), application_name="x") as it:
        if "t" in sql and not sql.startswith(("CREATE", "DO", "BEGIN", "ROLLBACK")):
            await it.execute("CREATE TABLE IF NOT EXISTS t (a int)")
        if sql.startswith(("UPDATE", "SELECT")):
            await it.execute("INSERT INTO t SELECT generate_series(1, 3)")
        done = await it.execute(sql)
        assert (done.status, done.rows) == (status, count)


async def test_what_the_server_refuses_has_all_its_fields(database_each: str) -> None:
    execute(database_each, "CREATE TABLE t (a int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    async with await PgSession.open(Dsn(database_each), application_name="x") as it:
        with pytest.raises(StatementFailed) as failed:
            await it.execute("INSERT INTO t VALUES (1)")
        error = failed.value.error
        assert (error.sqlstate, error.detail, error.line) == ("23505", "Key (a)=(1) already exists.", None)
        with pytest.raises(StatementFailed) as failed:
            await it.execute("SELECT\n  1,\n  nonsense")
        assert (failed.value.error.sqlstate, failed.value.error.line) == ("42703", 3)
        with pytest.raises(StatementFailed) as failed:
            await it.execute("SELECT '€€€',\n 1/0, \n nonsense(1)".encode())
        assert failed.value.error.line == 3
        assert failed.value.error.hint
        assert not it.lost
        assert (await it.query("SELECT 1")).rows == (("1",),)


async def test_hostile_messages_are_made_safe(database: str) -> None:
    async with await PgSession.open(Dsn(database), application_name="x") as it:
        heard: list[tuple[str, str]] = []
        it.on_notice(lambda severity, message: heard.append((severity, message)))
        await it.execute("DO $$ BEGIN RAISE NOTICE E'\\x1b[2Jevil'; END $$")
        assert heard == [("NOTICE", "·[2Jevil")]
        with pytest.raises(StatementFailed) as failed:
            await it.execute(
                "DO $$ BEGIN RAISE EXCEPTION E'\\x1bevil' USING DETAIL = E'\\x07', HINT = E'\\u202e'; END $$"
            )
        error = failed.value.error
        assert (error.message, error.detail, error.hint) == ("·evil", "·", "·")


async def test_a_terminated_session_is_lost(database_each: str) -> None:
    async with await PgSession.open(Dsn(database_each), application_name="x") as it:
        execute(database_each, f"SELECT pg_terminate_backend({it.backend_pid})")
        with pytest.raises(ConnectionLost):
            await it.query("SELECT 1")
        assert it.lost
        with pytest.raises(ConnectionLost):
            await it.query("SELECT 1")
        await it.cancel()


async def test_terminated_in_a_statement_it_is_lost_too(database_each: str) -> None:
    async with await PgSession.open(Dsn(database_each), application_name="x") as it:
        asking = asyncio.create_task(it.execute("SELECT pg_sleep(30)"))
        await until_true(
            database_each, f"SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = {it.backend_pid}"
        )
        execute(database_each, f"SELECT pg_terminate_backend({it.backend_pid})")
        with pytest.raises(ConnectionLost):
            await asking
        assert it.lost


async def test_cancelled_it_stays_usable(database_each: str) -> None:
    async with await PgSession.open(Dsn(database_each), application_name="x") as it:
        asking = asyncio.create_task(it.execute("SELECT pg_sleep(30)"))
        await until_true(
            database_each, f"SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = {it.backend_pid}"
        )
        await it.cancel()
        with pytest.raises(StatementFailed) as failed:
            await asking
        assert failed.value.error.sqlstate == "57014"
        assert (await it.query("SELECT 1")).rows == (("1",),)
        await it.cancel()
        assert (await it.query("SELECT 1")).rows == (("1",),)


async def test_fresh_is_as_psql_would_find_it(database_each: str) -> None:
    async with await PgSession.open(Dsn(database_each), application_name="x") as it:
        await it.execute("SET work_mem = '7MB'")
        await it.execute("CREATE TEMP TABLE left_behind ()")
        await it.fresh()
        assert (await it.query("SELECT to_regclass('pg_temp.left_behind') IS NULL")).rows == (("t",),)
        assert (await it.query("SHOW work_mem")).rows != (("7MB",),)


async def test_a_table_renamed_meanwhile_is_planned_anew(database: str) -> None:
    async with await PgSession.open(Dsn(database), application_name="x") as it, session(database) as other:
        await other.execute("CREATE TABLE a (x int)")
        for _ in range(8):
            assert (await it.query("SELECT * FROM a WHERE x = %(x)s", {"x": 1})).columns == ("x",)
        await other.execute("ALTER TABLE a ADD y int")
        assert (await it.query("SELECT * FROM a WHERE x = %(x)s", {"x": 1})).columns == ("x", "y")


async def test_copy_in(database_each: str) -> None:
    execute(database_each, "CREATE TABLE t (a int, b text)")
    async with await PgSession.open(Dsn(database_each), application_name="x") as it:
        done = await it.copy_in("COPY t FROM stdin", "1\té€\n2\t\\N\n")
        assert (done.status, done.rows) == ("COPY 2", 2)
        with pytest.raises(StatementFailed) as failed:
            await it.copy_in("COPY t FROM stdin", "x\ty\n")
        assert failed.value.error.sqlstate == "22P02"
        assert (await it.copy_in("COPY t FROM stdin", "")).rows == 0
        assert one(database_each, "SELECT string_agg(b, '') FROM t") == "é€"


async def test_who_answered(database_each: str) -> None:
    async with await PgSession.open(Dsn(database_each), application_name="x") as it:
        server = await it.server()
        assert (server.host, server.user) == ("localhost", "postgres")
        assert server.database == one(database_each, "SELECT current_database()")
        assert server.version == int(str(one(database_each, "SHOW server_version_num")))
        assert server.system_identifier == one(database_each, "SELECT system_identifier FROM pg_control_system()")
