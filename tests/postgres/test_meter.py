"""What a rehearsal measures of each statement: locks, rewrites, scans, index builds, WAL."""

from pathlib import Path

import pytest
from runbooks import Live, execute, read, write

from tui.engine import events as e
from tui.engine.proof import Measure, TakenLock
from tui.engine.run import Run
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.session import Dsn

OPTIONS = "-c client_min_messages=debug1"
SETUP = (
    "CREATE SCHEMA dev",
    "CREATE TABLE dev.users (id int PRIMARY KEY, name text, born date)",
    "CREATE INDEX by_name ON dev.users (name)",
    "CREATE TABLE tasks (id int PRIMARY KEY, user_id int)",
    "INSERT INTO dev.users SELECT n, 'user ' || n FROM generate_series(1, 500) AS n",
    "INSERT INTO tasks SELECT n, n FROM generate_series(1, 500) AS n",
)
AE, SRE, S, RE, AS = (
    f"{mode}Lock" for mode in ("AccessExclusive", "ShareRowExclusive", "Share", "RowExclusive", "AccessShare")
)


async def measured(tmp_path: Path, dsn: str, *statements: str, keys: str = "") -> list[Measure]:
    execute(dsn, *SETUP)
    book = read(write(tmp_path / "small", {"1": "\n".join(f"{one};" for one in statements)}, keys={"1": keys}))
    live = Live(Run(book, Dsn(dsn, options=OPTIONS), operator_name="dba1", rehearsal=True))
    await live.run.open()
    try:
        assert await live.to_end() == 0
    finally:
        await live.run.close("done", 0)
    assert [event.direction for event in live.all(e.StatementMeasured)] == ["forward"] * len(statements)
    assert not [notice for notice in live.all(e.NoticeRaised) if notice.severity.startswith("DEBUG")]
    return [event.measure for event in live.all(e.StatementMeasured)]


def locks(measure: Measure) -> dict[str, str]:
    return {lock.relation: lock.mode for lock in measure.locks}


CASES: list[tuple[str, dict[str, str], tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = [
    ("ALTER TABLE dev.users ADD COLUMN x int", {"dev.users": AE}, (), (), ()),
    (
        "ALTER TABLE dev.users ALTER COLUMN id TYPE bigint",
        {"dev.users": AE},
        ("dev.users",),
        ("dev.users",),
        ("by_name on users", "users_pkey on users"),
    ),
    ("ALTER TABLE tasks ALTER COLUMN user_id SET NOT NULL", {"tasks": AE}, (), ("tasks",), ()),
    ("CREATE INDEX by_user ON tasks (user_id)", {"tasks": S}, (), ("tasks",), ("by_user on tasks",)),
    (
        "ALTER TABLE tasks ADD FOREIGN KEY (user_id) REFERENCES dev.users (id)",
        {"tasks": SRE, "dev.users": SRE},
        (),
        ("dev.users", "tasks"),
        (),
    ),
    ("ALTER TABLE dev.users RENAME TO people", {"dev.users": AE}, (), (), ()),
    ("UPDATE tasks SET user_id = user_id + 1", {"tasks": RE}, (), ("tasks",), ()),
    ("SELECT * FROM tasks WHERE id = 1", {"tasks": AS}, (), (), ()),
    ("TRUNCATE tasks", {"tasks": AE}, (), (), ("tasks_pkey on tasks",)),
    ("CREATE TABLE other (id int PRIMARY KEY)", {}, (), (), ("other_pkey on other",)),
]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
async def test_what_a_statement_does(
    case: tuple[str, dict[str, str], tuple[str, ...], tuple[str, ...], tuple[str, ...]],
    tmp_path: Path,
    database_each: str,
) -> None:
    statement, held, rewrites, scans, builds = case
    (measure,) = await measured(tmp_path, database_each, statement)
    assert {name: mode for name, mode in locks(measure).items() if name in ("dev.users", "tasks")} == held
    assert measure.rewrites == rewrites
    assert measure.scans == scans
    assert tuple(sorted(measure.index_builds)) == builds
    assert (measure.index, measure.line, measure.watched) == (1, 1, False)
    assert measure.seconds > 0
    assert measure.wal >= 0


async def test_a_lock_is_told_once_unless_a_stronger_one_follows(tmp_path: Path, database_each: str) -> None:
    first, second, third, fourth = await measured(
        tmp_path,
        database_each,
        "SELECT count(*) FROM tasks",
        "UPDATE tasks SET user_id = 1",
        "SELECT count(*) FROM tasks",
        "ALTER TABLE tasks ADD COLUMN x int",
    )
    assert [locks(one).get("tasks") for one in (first, second, third, fourth)] == [AS, RE, None, AE]
    assert second.wal > 500 * 50


async def test_relations_have_the_names_of_before_the_script(tmp_path: Path, database_each: str) -> None:
    _, second, third = await measured(
        tmp_path,
        database_each,
        "ALTER TABLE tasks RENAME TO jobs",
        "ALTER TABLE jobs ALTER COLUMN user_id TYPE bigint",
        "CREATE TABLE tasks (id int)",
    )
    assert second.rewrites == ("tasks",)
    assert third.locks == ()


async def test_a_notice_of_the_server_is_kept_and_its_debug_messages_are_not(
    tmp_path: Path, database_each: str
) -> None:
    (measure,) = await measured(tmp_path, database_each, "DROP TABLE IF EXISTS nothing")
    assert measure.notices == ('table "nothing" does not exist, skipping',)


async def test_outside_a_transaction_the_locks_are_looked_for_from_beside(
    tmp_path: Path, server: EmbeddedServer, database_each: str
) -> None:
    keys = 'transaction = false\nsafety = { max_blocked_for = "20s" }'
    one, two, three = await measured(
        tmp_path,
        database_each,
        "CREATE INDEX CONCURRENTLY by_user ON tasks (user_id)",
        "ALTER TABLE tasks ADD COLUMN x int",
        "VACUUM (FULL) tasks",
        keys=keys,
    )
    assert [m.watched for m in (one, two, three)] == [True, False, True]
    assert "by_user on tasks" in one.index_builds
    assert one.scans == ("tasks",)
    assert locks(two) == {"tasks": AE}
    assert three.rewrites == ("tasks",)
    assert set(one.locks) <= {TakenLock("tasks", "ShareUpdateExclusiveLock")}
