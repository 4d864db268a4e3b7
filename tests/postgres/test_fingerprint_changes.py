"""Single changes of a database that has everything, one a kind: each is seen, and named as an operator would name it."""

# One change a line, however long.
# ruff: noqa: E501

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import psycopg
import pytest
from conftest import INSTALLATIONS, PgDump, Psql, Servers
from fingerprint_world import fingerprint, prepare, statements

from tui.engine.differences import compare
from tui.postgres.catalog_queries import read_catalogs
from tui.postgres.catalog_text import Catalog
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.fingerprint import SETTINGS, Fingerprint
from tui.postgres.session import Dsn, PgSession

CATALOGS = "SET allow_system_table_mods = on; "


@dataclass(frozen=True)
class Change:
    """What is done to the world, and the words that tell it. ``dumped``: pg_dump -s can see it."""

    name: str
    sql: str
    words: tuple[str, ...]
    dumped: bool = True
    since: int = 15


def one(name: str, sql: str, *words: str, dumped: bool = True, since: int = 15) -> Change:
    return Change(name, sql, words, dumped, since)


CHANGES = [
    one("schema", "CREATE SCHEMA extra", "schema extra is new"),
    one("schema_owner", "ALTER SCHEMA dev OWNER TO fp_app", "schema dev: owner was postgres, is fp_app"),
    one("schema_comment", "COMMENT ON SCHEMA dev IS NULL", "comment on schema dev is gone"),
    one("schema_grant", "REVOKE USAGE ON SCHEMA dev FROM fp_app", "grant USAGE on schema dev to fp_app is gone"),
    one("table_gone", "DROP TABLE dev.tasks CASCADE", "table dev.tasks is gone (with 6 columns, 4 constraints, 2 indexes"),
    one("table_new", "CREATE TABLE dev.extra (a integer)", "table dev.extra is new (with 1 column)"),
    one("table_owner", "ALTER TABLE dev.tasks OWNER TO fp_app", "table dev.tasks: owner was postgres, is fp_app"),
    one("persistence", "ALTER TABLE dev.cache SET LOGGED", "table dev.cache: persistence was unlogged, is permanent"),
    one("access_method", CATALOGS + "UPDATE pg_class SET relam = (SELECT oid FROM pg_am WHERE amname = 'heap') WHERE oid = 'dev.other_heap'::regclass", "table dev.other_heap: access method was fp_heap, is heap"),
    one("options", "ALTER TABLE dev.users SET (fillfactor = 60)", "table dev.users: options were fillfactor=80, are fillfactor=60"),
    one("toast_options", "ALTER TABLE dev.users RESET (toast.autovacuum_enabled)", "toast options were autovacuum_enabled=false, are the default"),
    one("tablespace", "ALTER TABLE dev.cache SET TABLESPACE pg_default", "table dev.cache: tablespace was fp_space, is the default"),
    one("replica_identity", "ALTER TABLE dev.tasks REPLICA IDENTITY DEFAULT", "table dev.tasks: replica identity was full, is the default"),
    one("row_security", "ALTER TABLE dev.users DISABLE ROW LEVEL SECURITY", "table dev.users: row security was enabled, is off"),
    one("row_security_forced", "ALTER TABLE dev.users FORCE ROW LEVEL SECURITY", "table dev.users: row security for the owner is new"),
    one("partition_gone", "ALTER TABLE dev.events DETACH PARTITION dev.events_2024", "table dev.events_2024: partition of is gone (was dev.events)"),
    one("partition_bounds", "ALTER TABLE dev.events DETACH PARTITION dev.events_2024; ALTER TABLE dev.events ATTACH PARTITION dev.events_2024 FOR VALUES FROM ('2024-01-01') TO ('2024-12-31')", "partition bounds were FOR VALUES FROM ('2024-01-01') TO ('2025-01-01'), are"),
    one("inheritance", "ALTER TABLE dev.child NO INHERIT dev.parent", "table dev.child: inheritance is gone (was dev.parent)"),
    one("row_type", "ALTER TABLE dev.typed NOT OF", "table dev.typed: row type was dev.pair, is the default"),
    one("table_comment", "COMMENT ON TABLE dev.users IS NULL", "comment on table dev.users is gone"),
    one("table_grant", "REVOKE UPDATE ON dev.users FROM fp_app", "grant UPDATE on dev.users to fp_app with grant option is gone"),
    one("grant_by_another", "SET ROLE fp_app; REVOKE SELECT ON dev.users FROM fp_other", "grant SELECT on dev.users to fp_other by fp_app is gone"),
    one("grant_back_to_owner", "GRANT TRUNCATE ON dev.users TO fp_owner", "grant TRUNCATE on dev.users to fp_owner is new"),
    one("column_new", "ALTER TABLE dev.tasks ADD COLUMN more text", "column dev.tasks.more is new"),
    one("column_gone", "ALTER TABLE dev.tasks DROP COLUMN tags", "column dev.tasks.tags is gone"),
    one("column_order", "ALTER TABLE dev.dropped DROP COLUMN a; ALTER TABLE dev.dropped ADD COLUMN a integer", "columns of dev.dropped stand in another order: b, c, a; it was a, b, c"),
    one("column_type", "ALTER TABLE dev.tasks ALTER COLUMN price TYPE numeric(12, 2)", "column dev.tasks.price: type was numeric(10,2), is numeric(12,2)"),
    one("collation_of_column", "ALTER TABLE dev.cache ALTER COLUMN k TYPE text COLLATE dev.plain", "column dev.cache.k: collation was the default, is dev.plain"),
    one("storage", "ALTER TABLE dev.users ALTER COLUMN bio SET STORAGE MAIN", "column dev.users.bio: storage was external, is main"),
    one("compression", "ALTER TABLE dev.users ALTER COLUMN bio SET COMPRESSION DEFAULT", "column dev.users.bio: compression was pglz, is the default"),
    one("default", "ALTER TABLE dev.users ALTER COLUMN mood DROP DEFAULT", "column dev.users.mood: default is gone (was 'ok'::dev.mood)"),
    one("not_null", "ALTER TABLE dev.users ALTER COLUMN name DROP NOT NULL", "column dev.users.name: not null is gone"),
    one("identity", "ALTER TABLE dev.users ALTER COLUMN id SET GENERATED BY DEFAULT", "column dev.users.id: identity was always, is by default"),
    one("generated", "ALTER TABLE dev.users ALTER COLUMN total DROP EXPRESSION", "column dev.users.total: generated is gone"),
    one("statistics_target", "ALTER TABLE dev.users ALTER COLUMN name SET STATISTICS -1", "column dev.users.name: statistics target was 500, is the default"),
    one("column_options", "ALTER TABLE dev.users ALTER COLUMN name RESET (n_distinct)", "column dev.users.name: options were n_distinct=50, are the default"),
    one("column_comment", "COMMENT ON COLUMN dev.users.email IS 'else'", "comment on column dev.users.email is another one"),
    one("column_grant", "REVOKE SELECT (name) ON dev.users FROM fp_other", "grant SELECT on column dev.users.name to fp_other is gone"),
    one("foreign_key_gone", "ALTER TABLE dev.tasks DROP CONSTRAINT tasks_user_id_fkey", "constraint tasks_user_id_fkey on dev.tasks is gone"),
    one("foreign_key_action", "ALTER TABLE dev.tasks DROP CONSTRAINT tasks_user_id_fkey, ADD CONSTRAINT tasks_user_id_fkey FOREIGN KEY (user_id) REFERENCES dev.users (id) DEFERRABLE INITIALLY DEFERRED", "constraint tasks_user_id_fkey on dev.tasks: on delete was CASCADE, is NO ACTION"),
    one("deferrability", "ALTER TABLE dev.tasks ALTER CONSTRAINT tasks_user_id_fkey NOT DEFERRABLE", "constraint tasks_user_id_fkey on dev.tasks is not deferrable (was deferrable, initially deferred)"),
    one("validity", "ALTER TABLE dev.tasks VALIDATE CONSTRAINT later", "constraint later on dev.tasks is valid (was not valid)"),
    one("foreign_key_off", "ALTER TABLE dev.tasks DISABLE TRIGGER ALL", "constraint tasks_user_id_fkey on dev.tasks: enforcement was on, is off, its triggers are disabled", dumped=False),
    one("primary_key", "ALTER TABLE dev.tasks DROP CONSTRAINT tasks_pkey", "constraint tasks_pkey on dev.tasks is gone"),
    one("domain_constraint", "ALTER DOMAIN dev.email DROP CONSTRAINT has_at", "constraint has_at on dev.email is gone"),
    one("constraint_comment", "COMMENT ON CONSTRAINT sane ON dev.users IS NULL", "comment on constraint sane on dev.users is gone"),
    one("not_null_name", "ALTER TABLE dev.enforced RENAME CONSTRAINT a_there TO a_here", "not-null constraint a_there on dev.enforced is gone", since=18),
    one("not_null_valid", "ALTER TABLE dev.enforced VALIDATE CONSTRAINT b_there", "not-null constraint b_there on dev.enforced is valid (was not valid)", since=18),
    one("not_enforced", "ALTER TABLE dev.enforced DROP CONSTRAINT loose, ADD CONSTRAINT loose CHECK (b > 0)", "constraint loose on dev.enforced: enforcement was off (NOT ENFORCED), is on", since=18),
    one("index_gone", "DROP INDEX dev.users_name", "index users_name on dev.users is gone"),
    one("index_definition", "DROP INDEX dev.events_kind; CREATE INDEX events_kind ON dev.events USING hash (kind)", "index events_kind on dev.events: definition"),
    one("index_validity", CATALOGS + "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'dev.users_name'::regclass", "index users_name on dev.users is not valid (was valid)"),
    one("index_readiness", CATALOGS + "UPDATE pg_index SET indisready = false WHERE indexrelid = 'dev.users_name'::regclass", "index users_name on dev.users is not ready (was ready)", dumped=False),
    one("clustered", "ALTER TABLE dev.users SET WITHOUT CLUSTER", "index users_expression on dev.users: clustered is gone"),
    one("index_replica_identity", "ALTER TABLE dev.tasks REPLICA IDENTITY USING INDEX tasks_pkey", "index tasks_pkey on dev.tasks: replica identity is new", "replica identity was full, is an index"),
    one("index_tablespace", "ALTER INDEX dev.users_name SET TABLESPACE fp_space", "index users_name on dev.users: tablespace was the default, is fp_space"),
    one("index_options", "ALTER INDEX dev.tasks_pkey SET (fillfactor = 50)", "index tasks_pkey on dev.tasks: options were the default, are fillfactor=50"),
    one("index_statistics", "ALTER INDEX dev.users_expression ALTER COLUMN 1 SET STATISTICS -1", "index users_expression on dev.users: statistics targets were 1: 300, are the default"),
    one("index_comment", "COMMENT ON INDEX dev.users_name IS NULL", "comment on index users_name on dev.users is gone"),
    one("trigger_gone", "DROP TRIGGER touch ON dev.users", "trigger touch on dev.users is gone"),
    one("trigger_disabled", "ALTER TABLE dev.users DISABLE TRIGGER touch", "trigger touch on dev.users is disabled (was enabled)"),
    one("trigger_always", "ALTER TABLE dev.users ENABLE ALWAYS TRIGGER quiet", "trigger quiet on dev.users is always enabled (was disabled)"),
    one("trigger_of_partition", "ALTER TABLE dev.events_rest ENABLE TRIGGER each", "trigger each on dev.events_rest is enabled (was disabled)"),
    one("trigger_definition", "CREATE OR REPLACE TRIGGER quiet AFTER DELETE ON dev.users EXECUTE FUNCTION dev.touched()", "trigger quiet on dev.users"),
    one("rule_gone", "DROP RULE no_delete ON dev.users", "rule no_delete on dev.users is gone"),
    one("rule_state", "ALTER TABLE dev.users DISABLE RULE no_delete", "rule no_delete on dev.users is disabled (was enabled)"),
    one("policy_gone", "DROP POLICY few ON dev.users", "policy few on dev.users is gone"),
    one("policy_roles", "ALTER POLICY own ON dev.users TO PUBLIC", "policy own on dev.users: roles were fp_app, fp_other, are PUBLIC"),
    one("policy_check", "ALTER POLICY few ON dev.users WITH CHECK (low > 1)", "policy few on dev.users: with check was (low > 0), is (low > 1)"),
    one("function_gone", "DROP FUNCTION dev.members()", "function dev.members() is gone"),
    one("function_body", "CREATE OR REPLACE FUNCTION dev.twice(n integer DEFAULT 2) RETURNS integer LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 7 SET work_mem = '1MB' AS E'\\nBEGIN\\n    -- trebles\\n    RETURN n * 2;\\nEND '", "function dev.twice(n integer): body changed (first differing line 3)"),
    one("function_volatility", "ALTER FUNCTION dev.twice(integer) VOLATILE", "function dev.twice(n integer): volatility was immutable, is volatile"),
    one("function_strict", "ALTER FUNCTION dev.twice(integer) CALLED ON NULL INPUT", "function dev.twice(n integer): strict is gone"),
    one("function_security", "ALTER FUNCTION dev.members() SECURITY INVOKER", "function dev.members(): security was definer, is invoker"),
    one("function_leakproof", "ALTER FUNCTION dev.members() NOT LEAKPROOF", "function dev.members(): leakproof is gone"),
    one("function_parallel", "ALTER FUNCTION dev.twice(integer) PARALLEL UNSAFE", "parallel was safe, is unsafe"),
    one("function_cost", "ALTER FUNCTION dev.twice(integer) COST 9", "cost was 7, is 9"),
    one("function_rows", "ALTER FUNCTION dev.members() ROWS 30", "estimated rows were 20, are 30"),
    one("function_settings", "ALTER FUNCTION dev.twice(integer) RESET ALL", "settings were work_mem=1MB, are the default"),
    one("function_owner", "ALTER FUNCTION dev.twice(integer) OWNER TO fp_app", "owner was postgres, is fp_app"),
    one("function_grant", "GRANT EXECUTE ON FUNCTION dev.twice(integer) TO PUBLIC", "grant EXECUTE on function dev.twice(n integer) to PUBLIC is new"),
    one("function_revoked", "REVOKE EXECUTE ON FUNCTION dev.members() FROM PUBLIC", "grant EXECUTE on function dev.members() to PUBLIC is gone"),
    one("procedure", "DROP PROCEDURE dev.work", "procedure dev.work(INOUT n integer) is gone"),
    one("aggregate", "CREATE OR REPLACE AGGREGATE dev.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '1')", "aggregate dev.total(integer): aggregation"),
    one("window_function", "ALTER FUNCTION dev.ranked() STABLE", "window function dev.ranked(): volatility was immutable, is stable"),
    one("enum_label", "ALTER TYPE dev.mood ADD VALUE 'glad' BEFORE 'ok'", "type dev.mood: label 'glad' is new"),
    one("enum_order", CATALOGS + "UPDATE pg_enum SET enumsortorder = 9 WHERE enumlabel = 'sad'", "type dev.mood: labels stand in another order: 'ok', 'it''s fine', 'sad'; it was 'sad'"),
    one("type_grant", "REVOKE USAGE ON TYPE dev.mood FROM fp_app", "grant USAGE on type dev.mood to fp_app is gone"),
    one("domain_default", "ALTER DOMAIN dev.email DROP DEFAULT", "domain dev.email: default is gone (was 'none'::character varying)"),
    one("domain_not_null", "ALTER DOMAIN dev.code DROP NOT NULL", "domain dev.code: not null is gone"),
    one("composite", "ALTER TYPE dev.pair ADD ATTRIBUTE c date CASCADE", "attribute dev.pair.c is new"),
    one("range", "DROP TYPE dev.span; CREATE TYPE dev.span AS RANGE (subtype = float8)", "type dev.span: range"),
    one("base_type", "ALTER TYPE dev.base SET (STORAGE = main)", "type dev.base: representation changed"),
    one("shell_type", "DROP TYPE dev.shell", "type dev.shell is gone"),
    one("sequence_parameters", "ALTER SEQUENCE dev.ticket INCREMENT 7 NO CYCLE", "sequence dev.ticket: increment was 5, is 7", "sequence dev.ticket: cycle is gone"),
    one("sequence_owner", "ALTER SEQUENCE dev.tasks_id_seq OWNED BY NONE", "sequence dev.tasks_id_seq: owning column is gone (was dev.tasks.id)"),
    one("sequence_grant", "REVOKE ALL ON SEQUENCE dev.ticket FROM fp_app", "grant USAGE on sequence dev.ticket to fp_app is gone"),
    one("view_definition", "CREATE OR REPLACE VIEW dev.windowed AS SELECT id, sum(low) OVER (ORDER BY id) AS s FROM dev.users", "view dev.windowed: definition changed (first differing line 2)"),
    one("view_options", "ALTER VIEW dev.seen RESET (security_barrier)", "view dev.seen: options were security_barrier=true, are the default"),
    one("view_column_default", "ALTER VIEW dev.seen ALTER COLUMN name DROP DEFAULT", "column dev.seen.name: default is gone"),
    one("materialized_view", "REFRESH MATERIALIZED VIEW dev.empty", "materialized view dev.empty is with data (was without data)", dumped=False),
    one("table_to_view", "DROP TABLE dev.notes; CREATE VIEW dev.notes AS SELECT 1 AS id", "table dev.notes is a view now"),
    one("extension_version", CATALOGS + "UPDATE pg_extension SET extversion = '0.9'", "extension plpgsql: version was 1.0, is 0.9", dumped=False),
    one("default_privileges", "ALTER DEFAULT PRIVILEGES FOR ROLE fp_owner IN SCHEMA dev GRANT UPDATE ON TABLES TO fp_app", "default privileges of fp_owner in schema dev on tables: UPDATE to fp_app is new"),
    one("publication_gone", "DROP PUBLICATION fp_some", "publication fp_some is gone (with 1 publication member)"),
    one("publication_operations", "ALTER PUBLICATION fp_some SET (publish = 'insert')", "publication fp_some: operations were insert, update, are insert"),
    one("publication_table", "ALTER PUBLICATION fp_some ADD TABLE dev.notes", "publication member dev.notes on fp_some is new"),
    one("publication_filter", "ALTER PUBLICATION fp_filtered SET TABLE dev.users (id, name, low) WHERE (id > 6)", "publication member dev.users on fp_filtered: filter was"),
    one("publication_columns", "ALTER PUBLICATION fp_filtered SET TABLE dev.users (id, name) WHERE (id > 5 AND name <> 'x')", "publication member dev.users on fp_filtered: columns were id, low, name, are id, name"),
    one("publication_schema", "ALTER PUBLICATION fp_schemas ADD TABLES IN SCHEMA dev", "publication member schema dev on fp_schemas is new"),
    one("statistics_object", "ALTER STATISTICS dev.users_both SET STATISTICS 60", "statistics object dev.users_both: statistics target was 50, is 60"),
    one("event_trigger", "ALTER EVENT TRIGGER fp_event ENABLE", "event trigger fp_event is enabled (was disabled)"),
    one("foreign_table", "ALTER FOREIGN TABLE dev.far OPTIONS (SET table_name 'near')", "foreign table dev.far: foreign options were table_name=far, are table_name=near"),
    one("foreign_column", "ALTER FOREIGN TABLE dev.far ALTER COLUMN a OPTIONS (SET column_name 'c')", "column dev.far.a: foreign options were column_name=b, are column_name=c"),
    one("server", "ALTER SERVER fp_server OPTIONS (SET host 'here')", "server fp_server: options were host=elsewhere, are host=here"),
    one("server_grant", "REVOKE USAGE ON FOREIGN SERVER fp_server FROM fp_app", "grant USAGE on server fp_server to fp_app is gone"),
    one("wrapper", "ALTER FOREIGN DATA WRAPPER fp_wrapper OPTIONS (SET level '2')", "foreign-data wrapper fp_wrapper: options were level=1, are level=2"),
    one("user_mapping", "ALTER USER MAPPING FOR fp_app SERVER fp_server OPTIONS (SET password 'other')", "user mapping for fp_app on fp_server: options changed"),
    one("collation", "ALTER COLLATION dev.plain OWNER TO fp_app", "collation dev.plain: owner was postgres, is fp_app"),
    one("cast", "DROP CAST (dev.mood AS integer)", "cast (dev.mood AS integer) is gone"),
    one("operator", "ALTER OPERATOR dev.=== (integer, integer) SET (RESTRICT = NONE)", "operator dev.===(integer,integer): restriction estimator was eqsel, is the default"),
    one("operator_class", "DROP OPERATOR CLASS dev.int_class USING btree", "operator class dev.int_class USING btree is gone"),
    one("operator_family", "ALTER OPERATOR FAMILY dev.numbers USING btree ADD FUNCTION 1 (int8, int8) btint8cmp(int8, int8)", "operator family dev.numbers USING btree: functions"),
    one("access_method_gone", "DROP TABLE dev.other_heap; DROP ACCESS METHOD fp_heap", "access method fp_heap is gone"),
    one("text_search_mapping", "ALTER TEXT SEARCH CONFIGURATION dev.search DROP MAPPING FOR word", "text search configuration dev.search: mappings changed (first differing line 2)"),
    one("text_search_dictionary", "ALTER TEXT SEARCH DICTIONARY dev.words (STOPWORDS)", "text search dictionary dev.words: options were stopwords = 'english', are the default"),
    one("language", "ALTER LANGUAGE fp_language OWNER TO fp_app", "language fp_language: owner was postgres, is fp_app"),
    one("transform", "DROP TRANSFORM FOR integer LANGUAGE sql", "transform for integer language sql is gone"),
    one("conversion", "DROP CONVERSION dev.latin", "conversion dev.latin is gone"),
    one("database_setting", "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''9MB''', current_database()); END $$", "setting work_mem on the database is new", dumped=False),
    one("role_setting", "DO $$ BEGIN EXECUTE format('ALTER ROLE fp_app IN DATABASE %I SET work_mem = ''9MB''', current_database()); END $$", "setting work_mem of role fp_app on the database is new", dumped=False),
    one("database_grant", "DO $$ BEGIN EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database()); END $$", "grant CONNECT on database itself to PUBLIC is gone", dumped=False),
    one("system_function", "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_ls_waldir() FROM pg_monitor", "system function pg_ls_waldir() is new"),
    one("large_object", "SELECT lo_create(0)", "large objects of postgres: number was 1, is 2", dumped=False),
    one("security_label", CATALOGS + "INSERT INTO pg_seclabel VALUES ('dev.users'::regclass, 'pg_class'::regclass, 0, 'dummy', 'secret')", "table dev.users: security labels are new (dummy: secret)"),
]  # fmt: skip


# What is in files of their own for newer servers, or written otherwise where a catalog has not the same columns: on all
# servers. What is left is the same text on each of them.
VERSIONED = {
    *("access_method", "column_new", "compression", "default", "statistics_target", "foreign_key_action", "deferrability"),
    *("validity", "foreign_key_off", "primary_key", "domain_constraint", "index_definition", "index_statistics"),
    *("trigger_of_partition", "function_body", "aggregate", "range", "base_type", "view_definition", "publication_gone"),
    *("publication_operations", "publication_filter", "publication_columns", "publication_schema", "collation"),
    *("table_gone", "table_grant", "database_grant", "statistics_object", "materialized_view", "large_object"),
}  # fmt: skip
NEWEST = max(INSTALLATIONS.values(), key=lambda one: one.major)


@dataclass(frozen=True)
class World:
    server: EmbeddedServer
    name: str
    dsn: str
    before: Fingerprint


@pytest.fixture(scope="module")
def worlds() -> Iterator[dict[int, World]]:
    made: dict[int, World] = {}
    yield made
    for world in made.values():
        world.server.drop_database(world.name)


@pytest.fixture(params=list(INSTALLATIONS))
async def world(request: pytest.FixtureRequest, servers: Servers, worlds: dict[int, World], psql: Psql) -> World:
    server = servers.get(INSTALLATIONS[request.param])
    if server.major not in worlds:
        prepare(server.dsn())
        name = f"world_{uuid4().hex[:8]}"
        dsn = server.create_database(name)
        psql(dsn, statements(server.major))
        worlds[server.major] = World(server, name, dsn, await fingerprint(dsn))
    return worlds[server.major]


@pytest.fixture
def changed(world: World) -> Iterator[str]:
    """The DSN of a copy of the world."""
    name = f"changed_{uuid4().hex[:8]}"
    yield world.server.create_database(name, template=world.name)
    world.server.drop_database(name)


async def after(session: PgSession, change: Change) -> Fingerprint:
    """The world with the change, which is taken back."""
    await session.execute("BEGIN")
    try:
        await session.execute(change.sql)
        await session.execute("RESET ROLE")
        await session.execute(SETTINGS)
        return Fingerprint(Catalog(await read_catalogs(session)))
    finally:
        await session.execute("ROLLBACK")


async def test_each_single_change_is_named(world: World) -> None:
    newest = world.server.major == NEWEST.major
    changes = [one for one in CHANGES if one.since <= world.server.major and (newest or one.name in VERSIONED)]
    assert len(changes) == (len(CHANGES) if newest else len(VERSIONED))
    wrong = {}
    async with await PgSession.open(Dsn(world.dsn), application_name="test") as session:
        for change in changes:
            told = [difference.words for difference in compare(world.before, await after(session, change))]
            missing = [words for words in change.words if not any(words in line for line in told)]
            if missing or any(ord(character) < 32 for line in told for character in line):
                wrong[change.name] = told
    assert not wrong


def test_pg_dump_sees_the_changes_too(servers: Servers, pg_dump: PgDump, psql: Psql) -> None:
    """They are real. One server is enough: what pg_dump sees does not differ by version."""
    server = servers.get(NEWEST)
    prepare(server.dsn())
    template, name = f"world_{uuid4().hex[:8]}", f"changed_{uuid4().hex[:8]}"
    psql(server.create_database(template), statements(server.major))
    try:
        dsn = server.create_database(name, template=template)
        dump = first = pg_dump(dsn, "-s")
        for change in (one for one in CHANGES if one.dumped):
            # One on top of the other, and on a fresh copy where an earlier one is in the way.
            before = dump
            with contextlib.suppress(psycopg.Error), psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(change.sql.encode())
                dump = pg_dump(dsn, "-s")
            if dump == before:
                server.drop_database(name)
                psql(server.create_database(name, template=template), change.sql)
                dump = pg_dump(dsn, "-s")
                assert dump != first, change.name
    finally:
        server.drop_database(name)
        server.drop_database(template)


async def test_nothing_changed(world: World, changed: str) -> None:
    assert compare(world.before, await fingerprint(changed)) == ()


async def test_a_table_made_anew_by_a_careless_rollback(world: World, changed: str, psql: Psql) -> None:
    psql(
        changed,
        """
        DROP VIEW dev.seen, dev.windowed;
        CREATE TABLE dev.again AS SELECT id, name, mood, email, bio, state, low, high, at FROM dev.users;
        ALTER TABLE dev.tasks DROP CONSTRAINT tasks_user_id_fkey;
        DROP TABLE dev.users CASCADE;
        ALTER TABLE dev.again RENAME TO users;
        ALTER TABLE dev.users ADD PRIMARY KEY (id), ALTER COLUMN name SET NOT NULL;
        CREATE TRIGGER touch BEFORE UPDATE OF name, bio ON dev.users FOR EACH ROW
            WHEN (OLD.name IS DISTINCT FROM NEW.name OR OLD.low BETWEEN 1 AND 2 AND NEW.high = 1)
            EXECUTE FUNCTION dev.touched('a', 'b');
        ALTER TABLE dev.users DISABLE TRIGGER touch;
        """,
    )
    told = {difference.words: difference.rank for difference in compare(world.before, await fingerprint(changed))}
    assert told["grant SELECT on dev.users to fp_app with grant option is gone"] == "lost"
    assert told["grant SELECT on column dev.users.name to fp_other is gone"] == "lost"
    assert told["comment on table dev.users is gone"] == "lost"
    assert told["comment on column dev.users.email is gone"] == "lost"
    assert told["trigger touch on dev.users is disabled (was enabled)"] == "changed"
    assert told["column dev.users.name: statistics target was 500, is the default"] == "changed"
    assert told["constraint tasks_user_id_fkey on dev.tasks is gone"] == "lost"
    assert told["table dev.users: owner was fp_owner, is postgres"] == "changed"
    order = (
        "columns of dev.users stand in another order: id, name, mood, email, bio, state, low, high, at; "
        "it was id, name, email, mood, bio, state, low, high, at"
    )
    assert told[order] == "order"


async def test_a_role_without_rights_sees_the_same_objects(world: World, changed: str) -> None:
    with psycopg.connect(changed, autocommit=True) as admin:
        admin.execute("ALTER ROLE fp_other LOGIN")
    seen = await fingerprint(str(Dsn(changed).with_(user="fp_other")))
    told = [difference.words for difference in compare(world.before, seen)]
    assert told == ["user mapping for fp_app on fp_server: options are gone"]
