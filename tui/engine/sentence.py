"""The line over the tree: what the waits of this moment come to, in words."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from tui.postgres.rows import Lock

from .lock_words import duration, what
from .wait_graph import Key, WaitGraph, order

Title = Callable[[Key], str]

NOBODY = "nobody waits for a lock"
_NAMED = 3
"""As many sessions of a deadlock are named; of more it is said how many."""


def sentence(
    graph: WaitGraph, our_pid: int, behind: Mapping[Key, float], concerned: Collection[Key], title: Title
) -> str:
    """Around us. ``behind``: who waits behind us and for how long; ``concerned``: all who are above or below us."""
    parts: list[str] = []
    if our_pid in graph.blocked_by:
        parts += _our_wait(graph, our_pid, our_pid in concerned, title)
    if behind:
        whom = "behind us" if parts else "for us"
        parts.append(_waiting(len(behind), whom, max(behind.values())))
    others = [key for key in graph.blocked_by if key != our_pid and key not in concerned]
    if others:
        where = "for locks elsewhere" if parts else "for locks, not for us"
        parts.append(_waiting(len(others), where, _oldest(graph, others)))
    return "; ".join(parts) or NOBODY


def sentence_of_all(graph: WaitGraph, tops: Sequence[Key], title: Title) -> str:
    """Around the worst of the roots, which is the first of ``tops``; what waits for others is counted."""
    if not tops:
        return NOBODY
    worst = tops[0]
    behind = graph.behind(worst).keys()
    circle = _circle(graph, worst) if worst in graph.blocked_by else []
    kept = [key for key in behind if key not in circle]
    among, first = frozenset(tops), defaultdict[Key, set[Key]](set)
    for waiter, before in graph.blocked_by.items():
        for top in before & among:
            first[top].add(waiter)
    # One waits for one lock: who keeps the same one waiting holds the same lock.
    beside = [top for top in tops[1:] if not first[worst].isdisjoint(first[top])]
    if circle:
        parts = [_deadlock(graph, circle, title, None)]
    else:
        held = _held(graph, first[worst], several=bool(beside)) or ("are" if beside else "is") + " in the way"
        parts = [f"{who(graph, worst, title)}{_and_more(beside)} {held}"]
    if kept:
        whom = "behind them" if beside or circle else "behind it"
        parts.append(_waiting(len(kept), whom, _oldest(graph, kept)))
    others = [key for key in graph.blocked_by if key not in behind and key not in circle]
    if others:
        trees = sum(not first[top] <= behind for top in tops[1:])
        sessions = f"{len(others)} session{'s' * (len(others) > 1)}"
        oldest = f"{'the oldest ' * (len(others) > 1)}{duration(_oldest(graph, others))}"
        parts.append(f"{trees} more tree{'s' * (trees > 1)}, {sessions}, {oldest}")
    if graph.circles and not circle:
        knot = _circle(graph, min(graph.circles, key=order))
        parts.append(_deadlock(graph, knot, title, None))
    return "; ".join(parts)


def who(graph: WaitGraph, key: Key, title: Title) -> str:
    """``idle in transaction 4242 (billing_report, 14 min)``."""
    session = graph.sessions.get(key)
    if session is None:
        return title(key) if isinstance(key, str) else f"session {key} (gone)" if graph.sessions else f"session {key}"
    kind, seconds = session.state, session.transaction_seconds
    if session.backend_type not in ("client backend", ""):
        kind = session.backend_type
    elif kind == "idle":
        # Out of a transaction it can hold an advisory lock only: how long it has said nothing is of interest.
        kind, seconds = "idle session", session.state_seconds
    elif not kind.startswith("idle"):
        verb = _verb(session.query)
        kind = f"{verb} of" if verb else "session"
    inside = [] if title(key) == kind else [title(key)]
    if seconds is not None:
        inside.append(duration(seconds))
    return f"{kind} {session.pid}" + (f" ({', '.join(inside)})" if inside else "")


def _our_wait(graph: WaitGraph, our_pid: int, in_circle: bool, title: Title) -> list[str]:
    parts: list[str] = []
    if in_circle:
        parts.append(_deadlock(graph, _circle(graph, our_pid), title, our_pid))
    else:
        blockers = graph.blockers(our_pid)
        soft = graph.before_in_queue(our_pid)
        hard = [key for key in blockers if key not in soft]
        first, *more = hard or blockers
        if hard:
            said = _held(graph, [our_pid], several=bool(more)) or f"hold{'s' * (not more)} what we want"
        else:
            wanted = graph.wanted.get(our_pid)
            thing = what(wanted) if wanted is not None else "what we want"
            said = f"stand{'s' * (not more)} before us in the queue for {thing}"
        parts.append(f"{who(graph, first, title)}{_and_more(more)} {said}")
        ultimate = _ultimate(graph, first)
        if ultimate in graph.blocked_by:
            circle = _circle(graph, first) or _circle(graph, ultimate)
            name = first if isinstance(first, int) else title(first)
            waits = "is itself in" if first in circle else "itself waits for"
            parts.append(f"{name} {waits} a {_deadlock(graph, circle, title, None)}")
        elif ultimate != first:
            parts.append(f"{first} itself waits for {who(graph, ultimate, title)}")
    seconds, approximate = graph.wait(our_pid)
    session = graph.sessions.get(our_pid)
    verb = _verb(session.query if session else "") or "statement"
    if seconds is not None:
        parts.append(f"our {verb} waits {'about ' if approximate else ''}{duration(seconds)}")
    return parts


def _held(graph: WaitGraph, waiters: Iterable[Key], *, several: bool) -> str:
    """What most of the waiters want, as what its holders do: ``holds client_profiles``; empty is unknown."""
    wanted = {key: lock for key in sorted(waiters, key=order) if (lock := graph.wanted.get(key)) is not None}
    if not wanted:
        return ""
    [(tag, _)] = Counter(lock.tag for lock in wanted.values()).most_common(1)
    wanting = {key: lock for key, lock in wanted.items() if lock.tag == tag}
    thing: Lock | None = next(iter(wanting.values()))
    if thing is not None and thing.locktype in ("transactionid", "virtualxid"):
        thing = next((row for key in wanting if (row := _row(graph, key)) is not None), None)
    if thing is None:
        # No thing is held: the end of its transaction is what they wait for.
        return "must end first"
    return f"hold{'s' * (not several)} {what(thing)}"


def _row(graph: WaitGraph, waiter: Key) -> Lock | None:
    """The row behind the transaction that it waits for: it holds the row's own lock meanwhile."""
    return next((lock for lock in graph.locks.get(waiter, ()) if lock.locktype == "tuple" and lock.granted), None)


def _deadlock(graph: WaitGraph, circle: Sequence[Key], title: Title, our_pid: int | None) -> str:
    soft = any(graph.soft(waiter, blocker) for waiter, blocker in zip(circle, [*circle[1:], circle[0]], strict=True))
    # The server lets somebody in the queue go before another one, if that opens the circle: nobody has to die.
    said = "deadlock, unless the server changes the queue" if soft else "deadlock"
    names = ["we" if key == our_pid else who(graph, key, title) for key in circle]
    if len(names) > _NAMED + 1:
        names = [*names[:_NAMED], f"{len(names) - _NAMED} more"]
    waiting = "wait for each other" if len(circle) == 2 else "wait in a circle"
    return f"{said}: {', '.join(names[:-1])} and {names[-1]} {waiting}"


def _circle(graph: WaitGraph, key: Key) -> list[Key]:
    """The shortest circle of waits through this one, which waits for the second, and so on; empty if there is none."""
    came: dict[Key, Key] = {}
    ahead = deque([key])
    while ahead:
        waiter = ahead.popleft()
        before = graph.blocked_by.get(waiter, frozenset())
        if key in before:
            line = [waiter]
            while line[-1] != key:
                line.append(came[line[-1]])
            return line[::-1]
        new = sorted(before - came.keys(), key=order)
        came.update(dict.fromkeys(new, waiter))
        ahead.extend(new)
    return []


def _ultimate(graph: WaitGraph, key: Key) -> Key:
    """Who is at the top of the chain over this one; the last one before a circle closes."""
    seen = {key}
    while (above := next((b for b in graph.blockers(key) if b not in seen), None)) is not None:
        key = above
        seen.add(key)
    return key


def _waiting(count: int, whom: str, seconds: float) -> str:
    """``17 sessions wait behind us, the oldest 2.1 s``."""
    if count == 1:
        return f"1 session waits {whom}, {duration(seconds)}"
    return f"{count} sessions wait {whom}, the oldest {duration(seconds)}"


def _oldest(graph: WaitGraph, waiters: Iterable[Key]) -> float:
    return max(graph.wait(key)[0] or 0.0 for key in waiters)


def _and_more(others: Sequence[Key]) -> str:
    return f" and {len(others)} more" if others else ""


def _verb(query: str) -> str:
    """``ALTER`` from the query's first word; comments are passed over."""
    text = query.lstrip()
    while text.startswith(("--", "/*")):
        end = "\n" if text.startswith("--") else "*/"
        text = text.partition(end)[2].lstrip()
    word = text.split(None, 1)[0] if text else ""
    return word.upper() if word.isascii() and word.isalpha() and len(word) <= 12 else ""
