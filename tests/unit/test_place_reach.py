"""What a script reaches outside of its database, told by its tokens alone."""

from pathlib import Path

import pytest
from runbooks import read, write

from tui.engine.place import PlaceFailed
from tui.engine.place_reach import reach, refuse_reaching
from tui.runbook.statements import split

OUTSIDE = {
    "ALTER DATABASE app SET work_mem = '5MB'": "ALTER DATABASE",
    "create /* x */ database other": "CREATE DATABASE",
    "DROP DATABASE IF EXISTS old": "DROP DATABASE",
    "REVOKE CONNECT ON DATABASE app FROM PUBLIC, app_user": "REVOKE ON DATABASE",
    "GRANT CREATE ON TABLESPACE fast TO app_user": "GRANT ON TABLESPACE",
    "GRANT SET ON PARAMETER work_mem TO app_user": "GRANT ON PARAMETER",
    "COMMENT ON DATABASE app IS 'x'": "COMMENT ON DATABASE",
    "SECURITY LABEL FOR selinux ON ROLE a IS 'x'": "SECURITY LABEL ON ROLE",
    "ALTER ROLE a IN DATABASE app SET search_path TO x": "ALTER ROLE",
    "ALTER SYSTEM SET work_mem = '5MB'": "ALTER SYSTEM",
    "CREATE USER a": "CREATE USER",
    "ALTER USER a PASSWORD 'new'": "ALTER USER",
    "DROP GROUP a": "DROP GROUP",
    "GRANT a, b TO c WITH ADMIN OPTION": "GRANT of a role",
    "REVOKE ADMIN OPTION FOR a FROM c": "REVOKE of a role",
    'GRANT "on" TO c': "GRANT of a role",
    "CREATE TABLESPACE fast LOCATION '/x'": "CREATE TABLESPACE",
    "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p": "CREATE SUBSCRIPTION",
    "DROP OWNED BY a": "DROP OWNED",
    "REASSIGN OWNED BY a TO b": "REASSIGN OWNED",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity": "pg_terminate_backend()",
    'SELECT pg_catalog."pg_cancel_backend" (1)': "pg_cancel_backend()",
    "SELECT count(*) FROM (SELECT PG_RELOAD_CONF()) AS x": "pg_reload_conf()",
    "SELECT * FROM dblink('host=x', 'SELECT 1') AS t (a int)": "dblink()",
    "COPY people TO PROGRAM 'cat'": "COPY TO PROGRAM",
    "COPY people FROM PROGRAM 'cat'": "COPY FROM PROGRAM",
    "COPY (SELECT a FROM people) TO '/tmp/x'": "COPY TO a file",
    "UPDATE pg_database SET datallowconn = false": "UPDATE pg_database",
    "DELETE FROM ONLY pg_catalog.pg_db_role_setting": "DELETE pg_db_role_setting",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET a.b TO 1', current_database()); END $$": "ALTER DATABASE",
    "DO 'BEGIN PERFORM pg_reload_conf(); END'": "pg_reload_conf()",
    "DO $a$ BEGIN EXECUTE 'GRANT ' || r || ' TO x'; END $a$": "GRANT of a role",
    "DO $a$ BEGIN EXECUTE 'DO ''BEGIN CREATE ROLE x; END'''; END $a$": "CREATE ROLE",
    "CREATE OR REPLACE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DROP ROLE x $$": "DROP ROLE",
    "CREATE FUNCTION f() RETURNS bool BEGIN ATOMIC SELECT pg_reload_conf(); END": "pg_reload_conf()",
}
INSIDE = [
    "SELECT 'ALTER DATABASE app', $$DROP ROLE x$$ -- CREATE ROLE y",
    "INSERT INTO notes VALUES ('pg_terminate_backend(1)') /* pg_reload_conf() */",
    "GRANT SELECT, UPDATE (a) ON people TO app_user WITH GRANT OPTION",
    "REVOKE GRANT OPTION FOR SELECT ON people FROM app_user",
    "ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO b",
    "GRANT EXECUTE ON FUNCTION pg_reload_conf() TO b",
    "CREATE USER MAPPING FOR a SERVER s",
    "COMMENT ON TABLE people IS 'ON DATABASE'",
    "CREATE TABLE role (database text, pg_reload_conf int)",
    "ALTER TABLE people OWNER TO a",
    "ALTER TABLE people SET TABLESPACE fast",
    "CREATE POLICY p ON people TO a",
    "COPY people TO STDOUT",
    "COPY people FROM '/tmp/x'",
    "SET ROLE a",
    "SELECT datname FROM pg_database",
    "DO $$ BEGIN EXECUTE 'GRANT SELECT ON people TO a'; GRANT ALL ON people TO b WITH GRANT OPTION; END $$",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$",
    "CREATE FUNCTION grant_it() RETURNS text LANGUAGE sql AS $$ SELECT 'it''s granted' $$",
]


@pytest.mark.parametrize("text", OUTSIDE)
def test_what_reaches_outside(text: str) -> None:
    (statement,) = split(f"{text};")
    assert reach(statement) == OUTSIDE[text]


@pytest.mark.parametrize("text", INSIDE)
def test_what_stays_inside(text: str) -> None:
    (statement,) = split(f"{text};")
    assert reach(statement) is None


def test_every_script_of_a_runbook_is_read(tmp_path: Path) -> None:
    more = """
        [[verification]]
        id = "v"
        title = "V"
        after = "end"
        sql = "SELECT pg_rotate_logfile()"
        expect = { value = true }
        [[checklist]]
        id = "c"
        phase = "before"
        title = "C"
        sql = "SELECT pg_switch_wal()"
        expect = { rows = 1 }
    """
    book = read(
        write(
            tmp_path / "b",
            {"1": "SELECT 1;\n\nALTER SYSTEM RESET ALL;", "2": "SELECT 1;"},
            {"2": "DROP ROLE x;"},
            keys={"1": "transaction = false"},
            more=more,
        )
    )
    with pytest.raises(PlaceFailed) as caught:
        refuse_reaching(book)
    said = str(caught.value)
    assert said.startswith("steps/1.sql:3: ALTER SYSTEM; rollback/2.sql:1: DROP ROLE; runbook.toml:")
    assert "pg_rotate_logfile()" in said
    assert "pg_switch_wal()" in said
    assert said.endswith("Rehearse with --like or --fixture")
    refuse_reaching(read(write(tmp_path / "c", {"1": "SELECT 'ALTER SYSTEM';"})))
