"""The schema of a database as pg_dump writes it, in memory alone, and taken so that nobody waits for it."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from typing import Final

from psycopg import conninfo

from .queries import load
from .rows import safe, without_passwords
from .session import SECRETS, Dsn, PgSession

LOCK_WAIT: Final = 2.0
"""Seconds for which the dump waits for a lock before it gives up and tries again."""
_LOOK_EVERY: Final = 0.1
_PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 15.0)
# The dump must not outlive us: our end of its stdin closes however we go, and takes it along. pg_dump answers SIGTERM
# by cancelling what it asked of the server.
_MINDED: Final = """
exec 3<&0 </dev/null
"$@" 3<&- &
dump=$!
{ cat <&3; kill "$dump"; } >/dev/null 2>&1 &
exec 3<&-
wait "$dump"
code=$?
kill $!
exit $code
"""


class DumpFailed(Exception):
    """The schema could not be dumped; the text says why, without a password, and what mends it."""


class _InTheWay(Exception):
    """The dump waits too long, or somebody waits for it; the text says who."""


async def schema(dsn: Dsn, programs: Path, watcher: PgSession, told: Callable[[str], None]) -> str:
    """The SQL that makes the schema: all but the ledger's, subscriptions, tablespaces and security labels.

    ``programs`` is the directory of pg_dump. It holds ACCESS SHARE locks, for which only ACCESS EXCLUSIVE waits
    (ALTER TABLE, DROP, TRUNCATE): ``watcher``, a session on the same database, sees whoever does, and the dump gives
    way at once and begins again later, five times. Raises DumpFailed, StatementFailed, ConnectionLost.
    """
    why = ""
    for pause in (*_PAUSES, None):
        try:
            return await _dumped(dsn, programs, watcher)
        except _InTheWay as reason:
            why = str(reason)
        if pause is not None:
            told(f"{why}: the dump gives way and begins again in {pause:g} s")
            await asyncio.sleep(pause)
    raise DumpFailed(f"{why}, each of {len(_PAUSES) + 1} times: dump when no DDL is under way there")


async def _dumped(dsn: Dsn, programs: Path, watcher: PgSession) -> str:
    name = f"lockstep dump {token_hex(4)}"
    public, secret = _apart(dsn.with_(application_name=name))
    command = [
        str(programs / "pg_dump"),
        "--schema-only",
        "--exclude-schema=lockstep",
        "--no-subscriptions",
        "--no-tablespaces",
        "--no-security-labels",
        "--no-password",
        "--encoding=UTF8",
        f"--lock-wait-timeout={LOCK_WAIT * 1000:.0f}",
        f"--dbname={public}",
    ]
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        _MINDED,
        "sh",
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"LC_ALL": "C"} | secret,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    reading = asyncio.ensure_future(asyncio.gather(process.stdout.read(), process.stderr.read(), process.wait()))
    try:
        await _watch(watcher, name, reading)
        text, said, code = await asyncio.shield(reading)
    finally:
        process.stdin.close()
        if not reading.done():
            await asyncio.shield(reading)
    if code == 0:
        return text.decode()
    words = safe(without_passwords(said.decode(errors="replace")).replace("pg_dump: ", "").strip())
    if "IN ACCESS SHARE MODE" in words and "timeout" in words:
        raise _InTheWay(f"the dump waited {LOCK_WAIT:g} s for a table that somebody changes")
    if "permission denied" in words:
        words += "; the role must be able to read every table: GRANT pg_read_all_data TO it, or dump as the owner"
    raise DumpFailed(f"pg_dump: {words or f'ended with exit code {code}'}")


def _apart(dsn: Dsn) -> tuple[str, dict[str, str]]:
    """What may stand in a list of processes, and the password as libpq reads it from the environment."""
    parameters = conninfo.conninfo_to_dict(dsn.reveal())
    password = parameters.pop("password", None)
    if secret := sorted(SECRETS & parameters.keys()):
        raise DumpFailed(
            f"pg_dump can be given {' and '.join(secret)} only where every process sees it: name a service instead "
            "(service=…), whose file holds it"
        )
    return conninfo.make_conninfo("", **parameters), {"PGPASSWORD": str(password)} if password else {}


async def _watch(watcher: PgSession, name: str, dump: asyncio.Future[tuple[bytes, bytes, int]]) -> None:
    """Until the dump has ended. Raises _InTheWay as soon as it waits for long, or anybody waits for it."""
    loop = asyncio.get_running_loop()
    waiting_since: float | None = None
    while not dump.done():
        for _, waits, pid, program, role in (await watcher.query(load("rehearsal/dump_waits"), {"dump": name})).rows:
            if pid is not None:
                raise _InTheWay(safe(f"session {pid} ({program} of {role}) waits for a lock behind the dump"))
            waiting_since = (waiting_since or loop.time()) if waits == "t" else None
        if waiting_since is not None and loop.time() - waiting_since > LOCK_WAIT:
            raise _InTheWay(f"the dump waited {LOCK_WAIT:g} s for an object that somebody changes")
        await asyncio.wait([dump], timeout=_LOOK_EVERY)
