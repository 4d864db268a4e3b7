"""The line over the tree: what the waits of this moment come to, in words."""

from collections.abc import Callable, Mapping

from .lock_words import duration, what
from .wait_graph import Key, WaitGraph

Title = Callable[[Key], str]


def sentence(
    graph: WaitGraph, our_pid: int | None, behind: Mapping[Key, float], concerned: set[Key], title: Title
) -> str:
    """``behind``: who waits behind us and for how long; ``concerned``: all who are above or below us."""
    parts: list[str] = []
    if our_pid is not None and our_pid in graph.blocked_by:
        parts += _our_wait(graph, our_pid, title)
    if behind:
        oldest = duration(max(behind.values()))
        if parts:
            count = f"{len(behind)} sessions wait" if len(behind) > 1 else "1 session waits"
            parts.append(f"{count} behind us, {'the oldest ' if len(behind) > 1 else ''}{oldest}")
        else:
            count = f"{len(behind)} sessions wait" if len(behind) > 1 else "1 session waits"
            parts.append(f"{count} for us, {'the oldest ' if len(behind) > 1 else ''}{oldest}")
    others = [key for key in graph.blocked_by if key != our_pid and key not in concerned]
    if others:
        oldest = duration(max(graph.wait(key)[0] or 0.0 for key in others))
        count = f"{len(others)} sessions wait" if len(others) > 1 else "1 session waits"
        where = "" if our_pid is None else " elsewhere" if parts else ", not for us"
        parts.append(f"{count} for locks{where}, {'the oldest ' if len(others) > 1 else ''}{oldest}")
    return "; ".join(parts) or "nobody waits for a lock"


def _our_wait(graph: WaitGraph, our_pid: int, title: Title) -> list[str]:
    blockers = graph.blockers(our_pid)
    hard = [key for key in blockers if not graph.soft(our_pid, key)]
    wanted = graph.wanted.get(our_pid)
    thing = what(wanted) if wanted is not None else "what we want"
    circle = [key for key in blockers if our_pid in graph.blocked_by.get(key, ())]
    parts = []
    if circle:
        parts.append(f"deadlock: we and {who(graph, circle[0], title)} wait for each other")
    elif hard:
        more = f" and {len(hard) - 1} more" if len(hard) > 1 else ""
        parts.append(f"{who(graph, hard[0], title)}{more} {'hold' if more else 'holds'} {thing}")
    else:
        more = f" and {len(blockers) - 1} more" if len(blockers) > 1 else ""
        verb = "stand" if more else "stands"
        parts.append(f"{who(graph, blockers[0], title)}{more} {verb} before us in the queue for {thing}")
    first = (hard or blockers)[0]
    ultimate = _ultimate(graph, first)
    if ultimate != first and not circle:
        parts.append(f"{_pid(first, title)} itself waits for {who(graph, ultimate, title)}")
    seconds, approximate = graph.wait(our_pid)
    session = graph.sessions.get(our_pid)
    verb = _verb(session.query if session else "") or "statement"
    if seconds is not None:
        parts.append(f"our {verb} waits {'about ' if approximate else ''}{duration(seconds)}")
    return parts


def who(graph: WaitGraph, key: Key, title: Title) -> str:
    """``idle in transaction 4242 (billing_report, 14 min)``."""
    session = graph.sessions.get(key)
    if session is None:
        return title(key) if isinstance(key, str) else f"session {key} (gone)" if graph.sessions else f"session {key}"
    state = session.state
    if state == "active" or not state:
        verb = _verb(session.query) if session.backend_type == "client backend" else ""
        state = f"{verb} of" if verb else session.backend_type if verb == "" and session.backend_type else "session"
    if state == "client backend":
        state = "session"
    age = "" if session.transaction_seconds is None else f", {duration(session.transaction_seconds)}"
    return f"{state} {session.pid} ({title(key)}{age})"


def _pid(key: Key, title: Title) -> str:
    return str(key) if isinstance(key, int) else title(key)


def _ultimate(graph: WaitGraph, key: Key) -> Key:
    """Who is at the top of the chain over this one; the last one before a circle closes."""
    seen = {key}
    while (above := next((b for b in graph.blockers(key) if b not in seen), None)) is not None:
        key = above
        seen.add(key)
    return key


def _verb(query: str) -> str:
    """``ALTER`` from the query's first word; comments are passed over."""
    text = query.lstrip()
    while text.startswith(("--", "/*")):
        end = "\n" if text.startswith("--") else "*/"
        text = text.partition(end)[2].lstrip()
    word = text.split(None, 1)[0] if text else ""
    return word.upper() if word.isascii() and word.isalpha() and len(word) <= 12 else ""
