"""A runbook tried on a throwaway database: forward, every way back, forward again, and what is said of each."""

import asyncio
from pathlib import Path

import pytest
from rehearsals import OnServer, rehearsed, step, way, words
from runbooks import read, write

from tui.engine import events as e
from tui.engine.proofs import newest, scripts_of, stale
from tui.engine.rehearsal import Rehearsing
from tui.paths import state_root
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.session import Dsn

USERS = (
    "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL)",
    "INSERT INTO users SELECT n, 'user ' || n FROM generate_series(1, 100) AS n",
)
TWO = {
    "1": "ALTER TABLE users ADD COLUMN phone text;\nUPDATE users SET phone = '+' || id;",
    "2": "CREATE TABLE logins (user_id int REFERENCES users (id), at timestamptz DEFAULT now());",
}
TWO_BACK = {"1": "ALTER TABLE users DROP COLUMN phone;", "2": "DROP TABLE logins;"}


async def test_a_sound_runbook_is_proven_from_every_stop_point(tmp_path: Path, server: EmbeddedServer) -> None:
    place = OnServer(server, *USERS)
    found, told = await rehearsed(write(tmp_path / "small", TWO, TWO_BACK), place)

    assert found.ok
    assert [(w.after, w.to, w.scripts, w.verdict, w.again) for w in found.ways_back] == [
        ("1", None, ("1",), "proven", ()),
        ("2", "1", ("2",), "proven", ()),
        ("2", None, ("2", "1"), "proven", ()),
    ]
    assert [(s.step, s.state, s.rollback, s.red, s.error) for s in found.steps] == [
        ("1", "applied", "proven", (), ""),
        ("2", "applied", "proven", (), ""),
    ]
    assert all(s.forward_seconds and s.rollback_seconds for s in found.steps)
    assert found.server // 10000 == server.major
    # Proven ways back are gone forward from: one copy serves them all.
    assert place.made == 1
    moves = [event for event in told if isinstance(event, e.RehearsalMoved)]
    assert [move.done for move in moves] == sorted({move.done for move in moves})
    assert all(move.done <= move.total for move in moves)


async def test_a_rollback_that_fails_is_told_with_statement_object_and_the_servers_words(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    steps = {
        "1": "CREATE TYPE mood AS ENUM ('good', 'bad');\nALTER TABLE users ADD COLUMN mood mood DEFAULT 'good';",
        "2": TWO["2"],
    }
    back = {"1": "-- the type first: the wrong way round\nDROP TYPE mood;\nALTER TABLE users DROP COLUMN mood;"}
    found, _ = await rehearsed(write(tmp_path / "small", steps, back | {"2": TWO_BACK["2"]}), OnServer(server, *USERS))

    assert not found.ok
    one = way(found, "1")
    assert one.verdict == "failed"
    assert one.error.startswith("rollback/1.sql:2: DROP TYPE: cannot drop type mood because other objects depend on it")
    assert "column mood of table users depends on type mood" in one.error
    # The step after it is judged for itself, on a fresh copy; all the way back is no way from there either.
    assert way(found, "2", "1").verdict == "proven"
    assert way(found, "2").verdict == "failed"
    assert [s.rollback for s in found.steps] == ["failed", "proven"]
    assert [s.state for s in found.steps] == ["applied", "applied"]


async def test_a_loss_is_named_object_by_object_and_row_by_row(tmp_path: Path, server18: EmbeddedServer) -> None:
    setup = (
        *USERS,
        "COMMENT ON COLUMN users.name IS 'as they call themselves'",
        "CREATE INDEX by_name ON users (name)",
    )
    steps = {"1": "ALTER TABLE users RENAME COLUMN name TO full_name;"}
    back = {
        "1": "ALTER TABLE users ADD COLUMN name text NOT NULL DEFAULT '';\n"
        "UPDATE users SET name = full_name WHERE id <> 7;\n"
        "ALTER TABLE users ALTER COLUMN name DROP DEFAULT, DROP COLUMN full_name;"
    }
    found, _ = await rehearsed(write(tmp_path / "small", steps, back), OnServer(server18, *setup))

    told = words(way(found, "1"))
    assert way(found, "1").verdict == "lossy"
    assert "comment on column users.name is gone" in " ".join(told).replace("public.", "")
    assert any("by_name" in one and "is gone" in one for one in told)
    assert any("values" in one and "name" in one for one in told), told
    assert words(step(found, "1")) == told
    assert not found.ok


async def test_a_step_without_a_way_back_is_missing_one(tmp_path: Path, server18: EmbeddedServer) -> None:
    found, _ = await rehearsed(write(tmp_path / "small", TWO, {"2": TWO_BACK["2"]}), OnServer(server18, *USERS))
    assert [s.rollback for s in found.steps] == ["missing", "proven"]
    assert way(found, "2", "1").verdict == "proven"
    assert "1 has no rollback of its own" in way(found, "2").error
    assert not found.ok


async def test_one_rollback_for_all_is_tried_from_each_stop_point_that_it_fits(
    tmp_path: Path, server18: EmbeddedServer
) -> None:
    more = '[[rollback]]\nid = "all"\ntitle = "All"\nundoes = ["1", "2"]\nsql = "rollback/all.sql"\n'
    files = {"rollback/all.sql": "DROP TABLE logins;\nALTER TABLE users DROP COLUMN phone;"}
    found, _ = await rehearsed(
        write(tmp_path / "small", TWO, {"1": TWO_BACK["1"]}, more=more, files=files), OnServer(server18, *USERS)
    )
    assert way(found, "1").scripts == ("1",)
    assert way(found, "2").scripts == ("all",)
    assert way(found, "2").verdict == "proven"
    # Nothing leads from 2 to 1 alone; the whole way does, and that is what the operator has.
    assert way(found, "2", "1").verdict == "missing"
    assert step(found, "2").rollback == "proven"
    assert found.ok


async def test_a_step_that_does_not_get_through_ends_it_there(tmp_path: Path, server18: EmbeddedServer) -> None:
    steps = {**TWO, "2": "CREATE TABLE logins (user_id int);\nCREATE TABLE users (id int);", "3": "SELECT 1;"}
    found, _ = await rehearsed(
        write(tmp_path / "small", steps, TWO_BACK | {"3": "SELECT 1;"}), OnServer(server18, *USERS)
    )
    assert [(s.state, s.rollback) for s in found.steps] == [
        ("applied", "proven"),
        ("failed", "missing"),
        ("pending", "missing"),
    ]
    assert step(found, "2").error == 'steps/2.sql:2: CREATE TABLE: relation "users" already exists'
    assert not found.ok


VERIFY = """
[[verification]]
id = "few"
title = "Few users"
sql = "SELECT count(*) FROM users"
after = "1"
expect = { value = 3 }

[[verification]]
id = "many"
title = "Many users"
sql = "SELECT count(*) FROM users"
after = "back"
expect = { value = 1000 }
"""


async def test_what_is_not_as_expected_is_no_proof(tmp_path: Path, server18: EmbeddedServer) -> None:
    book = write(tmp_path / "small", TWO, TWO_BACK, more=VERIFY)
    found, _ = await rehearsed(book, OnServer(server18, *USERS))
    assert step(found, "1").red == ("Few users: expected 3, found 100",)
    assert step(found, "2").red == ()
    assert words(way(found, "1")) == ["Many users: expected 1000, found 100"]
    assert not found.ok

    # Without rows nobody can expect any.
    found, _ = await rehearsed(book, OnServer(server18, *USERS, has_data=False))
    assert found.ok


async def test_what_cannot_go_forward_again_is_told(tmp_path: Path, server18: EmbeddedServer) -> None:
    role = f"rehearsed_{tmp_path.name[-8:].replace('-', '_')}"
    # A role belongs to the whole server: the database is as before, and the step fails the second time.
    steps = {"1": f"CREATE ROLE {role};\nCREATE TABLE t (id int);", "2": "CREATE TABLE u (id int);"}
    back = {"1": "DROP TABLE t;", "2": "DROP TABLE u;"}
    book = write(tmp_path / "small", steps, back)
    found, _ = await rehearsed(book, OnServer(server18))
    assert [s.state for s in found.steps] == ["failed", "pending"]
    assert step(found, "1").error.startswith("it got through once, and not on a fresh copy: steps/1.sql:1: CREATE ROLE")
    # Where a fresh copy is a fresh start, all of it is tried.
    one = OnServer(server18, f"DROP ROLE IF EXISTS {role}")
    found, _ = await rehearsed(book, one)
    (again,) = way(found, "1").again
    assert again.words == f'1 does not go forward again: steps/1.sql:1: CREATE ROLE: role "{role}" already exists'
    assert [(s.state, s.rollback) for s in found.steps] == [("applied", "lossy"), ("applied", "proven")]
    assert not found.ok
    async with OnServer(server18) as place:
        await place.fresh()
        await _execute(place, f"DROP ROLE {role}")


async def _execute(place: OnServer, statement: str) -> None:
    from runbooks import execute

    execute((await place.fresh()).reveal(), statement)


async def test_the_gates_are_passed_and_no_command_is_run(tmp_path: Path, server18: EmbeddedServer) -> None:
    ran = tmp_path / "ran"
    more = f"""
[[checklist]]
id = "backup"
phase = "before"
title = "Backup"

[[checklist]]
id = "red"
phase = "before"
title = "No users"
sql = "SELECT * FROM users"
expect = {{ empty = true }}

[[checklist]]
id = "told"
phase = "during"
title = "Tell the world"
command = "touch {ran}"
step = "2"
"""
    found, _ = await rehearsed(write(tmp_path / "small", TWO, TWO_BACK, more=more), OnServer(server18, *USERS))
    assert found.ok
    assert not ran.exists()
    # And nothing of it is kept as if it had been a night.
    assert not list((state_root() / "runs").glob("*")) if (state_root() / "runs").exists() else True


async def test_outside_a_transaction_and_in_batches(tmp_path: Path, server: EmbeddedServer) -> None:
    steps = {
        "1": "CREATE INDEX CONCURRENTLY by_name ON users (name);",
        "2": "ALTER TABLE users ADD COLUMN phone text;",
        "3": "CREATE TEMPORARY TABLE batch AS SELECT id FROM users WHERE phone IS NULL;\n"
        "UPDATE users SET phone = '+' || users.id FROM batch WHERE users.id = batch.id;",
    }
    back = {
        "1": "DROP INDEX CONCURRENTLY by_name;",
        "2": "ALTER TABLE users DROP COLUMN phone;",
        "3": "UPDATE users SET phone = NULL;",
    }
    keys = {
        "1": "transaction = false",
        "3": 'batch = { table = "users", key = "id", where = "phone IS NULL", size = 30 }',
    }
    found, _ = await rehearsed(write(tmp_path / "small", steps, back, keys=keys), OnServer(server, *USERS))
    assert found.ok, found.ways_back
    (build,) = step(found, "1").statements
    assert build.watched
    assert "by_name on users" in build.index_builds
    assert build.scans == ("users",)
    assert step(found, "3").statements


async def test_it_can_be_stopped(tmp_path: Path, server18: EmbeddedServer) -> None:
    book = read(write(tmp_path / "small", {"1": "SELECT pg_sleep(60);"}, {"1": "SELECT 1;"}))
    place, begun = OnServer(server18, *USERS), asyncio.Event()

    def heard(event: e.Event, _: object) -> None:
        if isinstance(event, e.StatementStarted):
            begun.set()

    async with place:
        task = asyncio.create_task(Rehearsing(book, place, heard).go())
        await asyncio.wait_for(begun.wait(), 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_script_that_changed_makes_its_step_and_the_later_ones_stale(
    tmp_path: Path, server18: EmbeddedServer
) -> None:
    from tui.engine.proofs import keep

    root = write(tmp_path / "small", TWO, TWO_BACK)
    found, _ = await rehearsed(root, OnServer(server18, *USERS))
    keep(found)
    assert newest("small") == found
    assert [stale(read(root), proof) for proof in found.steps] == [(), ()]
    assert dict(scripts_of(read(root), read(root).step("2"))).keys() == {
        "steps/1.sql",
        "steps/2.sql",
        "rollback/1.sql",
        "rollback/2.sql",
    }
    (root / "rollback" / "2.sql").write_text("DROP TABLE logins CASCADE;")
    assert [stale(read(root), proof) for proof in found.steps] == [(), ("rollback/2.sql",)]
    (root / "steps" / "1.sql").write_text("SELECT 1;")
    assert [stale(read(root), proof) for proof in found.steps] == [
        ("steps/1.sql",),
        ("rollback/2.sql", "steps/1.sql"),
    ]


async def test_a_shared_rollback_that_loses_is_not_outdone_by_good_ones_of_their_own(
    tmp_path: Path, server18: EmbeddedServer
) -> None:
    more = '[[rollback]]\nid = "all"\ntitle = "All"\nundoes = ["1", "2"]\nsql = "rollback/all.sql"\n'
    files = {"rollback/all.sql": "DROP TABLE logins;"}
    found, _ = await rehearsed(
        write(tmp_path / "small", TWO, TWO_BACK, more=more, files=files), OnServer(server18, *USERS)
    )
    assert way(found, "2", "1").verdict == "proven"
    assert way(found, "2").verdict == "lossy"
    assert [s.rollback for s in found.steps] == ["proven", "lossy"]
    assert words(step(found, "2")) == words(way(found, "2"))
    assert not found.ok


async def test_a_password_in_what_differs_is_not_kept(tmp_path: Path, server18: EmbeddedServer) -> None:
    setup = (*USERS, "COMMENT ON TABLE users IS 'password=s3cret'")
    steps = {"1": "COMMENT ON TABLE users IS 'postgresql://app:s3cret@db1/app';"}
    back = {"1": "COMMENT ON TABLE users IS 'password=0ther';"}
    found, told = await rehearsed(write(tmp_path / "small", steps, back), OnServer(server18, *setup))
    assert way(found, "1").verdict == "lossy"
    assert "s3cret" not in repr(found)
    assert "0ther" not in repr(found)
    assert not [event for event in told if isinstance(event, e.WayBackTried) and "0ther" in repr(event)]


async def test_a_new_step_is_tried_the_first_time_also_behind_one_that_cannot_go_twice(
    tmp_path: Path, server18: EmbeddedServer
) -> None:
    role = f"rehearsed_{tmp_path.name[-8:].replace('-', '_')}"
    steps = {"1": f"CREATE ROLE {role};", "2": "CREATE TABLE t (id int);", "3": "CREATE TABLE u (id int);"}
    more = '[[rollback]]\nid = "both"\ntitle = "Both"\nundoes = ["1", "2"]\nsql = "rollback/both.sql"\n'
    files = {"rollback/both.sql": "DROP TABLE t;"}
    book = write(tmp_path / "small", steps, {"1": "SELECT 1;", "3": "DROP TABLE u;"}, more=more, files=files)
    found, _ = await rehearsed(book, OnServer(server18, f"DROP ROLE IF EXISTS {role}"))
    assert [s.state for s in found.steps] == ["applied", "applied", "applied"]
    assert all(s.statements for s in found.steps)
    assert way(found, "3", "2").verdict == "proven"
    assert not found.ok
    async with OnServer(server18) as place:
        await _execute(place, f"DROP ROLE {role}")


async def test_what_must_come_before_any_query_is_not_disturbed(tmp_path: Path, server: EmbeddedServer) -> None:
    steps = {
        "1": "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\nSET LOCAL work_mem = '8MB';\nCREATE TABLE t (id int);"
    }
    found, _ = await rehearsed(write(tmp_path / "small", steps, {"1": "DROP TABLE t;"}), OnServer(server))
    assert found.ok
    assert [m.tag for m in step(found, "1").statements] == ["SET", "SET LOCAL", "CREATE TABLE"]


async def test_what_nobody_may_read_is_a_limit_and_no_loss(tmp_path: Path, server18: EmbeddedServer) -> None:
    setup = (*USERS, "ALTER TABLE users ENABLE ROW LEVEL SECURITY", "ALTER TABLE users FORCE ROW LEVEL SECURITY")
    owner = f"owner_{tmp_path.name[-8:].replace('-', '_')}"

    class AsOwner(OnServer):
        async def fresh(self) -> Dsn:
            dsn = await super().fresh()
            return dsn.with_(user=owner)

    rights = (
        f"DO $$ BEGIN CREATE ROLE {owner} LOGIN; EXCEPTION WHEN duplicate_object THEN END $$",
        f"DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {owner}', current_database()); END $$",
        f"GRANT ALL ON SCHEMA public TO {owner}",
    )
    steps, back = {"1": "CREATE TABLE t (id int);"}, {"1": "DROP TABLE t;"}
    book = write(tmp_path / "small", steps, back)
    place = AsOwner(server18, *setup, *rights)
    found, _ = await rehearsed(book, place)
    assert found.ok, found.ways_back
    assert any("users" in limit for limit in found.limits)
    async with OnServer(server18) as other:
        await _execute(other, f"DROP ROLE {owner}")


async def test_an_error_at_the_end_is_not_the_last_statements(tmp_path: Path, server18: EmbeddedServer) -> None:
    steps = {
        "1": "CREATE TABLE a (id int REFERENCES users DEFERRABLE INITIALLY DEFERRED);\n"
        "INSERT INTO a VALUES (1000);\nSELECT 1;"
    }
    found, _ = await rehearsed(write(tmp_path / "small", steps, {"1": "DROP TABLE a;"}), OnServer(server18, *USERS))
    assert step(found, "1").error.startswith('steps/1.sql: COMMIT: insert or update on table "a" violates foreign key')
