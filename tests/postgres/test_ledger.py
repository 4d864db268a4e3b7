"""The ledger by itself: made once, read by its newest rows, safe against what others wrote there."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from runbooks import execute, one, rows

from tui.engine import ledger
from tui.engine.events import Direction
from tui.engine.ledger import Signature
from tui.postgres.session import Dsn, PgSession, StatementFailed

US = Signature("r1", "small", "dba1", "ops1")


async def connected(dsn: str) -> PgSession:
    return await PgSession.open(Dsn(dsn), application_name="ledger")


async def act(
    session: PgSession,
    *steps: str,
    direction: Direction = "forward",
    statement: int | None = None,
    signature: Signature = US,
) -> None:
    await ledger.record(
        session,
        signature,
        steps=steps,
        direction=direction,
        script=steps[0],
        sha256="f" * 64,
        seconds=1.5,
        statement=statement,
    )


async def test_reading_makes_nothing(database_each: str) -> None:
    async with await connected(database_each) as session:
        assert not await ledger.exists(session)
        assert await ledger.read(session, "small") == ()
        assert one(database_each, "SELECT to_regnamespace('lockstep') IS NULL") is True


async def test_made_once_by_however_many(database_each: str) -> None:
    async with await connected(database_each) as first, await connected(database_each) as second:
        await ledger.create(first)
        await ledger.create(second)
        await ledger.create(first)
        assert await ledger.exists(second)
        assert await ledger.read(first, "small") == ()


async def test_two_who_make_it_at_the_same_time(database: str) -> None:
    async with await connected(database) as first, await connected(database) as second:
        await first.execute("BEGIN")
        await ledger.create(first)
        making = asyncio.create_task(ledger.create(second))
        await asyncio.sleep(0)
        await first.execute("COMMIT")
        # PostgreSQL may answer the second with a unique violation of its catalog, but the ledger stands.
        with suppress(StatementFailed):
            await making
        assert await ledger.exists(second)


async def test_the_newest_row_of_a_step_counts(database_each: str) -> None:
    async with await connected(database_each) as session:
        await ledger.create(session)
        await act(session, "1", "2")
        await act(session, "2", "1", direction="back")
        await act(session, "1")
        await act(session, "3", statement=0)
        await act(session, "3", statement=2)
        await act(session, "4", statement=1)
        await act(session, "4")
        read = await ledger.read(session, "small")
        assert [(s.step, s.applied, s.completed) for s in read] == [
            ("1", True, None),
            ("2", False, None),
            ("3", False, 2),
            ("4", True, None),
        ]
        assert {s.operator for s in read} == {"dba1"}
        assert all(abs(s.at - datetime.now(UTC)) < timedelta(minutes=1) for s in read)
        assert read[0].seconds == 1.5


async def test_a_way_back_that_is_not_through_leaves_the_step(database: str) -> None:
    async with await connected(database) as session:
        await ledger.create(session)
        await act(session, "1")
        await act(session, "1", direction="back", statement=1)
        (step,) = await ledger.read(session, "small")
        assert (step.applied, step.completed, step.undoing) == (False, 1, True)
        await act(session, "1", direction="back")
        (step,) = await ledger.read(session, "small")
        assert (step.applied, step.completed) == (False, None)


async def test_other_runbooks_are_other_runbooks(database: str) -> None:
    async with await connected(database) as session:
        await ledger.create(session)
        await act(session, "1", signature=Signature("r2", "other", "dba2", "ops2"))
        assert await ledger.read(session, "small") == ()
        assert [s.operator for s in await ledger.read(session, "other")] == ["dba2"]


async def test_a_row_goes_with_its_transaction(database: str) -> None:
    async with await connected(database) as session:
        await ledger.create(session)
        await session.execute("BEGIN")
        await act(session, "1")
        await session.execute("ROLLBACK")
        assert await ledger.read(session, "small") == ()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/St_Johns"])
async def test_times_are_utc_whatever_the_session_shows(database: str, zone: str) -> None:
    async with await connected(database) as session:
        await ledger.create(session)
        await session.execute(f"SET TimeZone = '{zone}'")
        await session.execute("SET DateStyle = 'German'")
        await act(session, "1")
        (step,) = await ledger.read(session, "small")
        assert step.at.tzinfo == UTC
        assert abs(step.at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_hostile_rows_cannot_drive_a_terminal(database: str) -> None:
    async with await connected(database) as session:
        await ledger.create(session)
        await act(session, "1", signature=Signature("r", "small", "\x1b[2J\u202eevil", "ops1"))
        (step,) = await ledger.read(session, "small")
        assert step.operator == "·[2J·evil"


async def test_quotes_and_percents_are_only_text(database: str) -> None:
    strange = Signature("r'; DROP SCHEMA lockstep CASCADE; --", "sm'all %s", "O'Neill \\ %(x)s", 'ops"1')
    async with await connected(database) as session:
        await ledger.create(session)
        await act(session, "1'", signature=strange)
        (step,) = await ledger.read(session, "sm'all %s")
        assert (step.step, step.operator) == ("1'", "O'Neill \\ %(x)s")


async def test_it_says_which_transaction_wrote_it(database_each: str) -> None:
    async with await connected(database_each) as session:
        await ledger.create(session)
        await session.execute("BEGIN")
        await act(session, "1")
        answer = await session.query("SELECT pg_current_xact_id()")
        await session.execute("COMMIT")
        assert rows(database_each, "SELECT transaction_id::text FROM lockstep.act") == [(answer.rows[0][0],)]


async def test_without_rights_to_it_the_server_says_so(database: str) -> None:
    execute(database, "DO $$ BEGIN CREATE ROLE nobody_here; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    async with await connected(database) as session:
        await ledger.create(session)
        await session.execute("SET ROLE nobody_here")
        with pytest.raises(StatementFailed, match="permission denied"):
            await ledger.read(session, "small")
