"""The machine's side of the checklist: probes by query and commands by the shell."""

import asyncio
import os
import signal
import time
from contextlib import suppress

from tui.postgres.rows import safe
from tui.postgres.session import PgSession
from tui.runbook.model import ChecklistItem, Safety

from . import events as e
from .verify import ask, describe, judge, told, without_literals

_SHOWN_OUTPUT = 8_000
_LAST_WORDS = 1.0


async def probe(session: PgSession, item: ChecklistItem, safety: Safety) -> e.ItemProbed:
    """Asks the database. Raises ConnectionLost; a query's own error is a red answer."""
    assert item.sql is not None
    assert item.expect is not None
    answer = await ask(session, item.sql, safety)
    verdict = told(item.sql, judge(item.expect, answer))
    rows = without_literals(item.sql, answer.table.rows[:20])
    lines = ["  ".join("null" if v is None else safe(v) for v in row) for row in rows]
    return e.ItemProbed(
        e.now(),
        item.id,
        verdict.ok,
        describe(item.expect),
        verdict.found,
        "\n".join(lines),
        answer.seconds,
        None if answer.error is None else answer.error.message,
    )


def unanswered(item: ChecklistItem, why: str) -> e.ItemProbed:
    """The answer that never came."""
    return e.ItemProbed(e.now(), item.id, False, "", "no answer", "", 0.0, why)


async def run_command(item: ChecklistItem, timeout: float) -> e.ItemProbed:
    """Runs the item's command in the shell, for ``timeout`` seconds at most; exit code 0 ticks it."""
    assert item.command is not None
    started = time.monotonic()
    process = await asyncio.create_subprocess_shell(
        item.command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    output, error = b"", None
    answered = False
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout)
        answered = True
    except TimeoutError:
        error = f"not done after {timeout:g} s, and stopped"
    finally:
        if not answered:
            # The shell's children too: a hung ssh must not outlive the question.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.communicate(), _LAST_WORDS)
    found = error or f"exit code {process.returncode}"
    text = safe(output[-_SHOWN_OUTPUT:].decode(errors="replace"), lines=True)
    ok = error is None and process.returncode == 0
    return e.ItemProbed(e.now(), item.id, ok, "exit code 0", found, text, time.monotonic() - started, error)
