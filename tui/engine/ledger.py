"""The ledger: the schema ``lockstep`` in the target database, which tells what is committed there."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tui.postgres.queries import load
from tui.postgres.rows import safe
from tui.postgres.session import PgSession, StatementFailed

from .events import Direction, LedgerStep
from .facts import Position

_THERE_ALREADY = ("23505", "42P06", "42P07", "42710")
SETTLED = "settle"
"""The script of a row that a human wrote by ``lockstep settle``."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who writes, and by which runbook.toml: the same for all rows of a run."""

    run: str
    runbook: str
    operator: str
    client: str
    runbook_sha256: str = ""
    runbook_meaning: str = ""


async def exists(session: PgSession) -> bool:
    """Whether this database has a ledger."""
    answer = await session.ask(load("ledger/exists"))
    return answer.rows[0][0] == "t"


async def create(session: PgSession) -> None:
    """Makes schema and tables where they are not there yet. Raises StatementFailed without the right to."""
    if await _complete(session):
        return
    try:
        await session.execute(load("ledger/create"))
    except StatementFailed as failure:
        # Two runbooks begin in one new database: IF NOT EXISTS does not keep them apart.
        if failure.error.sqlstate not in _THERE_ALREADY or not await _complete(session):
            raise


async def _complete(session: PgSession) -> bool:
    answer = await session.ask(load("ledger/complete"))
    return answer.rows[0][0] == "t"


async def read(session: PgSession, runbook: str) -> tuple[LedgerStep, ...]:
    """Where each step of this runbook stands, by its newest row; nothing is made if there is no ledger."""
    if not await exists(session):
        return ()
    table = await session.ask(load("ledger/read"), {"runbook": runbook})
    return tuple(_step(dict(zip(table.columns, row, strict=True))) for row in table.rows)


def _step(row: dict[str, str | None]) -> LedgerStep:
    text = {name: safe(value or "") for name, value in row.items()}
    forward, whole = row["direction"] == "forward", row["statement"] is None
    begun = int(text["statement"]) if row["begun"] == "t" else None
    position = None
    if row["rows"] is not None:
        position = Position(int(text["rows"]), tuple(json.loads(row["after"])) if row["after"] else None)
    return LedgerStep(
        step=text["step"],
        applied=whole and forward,
        at=datetime.fromisoformat(text["recorded_at"]),
        operator=text["operator"],
        seconds=float(text["seconds"]),
        sha256=text["sha256"],
        completed=None if whole else int(text["statement"]) - (begun is not None),
        undoing=not whole and not forward,
        script=text["script"],
        begun=begun,
        position=position,
        settled=row["script"] == SETTLED,
        meaning=text["meaning"],
        runbook_sha256=text["runbook_sha256"],
        runbook_meaning=text["runbook_meaning"],
    )


async def record(
    session: PgSession,
    signature: Signature,
    *,
    steps: Iterable[str],
    direction: Direction,
    script: str,
    sha256: str,
    seconds: float,
    meaning: str = "",
    statement: int | None = None,
    begun: bool = False,
    position: Position | None = None,
    note: str = "",
) -> None:
    """Adds a row a step, in the transaction that is open on the session or in one of its own."""
    for step in steps:
        await session.execute(
            load("ledger/record"),
            {
                "run": signature.run,
                "runbook": signature.runbook,
                "step": step,
                "direction": direction,
                "script": script,
                "statement": statement,
                "begun": begun,
                "rows": position.rows if position else None,
                "after": list(position.after) if position and position.after is not None else None,
                "sha256": sha256,
                "meaning": meaning,
                "runbook_sha256": signature.runbook_sha256,
                "runbook_meaning": signature.runbook_meaning,
                "operator": signature.operator,
                "client": signature.client,
                "seconds": seconds,
                "note": note,
            },
        )
