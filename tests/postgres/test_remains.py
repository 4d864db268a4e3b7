"""What statements outside a transaction really leave behind, made on every server by ending them on their way."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from runbooks import execute, one
from sessions import App, Stage

from tui.engine.facts import Remains
from tui.engine.remains import after, before
from tui.postgres.session import Dsn, PgSession, StatementFailed
from tui.runbook.outside import needs_own
from tui.runbook.statements import Statement, split

# Holds a snapshot, for which CREATE INDEX and REINDEX wait before they trust the new index.
SNAPSHOT = ("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM pg_class")


def parsed(sql: str) -> Statement:
    (statement,) = split(sql)
    return statement


def reading(table: str) -> tuple[str, ...]:
    """Holds a lock on the table without a snapshot: REINDEX waits for it when it takes the old index away."""
    return "BEGIN", f"SELECT * FROM {table} LIMIT 0"


class Night:
    """A database, the runner's session on it, and a stage for those who are in its way."""

    def __init__(self, stage: Stage, session: PgSession) -> None:
        self.stage = stage
        self.session = session
        self.path = ""

    def make(self, *statements: str) -> None:
        for statement in statements:
            execute(self.stage.dsn, statement)

    async def search(self, path: str) -> None:
        self.path = f"SET search_path = {path}"
        await self.session.execute(self.path)

    async def send(self, sql: str) -> None:
        await self.session.execute(sql)

    async def after(self, sql: str) -> Remains:
        return await after(self.session, parsed(sql))

    async def before(self, sql: str) -> Remains | None:
        return await before(self.session, parsed(sql))

    async def waiting(self, sql: str) -> App:
        return await self.stage.waiter("runner", *([self.path] if self.path else []), sql)

    async def ended(self, app: App, how: str = "cancel") -> None:
        """The statement under way is cancelled, or its backend terminated; then it is gone."""
        await self.session.query(f"SELECT pg_{how}_backend({app.pid})")
        with pytest.raises(psycopg.OperationalError):
            await app.ended()
        if how == "terminate":
            async with asyncio.timeout(10):
                while (await self.session.query(f"SELECT FROM pg_stat_activity WHERE pid = {app.pid}")).rows:
                    pass

    async def interrupted(self, sql: str, *holding: str, how: str = "cancel") -> None:
        """The statement is sent, waits for a session that did this, and is ended there."""
        holder = await self.stage.app("holder", *holding)
        await self.ended(await self.waiting(sql), how)
        await holder.run("ROLLBACK")

    async def repaired(self, sql: str, expected: str = "not_done") -> None:
        """What is left of it is told before and after it, and its repair takes it away."""
        remains = await self.after(sql)
        assert remains.outcome == "leftover", remains
        assert await self.before(sql) == remains
        for repair in remains.repair:
            await self.send(repair)
        assert (await self.after(sql)).outcome == expected
        assert await self.before(sql) is None

    async def goes_through(self, sql: str) -> None:
        await self.send(sql)
        assert (await self.after(sql)).outcome == "done"
        assert await self.before(sql) is None


@pytest.fixture
async def night(database_each: str) -> AsyncIterator[Night]:
    async with (
        Stage(database_each) as stage,
        await PgSession.open(Dsn(database_each), application_name="lockstep") as session,
    ):
        yield Night(stage, session)


# CREATE INDEX CONCURRENTLY


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)",
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON public.t (a) INCLUDE (b) WHERE a > 0",
        "CREATE UNIQUE INDEX CONCURRENTLY ON t (a, lower(b))",
    ],
)
async def test_an_index_over_duplicates(night: Night, sql: str) -> None:
    night.make("CREATE TABLE t (a int, b text)", "INSERT INTO t VALUES (1, 'x'), (1, 'x')")
    assert await night.before(sql) is None
    assert (await night.after(sql)).outcome == "not_done"
    with pytest.raises(StatementFailed, match="23505"):
        await night.send(sql)
    remains = await night.after(sql)
    name = one(night.stage.dsn, "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 't'::regclass")
    assert remains.repair == (f"DROP INDEX CONCURRENTLY public.{name}",)
    await night.repaired(sql)
    night.make("DELETE FROM t WHERE ctid = '(0,1)'")
    await night.send(sql)
    # A name that the server chose may have been there before.
    assert (await night.after(sql)).outcome == ("unknown" if " ON t (a, lower" in sql else "done")


@pytest.mark.parametrize("how", ["cancel", "terminate"])
@pytest.mark.parametrize("holding", [SNAPSHOT, ("BEGIN", "INSERT INTO t VALUES (1)")], ids=["snapshot", "writer"])
async def test_an_index_that_waits_is_ended(night: Night, how: str, holding: tuple[str, ...]) -> None:
    night.make("CREATE TABLE t (a int)")
    sql = "CREATE INDEX CONCURRENTLY i ON t (a)"
    await night.interrupted(sql, *holding, how=how)
    await night.repaired(sql)
    await night.goes_through(sql)


async def test_if_not_exists_does_not_trust_an_invalid_index(night: Night) -> None:
    night.make("CREATE TABLE t (a int)")
    sql = "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)"
    await night.interrupted(sql, *SNAPSHOT)
    await night.send(sql)  # the server is content with it
    assert one(night.stage.dsn, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass") is False
    await night.repaired(sql)
    await night.goes_through(sql)


async def test_an_index_that_did_not_get_its_first_lock(night: Night) -> None:
    night.make("CREATE TABLE t (a int)")
    sql = "CREATE INDEX CONCURRENTLY i ON t (a)"
    await night.interrupted(sql, "BEGIN", "LOCK TABLE t")
    assert await night.after(sql) == Remains("not_done", 'the index "i" is not there')
    await night.goes_through(sql)


@pytest.mark.parametrize("name", ["t_a_idx", ""])
async def test_an_index_that_is_being_built_is_no_leftover(night: Night, name: str) -> None:
    night.make("CREATE TABLE t (a int)")
    sql = f"CREATE INDEX CONCURRENTLY {name} ON t (a)"
    await night.stage.app("holder", *SNAPSHOT)
    builder = await night.waiting(sql)
    expected = Remains("unknown", f"session {builder.pid} is at work on public.t_a_idx: ask again when it ended")
    assert await night.after(sql) == expected
    assert await night.before(sql) == expected
    await night.ended(builder)
    await night.repaired(sql)


@pytest.mark.parametrize("path", ['"My ""App""", public', "public, pg_catalog"])
async def test_weird_names_in_another_schema(night: Night, path: str) -> None:
    night.make('CREATE SCHEMA "My ""App"""', 'CREATE TABLE "My ""App"""."T;%s" ("A b" int)')
    night.make(
        "CREATE SCHEMA other", "CREATE TABLE other.t (a int)", 'CREATE INDEX "Weird ""%(x)s"" \x1b[31m" ON other.t (a)'
    )
    await night.search(path)
    table = '"T;%s"' if path.startswith('"') else '"My ""App"""."T;%s"'
    sql = f'CREATE INDEX CONCURRENTLY "Weird ""%(x)s"" \x1b[31m" ON {table} ("A b")'
    await night.interrupted(sql, *SNAPSHOT)
    remains = await night.after(sql)
    assert remains.repair == ('DROP INDEX CONCURRENTLY "My ""App"""."Weird ""%(x)s"" \x1b[31m"',)
    assert remains.what.startswith('an earlier try left the invalid index "My ""App"""."Weird ""%(x)s"" ·[31m"')
    await night.repaired(sql)
    await night.goes_through(sql)


async def test_a_name_longer_than_the_server_keeps(night: Night) -> None:
    name = "ä" * 40
    night.make(f"CREATE TABLE {name} (a int)")
    sql = f"CREATE INDEX CONCURRENTLY i{name} ON {name} (a)"
    await night.interrupted(sql, *SNAPSHOT)
    await night.repaired(sql)
    await night.goes_through(sql)
    sql = f"REINDEX INDEX CONCURRENTLY i{name}"
    await night.interrupted(sql, *SNAPSHOT)
    await night.repaired(sql)


@pytest.mark.parametrize(
    ("taken", "kind"),
    [
        ("CREATE TABLE i (a int)", "table"),
        ("CREATE SEQUENCE i", "sequence"),
        ("CREATE VIEW i AS SELECT 1", "view"),
        ("CREATE INDEX i ON other (a)", "index"),
    ],
)
async def test_a_name_that_another_relation_has(night: Night, taken: str, kind: str) -> None:
    night.make("CREATE TABLE t (a int)", "CREATE TABLE other (a int)", taken)
    sql = "CREATE INDEX CONCURRENTLY i ON t (a)"
    assert await night.before(sql) is None  # the server will say it
    with pytest.raises(StatementFailed, match="42P07"):
        await night.send(sql)
    assert await night.after(sql) == Remains("not_done", f"its name is taken by the {kind} public.i")
    sql = sql.replace(" i ", " IF NOT EXISTS i ")
    assert await night.before(sql) == Remains(
        "unknown", f"IF NOT EXISTS would make nothing: the name is taken by the {kind} public.i"
    )


async def test_an_invalid_index_of_another_table_is_not_ours_to_drop(night: Night) -> None:
    night.make("CREATE TABLE t (a int)", "CREATE TABLE other (a int)")
    await night.interrupted("CREATE INDEX CONCURRENTLY i ON other (a)", *SNAPSHOT)
    sql = "CREATE INDEX CONCURRENTLY i ON t (a)"
    assert await night.before(sql) is None
    assert (await night.after(sql)).outcome == "not_done"


@pytest.mark.parametrize(
    "definition",
    [
        "CREATE INDEX i ON t (b)",
        "CREATE INDEX i ON t (a, b)",
        "CREATE INDEX i ON t (a) INCLUDE (b)",
        "CREATE UNIQUE INDEX i ON t (a)",
        "CREATE INDEX i ON t (a) WHERE a > 0",
        "CREATE INDEX i ON t USING hash (a)",
        "CREATE INDEX i ON t ((a + 1))",
    ],
)
async def test_a_valid_index_that_is_defined_otherwise(night: Night, definition: str) -> None:
    night.make("CREATE TABLE t (a int, b int)", definition)
    sql = "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)"
    remains = await night.before(sql)
    assert remains is not None
    assert remains.outcome == (await night.after(sql)).outcome == "unknown"


async def test_without_a_name_only_what_is_alike(night: Night) -> None:
    night.make("CREATE TABLE t (a int, b int)", "CREATE INDEX ON t (b)", "CREATE INDEX own_name ON t (a)")
    sql = "CREATE INDEX CONCURRENTLY ON t (a)"
    await night.interrupted("CREATE INDEX CONCURRENTLY ON t (a, b)", *SNAPSHOT)
    assert await night.before(sql) is None
    assert (await night.after(sql)).outcome == "not_done"
    await night.interrupted(sql, *SNAPSHOT)
    await night.interrupted(sql, *SNAPSHOT)
    remains = await night.after(sql)
    assert remains.repair == ("DROP INDEX CONCURRENTLY public.t_a_idx", "DROP INDEX CONCURRENTLY public.t_a_idx1")
    await night.repaired(sql)
    await night.send(sql)
    assert (await night.after(sql)).outcome == "unknown"


async def test_an_index_on_a_partitioned_table_is_invalid_by_design(night: Night) -> None:
    night.make(
        "CREATE TABLE p (a int) PARTITION BY LIST (a)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)",
        "CREATE INDEX i ON ONLY p (a)",
    )
    assert await night.before("CREATE INDEX IF NOT EXISTS i ON ONLY p (a)") is None
    assert await night.before("CREATE INDEX ON ONLY p (a)") is None
    assert (await night.after("CREATE INDEX i ON ONLY p (a)")).outcome == "unknown"
    sql = "CREATE INDEX CONCURRENTLY p1_i ON p1 (a)"
    await night.interrupted(sql, *SNAPSHOT)
    await night.repaired(sql)
    await night.goes_through(sql)


async def test_no_table(night: Night) -> None:
    assert await night.before("CREATE INDEX CONCURRENTLY i ON nowhere (a)") is None
    assert await night.after("CREATE INDEX CONCURRENTLY i ON nowhere.t (a)") == Remains(
        "not_done", 'there is no table "nowhere"."t"'
    )


# DROP INDEX CONCURRENTLY


async def test_dropping_an_index_is_repeated(night: Night) -> None:
    night.make("CREATE TABLE t (a int)", "CREATE INDEX i ON t (a)")
    sql = "DROP INDEX CONCURRENTLY i"
    assert await night.after(sql) == Remains("not_done", "public.i is still there: drop it again")
    await night.interrupted(sql, *reading("t"))
    assert await night.after(sql) == Remains("not_done", "public.i is still there, not valid any more: drop it again")
    assert await night.before(sql) is None
    await night.goes_through(sql)


async def test_a_dropped_index_and_another_of_its_name_further_on_the_path(night: Night) -> None:
    for schema in ("first", "second"):
        night.make(f"CREATE SCHEMA {schema}", f"CREATE TABLE {schema}.t (a int)", f"CREATE INDEX i ON {schema}.t (a)")
    await night.search("first, second")
    sql = "DROP INDEX CONCURRENTLY i"
    assert (await night.after(sql)).outcome == "not_done"
    await night.send(sql)
    assert (await night.after(sql)).outcome == "unknown"
    assert (await night.after("DROP INDEX CONCURRENTLY first.i")).outcome == "done"
    await night.interrupted(sql, *reading("second.t"))
    assert (await night.after(sql)).outcome == "not_done"  # invalid: it was this one


async def test_a_table_where_an_index_was_meant(night: Night) -> None:
    night.make("CREATE TABLE i (a int)")
    assert await night.after("DROP INDEX CONCURRENTLY i") == Remains("not_done", "public.i is no index")


# REINDEX CONCURRENTLY


@pytest.mark.parametrize(
    "sql",
    [
        'REINDEX INDEX CONCURRENTLY app."I x"',
        "REINDEX (CONCURRENTLY) TABLE app.t",
        "REINDEX SCHEMA CONCURRENTLY app",
        "REINDEX DATABASE CONCURRENTLY {database}",
    ],
)
async def test_a_rebuilt_index_that_is_not_finished(night: Night, sql: str) -> None:
    night.make("CREATE SCHEMA app", "CREATE TABLE app.t (a int)", 'CREATE INDEX "I x" ON app.t (a)')
    sql = sql.format(database=one(night.stage.dsn, "SELECT current_database()"))
    assert (await night.after(sql)).outcome == "not_done"
    # Two tries, so that the second one's index has a number.
    for _ in range(2):
        await night.interrupted(sql, *SNAPSHOT)
    assert (await night.after(sql)).repair == (
        'DROP INDEX CONCURRENTLY app."I x_ccnew"',
        'DROP INDEX CONCURRENTLY app."I x_ccnew1"',
    )
    await night.repaired(sql)
    await night.send(sql)
    assert await night.before(sql) is None


async def test_a_rebuilt_index_whose_old_one_is_left(night: Night) -> None:
    night.make("CREATE TABLE t (a int)", "CREATE INDEX i ON t (a)")
    sql = "REINDEX INDEX CONCURRENTLY i"
    old = one(night.stage.dsn, "SELECT 'i'::regclass::oid::int")
    await night.interrupted(sql, *reading("t"))
    assert one(night.stage.dsn, "SELECT 'i'::regclass::oid::int") != old
    remains = await night.after(sql)
    assert remains.repair == ("DROP INDEX CONCURRENTLY public.i_ccold",)
    assert remains.what == "the index was rebuilt, and what it replaced is left: index public.i_ccold"
    await night.repaired(sql)


async def test_only_what_belongs_to_the_index_that_is_named(night: Night) -> None:
    night.make("CREATE TABLE t (a int)", "CREATE INDEX i ON t (a)", "CREATE INDEX i2 ON t (a)")
    await night.interrupted("REINDEX INDEX CONCURRENTLY i2", *SNAPSHOT)
    night.make("CREATE INDEX i_ccnew ON t (a)")  # valid: somebody's own
    assert await night.before("REINDEX INDEX CONCURRENTLY i") is None
    assert (await night.after("REINDEX INDEX CONCURRENTLY i")).outcome == "not_done"
    assert await night.before("REINDEX TABLE t") is None
    assert (await night.after("REINDEX TABLE t")).outcome == "not_done"
    remains = await night.before("REINDEX TABLE CONCURRENTLY t")
    assert remains is not None
    assert remains.repair == ("DROP INDEX CONCURRENTLY public.i2_ccnew",)


async def test_a_partitioned_index_is_rebuilt_part_by_part(night: Night) -> None:
    night.make(
        "CREATE TABLE p (a int) PARTITION BY LIST (a)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)",
        "CREATE INDEX i ON p (a)",
    )
    await night.interrupted("REINDEX INDEX CONCURRENTLY i", *SNAPSHOT)
    assert (await night.after("REINDEX INDEX CONCURRENTLY i")).repair == (
        "DROP INDEX CONCURRENTLY public.p1_a_idx_ccnew",
    )
    await night.repaired("REINDEX TABLE CONCURRENTLY p")


async def test_the_index_of_a_toast_table(night: Night) -> None:
    night.make("CREATE TABLE t (a text)", "CREATE ROLE night_owner", "ALTER TABLE t OWNER TO night_owner")
    try:
        sql = "REINDEX TABLE CONCURRENTLY t"
        await night.interrupted(sql, *SNAPSHOT)
        remains = await night.after(sql)
        toast = one(night.stage.dsn, "SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = 't'::regclass")
        assert remains.repair == (f"DROP INDEX CONCURRENTLY {toast}_index_ccnew",)
        assert "those in pg_toast belong to public.t and need a superuser, or USAGE on that schema" in remains.what
        await night.send("SET ROLE night_owner")
        assert await night.after(sql) == remains
        with pytest.raises(StatementFailed, match="permission denied for schema pg_toast"):
            await night.send(remains.repair[0])
        await night.send("RESET ROLE")
        night.make("GRANT USAGE ON SCHEMA pg_toast TO night_owner")
        await night.send("SET ROLE night_owner")
        await night.repaired(sql)
        await night.send(sql)
        await night.send("RESET ROLE")
    finally:
        night.make("DROP OWNED BY night_owner", "DROP ROLE night_owner")


async def test_a_rebuild_under_way_is_no_leftover(night: Night) -> None:
    night.make("CREATE TABLE t (a int)", "CREATE INDEX i ON t (a)")
    sql = "REINDEX INDEX CONCURRENTLY i"
    await night.stage.app("holder", *SNAPSHOT)
    builder = await night.waiting(sql)
    remains = await night.after(sql)
    assert remains == Remains("unknown", f"session {builder.pid} is at work on public.i_ccnew: ask again when it ended")
    await night.ended(builder)
    await night.repaired(sql)


# DETACH PARTITION CONCURRENTLY


@pytest.fixture
def partitioned(night: Night) -> Night:
    night.make("CREATE SCHEMA app", 'CREATE TABLE app."Parent" (a int) PARTITION BY LIST (a)')
    for number in (1, 2):
        night.make(f'CREATE TABLE app."Part {number}" PARTITION OF app."Parent" FOR VALUES IN ({number})')
    return night


@pytest.mark.parametrize("how", ["cancel", "terminate"])
async def test_a_partition_half_detached(partitioned: Night, how: str) -> None:
    night = partitioned
    await night.search("app")
    sql = 'ALTER TABLE "Parent" DETACH PARTITION "Part 1" CONCURRENTLY'
    assert await night.before(sql) is None
    assert (await night.after(sql)).outcome == "not_done"
    await night.interrupted(sql, *reading('app."Parent"'), how=how)
    finalize = 'ALTER TABLE app."Parent" DETACH PARTITION app."Part 1" FINALIZE'
    assert (await night.after(sql)).repair == (finalize,)
    assert (await night.after(finalize)).outcome == "not_done"
    assert await night.before(finalize) is None
    # The other one, too, has to wait for it: only one may be half detached.
    other = sql.replace("Part 1", "Part 2")
    with pytest.raises(StatementFailed, match="pending detach"):
        await night.send(other)
    assert await night.before(other) == await night.after(sql)
    assert (await night.after(other)).outcome == "not_done"
    assert await night.before(other.removesuffix(" CONCURRENTLY")) is None
    await night.repaired(sql, "done")
    assert (await night.after(finalize)).outcome == "done"
    await night.goes_through(other)


async def test_no_such_partition(partitioned: Night) -> None:
    sql = 'ALTER TABLE app."Parent" DETACH PARTITION app.nowhere CONCURRENTLY'
    assert await partitioned.after(sql) == Remains("unknown", 'there is no table "app"."nowhere"')
    assert await partitioned.before(sql) is None


# Everything else


async def test_a_value_of_an_enum(night: Night) -> None:
    night.make("CREATE SCHEMA app", "CREATE TYPE app.\"Mood\" AS ENUM ('sad')")
    await night.search("app")
    for value in ("'so''so'", r"E'o\'k'", "$$a$b$$"):
        sql = f'ALTER TYPE "Mood" ADD VALUE {value}'
        assert (await night.after(sql)).outcome == "not_done"
        await night.goes_through(sql)
    assert (await night.after("ALTER TYPE nowhere ADD VALUE 'x'")).outcome == "not_done"


async def test_a_database_half_dropped(night: Night) -> None:
    name = f"{one(night.stage.dsn, 'SELECT current_database()')} Two"
    sql = f'CREATE DATABASE "{name}"'
    drop = f'DROP DATABASE "{name}"'
    assert (await night.after(sql)).outcome == "not_done"
    assert (await night.after(drop)).outcome == "done"
    try:
        await night.goes_through(sql)
        assert (await night.after(drop)).outcome == "not_done"
        # What an interrupted DROP DATABASE leaves in the catalog.
        night.make(f"UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{name}'")
        assert (await night.after(drop)).outcome == "not_done"
        assert await night.before(drop) is None
        await night.repaired(sql)
        assert (await night.after(drop)).outcome == "done"
    finally:
        night.make(f'DROP DATABASE IF EXISTS "{name}"')


@pytest.mark.parametrize(
    ("sql", "outcome"),
    [
        ("VACUUM (ANALYZE)", "not_done"),
        ("ANALYZE t", "not_done"),
        ("CLUSTER t", "not_done"),
        ("REINDEX TABLE nowhere", "not_done"),
        ("REINDEX INDEX CONCURRENTLY nowhere", "not_done"),
        ("SET ROLE x", "not_done"),
        ("CREATE TEMP TABLE x (a int)", "not_done"),
        ("CALL p()", "unknown"),
        ("DO $$ BEGIN NULL; END $$", "unknown"),
        ("ALTER SYSTEM SET work_mem = '1MB'", "unknown"),
        ("UPDATE t SET a = 1", "unknown"),
    ],
)
async def test_what_the_catalog_does_not_show(night: Night, sql: str, outcome: str) -> None:
    assert (await night.after(sql)).outcome == outcome
    assert await night.before(sql) is None


async def test_a_catalog_that_cannot_be_asked(night: Night) -> None:
    night.make("CREATE ROLE night_stranger", "CREATE SCHEMA secret", "CREATE TABLE secret.t (a int)")
    try:
        await night.send("SET ROLE night_stranger")
        remains = await night.after("CREATE INDEX CONCURRENTLY i ON secret.t (a)")
        assert remains.outcome == "unknown"
        assert "permission denied for schema secret" in remains.what
        await night.send("RESET ROLE")
    finally:
        night.make("DROP ROLE night_stranger")


# What the server refuses in a transaction block

OBJECTS = (
    "CREATE TABLE t (a int PRIMARY KEY, b text)",
    "CREATE INDEX i ON t (b)",
    "CREATE TABLE p (a int NOT NULL) PARTITION BY LIST (a)",
    "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)",
    "CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2)",
    "CREATE INDEX p_i ON p (a)",
    "CREATE TYPE mood AS ENUM ('sad', 'ok')",
    "CREATE MATERIALIZED VIEW v AS SELECT a FROM t",
    "CREATE UNIQUE INDEX v_i ON v (a)",
    "CREATE PROCEDURE ends() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'",
    "CREATE PUBLICATION pub FOR TABLE t",
    "CREATE SUBSCRIPTION sub CONNECTION 'host=/nowhere' PUBLICATION pub WITH (connect = false)",
    "CREATE FOREIGN DATA WRAPPER w",
    "CREATE SERVER s FOREIGN DATA WRAPPER w",
)
# A subscription with a slot would keep its database.
DETACHED = (
    "ALTER SUBSCRIPTION sub DISABLE",
    "ALTER SUBSCRIPTION sub SET (slot_name = NONE)",
    "DROP SUBSCRIPTION sub",
)
REFUSED = (
    "CREATE INDEX CONCURRENTLY j ON t (b)",
    "create unique index concurrently if not exists j on t (b)",
    "CREATE INDEX CONCURRENTLY ON t (b)",
    "DROP INDEX CONCURRENTLY i",
    "DROP INDEX CONCURRENTLY IF EXISTS nowhere, i",
    "REINDEX INDEX CONCURRENTLY i",
    "REINDEX TABLE CONCURRENTLY t",
    "REINDEX (CONCURRENTLY) TABLE t",
    "REINDEX (CONCURRENTLY on, VERBOSE) TABLE t",
    "REINDEX SCHEMA public",
    "REINDEX SCHEMA CONCURRENTLY public",
    "REINDEX DATABASE {database}",
    "REINDEX SYSTEM {database}",
    "REINDEX TABLE p",
    "REINDEX INDEX p_i",
    "VACUUM",
    "VACUUM FULL t",
    "VACUUM (ANALYZE) t",
    "CLUSTER",
    "CLUSTER VERBOSE",
    "CREATE DATABASE x",
    "DROP DATABASE x",
    "DROP DATABASE IF EXISTS x WITH (FORCE)",
    "ALTER DATABASE {database} SET TABLESPACE pg_default",
    "ALTER DATABASE {database} WITH TABLESPACE pg_default",
    "ALTER DATABASE {database} TABLESPACE = pg_default",
    "CREATE TABLESPACE x LOCATION '/nowhere'",
    "DROP TABLESPACE IF EXISTS x",
    "ALTER SYSTEM SET work_mem = '1MB'",
    "ALTER SYSTEM RESET ALL",
    "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY",
    "ALTER TABLE IF EXISTS ONLY public.p DETACH PARTITION public.p1 CONCURRENTLY",
    "CREATE SUBSCRIPTION x CONNECTION 'host=/nowhere' PUBLICATION pub",
    "ALTER SUBSCRIPTION sub REFRESH PUBLICATION",
    "ALTER SUBSCRIPTION sub SET PUBLICATION pub",
    "ALTER SUBSCRIPTION sub ADD PUBLICATION pub2",
    "DROP SUBSCRIPTION sub",
    "DISCARD ALL",
    "COMMIT PREPARED 'x'",
    "ROLLBACK PREPARED 'x'",
    "CALL ends()",
    "DO $$ BEGIN COMMIT; END $$",
)
NOT_IN_14 = {"WITH x AS (SELECT 1) MERGE INTO t USING x ON false WHEN NOT MATCHED THEN INSERT VALUES (1)"}
TAKEN = (
    "CREATE INDEX j ON t (b)",
    "CREATE INDEX IF NOT EXISTS i ON t (b)",
    "CREATE INDEX j ON p (a)",
    "DROP INDEX i",
    "REINDEX TABLE t",
    "REINDEX (CONCURRENTLY off) INDEX i",
    "CLUSTER t USING i",
    "ANALYZE",
    "ANALYZE t",
    "ALTER DATABASE {database} SET work_mem = '1MB'",
    "ALTER DATABASE {database} CONNECTION LIMIT 100",
    "ALTER TABLE p DETACH PARTITION p1",
    "ALTER TABLE p DROP COLUMN a",
    "ALTER TABLE t ADD c int, ALTER b SET NOT NULL",
    "ALTER TABLE t ADD CHECK (a > 0) NOT VALID",
    "ALTER TABLE t VALIDATE CONSTRAINT t_pkey",
    "ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE pg_default",
    "ALTER TABLE t SET UNLOGGED",
    "ALTER TYPE mood ADD VALUE 'new' BEFORE 'ok'",
    "ALTER TYPE mood RENAME VALUE 'sad' TO 'bad'",
    "ALTER SUBSCRIPTION sub SET (slot_name = NONE)",
    "ALTER SUBSCRIPTION sub SET PUBLICATION pub WITH (refresh = false)",
    "CREATE SUBSCRIPTION x CONNECTION 'host=/nowhere' PUBLICATION pub WITH (connect = false)",
    "ALTER PUBLICATION pub DROP TABLE t",
    "REFRESH MATERIALIZED VIEW v",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
    "CHECKPOINT",
    "CREATE EXTENSION IF NOT EXISTS plpgsql",
    "CREATE ROLE night_role",
    "DROP OWNED BY CURRENT_USER RESTRICT",
    "CREATE TABLE x AS SELECT * FROM t",
    "CREATE TABLE x PARTITION OF p FOR VALUES IN (3)",
    "CREATE SCHEMA x CREATE TABLE y (a int)",
    "CREATE FUNCTION f() RETURNS int RETURN 1",
    "CREATE TRIGGER tr BEFORE INSERT ON t EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE STATISTICS st ON a, b FROM t",
    "COPY t FROM '/dev/null'",
    "CREATE TEMP TABLE x (a int)",
    "DISCARD PLANS",
    "DISCARD TEMP",
    "LISTEN x",
    "NOTIFY x",
    "UNLISTEN *",
    "LOCK TABLE t",
    "TRUNCATE t, p",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC",
    "COMMENT ON DATABASE {database} IS 'x'",
    "SECURITY LABEL ON TABLE t IS NULL",
    "SET search_path = public",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET ROLE pg_monitor",
    "RESET ALL",
    "PREPARE x AS SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "INSERT INTO t VALUES (1)",
    *NOT_IN_14,
    "SELECT pg_switch_wal()",
    "IMPORT FOREIGN SCHEMA x FROM SERVER s INTO public",
)
# No block may end itself (2D000) nor what it may not be in (25001).
IN_TRANSACTION = ("25001", "2D000")


async def refusal(session: PgSession, sql: str) -> str:
    await session.execute("BEGIN")
    try:
        if sql.startswith("ALTER SUBSCRIPTION") and " PUBLICATION" in sql:
            await session.execute("ALTER SUBSCRIPTION sub ENABLE")  # or that it is disabled is told before
        await session.execute(sql)
    except StatementFailed as failed:
        return failed.error.sqlstate
    finally:
        await session.execute("ROLLBACK")
    return ""


async def test_what_is_refused_in_a_transaction_needs_its_own(night: Night) -> None:
    night.make(*OBJECTS)
    database = one(night.stage.dsn, "SELECT current_database()")
    try:
        told: dict[str, str] = {}
        for form in (*REFUSED, *TAKEN):
            sql = form.format(database=database) if "{database}" in form else form
            told[form] = await refusal(night.session, sql)
            if told[form] in IN_TRANSACTION:
                assert needs_own(parsed(sql)), sql
        assert {form for form, state in told.items() if state == "42601"} <= NOT_IN_14
        assert {form for form in REFUSED if told[form] not in IN_TRANSACTION} == set()
        assert {form for form in TAKEN if told[form] in IN_TRANSACTION} == set()
    finally:
        night.make(*DETACHED)


async def test_a_subscription_option_that_changes_its_slot(night: Night) -> None:
    if (await night.session.server()).version < 170000:
        pytest.skip("no option of these versions changes the slot")
    night.make(*OBJECTS)
    try:
        sql = "ALTER SUBSCRIPTION sub SET (failover = true)"
        assert await refusal(night.session, sql) == "25001"
        assert needs_own(parsed(sql))
    finally:
        night.make(*DETACHED)
