"""A cleanup that waits two weeks and ends the way back: run, refused to be taken back, rehearsed."""

from pathlib import Path

import pytest
from rehearsals import OnServer, rehearsed, step
from runbooks import execute, opened, write

from tui.engine import unattended
from tui.engine.rollback import RollbackImpossible
from tui.engine.work import GateClosed
from tui.postgres.embedded import EmbeddedServer

STEPS = {
    "1": "CREATE TABLE users_new AS SELECT * FROM users;",
    "2": "ALTER TABLE users RENAME TO users_old;\nALTER TABLE users_new RENAME TO users;",
    "3": "DROP TABLE users_old;",
    "4": "COMMENT ON TABLE users IS 'moved';",
}
BACK = {
    "1": "DROP TABLE users_new;",
    "2": "ALTER TABLE users RENAME TO users_new;\nALTER TABLE users_old RENAME TO users;",
    "4": "COMMENT ON TABLE users IS NULL;",
}
KEYS = {"3": 'point_of_no_return = true\nnot_before = "14d"'}
MORE = """
[[verification]]
id = "same-rows"
title = "Nothing is lost"
sql = "SELECT count(*) FROM (TABLE users_old EXCEPT TABLE users) AS lost"
after = "end"
expect = { value = 0 }

[[verification]]
id = "renamed"
title = "The old table is kept"
sql = "SELECT count(*) FROM users_old"
after = "2"
expect = { value = 9 }

[[verification]]
id = "gone"
title = "users_old is gone"
sql = "SELECT to_regclass('users_old') IS NULL"
after = "3"
expect = { value = true }
"""
USERS = (
    "CREATE TABLE users (id int, name text)",
    "INSERT INTO users SELECT n, 'user ' || n FROM generate_series(1, 9) n",
)
FORTNIGHT = "UPDATE lockstep.act SET recorded_at = recorded_at - interval '15 days'"


async def test_it_waits_then_is_agreed_to_and_then_nothing_leads_back(tmp_path: Path, database: str) -> None:
    book = write(tmp_path / "small", STEPS, BACK, keys=KEYS, more=MORE)
    execute(database, *USERS)
    async with opened(book, database) as live:
        assert await unattended.run_to(live.run, None) == 0
        assert list(live.state.applied) == ["1", "2"]
        assert live.state.next_act().kind == "finished"
        assert all(v.result is not None and v.result.ok for v in live.state.due)
        assert live.run.plan_rollback(None).undoes == ("2", "1")

    execute(database, FORTNIGHT)
    async with opened(book, database) as live:
        with pytest.raises(GateClosed, match="there is no way back"):
            await unattended.run_to(live.run, None)
        assert list(live.state.applied) == ["1", "2"]
        assert await unattended.run_to(live.run, None, reason="two weeks without a complaint") == 0
        assert list(live.state.applied) == ["1", "2", "3", "4"]
        # What was compared before users_old went cannot be asked any more, and is not asked for.
        await live.run.verify()
        assert live.state.exit_code == 0
        assert live.run.plan_rollback("3").undoes == ("4",)
        with pytest.raises(RollbackImpossible, match="3 was a point of no return"):
            live.run.plan_rollback("1")
        with pytest.raises(RollbackImpossible, match="3 was a point of no return"):
            live.run.plan_rollback(None)


async def test_a_rehearsal_does_not_wait_and_tries_every_way_back_that_there_is(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    book = write(tmp_path / "small", STEPS, BACK, keys=KEYS, more=MORE)
    found, _ = await rehearsed(book, OnServer(server, *USERS))
    assert [(w.after, w.to, w.verdict) for w in found.ways_back] == [
        ("1", None, "proven"),
        ("2", "1", "proven"),
        ("2", None, "proven"),
        ("4", "3", "proven"),
    ]
    assert [(s.step, s.state, s.rollback, s.red) for s in found.steps] == [
        ("1", "applied", "proven", ()),
        ("2", "applied", "proven", ()),
        ("3", "applied", "missing", ()),
        ("4", "applied", "proven", ()),
    ]
    assert found.ok


async def test_its_verification_is_judged_in_rehearsal(tmp_path: Path, server: EmbeddedServer) -> None:
    steps = STEPS | {"3": "ALTER TABLE users_old RENAME TO users_older;"}
    more = MORE.replace("to_regclass('users_old') IS NULL", "to_regclass('users_older') IS NULL")
    found, _ = await rehearsed(write(tmp_path / "small", steps, BACK, keys=KEYS, more=more), OnServer(server, *USERS))
    assert step(found, "3").red == ("users_old is gone: expected t, found f",)
    assert not found.ok
