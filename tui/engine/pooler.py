"""Is there a pooler between us and the server, and may we work through it."""

import asyncio

from tui.postgres.session import ConnectionLost, PgSession, StatementFailed

_CANCELLED = "57014"
_CANCEL_EVERY = 0.2
_ROUNDS = 2
MEND = "connect to the server itself (often port 5432), not to the pooler"
_SHARED = f"a pooler in transaction mode, or in statement mode, stands between us and the server: {MEND}"


async def pooled(runner: PgSession, operator: PgSession) -> str | None:
    """Why we cannot work through what is between us and the server; None where nothing is, or nothing that disturbs.

    In transaction or statement mode a pooler gives one session's statements to several server processes, and one
    server process to several sessions: locks, settings and cancels would hit anybody. In session mode it is in nobody's
    way. Both sessions must be idle; their ``backend_pid`` is right afterwards. Raises ConnectionLost, StatementFailed.
    """
    told = (runner.backend_pid, operator.backend_pid)
    seen = (await runner.ask_pid(), await operator.ask_pid())
    if seen[0] == seen[1]:
        return _SHARED
    if told == seen:
        return None
    try:
        if await _shared(runner, operator):
            return _SHARED
    except (ConnectionLost, StatementFailed) as refused:
        return f"a pooler in statement mode stands between us and the server ({refused}): {MEND}"
    if not (await _cancels(runner) and await _cancels(operator)):
        return f"a pooler between us and the server does not hand on our cancels: {MEND}"
    return None


async def _shared(runner: PgSession, operator: PgSession) -> bool:
    """Two sessions share a server process, or one changes it.

    Two transactions at a time hold two server processes. Whichever of them the pooler then gives away first, the one
    that came back last or the one that came back first, one of the two sessions gets the other's.
    """
    seen: dict[PgSession, set[int]] = {runner: {runner.backend_pid}, operator: {operator.backend_pid}}
    for first, second in ((runner, operator), (operator, runner)) * _ROUNDS:
        for session in (first, second):
            await session.execute("BEGIN")
            seen[session].add(await session.ask_pid())
        for session in (first, second):
            await session.execute("ROLLBACK")
        for session in (second, first):
            seen[session].add(await session.ask_pid())
        if len(seen[runner]) > 1 or len(seen[operator]) > 1 or seen[runner] & seen[operator]:
            return True
    return False


async def _cancels(session: PgSession) -> bool:
    """A cancel reaches this session's statement."""
    sleeping = asyncio.create_task(session.execute("SELECT pg_catalog.pg_sleep(3)"))
    try:
        while not sleeping.done():
            await asyncio.wait([sleeping], timeout=_CANCEL_EVERY)
            await session.cancel()
        await sleeping
    except StatementFailed as failure:
        return failure.error.sqlstate == _CANCELLED
    finally:
        sleeping.cancel()
    return False
