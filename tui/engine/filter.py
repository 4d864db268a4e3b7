"""Which sessions the operator wants to see: words that all must match, as they are typed. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from tui.postgres.rows import Session

from .sample import LockNode

_FIELDS: Mapping[str, Callable[[Session], str]] = {
    "db": lambda session: session.database,
    "role": lambda session: session.user,
    "app": lambda session: session.application_name,
    "pid": lambda session: str(session.pid),
    "state": lambda session: session.state,
    "": lambda session: f"{session.application_name}\n{session.query}",
}
_STATES = {"active", "idle", "idle in transaction", "disabled"}
KEYS = tuple(key for key in _FIELDS if key)
_WORD = re.compile(r'(?P<no>-?)(?:(?P<key>[A-Za-z_]+):)?(?:"(?P<quoted>[^"]*)(?:"|\Z)|(?P<plain>\S*))')


class FilterRefused(ValueError):
    """A word of a filter cannot be understood; the text says which one and what there is."""


@dataclass(frozen=True, slots=True)
class Word:
    """``key`` is one of KEYS, or empty for text in the query or the application's name; ``value`` is casefolded.

    A pid and the whole name of a state must be equal, all else must contain the value, in any case; ``negated``: must
    not.
    """

    key: str
    value: str
    negated: bool

    def matches(self, shown: str) -> bool:
        # Who hides the idle ones still wants to see those that are idle in a transaction.
        whole = self.key == "pid" or (self.key == "state" and self.value in _STATES)
        found = shown == self.value if whole else self.value in shown.casefold()
        return found is not self.negated


@dataclass(frozen=True)
class Filter:
    """``text`` as it was typed. Without words it lets everybody through, and is false."""

    text: str = ""
    words: tuple[Word, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.words)

    @cached_property
    def _asked(self) -> tuple[tuple[Callable[[Session], str], Word], ...]:
        return tuple((_FIELDS[word.key], word) for word in self.words)

    def matches(self, session: Session) -> bool:
        """All of the words do."""
        return all(word.matches(field(session)) for field, word in self._asked)

    def kept(self, roots: tuple[LockNode, ...]) -> tuple[LockNode, ...]:
        """The trees of which at least one node matches; they stay whole."""
        return tuple(root for root in roots if self._any(root)) if self else roots

    def _any(self, root: LockNode) -> bool:
        ahead = [root]
        while ahead:
            node = ahead.pop()
            if self.matches(node.session) if node.session is not None else self._matches_bare(node):
                return True
            ahead.extend(node.children)
        return False

    def _matches_bare(self, node: LockNode) -> bool:
        """A prepared transaction or a pid that is gone has no more than a number and what it is called."""
        known = {"pid": str(node.pid or ""), "": node.title}
        return all(word.matches(known.get(word.key, "")) for word in self.words)


def parse(text: str) -> Filter:
    """``db:app -role:web "order by" pid:4242``. Raises FilterRefused.

    A value with blanks, or plain text with a colon, stands in quotes; ``-`` before a word negates it.
    """
    words: list[Word] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        found = _WORD.match(text, position)
        assert found is not None, "the pattern matches anything, also nothing"
        position = found.end()
        words.append(_word(found))
    return Filter(text.strip(), tuple(words))


def _word(found: re.Match[str]) -> Word:
    key = (found["key"] or "").casefold()
    value = found["plain"] if found["quoted"] is None else found["quoted"]
    if key and key not in KEYS:
        known = " ".join(f"{name}:" for name in KEYS)
        raise FilterRefused(f"no {key}: there are {known}")
    if not value:
        raise FilterRefused(f"{key}: needs a value" if key else f"{found[0]} needs a word behind it")
    if key == "pid" and not (value.isascii() and value.isdecimal()):
        raise FilterRefused(f"pid: takes a number, not {value}")
    return Word(key, value.casefold(), bool(found["no"]))
