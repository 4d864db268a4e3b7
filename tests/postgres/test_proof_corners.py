"""Corners of the proof: texts that only look like expressions, partitions, what cannot be compared, spoilt ground."""

import asyncio
from pathlib import Path

import pytest
from rehearsals import OnServer, rehearsed, step, way
from runbooks import execute, opened, write

from tui.engine import before, deadline, proofs
from tui.engine import events as e
from tui.engine.before import told_apart
from tui.engine.difference_words import fact_words
from tui.engine.narrate import narrate
from tui.headless import way_in_words
from tui.postgres import fingerprint
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.fingerprint import CatalogObject, Fingerprint
from tui.postgres.session import Dsn, PgSession

TEXT = "CREATE FUNCTION f(a bool, b bool, c bool, d bool) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RETURN {}; END $$"


async def look(dsn: str) -> Fingerprint:
    async with await PgSession.open(Dsn(dsn), application_name="tests") as session:
        return await fingerprint.take(session)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        # AND binds more tightly than OR: this is another function.
        (TEXT.format("((a OR b AND c) AND d)"), TEXT.format("(a OR b AND c AND d)")),
        (TEXT.format("((a AND b) AND c) AND d"), TEXT.format("(a AND b AND c) AND d")),
        ("COMMENT ON TABLE t IS 'see ((x OR y AND z) AND w)'", "COMMENT ON TABLE t IS 'see (x OR y AND z AND w)'"),
    ],
)
async def test_what_somebody_wrote_is_compared_to_the_letter(database: str, was: str, now: str) -> None:
    execute(database, "CREATE TABLE t (id int)", was)
    first = await look(database)
    execute(database, now.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    differences, _ = told_apart(first, await look(database))
    assert len(differences) == 1


async def test_a_setting_of_the_applications_is_told_and_its_value_is_not(database: str) -> None:
    name = database.rpartition("/")[2].partition("?")[0]
    execute(database, f"ALTER DATABASE {name} SET app.jwt_secret = 'old-s3cret'")
    first = await look(database)
    execute(database, f"ALTER DATABASE {name} SET app.jwt_secret = 'new-s3cret'")
    now = await look(database)
    assert "s3cret" not in first.text()
    assert [one.words for one in told_apart(first, now)[0]] == ["setting app.jwt_secret on the database: value changed"]


async def test_what_goes_with_an_extension_is_seen(database: str) -> None:
    execute(database, "CREATE TABLE t (id int PRIMARY KEY)", "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1")
    first = await look(database)
    execute(
        database, "ALTER FUNCTION f() DEPENDS ON EXTENSION plpgsql", "ALTER INDEX t_pkey DEPENDS ON EXTENSION plpgsql"
    )
    assert [one.words for one in told_apart(first, await look(database))[0]] == [
        "dependency function public.f() on extension plpgsql is new",
        "dependency index public.t_pkey on extension plpgsql is new",
    ]


def test_a_password_is_masked_before_it_is_cut() -> None:
    one = CatalogObject("function", "f()", "", ())
    bodies = [f"{'x' * 50} password=abcdefghijklmnopqrstuvwxyz0123456789{n} connect_timeout=1 {'y' * 40}" for n in "12"]
    told = " ".join(words for _, words in fact_words(one, "body", *bodies))
    assert "0123456789" not in told


async def test_rows_in_a_new_partition_of_an_old_table_would_be_lost(tmp_path: Path, database: str) -> None:
    steps = {"1": "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (1000) TO (2000);"}
    back = {"1": "DROP TABLE p2;"}
    parts = (
        "CREATE TABLE p (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000)",
        "INSERT INTO p SELECT generate_series(0, 999)",
    )
    execute(database, *parts)
    async with opened(write(tmp_path / "small", steps, back), database) as live:
        await live.to_end()
        execute(database, "INSERT INTO p SELECT generate_series(1000, 1499)")
        lost = await live.run.losses(live.run.plan_rollback(None))
        assert lost is not None
        assert [(one.name, one.count, one.since) for one in lost] == [("p2", 500, 500)]


async def test_a_large_table_keeps_nobody_from_counting_the_small_ones(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(before, "_COUNTED_UP_TO", 20_000)
    steps = {
        "1": "CREATE TABLE big AS SELECT n, repeat('x', 50) FROM generate_series(1, 1000) AS n;",
        "2": "CREATE TABLE small AS SELECT n FROM generate_series(1, 2) AS n;",
    }
    async with opened(
        write(tmp_path / "small", steps, {"1": "DROP TABLE big;", "2": "DROP TABLE small;"}), database
    ) as live:
        await live.to_end()
        lost = await live.run.losses(live.run.plan_rollback(None))
        assert lost is not None
        assert [(one.name, one.count) for one in lost] == [("big", None), ("small", 2)]


async def test_a_partitioned_table_is_as_large_as_its_partitions(database: str) -> None:
    execute(
        database,
        "CREATE TABLE p (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000) PARTITION BY RANGE (id)",
        "CREATE TABLE p11 PARTITION OF p1 FOR VALUES FROM (0) TO (1000)",
        "INSERT INTO p SELECT generate_series(0, 999)",
        "ANALYZE p",
    )
    async with await PgSession.open(Dsn(database), application_name="tests") as session:
        sizes = {one.table: (one.bytes, one.rows) for one in await proofs.sizes(session)}
    assert sizes["p11"][0] > 0
    assert sizes["p"] == sizes["p1"] == sizes["p11"] == (sizes["p11"][0], 1000)


ONE = {"1": "CREATE TABLE made (id int);"}
ONE_BACK = {"1": "DROP TABLE made;"}


async def test_what_can_never_be_compared_does_not_keep_the_run_open(tmp_path: Path, database: str) -> None:
    book = write(tmp_path / "small", ONE, ONE_BACK)
    async with opened(book, database) as live:
        await live.to_end()
        execute(database, "UPDATE lockstep.fingerprint SET body = replace(body, 'fingerprint 1', 'fingerprint 0')")
        await live.run.roll_back(live.run.plan_rollback(None))
        assert "not a fingerprint of this version" in live.last(e.FingerprintCompared).error
        assert live.state.next_act().kind == "finished"
        assert live.state.exit_code == 1
    async with opened(book, database) as live:
        assert await live.to_end() == 0
        assert live.state.applied == ("1",)


async def test_a_comparison_that_fails_now_is_not_asked_for_without_end(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(write(tmp_path / "small", ONE, ONE_BACK), database) as live:
        await live.to_end()
        with monkeypatch.context() as broken:

            async def cancelled(session: PgSession, *_: object) -> Fingerprint:
                await session.execute("SELECT 1 / 0")
                raise AssertionError

            broken.setattr(before, "take", cancelled)
            await live.run.roll_back(live.run.plan_rollback(None))
            assert await asyncio.wait_for(live.to_end(), 10) == 1
            assert live.state.uncompared
        assert await live.to_end() == 0
        assert live.last(e.FingerprintCompared).identical


async def test_what_a_dba_mends_between_two_tries_is_no_loss_of_an_earlier_one(tmp_path: Path, database: str) -> None:
    execute(database, "CREATE TABLE users (id int)")
    steps = {"1": "ALTER TABLE users ADD UNIQUE (mail);"}
    back = {"1": "ALTER TABLE users DROP CONSTRAINT users_mail_key;"}
    async with opened(write(tmp_path / "small", steps, back), database) as live:
        assert await live.to_end() == 1
        execute(database, "ALTER TABLE users ADD COLUMN mail text")
        assert await live.to_end() == 0
        await live.run.roll_back(live.run.plan_rollback(None))
        assert live.last(e.FingerprintCompared).identical
        assert live.state.exit_code == 0


async def test_who_writes_into_the_ledger_does_not_drive_the_terminal(tmp_path: Path, database: str) -> None:
    async with opened(write(tmp_path / "small", ONE, ONE_BACK), database) as live:
        await live.to_end()
        execute(database, "UPDATE lockstep.fingerprint SET body = body || E'table \\x1b]0;owned\\x07evil\\n'")
        await live.run.roll_back(live.run.plan_rollback(None))
        assert "\x1b" not in repr(live.last(e.FingerprintCompared)).replace("\\x1b", "\x1b")


async def test_a_step_is_judged_on_clean_ground(tmp_path: Path, server18: EmbeddedServer) -> None:
    steps = {
        "1": "INSERT INTO t SELECT generate_series(1, nextval('s')::int);",
        "2": "ALTER TABLE t ADD CONSTRAINT few CHECK (id < 2);",
    }
    back = {"1": "DELETE FROM t;", "2": "ALTER TABLE t DROP CONSTRAINT few;"}
    place = OnServer(server18, "CREATE SEQUENCE s", "CREATE TABLE t (id int)")
    found, _ = await rehearsed(write(tmp_path / "small", steps, back), place)
    # One row the first time, two the second: the first step leaves something behind, the other is as good as it was.
    assert way(found, "1").again
    assert (step(found, "1").rollback, step(found, "2").state, step(found, "2").rollback) == (
        "lossy",
        "applied",
        "proven",
    )


async def test_values_that_are_made_anew_are_no_loss_of_the_next_step(tmp_path: Path, server18: EmbeddedServer) -> None:
    steps = {
        "1": "CREATE TABLE t AS SELECT clock_timestamp() AS at, gen_random_uuid() AS id;",
        "2": "CREATE TABLE u (id int);",
        "3": "CREATE TABLE v (id int);",
    }
    back = {"1": "DROP TABLE t;", "2": "DROP TABLE u;", "3": "DROP TABLE v;"}
    found, _ = await rehearsed(write(tmp_path / "small", steps, back), OnServer(server18))
    assert [one.rollback for one in found.steps] == ["proven", "proven", "proven"]
    assert found.ok
    # Nor where the way back before was a bad one, and a fresh copy was made.
    found, _ = await rehearsed(write(tmp_path / "bad", steps, back | {"2": "SELECT 1 / 0;"}), OnServer(server18))
    assert (way(found, "3", "2").verdict, way(found, "3", "2").differences) == ("proven", ())


async def test_no_copy_is_made_that_nobody_needs(tmp_path: Path, server18: EmbeddedServer) -> None:
    steps = {name: f"CREATE TABLE t{name} (id int);" for name in "123"}
    place = OnServer(server18)
    await rehearsed(write(tmp_path / "missing", steps, {}), place)
    assert place.made == 1
    place = OnServer(server18)
    await rehearsed(write(tmp_path / "failing", steps, dict.fromkeys(steps, "SELECT 1 / 0;")), place)
    assert place.made == 5


async def test_a_large_schema_costs_a_statement_nothing(tmp_path: Path, server18: EmbeddedServer) -> None:
    tables = "DO $$ BEGIN FOR n IN 1..300 LOOP EXECUTE 'CREATE TABLE many_' || n || ' (id int)'; END LOOP; END $$"
    inserts = "\n".join(f"INSERT INTO many_1 VALUES ({n});" for n in range(50))
    moved = "ALTER TABLE many_2 ALTER COLUMN id TYPE bigint;\nUPDATE many_3 SET id = 1;\nCREATE INDEX ON many_2 (id);"
    steps = {"1": f"{inserts}\n{moved}"}
    back = {"1": "DELETE FROM many_1;\nDROP INDEX many_2_id_idx;\nALTER TABLE many_2 ALTER COLUMN id TYPE int;"}
    found, told = await rehearsed(write(tmp_path / "small", steps, back), OnServer(server18, tables))
    measures = step(found, "1").statements
    assert [m.index for m in measures if m.rewrites] == [51]
    assert [m.index for m in measures if m.scans] == [51, 52, 53]
    assert [m.index for m in measures if m.locks] == [1, 51, 52]
    took = next(event.seconds for event in told if isinstance(event, e.ScriptDone))
    asked = sum(m.seconds for m in measures)
    # What the looking took is no part of the step.
    assert took < asked + 0.5


async def test_statement_by_statement_each_is_measured_by_itself(tmp_path: Path, server18: EmbeddedServer) -> None:
    steps = {"1": "ALTER TABLE a ALTER COLUMN id TYPE bigint;\nINSERT INTO b VALUES (1);\nUPDATE b SET id = 2;"}
    back = {"1": "DELETE FROM b;\nALTER TABLE a ALTER COLUMN id TYPE int;"}
    place = OnServer(server18, "CREATE TABLE a (id int)", "CREATE TABLE b (id int)")
    book = write(tmp_path / "small", steps, back, keys={"1": "transaction = false"})
    measures = step((await rehearsed(book, place))[0], "1").statements
    assert [m.rewrites for m in measures] == [("a",), (), ()]
    assert [[(lock.relation, lock.mode) for lock in m.locks] for m in measures] == [
        [("a", "AccessExclusiveLock")],
        [("b", "RowExclusiveLock")],
        [("b", "RowExclusiveLock")],
    ]


async def test_what_probes_have_read_is_no_scan_of_the_step(tmp_path: Path, server18: EmbeddedServer) -> None:
    more = """
[[verification]]
id = "v"
title = "As many as before"
sql = "SELECT count(*) FROM t"
after = "1"
expect = { same_as_before = true }
"""
    steps = {"1": "CREATE TABLE u (id int);\nALTER TABLE t ADD COLUMN x int;", "2": "ALTER TABLE t ADD COLUMN y int;"}
    back = {"1": "ALTER TABLE t DROP COLUMN x;\nDROP TABLE u;", "2": "ALTER TABLE t DROP COLUMN y;"}
    place = OnServer(server18, "CREATE TABLE t (id int)", "INSERT INTO t SELECT generate_series(1, 50)")
    found, _ = await rehearsed(write(tmp_path / "small", steps, back, more=more), place)
    assert [measure.scans for one in found.steps for measure in one.statements] == [(), (), ()]


async def test_indexes_are_known_also_where_a_script_wants_to_hear_warnings_alone(
    tmp_path: Path, server18: EmbeddedServer
) -> None:
    steps = {"1": "SET client_min_messages = warning;\nCREATE INDEX by_id ON t (id);"}
    found, _ = await rehearsed(
        write(tmp_path / "small", steps, {"1": "DROP INDEX by_id;"}), OnServer(server18, "CREATE TABLE t (id int)")
    )
    assert step(found, "1").statements[1].index_builds == ("by_id on t",)


async def test_without_statistics_here_nobody_knows_by_when_to_go_back(
    tmp_path: Path, server18: EmbeddedServer
) -> None:
    steps = {"1": "UPDATE users SET id = -id;"}
    book = write(tmp_path / "small", steps, {"1": "UPDATE users SET id = -id;"})
    users = "CREATE TABLE users WITH (autovacuum_enabled = off) AS SELECT n AS id FROM generate_series(1, {}) AS n"
    found, _ = await rehearsed(book, OnServer(server18, users.format(1), "ANALYZE users"))
    proofs.keep(found)
    dsn = server18.create_database("unanalyzed")
    execute(dsn, users.format(20_000))
    async with opened(book, dsn) as live:
        await live.to_end()
        limit = deadline.deadline(live.state)
        assert limit is not None
        assert (limit.at, limit.unknown) == (None, "users has no statistics here: ANALYZE it")
    server18.drop_database("unanalyzed")


async def test_what_others_read_of_a_rehearsal_quotes_no_rows(tmp_path: Path, server18: EmbeddedServer) -> None:
    more = """
[[verification]]
id = "who"
title = "Nobody at the clinic"
sql = "SELECT mail FROM t"
after = "1"
expect = { value = "x" }
"""
    steps = {"1": "SELECT 1;", "2": "INSERT INTO t VALUES ('bob@clinic.example');"}
    place = OnServer(server18, "CREATE TABLE t (mail text UNIQUE)", "INSERT INTO t VALUES ('bob@clinic.example')")
    found, _ = await rehearsed(write(tmp_path / "small", steps, {"1": "SELECT 1;"}, more=more), place)
    assert "bob@clinic.example" in step(found, "2").error
    assert "bob@clinic.example" in step(found, "1").red[0]
    shared = proofs.for_others(found)
    assert "bob" not in repr(shared)
    assert step(shared, "2").error == "steps/2.sql:1: INSERT"
    assert step(shared, "1").red == ("Nobody at the clinic",)


KEEPS = {"1": "CREATE TABLE dev.people (id int, mail text);"}
KEEPS_BACK = {
    "1": "CREATE TABLE dev.people_kept AS SELECT * FROM dev.people WHERE id > 0;\n"
    "DELETE FROM dev.people_kept WHERE mail IS NULL;\nDROP TABLE dev.people;"
}
SAID = 'proof = { carries = ["dev.people"], leaves = ["dev.people_kept"] }'


async def test_what_a_way_back_carries_and_leaves_on_purpose_is_told_as_that(tmp_path: Path, database: str) -> None:
    execute(database, "CREATE SCHEMA dev")
    async with opened(write(tmp_path / "small", KEEPS, KEEPS_BACK, head=SAID), database) as live:
        await live.to_end()
        execute(database, "INSERT INTO dev.people VALUES (1, 'a@b.example')")
        plan = live.run.plan_rollback(None)
        lost = await live.run.losses(plan)
        assert [(one.name, one.count, one.carried) for one in lost or ()] == [("dev.people", 1, True)]
        assert [line for line in way_in_words(plan, lost) if "dev.people" in line] == [
            "  carried back by the script, as the runbook says: dev.people: 1 rows, 1 of them since 1 was applied"
        ]
        await live.run.roll_back(plan)
        compared = live.last(e.FingerprintCompared)
        assert (compared.identical, compared.left) == (True, ("table dev.people_kept is new (with 2 columns)",))
        assert "left on purpose: table dev.people_kept is new" in (narrate(compared, live.state) or "")
        assert live.state.exit_code == 0


async def test_what_it_leaves_without_saying_so_is_a_difference(tmp_path: Path, server18: EmbeddedServer) -> None:
    quiet, _ = await rehearsed(write(tmp_path / "a", KEEPS, KEEPS_BACK), OnServer(server18, "CREATE SCHEMA dev"))
    assert step(quiet, "1").rollback == "lossy"
    book = write(tmp_path / "b", KEEPS, KEEPS_BACK, head=SAID)
    said, _ = await rehearsed(book, OnServer(server18, "CREATE SCHEMA dev"))
    assert step(said, "1").rollback == "proven"
