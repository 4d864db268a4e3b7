"""How the database was before the first step: kept in it, and compared with what is there after the way back."""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from tui.postgres import fingerprint
from tui.postgres.fingerprint import Fingerprint
from tui.postgres.queries import load
from tui.postgres.rows import safe
from tui.postgres.session import CannotConnect, ConnectionLost, Dsn, PgSession, StatementFailed
from tui.postgres.table_data import aside
from tui.runbook.model import Runbook

from . import events as e
from .differences import compare
from .proof import Difference, Loss, Made
from .state import RunState

_COUNTED_UP_TO = 2**30
"""Bytes of tables that are counted, all together, while a window is open."""


async def keep(session: PgSession, beside: PgSession | None, run: str, runbook: Runbook) -> e.FingerprintTaken:
    """Takes the fingerprint and writes it beside the ledger, which must be there. Raises ConnectionLost.

    ``beside`` reads half of the catalogs at the same time.
    """
    began = time.monotonic()
    try:
        taken = await take(session, beside, runbook)
        body, digest = await asyncio.to_thread(lambda: (taken.text(), taken.sha256))
        row = {"run": run, "runbook": runbook.slug, "body": body}
        await session.execute(load("ledger/keep_fingerprint"), row)
        inventory = await session.ask(load("proof/inventory"))
    except StatementFailed as failure:
        return e.FingerprintTaken(e.now(), "", 0, time.monotonic() - began, (), str(failure))
    tables = tuple((int(oid or 0), int(columns or 0)) for oid, columns in inventory.rows)
    return e.FingerprintTaken(e.now(), digest, len(taken.objects), time.monotonic() - began, tables)


async def compare_now(
    session: PgSession, beside: PgSession | None, run: str, runbook: Runbook
) -> e.FingerprintCompared:
    """What is there now against what was kept. Raises ConnectionLost."""
    began = time.monotonic()
    try:
        kept = await session.ask(load("ledger/kept_fingerprint"), {"run": run, "runbook": runbook.slug})
        if not kept.rows or kept.rows[-1][1] != run:
            raise ValueError("no fingerprint was taken before the first step")
        now = await take(session, beside, runbook)
        # Of a large database it takes seconds: the screen and the monitor go on meanwhile.
        bodies = [body or "" for _, _, body in kept.rows]
        differences, limits, earlier = await asyncio.to_thread(_compared, bodies, now)
        left = tuple(one for one in differences if on_purpose(one, runbook))
        differences, earlier = (tuple(d for d in some if d not in left) for some in (differences, earlier))
    except (StatementFailed, ValueError) as failure:
        # What was kept is gone, or nobody can read it: asking again would end the same.
        final = isinstance(failure, ValueError)
        return e.FingerprintCompared(e.now(), (), 0, time.monotonic() - began, str(failure), final=final)
    first_at = datetime.fromisoformat(kept.rows[0][0] or "")
    return e.FingerprintCompared(
        e.now(),
        differences,
        len(now.objects),
        time.monotonic() - began,
        "",
        runbook.proof.data,
        limits,
        earlier,
        first_at if earlier else None,
        left=tuple(one.words for one in left),
    )


def _compared(
    bodies: list[str], now: Fingerprint
) -> tuple[tuple[Difference, ...], tuple[str, ...], tuple[Difference, ...]]:
    """Against the last of these texts; what is not as in the first one, of an earlier run, goes beside."""
    # Whoever may write into the ledger's schema must not drive a terminal.
    known = [Fingerprint.parse(safe(body, lines=True)) for body in bodies]
    differences, limits = told_apart(known[-1], now)
    earlier = told_apart(known[0], now)[0] if len(known) > 1 else ()
    return differences, limits, tuple(one for one in earlier if one not in differences)


def on_purpose(difference: Difference, runbook: Runbook) -> bool:
    """It is new, and the runbook says that its ways back leave it."""
    return difference.rank == "added" and difference.object in runbook.proof.leaves


async def take(session: PgSession, beside: PgSession | None, runbook: Runbook) -> Fingerprint:
    """As closely as the runbook wants it. Raises StatementFailed, and ConnectionLost of ``session`` alone."""
    wanted = runbook.proof
    try:
        return await fingerprint.take(session, data=wanted.data, whole_up_to=wanted.whole_up_to, beside=beside)
    except ConnectionLost:
        if session.lost:
            raise
    return await fingerprint.take(session, data=wanted.data, whole_up_to=wanted.whole_up_to)


def told_apart(was: Fingerprint, now: Fingerprint) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
    """The differences, and what could be compared with nothing, not even with itself."""
    limits = compare(was, was)
    return tuple(one for one in compare(was, now) if one not in limits), tuple(one.words for one in limits)


async def made(session: PgSession, before: e.FingerprintTaken) -> tuple[Made, ...]:
    """What the steps have made since, and how much is in it. Raises StatementFailed, ConnectionLost."""
    await session.execute("BEGIN READ ONLY")
    try:
        # Whose row security hides rows is refused, and not shown too small a number; nobody waits behind us for long.
        await session.execute("SET LOCAL row_security = off")
        await session.execute("SET LOCAL search_path = pg_catalog")
        await session.execute("SET LOCAL lock_timeout = '500ms'")
        await session.execute("SET LOCAL statement_timeout = '10s'")
        return await _counted(session, before)
    finally:
        if not session.lost:
            await session.execute("ROLLBACK")


async def _counted(session: PgSession, before: e.FingerprintTaken) -> tuple[Made, ...]:
    was = {"tables": [oid for oid, _ in before.tables], "columns": [columns for _, columns in before.tables]}
    answer = await session.ask(load("proof/made"), was)
    found: list[Made] = []
    read = 0
    for oid, number, name, qualified, column in answer.rows:
        count = None
        # A table that is locked, or hides its rows, keeps nobody from counting the others.
        with suppress(StatementFailed):
            size = int((await aside(session, f"SELECT pg_table_size({oid})")).rows[0][0] or 0)
            if read + size <= _COUNTED_UP_TO:
                read += size
                counted = await aside(session, f"SELECT count({column or '*'}) FROM {qualified}")  # noqa: S608
                count = int(counted.rows[0][0] or 0)
        shown = safe(f"{name}.{column}" if column else name or "")
        found.append(Made(int(oid or 0), int(number or 0), shown, count))
    return tuple(found)


async def count_losses(dsn: Dsn, runbook: Runbook, state: RunState, to: str | None) -> tuple[Loss, ...] | None:
    """What going back to ``to`` would drop, counted now; None where nobody can know."""
    if state.before is None or state.before.error:
        return None
    try:
        # A session of its own: what is recorded meanwhile must not get into its transaction.
        async with await PgSession.open(dsn, application_name="lockstep losses") as session:
            carries = frozenset(name.removeprefix("public.") for name in runbook.proof.carries)
            found = losses(state, to, await made(session, state.before))
            return found and tuple(replace(one, carried=one.name in carries) for one in found)
    except (StatementFailed, CannotConnect, ConnectionLost):
        return None


def losses(state: RunState, to: str | None, now: tuple[Made, ...]) -> tuple[Loss, ...] | None:
    """What going back to ``to`` would drop of what is there now, the empty left out; None where nobody can tell."""
    order = [step.plan.id for step in state.steps]
    stay = set(order[: order.index(to) + 1]) if to is not None else set()
    if any(told.error for told in state.made if told.step in stay):
        return None
    kept = {(one.oid, one.column) for told in state.made if told.step in stay for one in told.made}
    own = _own(state.made)
    found = []
    for one in now:
        key = (one.oid, one.column)
        if key in kept or one.count == 0:
            continue
        step, put = own.get(key, ("", None))
        since = one.count - put if one.count is not None and put is not None else None
        found.append(Loss(one.name, "values" if one.column else "rows", one.count, step, since))
    return tuple(found)


def _own(made: tuple[e.MadeCounted, ...]) -> dict[tuple[int, int], tuple[str, int | None]]:
    """By table and column: the step that made it, and how much the steps themselves have put there; None: unknown."""
    own: dict[tuple[int, int], tuple[str, int | None]] = {}
    failed = False
    for told in made:
        # After a step whose count failed nobody knows whose it is.
        failed = failed or bool(told.error)
        was = {(one.oid, one.column): one.count for one in told.was}
        for one in told.made:
            key = (one.oid, one.column)
            step, put = own.get(key, (told.step, 0))
            before = was.get(key) if key in own else 0
            if failed or one.count is None or put is None or before is None:
                own[key] = ("" if failed and key not in own else step, None)
            else:
                own[key] = (step, put + one.count - before)
    return own
