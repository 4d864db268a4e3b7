"""The ledger: the schema ``lockstep`` in the target database, which tells what is committed there."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tui.postgres.queries import load
from tui.postgres.rows import safe
from tui.postgres.session import PgSession

from .events import Direction, LedgerStep


@dataclass(frozen=True, slots=True)
class Signature:
    """Who writes: the same for all rows of a run."""

    run: str
    runbook: str
    operator: str
    client: str


async def exists(session: PgSession) -> bool:
    """Whether this database has a ledger."""
    answer = await session.query(load("ledger/exists"))
    return answer.rows[0][0] == "t"


async def create(session: PgSession) -> None:
    """Makes schema and table where they are not there yet. Raises StatementFailed without the right to."""
    if not await exists(session):
        await session.execute(load("ledger/create"))


async def read(session: PgSession, runbook: str) -> tuple[LedgerStep, ...]:
    """Where each step of this runbook stands, by its newest row; nothing is made if there is no ledger."""
    if not await exists(session):
        return ()
    table = await session.query(load("ledger/read"), {"runbook": runbook})
    return tuple(_step(row) for row in table.rows)


def _step(row: tuple[str | None, ...]) -> LedgerStep:
    step, direction, statement, at, operator, seconds, sha256 = (value or "" for value in row)
    whole = statement == ""
    return LedgerStep(
        step=safe(step),
        applied=whole and direction == "forward",
        at=datetime.fromisoformat(at),
        operator=safe(operator),
        seconds=float(seconds),
        sha256=safe(sha256),
        completed=None if whole else int(statement),
        undoing=not whole and direction == "back",
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
    statement: int | None = None,
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
                "sha256": sha256,
                "operator": signature.operator,
                "client": signature.client,
                "seconds": seconds,
            },
        )
