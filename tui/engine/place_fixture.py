"""A rehearsal on the runbook's own fixture."""

from tui.postgres.embedded import INSTALL, Installation, installations, newest_installation
from tui.runbook.model import Runbook

from . import fixture
from .place import Kind, PlaceFailed, Told
from .place_embedded import Embedded, Ground

_DATABASE = "app"


class Fixture(Embedded):
    """The fixture is loaded once; every fresh copy is one of that."""

    kind: Kind = "fixture"
    has_data = True
    _beginning = "load the fixture"

    def __init__(self, runbook: Runbook, scale: float, major: int | None, told: Told) -> None:
        super().__init__(told)
        self.where = "the fixture"
        self._runbook = runbook
        self._scale = scale
        self._major = major

    async def _begin(self) -> None:
        try:
            # Before a server is started for it.
            fixture.scripts(self._runbook.path)
            installation = newest_installation() if self._major is None else _of(self._major)
            self.where = f"the fixture, on an embedded PostgreSQL {installation.version}"
            self._told(f"starts PostgreSQL {installation.version}")
            ground = Ground(installation, superuser="postgres", database=_DATABASE, user="postgres", locks=256)
            self._ground = await ground.__aenter__()
            if (extensions := fixture.extensions(self._runbook.path)) is not None:
                await ground.offer(extensions)
            await self._load(ground)
        except fixture.FixtureFailed as failure:
            raise PlaceFailed(str(failure)) from None

    async def _load(self, ground: Ground) -> None:
        await ground.empty()
        last = ""

        def progress(_done: int, _all: int, file: str) -> None:
            nonlocal last
            if file != last and _done < _all:
                self._told(f"loads the fixture: {file}")
            last = file

        await fixture.load(ground.dsn, self._runbook.path, self._scale, progress)
        await ground.stands("postgres", told=self._told)


def _of(major: int) -> Installation:
    """Raises PlaceFailed."""
    found = [one for one in installations() if one.major == major]
    if not found:
        have = ", ".join(sorted({str(one.major) for one in installations()})) or "none"
        raise PlaceFailed(f"there is no PostgreSQL {major} on this machine (there is: {have}); {INSTALL} brings two")
    return found[0]
