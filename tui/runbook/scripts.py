"""SQL of a runbook, judged by how it is run: in one transaction, in chunks, by statement, or as a query."""

from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

from tui.runbook.batched import is_prelude, names_batch
from tui.runbook.files import FileProblem, normal_name
from tui.runbook.findings import Finding
from tui.runbook.inclusion import RUNBOOK_FILE, inline_script, read_script
from tui.runbook.lexer import symbol, tokens
from tui.runbook.model import BATCH, Script
from tui.runbook.query import QUERIES, not_a_query
from tui.runbook.statements import Statement, not_in_transaction, transaction_control
from tui.runbook.toml_lines import Place

_PLAIN_BEGIN = (["BEGIN"], ["BEGIN", "WORK"], ["BEGIN", "TRANSACTION"], ["START", "TRANSACTION"])
_PLAIN_COMMIT = tuple([verb, *rest] for verb in ("COMMIT", "END") for rest in ([], ["WORK"], ["TRANSACTION"]))


@dataclass(frozen=True, slots=True)
class Source:
    """The value of an ``sql`` or ``rollback`` key, the key's place, and the id of what it belongs to."""

    value: str
    place: Place
    item: str | None

    @property
    def is_file(self) -> bool:
        """Whether the value names a file: a word with a dot or slash is a name without its ending, not SQL."""
        value = self.value.strip()
        if value.lower().endswith(".sql"):
            return "\n" not in value and not value.startswith("\\")
        return not any(c.isspace() or c in "(;'" for c in value) and any(c in "./\\" for c in value)


class Scripts:
    """Reads the scripts of one runbook and adds what is wrong to ``findings``; never raises for bad input."""

    def __init__(self, root: Path, findings: list[Finding]) -> None:
        self._root = root
        self._findings = findings
        self._files: dict[str, Script] = {}

    def transactional(self, source: Source, elsewhere: str) -> Script:
        """A script that runs in one transaction. ``elsewhere``: what to do with a statement that cannot."""
        script = self.read(source)
        self._refuse_copy_out(script, source.item)
        wrong = partial(self._wrong, script, source.item)
        controls = {i: c for i, s in enumerate(script.statements) if (c := transaction_control(s)) is not None}
        last = len(script.statements) - 1
        begins = controls.get(0) in ("BEGIN", "START TRANSACTION")
        commits = controls.get(last) in ("COMMIT", "END")
        if begins:
            del controls[0]
            if not commits:
                wrong(0, "BEGIN with no COMMIT as the last statement", "add COMMIT, or take BEGIN out")
            elif _words(script.statements[0]) not in _PLAIN_BEGIN:
                wrong(0, "BEGIN with a mode, but Lockstep begins the transaction itself", "write a plain BEGIN")
        if commits:
            del controls[last]
            if not begins:
                wrong(last, "COMMIT with no BEGIN as the first statement", "add BEGIN, or take COMMIT out")
            elif _words(script.statements[last]) not in _PLAIN_COMMIT:
                wrong(last, "COMMIT with an addition", "write a plain COMMIT")
        for index, control in controls.items():
            wrong(
                index,
                f"{control} in a script that is one transaction",
                "take it out; only BEGIN as the first and COMMIT as the last statement are fine",
            )
        for index, statement in enumerate(script.statements):
            if (command := not_in_transaction(statement)) is not None:
                wrong(index, f"{command} cannot run inside a transaction", elsewhere)
        if begins and commits and last == 1:
            wrong(0, "there is nothing between BEGIN and COMMIT", "write the statements")
        inner = slice(1 if begins else 0, last if commits else last + 1)
        return replace(script, statements=script.statements[inner], files=script.files[inner])

    def batched(self, source: Source, elsewhere: str, prelude: str) -> Script:
        """A transactional script of which one chunk at a time is run; its ``prelude`` for psql is left out.

        ``prelude``: what to write where there is none.
        """
        script = self.transactional(source, elsewhere)
        wrong = partial(self._wrong, script, source.item)
        preludes = [i for i, statement in enumerate(script.statements) if is_prelude(statement)]
        users = [i for i, s in enumerate(script.statements) if i not in preludes and names_batch(s)]
        if not script.statements:
            return script  # why is told already
        if not preludes:
            wrong(0, f"nothing fills the temporary table {BATCH}, so psql could not run this", f"begin with {prelude}")
        elif users and users[0] < preludes[0]:
            wrong(preludes[0], f"{BATCH} is made after the first statement that names it", "write it above that one")
        for index in preludes[1:]:
            wrong(index, f"{BATCH} is made a second time", "keep one")
        for index in users:
            if _words(script.statements[index])[:2] == ["DROP", "TABLE"]:
                wrong(index, f"DROP TABLE {BATCH}, but each chunk needs it", "take it out: it goes with the session")
        if not users:
            mend = f"join it: … FROM {BATCH} WHERE …"
            wrong(0, f"no statement names {BATCH}, so each chunk would do the same", mend)
        kept = [i for i in range(len(script.statements)) if i not in preludes]
        return replace(
            script,
            statements=tuple(script.statements[i] for i in kept),
            files=tuple(script.files[i] for i in kept),
        )

    def statement_by_statement(self, source: Source) -> Script:
        """A script whose statements each commit by themselves."""
        script = self.read(source)
        self._refuse_copy_out(script, source.item)
        for index, statement in enumerate(script.statements):
            if (control := transaction_control(statement)) is not None:
                self._wrong(
                    script,
                    source.item,
                    index,
                    f"{control} in a script that runs statement by statement (transaction = false)",
                    "take it out: each statement commits by itself",
                )
        return script

    def query(self, source: Source) -> Script:
        """A script of one statement that only asks."""
        script = self.read(source)
        wrong = partial(self._wrong, script, source.item)
        if len(script.statements) > 1:
            wrong(1, f"{len(script.statements)} statements where one query is judged", "keep one")
        for index, statement in enumerate(script.statements):
            if (why := not_a_query(statement)) is not None:
                wrong(
                    index,
                    f"the statement {why}, but a check must change nothing",
                    f"use {', '.join(QUERIES)}",
                )
        return script

    def read(self, source: Source) -> Script:
        """A script as it is written, judged by nothing but its own text."""
        if not source.is_file:
            return inline_script(self._root, source.value, source.place, partial(self._add, source.item))
        value = source.value.strip()
        try:
            name = normal_name(value)
        except FileProblem as problem:
            self._add(source.item, RUNBOOK_FILE, source.place.line, problem.what, problem.mend)
            return Script(value, "", ())
        script = self._files.get(name)
        if script is None:
            script = read_script(self._root, name, source.place, partial(self._add, source.item))
            if script.statements:  # what failed is read again, so that each reference to it is told
                self._files[name] = script
        return script

    def _refuse_copy_out(self, script: Script, item: str | None) -> None:
        for index, statement in enumerate(script.statements):
            words = _words(statement)
            if words[:1] == ["COPY"] and ("TO", "STDOUT") in pairwise(words):
                self._wrong(script, item, index, "COPY TO STDOUT, which nobody reads here", "write to a table instead")

    def _wrong(self, script: Script, item: str | None, index: int, what: str, mend: str) -> None:
        self._add(item, script.files[index], script.statements[index].line, what, mend)

    def _add(self, item: str | None, file: str, line: int | None, what: str, mend: str) -> None:
        self._findings.append(Finding("error", file, line, what, mend, item))


def _words(statement: Statement) -> list[str]:
    return [symbol(statement.text, kind, start, end) for kind, start, end in tokens(statement.text)]
