"""The locks that are foreseen for a statement, gathered while its text is read."""

import re
from dataclasses import dataclass
from typing import Literal

from tui.runbook.names import Name, quoted

AS, RS, RE, SUE = "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock"
S, SRE, E, AE = "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"
MODES = (AS, RS, RE, SUE, S, SRE, E, AE)
"""The modes of pg_locks from the weakest to the strongest."""

Answer = Literal["no", "yes", "depends"]
Source = Literal["measured", "extended", "unknown"]


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


_ANSWERS: tuple[Answer, ...] = ("no", "depends", "yes")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
# What quote_ident quotes: every keyword that is not "unreserved" (PostgreSQL's documentation, "SQL Key Words").
_QUOTED = word_set(
    """all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both
    case cast char character check coalesce collate collation column concurrently constraint create cross
    current_catalog current_date current_role current_schema current_time current_timestamp current_user dec
    decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign
    freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect
    interval into is isnull join json json_array json_arrayagg json_exists json_object json_objectagg json_query
    json_scalar json_serialize json_table json_value lateral leading least left like limit localtime
    localtimestamp merge_action national natural nchar none normalize not notnull null nullif numeric offset on
    only or order out outer overlaps overlay placing position precision primary real references returning right
    row select session_user setof similar smallint some substring symmetric system_user table tablesample then
    time timestamp to trailing treat trim true union unique user using values varchar variadic verbose when where
    window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot
    xmlserialize xmltable"""
)


# Kinds of objects that are no relation and whose commands lock none.
NO_RELATION = word_set(
    """ACCESS AGGREGATE CAST COLLATION CONVERSION DATABASE DEFAULT DOMAIN EVENT EXTENSION FOREIGN FUNCTION GROUP
    LANGUAGE LARGE OPERATOR PARAMETER PROCEDURAL PROCEDURE PUBLICATION ROLE ROUTINE SCHEMA SERVER STATISTICS
    SUBSCRIPTION SYSTEM TABLESPACE TEXT TRANSFORM TYPE USER"""
)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A lock that a statement will take.

    ``relation`` as it is written in the statement, folded and quoted as quote_ident does: ``dev."Users"``. ``mode`` as
    pg_locks names it.
    """

    relation: str
    mode: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What the text of a statement tells of its locks and its work.

    ``locks`` are on relations that it names and that were there before, each once with the strongest mode of PostgreSQL
    14 to 18. Not among them: what the statement creates; indexes, partitions, children and the tables under a view,
    where it does not name them. ``rewrites``: a table or materialized view is written out anew, with its indexes; to
    empty it is none. ``scans``: a table is read whole, be it to check its rows or to build an index. ``why``: what
    "depends" depends on, and which locks the text cannot tell; empty where all is plain.

    ``source``: "measured" on servers, a form of the lock matrix; "extended" beyond it by PostgreSQL's documentation and
    source; "unknown": there is no rule, and an empty ``locks`` does not mean that nothing is locked.
    """

    locks: tuple[Foreseen, ...]
    rewrites: Answer
    scans: Answer
    why: str
    source: Source


class Findings:
    """What has been found of one statement. It begins as measured, with no lock and no work."""

    def __init__(self, *, runs: bool = True) -> None:
        self.runs = runs
        """False while a query is read that is only stored: its functions are not called."""
        self._locks: dict[Name, str] = {}
        self._new: list[Name] = []
        self._rewrites: Answer = "no"
        self._scans: Answer = "no"
        self._why: list[str] = []
        self._calls = False
        self._source: Source = "measured"

    def lock(self, name: Name, mode: str) -> None:
        """A lock; of several on one relation the strongest stays."""
        self._locks[name] = max(self._locks.get(name, mode), mode, key=MODES.index)

    def adopt(self, stored: "Findings") -> None:
        """The locks of a query that is stored by the statement, not run: no row is read."""
        for name, mode in stored._locks.items():
            self.lock(name, mode)
        if stored._source == "unknown":
            self.unknown("; ".join(stored._why))

    def calls(self, function: str) -> None:
        """A function of which nothing is known is called."""
        self._calls = True
        self.say(f"what {function}() locks is not known")

    def creates(self, name: Name) -> None:
        """What the statement makes itself is nobody else's before it commits."""
        self._new.append(name)

    def work(self, *, rewrites: Answer = "no", scans: Answer = "no") -> None:
        """Work that is done; of several answers the heaviest stays."""
        self._rewrites = max(self._rewrites, rewrites, key=_ANSWERS.index)
        self._scans = max(self._scans, scans, key=_ANSWERS.index)

    def say(self, why: str) -> None:
        if why not in self._why:
            self._why.append(why)

    def extend(self) -> None:
        """Part of the statement is beyond the lock matrix."""
        if self._source == "measured":
            self._source = "extended"

    def unknown(self, why: str) -> None:
        """There is no rule for the statement."""
        self._source = "unknown"
        self.say(why)

    def rule(self) -> Rule:
        locks = tuple(Foreseen(written(name), mode) for name, mode in self._locks.items() if not self._is_new(name))
        source: Source = "unknown" if self._calls and not locks else self._source
        return Rule(locks, self._rewrites, self._scans, "; ".join(self._why), source)

    def _is_new(self, name: Name) -> bool:
        return any(
            name.name == new.name and (name.schema == new.schema or None in (name.schema, new.schema))
            for new in self._new
        )


def written(name: Name) -> str:
    """A name as quote_ident writes it, with its schema if it has one."""
    return ".".join(_ident(part) for part in (name.schema, name.name) if part is not None)


def _ident(part: str) -> str:
    return part if _PLAIN.fullmatch(part) and part not in _QUOTED else quoted(part)
