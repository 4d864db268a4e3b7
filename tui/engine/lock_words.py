"""Lock modes, which of them stand in each other's way, and locks in words."""

from collections.abc import Iterable

from tui.postgres.rows import Lock
from tui.runbook.foreseen import MODES

_CONFLICTS = (7,), (6, 7), (4, 5, 6, 7), (3, 4, 5, 6, 7), (2, 3, 5, 6, 7), (2, 3, 4, 5, 6, 7), range(1, 8), range(8)
"""By mode, the modes that conflict: PostgreSQL's documentation, "Conflicting Lock Modes"."""

_CONFLICTING = {mode: frozenset(MODES[other] for other in _CONFLICTS[i]) for i, mode in enumerate(MODES)}
_STRENGTH = {mode: i for i, mode in enumerate(MODES)}
_WORDS = dict(
    zip(
        MODES,
        (
            "ACCESS SHARE",
            "ROW SHARE",
            "ROW EXCLUSIVE",
            "SHARE UPDATE EXCLUSIVE",
            "SHARE",
            "SHARE ROW EXCLUSIVE",
            "EXCLUSIVE",
            "ACCESS EXCLUSIVE",
        ),
        strict=True,
    )
)


def conflict(one: str, other: str) -> bool:
    """Two transactions cannot hold these modes on the same lock; False for a mode that is none of the eight."""
    return other in _CONFLICTING.get(one, ())


def strength(mode: str) -> int:
    """A number to sort modes by."""
    return _STRENGTH.get(mode, -1)


def mode_in_words(mode: str) -> str:
    """``ACCESS EXCLUSIVE`` for ``AccessExclusiveLock``."""
    return _WORDS.get(mode, mode)


def what(lock: Lock) -> str:
    """What is locked: ``client_profiles``, ``row (0,5) of requests``, ``advisory lock 42``."""
    match lock.locktype:
        case "relation":
            return lock.relation
        case "extend":
            return f"the extension of {lock.relation}"
        case "frozenid":
            return "the freezing limit of the database"
        case "page":
            return f"page {lock.detail} of {lock.relation}"
        case "tuple":
            return f"row {lock.detail} of {lock.relation}"
        case "transactionid":
            return f"transaction {lock.detail}"
        case "virtualxid":
            return f"virtual transaction {lock.detail}"
        case "advisory":
            return f"advisory lock {lock.detail}"
        case "spectoken":
            return f"the row that transaction {lock.detail.partition('/')[0]} is inserting"
        case "object":
            return lock.relation
    return f"{lock.locktype} {lock.relation or lock.detail}".strip()


def held(lock: Lock) -> str:
    """A lock that is held: ``ACCESS SHARE on client_profiles``, ``transaction 4711``."""
    if lock.locktype in ("transactionid", "virtualxid"):
        # Every transaction holds itself; the mode says nothing.
        return what(lock)
    return f"{mode_in_words(lock.mode)} on {what(lock)}"


def wanted(lock: Lock, of_the_waiter: Iterable[Lock]) -> str:
    """A lock that is waited for. The row behind a transaction shows in the row lock that the waiter already holds."""
    if lock.locktype == "transactionid":
        for other in of_the_waiter:
            if other.locktype == "tuple" and other.granted:
                return f"{what(other)} held by {what(lock)}"
    if lock.locktype in ("transactionid", "virtualxid"):
        return f"the end of {what(lock)}"
    return held(lock)


def duration(seconds: float) -> str:
    """``2.4 s``, ``14 min``, ``3 h 05 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
