"""What each gauge shows of a sample: the figure now, what it is judged by, and why it is missing."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tui.engine.sample import Sample
from tui.postgres.rows import MONITOR, Horizon, Replica, Slot

from .line import Role
from .words import clock, duration, number, running, size

_NEAR = 0.7
"""The share of a limit from which on a figure is marked, as in the lock tree."""
_FULL = 0.9
"""The share of the connections that may be in use until it is too near the end."""
_COST = 0.5
"""The share of the interval that a look may take: the monitor's own guard has the same."""
_SILENT = 15.0
"""Seconds: a standby speaks every 10 s at least (wal_receiver_status_interval), so its lag is old after these."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the figures are judged by; None where nothing is set. Seconds and sessions, as in the runbook's safety.

    ``blocked`` and ``blocked_for`` hold for the queue behind a script of ours while one runs. ``window`` is when it
    opened.
    """

    blocked: int | None = None
    blocked_for: float | None = None
    lag: float | None = None
    window: datetime | None = None


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure now. ``rank``: the lower, the sooner it has a place; one that is ``urgent`` has the place of another.

    ``key`` is what its history is kept under. ``value`` None is unknown: ``why`` says it, or that there is nothing to
    know. ``sources`` are those that it comes from. ``more`` says the figure with what belongs to it, for where there
    is room.
    """

    key: str
    name: str
    value: float | None
    words: Callable[[float], str]
    rank: int
    sources: tuple[str, ...] = ()
    role: Role = ""
    limit: float | None = None
    more: str = ""
    why: str = "not known yet"
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """What only the samples before tell: the replicas that told their lag, since when some are gone, and from when on
    and from how many bytes temporary files are counted."""

    replicas: frozenset[str] = frozenset()
    gone: Mapping[str, datetime] | None = None
    temp: tuple[datetime, int] | None = None


def gauges(sample: Sample, limits: Limits, past: Past) -> list[Gauge]:
    """All figures of a sample, the most important first."""
    found = [
        *_waits(sample, limits),
        Gauge("WAL", "WAL", sample.wal_rate, _a_second, 1, ("counters",)),
        *_lags(sample, limits.lag, past),
        _transactions(sample),
        _connections(sample),
        _slot(sample),
        _xmin(sample),
        _monitor(sample),
        _temp(sample, past.temp),
    ]
    return sorted(found, key=lambda gauge: gauge.rank)


def failed(sample: Sample, sources: Collection[str]) -> str:
    """Why one of these sources gives nothing; empty where all do."""
    return next((source.why for source in sample.missing if source.name in (*sources, MONITOR)), "")


def _judged(value: float | None, limit: float | None) -> tuple[Role, bool]:
    """Its colour, and whether it is over the limit."""
    if value is None or limit is None:
        return "", False
    return ("bad", True) if value > limit else ("warn" if value > _NEAR * limit else "", False)


_LOCKS = ("blocking", "waiting", "locks")


def _waits(sample: Sample, limits: Limits) -> list[Gauge]:
    """How many are blocked and for how long; while a script of ours runs, those behind it, against its limits."""
    known = sample.blocked_sessions is not None
    blocked = sample.blocked_sessions or 0
    longest = sample.oldest_wait if blocked or not known else 0.0
    role: Role = "warn" if blocked else ""
    everybody = Gauge("blocked", "blocked", sample.blocked_sessions, _count, 0, _LOCKS, role)
    if limits.blocked is None or limits.blocked_for is None:
        return [everybody, Gauge("wait", "oldest", longest, _wait, 4, _LOCKS, role)]
    queued = float(sample.tree.queued) if known else None
    oldest = (sample.tree.oldest or 0.0) if known else None
    most, most_seconds = limits.blocked, limits.blocked_for
    near, over = _judged(queued, most)
    late, too_late = _judged(oldest, most_seconds)

    def sessions(value: float) -> str:
        return f"{value:.0f}/{most}"

    def seconds(value: float) -> str:
        return f"{_tenths(value)}/{most_seconds:g} s"

    behind = [
        Gauge("behind", "behind us", queued, sessions, 0, _LOCKS, near, most, urgent=over),
        Gauge("longest", "oldest", oldest, seconds, 4, _LOCKS, late, most_seconds, urgent=too_late),
    ]
    if blocked <= sample.tree.queued + sample.tree.waiting_for_lock:
        return behind
    # Others wait for others: they are not in the queue behind us, and the guard does not count them.
    return [*behind, Gauge("blocked", "blocked", blocked, _count, 5, _LOCKS, role)]


def _lags(sample: Sample, limit: float | None, past: Past) -> list[Gauge]:
    """Each replica's lag, the worst first; one that went away stays, with the time."""
    if failed(sample, ("replication",)):
        names: list[str] = sorted(past.replicas - set(past.gone or ()))
        if not names:
            return [Gauge("lag", "lag", None, duration, 2, ("replication",))]
        return [_lag(name, None, limit, 2 if name == names[0] else 10) for name in names]
    worst_first = sorted(named(sample.replicas).items(), key=lambda one: -(one[1].replay_lag_seconds or -1.0))
    found = [_lag(name, replica, limit, 10 if n else 2) for n, (name, replica) in enumerate(worst_first)]
    for name, since in sorted((past.gone or {}).items()):
        why = f"gone since {clock(since)}"
        found.append(Gauge(f"lag {name}", _short("lag", name), None, duration, 10, role="bad", why=why, urgent=True))
    return found or [Gauge("lag", "lag", None, duration, 60, why="no replica")]


def _lag(name: str, replica: Replica | None, limit: float | None, rank: int) -> Gauge:
    key, shown, source = f"lag {name}", _short("lag", name), ("replication",)
    if replica is None:
        return Gauge(key, shown, None, duration, rank, source)
    seconds, behind, reply = replica.replay_lag_seconds, replica.replay_lag_bytes, replica.reply_seconds
    if seconds is None:
        why = "not told" if behind is None else f"{size(behind)} behind"
        return Gauge(key, shown, None, duration, rank, source, why=why if replica.state else "hidden")
    silent = f", {reply:.0f} s old" if reply is not None and reply > _SILENT else ""
    role, over = _judged(seconds, limit)

    def words(value: float) -> str:
        near = limit is not None and value > _NEAR * limit
        return (f"{_tenths(value)}/{limit:g} s" if near else duration(value)) + silent

    more = f"{words(seconds)}, {size(behind)}" if behind else ""
    return Gauge(key, shown, seconds, words, rank, source, role or ("warn" if silent else ""), limit, more, "", over)


def named(replicas: Sequence[Replica]) -> dict[str, Replica]:
    """The replicas by what they are called; those that are called alike, with their address or a number."""
    names = Counter(replica.application_name or replica.client or "replica" for replica in replicas)
    found: dict[str, Replica] = {}
    for replica in replicas:
        name = replica.application_name or replica.client or "replica"
        if names[name] > 1 and replica.application_name and replica.client:
            name = f"{name} {replica.client}"
        number_of = 1 + sum(other.rpartition("#")[0] == name or other == name for other in found)
        found[name if number_of == 1 else f"{name}#{number_of}"] = replica
    return found


def _short(what: str, name: str) -> str:
    """Names of one house begin alike: their end tells them apart."""
    return f"{what} {name if len(name) <= 8 else '…' + name[-7:]}"


def _transactions(sample: Sample) -> Gauge:
    """How many end a second, and how many of those are rolled back: an application that meets errors shows here."""
    rate, lost = sample.transaction_rate, sample.rollback_rate
    if rate is None or lost is None or lost < 1:
        return Gauge("tps", "tps", rate, _count, 3, ("counters",))
    return Gauge("tps", "tps", rate, lambda value: f"{value:.0f}, {lost:.0f} fail", 3, ("counters",), "warn")


def _connections(sample: Sample) -> Gauge:
    """The clients' connections against those that are not reserved."""
    counters, sources = sample.counters, ("activity", "counters")
    if counters is None or counters.connections is None:
        return Gauge("conn", "conn", None, _count, 5, sources)
    usable = counters.usable_connections or counters.max_connections
    limit = _FULL * usable
    full = counters.connections > limit

    def words(value: float) -> str:
        return f"{value:.0f}/{usable}"

    return Gauge("conn", "conn", counters.connections, words, 5, sources, "bad" if full else "", limit, urgent=full)


def _slot(sample: Sample) -> Gauge:
    """The slot that is lost, or about to be, else the one that keeps the most."""
    if not sample.slots:
        absent = not failed(sample, ("slots",))
        return Gauge("slot", "slot", None, size, 61 if absent else 6, ("slots",), why="no slot")
    worst = max(sample.slots, key=_illness)
    kept, limit = worst.retained_bytes, worst.limit_bytes
    lost = worst.wal_status in _ILL
    said = worst.wal_status if lost else "" if worst.active else "inactive"
    near, over = _judged(kept, limit)
    role: Role = "bad" if lost or over else "warn" if said or near else ""

    def words(value: float) -> str:
        if limit is not None and near and not lost:
            return _against(value, limit)
        return f"{size(value)} {said}" if said else size(value)

    if kept is None:
        why = f"{worst.name[:20]} {said or 'keeps nothing yet'}"
        return Gauge("slot", "slot", None, size, 6, ("slots",), role, why=why, urgent=lost)
    more = f"{words(kept)}: {worst.name[:20]}" + (", inactive" if near and said == "inactive" else "")
    return Gauge("slot", "slot", kept, words, 6, ("slots",), role, limit, more, urgent=lost or over)


def _against(value: float, limit: float) -> str:
    """``67.8/67.1 MB``, or with both units where they differ."""
    (figure, unit), (most, units) = size(value).split(), size(limit).split()
    return f"{figure}/{most} {units}" if unit == units else f"{figure} {unit}/{most} {units}"


_ILL = {"lost": 2, "unreserved": 1}


def _illness(slot: Slot) -> tuple[int, int]:
    return _ILL.get(slot.wal_status, 0), slot.retained_bytes or 0


def _xmin(sample: Sample) -> Gauge:
    """How many transactions old the oldest snapshot is: what was deleted since stays on disk."""
    least = "≥ " if sample.hidden else ""

    def words(value: float) -> str:
        return least + _transactions_old(value)

    if failed(sample, ("horizon",)):
        return Gauge("xmin", "xmin", None, words, 7, ("horizon",))
    held = sample.horizon
    if held is None:
        return Gauge("xmin", "xmin", 0.0, words, 7, ("horizon",))
    since = f", {running(held.seconds)}" if held.seconds is not None else ""
    more = f"{words(held.transactions)} by {_holder(held)}{since}"
    return Gauge("xmin", "xmin", held.transactions, words, 7, ("horizon",), more=more)


def _holder(horizon: Horizon) -> str:
    if horizon.kind == "session":
        return f"{horizon.pid}"
    return f"{horizon.kind.removesuffix(' transaction')} {horizon.name[:16] or horizon.pid}"


def _monitor(sample: Sample) -> Gauge:
    """What our own looking costs: the server's round trips, our reading of them, and their share of the interval."""
    cost, interval, rarely = sample.cost + sample.made_in, sample.interval, sample.rarely
    whole = f"{1000 * interval:.0f} ms"

    def words(value: float) -> str:
        return (
            f"{1000 * value:.0f}/{whole}" if rarely is not None else f"{duration(value)}, {_percent(value / interval)}"
        )

    more = f"{1000 * sample.cost:.0f}+{1000 * sample.made_in:.0f} of {whole}, {_percent(cost / interval)}"
    over = cost > _COST * interval
    role: Role = "warn" if rarely is not None or over else ""
    return Gauge("monitor", "monitor", cost, words, 8, (), role, _COST * interval, more, urgent=rarely is not None)


def _temp(sample: Sample, base: tuple[datetime, int] | None) -> Gauge:
    """What goes to temporary files, and how much of it since the window was opened."""
    rate, counters = sample.temp_rate, sample.counters
    more = ""
    if rate is not None and base is not None and counters is not None and counters.temp_bytes is not None:
        more = f"{_a_second(rate)}, {size(counters.temp_bytes - base[1])} since {clock(base[0])}"
    return Gauge("temp", "temp", rate, _a_second, 9, ("counters",), more=more)


def _a_second(value: float) -> str:
    return f"{size(value)}/s"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.005 else "<1 %"


def _count(value: float) -> str:
    return number(round(value))


def _tenths(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds < 100 else f"{seconds:.0f}"


def _wait(seconds: float) -> str:
    return duration(seconds) if seconds else "0 s"


def _transactions_old(value: float) -> str:
    for unit, divisor in (("k", 1e3), ("M", 1e6), ("G", 1e9)):
        if 1e4 <= value < divisor * 999.5:
            rounded = value / divisor
            return f"{rounded:.0f} {unit} tx" if rounded >= 9.95 else f"{rounded:.1f} {unit} tx"
    return f"{number(round(value))} tx"
