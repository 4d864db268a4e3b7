"""What CREATE locks: the tables that the new object hangs on, and those that its queries read."""

from tui.runbook.alter_table import owning_table
from tui.runbook.foreseen import AE, AS, NO_RELATION, SRE, SUE, Findings, S
from tui.runbook.names import Reader
from tui.runbook.query_locks import lock_tables, run_query, store_query, table
from tui.runbook.statements import SplitError, split


def create(words: Reader, found: Findings) -> None:
    """Reads CREATE …; raises ValueError where it is not understood."""
    words.expect("CREATE")
    replaces = words.take("OR", "REPLACE")
    while words.take_one("GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED", "TRUSTED", "DEFAULT", "RECURSIVE"):
        found.extend()
    kind = words.skip()
    match kind:
        case "UNIQUE" | "INDEX":
            _create_index(kind, words, found)
        case "TABLE":
            _create_table(words, found)
        case "FOREIGN" if words.take("TABLE"):
            found.extend()
            _create_table(words, found)
        case "VIEW":
            _create_view(words, found, replaces)
        case "MATERIALIZED":
            found.extend()
            words.expect("VIEW")
            _create_as(words, found)
        case "SEQUENCE":
            found.extend()
            while words.word:
                if words.take("OWNED", "BY") and not words.take("NONE"):
                    found.lock(owning_table(words), AS)
                elif words.word:
                    words.skip()
        case "TRIGGER" | "CONSTRAINT":
            _create_trigger(kind, words, found, replaces)
        case "RULE":
            _create_rule(words, found, replaces)
        case "POLICY":
            words.ident()
            policy(words, found)
        case "PUBLICATION":
            words.ident()
            publication(words, found)
        case "STATISTICS":
            while not words.take("FROM"):
                words.skip()
            lock_tables(words, found, SUE)
        case "FUNCTION" | "PROCEDURE":
            found.extend()
            _function(words, found)
        case "SCHEMA" if "CREATE" in words.rest:
            found.unknown("what the statements in it lock is not read")
        case "EXTENSION":
            found.say("what the script of the extension locks is not known")
        case "SUBSCRIPTION":
            found.extend()
            found.say("also ACCESS SHARE on the tables that it brings up to date")
        case _ if kind in NO_RELATION:
            found.extend()
        case _:
            found.unknown(f"no rule for create {kind.lower()}")


def _create_index(kind: str, words: Reader, found: Findings) -> None:
    if kind == "UNIQUE":
        words.expect("INDEX")
    concurrently = words.take("CONCURRENTLY")
    words.take("IF", "NOT", "EXISTS")
    if words.word != "ON":
        words.ident()
    words.expect("ON")
    only = words.word == "ONLY"
    found.lock(table(words), SUE if concurrently else S)
    if concurrently:
        found.extend()
        found.say("waits for every transaction that writes the table or reads with an older snapshot")
    if only:
        found.work(scans="depends")
        found.say("no scan of a partitioned table")
    else:
        found.work(scans="yes")


def _create_table(words: Reader, found: Findings) -> None:
    words.take("IF", "NOT", "EXISTS")
    name = words.name()
    found.creates(name)
    if words.take("OF"):
        found.extend()
        found.lock(words.name(), AS)
    if words.take("PARTITION", "OF"):
        found.lock(words.name(), AE)
        found.work(scans="depends")
        found.say("also ACCESS EXCLUSIVE on the default partition, which is scanned")
    if words.word == "(":
        for element in words.group():
            _table_element(element, found)
    if words.take("INHERITS"):
        found.extend()
        for parent in words.group():
            found.lock(parent.name(), SUE)
    while words.word:
        if words.take("AS"):
            run_query(words, found)
        elif words.word == "(":
            words.group()
        else:
            words.skip()


def _table_element(element: Reader, found: Findings) -> None:
    """A column or constraint of a new table."""
    if element.take("LIKE"):
        found.lock(element.name(), AS)
        return
    while element.word:
        if element.take("REFERENCES"):
            found.lock(element.name(), SRE)
        elif element.word == "(":
            element.group()
        else:
            element.skip()


def _create_as(words: Reader, found: Findings) -> None:
    words.take("IF", "NOT", "EXISTS")
    found.creates(words.name())
    while not words.take("AS"):
        if words.word == "(":
            words.group()
        else:
            words.skip()
    run_query(words, found)


def _create_view(words: Reader, found: Findings, replaces: bool) -> None:
    name = words.name()
    if replaces:
        found.lock(name, AE)
    else:
        found.extend()
        found.creates(name)
    while not words.take("AS"):
        if words.word == "(":
            words.group()
        else:
            words.skip()
    store_query(words, found)


def _create_trigger(kind: str, words: Reader, found: Findings, replaces: bool) -> None:
    if kind == "CONSTRAINT":
        words.expect("TRIGGER")
    if kind == "CONSTRAINT" or replaces:
        found.extend()
    # The columns of UPDATE OF are names; ON is reserved.
    while not words.take("ON"):
        words.skip()
    found.lock(words.name(), SRE)
    if words.take("FROM"):
        found.lock(words.name(), AS)


def _create_rule(words: Reader, found: Findings, replaces: bool) -> None:
    if replaces:
        found.extend()
    while not words.take("TO"):
        words.skip()
    found.lock(words.name(), AE)
    while not words.take("DO"):
        words.skip()
    words.take_one("ALSO", "INSTEAD")
    if words.take("NOTHING"):
        return
    found.extend()
    # The actions may stand in parentheses, with ; between them.
    words.take("(")
    store_query(words, found)


def policy(words: Reader, found: Findings) -> None:
    """What follows the policy's name: its table, and the tables that its expressions read."""
    words.expect("ON")
    found.lock(words.name(), AE)
    store_query(words, found)


def publication(words: Reader, found: Findings) -> None:
    """What follows the publication's name."""
    while words.word and not words.take("TABLE"):
        words.skip()
    while words.word:
        words.take("TABLE")
        if words.take("TABLES", "IN", "SCHEMA"):
            words.ident()
        else:
            found.lock(table(words), SUE)
        while words.word and not words.take(","):
            if words.word == "(":
                words.group()
            else:
                words.skip()


def _function(words: Reader, found: Findings) -> None:
    """A body in SQL is analysed when the function is made, which locks what it names."""
    in_sql = False
    body = ""
    while words.word:
        if words.take("LANGUAGE"):
            in_sql = words.skip().strip("'").upper() == "SQL"
        elif words.take("BEGIN", "ATOMIC") or words.take("RETURN"):
            store_query(words, found)
        elif words.take("AS"):
            body = words.string()
        elif words.word == "(":
            words.group()
        else:
            words.skip()
    if in_sql and body:
        try:
            statements = split(body)
        except SplitError:
            return
        for one in statements:
            store_query(Reader(one.text), found)
