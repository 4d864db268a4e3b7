"""One look at the server: what the sampler saw, and the tree of locks read from it. Frozen, made by the sampler."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tui.postgres.rows import Counters, Horizon, Lock, Progress, Replica, Rights, Session, Slot
from tui.postgres.rows import Source as Source

from .progress import Pace
from .wait_graph import WaitGraph
from .wal import Written


@dataclass(frozen=True, slots=True)
class LockNode:
    """A session (or prepared transaction, or vanished pid) in the tree; roots are what nobody blocks.

    It waits for its parent. ``soft`` is true where the parent does not hold the lock but stands before it in the
    queue. ``title`` is what it is called beside its pid: its application_name, ``us``, ``prepared transaction GID``,
    ``gone``. ``ours`` marks the runner's session. ``holds`` (what others wait for) and ``wants`` are in words:
    ``ACCESS SHARE on client_profiles``. ``wait_approximate`` where waitstart was not known. ``blocked_by``: all that
    it waits for, by pid or, prepared transactions, by virtual transaction; the tree shows one of them as its parent.
    ``cycle``: drawn above already; a deadlock. ``virtualtransaction`` is a prepared transaction's, which has no pid.
    """

    pid: int | None
    session: Session | None
    title: str
    holds: tuple[str, ...]
    wants: str | None
    wait_seconds: float | None
    wait_approximate: bool
    soft: bool
    ours: bool
    children: tuple["LockNode", ...] = ()
    cycle: bool = False
    blocked_by: frozenset[int | str] = frozenset()
    virtualtransaction: str = ""

    @property
    def key(self) -> int | str:
        """What tells it from all others: its pid, or its virtual transaction."""
        return self.virtualtransaction if self.pid is None else self.pid


@dataclass(frozen=True, slots=True)
class LockTree:
    """Who blocks us, above; whom we block, below; in words on top.

    ``roots``: for a runner that waits, the sessions at the top of the chains that lead to it; for one that only
    blocks, itself; without a runner, every session that blocks others and waits for none. Who keeps most sessions
    waiting comes first, but the root that leads to us is the last one. ``queued``: how many sessions wait behind us,
    directly or not; ``oldest``: the longest time that one of them has waited because of us, in seconds. ``blockers``:
    whom we wait for ourselves, without children.
    ``graph``: all waits of the server, of which the tree shows those that concern us.
    """

    sentence: str
    roots: tuple[LockNode, ...]
    our_pid: int | None
    waiting_for_lock: bool
    our_wait_seconds: float | None
    our_wants: str | None
    blockers: tuple[LockNode, ...]
    queued: int
    oldest: float | None
    graph: WaitGraph | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class InTheWay:
    """A lock of another session that the step to come would wait for. ``pid`` None is a prepared transaction.

    ``holds`` and ``wants`` are modes as pg_locks names them. ``session`` is None where the server shows none.
    """

    relation: str
    wants: str
    holds: str
    pid: int | None
    session: Session | None


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen at ``at``; ``cost`` is how long the look took, in seconds.

    ``in_the_way``: what the step to come would wait for now, the longest transaction first.
    ``locks`` is empty when nobody waited and the step's own were not asked for. ``our_locks`` are those of the runner.
    ``looked_at``: the session all of whose locks are among them, if they were asked for and came. ``prepared`` is as
    in `Look`.
    ``wal_rate`` bytes a second, ``transaction_rate`` and, of those, ``rollback_rate`` a second (an
    application whose statements fail rolls back), ``temp_rate`` bytes a second into temporary files: None until two
    samples exist or where unknown. ``hidden``: sessions of other roles that ours may not look into.
    ``paces``: how fast each session in ``progress`` goes, by its pid. ``written``: the WAL of the runner's statement.
    ``made_in``: seconds of our own that reading the look took after it. ``interval``: seconds until the next look.
    ``rarely``: what can wait is read every so many seconds, because looks take long; else None.
    """

    at: datetime
    cost: float
    sessions: tuple[Session, ...]
    locks: tuple[Lock, ...]
    our_locks: tuple[Lock, ...]
    progress: tuple[Progress, ...]
    replicas: tuple[Replica, ...]
    counters: Counters | None
    blocked_sessions: int | None
    oldest_wait: float | None
    wal_rate: float | None
    transaction_rate: float | None
    replica_lag: float | None
    tree: LockTree
    missing: tuple[Source, ...] = field(default=())
    rollback_rate: float | None = None
    in_the_way: tuple[InTheWay, ...] = ()
    temp_rate: float | None = None
    slots: tuple[Slot, ...] = ()
    horizon: Horizon | None = None
    rights: Rights | None = None
    hidden: int = 0
    made_in: float = 0.0
    interval: float = 0.25
    rarely: float | None = None
    prepared: Mapping[str, str] = field(default_factory=dict)
    looked_at: int | None = None
    paces: Mapping[int, Pace] = field(default_factory=dict)
    written: Written | None = None
