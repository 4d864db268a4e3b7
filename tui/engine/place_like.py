"""A rehearsal on the schema of a real database, without its rows, on a server of our own."""

import re
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tui.postgres import clone, dumped
from tui.postgres.embedded import INSTALL, Installation, extensions, installations, server_user
from tui.postgres.queries import load
from tui.postgres.rows import safe
from tui.postgres.session import Dsn, PgSession, StatementFailed
from tui.runbook.model import Runbook
from tui.runbook.statements import MetaCommand, command_tag, scan

from .place import (
    NAME,
    Carried,
    Kind,
    Original,
    PlaceFailed,
    Told,
    carried,
    carry_over,
    refuse_if_begun,
    roles,
)
from .place_embedded import Embedded, Ground
from .pooler import pooled

# We only look: a rehearsal must not wait for the application, nor write, nor run somebody's functions with our rights.
_LOOKING = {
    "default_transaction_read_only": "on",
    "lock_timeout": "2s",
    "statement_timeout": "60s",
    "search_path": "pg_catalog",
}
# The settings of the role over there may be the superuser's here, and must not bear on the loading.
_LOADING = {
    "default_transaction_read_only": "off",
    "lock_timeout": "0",
    "statement_timeout": "0",
    "synchronous_commit": "off",
    "role": "none",
}
_HEADER = re.compile(r"^-- Name: (.*); Type: ([A-Z ]+); Schema: (.*); Owner: .*$", re.MULTILINE)
_OWNER = re.compile(r"ALTER .* OWNER TO [^;]+", re.DOTALL)
# Refused ones of these leave no object out: rights, owners, comments, settings of the session that loads.
_BESIDES = frozenset(["COMMENT", "GRANT", "REVOKE", "SELECT", "SET"])
# They hold the way to other servers, and its passwords: a rehearsal reaches none.
_NEVER = frozenset(["CREATE SUBSCRIPTION", "CREATE USER MAPPING"])
_SHOWN = 5


class Like(Embedded):
    """The schema is dumped and loaded once; every fresh copy is one of that, as the same role as over there."""

    kind: Kind = "like"
    has_data = False
    _beginning = "bring the schema here"

    def __init__(self, dsn: Dsn, runbook: Runbook, major: int | None, told: Told) -> None:
        super().__init__(told)
        self.where = "a schema"
        self._dsn = dsn
        self._runbook = runbook
        self._major = major

    async def _begin(self) -> None:
        brought = await self._bring()
        of, installation = brought.of, brought.installation
        self.where = f"the schema of {safe(of.where)}, on an embedded PostgreSQL {installation.version}"
        self._told(f"starts PostgreSQL {installation.version}, and loads the schema")
        if (runs_as := server_user()) is not None:
            self._told(safe(f"the schema's own functions run here, with the rights of {runs_as}"))
        ground = Ground(
            installation, superuser=of.bootstrap, database=of.name, user=of.user, locks=max(256, brought.locks)
        )
        self._ground = await ground.__aenter__()
        await carry_over(ground.admin, brought.roles, self._told)
        await self._make(ground, of)
        await self._load(ground, brought.sql)
        await ground.stands(of.owner, of.limit, tuple(brought.carried), told=self._told)

    async def _bring(self) -> "_Brought":
        """All that is needed of the original, to which no session of ours is left afterwards."""
        self._dsn = await clone.pinned(self._dsn, application_name=NAME)
        async with AsyncExitStack() as there:
            source, watcher = [
                await there.enter_async_context(
                    await PgSession.open(self._dsn, application_name=NAME, options=_LOOKING)
                )
                for _ in range(2)
            ]
            if (why := await pooled(source, watcher)) is not None:
                raise PlaceFailed(why)
            of = await Original.look(source)
            await refuse_if_begun(source, self._runbook, safe(of.where))
            installation = self._choose(
                of, [row[0] or "" for row in (await source.query(load("rehearsal/extensions"))).rows]
            )
            locks = await source.query("SHOW max_locks_per_transaction")
            made = await roles(source, login=of.user)
            carrying = await carried(source, of.name, of.name, elsewhere=True)
            await self._tell_left_out(source)
            self._told(f"dumps the schema of {safe(of.where)}")
            try:
                sql = await dumped.schema(self._dsn, installation.bin, watcher, self._told)
            except dumped.DumpFailed as failure:
                raise PlaceFailed(f"could not dump the schema: {failure}") from None
        return _Brought(of, installation, int(locks.rows[0][0] or 0), made, carrying, sql)

    def _choose(self, of: Original, needed: list[str]) -> Installation:
        """The major of the original before a newer one, the wheel's before the system's; one with every extension."""
        oldest = of.version // 10000
        fit = [one for one in installations() if one.major >= oldest and self._major in (None, one.major)]
        fit.sort(key=lambda one: (one.major, one.source != "wheel"))
        wanted = f"PostgreSQL {oldest} or newer" if self._major is None else f"PostgreSQL {self._major}"
        if not fit:
            if self._major is not None and self._major < oldest:
                raise PlaceFailed(
                    f"{safe(of.where)} is PostgreSQL {oldest}: its schema cannot go back to {self._major}"
                )
            raise PlaceFailed(f"there is no {wanted} on this machine; {INSTALL} brings 16 and 18")
        missing = {one: sorted(set(needed) - extensions(one)) for one in fit}
        for one in fit:
            if not missing[one]:
                return one
        lacking = min(missing.values(), key=len)
        tried = ", ".join(f"{one.version} in {one.bin}" for one in fit)
        raise PlaceFailed(
            f"{safe(of.where)} uses the extension{'s'[: len(lacking) > 1]} {safe(', '.join(lacking))}, which {wanted} "
            f"on this machine lacks (looked at {tried}). Install a server with its extensions here: "
            f"postgresql-{oldest} and postgresql-{oldest}-NAME (Debian, Ubuntu), postgresql{oldest}-server and "
            f"postgresql{oldest}-contrib (Red Hat, SUSE), postgresql@{oldest} (Homebrew)"
        )

    async def _tell_left_out(self, source: PgSession) -> None:
        counts = (await source.query(load("rehearsal/left_out"))).rows[0]
        words = ("subscriptions", "tablespaces", "security labels")
        for count, word in zip(counts, words, strict=True):
            if count not in (None, "0"):
                self._told(f"left out: {count} {word if count != '1' else word.removesuffix('s')}")

    async def _make(self, ground: Ground, of: Original) -> None:
        locale = {"encoding": of.encoding, "lc_collate": of.collate, "lc_ctype": of.ctype}
        provider = {"i": "icu", "b": "builtin"}.get(of.provider)
        if provider:
            locale |= {"locale_provider": provider, f"{provider}_locale": of.locale}
        try:
            await ground.empty(**locale)
        except StatementFailed as failure:
            self._told(safe(f"text sorts by the locale C here: {failure.error.message}"))
            await ground.empty(encoding=of.encoding)

    async def _load(self, ground: Ground, script: str) -> None:
        """Raises PlaceFailed when an object is left out."""
        refused: list[str] = []
        mappings = end = 0
        about = "the dump"
        async with await PgSession.open(ground.dsn, application_name=NAME, options=_LOADING) as inside:
            for item in scan(script):
                for header in _HEADER.finditer(script, end, item.start):
                    about = safe(f"{header[2].lower()} {header[3]}.{header[1]}".replace(" -.", " "))
                end = item.end
                if isinstance(item, MetaCommand):
                    continue
                tag = command_tag(item)
                if tag in _NEVER:
                    mappings += 1
                    continue
                try:
                    await inside.execute(item.text)
                except StatementFailed as failure:
                    line = f"{about}: {failure.error.message}"
                    if tag in _BESIDES or _OWNER.fullmatch(item.text):
                        self._told(f"not carried over: {line}")
                    else:
                        refused.append(line)
        if mappings:
            self._told(f"left out: {mappings} user mapping{'s'[: mappings > 1]}, so that no other server is reached")
        if refused:
            more = f"; and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
            here = self.where.rpartition("embedded ")[2]
            raise PlaceFailed(
                f"the schema cannot be made on {here}: {'; '.join(refused[:_SHOWN])}{more}. "
                "Rehearse on a clone, or install what is missing on this machine"
            )

    async def fresh(self) -> Dsn:
        dsn = await super().fresh()
        options = self._dsn.get("options")
        return dsn.with_(options=options) if options else dsn


@dataclass(frozen=True, slots=True)
class _Brought:
    """What came from the original; ``sql`` makes its schema, ``locks`` is its max_locks_per_transaction."""

    of: Original
    installation: Installation
    locks: int
    roles: list[Carried]
    carried: list[Carried]
    sql: str
