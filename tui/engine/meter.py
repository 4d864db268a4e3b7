"""What each statement of a script does: its WAL, locks, rewrites, scans and index builds. For rehearsals alone.

It asks on the session that runs the script, before and after each statement, within its transaction; of a statement
that runs outside one the locks are looked for from a second session while it runs. Only relations that were there
before the script count: nobody waits for those that it makes itself.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from tui.postgres.queries import load
from tui.postgres.rows import safe
from tui.postgres.session import PgSession, StatementFailed
from tui.runbook.statements import Statement, command_tag

from .lock_words import strength
from .proof import Measure, TakenLock

OPTIONS = "-c client_min_messages=debug1"
"""Settings of the sessions that are measured: at DEBUG1 the server names the indexes that it builds."""

_BUILDS = re.compile(r'^building index "(.+)" on table "(.+)" (?:serially|with request for \d+ parallel workers?)$')
_CHECKS = re.compile(r'^(?:verifying|rewriting) table "(.+)"$')
_SETS = ("SET", "RESET", "SHOW")
_POLL = 0.005
"""Seconds between two looks at a session whose statement runs outside a transaction."""


@dataclass(frozen=True, slots=True)
class _Relation:
    name: str
    file: int
    scans: int
    modes: frozenset[str]
    kind: str


_Relations = dict[int, _Relation]
_Seen = tuple[_Relations, int, dict[int, int]]
_Locks = set[tuple[int, str]]


class Meter:
    """Of one runner's session; ``beside`` is the second one. ``spent``: the seconds that its own questions took."""

    def __init__(self, session: PgSession, beside: PgSession) -> None:
        self.spent = 0.0
        self.last: Measure | None = None
        self._session = session
        self._beside = beside
        self._names: dict[int, str] = {}
        self._unlocked: _Relations = {}
        """As each relation was seen last, without what its transaction held and scanned then."""
        self._pending: dict[int, int] = {}
        """Scans of before the script that the server has not added up yet, and counts as the transaction's."""
        self._flushes = True
        self._seen: _Seen = ({}, 0, {})
        self._debug: list[str] = []
        self._notices: list[str] = []
        session.on_notice(self._hear)

    async def begin(self) -> None:
        """A script begins: what is there now, under its present names, is what counts."""
        self._flushes = True
        await self._flush()
        found = await self._relations(everything=True)
        self._pending = {oid: one.scans for oid, one in found.items()}
        self._unlocked = {}
        self._release(found)
        self._seen = found, await self._wal(), {}
        self._names = {oid: relation.name for oid, relation in found.items()}
        self.spent = 0.0

    @asynccontextmanager
    async def measure(
        self, index: int, statement: Statement, *, outside: bool = False, alone: bool = False
    ) -> AsyncIterator[None]:
        """Measures the statement that runs in this block; ``last`` is what was found, once it has got through.

        ``outside``: it runs outside a transaction; ``alone``: it is the only one of its own.
        """
        self.last = None
        tag = command_tag(statement)
        if tag.startswith(_SETS):
            # It may have to come before any query of its transaction, ours too.
            started = time.monotonic()
            yield
            self.last = Measure(index, statement.line, tag, time.monotonic() - started, 0)
            if "client_min_messages" in statement.text.lower():
                # As pg_dump's files have it: the names of the indexes that are built would be lost.
                await self._session.execute(f"SET {OPTIONS.removeprefix('-c ')}")
            return
        # Nothing is asked before the first statement of a transaction; what was seen last is how it was.
        asked = time.monotonic()
        before, wal, scanned = await self._look(True) if outside else self._seen
        if alone and not outside:
            before = dict(self._unlocked)
        self._debug, self._notices = [], []
        over = asyncio.Event()
        watch = asyncio.create_task(self._watch(over)) if outside else None
        started = time.monotonic()
        self.spent += started - asked
        try:
            yield
        finally:
            seconds = time.monotonic() - started
            over.set()
            seen = await watch if watch is not None else set()
        debug, notices = tuple(self._debug), tuple(self._notices)
        asked = time.monotonic()
        self._seen = after, wal_after, scanned_after = await self._look(outside)
        held = seen if outside else _held(after)
        taken = self._stronger(held, _held(before))
        scans = {self._names[oid] for oid in self._names if self._scanned(oid, before, after, scanned, scanned_after)}
        # TRUNCATE gives a table another file, and builds its indexes, over nothing at all.
        emptied = tag.startswith("TRUNCATE")
        self.last = Measure(
            index,
            statement.line,
            tag,
            seconds,
            max(0, wal_after - wal),
            tuple(TakenLock(self._names[oid], taken[oid]) for oid in sorted(taken, key=self._names.__getitem__)),
            () if emptied else self._rewritten(before, after),
            () if emptied else tuple(sorted(scans | self._checked(debug))),
            tuple(
                f"{found[1]} on {found[2]}"
                for line in debug
                if (found := _BUILDS.match(line)) and not found[2].startswith("pg_toast_")
            ),
            notices,
            outside,
        )
        self.spent += time.monotonic() - asked

    def _stronger(self, now: _Locks, before: _Locks) -> dict[int, str]:
        """By relation the strongest mode, where it is stronger than what its transaction held before."""
        was: dict[int, int] = {}
        for oid, mode in before:
            was[oid] = max(was.get(oid, -1), strength(mode))
        taken: dict[int, str] = {}
        for oid, mode in now:
            if oid in self._names and strength(mode) > max(was.get(oid, -1), strength(taken.get(oid, ""))):
                taken[oid] = mode
        return taken

    def _rewritten(self, before: _Relations, after: _Relations) -> tuple[str, ...]:
        """Tables with another file than before."""
        return tuple(
            sorted(
                self._names[oid]
                for oid, was in before.items()
                if was.kind in "rm" and oid in self._names and oid in after and after[oid].file != was.file
            )
        )

    def _scanned(
        self, oid: int, before: _Relations, after: _Relations, scanned: dict[int, int], scanned_after: dict[int, int]
    ) -> bool:
        if oid not in before or oid not in after:
            return False
        return after[oid].scans > before[oid].scans or scanned_after.get(oid, 0) > scanned.get(oid, 0)

    def _checked(self, debug: tuple[str, ...]) -> set[str]:
        """The server's messages name tables without their schema: only what can be told apart is taken from them."""
        found = {match[1] for line in debug if (match := _CHECKS.match(line))}
        by_name: dict[str, list[str]] = {}
        for name in self._names.values():
            by_name.setdefault(name.rpartition(".")[2].strip('"'), []).append(name)
        return {names[0] for bare in found if len(names := by_name.get(bare, [])) == 1}

    async def _look(self, outside: bool) -> _Seen:
        """Within a transaction only what it holds a lock on can be another than it was before."""
        scanned = await self._scans() if outside else {}
        found = await self._relations(everything=outside)
        await self._flush()
        after = found if outside else self._unlocked | found
        self._release(found)
        return after, await self._wal(), scanned

    def _release(self, found: _Relations) -> None:
        for oid, one in found.items():
            self._unlocked[oid] = replace(one, modes=frozenset(), scans=self._pending.get(oid, 0))

    async def _flush(self) -> None:
        """What was scanned is added up as the transaction ends, and not counted with the next: from 15 on."""
        if not self._flushes:
            return
        try:
            await self._session.query("SELECT pg_stat_force_next_flush()")
        except StatementFailed:
            # Found out before the script begins: within its transaction a failure would end it.
            self._flushes = False

    async def _relations(self, *, everything: bool) -> _Relations:
        keys = {"pid": self._session.backend_pid, "all": everything}
        answer = await self._session.ask(load("meter/relations"), keys)
        return {
            int(oid or 0): _Relation(safe(name or ""), int(file or 0), int(scans or 0), _modes(modes), kind or "")
            for oid, name, file, scans, modes, kind in answer.rows
        }

    async def _wal(self) -> int:
        answer = await self._session.query("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return int(answer.rows[0][0] or 0)

    async def _scans(self) -> dict[int, int]:
        """From PostgreSQL 15 on; before that the statistics come too late to tell."""
        await self._flush()
        if not self._flushes:
            return {}
        answer = await self._session.ask(load("meter/scans"))
        return {int(oid or 0): int(scans or 0) for oid, scans in answer.rows}

    async def _watch(self, over: asyncio.Event) -> _Locks:
        seen: _Locks = set()
        while not over.is_set():
            answer = await self._beside.ask(load("meter/held"), {"pid": self._session.backend_pid})
            seen |= {(int(oid or 0), mode or "") for oid, mode in answer.rows}
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), _POLL)
        return seen

    def _hear(self, severity: str, message: str) -> None:
        (self._debug if severity.startswith("DEBUG") else self._notices).append(message)


def _modes(text: str | None) -> frozenset[str]:
    return frozenset((text or "").split())


def _held(relations: _Relations) -> _Locks:
    return {(oid, mode) for oid, relation in relations.items() for mode in relation.modes}
