"""The operator's own connection: looking at a session closely, cancelling it, terminating it, seeing it go."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from tui.postgres.decode import query_text
from tui.postgres.queries import load
from tui.postgres.rows import Session, safe
from tui.postgres.session import ConnectionLost, PgSession, StatementFailed, Table

from . import events as e
from .release import Release, Waiter, release

Action = Literal["cancel", "terminate"]

_GONE_WITHIN = 5.0
_LOOK_EVERY = 0.1
_ANSWER_WITHIN = 5.0
"""Seconds until a look that hangs (somebody has a catalog locked) is cancelled."""

AUTOVACUUM = "autovacuum worker"
_THE_SERVERS = frozenset(
    {
        "archiver",
        "autovacuum launcher",
        "background writer",
        "checkpointer",
        "io worker",
        "logger",
        "logical replication launcher",
        "slotsync worker",
        "startup",
        "walreceiver",
        "walsummarizer",
        "walwriter",
    }
)
"""pg_stat_activity's backend_type of processes that belong to no user and do the server's own work."""


@dataclass(frozen=True, slots=True)
class SignalPreview:
    """What is known of a session before it is signalled, and what its end would bring.

    ``backend_start`` and ``query_start`` are seconds since 1970 as the server writes them: the signal goes to exactly
    this session, and a cancel to exactly this query, or to none. ``ours``: the pid of the runner, if there is one.
    ``has_written``: its open transaction has a number of its own, which writing and locking rows give; None where the
    server hides that. ``worker``: the parallel worker that was asked for, where this is its leader. ``allowed`` is
    None, or why it cannot be signalled.
    """

    session: Session
    backend_start: str
    query_start: str
    holds: tuple[str, ...]
    release: Release
    ours: int | None
    has_written: bool | None
    worker: int | None
    allowed: str | None

    @property
    def cancellable(self) -> bool:
        """There is a query to cancel: of a session that is idle in its transaction a cancel would free nobody."""
        running = self.session.backend_type == "client backend" and self.session.state == "active"
        return self.allowed is None and (running or self.session.backend_type == AUTOVACUUM)


@dataclass(frozen=True, slots=True)
class Signalled:
    """``sent``: the server took the signal. ``gone``: the session (or its query) was seen to end."""

    sent: bool
    gone: bool
    message: str


class SessionGone(Exception):
    """There is no session with this pid any more."""


async def preview(
    operator: PgSession, pid: int, our_pids: frozenset[int], runner_pid: int | None, *, redacted: bool = False
) -> SignalPreview:
    """A close look. ``our_pids``: whom not to signal. ``redacted``: its query comes without literals.

    Raises SessionGone, StatementFailed, ConnectionLost.
    """
    table = await _ask(operator, "session", {"pid": pid})
    if not table.rows:
        raise SessionGone(f"session {pid} is gone already")
    row = dict(zip(table.columns, table.rows[0], strict=True))
    session = _session(row, redacted)
    held = await _ask(operator, "holds", {"pid": session.pid})
    waiters, names = _waits(await _ask(operator, "waiting"), our_pids - {runner_pid})
    return SignalPreview(
        session=session,
        backend_start=row["backend_start"] or "",
        query_start=row["query_start"] or "",
        holds=tuple(f"{mode} on {safe(what or '')}" for mode, what in held.rows),
        release=release(session.pid, waiters, names),
        ours=runner_pid,
        has_written=None if row["backend_start"] is None else row["backend_xid"] is not None,
        worker=pid if pid != session.pid else None,
        allowed=_refusal(row, session, our_pids),
    )


def _session(row: Mapping[str, str | None], redacted: bool) -> Session:
    text = {name: safe(value or "") for name, value in row.items() if name != "query"}
    query = bytes.fromhex(row["query"] or "").decode(errors="replace")
    return Session(
        pid=int(text["pid"]),
        leader_pid=None,
        backend_start=datetime.fromtimestamp(float(text["backend_start"]), UTC) if text["backend_start"] else None,
        user=text["user"],
        database=text["database"],
        application_name=text["application_name"],
        client=text["client"],
        state=text["state"],
        wait_event_type="",
        wait_event="",
        transaction_seconds=_seconds(row["transaction_seconds"]),
        state_seconds=_seconds(row["state_seconds"]),
        backend_xid=int(text["backend_xid"]) if text["backend_xid"] else None,
        backend_type=text["backend_type"],
        query=query_text(query, redacted=redacted),
    )


def _seconds(text: str | None) -> float | None:
    return float(text) if text else None


def _waits(table: Table, own: frozenset[int | None]) -> tuple[list[Waiter], dict[int, str]]:
    """Everybody who waits for a lock, parallel workers as their leader, without ``own``; and everybody's name."""
    waiters: dict[int, Waiter] = {}
    names: dict[int, str] = {}
    for pid_text, name, seconds, blockers in table.rows:
        pid = int(pid_text or 0)
        names.setdefault(pid, safe(name or ""))
        if not blockers or pid in own:
            continue
        waiter = Waiter(pid, names[pid], _seconds(seconds), frozenset(map(int, blockers.split(","))) - {pid})
        before = waiters.get(pid)
        if before is not None:
            longest = max((s for s in (before.seconds, waiter.seconds) if s is not None), default=None)
            waiter = replace(waiter, seconds=longest, blocked_by=waiter.blocked_by | before.blocked_by)
        if waiter.blocked_by:
            waiters[pid] = waiter
    return list(waiters.values()), names


def _refusal(row: Mapping[str, str | None], session: Session, our_pids: frozenset[int]) -> str | None:
    """Why this session cannot be signalled: pg_signal_backend() in signalfuncs.c, and that we must know whom we hit."""
    superuser, kind = row["we_are_superuser"] == "t", session.backend_type
    if session.pid in our_pids:
        return "it is one of Lockstep's own sessions"
    if kind in _THE_SERVERS:
        return f"it is the server's own {kind}"
    if row["superuser"] == "t" and not superuser:
        return "it is a superuser's session, and we are none"
    if kind == AUTOVACUUM:
        if superuser or row["may_signal_autovacuum"] == "t":
            return None
        return "it is an autovacuum worker: that takes a superuser, or from PostgreSQL 18 pg_signal_autovacuum_worker"
    if row["nobodys"] == "t" and not superuser:
        return f"it is no user's session ({kind or 'of a kind that our role may not see'}): that takes a superuser"
    if not superuser and row["may_signal"] != "t":
        return "our role is no member of pg_signal_backend, nor of the session's role"
    if not row["backend_start"]:
        return "without pg_read_all_stats our role cannot tell it from another session with its number"
    return None


async def signal(operator: PgSession, seen: SignalPreview, action: Action) -> Signalled:
    """Sends the signal to exactly the session that was previewed, and looks until it took effect, 5 s at most.

    Raises StatementFailed where the server refuses, and ConnectionLost where it is not known whether it was sent.
    """
    pid = seen.session.pid
    if not seen.backend_start:
        return Signalled(False, False, f"session {pid}: {seen.allowed}; nothing was sent")
    who = {"pid": pid, "backend_start": seen.backend_start, "query_start": seen.query_start}
    answer = await _ask(operator, action, who)
    if not answer.rows:
        if (await _ask(operator, "present", who)).rows:
            return Signalled(False, True, f"the query of {pid} ended before: another one runs, and nothing was sent")
        return Signalled(False, True, f"session {pid} was gone already; nothing was sent")
    if answer.rows[0][0] != "t":
        return Signalled(False, False, f"the server could not signal session {pid}")
    try:
        return await _seen_to_end(operator, who, action, seen.session.state)
    except (ConnectionLost, StatementFailed):
        return Signalled(True, False, f"session {pid} was signalled; our connection failed before it was seen to end")


async def _seen_to_end(operator: PgSession, who: Mapping[str, object], action: Action, running: str) -> Signalled:
    pid, deadline = who["pid"], time.monotonic() + _GONE_WITHIN
    while time.monotonic() < deadline:
        now = await _ask(operator, "present", who)
        if not now.rows:
            return Signalled(True, True, f"session {pid} is gone")
        state, query_start = now.rows[0]
        if action == "cancel" and (state != running or (query_start or "") != who["query_start"]):
            return Signalled(True, True, f"the query of {pid} ended; the session is still there")
        await asyncio.sleep(_LOOK_EVERY)
    return Signalled(True, False, f"session {pid} was signalled, but is still there after {_GONE_WITHIN:g} s")


async def signalled(operator: PgSession, seen: SignalPreview, action: Action, by: str) -> e.SessionSignalled:
    """``signal``, and what came of it as the event to be recorded, whatever came of it."""
    session = seen.session
    try:
        done = await signal(operator, seen, action)
    except StatementFailed as failure:
        done = Signalled(False, False, failure.error.message)
    except ConnectionLost as lost:
        told = f"our connection was lost ({lost}): whether session {session.pid} was signalled is not known"
        done = Signalled(False, False, told)
    name = f"{session.application_name or 'no name'} as {session.user} from {session.client or 'unknown'}"
    return e.SessionSignalled(e.now(), session.pid, action, by, name, done.sent, done.gone, done.message)


async def _ask(operator: PgSession, name: str, parameters: Mapping[str, object] | None = None) -> Table:
    """Asks one of our questions; one that hangs is cancelled. Raises StatementFailed, ConnectionLost."""
    hanging: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()
    watchdog = loop.call_later(_ANSWER_WITHIN, lambda: hanging.append(asyncio.create_task(operator.cancel())))
    try:
        return await operator.ask(load(f"operator/{name}"), parameters)
    finally:
        watchdog.cancel()
        await asyncio.gather(*hanging)
