"""WAL written while a statement runs: of commands without a progress view all that moves. Pure; bytes, seconds."""

from dataclasses import dataclass
from datetime import datetime

from tui.postgres.rows import Look, Session

_RATE_OVER = 1.0
"""Seconds that the rate of WAL is taken over at least: idle for so long, a session has no part in it."""


@dataclass(frozen=True, slots=True)
class Written:
    """What the whole server has written since the statement in hand of one session began.

    ``bytes`` is None where the beginning was not seen. ``seconds``: how long the statement has run, None while none
    does. ``others``: bytes a second that the server wrote when the session last had nothing to do; None is unknown.
    """

    pid: int
    at: datetime
    position: int
    began: int | None
    seconds: float | None
    others: float | None = None

    @property
    def bytes(self) -> int | None:
        if self.began is None or self.seconds is None:
            return None
        return max(0, self.position - self.began)


def written(before: Written | None, look: Look, pid: int | None, rate: float | None) -> Written | None:
    """What is known after this look of the session ``pid``; ``rate``: the server's WAL, in bytes a second, at it."""
    session = next((one for one in look.sessions if one.pid == pid), None)
    position = look.counters.wal_bytes if look.counters is not None else None
    if session is None or position is None or look.counters is None or look.counters.in_recovery:
        # A look that failed is a gap, not an end.
        return before if look.missing and before is not None and before.pid == pid else None
    if before is not None and (before.pid != session.pid or before.at >= look.at or before.position > position):
        before = None
    others = before.others if before is not None else None
    if session.state != "active" or session.state_seconds is None:
        if session.state == "idle" and (session.state_seconds or 0.0) >= _RATE_OVER:
            others = rate
        return Written(session.pid, look.at, position, None, None, others)
    return Written(
        session.pid, look.at, position, _began(before, look.at, position, session), session.state_seconds, others
    )


def _began(before: Written | None, at: datetime, position: int, session: Session) -> int | None:
    """Where the WAL stood when the statement began: at the look nearest to it; None where none was near."""
    ran = session.state_seconds or 0.0
    if before is None:
        return position if ran < _RATE_OVER else None
    elapsed = (at - before.at).total_seconds()
    near = min(elapsed / 2, _RATE_OVER)
    if before.seconds is not None and ran >= before.seconds + elapsed - near:
        return before.began
    if ran < near:
        return position
    return before.position if ran >= elapsed - near else None
