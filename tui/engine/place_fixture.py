"""A rehearsal on the runbook's own fixture."""

from types import TracebackType
from typing import Self

from tui.postgres import clone
from tui.postgres.embedded import INSTALL, Installation, installations, newest_installation
from tui.postgres.session import Dsn
from tui.runbook.model import Runbook

from . import fixture
from .place import Kind, PlaceFailed, Told, failing
from .place_embedded import PRISTINE, Ground

_DATABASE = "app"


class Fixture:
    """The fixture is loaded once; every fresh copy is one of that."""

    kind: Kind = "fixture"
    has_data = True

    def __init__(self, runbook: Runbook, scale: float, major: int | None, told: Told) -> None:
        self.where = "the fixture"
        self._runbook = runbook
        self._scale = scale
        self._major = major
        self._told = told
        self._ground: Ground | None = None

    async def __aenter__(self) -> Self:
        with failing("load the fixture"):
            try:
                # Before a server is started for it.
                fixture.scripts(self._runbook.path)
                installation = newest_installation() if self._major is None else _of(self._major)
                self.where = f"the fixture, on an embedded PostgreSQL {installation.version}"
                self._told(f"starts PostgreSQL {installation.version}")
                ground = Ground(installation, superuser="postgres", database=_DATABASE, user="postgres", locks=256)
                self._ground = await ground.__aenter__()
                await self._load(ground)
            except fixture.FixtureFailed as failure:
                await self.__aexit__(None, None, None)
                raise PlaceFailed(str(failure)) from None
            except BaseException:
                await self.__aexit__(None, None, None)
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if (ground := self._ground) is not None:
            self._ground = None
            await ground.__aexit__(kind, error, trace)

    async def _load(self, ground: Ground) -> None:
        await clone.empty(ground.admin, PRISTINE)
        last = ""

        def progress(_done: int, _all: int, file: str) -> None:
            nonlocal last
            if file != last and _done < _all:
                self._told(f"loads the fixture: {file}")
            last = file

        await fixture.load(ground.dsn(), self._runbook.path, self._scale, progress)
        await ground.stands([], "postgres")

    async def fresh(self) -> Dsn:
        if self._ground is None:
            raise PlaceFailed("there is no server for the fixture")
        with failing("make a fresh copy of the fixture"):
            return await self._ground.fresh(self._told)


def _of(major: int) -> Installation:
    """Raises PlaceFailed."""
    found = [one for one in installations() if one.major == major]
    if not found:
        have = ", ".join(sorted({str(one.major) for one in installations()})) or "none"
        raise PlaceFailed(f"there is no PostgreSQL {major} on this machine (there is: {have}); {INSTALL} brings two")
    return found[0]
