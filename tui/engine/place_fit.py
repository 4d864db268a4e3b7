"""Whether a database can be copied for a rehearsal, found out before anything is done."""

import shutil
import sys
from contextlib import suppress
from pathlib import Path

from tui.postgres.queries import load
from tui.postgres.rows import safe
from tui.postgres.session import PgSession
from tui.runbook.model import Runbook

from .place import Original, PlaceFailed, refuse_if_begun
from .place_reach import refuse_reaching

_IDENTIFIER_BYTES = 8


async def fit_to_copy(source: PgSession, runbook: Runbook) -> Original:
    """The database of ``source``. Raises PlaceFailed where it cannot be copied, StatementFailed, ConnectionLost."""
    refuse_reaching(runbook)
    of = await Original.look(source)
    _refuse_without_rights(of)
    ledger_of, mappings_of, data, tablespace = (await source.query(load("rehearsal/before_copying"))).rows[0]
    if ledger_of is not None:
        raise PlaceFailed(
            f"the schema lockstep in {safe(of.where)} belongs to {safe(ledger_of)}, and a copy begins without it: "
            f"connect as that role, or GRANT {safe(ledger_of)} TO {safe(of.user)}"
        )
    if mappings_of is not None:
        raise PlaceFailed(
            f"a copy must not reach other servers, and the user mappings on {safe(mappings_of)} could not be dropped "
            "in it: connect as the owner of the foreign server, or rehearse with --like"
        )
    await refuse_if_begun(source, runbook, safe(of.where))
    if data is not None:
        identifier = (await source.server()).system_identifier
        _refuse_without_room(of, identifier, Path(data), Path(tablespace or data))
    return of


def _refuse_without_rights(of: Original) -> None:
    role = safe(of.user)
    if not of.may_create:
        raise PlaceFailed(
            f"role {role} may not create databases: ALTER ROLE {role} CREATEDB, or rehearse with --like, "
            "which needs no more than to read the schema"
        )
    if not of.may_copy:
        raise PlaceFailed(
            f"only the owner of {safe(of.name)} may copy it, which is {safe(of.owner)}: "
            f"connect as that role, GRANT {safe(of.owner)} TO {role}, or rehearse with --like"
        )


def _refuse_without_room(of: Original, identifier: int | None, data: Path, where: Path) -> None:
    """Only where the server's directory is ours to see: known by what its control file begins with."""
    with suppress(OSError):
        with (data / "global" / "pg_control").open("rb") as control:
            here = int.from_bytes(control.read(_IDENTIFIER_BYTES), sys.byteorder)
        free = shutil.disk_usage(where).free
        if here == identifier and free < 2 * of.bytes:
            raise PlaceFailed(
                f"two copies of {safe(of.where)} need {size_in_words(2 * of.bytes)}, and on its disk "
                f"{size_in_words(free)} are free ({where}): a full disk would stop that server. Rehearse with --like"
            )


def size_in_words(number: int) -> str:
    """Bytes as ``1.2 GB``, by 1024 as PostgreSQL's pg_size_pretty counts."""
    size, unit = float(number), "bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1024 or unit == "TB":
            break
        size /= 1024
    return f"{size:.1f} {unit}" if size < 10 and unit != "bytes" else f"{size:.0f} {unit}"
