"""What the commands for whole tables lock. Each reads its statement to the end; ValueError: it is not understood."""

from tui.runbook.foreseen import AE, MODES, SUE, E, Findings, S
from tui.runbook.names import Name, NotRead, Reader
from tui.runbook.query_locks import lock_tables, table, tables

_MODE_WORDS = {
    ("ACCESS", "SHARE"): MODES[0],
    ("ROW", "SHARE"): MODES[1],
    ("ROW", "EXCLUSIVE"): MODES[2],
    ("SHARE", "UPDATE", "EXCLUSIVE"): MODES[3],
    ("SHARE",): MODES[4],
    ("SHARE", "ROW", "EXCLUSIVE"): MODES[5],
    ("EXCLUSIVE",): MODES[6],
    ("ACCESS", "EXCLUSIVE"): MODES[7],
}
_FALSE = ("FALSE", "OFF", "0", "'FALSE'", "'OFF'")


def truncate(words: Reader, found: Findings) -> None:
    """TRUNCATE."""
    words.expect("TRUNCATE")
    words.take("TABLE")
    lock_tables(words, found, AE)
    if "CASCADE" in words.rest:
        found.say("also ACCESS EXCLUSIVE on every table that references it, which is emptied too")


def lock(words: Reader, found: Findings) -> None:
    """LOCK TABLE."""
    words.expect("LOCK")
    words.take("TABLE")
    names = tables(words)
    found.say("of a view also the tables under it")
    mode = AE
    if words.take("IN"):
        found.extend()
        named = []
        while not words.take("MODE"):
            named.append(words.skip())
        if tuple(named) not in _MODE_WORDS:
            raise NotRead("a lock mode")
        mode = _MODE_WORDS[tuple(named)]
    for name in names:
        found.lock(name, mode)


def options(words: Reader) -> set[str]:
    """The options in parentheses that are not off, in upper case."""
    on = set()
    if words.word == "(":
        for entry in words.group():
            option = entry.skip().upper()
            if entry.word.upper() not in _FALSE:
                on.add(option)
    return on


def vacuum(words: Reader, found: Findings) -> None:
    """VACUUM, also FULL."""
    found.extend()
    words.expect("VACUUM")
    on = options(words)
    while option := words.take_one("FULL", "FREEZE", "VERBOSE", "ANALYZE", "ANALYSE"):
        on.add(option)
    full = "FULL" in on
    found.work(rewrites="yes" if full else "no", scans="yes" if full else "depends")
    if not full:
        found.say("reads what changed since the last one; ACCESS EXCLUSIVE for a moment to cut off empty pages")
    _tables_with_columns(words, found, AE if full else SUE)


def analyze(words: Reader, found: Findings) -> None:
    """ANALYZE."""
    words.skip()
    if words.word == "(":
        found.extend()
        words.group()
    words.take("VERBOSE")
    _tables_with_columns(words, found, SUE)


def _tables_with_columns(words: Reader, found: Findings, mode: str) -> None:
    if not words.word:
        found.unknown("every table of the database in turn")
        return
    while True:
        found.lock(table(words), mode)
        if words.word == "(":
            words.group()
        if not words.take(","):
            return


def cluster(words: Reader, found: Findings) -> None:
    """CLUSTER, also in the old order of its names."""
    words.expect("CLUSTER")
    if words.word == "(":
        words.group()
    words.take("VERBOSE")
    found.work(rewrites="yes", scans="yes")
    if not words.word:
        found.unknown("every table that was clustered before, in turn")
        return
    name = words.name()
    if words.take("ON"):
        index, name = name, words.name()
        found.lock(Name(name.schema, index.name), AE)
    elif words.take("USING"):
        found.lock(Name(name.schema, words.ident()), AE)
    found.lock(name, AE)


def refresh(words: Reader, found: Findings) -> None:
    """REFRESH MATERIALIZED VIEW."""
    words.expect("REFRESH", "MATERIALIZED", "VIEW")
    concurrently = words.take("CONCURRENTLY")
    found.lock(words.name(), E if concurrently else AE)
    if "NO" in words.rest:
        found.extend()
        return
    found.work(rewrites="no" if concurrently else "yes", scans="yes")
    found.say("also ACCESS SHARE on the tables that it reads")


def reindex(words: Reader, found: Findings) -> None:
    """REINDEX."""
    words.expect("REINDEX")
    on = options(words)
    what = words.take_one("INDEX", "TABLE", "SCHEMA", "DATABASE", "SYSTEM")
    concurrently = words.take("CONCURRENTLY") or "CONCURRENTLY" in on
    found.work(scans="yes")
    if what not in ("INDEX", "TABLE"):
        found.unknown("every table and index of it in turn")
        return
    name = words.name()
    if concurrently:
        found.extend()
        found.lock(name, SUE)
        found.say(f"also SHARE UPDATE EXCLUSIVE on its {'table' if what == 'INDEX' else 'indexes'}")
        found.say("waits for every transaction that writes the table or reads with an older snapshot")
    elif what == "INDEX":
        found.lock(name, AE)
        found.say("also SHARE on its table")
    else:
        found.lock(name, S)
        found.say("also ACCESS EXCLUSIVE on each of its indexes")
