"""Objects of the catalogs as text, one fact a line, and read again from it.

Tens of thousands of objects are kept as the text that they are compared by; they are made only where somebody looks.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CatalogObject:
    """One object of the catalogs.

    ``kind`` as in words: ``column``, ``constraint``. ``name`` in one line, quoted as SQL where needed, with its schema
    where it has one of its own: ``dev.tasks.user_id``, ``tasks_user_id_fkey``. ``on``: what it belongs to
    (``dev.tasks``), empty where it stands alone. ``facts``: one that is absent has PostgreSQL's default.
    """

    kind: str
    name: str
    on: str
    facts: Facts

    def text(self) -> str:
        """Its lines, without the last one's end."""
        lines = [f"{self.kind}: {self.name}"]
        if self.on:
            lines.append(f"  on: {self.on}")
        lines += [fact_text(fact, value) for fact, value in self.facts]
        return "\n".join(lines)


class Catalog(Sequence[CatalogObject]):
    """Objects, sorted by their texts. Two are equal where their texts are."""

    __slots__ = ("_objects", "_size", "text")

    def __init__(self, texts: Iterable[str]) -> None:
        """Of the objects' texts, each as ``CatalogObject.text`` gives it."""
        ordered = sorted(texts)
        self._size = len(ordered)
        self._objects: tuple[CatalogObject, ...] | None = None
        self.text = "".join([f"{text}\n" for text in ordered])
        """All of it, each line with its end."""

    def of_kind(self, kind: str) -> list[CatalogObject]:
        """Those of this kind; where there are none, nothing else is made either."""
        there = self.text.startswith(f"{kind}: ") or f"\n{kind}: " in self.text
        return [one for one in self if one.kind == kind] if there else []

    def _all(self) -> tuple[CatalogObject, ...]:
        if self._objects is None:
            self._objects = tuple(one for _, one in parse_objects(self.text, 1))
        return self._objects

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[CatalogObject]:
        return iter(self._all())

    @overload
    def __getitem__(self, index: int) -> CatalogObject: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[CatalogObject, ...]: ...
    def __getitem__(self, index: int | slice) -> CatalogObject | tuple[CatalogObject, ...]:
        return self._all()[index]

    def __eq__(self, other: object) -> bool:
        return self.text == other.text if isinstance(other, Catalog) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Catalog({self._all()!r})"


def fact_text(fact: str, value: str) -> str:
    """The line, or the lines, of one fact."""
    if "\n" in value:
        return f"  {fact}:\n    |" + value.replace("\n", "\n    |")
    return f"  {fact}: {value}"


def parse_objects(text: str, first: int) -> Iterator[tuple[int, CatalogObject]]:
    """The objects in lines of which the first has the number ``first``, each with the number of its own first line.

    Raises ValueError with the line.
    """
    start, kind, name, on = 0, "", "", ""
    facts: list[tuple[str, str]] = []
    block: list[str] | None = None
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else [], start=first):
        if line.startswith("    |") and block is not None:
            block.append(line.removeprefix("    |"))
            facts[-1] = (facts[-1][0], "\n".join(block))
            continue
        word, colon, value = line.partition(":")
        if not colon or (value and value[0] != " ") or (not word.startswith("  ") and not value):
            raise ValueError(f"line {number}: neither an object nor a fact of one")
        block = None
        if not word.startswith("  "):
            if start:
                yield start, CatalogObject(kind, name, on, tuple(facts))
            start, kind, name, on, facts = number, word, value[1:], "", []
        elif not start:
            raise ValueError(f"line {number}: a fact of no object")
        elif word == "  on":
            on = value[1:]
        else:
            block = None if value else []
            facts.append((word[2:], value[1:]))
    if start:
        yield start, CatalogObject(kind, name, on, tuple(facts))
