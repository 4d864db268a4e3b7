"""The runner's and the operator's connection: their names, their settings, and who has the run in hand."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runbooks import execute, one, until_true

from tui.engine.connections import LOCK_SPACE, Connections, OtherOperator, application_name
from tui.engine.reading import script_runner
from tui.engine.sample import Sample
from tui.engine.sampler import Sampler
from tui.postgres.embedded import EmbeddedServer
from tui.postgres.queries import load
from tui.postgres.session import CannotConnect, Dsn

TIMEOUTS = ("idle_session_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
LIVENESS = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15000",
}


@asynccontextmanager
async def opened(dsn: str | Dsn, operator: str = "dba1") -> AsyncIterator[Connections]:
    ours = await Connections.open(dsn if isinstance(dsn, Dsn) else Dsn(dsn), operator)
    try:
        yield ours
    finally:
        await ours.close()


# Names


@pytest.mark.parametrize(
    ("operator", "name"),
    [
        ("", "lockstep operator"),
        ("dba1", "lockstep operator: dba1"),
        ("x" * 60, "lockstep operator: " + "x" * 44),
        ("Jörg Müller", "lockstep operator: Jörg Müller"),
        ("ю" * 30, "lockstep operator: ююююю"),
    ],
)
def test_the_operators_name_is_cut_to_what_the_server_shows(operator: str, name: str) -> None:
    assert application_name(operator) == name


@given(st.text())
def test_any_name_fits(operator: str) -> None:
    name = application_name(operator.replace("\ud800", ""))
    assert len(name.encode(errors="replace")) <= 63
    assert f"lockstep operator: {operator}".startswith(name)


async def test_the_operator_is_named_at_the_server(database_each: str) -> None:
    version = int(str(one(database_each, "SHOW server_version_num")))
    async with opened(database_each, "Jörg Müller") as ours:
        assert await ours.try_lock("small")
        holder = await ours.holder("small")
        assert holder is not None
        # Up to version 15 the server itself makes ? of what is not ASCII.
        assert holder.operator == ("Jörg Müller" if version >= 160000 else "J??rg M??ller")
        names = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = '{}'"
        assert one(database_each, names.format("lockstep runner")) == 1


async def test_a_name_cannot_drive_the_terminal(database: str) -> None:
    async with opened(database, "dba1") as ours, opened(database) as theirs:
        await ours.operator.execute(r"SET application_name = E'lockstep operator: \\x1b]0;\x1b[31m'")
        assert await ours.try_lock("small")
        holder = await theirs.holder("small")
        assert holder is not None
        assert "\x1b" not in holder.operator


# Who has it


async def test_one_has_it_and_others_are_told(database_each: str) -> None:
    async with opened(database_each, "dba2") as theirs:
        async with opened(database_each, "dba1") as ours:
            assert await theirs.holder("small") is None
            before = datetime.now(UTC).replace(microsecond=0)
            assert await ours.try_lock("small")
            assert await ours.try_lock("small")
            assert not await theirs.try_lock("small")
            holder = await theirs.holder("small")
            assert holder is not None
            assert (holder.pid, holder.operator) == (ours.operator.backend_pid, "dba1")
            assert (holder.user, holder.client) == ("postgres", "this host")
            assert before <= holder.since <= datetime.now(UTC)
            assert await theirs.holder("large") is None
            assert await theirs.try_lock("large")
            told = r"dba1 has small in hand: session \d+ of postgres from this host, since 20\d\d-\d\d-\d\d .* UTC$"
            with pytest.raises(OtherOperator, match=told):
                await theirs.take_lock("small")
        # The server has still to notice that the first is gone.
        await theirs.take_lock("small")
        holder = await theirs.holder("small")
        assert holder is not None
        assert (holder.pid, holder.operator) == (theirs.operator.backend_pid, "dba2")
        await theirs.hold("small")


async def test_since_is_when_it_was_taken_not_when_the_session_began(database: str) -> None:
    async with opened(database, "dba1") as ours:
        begun = "SELECT clock_timestamp() > backend_start + interval '1.1 s' FROM pg_stat_activity WHERE pid = {}"
        await until_true(database, begun.format(ours.operator.backend_pid))
        assert await ours.try_lock("small")
        holder = await ours.holder("small")
        assert holder is not None
        assert datetime.now(UTC) - holder.since < timedelta(seconds=1.1)


async def test_a_role_that_may_not_see_much_sees_who_has_it(database: str) -> None:
    name = one(database, "SELECT current_database()")
    execute(database, f"CREATE ROLE plain_{name} LOGIN")
    try:
        async with opened(database, "dba1") as ours, opened(Dsn(database).with_(user=f"plain_{name}")) as theirs:
            await ours.take_lock("small")
            holder = await theirs.holder("small")
            assert holder is not None
            assert (holder.operator, holder.user, holder.client) == ("dba1", "postgres", "an unknown host")
            assert datetime.now(UTC) - holder.since < timedelta(seconds=5)
            assert not await theirs.try_lock("small")
    finally:
        execute(database, f"DROP ROLE plain_{name}")


async def test_another_databases_run_is_not_ours(database: str, server18: EmbeddedServer) -> None:
    async with opened(database) as ours, opened(server18.dsn()) as theirs:
        await ours.take_lock("small")
        assert await theirs.holder("small") is None
        assert await theirs.try_lock("small")


async def test_whose_session_runs_a_script(database_each: str) -> None:
    async with opened(database_each) as ours, opened(database_each, "dba2") as theirs:
        asker = theirs.operator
        assert await script_runner(asker, "small") is None
        await ours.runner.query(load("operator/alone"), {"space": LOCK_SPACE + 1, "runbook": "small"})
        assert await script_runner(asker, "small") == ours.runner.backend_pid
        assert await script_runner(asker, "large") is None
        await ours.runner.fresh()
        assert await script_runner(asker, "small") is None


# Settings


async def test_what_would_kill_a_waiting_session_is_off_and_stays_off(database_each: str) -> None:
    name = one(database_each, "SELECT current_database()")
    version = int(str(one(database_each, "SHOW server_version_num")))
    known = TIMEOUTS if version >= 170000 else TIMEOUTS[:2]
    execute(database_each, *(f"ALTER DATABASE {name} SET {each} = '5min'" for each in known))
    async with opened(database_each) as ours:
        for _ in range(2):
            for session in (ours.runner, ours.operator):
                assert [(await session.query(f"SHOW {each}")).rows[0][0] for each in known] == ["0"] * len(known)
            await ours.runner.fresh()


async def test_a_console_whose_machine_vanished_is_noticed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with EmbeddedServer() as server:
        execute(server.dsn(), "ALTER SYSTEM SET listen_addresses = '127.0.0.1'", f"ALTER SYSTEM SET port = {port}")
        server.restart()
        dsn = Dsn(f"host=127.0.0.1 port={port} dbname=postgres user=postgres")
        async with opened(dsn) as ours:
            for _ in range(2):
                for session in (ours.runner, ours.operator):
                    shown = [(await session.query(f"SHOW {name}")).rows[0][0] for name in LIVENESS]
                    assert dict(zip(LIVENESS, shown, strict=True)) == LIVENESS
                await ours.runner.fresh()
            holding = await ours.try_lock("small")
            holder = await ours.holder("small")
            assert holding
            assert holder is not None
            assert holder.client == "127.0.0.1"


async def test_a_server_that_refuses_a_setting_is_worked_with(database: str) -> None:
    async with opened(database) as ours:
        await ours.runner.keep({"idle_session_timeout": "no number", "no.such": "1"})
        await ours.runner.fresh()
        assert (await ours.runner.query("SELECT 1")).rows == (("1",),)


# The monitor's connection


def sampler(dsn: Dsn, samples: "asyncio.Queue[Sample]") -> Sampler:
    return Sampler(dsn, samples.put_nowait, our_pid=lambda: None, busy=lambda: True)


async def test_the_monitors_connection_is_there_before_it_samples(database: str) -> None:
    watching = sampler(Dsn(database), asyncio.Queue())
    await watching.connect()
    pid = watching.backend_pid
    assert one(database, f"SELECT application_name FROM pg_stat_activity WHERE pid = {pid}") == "lockstep monitor"
    await watching.close()
    await until_true(database, f"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {pid}")


async def test_no_monitor_no_run(tmp_path: Path) -> None:
    watching = sampler(Dsn(f"host={tmp_path} dbname=x password=hunter2"), asyncio.Queue())
    with pytest.raises(CannotConnect, match=r"the monitor cannot connect: .*No such file") as failed:
        await watching.connect()
    assert "hunter2" not in str(failed.value)


async def test_a_monitor_that_is_lost_says_why_and_since_when_and_comes_back(database: str) -> None:
    name = one(database, "SELECT current_database()")
    execute(database, f"CREATE ROLE few_{name} LOGIN CONNECTION LIMIT 1")
    samples = asyncio.Queue[Sample]()
    watching = sampler(Dsn(database).with_(user=f"few_{name}"), samples)
    await watching.connect()
    sampling = asyncio.create_task(watching.run())
    try:
        async with asyncio.timeout(20):
            assert (await samples.get()).missing == ()
            before = watching.backend_pid
            execute(
                database, f"ALTER ROLE few_{name} CONNECTION LIMIT 0", f"SELECT pg_terminate_backend({before}, 5000)"
            )
            lost = datetime.now(UTC)
            while not (missing := (await samples.get()).missing):
                pass
            while "too many connections for role" not in (missing := (await samples.get()).missing)[0].why:
                pass
            first = missing[0].since
            assert missing[0].name == "monitor"
            assert lost - timedelta(seconds=1) <= first <= datetime.now(UTC)
            assert (await samples.get()).missing[0].since == first
            execute(database, f"ALTER ROLE few_{name} CONNECTION LIMIT 1")
            while (await samples.get()).missing:
                pass
            assert watching.backend_pid not in (None, before)
            watching.reconnect()
            while not (await samples.get()).missing:
                pass
            while (await samples.get()).missing:
                pass
    finally:
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)
        execute(database, f"DROP ROLE few_{name}")
