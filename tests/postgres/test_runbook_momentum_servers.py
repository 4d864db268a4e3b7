"""The runbook momentum where a server has an extension or has not, without a superuser, and beside its application."""

import re
from collections.abc import Callable
from uuid import NAMESPACE_DNS, NAMESPACE_URL, uuid3

import psycopg
import pytest
from momentum import ROOT, STEPS, back, before_it, contents, forward, text_of
from psycopg.conninfo import make_conninfo
from runbooks import one, rows

from tui.postgres.traffic import load_traffic

Psql = Callable[..., str]
PgDump = Callable[..., str]


@pytest.fixture
def before(database_each: str, psql: Psql) -> str:
    """The DSN of the database before the migration, on every server in turn."""
    return before_it(database_each, psql)


# What a server has or has not


def test_the_nightly_job_where_pg_cron_is(before: str, psql: Psql) -> None:
    """pg_cron needs a server that was started with it: its catalog row, table and functions are made up here."""
    psql(
        before,
        """
        CREATE SCHEMA cron;
        CREATE TABLE cron.job (jobid bigserial, schedule text, command text, active boolean DEFAULT true, jobname text);
        CREATE FUNCTION cron.schedule(name text, at text, what text) RETURNS bigint LANGUAGE sql
          AS $$ INSERT INTO cron.job (schedule, command, jobname) VALUES (at, what, name) RETURNING jobid $$;
        CREATE FUNCTION cron.unschedule(name text) RETURNS boolean LANGUAGE sql
          AS $$ DELETE FROM cron.job WHERE jobname = name RETURNING true $$;
        SELECT cron.schedule('vacuum', '0 3 * * *', 'VACUUM');
        SET allow_system_table_mods = on;
        INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
          VALUES (99999, 'pg_cron', 10, 'cron'::regnamespace, false, '1.6');
        """,
    )
    forward(before, psql, 2)
    jobs = "SELECT jobname, schedule, command FROM cron.job ORDER BY jobid"
    vacuum = ("vacuum", "0 3 * * *", "VACUUM")
    ours = ("cleanup-zoom-tokens", "0 2 * * *", "SELECT public.cleanup_expired_zoom_tokens();")
    assert rows(before, jobs) == [vacuum, ours]
    psql(before, ours[2])
    assert psql(before, ROOT / "verify" / "cron.sql") == ""
    gone = ROOT / "verify" / "cron_gone.sql"
    assert psql(before, gone) != ""
    psql(before, "UPDATE cron.job SET schedule = '0 4 * * *' WHERE jobname <> 'vacuum'")
    assert psql(before, ROOT / "verify" / "cron.sql") == "missing\n"
    back(before, psql, 2)
    assert rows(before, jobs) == [vacuum]
    assert psql(before, gone) == ""
    # Somebody has unscheduled it by hand.
    forward(before, psql, 2)
    psql(before, "SELECT cron.unschedule('cleanup-zoom-tokens')")
    back(before, psql, 2)


UUID_OSSP = "SELECT count(*) FROM pg_extension WHERE extname = 'uuid-ossp'"


def test_uuid_ossp_where_the_server_has_it(before: str, psql: Psql) -> None:
    available = one(before, "SELECT count(*) FROM pg_available_extensions WHERE name = 'uuid-ossp'")
    with psycopg.connect(before) as connection:
        told: list[str] = []
        connection.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
        connection.execute(text_of(1).encode())
        connection.rollback()
    assert any("this server has no uuid-ossp: left out" in words for words in told) == (not available)
    psql(before, STEPS[0])
    assert one(before, UUID_OSSP) == available
    assert psql(before, ROOT / "verify" / "extension.sql") == ""
    back(before, psql, 1)
    assert one(before, UUID_OSSP) == 0
    if available:
        # One that was there before is not ours, and ours stays while somebody else uses it.
        psql(before, 'CREATE EXTENSION "uuid-ossp" WITH SCHEMA extensions')
        psql(before, STEPS[0])
        back(before, psql, 1)
        assert one(before, UUID_OSSP) == 1
        psql(before, 'DROP EXTENSION "uuid-ossp"')
        psql(before, STEPS[0])
        psql(before, "CREATE TABLE mine (id uuid DEFAULT extensions.uuid_generate_v4())")
        back(before, psql, 1)
        assert one(before, UUID_OSSP) == 1


def test_the_stand_in_says_what_it_is(before: str, psql: Psql) -> None:
    """Its functions, made without CREATE EXTENSION, answer as the real ones do."""
    folder = ROOT / "fixture" / "extension"
    assert "stand-in" in (folder / "uuid-ossp.control").read_text()
    script = (folder / "uuid-ossp--1.1.sql").read_text()
    with psycopg.connect(before) as connection:
        connection.execute(b"SET search_path = extensions")
        connection.execute(re.sub(r"^\\echo .*$", "", script, flags=re.MULTILINE).encode())
        found = connection.execute(
            "SELECT uuid_generate_v4()::text ~ '^.{14}4.{4}[89ab]',"
            " uuid_generate_v3(uuid_ns_dns(), 'example.com')::text,"
            " uuid_generate_v3(uuid_ns_url(), 'https://bücher.example/')::text, uuid_nil()::text"
        ).fetchone()
        assert found == (
            True,
            str(uuid3(NAMESPACE_DNS, "example.com")),
            str(uuid3(NAMESPACE_URL, "https://bücher.example/")),
            "00000000-0000-0000-0000-000000000000",
        )
        connection.rollback()


def test_no_superuser_is_needed(before: str, psql: Psql, pg_dump: PgDump) -> None:
    """A role that owns the legacy tables, is a member of the storage's owner and may refer to auth.users."""
    psql(
        before,
        """
        DO $$
        BEGIN
          IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'momentum_owner') THEN
            CREATE ROLE momentum_owner LOGIN BYPASSRLS;
          END IF;
          EXECUTE format('GRANT CREATE ON DATABASE %I TO momentum_owner', current_database());
        END
        $$;
        GRANT supabase_storage_admin, authenticated, anon, legacy_app TO momentum_owner;
        GRANT USAGE, CREATE ON SCHEMA public, extensions TO momentum_owner;
        GRANT USAGE ON SCHEMA auth TO momentum_owner;
        GRANT SELECT, REFERENCES ON auth.users TO momentum_owner;
        ALTER TABLE legacy_users OWNER TO momentum_owner;
        ALTER TABLE legacy_sessions OWNER TO momentum_owner;
        """,
    )
    owner = make_conninfo(before, user="momentum_owner")
    schema, data = pg_dump(before, "--schema-only"), contents(before, psql)
    assert psql(owner, ROOT / "checks" / "rights.sql") == ""
    assert psql(make_conninfo(before, user="reporting"), "SELECT 1") == "1\n"
    forward(owner, psql)
    assert psql(owner, ROOT / "verify" / "rls_member.sql").startswith("sees own rows only")
    assert psql(owner, ROOT / "verify" / "grants.sql").splitlines()[0] == "brand_settings|anon|SELECT"
    back(owner, psql)
    assert pg_dump(before, "--schema-only") == schema
    assert contents(before, psql) == data


def test_rights_that_are_missing_are_named(before: str, psql: Psql) -> None:
    found = psql(make_conninfo(before, user="reporting"), ROOT / "checks" / "rights.sql").splitlines()
    assert "policies on storage.objects" in found
    assert "DELETE on storage.objects, past its row security, for the lock and the way back" in found
    assert "REFERENCES on auth.users, for the foreign key" in found
    assert "owner of legacy_users" in found


# The application, and its locks


@pytest.mark.parametrize("deployed", [False, True])
def test_the_application_works_before_and_after(before: str, psql: Psql, deployed: bool) -> None:
    traffic = load_traffic(ROOT / "fixture")
    assert traffic is not None
    assert traffic.deploy == "deploy-code"
    if deployed:
        forward(before, psql)
    for session in traffic.session:
        with psycopg.connect(before, user=session.role) as connection:
            superuser = connection.execute("SELECT usesuper FROM pg_user WHERE usename = current_user").fetchone()
            assert superuser == (False,)
            connection.commit()
            for _ in range(8):
                for statement in session.after if deployed and session.after else session.before:
                    connection.execute(statement.encode())
                connection.commit()
    if deployed:
        # The old application at work to the last moment.
        assert psql(before, ROOT / "verify" / "legacy_sessions.sql") == ""


def test_people_log_in_until_the_last_moment_of_001(before: str) -> None:
    """The one lock that others meet is the foreign key's, and after it comes the commit."""
    script, key, rest = text_of(1).partition("ALTER TABLE public.profiles\n  ADD CONSTRAINT profiles_id_fkey")
    assert rest.count(";") == 1
    login = b"UPDATE auth.users SET last_sign_in_at = now() WHERE id = md5('user-1')::uuid"
    with psycopg.connect(before) as runner, psycopg.connect(before) as gotrue:
        runner.execute(script.encode())
        gotrue.execute("SET lock_timeout = '50ms'")
        gotrue.execute(login)
        gotrue.commit()
        runner.execute((key + rest).encode())
        gotrue.execute("SELECT FROM auth.users LIMIT 1")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            gotrue.execute(login)
        gotrue.rollback()
        runner.rollback()


def test_while_003_waits_for_a_report_people_log_in(before: str) -> None:
    """It asks for its one strong lock first, when it holds nothing."""
    (first,) = (line for line in STEPS[2].read_text().splitlines() if line.startswith("LOCK TABLE"))
    assert first == "LOCK TABLE storage.objects IN ACCESS EXCLUSIVE MODE;"
    assert text_of(3).find(first) < text_of(3).find("INSERT")
    with psycopg.connect(before) as report, psycopg.connect(before) as runner:
        report.execute("SELECT count(*) FROM storage.objects")
        runner.execute("SET LOCAL lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            runner.execute(first.encode())
