"""Everything about one session, or prepared transaction: who, since when, what it runs, holds, waits for and blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tui.engine.closely import Closely, Held, Other
from tui.engine.sample import Sample
from tui.postgres.rows import Session, Source

from .line import Line, Role, fold, spread, wrap
from .progress import progress_lines
from .sql import laid_out, whole_sql
from .words import clock, counted, duration, running

_INDENT = "   "
_NAMED = 40
"""Of what is held in one mode so many are named; of hundreds of partitions nobody reads more."""
_OLD = 5.0
"""Seconds from which on a look is no news any more: the slowest rate is one a second."""
_CUT = 2000
"""Bytes that the monitor reads of a query: activity.sql."""
_CUT_BY_SERVER = range(1020, 1024)
"""Bytes that are left where the server cut at 1,024, its default: it never cuts within a character."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a session. ``look`` and ``sample`` are of the newest look that showed it, None before that.

    ``gone``: the time of the first look that did not show it any more. ``blind``: why the looks tell nothing now.
    ``still``: it is a look that stands still, and no other one comes.
    """

    look: Closely | None = None
    sample: Sample | None = None
    gone: datetime | None = None
    blind: Source | None = None
    still: bool = False


def title_line(key: int | str, seen: Seen, now: datetime, width: int) -> Line:
    """Whom it is about; at the right how fresh that is."""
    look = seen.look
    name = look.title if look is not None else ""
    left = Line(" ").add(f"Session {key}" if isinstance(key, int) else name or "Prepared transaction", "strong")
    if isinstance(key, int) and name:
        left.add(f" · {name}")
    at = clock(seen.sample.at, seconds=True) if seen.sample is not None else ""
    if seen.gone is not None:
        right = Line(f" GONE at {clock(seen.gone, seconds=True)} ", "badge-warn").add(" ")
    elif seen.blind is not None or seen.sample is None:
        right = Line(f" AS OF {at} " if at else " NOT KNOWN ", "badge-warn").add(" ")
    elif (age := (now - seen.sample.at).total_seconds()) >= _OLD:
        right = Line(f" AS OF {at}, {running(age)} OLD ", "badge-warn").add(" ")
    else:
        right = Line(f"as of {at} ", "dim")
    return spread(left, right, width)


def session_lines(key: int | str, seen: Seen, width: int) -> list[Line]:
    """The newest that is known of it."""
    look, sample = seen.look, seen.sample
    lines = _freshness(seen, width)
    if look is None or sample is None:
        if not lines:
            lines = wrap("the next look at the server will tell", width, "dim", indent=" ")
        return lines
    if look.prepared:
        lines += _prepared(look, width)
    elif look.session is None:
        what = f"somebody waits for {key}, and the server shows no such session: it ended between two looks"
        lines += wrap(what, width - 1, "warn", indent=" ")
    else:
        lines += _facts(look, look.session, sample.at, width)
        lines += progress_lines(sample, {look.session.pid, *look.workers}, width)
    lines += _summary(look, sample, width)
    if look.waits_for:
        lines += [*_head("WAITS FOR", counted(len(look.waits_for), "session"))]
        for other in look.waits_for:
            lines.append(_row(other, "stands before it in the queue" if other.soft else "holds it", width))
    if look.session is not None:
        lines += _query(look.session, look.hidden, width)
    return [*lines, *_locks(look, sample, seen.still, width), *_blocks(look, width)]


def _freshness(seen: Seen, width: int) -> list[Line]:
    if seen.gone is not None:
        known = "what was last known of it" if seen.look is not None else "nothing is known of it"
        text = f"it is gone: the look at {clock(seen.gone, seconds=True)} did not show it any more; {known}"
        return [*wrap(text, width - 1, "warn", indent=" "), Line()]
    if seen.blind is not None:
        since = clock(seen.blind.since, seconds=True)
        text = f"not known since {since}: {seen.blind.why}; what was last known of it"
        return [*wrap(text, width - 1, "warn", indent=" "), Line()]
    return []


def _facts(look: Closely, session: Session, at: datetime, width: int) -> list[Line]:
    lines: list[Line] = []
    if look.hidden:
        text = "what it does is hidden from our role: to see it takes pg_read_all_stats"
        lines += wrap(text, width - 1, "warn", indent=" ")
    else:
        idle = session.state.startswith("idle in transaction")
        state = Line(" ").add(session.state or "no state", "warn" if idle else "strong")
        if session.state_seconds is not None:
            state.add(f" for {running(session.state_seconds)}")
        if session.transaction_seconds is not None:
            state.add(f" · transaction open for {running(session.transaction_seconds)}")
            written = f"it has written or locked rows, as {session.backend_xid}" if session.backend_xid else ""
            state.add(f" · {written or 'it has written nothing'}", "" if session.backend_xid else "dim")
        lines += fold(state, width - 1, " ")
    who = session.application_name or "no application name"
    who += f" as {session.user}" if session.user else ""
    who += f" on {session.database}" if session.database else ""
    lines += wrap(who + ("" if look.hidden else f" from {session.client or 'this host'}"), width - 1, indent=" ")
    kind = session.backend_type or "session"
    if session.backend_start is not None:
        lines.append(Line(f" {kind} since {_moment(session.backend_start, at)}", "dim").cut(width))
    if session.wait_event:
        lines.append(Line(f" waits: {session.wait_event_type} {session.wait_event}", "dim").cut(width))
    elif session.state == "active":
        lines.append(Line(" waits for nothing that the server names: it works", "dim").cut(width))
    if look.workers:
        pids = ", ".join(map(str, look.workers))
        lines += wrap(f"{counted(len(look.workers), 'parallel worker')}: {pids}", width - 1, indent=" ")
    return lines


def _moment(then: datetime, now: datetime) -> str:
    """``01:06:12``, with the day where that is another one."""
    same = then.astimezone().date() == now.astimezone().date()
    return clock(then, seconds=True) if same else f"{then.astimezone():%Y-%m-%d} {clock(then, seconds=True)}"


def _prepared(look: Closely, width: int) -> list[Line]:
    text = "it belongs to no session: it keeps its locks until somebody ends it, over a restart of the server, too"
    lines = wrap(text, width - 1, indent=" ")
    if not look.gid:
        asked = "its name is not known from here; in any database of the server:"
        lines += [*wrap(asked, width - 1, indent=" "), *whole_sql("SELECT * FROM pg_prepared_xacts;", width)]
        return lines
    quoted = look.gid.replace("'", "''")
    lines += wrap("to end it, in its database, as its owner or a superuser:", width - 1, indent=" ")
    lines += whole_sql(f"ROLLBACK PREPARED '{quoted}';", width, indent=_INDENT)
    return [
        *lines,
        *wrap("COMMIT PREPARED would keep what it did. Lockstep does neither.", width - 1, "dim", indent=" "),
    ]


def _refused(sample: Sample, *sources: str) -> str:
    """Why one of these sources gave nothing to this look; empty where all did."""
    return next((f"n/a: {source.why}" for source in sample.missing if source.name in sources), "")


def _summary(look: Closely, sample: Sample, width: int) -> list[Line]:
    lines: list[Line] = []
    if look.wants is not None or look.waits_for:
        about = "about " if look.approximate else ""
        wants = f"wants {look.wants}" if look.wants is not None else "waits for a lock"
        waits = f", for {about}{duration(look.seconds)}" if look.seconds is not None else ""
        lines += wrap(wants + waits, width - 1, "warn", indent=" ")
    if look.blocked:
        oldest = f", the oldest {duration(look.oldest)}" if look.oldest is not None else ""
        text = f"{counted(look.blocked, 'session')} {'wait' if look.blocked > 1 else 'waits'} because of it{oldest}"
        lines += wrap(text, width - 1, "warn", indent=" ")
    elif refused := _refused(sample, "blocking", "waiting"):
        lines += wrap(f"who waits because of it is {refused}", width - 1, "warn", indent=" ")
    else:
        lines.append(Line(" nobody waits because of it", "dim"))
    return lines


def _head(name: str, note: str = "") -> list[Line]:
    line = Line(f" {name}", "strong")
    return [Line(), line.add(f"  {note}", "dim") if note else line]


def _query(session: Session, hidden: bool, width: int) -> list[Line]:
    if hidden or not session.query:
        return []
    notes = []
    if session.state and session.state != "active":
        notes.append("its last one")
    length = len(session.query.encode())
    if length >= _CUT:
        notes.append("the first 2,000 bytes")
    elif length in _CUT_BY_SERVER:
        notes.append("maybe cut: the server keeps 1,024 bytes where track_activity_query_size says nothing else")
    return [*_head("QUERY", "; ".join(notes)), *whole_sql(laid_out(session.query), width - 1, indent=_INDENT)]


def _locks(look: Closely, sample: Sample, still: bool, width: int) -> list[Line]:
    if refused := _refused(sample, "locks"):
        return _head("LOCKS", refused)
    note = ""
    if look.prepared:
        note = "those that somebody waits for"
    elif not look.whole:
        others = "paused, so the others are not read" if still else "all of them are read at the next look"
        note = f"those that somebody waits for; {others}"
    count = sum(len(held.on) for held in look.held)
    lines = _head("LOCKS", note or (f"{counted(count, 'lock')} held" if count else ""))
    if look.wants is not None:
        lines += wrap(f"wants {look.wants}", width - 1, "warn", indent=_INDENT)
    for held in look.held:
        lines += fold(_held(held), width - 1, _INDENT * 2)
    if look.transactions:
        lines += wrap(f"its own {', '.join(look.transactions)}", width - 1, "dim", indent=_INDENT)
    if not (look.held or look.wants or look.transactions):
        lines.append(Line(f"{_INDENT}holds none" if look.whole else f"{_INDENT}none of them", "dim"))
    return lines


def _held(held: Held) -> Line:
    """``ACCESS SHARE on 212: client_profiles, requests, … 172 more``; what others wait for stands out."""
    many = f" on {len(held.on)}:" if len(held.on) > 1 else " on"
    line = Line(f"{_INDENT}{held.mode}").add(many, "dim")
    for position, thing in enumerate(held.on[:_NAMED]):
        role: Role = "warn" if thing in held.waited_for else ""
        line.add("," if position else "", "dim").add(" ").add(thing, role)
    if len(held.on) > _NAMED:
        line.add(f", … {len(held.on) - _NAMED} more", "dim")
    return line


def _blocks(look: Closely, width: int) -> list[Line]:
    if not look.blocks:
        return []
    lines = _head("BLOCKS", counted(look.blocked, "session"))
    shown: Sequence[Other] = look.blocks
    behind = False
    for other in shown:
        if not other.direct and not behind:
            behind = True
            lines.append(Line(f"{_INDENT}and behind those:", "dim"))
        lines.append(_row(other, f"wants {other.wants}" if other.wants else "", width))
    if look.blocked > len(shown):
        lines.append(Line(f"{_INDENT}… {look.blocked - len(shown)} more", "dim"))
    return lines


def _row(other: Other, last: str, width: int) -> Line:
    """Pid, name, what it does, how long it waits (or has its transaction open), and ``last``."""
    us = other.title == "us"
    line = Line(_INDENT).column("prepared" if isinstance(other.key, str) else str(other.key), 9, "us" if us else "")
    line.column(other.title.removeprefix("prepared transaction "), 18 if width < 100 else 20).add(" ")
    session = other.session
    if width >= 100:
        idle = session is not None and session.state.startswith("idle")
        doing = "" if session is None else session.state if idle else " ".join(session.query[:200].split())
        line.column(doing, width // 5, "warn" if idle else "dim").add(" ")
    age = other.seconds if other.wants is not None or session is None else session.transaction_seconds
    about = "~" if other.approximate and other.wants is not None else ""
    line.column(f"{about}{running(age)}" if age is not None else "", 8, right=True)
    return line.add("  ").add(last, "dim").cut(width)
