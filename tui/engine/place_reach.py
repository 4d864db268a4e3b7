"""What a runbook's scripts would reach outside of their database: a copy on the same server does not keep that in.

Databases, roles, tablespaces, settings and sessions belong to the whole server. Statements are read by their tokens, so
that a string or a comment is none of them; in the body of a function or a DO, whose strings may be run, everything
counts that looks like one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from tui.postgres.rows import safe
from tui.runbook.lexer import SplitError, symbol, tokens
from tui.runbook.model import Runbook, Script
from tui.runbook.statements import Statement, command_tag

from .place import PlaceFailed

_VERBS: Final = ("ALTER", "CREATE", "DROP")
_KINDS: Final = frozenset(["DATABASE", "GROUP", "ROLE", "SUBSCRIPTION", "TABLESPACE", "USER"])
_ON: Final = frozenset(["DATABASE", "PARAMETER", "ROLE", "TABLESPACE"])
# The shared catalogs that hold what the statements above write; a superuser may write them by hand.
_CATALOGS: Final = frozenset(
    ["pg_auth_members", "pg_authid", "pg_database", "pg_db_role_setting", "pg_parameter_acl", "pg_replication_origin"]
) | {"pg_shdepend", "pg_shdescription", "pg_shseclabel", "pg_subscription", "pg_tablespace"}
_FUNCTIONS: Final = frozenset(
    [
        "dblink",
        "dblink_connect",
        "dblink_connect_u",
        "dblink_exec",
        "dblink_open",
        "dblink_send_query",
        "lo_export",
        "pg_backup_start",
        "pg_backup_stop",
        "pg_cancel_backend",
        "pg_copy_logical_replication_slot",
        "pg_copy_physical_replication_slot",
        "pg_create_logical_replication_slot",
        "pg_create_physical_replication_slot",
        "pg_create_restore_point",
        "pg_drop_replication_slot",
        "pg_file_rename",
        "pg_file_sync",
        "pg_file_unlink",
        "pg_file_write",
        "pg_promote",
        "pg_reload_conf",
        "pg_replication_origin_advance",
        "pg_replication_origin_create",
        "pg_replication_origin_drop",
        "pg_replication_slot_advance",
        "pg_rotate_logfile",
        "pg_start_backup",
        "pg_stat_reset_replication_slot",
        "pg_stat_reset_shared",
        "pg_stat_reset_slru",
        "pg_stat_reset_subscription_stats",
        "pg_stop_backup",
        "pg_switch_wal",
        "pg_sync_replication_slots",
        "pg_terminate_backend",
        "pg_wal_replay_pause",
        "pg_wal_replay_resume",
    ]
)
_BODIES: Final = frozenset(["CREATE FUNCTION", "CREATE PROCEDURE", "DO"])
# They name a function and do not call it.
_NAMING: Final = frozenset(["COMMENT", "GRANT", "REVOKE"])
_STRINGS: Final = ("dollar", "estring", "string")
_ANY_WORD: Final = re.compile(r"\w+|[^\w\s]")
_SHOWN: Final = 5
_DEEPEST: Final = 10


def refuse_reaching(runbook: Runbook) -> None:
    """Raises PlaceFailed where a script of the runbook reaches outside of its database."""
    found = list(dict.fromkeys(_found(runbook)))
    if found:
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise PlaceFailed(
            f"{safe('; '.join(found[:_SHOWN]))}{more}: that belongs to the whole server, and on a copy there it would "
            "be done to the original's own. Rehearse with --like or --fixture"
        )


def reach(statement: Statement) -> str | None:
    """What of it reaches outside of its database: its tag, or the function that it calls; None if nothing."""
    words = _words(statement.text)
    tag = command_tag(statement)
    if found := _command(words, 0) or _writes(words):
        return found
    if tag in _BODIES:
        return _anywhere(statement.text)
    return None if tag in _NAMING else _call(words)


def _found(runbook: Runbook) -> Iterator[str]:
    for script in _scripts(runbook):
        for index, statement in enumerate(script.statements):
            if (what := reach(statement)) is not None:
                yield f"{script.place(index)}: {what}"
    for step in runbook.steps:
        if step.batch is not None and (what := _call(_words(step.batch.where))) is not None:
            yield f"the batch of step {step.id}: {what}"


def _scripts(runbook: Runbook) -> Iterator[Script]:
    for step in runbook.steps:
        yield step.sql
        if step.rollback is not None:
            yield step.rollback
    yield from (rollback.sql for rollback in runbook.rollbacks)
    yield from (verification.sql for verification in runbook.verifications)
    yield from (item.sql for item in runbook.checklist if item.sql is not None)


@dataclass(frozen=True, slots=True)
class _Word:
    """A token: ``word`` as it is compared, ``text`` as written."""

    kind: str
    word: str
    text: str

    @property
    def name(self) -> str:
        """As a name, as the catalog has it."""
        if self.kind == "name":
            return self.text[self.text.index('"') + 1 : -1].replace('""', '"')
        return self.text.lower()


def _words(text: str) -> list[_Word]:
    try:
        return [_Word(kind, symbol(text, kind, start, end), text[start:end]) for kind, start, end in tokens(text)]
    except SplitError:
        # A string that is a piece of a statement, or none at all.
        return [_Word("word", word.upper(), word) for word in _ANY_WORD.findall(text)]


def _command(words: list[_Word], at: int, *, piece: bool = False) -> str | None:
    """The command that begins here, if it reaches outside; ``piece``: what is missing at its end may be added to it."""
    match [each.word for each in words[at : at + 6]]:
        case ["ALTER", "SYSTEM", *_]:
            return "ALTER SYSTEM"
        case [_, "USER", "MAPPING", *_]:
            return None
        case [verb, kind, *_] if verb in _VERBS and kind in _KINDS:
            return f"{verb} {kind}"
        case ["DROP" | "REASSIGN" as verb, "OWNED", *_]:
            return f"{verb} OWNED"
        case ["COMMENT", "ON", kind, *_] if kind in _ON:
            return f"COMMENT ON {kind}"
        case ["SECURITY", "LABEL", "ON", kind, *_] | ["SECURITY", "LABEL", "FOR", _, "ON", kind] if kind in _ON:
            return f"SECURITY LABEL ON {kind}"
        case ["GRANT" | "REVOKE" as verb, following, *_] if following != "OPTION" or verb == "REVOKE":
            return _grant(verb, words[at + 1 :], piece)
        case ["GRANT" | "REVOKE" as verb] if piece:
            return f"{verb} of a role"
        case ["COPY", *_]:
            return _copy(words[at + 1 :])
    return None


def _grant(verb: str, rest: list[_Word], piece: bool) -> str | None:
    """Of a role, which stands right before TO or FROM, or ON something of the whole server's."""
    for at, each in enumerate(rest):
        if each.word == "ON":
            kind = rest[at + 1].word if at + 1 < len(rest) else ""
            return f"{verb} ON {kind}" if kind in _ON else None
        if each.word == ("TO" if verb == "GRANT" else "FROM"):
            return f"{verb} of a role"
        if each.word == ";":
            return None
    return f"{verb} of a role" if piece else None


def _copy(rest: list[_Word]) -> str | None:
    """COPY that runs a program, or writes a file of the server's."""
    depth = 0
    for at, each in enumerate(rest):
        depth += (each.word == "(") - (each.word == ")")
        if each.word == ";":
            break
        if depth == 0 and each.word in ("TO", "FROM") and at + 1 < len(rest):
            following = rest[at + 1]
            if following.word == "PROGRAM":
                return f"COPY {each.word} PROGRAM"
            if each.word == "TO" and following.kind in _STRINGS:
                return "COPY TO a file"
    return None


def _writes(words: list[_Word]) -> str | None:
    """UPDATE, INSERT or DELETE in a catalog that all databases share."""
    for at, each in enumerate(words):
        if each.word in ("UPDATE", "INTO") or (each.word == "FROM" and at and words[at - 1].word == "DELETE"):
            target = [one for one in words[at + 1 : at + 5] if one.word != "ONLY"]
            if len(target) > 2 and target[1].word == "." and target[0].name == "pg_catalog":
                target = target[2:]
            if target and target[0].kind in ("word", "name") and target[0].name in _CATALOGS:
                return f"{'DELETE' if each.word == 'FROM' else each.word} {target[0].name}".replace(
                    "INTO", "INSERT INTO"
                )
    return None


def _call(words: list[_Word]) -> str | None:
    for each, following in pairwise(words):
        if following.word == "(" and each.kind in ("word", "name") and each.name in _FUNCTIONS:
            return f"{each.name}()"
    return None


def _anywhere(text: str, depth: int = 0) -> str | None:
    """Whatever looks like one of these, in a body or in a string of it, which may be run or be a piece of what is."""
    words = _words(text)
    for at in range(len(words)):
        if found := _command(words, at, piece=depth > 0):
            return found
    if found := _writes(words) or _call(words):
        return found
    strings = [each.text for each in words if each.kind in _STRINGS] if depth < _DEEPEST else []
    return next((found for inner in strings if (found := _anywhere(_inside(inner), depth + 1))), None)


def _inside(string: str) -> str:
    """What stands in a string constant, a quote in it no longer doubled."""
    if string.startswith("$"):
        tag = string.index("$", 1) + 1
        return string[tag:-tag]
    return string[string.index("'") + 1 : -1].replace("''", "'")
