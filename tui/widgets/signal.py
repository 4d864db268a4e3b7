"""What is said before a session is signalled: who it is, what its end would bring to whom, and what would be lost."""

from collections.abc import Sequence
from datetime import datetime

from tui.engine.operator import AUTOVACUUM, SignalPreview
from tui.engine.release import Release, Waiter
from tui.engine.sample import LockNode, Sample
from tui.postgres.rows import MONITOR

from .line import Line, wrap
from .words import clock, counted, duration, listed, running

_NAMED = 3
"""Of those who wait, so many are named; the rest is counted."""


def signal_lines(
    preview: SignalPreview, seen: datetime, sample: Sample | None, width: int, *, awaited: str = ""
) -> list[Line]:
    """Who it is, what it holds, what its end brings and what is lost with it, as ``seen`` then; and what changed.

    ``awaited``: who will wait for it though nobody does now, in words.
    """
    lines = _who(preview, width)
    if preview.holds:
        lines += wrap(f"holds {listed(preview.holds, 3)}", width)
    if preview.release == Release() and awaited:
        lines += [Line(), *wrap(f"nobody waits for it at this moment; {awaited}", width), *_lost(preview, width)]
    else:
        lines += [Line(), *release_lines(preview.release, preview.ours, width), *_lost(preview, width)]
    if preview.cancellable and preview.holds:
        kept = "a cancel leaves it the locks from before a savepoint, and advisory locks of its session"
        lines += wrap(kept, width, "dim")
    if preview.allowed is not None:
        lines += [Line(), *wrap(f"it cannot be signalled: {preview.allowed}", width, "bad")]
    return [*lines, *_since(preview, seen, sample, width)]


def _who(preview: SignalPreview, width: int) -> list[Line]:
    session = preview.session
    who = session.application_name or "no application name"
    if session.backend_type not in ("", "client backend"):
        who = f"{session.backend_type} {session.application_name}".rstrip()
    who += f" as {session.user}" if session.user else ""
    who += f" on {session.database}" if session.database else ""
    who += f" from {session.client}" if session.client else ""
    who += f", since {clock(session.backend_start)}" if session.backend_start else ""
    state = Line(session.state or "state unknown", "warn" if session.state.startswith("idle in") else "")
    if session.transaction_seconds is not None:
        state.add(f" {running(session.transaction_seconds)}")
    if session.query:
        word = "runs" if session.state == "active" else "last"
        state.add(f" · {word}: ", "dim").add(" ".join(session.query[:300].split()))
    lines = [*wrap(who, width), state.cut(width)]
    if preview.worker is not None:
        lines += wrap(f"{preview.worker} is a parallel worker of it: they end together", width, "dim")
    return lines


def release_lines(release: Release, ours: int | None, width: int) -> list[Line]:
    """Who gets the lock at once, who comes nearer, and who waits on for somebody else."""
    if not (release.at_once or release.later or release.still):
        return [Line("nobody waits for it", "warn")]
    lines: list[Line] = []
    if release.at_once:
        group = _group(release.at_once, ours)
        lines += wrap("frees us at once" if group == "us" else f"frees at once {group}", width, "strong")
    if release.later:
        lines += wrap(f"behind those, a step nearer: {_group(release.later, ours)}", width)
    if release.still:
        others = listed(tuple(pid_and_name(pid, name) for pid, name in release.others), _NAMED)
        lines += wrap(f"still blocked by {others}: {_group(release.still, ours)}", width, "warn")
    return lines


def _group(waiters: Sequence[Waiter], ours: int | None) -> str:
    """``us and 17 sessions, the oldest 2.1 s: 5204 (web), 5207 (web), 5211 (worker) and 14 more``."""
    others = [waiter for waiter in waiters if waiter.pid != ours]
    us = "us" if len(others) < len(waiters) else ""
    if not others:
        return us
    names = listed(tuple(pid_and_name(waiter.pid, waiter.name) for waiter in others), _NAMED)
    waits = [waiter.seconds for waiter in others if waiter.seconds is not None]
    oldest = f", {'the oldest ' if len(others) > 1 else ''}{duration(max(waits))}" if waits else ""
    told = f"{counted(len(others), 'session')}{oldest}: {names}"
    return f"{us} and {told}" if us else told


def pid_and_name(pid: int, name: str) -> str:
    """``4242 (billing)``; 0 is what pg_blocking_pids calls a prepared transaction."""
    if pid == 0:
        return "a prepared transaction"
    return f"{pid} ({name})" if name else str(pid)


def _lost(preview: SignalPreview, width: int) -> list[Line]:
    session = preview.session
    if session.backend_type == AUTOVACUUM:
        again = "at once" if "to prevent wraparound" in session.query else "later"
        return wrap(f"what it has done to this table is lost; autovacuum comes again {again}", width)
    lines: list[Line] = []
    if session.backend_type == "walsender":
        lines += wrap("it sends WAL: who receives it stands still until it connects again", width, "warn")
    elif session.backend_type not in ("", "client backend"):
        lines += wrap("it works in the background: who started it may start it again", width, "warn")
    if preview.has_written is None:
        return [*lines, *wrap("whether its transaction has written is hidden from our role", width, "warn")]
    if preview.has_written:
        return [*lines, *wrap("its open transaction has written or locked rows: that is rolled back", width, "warn")]
    if session.transaction_seconds is None:
        return [*lines, Line("no transaction is open in it: nothing is rolled back")]
    return [*lines, *wrap("its open transaction has written nothing: nothing of it is lost", width)]


def _since(preview: SignalPreview, seen: datetime, sample: Sample | None, width: int) -> list[Line]:
    """The newest look against the close one, for it goes on while one thinks."""
    lines = [Line(f"as seen at {clock(seen, seconds=True)}", "dim")]
    if sample is None or sample.at <= seen or any(source.name in (MONITOR, "activity") for source in sample.missing):
        return lines
    pid = preview.session.pid
    if all(session.pid != pid for session in sample.sessions):
        return [*lines, Line("it is gone by now: nothing will be sent", "warn")]
    if preview.release.moved(preview.ours) and not any(_leads_to_us(root, pid) for root in sample.tree.roots):
        return [*lines, *wrap("we do not wait for it any more: the step went on, or gave way", width, "warn")]
    return lines


def _leads_to_us(root: LockNode, pid: int) -> bool:
    """Our session stands somewhere under this one."""
    ahead = [(root, root.pid == pid)]
    while ahead:
        node, below = ahead.pop()
        if below and node.ours and node.pid != pid:
            return True
        ahead.extend((child, below or child.pid == pid) for child in node.children)
    return False
