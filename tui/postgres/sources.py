"""Which sources the monitor asks how often, and of which servers: what can wait is asked more rarely, said with it."""

OLDEST = 140000
"""The first server_version_num whose pg_locks has waitstart, and which has a progress view of COPY."""
EVERY = {"progress": 0.0, "replication": 1.0, "slots": 1.0, "horizon": 1.0, "rights": 10.0}
"""The sources that can wait, by the seconds between two readings; 0 is at every look."""
_SLACK = 0.12
"""Seconds that a reading may come early: looks do not fall on the second, and the next one would be too late."""
_HEAVY, _LIGHT = 0.5, 0.25
"""Shares of the interval: looks that take more make the readings rarer, looks that take less make them usual again."""
_RARER = (None, 2.0, 4.0)
_CALM = 20
"""Light looks in a row until the readings are more frequent again: it must not swing."""


def too_old(version: int) -> str:
    """Why a server with this server_version_num cannot be watched, in words; empty where it can."""
    if version >= OLDEST:
        return ""
    number = f"{version // 10000}" if version >= 100000 else f"{version // 10000}.{version // 100 % 100}"
    return f"PostgreSQL {number} is too old: locks, sessions, progress and figures are read from 14 on"


class Schedule:
    """When each source that can wait is due. Times are monotonic seconds.

    The monitor's own guard: two looks in a row that take more than half of the interval make every source that can
    wait rarer, step by step to once in 4 s; twenty that take less than a quarter lead one step back.
    """

    def __init__(self) -> None:
        self._asked: dict[str, float] = {}
        self._step = 0
        self._heavy = 0
        self._light = 0

    @property
    def rarely(self) -> float | None:
        """The seconds between two readings where they are rarer than usual."""
        return _RARER[self._step]

    def due(self, now: float) -> list[str]:
        """The sources to ask at this moment, which count as asked then."""
        names = [name for name in EVERY if self._is_due(name, now)]
        self._asked |= dict.fromkeys(names, now)
        return names

    def _is_due(self, name: str, now: float) -> bool:
        asked = self._asked.get(name)
        return asked is None or now - asked >= max(EVERY[name], self.rarely or 0.0) - _SLACK

    def took(self, cost: float, within: float) -> None:
        """A look took ``cost`` of the ``within`` seconds that lie between two looks."""
        self._heavy = self._heavy + 1 if cost > _HEAVY * within else 0
        self._light = self._light + 1 if cost < _LIGHT * within else 0
        if self._heavy >= 2 and self._step < len(_RARER) - 1:
            self._step += 1
            self._heavy = 0
        if self._light >= _CALM and self._step > 0:
            self._step -= 1
            self._light = 0
