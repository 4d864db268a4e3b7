"""How the database was before the first step: kept in it, and compared with what is there after the way back."""

import time

from tui.postgres import fingerprint
from tui.postgres.fingerprint import Fingerprint
from tui.postgres.queries import load
from tui.postgres.rows import safe
from tui.postgres.session import PgSession, StatementFailed
from tui.runbook.model import Proof

from . import events as e
from .differences import compare
from .proof import Loss, Made
from .state import RunState

_COUNTED_UP_TO = 2**30
"""Bytes of tables that are counted, all together, while a window is open."""


async def keep(session: PgSession, run: str, proof: Proof) -> e.FingerprintTaken:
    """Takes the fingerprint and writes it beside the ledger, which must be there. Raises ConnectionLost."""
    began = time.monotonic()
    try:
        taken = await fingerprint.take(session, data=proof.data, whole_up_to=proof.whole_up_to)
        await session.execute(load("ledger/keep_fingerprint"), {"run": run, "body": taken.text()})
        inventory = await session.query(load("proof/inventory"))
    except StatementFailed as failure:
        return e.FingerprintTaken(e.now(), "", 0, time.monotonic() - began, (), str(failure))
    tables = tuple((int(oid or 0), int(columns or 0)) for oid, columns in inventory.rows)
    return e.FingerprintTaken(e.now(), taken.sha256, len(taken.objects), time.monotonic() - began, tables)


async def compare_now(session: PgSession, run: str, proof: Proof) -> e.FingerprintCompared:
    """What is there now against what was kept. Raises ConnectionLost."""
    began = time.monotonic()
    try:
        kept = await session.query(load("ledger/kept_fingerprint"), {"run": run})
        if not kept.rows:
            raise ValueError("no fingerprint was taken before the first step")
        was = Fingerprint.parse(kept.rows[0][0] or "")
        now = await fingerprint.take(session, data=proof.data, whole_up_to=proof.whole_up_to)
    except (StatementFailed, ValueError) as failure:
        return e.FingerprintCompared(e.now(), (), 0, time.monotonic() - began, str(failure))
    return e.FingerprintCompared(e.now(), compare(was, now), len(now.objects), time.monotonic() - began)


async def made(session: PgSession, before: e.FingerprintTaken) -> tuple[Made, ...]:
    """What the steps have made since, and how much is in it. Raises StatementFailed, ConnectionLost."""
    await session.execute("BEGIN READ ONLY")
    try:
        # Whose row security hides rows is refused, and not shown too small a number; nobody waits behind us for long.
        await session.execute("SET LOCAL row_security = off")
        await session.execute("SET LOCAL lock_timeout = '500ms'")
        await session.execute("SET LOCAL statement_timeout = '10s'")
        return await _counted(session, before)
    finally:
        if not session.lost:
            await session.execute("ROLLBACK")


async def _counted(session: PgSession, before: e.FingerprintTaken) -> tuple[Made, ...]:
    was = {"tables": [oid for oid, _ in before.tables], "columns": [columns for _, columns in before.tables]}
    answer = await session.query(load("proof/made"), was)
    found: list[Made] = []
    read = 0
    for oid, number, name, qualified, column, size in answer.rows:
        count = None
        read += int(size or 0)
        if read <= _COUNTED_UP_TO:
            counted = await session.query(f"SELECT count({column or '*'}) FROM {qualified}")  # noqa: S608
            count = int(counted.rows[0][0] or 0)
        shown = safe(f"{name}.{column}" if column else name or "")
        found.append(Made(int(oid or 0), int(number or 0), shown, count))
    return tuple(found)


def losses(state: RunState, to: str | None, now: tuple[Made, ...]) -> tuple[Loss, ...]:
    """What going back to ``to`` would drop of what is there now, the empty left out."""
    order = [step.plan.id for step in state.steps]
    stay = set(order[: order.index(to) + 1]) if to is not None else set()
    kept = {(one.oid, one.column) for told in state.made if told.step in stay for one in told.made}
    first: dict[tuple[int, int], tuple[str, int | None]] = {}
    for told in state.made:
        for one in told.made:
            first.setdefault((one.oid, one.column), (told.step, one.count))
    found = []
    for one in now:
        key = (one.oid, one.column)
        if key in kept or one.count == 0:
            continue
        step, was = first.get(key, ("", None))
        since = one.count - was if one.count is not None and was is not None else None
        found.append(Loss(one.name, "values" if one.column else "rows", one.count, step, since))
    return tuple(found)
