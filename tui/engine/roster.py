"""The list of sessions as it is shown: filtered, in order, parallel workers counted with their leader. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tui.postgres.rows import Session

from .filter import Filter
from .sample import Sample

_Key = tuple[float | int | str, ...]


@dataclass(frozen=True, slots=True)
class Roster:
    """``waits``: by pid how long a session waits for a lock, in seconds. ``workers``: how many parallel workers a
    leader has. ``hidden``: how many sessions the filter keeps back.
    """

    sessions: tuple[Session, ...] = ()
    hidden: int = 0
    waits: Mapping[int, float] = field(default_factory=dict)
    workers: Mapping[int, int] = field(default_factory=dict)


def _longest(seconds: float | None) -> float:
    """The longest first; what is unknown or not there stands behind."""
    return 1.0 if seconds is None else -seconds


_Order = Callable[[Session, Mapping[int, float]], _Key]
ORDERS: Mapping[str, _Order] = {
    "transaction": lambda session, waits: (_longest(session.transaction_seconds), session.pid),
    "wait": lambda session, waits: (
        _longest(waits.get(session.pid)),
        session.state != "active" or not session.wait_event,
        _longest(session.state_seconds),
        session.pid,
    ),
    "state": lambda session, waits: (_longest(session.state_seconds), session.pid),
    "pid": lambda session, waits: (session.pid,),
    "database": lambda session, waits: (session.database.casefold(), session.pid),
    "application": lambda session, waits: (session.application_name.casefold(), session.pid),
}
"""How a list can be sorted: by the age of the transaction, the wait for a lock, the age of the state, or by name."""


def roster(sample: Sample, wanted: Filter, order: str) -> Roster:
    """The sessions of this sample that the filter lets through. ``order`` is a key of ORDERS."""
    leaders = {session.pid: session.leader_pid for session in sample.sessions if _worker(session)}
    waits: dict[int, float] = {}
    for lock in sample.locks:
        if not lock.granted and lock.pid is not None:
            pid = leaders.get(lock.pid) or lock.pid
            waits[pid] = max(waits.get(pid, 0.0), lock.wait_seconds or 0.0)
    every = [one for one in sample.sessions if one.pid not in leaders and (_is_one(one) or one.pid in waits)]
    shown = [session for session in every if wanted.matches(session)] if wanted else every
    key = ORDERS[order]
    return Roster(
        tuple(sorted(shown, key=lambda session: key(session, waits))),
        len(every) - len(shown),
        waits,
        Counter(leader for leader in leaders.values() if leader),
    )


def _is_one(session: Session) -> bool:
    """The server's own processes (checkpointer, startup, …) belong to no database, and some to no user either."""
    return bool(session.database or (session.user and session.backend_type in ("client backend", "walsender", "")))


def _worker(session: Session) -> bool:
    return session.backend_type == "parallel worker" and session.leader_pid is not None
