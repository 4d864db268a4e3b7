"""Batches: how the runbook writes them, how a chunk's size follows its time, and when the next one waits."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runbook_files import edited, write

from tui.engine.batch import after_lock_failure, next_size, throttled
from tui.engine.sample import LockTree, Sample
from tui.postgres.rows import Replica
from tui.runbook.batched import is_prelude, names_batch
from tui.runbook.load import load, load_or_refuse
from tui.runbook.model import Batch, Safety, Step
from tui.runbook.statements import split

PRELUDE = "CREATE TEMP TABLE batch AS SELECT id FROM users WHERE seen IS NULL;\n"
UPDATE = "UPDATE users u SET seen = true FROM batch WHERE u.id = batch.id"
BATCH = Batch("users", ("id",), "seen IS NULL", size=1000, target=1.0, max_size=100_000)
SAFETY = Safety(max_replica_lag=30.0)


def step(root: Path, keys: str, script: str = f"{PRELUDE}{UPDATE};\n") -> Step:
    toml = edited(('title = "Rename"', f'title = "Rename"\n{keys}'))
    return load_or_refuse(write(root, {"runbook.toml": toml, "steps/005.sql": script}))[0].step("005")


def test_reads_the_least_that_a_batch_needs(tmp_path: Path) -> None:
    found = step(tmp_path, "batch = { table = 'users', key = 'id', where = 'seen IS NULL' }")
    assert found.batch == BATCH
    assert [statement.text for statement in found.sql.statements] == [UPDATE]
    assert found.sql.place(0) == "steps/005.sql:2"
    assert found.transaction
    assert load_or_refuse(tmp_path)[0].step("004").batch is None


def test_reads_all_that_a_batch_may_say(tmp_path: Path) -> None:
    keys = """\
rollback = "rollback/005.sql"
batch.table = 'App . "Us ""ers"'
batch.key = ["ID", 'a', '"No 1"']
batch.where = '''
  (seen IS NULL OR name = ')') -- not yet
'''
batch.size = 20
batch.target = "1min30s"
batch.max_size = 50
"""
    script = f"BEGIN;\nSET LOCAL work_mem = '64MB';\n{PRELUDE}{UPDATE};\nCOMMIT;\n"
    write(tmp_path, {"rollback/005.sql": "UPDATE users SET seen = NULL;"})
    found = step(tmp_path, keys, script)
    where = "  (seen IS NULL OR name = ')') -- not yet\n"
    assert found.batch == Batch('App."Us ""ers"', ("id", "a", "No 1"), where, 20, 90.0, 50)
    assert [statement.text for statement in found.sql.statements] == ["SET LOCAL work_mem = '64MB'", UPDATE]
    assert found.rollback is not None
    assert [statement.text for statement in found.rollback.statements] == ["UPDATE users SET seen = NULL"]


def test_a_first_chunk_may_be_larger_than_the_largest_by_default(tmp_path: Path) -> None:
    found = step(tmp_path, "batch = { table = 'users', key = 'id', where = 'true', size = 200_000 }")
    assert found.batch is not None
    assert (found.batch.size, found.batch.max_size) == (200_000, 200_000)


@pytest.mark.parametrize("key", ["table", "key", "where", "size", "target", "max_size"])
@pytest.mark.parametrize(
    "value", ["''", "'\\u202e'", "'a\"'", "'U&\"a\"'", "-1", "0", "1.5", "true", "[1]", "['']", "{}", "nan"]
)
def test_any_key_with_any_type_is_told(key: str, value: str, tmp_path: Path) -> None:
    given = {"table": "'users'", "key": "'id'", "where": "'seen IS NULL'", key: value}
    batch = ", ".join(f"{name} = {written}" for name, written in given.items())
    toml = edited(('title = "Rename"', f'title = "Rename"\nbatch = {{ {batch} }}'))
    found = load(write(tmp_path, {"runbook.toml": toml, "steps/005.sql": PRELUDE + UPDATE}))
    if key == "where" and value in ("'a\"'", "'\\u202e'", "'U&\"a\"'"):
        return  # in single quotes these are SQL, which the server judges, or told as an open quote
    assert found.runbook is None
    assert all(f"`batch.{key}" in finding.what for finding in found.findings if finding.severity == "error")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TEMP TABLE batch AS SELECT id FROM users",
        "create temporary table if not exists BATCH as table users",
        'CREATE LOCAL TEMP TABLE pg_temp."batch" (id) ON COMMIT DROP AS (SELECT 1)',
        "CREATE /* */ TEMP TABLE batch WITH (fillfactor = 70) AS VALUES (1)",
    ],
)
def test_the_prelude(sql: str) -> None:
    assert is_prelude(split(sql)[0])


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE batch AS SELECT 1",
        "CREATE TEMP TABLE batch (id int)",
        "CREATE TEMP TABLE batches AS SELECT 1",
        "CREATE TEMP TABLE app.batch AS SELECT 1",
        'CREATE TEMP TABLE "BATCH" AS SELECT 1',
        "CREATE TEMP VIEW batch AS SELECT 1",
        "SELECT 1 AS batch",
        "CREATE TEMP TABLE",
    ],
)
def test_no_prelude(sql: str) -> None:
    assert not is_prelude(split(sql)[0])


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        (UPDATE, True),
        ("DELETE FROM users WHERE id IN (TABLE Batch)", True),
        ('SELECT FROM pg_temp."batch"', True),
        ("DO $$ BEGIN PERFORM 1 FROM batch; END $$", True),
        ("UPDATE users SET seen = true -- batch", False),
        ("SELECT 'batch'", False),
        ('SELECT FROM "Batch", app.batch, batches', False),
        ("DO $$ BEGIN PERFORM 1 FROM batches; END $$", False),
    ],
)
def test_statements_that_name_it(sql: str, names: bool) -> None:
    assert names_batch(split(sql)[0]) is names


@pytest.mark.parametrize(
    ("size", "seconds", "then"),
    [
        (1000, 1.0, 1000),
        (1000, 0.8, 1250),
        (1000, 0.1, 2000),
        (1000, 0.0, 2000),
        (1000, 1.25, 800),
        (1000, 60.0, 500),
        (5, 60.0, 3),
        (1, 60.0, 1),
        (1, 0.01, 2),
        (80_000, 0.01, 100_000),
        (100_000, 0.01, 100_000),
    ],
)
def test_the_size_follows_the_time(size: int, seconds: float, then: int) -> None:
    assert next_size(size, seconds, BATCH) == then


@given(st.integers(1, 100_000), st.floats(0, 1e6, allow_subnormal=True))
def test_the_size_stays_in_its_limits(size: int, seconds: float) -> None:
    then = next_size(size, seconds, BATCH)
    assert 1 <= then <= BATCH.max_size
    assert size <= 2 * then
    assert then <= 2 * size


def test_a_lock_failure_halves() -> None:
    assert [after_lock_failure(size) for size in (1000, 3, 2, 1)] == [500, 1, 1, 1]


def replica(name: str, lag: float | None, client: str = "10.0.0.7") -> Replica:
    return Replica(name, client, "streaming", "async", lag, None)


def sample(*replicas: Replica, queued: int = 0) -> Sample:
    return Sample(
        at=datetime(2026, 1, 1, tzinfo=UTC),
        cost=0.0,
        sessions=(),
        locks=(),
        our_locks=(),
        progress=(),
        replicas=replicas,
        counters=None,
        blocked_sessions=None,
        oldest_wait=None,
        wal_rate=None,
        transaction_rate=None,
        replica_lag=None,
        tree=LockTree("", (), 1, False, None, None, (), queued, None),
    )


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (None, ""),
        (sample(), ""),
        (sample(replica("standby1", 30.0)), ""),
        (sample(replica("standby1", None)), ""),
        (sample(replica("standby1", 41.2)), "replica 41 s behind"),
        (sample(replica("standby1", 31.0), replica("standby2", 840.0)), "replica standby2 14 min behind"),
        (sample(replica("standby1", None), replica("", 31.0)), "replica 10.0.0.7 31 s behind"),
        (sample(replica("", 31.0, ""), replica("", None, "")), "replica 31 s behind"),
        (sample(queued=1), "1 session waits behind us"),
        (sample(queued=3), "3 sessions wait behind us"),
        (sample(replica("standby1", 41.2), queued=3), "replica 41 s behind"),
    ],
)
def test_the_next_chunk_waits(seen: Sample | None, reason: str) -> None:
    assert throttled(seen, SAFETY, False) == reason
    assert throttled(seen, SAFETY, True) == "paused"


def test_a_short_lag_shows_its_tenths() -> None:
    assert throttled(sample(replica("a", 0.74)), Safety(max_replica_lag=0.5), False) == "replica 0.7 s behind"


def test_a_size_does_not_sink_where_the_time_is_not_the_rows() -> None:
    """A chunk costs 100 ms however small it is, and the target is 50 ms: smaller chunks would only be slower."""
    batch = Batch("t", ("id",), "true", size=1000, target=0.05)
    size, before, sizes = 1000, None, []
    for _ in range(50):
        seconds = 0.1 + size * 0.00005
        size, before = next_size(size, seconds, batch, before), (size, seconds)
        sizes.append(size)
    assert min(sizes) >= 500
    # Where it is the rows', it comes down to the target.
    size, before = 10000, None
    for _ in range(20):
        seconds = 0.002 + size * 0.0001
        size, before = next_size(size, seconds, batch, before), (size, seconds)
    assert 400 <= size <= 560
