"""``ctrl+p``: every action of the screen by name."""

from collections.abc import Iterator
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from .actions import Act
from .home import Home


class HomeCommands(Provider):
    """Offers what works now; an action that does not is not offered."""

    def _acts(self) -> Iterator[Act]:
        acts = self.screen.acts if isinstance(self.screen, Home) else ()
        return (act for act in acts if self.screen.check_action(act.action, ()))

    async def discover(self) -> Hits:
        for act in self._acts():
            yield DiscoveryHit(Content(_name(act)), partial(self.screen.run_action, act.action), help=act.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for act in self._acts():
            score = max(matcher.match(act.label), matcher.match(act.help) / 2)
            if score > 0:
                yield Hit(score, Content(_name(act)), partial(self.screen.run_action, act.action), help=act.help)


def _name(act: Act) -> str:
    return f"{act.label}  ({act.name})"
