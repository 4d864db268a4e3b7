"""The operator's own connection: looking at a session closely, cancelling it, terminating it, seeing it go."""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tui.postgres.queries import load
from tui.postgres.rows import Session, safe, without_passwords
from tui.postgres.session import PgSession

_GONE_WITHIN = 5.0
_LOOK_EVERY = 0.1


@dataclass(frozen=True, slots=True)
class SignalPreview:
    """What is known of a session before it is signalled, and what that would free.

    ``backend_start`` is the server's own text: the signal goes to exactly this session or to none.
    ``allowed`` is None, or why the server would refuse.
    """

    session: Session
    backend_start: str
    holds: tuple[str, ...]
    frees: tuple[int, ...]
    frees_us: bool
    has_written: bool
    allowed: str | None


@dataclass(frozen=True, slots=True)
class Signalled:
    """``sent``: the server took the signal. ``gone``: the session (or its query) was seen to end."""

    sent: bool
    gone: bool
    message: str


class SessionGone(Exception):
    """There is no session with this pid any more."""


async def preview(operator: PgSession, pid: int, our_pids: frozenset[int], runner_pid: int) -> SignalPreview:
    """Raises SessionGone, StatementFailed, ConnectionLost."""
    table = await operator.ask(load("operator/session"), {"pid": pid})
    if not table.rows:
        raise SessionGone(f"session {pid} is gone already")
    row = dict(zip(table.columns, (value or "" for value in table.rows[0]), strict=True))
    session = Session(
        pid=pid,
        leader_pid=None,
        backend_start=datetime.fromisoformat(row["backend_start"]) if row["backend_start"] else None,
        user=safe(row["user"]),
        database=safe(row["database"]),
        application_name=safe(row["application_name"]),
        client=safe(row["client"]),
        state=safe(row["state"]),
        wait_event_type="",
        wait_event="",
        transaction_seconds=_seconds(row["transaction_seconds"]),
        state_seconds=_seconds(row["state_seconds"]),
        backend_xid=None,
        backend_type="client backend",
        query=without_passwords(safe(row["query"], lines=True)),
    )
    held = await operator.ask(load("operator/holds"), {"pid": pid})
    waiting = await operator.ask(load("operator/waiting"))
    frees = _behind(pid, [(int(w or 0), int(b or 0)) for w, b in waiting.rows])
    allowed = None
    if pid in our_pids:
        allowed = "it is one of Lockstep's own sessions"
    elif row["superuser"] == "t" and row["we_are_superuser"] != "t":
        allowed = "it is a superuser's session, and we are none"
    elif row["may_signal"] != "t":
        allowed = "our role is no member of pg_signal_backend, nor of the session's role"
    elif not row["backend_start"]:
        allowed = "without pg_read_all_stats our role cannot tell it from another session with its number"
    return SignalPreview(
        session=session,
        backend_start=row["backend_start"],
        holds=tuple(f"{mode} on {safe(relation or '')}" for mode, relation in held.rows),
        frees=tuple(p for p in frees if p != runner_pid),
        frees_us=runner_pid in frees,
        has_written=row["has_written"] == "t",
        allowed=allowed,
    )


def _seconds(text: str) -> float | None:
    return float(text) if text else None


def _behind(pid: int, edges: list[tuple[int, int]]) -> tuple[int, ...]:
    """Everybody who waits for this session, directly or not."""
    waiters: dict[int, list[int]] = defaultdict(list)
    for waiter, blocker in edges:
        waiters[blocker].append(waiter)
    found: list[int] = []
    ahead = [pid]
    while ahead:
        for waiter in waiters[ahead.pop()]:
            if waiter not in found and waiter != pid:
                found.append(waiter)
                ahead.append(waiter)
    return tuple(sorted(found))


async def signal(operator: PgSession, seen: SignalPreview, action: Literal["cancel", "terminate"]) -> Signalled:
    """Sends the signal to exactly the session that was previewed, and looks until it took effect, 5 s at most.

    Raises StatementFailed where the server refuses, and ConnectionLost.
    """
    if not seen.backend_start:
        return Signalled(False, False, f"session {seen.session.pid}: {seen.allowed}; nothing was sent")
    who = {"pid": seen.session.pid, "backend_start": seen.backend_start}
    before = await operator.ask(load("operator/present"), who)
    answer = await operator.ask(load(f"operator/{action}"), who)
    if not answer.rows:
        return Signalled(False, True, f"session {seen.session.pid} was gone already; nothing was sent")
    if answer.rows[0][0] != "t":
        return Signalled(False, False, f"the server could not signal session {seen.session.pid}")
    deadline = time.monotonic() + _GONE_WITHIN
    while time.monotonic() < deadline:
        now = await operator.ask(load("operator/present"), who)
        if not now.rows:
            return Signalled(True, True, f"session {seen.session.pid} is gone")
        if action == "cancel" and now.rows != before.rows:
            return Signalled(True, True, f"the query of {seen.session.pid} ended; the session is still there")
        await asyncio.sleep(_LOOK_EVERY)
    return Signalled(True, False, f"session {seen.session.pid} was signalled, but is still there after 5 s")
