"""What we ask the catalogs is answered by the server: nobody's function or operator stands before its own."""

from pathlib import Path

from runbooks import execute, opened, write

from tui.engine.fit import misfits
from tui.engine.status import look
from tui.postgres.session import Dsn, PgSession

# A closer match than the catalog's own, for every argument that is of type name or oid.
HIJACK = """
CREATE FUNCTION public.hijacked(what text) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'hijacked % as %', what, current_user; END $$;
CREATE FUNCTION public.quote_ident(name) RETURNS text LANGUAGE sql AS $$ SELECT public.hijacked('quote_ident') $$;
CREATE FUNCTION public.format(text, name) RETURNS text LANGUAGE sql AS $$ SELECT public.hijacked('format') $$;
CREATE FUNCTION public.format(text, name, name) RETURNS text LANGUAGE sql AS $$ SELECT public.hijacked('format') $$;
CREATE FUNCTION public.coalesced(name, name) RETURNS text LANGUAGE sql AS $$ SELECT public.hijacked('||') $$;
CREATE FUNCTION public.named(text, name) RETURNS text LANGUAGE sql AS $$ SELECT public.hijacked('||') $$;
CREATE FUNCTION public.same(name, text) RETURNS bool LANGUAGE sql AS $$ SELECT public.hijacked('=') IS NULL $$;
CREATE OPERATOR public.|| (FUNCTION = public.coalesced, LEFTARG = name, RIGHTARG = name);
CREATE OPERATOR public.|| (FUNCTION = public.named, LEFTARG = text, RIGHTARG = name);
CREATE FUNCTION public.pg_size_pretty(int) RETURNS text LANGUAGE sql AS $$ SELECT public.hijacked('pretty') $$;
CREATE FUNCTION public.count(oid) RETURNS bigint LANGUAGE sql AS $$ SELECT length(public.hijacked('count')) $$;
CREATE FUNCTION public.greatest_of(int, bigint) RETURNS bool LANGUAGE sql AS $$ SELECT public.hijacked('*') IS NULL $$;
"""


async def test_a_whole_night_in_a_database_that_lies_in_wait(tmp_path: Path, database_each: str) -> None:
    database = database_each
    execute(database, HIJACK, "CREATE TABLE users (id int PRIMARY KEY)", "INSERT INTO users VALUES (1)")
    steps = {"1": "ALTER TABLE users ADD COLUMN phone text;", "2": "CREATE TABLE logins AS SELECT 1 AS id;"}
    book = write(tmp_path / "small", steps, {"1": "ALTER TABLE users DROP COLUMN phone;", "2": "DROP TABLE logins;"})
    async with opened(book, database) as live:
        assert await live.to_end() == 0
        lost = await live.run.losses(live.run.plan_rollback(None))
        assert [one.name for one in lost or ()] == ["logins"]
        assert live.run.sample is not None
        assert live.run.sample.missing == ()
        await live.run.roll_back(live.run.plan_rollback(None))
        assert live.state.compared is not None
        assert live.state.compared.identical
        state = await look(live.run.runbook, Dsn(database))
        assert state.applied == ()
        async with await PgSession.open(Dsn(database), application_name="tests") as session:
            assert await misfits(session, await session.server(), live.run.runbook) == []


async def test_the_scripts_have_their_own_search_path_all_the_same(tmp_path: Path, database: str) -> None:
    execute(database, "CREATE SCHEMA dev", "CREATE TABLE dev.users (id int)")
    steps = {
        "1": "SET search_path = dev;\nALTER TABLE users ADD COLUMN phone text;",
        "2": "CREATE TABLE logins (id int);",
    }
    async with opened(write(tmp_path / "small", steps), database) as live:
        assert await live.to_end() == 0
        async with await PgSession.open(Dsn(database), application_name="tests") as session:
            await session.execute("SET search_path = dev")
            assert (await session.ask("SELECT current_setting('search_path')")).rows == (("pg_catalog",),)
            assert (await session.query("SELECT current_setting('search_path')")).rows == (("dev",),)
            found = await session.query("SELECT to_regclass('public.logins') IS NOT NULL")
            assert found.rows == (("t",),)
