"""Looks at a server in which one session is worth a closer one: what its detail is shown in tests."""

from collections.abc import Mapping
from typing import Any

from scenes import SQL_006, sample, session

from tui.engine.closely import closely
from tui.engine.locks import build_tree
from tui.engine.sample import Sample
from tui.postgres.rows import Lock, Session
from tui.widgets.session import Seen

LONG = (
    "SELECT p.id, p.name, sum(r.amount) AS amount FROM client_profiles p JOIN requests r ON r.client_id = p.id "
    "WHERE r.created_at >= '2026-11-01' AND r.status <> 'cancelled' GROUP BY p.id, p.name ORDER BY amount DESC"
)


def lock(pid: int | None, relation: str, mode: str, *, waits: float | None = None, kind: str = "relation") -> Lock:
    oid = None if kind != "relation" else sum(map(ord, relation))
    name, detail = (relation, "") if kind == "relation" else ("", relation)
    holder = f"3/{pid}" if pid is not None else "-1/771"
    return Lock(pid, kind, 5, oid, name, detail, mode, waits is None, False, waits, holder)


def look(
    sessions: tuple[Session, ...],
    locks: tuple[Lock, ...],
    blocking: Mapping[int, tuple[int, ...]],
    *,
    us: int | None = 5131,
    prepared: Mapping[str, str] | None = None,
    **more: Any,
) -> Sample:
    tree = build_tree(sessions, locks, blocking, us, prepared=prepared)
    return sample(tree, sessions=sessions, locks=locks, prepared=prepared or {}, **more)


BILLING = session(
    4242,
    "billing_report",
    LONG,
    "idle in transaction",
    842.0,
    wait_event_type="Client",
    wait_event="ClientRead",
    user="reporting",
)
US = session(5131, "lockstep runner", SQL_006, "active", 7.0, wait_event_type="Lock", wait_event="relation")
WEB = tuple(session(5204 + n, "web", "SELECT * FROM client_profiles WHERE id = $1", "active", 2.0) for n in range(17))


def queue(**more: Any) -> Sample:
    """4242 holds, we wait for it, 17 wait behind us."""
    locks = (
        lock(4242, "client_profiles", "AccessShareLock"),
        lock(4242, "requests", "AccessShareLock"),
        lock(4242, "client_profiles_pkey", "AccessShareLock"),
        lock(4242, "3/4242", "ExclusiveLock", kind="virtualxid"),
        lock(5131, "requests", "AccessExclusiveLock"),
        lock(5131, "quotes", "AccessExclusiveLock"),
        lock(5131, "client_profiles", "AccessExclusiveLock", waits=2.4),
        *(lock(web.pid, "client_profiles", "AccessShareLock", waits=2.1 - n / 10) for n, web in enumerate(WEB)),
    )
    blocking = {5131: (4242,)} | {web.pid: (5131,) for web in WEB}
    return look((BILLING, US, *WEB), locks, blocking, **more)


def seen_of(shown: Sample, key: int | str) -> Seen:
    return Seen(closely(shown, key), shown)


PREPARED = (lock(None, "t", "RowExclusiveLock"), lock(None, "771", "ExclusiveLock", kind="transactionid"))
