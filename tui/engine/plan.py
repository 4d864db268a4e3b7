"""What a run sets out to do, read from the runbook as it begins."""

import re
from fnmatch import fnmatchcase
from typing import Literal

from tui.postgres.rows import safe
from tui.postgres.session import Server
from tui.runbook.model import ChecklistItem, Runbook

from . import events as e

_PRODUCTION = re.compile(r"(?<![a-z])prod(uction)?(?![a-z])", re.IGNORECASE)


def is_production(runbook: Runbook, server: Server, asked: bool) -> bool:
    """By the operator's word, by the runbook's, or because host or database calls itself ``prod`` or ``production``."""
    if asked or runbook.production is True:
        return True
    names = (server.host.lower(), server.database.lower())
    patterns = runbook.production if isinstance(runbook.production, tuple) else ()
    if any(fnmatchcase(name, pattern.lower()) for name in names for pattern in patterns):
        return True
    return any(_PRODUCTION.search(name) for name in names)


def target_of(runbook: Runbook, server: Server, *, asked: bool) -> e.Target:
    """The target as every event and screen names it."""
    return e.Target(
        server.host,
        server.port,
        safe(server.database),
        safe(server.user),
        server.version,
        server.system_identifier,
        is_production(runbook, server, asked),
        server.database_oid,
    )


def opening(runbook: Runbook, run: str, target: e.Target, operator: str, client: str) -> e.RunOpened:
    """The event that a run begins with, or begins again with."""
    return e.RunOpened(
        e.now(),
        run,
        runbook.slug,
        runbook.name,
        runbook.sha256,
        operator,
        client,
        target,
        runbook.window,
        tuple(_item(item) for item in runbook.checklist),
        tuple(
            e.PlannedStep(
                step.id,
                step.title,
                len(step.sql.statements),
                step.transaction,
                step.expected,
                runbook.untested(step),
                step.safety.lock_retries,
                step.safety.max_blocked_sessions,
                step.safety.max_blocked_for,
                step.point_of_no_return,
                step.not_before,
            )
            for step in runbook.steps
        ),
        tuple(e.PlannedVerification(v.id, v.title, v.after, v.sql.text.strip()) for v in runbook.verifications),
    )


def _item(item: ChecklistItem) -> e.PlannedItem:
    by: Literal["human", "probe", "command"] = "human"
    if item.sql is not None:
        by = "probe"
    elif item.command is not None:
        by = "command"
    return e.PlannedItem(item.id, item.title, item.detail, item.phase.value, item.required, by, item.step)
