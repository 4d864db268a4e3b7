"""What a live run makes of a rehearsal, and how it proves its own way back."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rehearsals import OnServer, rehearsed
from runbooks import execute, opened, read, session, write

from tui.engine import events as e
from tui.engine.deadline import deadline
from tui.engine.proof import Loss, Rehearsal
from tui.engine.proofs import keep, stale
from tui.engine.sample import InTheWay
from tui.engine.work import GateClosed
from tui.postgres.embedded import EmbeddedServer
from tui.runbook.model import Runbook

USERS = (
    "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL)",
    "INSERT INTO users SELECT n, 'user ' || n FROM generate_series(1, 100) AS n",
    "ANALYZE users",
)
STEPS = {
    "1": "ALTER TABLE users ADD COLUMN phone text;",
    "2": "CREATE TABLE logins (user_id int REFERENCES users (id));\nINSERT INTO logins VALUES (1), (2), (3);",
}
BACK = {"1": "ALTER TABLE users DROP COLUMN phone;", "2": "DROP TABLE logins;"}


async def proven(root: Path, server: EmbeddedServer) -> Rehearsal:
    found, _ = await rehearsed(root, OnServer(server, *USERS))
    keep(found)
    return found


# The comparison after the way back


async def test_after_a_whole_rollback_the_database_is_said_to_be_identical(tmp_path: Path, database_each: str) -> None:
    execute(database_each, *USERS)
    async with opened(write(tmp_path / "small", STEPS, BACK), database_each) as live:
        assert await live.to_end() == 0
        before = live.last(e.FingerprintTaken)
        assert before.error == ""
        assert before.objects > 3
        await live.run.roll_back(live.run.plan_rollback(None))
        compared = live.last(e.FingerprintCompared)
        assert compared.identical
        assert compared.objects == before.objects
        assert live.state.compared == compared
        assert live.state.exit_code == 0


async def test_what_differs_after_it_is_named_and_no_success(tmp_path: Path, database: str) -> None:
    execute(database, *USERS)
    back = {**BACK, "1": "ALTER TABLE users DROP COLUMN phone;\nALTER TABLE users ALTER COLUMN name DROP NOT NULL;"}
    async with opened(write(tmp_path / "small", STEPS, back), database) as live:
        assert await live.to_end() == 0
        await live.run.roll_back(live.run.plan_rollback(None))
        assert live.state.rolled_back
        (difference,) = live.last(e.FingerprintCompared).differences
        assert "name" in difference.words
        assert "not null" in difference.words
        assert live.state.exit_code == 1


async def test_a_part_of_the_way_is_not_compared_with_the_start(tmp_path: Path, database: str) -> None:
    execute(database, *USERS)
    async with opened(write(tmp_path / "small", STEPS, BACK), database) as live:
        await live.to_end()
        await live.run.roll_back(live.run.plan_rollback("1"))
        assert live.all(e.FingerprintCompared) == []


async def test_another_console_compares_with_what_the_first_one_kept(tmp_path: Path, database: str) -> None:
    execute(database, *USERS)
    root = write(tmp_path / "small", STEPS, BACK)
    async with opened(root, database) as live:
        await live.to_end()
    async with opened(root, database, operator="dba2") as live:
        assert live.all(e.FingerprintTaken) == []
        assert live.state.before is not None
        await live.run.roll_back(live.run.plan_rollback(None))
        assert live.last(e.FingerprintCompared).identical


async def test_without_what_was_kept_nothing_is_called_identical(tmp_path: Path, database: str) -> None:
    execute(database, *USERS)
    async with opened(write(tmp_path / "small", STEPS, BACK), database) as live:
        await live.to_end()
        execute(database, "TRUNCATE lockstep.fingerprint")
        await live.run.roll_back(live.run.plan_rollback(None))
        compared = live.last(e.FingerprintCompared)
        assert not compared.identical
        assert compared.error == "no fingerprint was taken before the first step"


async def test_the_rows_are_compared_where_the_runbook_wants_it(tmp_path: Path, database: str) -> None:
    execute(database, *USERS)
    steps = {"1": "UPDATE users SET name = upper(name);"}
    back = {"1": "UPDATE users SET name = lower(name) WHERE id > 1;"}
    async with opened(write(tmp_path / "schema", steps, back), database) as live:
        await live.to_end()
        await live.run.roll_back(live.run.plan_rollback(None))
        assert live.last(e.FingerprintCompared).identical
    execute(database, "UPDATE users SET name = 'user ' || id")
    book = write(tmp_path / "rows", steps, back, head='proof = { data = "whole" }')
    async with opened(book, database) as live:
        await live.to_end()
        await live.run.roll_back(live.run.plan_rollback(None))
        (difference,) = live.last(e.FingerprintCompared).differences
        assert "name" in difference.words


# What would be lost


async def test_what_going_back_would_drop_is_counted_now_and_since(tmp_path: Path, database: str) -> None:
    execute(database, *USERS)
    async with opened(write(tmp_path / "small", STEPS, BACK), database) as live:
        await live.to_end()
        execute(database, "INSERT INTO logins VALUES (5), (6)", "UPDATE users SET phone = '+1' WHERE id < 4")
        assert await live.run.losses(live.run.plan_rollback(None)) == (
            Loss("users.phone", "values", 3, "1", 3),
            Loss("logins", "rows", 5, "2", 2),
        )
        # Going back to after 1 keeps what 1 has made.
        assert await live.run.losses(live.run.plan_rollback("1")) == (Loss("logins", "rows", 5, "2", 2),)


async def test_what_a_later_step_fills_is_its_own_and_nobodys_since(tmp_path: Path, database: str) -> None:
    execute(database, *USERS)
    steps = {
        "1": "CREATE TABLE profiles (id int, name text);",
        "2": "INSERT INTO profiles SELECT * FROM users;",
        "3": "DELETE FROM profiles WHERE id BETWEEN 91 AND 100;",
    }
    back = {"1": "DROP TABLE profiles;", "2": "DELETE FROM profiles WHERE name LIKE 'user%';", "3": "SELECT 1;"}
    async with opened(write(tmp_path / "small", steps, back), database) as live:
        while live.state.applied != ("1",):
            await live.run.go_on()
        execute(database, "INSERT INTO profiles VALUES (1000, 'new')")
        assert await live.to_end() == 0
        (lost,) = await live.run.losses(live.run.plan_rollback(None)) or ()
        # The steps have put 90 there, and an application that knows it already one, between two of them.
        assert lost == Loss("profiles", "rows", 91, "1", 1)
        execute(database, "INSERT INTO profiles VALUES (-1, 'newer')")
        # Taken back and run again its rows are counted anew.
        await live.run.roll_back(live.run.plan_rollback("1"))
        assert await live.to_end() == 0
        (again,) = await live.run.losses(live.run.plan_rollback(None)) or ()
        assert again == Loss("profiles", "rows", 92, "1", 2)


async def test_a_renamed_table_is_not_lost(tmp_path: Path, database: str) -> None:
    execute(database, *USERS)
    steps, back = {"1": "ALTER TABLE users RENAME TO people;"}, {"1": "ALTER TABLE people RENAME TO users;"}
    async with opened(write(tmp_path / "small", steps, back), database) as live:
        await live.to_end()
        execute(database, "INSERT INTO people VALUES (101, 'new')")
        assert await live.run.losses(live.run.plan_rollback(None)) == ()


async def test_what_is_locked_is_not_waited_for_long(tmp_path: Path, database: str) -> None:
    execute(database, *USERS)
    async with (
        opened(write(tmp_path / "small", STEPS, BACK), database) as live,
        session(database, autocommit=False) as other,
    ):
        await live.to_end()
        await other.execute("LOCK TABLE logins")
        lost = await asyncio.wait_for(live.run.losses(live.run.plan_rollback(None)), 5)
        assert lost is not None
        assert [(one.name, one.count) for one in lost] == [("logins", None)]


# The rehearsal's word


async def test_the_proof_is_read_at_the_opening_with_what_is_stale(tmp_path: Path, server18: EmbeddedServer) -> None:
    root = write(tmp_path / "small", STEPS, BACK)
    found = await proven(root, server18)
    place = OnServer(server18, *USERS)
    async with place:
        database = (await place.fresh()).reveal()
        async with opened(root, database) as live:
            assert live.last(e.ProofRead).rehearsal == found
            assert live.last(e.ProofRead).stale == ()
            plan = live.state.forecast
            assert plan is not None
            assert [one.source for one in plan.steps] == ["rehearsed", "rehearsed"]
            lock = plan.steps[0].locks[0]
            assert (lock.relation, lock.mode, lock.statement) == ("users", "AccessExclusiveLock", 1)
            assert lock.here is not None
            assert lock.there is not None
            assert (lock.here.rows, lock.there.rows) == (100, 100)
        (root / "steps" / "2.sql").write_text("CREATE TABLE logins (user_id int);")
        async with opened(root, database) as live:
            assert live.last(e.ProofRead).stale == ("2",)
            forecast = live.state.forecast
            assert forecast is not None
            assert [one.stale for one in forecast.steps] == [False, True]


async def test_without_a_rehearsal_the_rules_foretell(tmp_path: Path, database_each: str) -> None:
    execute(database_each, *USERS)
    async with opened(write(tmp_path / "small", STEPS, BACK), database_each) as live:
        assert live.state.proof is None
        forecast = live.state.forecast
        assert forecast is not None
        one_, two = forecast.steps
        assert (one_.source, two.source) == ("rules", "rules")
        assert [(lock.relation, lock.mode) for lock in one_.locks] == [("users", "AccessExclusiveLock")]
        assert [(lock.relation, lock.mode) for lock in two.locks if lock.relation == "users"] == [
            ("users", "ShareRowExclusiveLock")
        ]


async def test_the_plan_of_the_way_back_knows_how_it_was_rehearsed(tmp_path: Path, server18: EmbeddedServer) -> None:
    root = write(tmp_path / "small", STEPS, BACK)
    await proven(root, server18)
    place = OnServer(server18, *USERS)
    async with place, opened(root, (await place.fresh()).reveal()) as live:
        await live.to_end()
        plan = live.run.plan_rollback(None)
        assert plan.rehearsed is not None
        assert plan.rehearsed.verdict == "proven"
        assert not plan.stale
        assert plan.seconds is not None
        assert live.run.plan_rollback("1").rehearsed != plan.rehearsed
        known = deadline(live.state)
        assert known is not None
        assert known.at is not None
        assert known.after == "2"


async def test_who_holds_what_the_next_step_will_want_is_seen(
    tmp_path: Path, database: str, server18: EmbeddedServer
) -> None:
    execute(database, *USERS)
    steps = {"1": "ALTER TABLE users ALTER COLUMN id TYPE bigint;"}
    root = write(tmp_path / "small", steps, {"1": "ALTER TABLE users ALTER COLUMN id TYPE int;"})
    found_, _ = await rehearsed(root, OnServer(server18, *USERS))
    keep(found_)
    async with (
        opened(root, database) as live,
        session(database, name="billing_report", autocommit=False) as other,
    ):
        seen: asyncio.Queue[tuple[InTheWay, ...]] = asyncio.Queue()
        live.run.watch(lambda sample: seen.put_nowait(sample.in_the_way))
        # By the index as well: it is the table that is named.
        await other.execute("SET enable_seqscan = off")
        await other.execute("SELECT name FROM users WHERE id = 1")
        async with asyncio.timeout(10):
            while not (found := await seen.get()):
                pass
        (way,) = found
        assert (way.relation, way.wants, way.holds) == ("users", "AccessExclusiveLock", "AccessShareLock")
        assert way.pid == other.info.backend_pid
        assert way.session is not None
        assert way.session.application_name == "billing_report"
        await other.rollback()
        async with asyncio.timeout(10):
            while await seen.get():
                pass


# The last moment


def _slow(found: Rehearsal, seconds: float) -> Rehearsal:
    """As if the ways back had taken so long."""
    ways = tuple(replace(way, seconds=seconds) for way in found.ways_back)
    return replace(found, at=found.at + timedelta(seconds=1), ways_back=ways)


async def test_a_step_that_would_cross_the_last_moment_asks_first(tmp_path: Path, server18: EmbeddedServer) -> None:
    root = write(tmp_path / "small", STEPS, BACK)
    # The window is 10 minutes: going back takes nine, and a margin of half of that besides.
    keep(_slow(await proven(root, server18), 540.0))
    place = OnServer(server18, *USERS)
    async with place, opened(root, (await place.fresh()).reveal()) as live:
        with pytest.raises(GateClosed, match=r"1 would end at .* going back must begin by "):
            await live.to_end()
        assert not live.all(e.ScriptStarted)
        assert live.last(e.DeadlineCrossed).step == "1"
        await live.run.override(live.state.next_act().gate_ids, "the window will be longer")
        await live.run.go_on()
        assert [event.script for event in live.all(e.ScriptDone)] == ["1"]
        # The next one asks for itself.
        with pytest.raises(GateClosed, match="2 would end at"):
            await live.run.go_on()


async def test_a_colleague_on_another_machine_knows_the_proof(
    tmp_path: Path, server18: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(tmp_path / "small", STEPS, BACK)
    found = await proven(root, server18)
    place = OnServer(server18, *USERS)
    async with place:
        database = (await place.fresh()).reveal()
        async with opened(root, database) as live:
            await live.to_end("1")
        monkeypatch.setenv("LOCKSTEP_STATE", str(tmp_path / "elsewhere"))
        async with opened(root, database, operator="dba2") as live:
            assert live.state.proof is not None
            assert live.state.proof.rehearsal == found
            assert live.state.before is not None
            assert live.state.made[-1].step == "1"


def test_what_the_runbook_says_of_proof(tmp_path: Path) -> None:
    def proof(head: str) -> Runbook:
        return read(write(tmp_path / "small", {"1": "SELECT 1;"}, {"1": "SELECT 1;"}, head=head))

    assert proof("").proof.data == "none"
    assert proof('proof = { data = "sampled", whole_up_to = 5 }').proof.whole_up_to == 5
    with pytest.raises(AssertionError, match="data"):
        proof('proof = { data = "all" }')
    with pytest.raises(AssertionError, match="whole_up_to"):
        proof("proof = { whole_upto = 5 }")


# A comparison that was not made is not forgotten

LOSES = {**BACK, "1": "ALTER TABLE users DROP COLUMN phone;\nALTER TABLE users ALTER COLUMN name DROP NOT NULL;"}
KEEP_OUT = "LOCK TABLE users IN ACCESS EXCLUSIVE MODE"


async def test_a_way_back_that_was_not_compared_is_not_finished(tmp_path: Path, database: str) -> None:
    execute(database, *USERS, "CREATE VIEW names AS SELECT name FROM users")
    root = write(tmp_path / "small", STEPS, LOSES)
    async with opened(root, database) as live:
        await live.to_end()
        # As if the console had ended between the last script and the comparison.
        await live.run.record(e.RollbackPlanned(e.now(), "dba1", ("2", "1"), ("2", "1"), None))
        plan = live.run.plan_rollback(None)
        assert await live.run._work.take_back(plan)
    async with opened(root, database) as live:
        assert live.state.uncompared
        assert live.state.exit_code == 1
        assert live.state.next_act().kind == "run_verifications"
    async with opened(root, database) as live:
        # Asked for by itself, or by going on.
        await live.run.verify()
        assert [found.words for found in live.last(e.FingerprintCompared).differences]
        assert live.state.next_act().kind == "finished"
        assert live.state.exit_code == 1


async def test_a_second_try_does_not_hide_what_the_first_one_lost(tmp_path: Path, database: str) -> None:
    execute(database, *USERS)
    root = write(tmp_path / "small", STEPS, LOSES)
    async with opened(root, database) as live:
        await live.to_end()
        await live.run.roll_back(live.run.plan_rollback(None))
        assert len(live.last(e.FingerprintCompared).differences) == 1
    async with opened(root, database) as live:
        await live.to_end()
        await live.run.roll_back(live.run.plan_rollback(None))
        compared = live.last(e.FingerprintCompared)
        assert compared.identical
        assert compared.earlier_at is not None
        assert [found.words for found in compared.earlier] == ["column public.users.name: not null is gone"]
        assert live.state.exit_code == 1
    # Somebody has put it back, and the way back is a better one now: the night is as it was.
    execute(database, "ALTER TABLE users ALTER COLUMN name SET NOT NULL")
    (root / "rollback" / "1.sql").write_text(BACK["1"])
    async with opened(root, database) as live:
        await live.to_end()
        await live.run.roll_back(live.run.plan_rollback(None))
        compared = live.last(e.FingerprintCompared)
        assert (compared.identical, compared.earlier) == (True, ())
        assert live.state.exit_code == 0


async def test_a_first_step_waits_until_what_was_before_is_kept(tmp_path: Path, database: str) -> None:
    execute(database, *USERS, "CREATE VIEW names AS SELECT name FROM users")
    steps, back = {"1": "CREATE TABLE other (id int);"}, {"1": "DROP TABLE other;"}
    async with (
        opened(write(tmp_path / "small", steps, back), database) as live,
        session(database, autocommit=False) as other,
    ):
        await other.execute(KEEP_OUT)
        with pytest.raises(GateClosed, match="how the database is now could not be kept"):
            await live.to_end()
        assert not live.all(e.ScriptStarted)
        assert live.state.looking is None
        await other.rollback()
        # Nobody is in the way any more: going on looks again.
        await live.run.go_on()
        assert live.last(e.FingerprintTaken).error == ""
        assert live.state.applied == ("1",)


async def test_a_first_step_goes_on_without_it_for_a_reason(tmp_path: Path, database: str) -> None:
    execute(database, *USERS, "CREATE VIEW names AS SELECT name FROM users")
    steps, back = {"1": "CREATE TABLE other (id int);"}, {"1": "DROP TABLE other;"}
    async with (
        opened(write(tmp_path / "small", steps, back), database) as live,
        session(database, autocommit=False) as other,
    ):
        await other.execute(KEEP_OUT)
        with pytest.raises(GateClosed):
            await live.to_end()
        await live.run.override(live.state.next_act().gate_ids, "it is a new table only")
        await live.run.go_on()
        assert live.state.applied == ("1",)
        await live.run.roll_back(live.run.plan_rollback(None))
        assert not live.state.uncompared
        assert live.state.compared is None


async def test_a_ledger_without_its_newest_table_is_a_ledger(tmp_path: Path, database: str) -> None:
    execute(database, *USERS)
    root = write(tmp_path / "small", STEPS, BACK)
    async with opened(root, database) as live:
        await live.to_end("1")
    execute(database, "DROP TABLE lockstep.fingerprint")
    async with opened(root, database) as live:
        assert live.state.applied == ("1",)
        await live.to_end()
        assert [done.script for done in live.all(e.ScriptDone)] == ["2"]


async def test_what_is_recorded_meanwhile_does_not_disturb_the_count(tmp_path: Path, database: str) -> None:
    execute(database, *USERS)
    async with opened(write(tmp_path / "small", STEPS, BACK), database) as live:
        await live.to_end()
        plan = live.run.plan_rollback(None)
        found, *_ = await asyncio.gather(
            live.run.losses(plan), *(live.run.override((f"x{n}",), "a reason") for n in range(20))
        )
        assert found == (Loss("logins", "rows", 3, "2", 0),)


async def test_a_late_gate_goes_with_its_reason(tmp_path: Path, server18: EmbeddedServer) -> None:
    root = write(tmp_path / "small", STEPS, BACK)
    found = await proven(root, server18)
    slow = _slow(found, 540.0)
    keep(slow)
    place = OnServer(server18, *USERS)
    async with place:
        database = (await place.fresh()).reveal()
        async with opened(root, database) as live:
            with pytest.raises(GateClosed, match="1 would end"):
                await live.to_end()
        # Another rehearsal was faster.
        keep(replace(found, at=slow.at + timedelta(seconds=1)))
        async with opened(root, database) as live:
            await live.to_end("1")
            assert live.state.applied == ("1",)


async def test_how_a_script_runs_counts_as_well_as_its_text(tmp_path: Path, server18: EmbeddedServer) -> None:
    root = write(tmp_path / "small", STEPS, BACK)
    found = await proven(root, server18)
    write(tmp_path / "small", STEPS, BACK, keys={"2": "transaction = false"})
    assert [stale(read(root), proof) for proof in found.steps] == [(), ("rollback/2.sql", "steps/2.sql")]


async def test_a_line_above_inline_sql_makes_nothing_stale(tmp_path: Path, server18: EmbeddedServer) -> None:
    root = tmp_path / "small"
    head = 'name = "small"\nwindow = "10min"\n'
    step = '[[step]]\nid = "1"\ntitle = "One"\nsql = "CREATE TABLE t (id int)"\nrollback = "DROP TABLE t"\n'
    root.mkdir()
    (root / "runbook.toml").write_text(head + step)
    found = await proven(root, server18)
    (root / "runbook.toml").write_text(head + "# a word\n" + step)
    assert stale(read(root), found.steps[0]) == ()
    (root / "runbook.toml").write_text(head + step.replace("id int", "id bigint"))
    assert stale(read(root), found.steps[0]) == ("step 1",)
