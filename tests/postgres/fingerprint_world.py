"""A database with at least one object of every kind that a fingerprint reads, and what it takes to make it anywhere."""

# One statement a line, however long.
# ruff: noqa: E501

import psycopg

from tui.postgres.fingerprint import Fingerprint, take
from tui.postgres.session import Dsn, PgSession
from tui.postgres.table_data import Reading

# Roles and tablespaces are the server's: made once, and gone with it.
ROLES = ("fp_owner", "fp_app", "fp_other")
SPACE = "fp_space"

WORLD = r"""
CREATE SCHEMA dev;
CREATE SCHEMA "Odd ""1"" x";
COMMENT ON SCHEMA dev IS 'what we work on';
GRANT USAGE ON SCHEMA dev TO fp_app, fp_owner;
CREATE COLLATION dev.plain (provider = libc, locale = 'C');
CREATE TYPE dev.mood AS ENUM ('sad', 'ok', 'it''s fine');
CREATE DOMAIN dev.email AS character varying(200) DEFAULT 'none' CONSTRAINT has_at CHECK (VALUE ~ '@' OR VALUE IN ('none', 'unknown'));
CREATE DOMAIN dev.code AS integer NOT NULL;
CREATE TYPE dev.pair AS (a integer, b text COLLATE "C");
CREATE TYPE dev.span AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TYPE dev.shell;
CREATE TYPE dev.base;
CREATE FUNCTION dev.base_in(cstring) RETURNS dev.base LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION dev.base_out(dev.base) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE dev.base (INPUT = dev.base_in, OUTPUT = dev.base_out, LIKE = text);
GRANT USAGE ON TYPE dev.mood TO fp_app;

CREATE SEQUENCE dev.ticket AS integer START 100 INCREMENT 5 MAXVALUE 100000 CACHE 3 CYCLE;
GRANT USAGE ON SEQUENCE dev.ticket TO fp_app;

CREATE FUNCTION dev.twice(n integer DEFAULT 2) RETURNS integer LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 7
SET work_mem = '1MB' AS $$
BEGIN
    -- doubles
    RETURN n * 2;
END $$;
CREATE FUNCTION dev.members() RETURNS SETOF text LANGUAGE sql STABLE ROWS 20 SECURITY DEFINER LEAKPROOF AS 'SELECT ''x''';
CREATE FUNCTION dev.standard(s varchar) RETURNS boolean LANGUAGE sql RETURN s IN ('a', 'b');
CREATE FUNCTION dev.many(a integer, VARIADIC b text[]) RETURNS TABLE (x integer, y text) LANGUAGE sql AS 'SELECT 1, ''y''';
CREATE PROCEDURE dev.work(INOUT n integer) LANGUAGE plpgsql AS 'BEGIN n := n + 1; END';
CREATE AGGREGATE dev.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
CREATE FUNCTION dev.ranked() RETURNS bigint LANGUAGE internal WINDOW IMMUTABLE STRICT AS 'window_rank';
GRANT EXECUTE ON FUNCTION dev.twice(integer) TO fp_app;
REVOKE EXECUTE ON FUNCTION dev.twice(integer) FROM PUBLIC;
CREATE FUNCTION dev.touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION dev.noted() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';

CREATE TABLE dev.users (
    id bigint GENERATED ALWAYS AS IDENTITY (START WITH 10) PRIMARY KEY,
    name text NOT NULL COLLATE "C",
    email dev.email,
    mood dev.mood DEFAULT 'ok',
    bio text COMPRESSION pglz,
    state character varying(20) DEFAULT 'new' CHECK (state IN ('new', 'old', 'it''s (odd)')),
    low integer,
    high integer,
    total integer GENERATED ALWAYS AS (low + high) STORED,
    at timestamp with time zone DEFAULT '2020-01-01 00:00+02',
    CONSTRAINT sane CHECK (low BETWEEN 1 AND 9 AND high > -1 AND (low < high OR high IS NULL OR state LIKE ANY (ARRAY['x%', 'y%'])))
) WITH (fillfactor = 80, toast.autovacuum_enabled = false);
COMMENT ON TABLE dev.users IS 'who is known
in two lines';
COMMENT ON COLUMN dev.users.email IS 'checked';
COMMENT ON CONSTRAINT sane ON dev.users IS 'sane numbers';
ALTER TABLE dev.users ALTER COLUMN name SET STATISTICS 500, ALTER COLUMN name SET (n_distinct = 50),
    ALTER COLUMN bio SET STORAGE EXTERNAL;
ALTER TABLE dev.users OWNER TO fp_owner;
GRANT SELECT, UPDATE ON dev.users TO fp_app WITH GRANT OPTION;
GRANT SELECT (name), UPDATE (bio) ON dev.users TO fp_other;
SET ROLE fp_app; GRANT SELECT ON dev.users TO fp_other; RESET ROLE;
REVOKE TRUNCATE ON dev.users FROM fp_owner;
CREATE UNIQUE INDEX users_name ON dev.users (lower(name), id DESC NULLS LAST) INCLUDE (mood) WITH (fillfactor = 70) WHERE state IN ('new', 'old');
CREATE INDEX users_expression ON dev.users ((low + high));
ALTER INDEX dev.users_expression ALTER COLUMN 1 SET STATISTICS 300;
COMMENT ON INDEX dev.users_name IS 'for the search';
ALTER TABLE dev.users CLUSTER ON users_expression;
CREATE STATISTICS dev.users_both (dependencies, ndistinct) ON low, high FROM dev.users;
ALTER STATISTICS dev.users_both SET STATISTICS 50;
ALTER TABLE dev.users ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON dev.users AS PERMISSIVE FOR SELECT TO fp_app, fp_other USING (name = CURRENT_USER AND (low BETWEEN 1 AND 2 OR state IN ('new', 'old')));
CREATE POLICY few ON dev.users AS RESTRICTIVE FOR INSERT WITH CHECK (low > 0);
CREATE TRIGGER touch BEFORE UPDATE OF name, bio ON dev.users FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name OR OLD.low BETWEEN 1 AND 2 AND NEW.high = 1) EXECUTE FUNCTION dev.touched('a', 'b');
CREATE TRIGGER quiet AFTER INSERT ON dev.users FOR EACH STATEMENT EXECUTE FUNCTION dev.touched();
ALTER TABLE dev.users DISABLE TRIGGER quiet;
COMMENT ON TRIGGER touch ON dev.users IS 'touches';
CREATE RULE no_delete AS ON DELETE TO dev.users WHERE (OLD.name = 'root') DO INSTEAD NOTHING;
INSERT INTO dev.users (name, email, low, high, state) SELECT 'u' || n, 'a@b', 1 + n % 5, 10 + n, 'new' FROM generate_series(1, 50) n;

CREATE TABLE dev.tasks (
    id serial PRIMARY KEY,
    user_id bigint,
    title text DEFAULT E'back\\slash and ''quote''' NOT NULL,
    price numeric(10, 2) DEFAULT -1,
    tags text[] DEFAULT ARRAY['a', 'b'],
    during tstzrange,
    CONSTRAINT tasks_user_id_fkey FOREIGN KEY (user_id) REFERENCES dev.users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT apart EXCLUDE USING gist (during WITH &&)
);
ALTER TABLE dev.tasks ADD CONSTRAINT later CHECK (price < 1000) NOT VALID;
ALTER TABLE dev.tasks REPLICA IDENTITY FULL;
INSERT INTO dev.tasks (user_id, title) SELECT 10 + n, 't' || n FROM generate_series(1, 40) n;
INSERT INTO dev.tasks (user_id, title, price) VALUES (NULL, '', NULL);
CREATE UNLOGGED TABLE dev.cache (k text PRIMARY KEY, v jsonb) TABLESPACE fp_space;
CREATE TABLE dev.dropped (a integer, gone integer, b text);
ALTER TABLE dev.dropped DROP COLUMN gone, ADD COLUMN c date;
CREATE TABLE "Odd ""1"" x"."Table, with: odd" ("column: 1" integer, "it's" text, "
newline" text, "on" text);
INSERT INTO "Odd ""1"" x"."Table, with: odd" VALUES (1, NULL, '', E'a\tb\n');
CREATE TABLE dev.typed OF dev.pair;
CREATE TABLE dev.events (id bigint NOT NULL, at date NOT NULL, kind character varying(10)) PARTITION BY RANGE (at);
CREATE TABLE dev.events_2024 PARTITION OF dev.events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE dev.events_rest PARTITION OF dev.events DEFAULT;
ALTER TABLE dev.events ADD PRIMARY KEY (id, at);
CREATE INDEX events_kind ON dev.events (kind);
CREATE TRIGGER each AFTER INSERT ON dev.events FOR EACH ROW EXECUTE FUNCTION dev.touched();
ALTER TABLE dev.events_rest DISABLE TRIGGER each;
CREATE TABLE dev.notes (id integer, event bigint, at date, FOREIGN KEY (event, at) REFERENCES dev.events);
INSERT INTO dev.events SELECT n, date '2023-12-25' + n, 'k' FROM generate_series(1, 20) n;
CREATE TABLE dev.parent (a integer CHECK (a > 0), b text);
CREATE TABLE dev.child (c integer) INHERITS (dev.parent);

CREATE VIEW dev.seen WITH (security_barrier = true) AS
    SELECT u.id, u.name, t.title FROM dev.users u LEFT JOIN dev.tasks t ON t.user_id = u.id
    WHERE u.low BETWEEN 1 AND 5 AND u.state IN ('new', 'old') AND (u.high > 2 OR u.high IS NULL OR u.low = 1);
ALTER VIEW dev.seen ALTER COLUMN name SET DEFAULT 'nobody';
GRANT SELECT ON dev.seen TO PUBLIC;
CREATE VIEW dev.windowed AS SELECT id, sum(low) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS s FROM dev.users;
CREATE MATERIALIZED VIEW dev.counted AS SELECT user_id, count(*) AS n FROM dev.tasks GROUP BY user_id;
CREATE UNIQUE INDEX counted_user ON dev.counted (user_id);
CREATE MATERIALIZED VIEW dev.empty AS SELECT 1 AS one WITH NO DATA;

CREATE OPERATOR dev.=== (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq, COMMUTATOR = OPERATOR(dev.===), RESTRICT = eqsel, HASHES);
CREATE OPERATOR FAMILY dev.numbers USING btree;
CREATE OPERATOR CLASS dev.int_class FOR TYPE integer USING btree FAMILY dev.numbers AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(integer, integer);
CREATE FUNCTION dev.mood_number(dev.mood) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE CAST (dev.mood AS integer) WITH FUNCTION dev.mood_number(dev.mood) AS ASSIGNMENT;
CREATE CONVERSION dev.latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE ACCESS METHOD fp_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE dev.other_heap (a integer) USING fp_heap;
CREATE FUNCTION dev.handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION dev.handler(internal) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_inline_handler';
CREATE TRUSTED LANGUAGE fp_language HANDLER dev.handler INLINE dev.handler;
CREATE TRANSFORM FOR integer LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal));
CREATE TEXT SEARCH PARSER dev.parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE dev.template (LEXIZE = dsimple_lexize, INIT = dsimple_init);
CREATE TEXT SEARCH DICTIONARY dev.words (TEMPLATE = dev.template, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION dev.search (PARSER = dev.parser);
ALTER TEXT SEARCH CONFIGURATION dev.search ADD MAPPING FOR asciiword, word WITH dev.words, simple;
CREATE FOREIGN DATA WRAPPER fp_wrapper OPTIONS (level '1');
CREATE SERVER fp_server TYPE 'other' VERSION '2' FOREIGN DATA WRAPPER fp_wrapper OPTIONS (host 'elsewhere');
GRANT USAGE ON FOREIGN SERVER fp_server TO fp_app;
CREATE USER MAPPING FOR fp_app SERVER fp_server OPTIONS (user 'u', password 'secret');
CREATE FOREIGN TABLE dev.far (a integer OPTIONS (column_name 'b'), b text) SERVER fp_server OPTIONS (table_name 'far');
CREATE PUBLICATION fp_some FOR TABLE dev.tasks WITH (publish = 'insert, update');
CREATE PUBLICATION fp_all FOR ALL TABLES WITH (publish_via_partition_root = true);
CREATE EVENT TRIGGER fp_event ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION dev.noted();
ALTER EVENT TRIGGER fp_event DISABLE;
ALTER DEFAULT PRIVILEGES FOR ROLE fp_owner IN SCHEMA dev GRANT SELECT ON TABLES TO fp_app;
ALTER DEFAULT PRIVILEGES FOR ROLE fp_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) FROM PUBLIC;
SELECT lo_create(0);
"""
# What only newer servers know, by their major version.
NEWER = {
    15: """
        CREATE PUBLICATION fp_filtered FOR TABLE dev.users (id, name, low) WHERE (id > 5 AND name <> 'x');
        CREATE PUBLICATION fp_schemas FOR TABLES IN SCHEMA "Odd ""1"" x";
        CREATE TABLE dev.unique_nulls (a integer UNIQUE NULLS NOT DISTINCT);
        CREATE UNLOGGED SEQUENCE dev.unlogged_ticket;
    """,
    18: """
        CREATE TABLE dev.enforced (
            a integer CONSTRAINT a_there NOT NULL, b integer, v integer GENERATED ALWAYS AS (b * 2) VIRTUAL,
            CONSTRAINT loose CHECK (b > 0) NOT ENFORCED
        );
        ALTER TABLE dev.enforced ADD CONSTRAINT b_there NOT NULL b NOT VALID;
        CREATE TABLE dev.booked (id int4range, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS));
    """,
}


def statements(major: int) -> str:
    """The script that makes the world on a server of this major version."""
    return WORLD + "".join(more for since, more in NEWER.items() if major >= since)


def prepare(dsn: str) -> None:
    """Makes the roles and the tablespace on this server, where they are not yet."""
    with psycopg.connect(dsn, autocommit=True) as admin:
        there = {name for (name,) in admin.execute("SELECT rolname FROM pg_roles")}
        for role in ROLES:
            if role not in there:
                admin.execute(f"CREATE ROLE {role}".encode())
        if not admin.execute("SELECT FROM pg_tablespace WHERE spcname = 'fp_space'").rowcount:
            admin.execute("SET allow_in_place_tablespaces = on")
            admin.execute("CREATE TABLESPACE fp_space LOCATION ''")


async def fingerprint(dsn: str, data: Reading = "none", whole_up_to: int = 100_000, **parameters: str) -> Fingerprint:
    """The fingerprint of a database, taken over a connection of its own."""
    async with await PgSession.open(Dsn(dsn).with_(**parameters), application_name="test") as session:
        return await take(session, data=data, whole_up_to=whole_up_to)
