"""Does the runbook fit this database: version, primary, extensions, rights."""

from tui.postgres.queries import load
from tui.postgres.session import PgSession, Server
from tui.runbook.model import Runbook


def too_old(server: Server) -> list[str]:
    """Why this server is none that Lockstep can look at; empty when it is one."""
    major, minor = divmod(server.version, 10000)
    have = f"{server.host} has {major}.{minor}"
    return [f"Lockstep works with PostgreSQL 14 and newer; {have}"] if major < 14 else []


async def misfits(session: PgSession, server: Server, runbook: Runbook) -> list[str]:
    """Why the runbook cannot run here, each as one line; empty when it can. Raises StatementFailed, ConnectionLost."""
    found = []
    needed, major = runbook.requires, server.version // 10000
    have = f"{server.host} has {major}.{server.version % 10000}"
    if needed.server is not None and major < needed.server:
        found.append(f"the runbook needs PostgreSQL {needed.server} or newer; {have}")
    if old := too_old(server):
        return [*found, *old]
    if await _true(session, "SELECT pg_is_in_recovery()"):
        found.append(f"{server.host} is a standby in recovery: connect to the primary")
    there = await session.query("SELECT name FROM pg_available_extensions")
    missing = sorted(set(needed.extensions) - {row[0] for row in there.rows})
    if missing:
        found.append(f"{server.host} does not have the extension {', '.join(missing)}: install its package there first")
    found += await _ledger(session, server)
    if await _true(session, "SELECT current_setting('transaction_read_only')::bool"):
        found.append(
            f"nothing can be written here, as default_transaction_read_only is on for role {server.user} or database "
            f"{server.database}: switch it off for us by PGOPTIONS='-c default_transaction_read_only=off'"
        )
    return found


async def _ledger(session: PgSession, server: Server) -> list[str]:
    rights = await session.ask(load("ledger/rights"))
    if rights.rows[0][0] is None:
        if await _true(session, "SELECT has_database_privilege(current_database(), 'CREATE')"):
            return []
        return [
            f"role {server.user} may not make the schema lockstep, where the ledger lies: "
            f"GRANT CREATE ON DATABASE {server.database} TO {server.user}"
        ]
    if rights.rows[0][0] == "t":
        return []
    tables = "lockstep.act, lockstep.event, lockstep.fingerprint"
    grants = f"GRANT USAGE ON SCHEMA lockstep TO {{0}}; GRANT SELECT, INSERT ON {tables} TO {{0}}"
    return [f"role {server.user} may not read and write the ledger: {grants.format(server.user)}"]


async def _true(session: PgSession, query: str) -> bool:
    answer = await session.query(query)
    return answer.rows[0][0] == "t"
