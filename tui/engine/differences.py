"""Two fingerprints of a database, told apart object by object in words an operator reads under stress. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from tui.postgres.fingerprint import UNREAD, CatalogObject, Fingerprint
from tui.postgres.table_data import ENDS, SequencePosition, TableData

from .difference_words import PLURAL_KINDS, RELATIONS, Rank, counted, fact_words, label
from .proof import Difference

_Key = tuple[str, str, str]
_Objects = Mapping[_Key, CatalogObject]
_RANKS: tuple[Rank, ...] = ("lost", "changed", "added", "order")
_WHOLES = RELATIONS | {"type", "domain", "publication", "server"}
_IDENTIFIER = re.compile(r'(?:"(?:[^"]|"")*"|[^".(])+')
_READ = {"none": "not at all", "whole": "whole", "sampled": "in part"}
_NOT_NULL = "NOT NULL "


def compare(before: Fingerprint, after: Fingerprint) -> tuple[Difference, ...]:
    """What ``after`` has not as ``before`` had it: lost, changed, added, order of columns; each by object.

    What came or went with a table, a schema or another whole is told in the whole's one difference. What could not be
    read is a difference too, for it was not compared. Of sequences only a step back is one: it gives numbers twice.
    """
    found = {*_unread(before, after)}
    if before.objects != after.objects:
        found |= {*_objects(before, after), *_order(before, after)}
    if before.reading == after.reading:
        found |= {*_rows(before, after), *_sequences(before, after)}
    else:
        words = f"rows were not compared: read {_READ[before.reading]} before and {_READ[after.reading]} after"
        found.add(Difference("changed", "rows", words))
    return tuple(sorted(found, key=lambda one: (_RANKS.index(one.rank), one.object, one.words)))


def _by_key(fingerprint: Fingerprint) -> dict[_Key, CatalogObject]:
    return {(one.kind, one.on, one.name): one for one in fingerprint.objects if one.kind != UNREAD}


def _told(rank: Rank, one: CatalogObject, words: str) -> Difference:
    return Difference(rank, one.on or one.name, words)


def _objects(before: Fingerprint, after: Fingerprint) -> Iterator[Difference]:
    was, now = _by_key(before), _by_key(after)
    gone = {key: one for key, one in was.items() if key not in now}
    new = {key: one for key, one in now.items() if key not in was}
    # A table that is a view now is one change, and what stands on it is not compared.
    kinds = {one.name: one.kind for one in new.values() if one.kind in RELATIONS}
    replaced = {one.name for one in gone.values() if one.kind in RELATIONS and one.name in kinds}
    for one in gone.values():
        if one.kind in RELATIONS and one.name in replaced:
            yield _told("lost", one, f"{label(one)} is a {kinds[one.name]} now")
    counts = {table.table: table.rows for table in before.data}, {table.table: table.rows for table in after.data}
    yield from _whole_objects("lost", "gone", gone, _without(now, was), replaced, counts[0])
    yield from _whole_objects("added", "new", new, _without(was, now), replaced, counts[1])
    for key, one in now.items():
        if key in was and one.on not in replaced:
            yield from (_told(rank, one, words) for rank, words in _facts(was[key], one))


def _without(these: _Objects, those: _Objects) -> set[tuple[str, str]]:
    """Tables and columns whose NOT NULL those have and these have not: their constraint is no difference of its own."""
    return {
        (one.on, one.name)
        for key, one in those.items()
        if one.kind == "column"
        and "not null" in dict(one.facts)
        and (key not in these or "not null" not in dict(these[key].facts))
    }


def _whole_objects(
    rank: Rank,
    how: str,
    objects: _Objects,
    not_null: set[tuple[str, str]],
    replaced: set[str],
    counts: Mapping[str, int | None],
) -> Iterator[Difference]:
    wholes = {_whole(one): one for one in objects.values() if one.kind in _WHOLES | {"schema", "column"}}
    constraints = {(one.on, one.name) for one in objects.values() if one.kind == "constraint"}
    with_it: dict[CatalogObject, Counter[str]] = {}
    alone: list[CatalogObject] = []
    for one in objects.values():
        if one.on in replaced or (one.kind in RELATIONS and one.name in replaced):
            continue
        root = _root(one, wholes)
        if root is not one:
            with_it.setdefault(root, Counter())[one.kind] += 1
            with_it[root]["row"] += counts.get(one.name, 0) or 0 if one.kind in RELATIONS else 0
        elif not (one.kind == "index" and (one.on, one.name) in constraints) and not (
            one.kind == "not-null constraint" and _constrained(one) in not_null
        ):
            alone.append(one)
    for one in alone:
        more = with_it.get(one, Counter())
        more["row"] += counts.get(one.name, 0) or 0 if one.kind in RELATIONS else 0
        listed = ", ".join(counted(number, kind) for kind, number in sorted(more.items()) if number)
        verb = "are" if one.kind in PLURAL_KINDS else "is"
        yield _told(rank, one, f"{label(one)} {verb} {how}" + (f" (with {listed})" if listed else ""))


def _constrained(one: CatalogObject) -> tuple[str, str]:
    column = dict(one.facts).get("definition", "").removeprefix(_NOT_NULL).removesuffix(" NO INHERIT")
    return one.on, f"{one.on}.{column}"


def _whole(one: CatalogObject) -> tuple[str, str]:
    """By what its parts find it: a type and a table cannot have the same name, a publication and a schema can."""
    return (one.kind if one.kind in ("schema", "publication", "server") else "one", one.name)


def _root(one: CatalogObject, wholes: Mapping[tuple[str, str], CatalogObject]) -> CatalogObject:
    """The whole that it came or went with; itself where there is none."""
    seen = one
    while True:
        named = [("one", seen.on), ("publication", seen.on), ("server", seen.on)]
        owning = dict(seen.facts).get("owning column")
        if owning:
            named += [("one", owning), ("one", owning[: _last_dot(owning)])]
        if seen.kind == "publication member":
            named.append(("one", seen.name))
        schema = _schema(seen.on or seen.name)
        if schema:
            named.append(("schema", schema))
        whole = next((wholes[name] for name in named if name in wholes and wholes[name] is not seen), None)
        if whole is None:
            return seen
        seen = whole


def _last_dot(column: str) -> int:
    parts = list(_IDENTIFIER.finditer(column))
    return parts[-1].start() - 1


def _schema(name: str) -> str | None:
    found = _IDENTIFIER.match(name)
    return found[0] if found and name[found.end() : found.end() + 1] == "." else None


def _facts(was: CatalogObject, now: CatalogObject) -> Iterator[tuple[Rank, str]]:
    if was.facts == now.facts:
        return
    old, new = dict(was.facts), dict(now.facts)
    for fact in sorted({*old, *new} - {"position"}):
        if old.get(fact) != new.get(fact):
            yield from fact_words(now, fact, old.get(fact), new.get(fact))


def _unread(before: Fingerprint, after: Fingerprint) -> Iterator[Difference]:
    for one in (*before.objects.of_kind(UNREAD), *after.objects.of_kind(UNREAD)):
        yield Difference("changed", one.name, f"{one.name} were not compared: {dict(one.facts).get('why', '')}")


def _order(before: Fingerprint, after: Fingerprint) -> Iterator[Difference]:
    was, now = _columns(before), _columns(after)
    for table in was.keys() & now.keys():
        old = [column for column in was[table] if column in now[table]]
        new = [column for column in now[table] if column in was[table]]
        if old != new:
            short = [", ".join(column.removeprefix(f"{table}.") for column in some) for some in (new, old)]
            yield Difference(
                "order", table, f"columns of {table} stand in another order: {short[0]}; it was {short[1]}"
            )


def _columns(fingerprint: Fingerprint) -> dict[str, list[str]]:
    """The columns of each table, and the attributes of each type, in their order."""
    found: dict[str, list[tuple[int, str]]] = {}
    for one in fingerprint.objects:
        if one.kind in ("column", "attribute"):
            found.setdefault(one.on, []).append((int(dict(one.facts)["position"]), one.name))
    return {table: [name for _, name in sorted(columns)] for table, columns in found.items()}


def _rows(before: Fingerprint, after: Fingerprint) -> Iterator[Difference]:
    now = {one.table: one for one in after.data}
    for was in before.data:
        if was.table in now and was != now[was.table]:
            yield from _of_table(was, now[was.table])
        elif was.table in now and was.how == "unread":
            yield _not_compared(was.table, was.why)


def _not_compared(table: str, why: str) -> Difference:
    return Difference("changed", table, f"rows of {table} were not compared: {why}")


def _of_table(was: TableData, now: TableData) -> Iterator[Difference]:
    table = now.table
    if "unread" in (was.how, now.how):
        yield _not_compared(table, now.why or was.why)
        return
    if was.how != now.how:
        grown = "all before and only the ends of its primary key after"
        yield _not_compared(
            table, f"read {grown if now.how == 'ends' else 'only at the ends of its primary key before and all after'}"
        )
        return
    if was.rows is not None and now.rows is not None and was.rows != now.rows:
        number = abs(now.rows - was.rows)
        less = now.rows < was.rows
        words = f"{table} has {counted(number, 'row')} {'less' if less else 'more'} ({now.rows:,}, was {was.rows:,})"
        yield Difference("lost" if less else "added", table, words)
        return
    where = f" (in its first or last {ENDS:,} rows)" if now.how == "ends" else ""
    old, new = dict(was.columns), dict(now.columns)
    other = [column for column in new if column in old and old[column] != new[column]]
    for column in other:
        yield Difference("changed", table, f"values in {table}.{column} are not the same{where}")
    if not other and old.keys() == new.keys():
        yield Difference("changed", table, f"rows of {table} have the same values in other combinations{where}")


def _sequences(before: Fingerprint, after: Fingerprint) -> Iterator[Difference]:
    now = {one.sequence: one for one in after.sequences}
    for was in before.sequences:
        words = _step_back(was, now[was.sequence]) if was.sequence in now else ""
        if words:
            yield Difference("changed", was.sequence, words)


def _step_back(was: SequencePosition, now: SequencePosition) -> str:
    if was.next is None or now.next is None:
        return f"the position of sequence {now.sequence} was not compared: {now.why or was.why}"
    ahead: Callable[[int, int], bool] = int.__gt__ if was.increment > 0 else int.__lt__
    if ahead(was.next, now.next):
        return f"sequence {now.sequence} went back: it gives {now.next:,} next, and had come to {was.next:,}"
    return ""
