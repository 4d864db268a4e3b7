"""One fact of an object that is another one, in words. Pure."""

import re
from collections.abc import Iterator
from typing import Literal

from tui.postgres.fingerprint import CatalogObject
from tui.postgres.rows import without_passwords

Rank = Literal["lost", "changed", "added", "order"]
RELATIONS = frozenset({"table", "partitioned table", "view", "materialized view", "foreign table"})
PLURAL_KINDS = frozenset({"default privileges", "large objects"})
LONGEST = 120
"""Characters of a value that is quoted whole."""
_AROUND = 30

# Kinds whose name tells already what they belong to.
_NAMED_WHOLE = frozenset({"column", "attribute", "statistics object"})
# What an absent fact is called, where PostgreSQL's default has a name.
_DEFAULTS = {
    "access method": "heap",
    "connections": "allowed",
    "content": "with data",
    "deferrability": "not deferrable",
    "enforcement": "on",
    "match": "SIMPLE",
    "on delete": "NO ACTION",
    "on update": "NO ACTION",
    "parallel": "unsafe",
    "persistence": "permanent",
    "readiness": "ready",
    "row security": "off",
    "security": "invoker",
    "state": "enabled",
    "validity": "valid",
    "volatility": "volatile",
}
# Facts that read as what the object is: "trigger x on dev.t is disabled".
_ADJECTIVES = frozenset({"content", "deferrability", "readiness", "state", "validity"})
# Facts whose absence is no default but nothing at all.
_NOTHING = frozenset(
    {"comment", "default", "filter", "generated", "identity", "inheritance", "owning column", "partition bounds"}
    | {"partition of", "security labels", "using", "with check"}
)
_LABEL = re.compile(r"'(?:[^']|'')*'")


def label(one: CatalogObject) -> str:
    """What the object is called in a sentence: ``constraint tasks_user_id_fkey on dev.tasks``."""
    return f"{one.kind} {one.name}" + (f" on {one.on}" if one.on and one.kind not in _NAMED_WHOLE else "")


def counted(number: int, kind: str) -> str:
    """``1 index``, ``12 columns``, ``2 policies``."""
    if number != 1 and kind not in PLURAL_KINDS:
        ending = kind[-1]
        kind = f"{kind[:-1]}ies" if ending == "y" else f"{kind}es" if ending in "xs" else f"{kind}s"
    return f"{number:,} {kind}"


def fact_words(one: CatalogObject, fact: str, was: str | None, now: str | None) -> Iterator[tuple[Rank, str]]:
    """How a fact of an object that is still there differs; None is a fact that is absent."""
    rank: Rank = "lost" if now is None else "added" if was is None else "changed"
    how = "is gone" if now is None else "is new"
    if fact in ("grants", "revoked grants"):
        yield from _grants(one, *((was, now) if fact == "grants" else (now, was)))
    elif fact == "labels":
        yield from _labels(one, was or "", now or "")
    elif fact == "comment":
        yield rank, f"comment on {label(one)} {how if rank != 'changed' else 'is another one'}"
    elif fact.startswith("hash of "):
        yield rank, f"{label(one)}: {_is(fact[8:], how) if rank != 'changed' else fact[8:] + ' changed'}"
    elif fact in _ADJECTIVES:
        yield "changed", f"{label(one)} is {now or _DEFAULTS[fact]} (was {was or _DEFAULTS[fact]})"
    elif {was, now} == {"yes", None}:
        yield rank, f"{label(one)}: {fact} {how}"
    elif fact in _NOTHING and rank != "changed":
        value = was or now or ""
        told = f" ({'was ' if now is None else ''}{value})" if _short(value) else ""
        yield rank, f"{label(one)}: {_is(fact, how)}{told}"
    else:
        default = _DEFAULTS.get(fact, "the default")
        yield "changed", f"{label(one)}: {_changed(fact, was, now, default)}"


def _short(value: str) -> bool:
    return "\n" not in value and len(value) <= LONGEST


def _plural(fact: str) -> bool:
    return fact.endswith("s") and not fact.endswith("ss")


def _is(fact: str, how: str) -> str:
    return f"{fact} {how.replace('is ', 'are ', 1) if _plural(fact) else how}"


def _changed(fact: str, was: str | None, now: str | None, default: str) -> str:
    # Before it is cut: a part of a password is none that can be told as one.
    old, new = (without_passwords(value if value is not None else default) for value in (was, now))
    if _short(old) and _short(new):
        before, after = ("were", "are") if _plural(fact) else ("was", "is")
        return f"{fact} {before} {old or 'empty'}, {after} {new or 'empty'}"
    if "\n" in old or "\n" in new:
        first, second = old.split("\n"), new.split("\n")
        line = next(
            (n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
        )
        return f"{fact} changed (first differing line {line + 1})"
    at = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    start = max(0, at - _AROUND)
    parts = [f"…{value[start : at + _AROUND]}…" for value in (old, new)]
    return f"{fact} changed: was {parts[0]}, is {parts[1]}"


def _grants(one: CatalogObject, was: str | None, now: str | None) -> Iterator[tuple[Rank, str]]:
    old, new = set((was or "").split("\n")) - {""}, set((now or "").split("\n")) - {""}
    yield from (("lost", f"{_grant(one, line)} is gone") for line in sorted(old - new))
    yield from (("added", f"{_grant(one, line)} is new") for line in sorted(new - old))


def _grant(one: CatalogObject, line: str) -> str:
    if one.kind == "default privileges":
        return f"{label(one)}: {line}"
    privilege, _, role = line.partition(" to ")
    return f"grant {privilege} on {one.name if one.kind in RELATIONS else label(one)} to {role}"


def _labels(one: CatalogObject, was: str, now: str) -> Iterator[tuple[Rank, str]]:
    old, new = _LABEL.findall(was), _LABEL.findall(now)
    yield from (("lost", f"{label(one)}: label {text} is gone") for text in old if text not in new)
    yield from (("added", f"{label(one)}: label {text} is new") for text in new if text not in old)
    if [text for text in old if text in new] != [text for text in new if text in old]:
        yield "changed", f"{label(one)}: labels stand in another order: {', '.join(new)}; it was {', '.join(old)}"
