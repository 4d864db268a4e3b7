"""What each action of ALTER TABLE locks and does, and ALTER INDEX, VIEW, SEQUENCE and their like, which share them.

The modes are those of AlterTableGetLockLevel in the server's ``tablecmds.c``; a command takes the strongest of its
actions'. What the lock matrix measured agrees with them.
"""

from tui.runbook.add_column import add_column
from tui.runbook.foreseen import AE, AS, SRE, SUE, Answer, Findings, S, word_set
from tui.runbook.names import Name, NotRead, Reader
from tui.runbook.query_locks import table

# Parameters that a table's readers and writers need not stop for: relOptions in ``reloptions.c``.
_SUE_OPTIONS = word_set(
    """fillfactor toast_tuple_target parallel_workers vacuum_index_cleanup vacuum_truncate deduplicate_items
    log_autovacuum_min_duration n_distinct n_distinct_inherited"""
)


def alter_relation(words: Reader, found: Findings) -> None:
    """Reads ALTER TABLE, INDEX, VIEW, SEQUENCE, MATERIALIZED VIEW or FOREIGN TABLE to its end.

    Raises NotRead where another token stands than the grammar has.
    """
    words.expect("ALTER")
    words.take("FOREIGN")
    words.take("MATERIALIZED")
    kind = words.skip()
    if words.take("ALL", "IN", "TABLESPACE"):
        found.unknown("ACCESS EXCLUSIVE on everything in the tablespace")
        return
    words.take("IF", "EXISTS")
    relation = table(words)
    _Alter(words, found, relation, kind).read()


class _Alter:
    def __init__(self, words: Reader, found: Findings, relation: Name, kind: str) -> None:
        self._words = words
        self._found = found
        self._relation = relation
        self._kind = kind

    def read(self) -> None:
        if self._kind == "VIEW" and self._words.word != "RENAME":
            self._found.extend()
        if self._kind == "SEQUENCE" and self._sequence():
            return
        while self._words.word:
            self._lock(self._action())
            if not self._words.take(","):
                break

    def _lock(self, mode: str) -> None:
        self._found.lock(self._relation, mode)

    def _action(self) -> str:
        """Reads one action with what belongs to it; gives the mode for the relation itself."""
        words = self._words
        match words.skip():
            case "ADD":
                return self._add()
            case "DROP":
                return self._drop()
            case "ALTER":
                return self._alter()
            case "RENAME":
                return self._rename()
            case "SET":
                return self._set()
            case "RESET":
                self._found.extend()
                return self._parameters()
            case "VALIDATE":
                self._found.work(scans="yes")
                self._found.say("of a foreign key also ROW SHARE on the table that it references")
                return self._rest(SUE)
            case "ENABLE" | "DISABLE" as verb:
                return self._enable(verb)
            case "ATTACH":
                return self._attach()
            case "DETACH":
                return self._detach()
            case "CLUSTER":
                words.expect("ON")
                self._found.lock(self._beside(words.ident()), SUE)
                return self._rest(SUE)
            case "REPLICA":
                words.expect("IDENTITY")
                if words.take("USING", "INDEX"):
                    self._found.extend()
                    self._found.lock(self._beside(words.ident()), S)
                return self._rest(AE)
            case "INHERIT":
                self._found.extend()
                self._found.lock(words.name(), SUE)
                return self._rest(AE)
            case "NO":
                self._found.extend()
                if words.take("INHERIT"):
                    self._found.lock(words.name(), AS)
                return self._rest(AE)
            case "OWNER":
                return self._rest(AE)
        # FORCE, OF, NOT OF, OPTIONS, DEPENDS ON EXTENSION; and ACCESS EXCLUSIVE is the default for all that is new.
        self._found.extend()
        return self._rest(AE)

    def _rest(self, mode: str) -> str:
        """Reads up to the comma before the next action; gives the mode."""
        words = self._words
        while words.word and words.word != ",":
            if words.word == "(":
                words.group()
            else:
                words.skip()
        return mode

    def _beside(self, index: str) -> Name:
        """An index lives in its table's schema."""
        return Name(self._relation.schema, index)

    def _add(self) -> str:
        words = self._words
        if words.word in ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "NOT"):
            return self._add_constraint()
        if words.take("EXCLUDE"):
            if words.word in ("USING", "("):
                self._found.work(scans="yes")
                return self._rest(AE)
        else:
            words.take("COLUMN")
            words.take("IF", "NOT", "EXISTS")
            words.ident()
        add_column(words, self._found)
        return AE

    def _add_constraint(self) -> str:
        words = self._words
        if words.take("CONSTRAINT"):
            words.ident()
        kind = words.skip()
        if kind == "PRIMARY":
            self._found.extend()
            words.expect("KEY")
        if words.take("USING", "INDEX"):
            self._found.lock(self._beside(words.ident()), SUE)
            if kind == "PRIMARY":
                self._found.work(scans="depends")
                self._found.say("scans if a column of the key is not NOT NULL yet")
            return self._rest(AE)
        checked: Answer = "yes"
        references: Name | None = None
        while words.word and words.word != ",":
            if words.take("REFERENCES"):
                references = words.name()
            elif words.take("NOT", "VALID") or words.take("NOT", "ENFORCED"):
                checked = "no"
            elif words.word == "(":
                words.group()
            else:
                words.skip()
        self._found.work(scans=checked)
        if references is None:
            return AE
        self._found.lock(references, SRE)
        return SRE

    def _drop(self) -> str:
        words = self._words
        constraint = words.take("CONSTRAINT")
        cascades = False
        while words.word and words.word != ",":
            cascades = words.skip() == "CASCADE" or cascades
        self._found.say(
            "if it is a foreign key, also ACCESS EXCLUSIVE on the table that it references"
            if constraint
            else "also ACCESS EXCLUSIVE on the table that a foreign key of the column references"
        )
        if cascades:
            self._found.say("also ACCESS EXCLUSIVE on what depends on it, such as views and referencing tables")
        return AE

    def _rename(self) -> str:
        # A whole index is the exception since PostgreSQL 12.
        return self._rest(SUE if self._kind == "INDEX" and self._words.word == "TO" else AE)

    def _enable(self, verb: str) -> str:
        words = self._words
        if words.take_one("ALWAYS", "REPLICA"):
            self._found.extend()
        if words.take("TRIGGER"):
            if verb == "ENABLE":
                self._found.extend()
            return self._rest(SRE)
        if not words.take("ROW") or verb == "DISABLE":
            self._found.extend()
        return self._rest(AE)

    def _set(self) -> str:
        words = self._words
        if words.word == "(":
            return self._parameters()
        match words.word:
            case "LOGGED" | "UNLOGGED" as to:
                self._found.extend()
                self._found.work(rewrites="depends", scans="depends")
                self._found.say(f"rewrites unless it is {to} already")
            case "TABLESPACE":
                # The files are copied as they are; no row is looked at.
                self._found.work(rewrites="depends")
                self._found.say("copies the files unless they are there already")
            case "ACCESS":
                self._found.work(rewrites="depends", scans="depends")
                self._found.say("rewrites unless that is its access method already")
            case "WITH" | "WITHOUT":
                self._found.extend()
                return self._rest(SUE if "CLUSTER" in words.rest[:2] else AE)
        return self._rest(AE)

    def _parameters(self) -> str:
        names = []
        for entry in self._words.group():
            entry.take("TOAST", ".")
            names.append(entry.ident())
        quiet = all(name in _SUE_OPTIONS or name.startswith("autovacuum_") for name in names)
        if not quiet:
            self._found.extend()
        return SUE if quiet and self._kind not in ("VIEW", "SEQUENCE") else AE

    def _attach(self) -> str:
        words, found = self._words, self._found
        words.expect("PARTITION")
        found.lock(words.name(), AE)
        if self._kind == "INDEX":
            found.extend()
            found.say("also ACCESS SHARE on the two tables")
            return self._rest(SUE)
        found.work(scans="depends")
        found.say("scans the partition and the default one unless a valid CHECK already proves its bounds")
        found.say("also ACCESS EXCLUSIVE on the default partition")
        return self._rest(SUE)

    def _detach(self) -> str:
        words, found = self._words, self._found
        words.expect("PARTITION")
        found.lock(words.name(), AE)
        if words.take("CONCURRENTLY") or words.take("FINALIZE"):
            found.extend()
            found.say("ACCESS EXCLUSIVE on the partition only at its end, after all that uses the table is through")
            return self._rest(SUE)
        found.say("also ACCESS EXCLUSIVE on the default partition")
        return self._rest(AE)

    def _sequence(self) -> bool:
        """ALTER SEQUENCE with parameters of its own; False for what every relation has."""
        words, found = self._words, self._found
        if words.word in ("OWNER", "RENAME") or words.rest[:2] in (
            ["SET", "SCHEMA"],
            ["SET", "LOGGED"],
            ["SET", "UNLOGGED"],
        ):
            found.extend()
            return False
        self._lock(SRE)
        while words.word:
            if words.take("OWNED", "BY") and not words.take("NONE"):
                found.extend()
                found.lock(owning_table(words), AS)
            elif words.word:
                words.skip()
        return True

    def _alter(self) -> str:
        words, found = self._words, self._found
        if words.take("CONSTRAINT"):
            if "INHERIT" in words.rest or "ENFORCED" in words.rest:
                found.extend()
                found.work(scans="depends")
                found.say("ENFORCED checks all rows; also the table that the foreign key references")
            return self._rest(AE)
        words.take("COLUMN")
        if words.at_name:
            column = words.ident()
        else:
            words.skip()  # the number of an index's column
            found.extend()
            column = ""
        if words.take("SET", "DATA", "TYPE") or words.take("TYPE"):
            self._type(column)
            return AE
        if words.take("SET", "STATISTICS"):
            return self._rest(SUE)
        if words.take("SET", "NOT", "NULL"):
            found.work(scans="depends")
            found.say("scans unless a valid constraint already proves it")
        elif words.rest[:2] == ["SET", "("]:
            words.skip()
            return self._parameters()
        elif words.take("RESET"):
            found.extend()
            return self._parameters()
        elif words.take("SET", "EXPRESSION"):
            found.extend()
            found.work(rewrites="depends", scans="depends")
            found.say("rewrites if the column is STORED")
        elif words.rest[:2] not in (
            ["SET", "DEFAULT"],
            ["DROP", "DEFAULT"],
            ["DROP", "NOT"],
            ["SET", "STORAGE"],
            ["SET", "COMPRESSION"],
            ["ADD", "GENERATED"],
        ):
            found.extend()
        return self._rest(AE)

    def _type(self, column: str) -> None:
        """The rest of ALTER COLUMN … TYPE, up to the comma before the next action."""
        words, found = self._words, self._found
        while words.word and words.word not in ("USING", ","):
            if words.word == "(":
                words.group()
            else:
                words.skip()
        computed = words.take("USING") and _computes(words, column)
        if computed:
            found.work(rewrites="yes", scans="yes")
        else:
            found.work(rewrites="depends", scans="depends")
            found.say("rewrites unless the old type is binary compatible, as varchar is with text or a longer varchar")
        found.say("also the tables on the other side of the column's foreign keys")


def _computes(words: Reader, column: str) -> bool:
    """Reads USING's expression; False if it is the column itself, with or without casts."""
    computes = False
    while words.word and words.word != ",":
        if words.take("CAST"):
            cast = words.group()[0]
            computes = computes or not cast.at_name or cast.ident() != column or not cast.take("AS")
        elif words.word == "(":
            computes = any(_computes(part, column) for part in words.group()) or computes
        elif words.take(":", ":"):
            _cast(words)
        elif words.at_name:
            computes = words.ident() != column or computes
        else:
            words.skip()
            computes = True
    return computes


def _cast(words: Reader) -> None:
    """Reads the type after ``::``."""
    words.name()
    while True:
        if words.word == "(":
            words.group()
        elif not words.take_one("[", "]", "VARYING", "PRECISION", "WITH", "WITHOUT", "TIME", "ZONE"):
            return


def owning_table(words: Reader) -> Name:
    """Reads ``table.column`` with or without a schema; raises NotRead."""
    parts = [words.ident()]
    while words.take("."):
        parts.append(words.ident())
    if len(parts) < 2:
        raise NotRead("a table and its column")
    return Name(parts[-3] if len(parts) > 2 else None, parts[-2])
