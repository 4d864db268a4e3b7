"""What a statement will lock, by static rules: for the forecast of a step that was never rehearsed."""

from collections.abc import Callable
from typing import TypeAlias

from tui.runbook.alter_table import alter_relation, owning_table
from tui.runbook.create_locks import create, policy, publication
from tui.runbook.foreseen import AE, AS, MODES, NO_RELATION, RE, SUE, Findings, Foreseen, Rule, word_set
from tui.runbook.names import Reader
from tui.runbook.query_locks import lock_tables, read_query, run_query
from tui.runbook.statements import Statement
from tui.runbook.table_locks import analyze, cluster, lock, options, refresh, reindex, truncate, vacuum

__all__ = ["MODES", "Foreseen", "Rule", "foresee"]

_Reading: TypeAlias = Callable[[Reader, Findings], None]

_CASCADE = "also ACCESS EXCLUSIVE on the tables and views that depend on it"
_SESSION = word_set(
    """ABORT BEGIN CHECKPOINT CLOSE COMMIT DEALLOCATE DISCARD END FETCH IMPORT LISTEN LOAD MOVE NOTIFY RELEASE
    RESET ROLLBACK SAVEPOINT SHOW START UNLISTEN"""
)


def foresee(statement: Statement) -> Rule:
    """What the statement will lock, rewrite and scan, told by its text alone.

    The rules are those of measurements on PostgreSQL 12 to 18, extended by the server's documentation and source. A
    statement that cannot be read, or that runs code of its own, gives a rule whose ``source`` is "unknown".
    """
    found = Findings()
    words = Reader(statement.text)
    try:
        _read(words, found)
    except (ValueError, RecursionError):
        found = Findings()
        found.unknown("the statement is not understood")
    return found.rule()


def _read(words: Reader, found: Findings) -> None:
    while words.word == "(":
        words.skip()
    verb = words.word
    if verb in _SESSION:
        found.extend()
    elif verb in _BY_VERB:
        _BY_VERB[verb](words, found)
    else:
        found.unknown(f"no rule for {verb.lower()}" if verb.isalpha() else "the statement is not understood")


def _query(words: Reader, found: Findings) -> None:
    if words.word not in ("SELECT", "INSERT", "UPDATE"):
        found.extend()
    read_query(words, found)


def _explain(words: Reader, found: Findings) -> None:
    found.extend()
    words.expect("EXPLAIN")
    on = set() if words.rest[1:2] in (["SELECT"], ["WITH"], ["("]) else options(words)
    while option := words.take_one("ANALYZE", "ANALYSE", "VERBOSE"):
        on.add(option)
    if words.word == "EXECUTE":
        run_query(words, found)
    elif on & {"ANALYZE", "ANALYSE"}:
        _read(words, found)
    else:
        planned = Findings(runs=False)
        _read(words, planned)
        found.adopt(planned)


def _prepare(words: Reader, found: Findings) -> None:
    found.extend()
    words.expect("PREPARE")
    if words.take("TRANSACTION") and words.word.startswith(("'", "E'", "e'", "$")):
        return
    while not words.take("AS"):
        words.skip()
    run_query(words, found)


def _declare(words: Reader, found: Findings) -> None:
    found.extend()
    while not words.take("FOR"):
        words.skip()
    run_query(words, found)


def _copy(words: Reader, found: Findings) -> None:
    found.extend()
    words.expect("COPY")
    if words.word == "(":
        words.skip()
        read_query(words, found)
        return
    words.take("BINARY")
    name = words.name()
    if words.word == "(":
        words.group()
    if words.take("FROM"):
        found.lock(name, RE)
        found.say("also ROW SHARE on the tables that its foreign keys reference, and what its triggers lock")
    else:
        words.expect("TO")
        found.lock(name, AS)
        found.work(scans="yes")


def _alter(words: Reader, found: Findings) -> None:
    match words.rest[1:3]:
        case ["TABLE" | "INDEX" | "VIEW" | "SEQUENCE", _] | ["MATERIALIZED", "VIEW"] | ["FOREIGN", "TABLE"]:
            alter_relation(words, found)
            return
    words.expect("ALTER")
    kind = words.skip()
    match kind:
        case "TRIGGER" | "RULE" | "POLICY":
            if kind != "TRIGGER":
                found.extend()
            words.ident()
            if kind == "POLICY":
                policy(words, found)
            else:
                words.expect("ON")
                found.lock(words.name(), AE)
        case "TYPE":
            _alter_type(words, found)
        case "DOMAIN":
            _alter_domain(words, found)
        case "PUBLICATION":
            found.extend()
            words.ident()
            if words.word not in ("OWNER", "RENAME"):
                publication(words, found)
        case "STATISTICS":
            pass
        case _ if kind in NO_RELATION:
            found.extend()
        case _:
            found.unknown(f"no rule for alter {kind.lower()}")


def _alter_type(words: Reader, found: Findings) -> None:
    name = words.name()
    match words.rest[:2]:
        case ["ADD" | "DROP" | "ALTER" | "RENAME", "ATTRIBUTE"]:
            found.extend()
            found.lock(name, AE)
            if "CASCADE" in words.rest:
                found.say("also ACCESS EXCLUSIVE on the tables of this type")
        case ["ADD" | "RENAME", "VALUE"]:
            pass
        case _:
            found.extend()


def _alter_domain(words: Reader, found: Findings) -> None:
    words.name()
    if words.take("SET", "NOT", "NULL") or words.take("VALIDATE"):
        found.extend()
    elif not words.take("ADD") or words.rest[-2:] == ["NOT", "VALID"]:
        found.extend()
        return
    found.work(scans="depends")
    found.say("also SHARE on every table with a column of the domain, which it scans")


def _drop(words: Reader, found: Findings) -> None:
    words.expect("DROP")
    kind = words.skip()
    match kind:
        case "MATERIALIZED" | "FOREIGN" if words.take_one("VIEW", "TABLE"):
            found.extend()
            _drop_relations(words, found)
        case "TABLE":
            found.say("also ACCESS EXCLUSIVE on its parent and on the tables that its foreign keys reference")
            _drop_relations(words, found)
        case "VIEW" | "SEQUENCE":
            if kind == "SEQUENCE":
                found.extend()
            _drop_relations(words, found)
        case "INDEX":
            _drop_index(words, found)
        case "TRIGGER" | "RULE" | "POLICY":
            if kind == "RULE":
                found.extend()
            words.take("IF", "EXISTS")
            words.ident()
            words.expect("ON")
            found.lock(words.name(), AE)
        case "OWNED":
            found.unknown("ACCESS EXCLUSIVE on all that the role owns")
        case "SCHEMA" if "CASCADE" in words.rest:
            found.unknown("ACCESS EXCLUSIVE on all that is in it")
        case "FUNCTION" | "PROCEDURE" | "ROUTINE" | "TYPE" | "DOMAIN" | "EXTENSION" | "AGGREGATE":
            if kind != "FUNCTION":
                found.extend()
            if "CASCADE" in words.rest:
                found.say(_CASCADE)
        case "STATISTICS":
            found.extend()
            found.say("also SHARE UPDATE EXCLUSIVE on its table")
        case _ if kind in NO_RELATION:
            found.extend()
            if "CASCADE" in words.rest:
                found.say(_CASCADE)
        case _:
            found.unknown(f"no rule for drop {kind.lower()}")


def _drop_relations(words: Reader, found: Findings) -> None:
    words.take("IF", "EXISTS")
    lock_tables(words, found, AE)
    if words.take("CASCADE"):
        found.say(_CASCADE)


def _drop_index(words: Reader, found: Findings) -> None:
    if words.take("CONCURRENTLY"):
        found.extend()
        found.say("also SHARE UPDATE EXCLUSIVE on its table")
        found.say("waits for every transaction that uses the table; ACCESS EXCLUSIVE on the index only at its end")
    else:
        found.say("also ACCESS EXCLUSIVE on its table")
    _drop_relations(words, found)


def _grant(words: Reader, found: Findings) -> None:
    verb = words.skip()
    while words.word and not words.take("ON"):
        if words.word == "(":
            words.group()
        else:
            words.skip()
    if not words.word:
        found.extend()
        return  # a role is granted
    if words.take("ALL"):
        found.extend()
        if words.word in ("TABLES", "SEQUENCES"):
            found.say("from PostgreSQL 18 on also ACCESS SHARE on each of them")
        return
    kind = words.word
    if verb == "REVOKE" or kind in (*NO_RELATION, "SEQUENCE"):
        found.extend()
    # A word before one of these is itself the name of a table.
    if words.rest[1:2] not in (["TO"], ["FROM"], [","], ["."]):
        if kind in NO_RELATION:
            return
        words.take_one("TABLE", "SEQUENCE")
    found.say("no lock before PostgreSQL 18")
    lock_tables(words, found, AS)


def _comment(words: Reader, found: Findings) -> None:
    if words.skip() == "SECURITY":
        found.extend()
        words.expect("LABEL")
        if words.take("FOR"):
            words.skip()
    words.expect("ON")
    kind = words.skip()
    match kind:
        case "TABLE":
            found.lock(words.name(), SUE)
        case "VIEW" | "INDEX" | "SEQUENCE":
            found.extend()
            found.lock(words.name(), SUE)
        case "MATERIALIZED" | "FOREIGN" if words.take_one("VIEW", "TABLE"):
            found.extend()
            found.lock(words.name(), SUE)
        case "COLUMN":
            found.lock(owning_table(words), SUE)
        case "CONSTRAINT" | "TRIGGER" | "RULE" | "POLICY":
            found.extend()
            words.ident()
            words.expect("ON")
            if not words.take("DOMAIN"):
                found.lock(words.name(), AS)
        case _:
            found.extend()


def _set(words: Reader, found: Findings) -> None:
    found.extend()
    if words.rest[:2] == ["SET", "CONSTRAINTS"]:
        found.say("checks that were put off run now, and lock what they read")


def _code(words: Reader, found: Findings) -> None:
    found.unknown("it runs code that is not read")


def _reassign(words: Reader, found: Findings) -> None:
    found.unknown("ACCESS EXCLUSIVE on all that the role owns")


_BY_VERB: dict[str, _Reading] = {
    **dict.fromkeys(("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "TABLE"), _query),
    "EXPLAIN": _explain,
    "PREPARE": _prepare,
    "DECLARE": _declare,
    "COPY": _copy,
    "TRUNCATE": truncate,
    "LOCK": lock,
    "VACUUM": vacuum,
    "ANALYZE": analyze,
    "ANALYSE": analyze,
    "CLUSTER": cluster,
    "REFRESH": refresh,
    "REINDEX": reindex,
    "CREATE": create,
    "ALTER": _alter,
    "DROP": _drop,
    "GRANT": _grant,
    "REVOKE": _grant,
    "COMMENT": _comment,
    "SECURITY": _comment,
    "SET": _set,
    "DO": _code,
    "CALL": _code,
    "EXECUTE": _code,
    "REASSIGN": _reassign,
}
