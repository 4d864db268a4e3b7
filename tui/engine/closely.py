"""All that one look tells of one session, or of a prepared transaction: what it holds, waits for and blocks. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tui.postgres.decode import hidden
from tui.postgres.rows import MONITOR, Lock, Session, Source

from .lock_words import held, mode_in_words, strength, wanted, what
from .sample import Sample
from .wait_graph import Key, WaitGraph, order

_ITSELF = ("virtualxid", "transactionid")
_MOST = 50
"""So many of those that it keeps waiting are told one by one; of a queue of thousands nobody reads more."""


@dataclass(frozen=True, slots=True)
class Other:
    """Somebody whom it waits for, or who waits because of it.

    ``wants`` in words and ``seconds`` since when, None where it waits for nothing or that is not known. ``soft``: the
    one that is waited for does not hold the lock, it only stands before in the queue. ``direct``: nobody stands
    between.
    """

    key: Key
    session: Session | None
    title: str
    wants: str | None
    seconds: float | None
    approximate: bool
    soft: bool
    direct: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """What it holds in one mode, in words; ``waited_for`` those of these that others wait for."""

    mode: str
    on: tuple[str, ...]
    waited_for: frozenset[str]


@dataclass(frozen=True, slots=True)
class Closely:
    """``session`` is None for a prepared transaction, and for a pid that pg_blocking_pids names and nobody has.

    ``workers``: its parallel workers, whose waits are its own. ``hidden``: the server hides from our role what it
    does. ``gid`` is a prepared transaction's name, empty where it is not known. ``whole``: all of its locks were
    read, else only those that somebody waits for. ``transactions``: the numbers of its own, which every transaction
    holds a lock on. ``approximate``: the wait is measured by us. ``blocks``: the first 50 of the ``blocked`` sessions
    that it keeps waiting; ``oldest`` is how long the longest of them has waited because of it, in seconds.
    """

    key: Key
    title: str
    session: Session | None
    workers: tuple[int, ...]
    hidden: bool
    ours: bool
    gid: str
    transactions: tuple[str, ...]
    wants: str | None
    seconds: float | None
    approximate: bool
    waits_for: tuple[Other, ...]
    blocks: tuple[Other, ...]
    blocked: int
    oldest: float | None
    held: tuple[Held, ...]
    whole: bool

    @property
    def prepared(self) -> bool:
        return isinstance(self.key, str)


def blind(sample: Sample) -> Source | None:
    """Why this look tells nothing of any session, if it does not."""
    return next((source for source in sample.missing if source.name in (MONITOR, "activity")), None)


def leader(sample: Sample, key: Key) -> Key:
    """The session that is meant: a parallel worker stands for its leader."""
    for session in sample.sessions:
        if session.pid == key and session.backend_type == "parallel worker" and session.leader_pid is not None:
            return session.leader_pid
    return key


def closely(sample: Sample, key: Key) -> Closely | None:
    """What this look tells; None where it shows nothing of it at all."""
    key = leader(sample, key)
    graph = sample.tree.graph or WaitGraph(sample.sessions, sample.locks, {})
    session = graph.sessions.get(key)
    locks = graph.locks.get(key, [])
    behind = graph.behind(key)
    if session is None and not locks and not behind and key not in graph.blocked_by:
        return None
    seconds, approximate = graph.wait(key) if key in graph.blocked_by else (None, False)
    lock = graph.wanted.get(key)
    return Closely(
        key=key,
        title=_title(graph, sample, key),
        session=session,
        workers=tuple(s.pid for s in sample.sessions if s.leader_pid == key and s.backend_type == "parallel worker"),
        hidden=session is not None and hidden(session),
        ours=key == sample.tree.our_pid,
        gid=sample.prepared.get(graph.transaction(key), "") if isinstance(key, str) else "",
        transactions=tuple(what(own) for own in locks if own.granted and own.locktype in _ITSELF),
        wants=wanted(lock, locks) if lock is not None and key in graph.blocked_by else None,
        seconds=seconds,
        approximate=approximate,
        waits_for=tuple(
            replace(_other(graph, sample, blocker), soft=graph.soft(key, blocker)) for blocker in graph.blockers(key)
        ),
        blocks=_blocked(graph, sample, key, behind),
        blocked=len(behind),
        oldest=max(behind.values(), default=None),
        held=_held(locks, {held(one) for one in graph.contested(key)}),
        whole=isinstance(key, int) and sample.looked_at == key,
    )


def _title(graph: WaitGraph, sample: Sample, key: Key) -> str:
    if isinstance(key, str):
        xid = graph.transaction(key)
        return f"prepared transaction {sample.prepared.get(xid, xid)}".strip()
    session = graph.sessions.get(key)
    if key == sample.tree.our_pid:
        return "us"
    return "gone" if session is None else session.application_name or session.user or session.backend_type


def _other(graph: WaitGraph, sample: Sample, key: Key) -> Other:
    waits = key in graph.blocked_by
    seconds, approximate = graph.wait(key) if waits else (None, False)
    lock = graph.wanted.get(key) if waits else None
    wants = wanted(lock, graph.locks[key]) if lock is not None else None
    return Other(key, graph.sessions.get(key), _title(graph, sample, key), wants, seconds, approximate, soft=False)


def _blocked(graph: WaitGraph, sample: Sample, key: Key, behind: Mapping[Key, float]) -> tuple[Other, ...]:
    """First those who wait for it themselves, then those behind them, each the longest wait first."""
    direct = {waiter for waiter in behind if key in graph.blocked_by[waiter]}
    ranked = sorted(behind, key=lambda waiter: (waiter not in direct, -(graph.wait(waiter)[0] or 0.0), order(waiter)))
    return tuple(
        replace(_other(graph, sample, one), direct=one in direct, soft=one in direct and graph.soft(one, key))
        for one in ranked[:_MOST]
    )


def _held(locks: Iterable[Lock], contested: set[str]) -> tuple[Held, ...]:
    """By mode, the strongest first; what others wait for stands before the rest."""
    by_mode: dict[str, dict[str, bool]] = defaultdict(dict)
    for lock in locks:
        if lock.granted and lock.locktype not in _ITSELF:
            by_mode[lock.mode][what(lock)] = held(lock) in contested
    return tuple(
        Held(
            mode_in_words(mode),
            tuple(sorted(things, key=lambda thing: (not things[thing], thing))),
            frozenset(thing for thing, waited in things.items() if waited),
        )
        for mode, things in sorted(by_mode.items(), key=lambda item: (-strength(item[0]), item[0]))
    )
