"""The parts of a backfill on a real server: which rows a chunk takes, and what a batch is refused for."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from runbooks import execute, one, rows, session

from tui.engine.batch import BatchRefused, Chunk, Chunks
from tui.postgres.session import Dsn, PgSession, StatementFailed
from tui.runbook.model import Batch

USERS = Batch("users", ("id",), "email_lower IS NULL", size=100)
LOWER = "UPDATE users u SET email_lower = lower(u.email), times = times + 1 FROM batch WHERE u.id = batch.id"
Between = Callable[[], Awaitable[None]]


@asynccontextmanager
async def runner(dsn: str) -> AsyncIterator[PgSession]:
    async with await PgSession.open(Dsn(dsn), application_name="lockstep runner") as one_session:
        yield one_session


def users(dsn: str, count: int, kind: str = "bigint", key: str = "i") -> None:
    """Users with keys by the expression over ``i``; every change of a row counts in ``times``."""
    execute(
        dsn,
        f"CREATE TABLE users (id {kind} PRIMARY KEY, email text, email_lower text, times int NOT NULL DEFAULT 0)",
        f"INSERT INTO users (id, email) SELECT {key}, 'User' || i FROM generate_series(1, {count}) i",
    )


async def one_pass(
    chunks: Chunks,
    runner: PgSession,
    batch: Batch,
    sql: str,
    *,
    size: int = 100,
    between: Between | None = None,
) -> list[int]:
    """From the start to the end, each chunk committed; gives how many rows each one had."""
    taken: list[int] = []
    after: tuple[str, ...] | None = None
    while True:
        await runner.execute("BEGIN")
        chunk = await chunks.take(after, size)
        if chunk.rows:
            await runner.execute(sql)
            assert await chunks.undone() == 0
        await runner.execute("COMMIT")
        if not chunk.rows:
            assert chunk.last == ()
            return taken
        assert len(chunk.last) == len(batch.key)
        taken.append(chunk.rows)
        after = chunk.last
        if between is not None:
            await between()


async def whole(
    dsn: str, batch: Batch, sql: str, *, size: int = 100, between: Between | None = None
) -> list[list[int]]:
    """All passes, until one from the start finds nothing."""
    async with runner(dsn) as us:
        chunks = await Chunks.prepare(us, batch)
        passes: list[list[int]] = []
        while not passes or passes[-1]:
            passes.append(await one_pass(chunks, us, batch, sql, size=size, between=between))
        assert await chunks.remaining() == 0
        return passes


async def test_each_row_once(database_each: str) -> None:
    users(database_each, 1050)
    async with runner(database_each) as us:
        chunks = await Chunks.prepare(us, USERS)
        assert await chunks.remaining() == 1050
        execute(database_each, "UPDATE users SET email_lower = 'there', times = 1 WHERE id % 7 = 0")
        assert await chunks.remaining() == 900
    assert await whole(database_each, USERS, LOWER) == [[100] * 9, []]
    assert rows(database_each, "SELECT times, count(*) FROM users GROUP BY times") == [(1, 1050)]
    assert one(database_each, "SELECT count(*) FROM users WHERE email_lower = lower(email)") == 900


async def test_goes_on_behind_a_position_on_another_connection(database_each: str) -> None:
    users(database_each, 250)
    async with runner(database_each) as us:
        chunks = await Chunks.prepare(us, USERS)
        await us.execute("BEGIN")
        chunk = await chunks.take(None, 100)
        await us.execute(LOWER)
        await us.execute("COMMIT")
        assert (chunk.rows, chunk.last) == (100, ("100",))
        await us.execute("BEGIN")
        lost = await chunks.take(chunk.last, 100)
        await us.execute(LOWER)
        assert lost.last == ("200",)
    async with runner(database_each) as us:
        chunks = await Chunks.prepare(us, USERS)
        assert await chunks.remaining() == 150
        await us.execute("BEGIN")
        assert await chunks.take(chunk.last, 100) == lost
        await us.execute("COMMIT")


async def test_rows_that_come_and_go_during_the_run(database_each: str) -> None:
    users(database_each, 500, key="i * 10")
    done = 0

    async def meanwhile() -> None:
        nonlocal done
        done += 1
        if done == 2:
            execute(
                database_each,
                "INSERT INTO users (id, email) SELECT i * 10 + 1, 'New' FROM generate_series(1, 500, 10) i",
                "DELETE FROM users WHERE id % 10 = 0 AND (id / 10) % 50 = 0",
                "UPDATE users SET email_lower = 'by the application', times = times + 1 WHERE id = 4010",
            )

    passes = await whole(database_each, USERS, LOWER, between=meanwhile)
    # 10 of the rows were deleted, 6 of those ahead of us, where 30 of the new ones are; one was done by another.
    assert passes == [[100, 100, 100, 100, 100, 23], [20], []]
    assert rows(database_each, "SELECT times, count(*) FROM users GROUP BY times") == [(1, 540)]


async def test_rows_gone_between_taking_and_the_chunks_sql(database_each: str) -> None:
    users(database_each, 10)
    async with runner(database_each) as us:
        chunks = await Chunks.prepare(us, USERS)
        await us.execute("BEGIN")
        assert (await chunks.take(None, 10)).rows == 10
        execute(database_each, "DELETE FROM users WHERE id <= 3")
        assert (await us.execute(LOWER)).rows == 7
        assert await chunks.undone() == 0
        await us.execute("COMMIT")
        assert await chunks.remaining() == 0


async def test_undone_rows_are_noticed(database_each: str) -> None:
    users(database_each, 10)
    async with runner(database_each) as us:
        chunks = await Chunks.prepare(us, USERS)
        await us.execute("BEGIN")
        await chunks.take(None, 6)
        assert await chunks.undone() == 6
        await us.execute(f"{LOWER} AND u.id <> 3")
        assert await chunks.undone() == 1
        await us.execute("ROLLBACK")
        assert await chunks.undone() == 0


async def test_prepares_again(database_each: str) -> None:
    users(database_each, 10)
    execute(database_each, "CREATE TABLE other (name text PRIMARY KEY)")
    async with runner(database_each) as us:
        await Chunks.prepare(us, Batch("other", ("name",), "true"))
        for _ in range(2):
            chunks = await Chunks.prepare(us, USERS)
            await us.execute("BEGIN")
            assert await chunks.take(None, 4) == Chunk(4, ("4",))
            assert (await us.query("SELECT count(*), max(id) FROM batch")).rows == (("4", "4"),)
            await us.execute("ROLLBACK")
            await us.execute("BEGIN")
            assert await chunks.take(("4",), 100) == Chunk(6, ("10",))
            await us.execute("COMMIT")
            assert (await us.query("SELECT count(*) FROM batch")).rows == (("0",),)
        await us.fresh()
        with pytest.raises(StatementFailed, match="batch"):
            await chunks.take(None, 4)
        chunks = await Chunks.prepare(us, USERS)
        await us.execute("BEGIN")
        assert await chunks.take(None, 4) == Chunk(4, ("4",))
        await us.execute("COMMIT")
        with pytest.raises(ValueError, match="2 columns"):
            await chunks.take(("1", "2"), 4)


ICU = "CREATE COLLATION german (provider = icu, locale = 'de-u-kn-true')"


def has_icu(dsn: str) -> bool:
    return one(dsn, "SELECT count(*) FROM pg_collation WHERE collname = 'de-x-icu'") == 1


WORDS = ["", " ", "'", "''", '"', "\\", "\\N", "{}", "%s", "%(a)s", "$1", "a", "A", "ä", "Ä", "b", "Zürich", "10", "9"]
WORDS += ["日本", "e\u0301", "é", "😀", "a\nb", "a\tb", "NULL", "x" * 2000, "\x01", "\u202e"]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("uuid", "gen_random_uuid()"),
        ("bigint", "9223372036854775807 - i * 7"),
        ("smallint", "i - 100"),
        ("numeric", "(i % 2 * 2 - 1) * (10::numeric ^ (i % 40 - 20)) + 1 / i::numeric"),
        ("numeric(10, 3)", "i / 3.0"),
        ("double precision", "1 / i::float8"),
        ("real", "1 / i::float4"),
        ("timestamptz", "timestamptz '1890-03-01 01:02:03.123456' + i * interval '217 days 3 hours 1 microsecond'"),
        ("timestamp", "timestamp '0044-03-15 BC' + i * interval '11 years'"),
        ("date", "date '2024-01-01' + i * 13"),
        ("time", "time '00:00' + i * interval '7.5 s'"),
        ("interval", "i * interval '-1 day' + interval '2 hours 1 month'"),
        ("bytea", "decode(md5(i::text), 'hex')"),
        ("text", "md5(i::text)"),
        ('text COLLATE "C"', "chr(64 + i)"),
        ("varchar(3)", "i::text"),
        ("char(8)", "i::text"),
        ("name", "'n' || i"),
        ("inet", "inet '10.0.0.0' + i"),
        ("bit(9)", "i::bit(9)"),
        ("int[]", "ARRAY[i % 10, i]"),
        ("int4range", "int4range(i, i + 2)"),
    ],
)
async def test_keys_of_any_type(database: str, kind: str, values: str) -> None:
    users(database, 205, kind, values)
    # What a role's own styles write must not become a position.
    name = one(database, "SELECT current_database()")
    for setting in (
        "DateStyle = 'SQL, DMY'",
        "IntervalStyle = sql_standard",
        "extra_float_digits = -10",
        "TimeZone = 'Europe/Berlin'",
    ):
        execute(database, f"ALTER DATABASE {name} SET {setting}")
    assert await whole(database, USERS, LOWER, size=10) == [[*[10] * 20, 5], []]
    assert rows(database, "SELECT times, count(*) FROM users GROUP BY times") == [(1, 205)]


@pytest.mark.parametrize("collation", ['"C"', "ucs_basic", '"default"', "german", '"und-x-icu"'])
async def test_text_keys_come_back_as_they_are(database_each: str, collation: str) -> None:
    if has_icu(database_each):
        execute(database_each, ICU)
    elif collation in ("german", '"und-x-icu"'):
        pytest.skip("this server is built without ICU")
    execute(
        database_each,
        f"CREATE TABLE users (id text COLLATE {collation} PRIMARY KEY, email text, email_lower text, "
        "times int DEFAULT 0)",
    )
    with psycopg.connect(database_each, autocommit=True) as connection:
        connection.cursor().executemany("INSERT INTO users VALUES (%s, 'A')", [(word,) for word in WORDS])
    in_order = [row[0] for row in rows(database_each, "SELECT id FROM users ORDER BY id")]
    async with runner(database_each) as us:
        chunks = await Chunks.prepare(us, USERS)
        seen: list[str] = []
        while True:
            await us.execute("BEGIN")
            chunk = await chunks.take((seen[-1],) if seen else None, 1)
            await us.execute("ROLLBACK")
            if not chunk.rows:
                break
            seen += chunk.last
    assert seen == in_order
    assert await whole(database_each, USERS, LOWER, size=1) == [[1] * len(WORDS), []]
    assert rows(database_each, "SELECT times, count(*) FROM users GROUP BY times") == [(1, len(WORDS))]


async def test_a_key_of_several_columns_in_the_index_s_own_collation(database_each: str) -> None:
    collation = "german" if has_icu(database_each) else "ucs_basic"
    if has_icu(database_each):
        execute(database_each, ICU)
    execute(
        database_each,
        "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')",
        "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
        f"CREATE TABLE seats (mood mood NOT NULL, name text COLLATE {collation} NOT NULL, n positive NOT NULL, "
        "at timestamptz, times int DEFAULT 0)",
        "INSERT INTO seats SELECT (enum_range(NULL::mood))[1 + i % 3], 'x' || i % 11, i FROM generate_series(1, 400) i",
        'CREATE UNIQUE INDEX ON seats (mood, name COLLATE "C", n) INCLUDE (at)',
    )
    batch = Batch("seats", ("mood", "name", "n"), "times = 0")
    sql = "UPDATE seats s SET times = times + 1 FROM batch b WHERE (s.mood, s.name, s.n) = (b.mood, b.name, b.n)"
    order = [row[0] for row in rows(database_each, 'SELECT n FROM seats ORDER BY mood, name COLLATE "C", n')]
    async with runner(database_each) as us:
        chunks = await Chunks.prepare(us, batch)
        await us.execute("BEGIN")
        chunk = await chunks.take(None, 37)
        first = await us.query("SELECT n FROM batch")
        await us.execute("ROLLBACK")
        assert [int(row[0] or 0) for row in first.rows] == order[:37]
        assert chunk.last[2] == str(order[36])
        await us.execute("BEGIN")
        await chunks.take(chunk.last, 37)
        then = await us.query("SELECT n FROM batch")
        await us.execute("ROLLBACK")
        assert [int(row[0] or 0) for row in then.rows] == order[37:74]
    assert await whole(database_each, batch, sql, size=37) == [[*[37] * 10, 30], []]
    assert rows(database_each, "SELECT DISTINCT times FROM seats") == [(1,)]


async def test_names_that_need_quotes_in_another_schema(database_each: str) -> None:
    execute(
        database_each,
        'CREATE SCHEMA "My ""%s Schema"',
        'CREATE TYPE "My ""%s Schema"."a type %" AS ENUM (\'a\', \'b\')',
        'CREATE TABLE "My ""%s Schema"."Us {ers}; --" ("I d%" int, "select" "My ""%s Schema"."a type %", v text, '
        'PRIMARY KEY ("select", "I d%"))',
        'INSERT INTO "My ""%s Schema"."Us {ers}; --" SELECT i, \'a\' FROM generate_series(1, 30) i',
        "CREATE TABLE users (id int PRIMARY KEY, v text)",
        "CREATE SCHEMA app",
        "CREATE TABLE app.users (id int PRIMARY KEY, v text)",
        "INSERT INTO app.users SELECT generate_series(1, 30)",
    )
    odd = Batch(
        '"My ""%s Schema"."Us {ers}; --"', ("select", "I d%"), "v IS NULL OR v LIKE '%{x}%' -- %(size)s {table}"
    )
    sql = (
        'UPDATE "My ""%s Schema"."Us {ers}; --" t SET v = \'done\' FROM batch b '
        'WHERE (t."select", t."I d%") = (b."select", b."I d%")'
    )
    assert await whole(database_each, odd, sql, size=20) == [[20, 10], []]
    users_in_app = Batch("Users", ("id",), "v IS NULL")
    async with runner(database_each) as us:
        await us.execute("SET search_path = app")
        chunks = await Chunks.prepare(us, users_in_app)
        await us.execute("SET search_path = public")
        assert await chunks.remaining() == 30
        await us.execute("BEGIN")
        assert (await chunks.take(None, 10)).last == ("10",)
        assert (await chunks.take(("10",), 10)).last == ("20",)
        await us.execute("COMMIT")
        assert await (await Chunks.prepare(us, users_in_app)).remaining() == 0


async def test_nulls_that_make_the_condition_unknown_are_not_rows_to_do(database_each: str) -> None:
    users(database_each, 10)
    execute(database_each, "UPDATE users SET email = NULL WHERE id IN (2, 4)")
    batch = replace(USERS, where="email_lower IS DISTINCT FROM lower(email)")
    assert await whole(database_each, batch, LOWER) == [[8], []]
    batch = replace(USERS, where="email <> 'User1' AND times < 2")
    assert await whole(database_each, batch, "UPDATE users SET times = 2 FROM batch WHERE users.id = batch.id") == [
        [7],
        [],
    ]


async def test_settings_are_as_before(database_each: str) -> None:
    users(database_each, 30)
    names = ("DateStyle", "IntervalStyle", "extra_float_digits", "enable_sort")
    ask = f"SELECT {', '.join(f'current_setting({chr(39)}{name}{chr(39)})' for name in names)}"
    async with runner(database_each) as us:
        for setting in ("DateStyle = 'German, YMD'", "IntervalStyle = iso_8601", "extra_float_digits = -3"):
            await us.execute(f"SET {setting}")
        chunks = await Chunks.prepare(us, USERS)
        await us.execute("BEGIN")
        await us.execute("SET LOCAL enable_sort = on")
        before = (await us.query(ask)).rows
        for after, taken in ((None, 10), (("10",), 10), (("30",), 0)):
            assert (await chunks.take(after, 10)).rows == taken
            assert (await us.query(ask)).rows == before
        await us.execute("COMMIT")
        assert (await us.query(ask)).rows == before


@pytest.mark.parametrize("kind", ["uuid", "text", "numeric"])
async def test_behind_a_position_the_index_leads(database_each: str, kind: str) -> None:
    """Also where the planner believes that no row matches and would rather read and sort everything."""
    key = {"uuid": "md5(i::text)::uuid", "text": "md5(i::text)", "numeric": "i"}[kind]
    execute(
        database_each,
        f"CREATE TABLE users (part int, id {kind}, email_lower text, PRIMARY KEY (part, id))",
        f"INSERT INTO users SELECT i % 3, {key}, 'there' FROM generate_series(1, 60000) i",
        "ANALYZE users",
        "UPDATE users SET email_lower = NULL",
    )
    middle = rows(database_each, "SELECT part::text, id::text FROM users ORDER BY part, id OFFSET 30000 LIMIT 1")[0]
    batch = replace(USERS, key=("part", "id"))
    async with runner(database_each) as us:
        chunks = await Chunks.prepare(us, batch)
        await us.execute("BEGIN")
        assert (await chunks.take((str(middle[0]), str(middle[1])), 1000)).rows == 1000
        seen = await us.query(
            "SELECT seq_scan, idx_scan > 0, idx_tup_fetch < 5000 FROM pg_stat_xact_user_tables WHERE relname = 'users'"
        )
        await us.execute("ROLLBACK")
    assert seen.rows == (("0", "t", "t"),)


async def test_a_partitioned_table(database_each: str) -> None:
    execute(
        database_each,
        "CREATE TABLE users (id int PRIMARY KEY, email text DEFAULT 'A', email_lower text, times int DEFAULT 0) "
        "PARTITION BY HASH (id)",
        *(f"CREATE TABLE p{i} PARTITION OF users FOR VALUES WITH (MODULUS 3, REMAINDER {i})" for i in range(3)),
        "INSERT INTO users SELECT generate_series(1, 95)",
    )
    assert await whole(database_each, USERS, LOWER, size=10) == [[*[10] * 9, 5], []]
    assert rows(database_each, "SELECT DISTINCT times FROM users") == [(1,)]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"table": "nobody"}, "there is no table nobody"),
    ({"table": "app.users"}, "there is no table app.users"),
    ({"table": "v"}, "v is not a table"),
    ({"table": "parent"}, "parent has tables that inherit from it, over which no key of its own is unique"),
    ({"key": ("Id",)}, 'public.users has no column "Id"'),
    ({"key": ("ctid",)}, "public.users has no column ctid"),
    ({"key": ("email",)}, "column email of public.users may be null, which a key's column may not"),
    ({"key": ("a",)}, "public.users has no unique index over (a) and nothing else"),
    ({"key": ("id", "a")}, "public.users has no unique index over (id, a) and nothing else"),
    ({"key": ("c", "b")}, "the unique index users_b_c_idx has its columns in another order: write b, c"),
    ({"key": ("d",)}, "the unique index users_d_idx is partial, so it says nothing of the rows that it leaves out"),
    ({"key": ("e",)}, "the unique index users_e_idx cannot be walked in the order of (e)"),
    ({"key": ("a", "e")}, "the unique index users_a_e_idx cannot be walked in the order of (a, e)"),
    ({"key": ("f",)}, "the unique index users_f_idx is not valid: rebuild it"),
    (
        {"where": "nothing IS NULL"},
        '`where` is no condition on the rows of public.users: column "nothing" does not exist',
    ),
    ({"where": "id"}, "`where` is no condition on the rows of public.users: argument of WHERE must be type boolean"),
    (
        {"where": "count(*) > 1"},
        "`where` is no condition on the rows of public.users: aggregate functions are not allow",
    ),
    (
        {"where": "id = 'x'"},
        "`where` is no condition on the rows of public.users: invalid input syntax for type bigint",
    ),
]


async def test_what_a_batch_is_refused_for(database_each: str) -> None:
    users(database_each, 3)
    execute(
        database_each,
        "ALTER TABLE users ADD a int NOT NULL DEFAULT 0, ADD b int NOT NULL DEFAULT 0, ADD c int NOT NULL DEFAULT 0, "
        "ADD d int NOT NULL DEFAULT 0, ADD e text NOT NULL DEFAULT '', ADD f int NOT NULL DEFAULT 0",
        "UPDATE users SET b = id, e = id",
        "CREATE UNIQUE INDEX ON users ((a + 1), id)",
        "CREATE UNIQUE INDEX ON users (b, c)",
        "CREATE UNIQUE INDEX ON users (d) WHERE id > 5",
        "CREATE UNIQUE INDEX ON users (e text_pattern_ops)",
        "CREATE UNIQUE INDEX ON users (a, e DESC)",
        "CREATE VIEW v AS SELECT * FROM users",
        "CREATE TABLE parent (id int PRIMARY KEY, email_lower text)",
        "CREATE TABLE child () INHERITS (parent)",
    )
    with pytest.raises(psycopg.errors.UniqueViolation):
        execute(database_each, "CREATE UNIQUE INDEX CONCURRENTLY ON users (f)")
    async with runner(database_each) as us:
        for change, told in REFUSED:
            with pytest.raises(BatchRefused) as refused:
                await Chunks.prepare(us, replace(USERS, **change))
            assert str(refused.value).startswith(told)
        assert (await us.query("SELECT to_regclass('pg_temp.batch')")).rows == ((None,),)


async def test_a_not_null_that_is_not_valid_promises_nothing(database_each: str) -> None:
    if int(str(one(database_each, "SELECT current_setting('server_version_num')"))) < 180000:
        pytest.skip("PostgreSQL 18 is the first to have them")
    users(database_each, 3)
    execute(
        database_each,
        "ALTER TABLE users ADD a int UNIQUE",
        "ALTER TABLE users ADD CONSTRAINT filled NOT NULL a NOT VALID",
    )
    async with runner(database_each) as us:
        with pytest.raises(BatchRefused, match="may be null"):
            await Chunks.prepare(us, replace(USERS, key=("a",)))
        execute(database_each, "UPDATE users SET a = id", "ALTER TABLE users VALIDATE CONSTRAINT filled")
        assert await (await Chunks.prepare(us, replace(USERS, key=("a",)))).remaining() == 3


async def test_a_descending_index_is_walked_backwards(database_each: str) -> None:
    users(database_each, 3)
    execute(database_each, "ALTER TABLE users DROP CONSTRAINT users_pkey", "CREATE UNIQUE INDEX ON users (id DESC)")
    assert await whole(database_each, USERS, LOWER, size=2) == [[2, 1], []]


async def test_another_batch_before_the_temporary_one(database_each: str) -> None:
    users(database_each, 3)
    execute(
        database_each, "CREATE TABLE batch (id int PRIMARY KEY, email_lower text)", "INSERT INTO batch VALUES (1), (2)"
    )
    async with runner(database_each) as us:
        chunks = await Chunks.prepare(us, replace(USERS, table="public.batch"))
        await us.execute("BEGIN")
        assert (await chunks.take(None, 10)).rows == 2
        assert await chunks.undone() == 2
        await us.execute("COMMIT")
        await us.execute("SET search_path = public, pg_temp")
        with pytest.raises(BatchRefused, match="search_path puts another batch before the temporary one"):
            await Chunks.prepare(us, USERS)


async def test_rights_that_are_missing(database_each: str) -> None:
    users(database_each, 3)
    name = one(database_each, "SELECT current_database()")
    role = f"{name}_runner"
    execute(database_each, f"CREATE ROLE {role}", f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
    try:
        async with runner(database_each) as us:
            await us.execute(f"SET ROLE {role}")
            with pytest.raises(BatchRefused, match="permission denied for table users"):
                await Chunks.prepare(us, USERS)
            execute(database_each, f"GRANT SELECT ON users TO {role}")
            with pytest.raises(
                BatchRefused, match=r"batch cannot be made: permission denied to create temporary tables"
            ):
                await Chunks.prepare(us, USERS)
    finally:
        execute(database_each, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


async def test_a_timeout_is_no_refusal(database_each: str) -> None:
    users(database_each, 3)
    async with session(database_each, autocommit=False) as other, runner(database_each) as us:
        await other.execute("LOCK TABLE users")
        await us.execute("SET lock_timeout = '20ms'")
        with pytest.raises(StatementFailed) as failed:
            await Chunks.prepare(us, USERS)
        assert failed.value.error.sqlstate == "55P03"


async def test_a_type_whose_operators_are_not_on_the_search_path(database_each: str) -> None:
    if not one(database_each, "SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'"):
        pytest.skip("this server has no citext")
    execute(database_each, "CREATE SCHEMA ext", "CREATE EXTENSION citext SCHEMA ext")
    users(database_each, 26, "ext.citext", "chr(CASE WHEN i % 2 = 0 THEN 64 ELSE 96 END + i)")
    assert await whole(database_each, USERS, LOWER, size=5) == [[5] * 5 + [1], []]
    assert rows(database_each, "SELECT DISTINCT times FROM users") == [(1,)]
