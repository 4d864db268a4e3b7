"""What the runs of a rehearsal told of their scripts: how long, what each statement did, why one failed."""

from tui.runbook.model import Runbook, Script

from . import events as e
from .kept import kept
from .proof import Measure
from .state import RunState


class Tried:
    """Hears the events of every run that a rehearsal makes. By step id; seconds.

    ``error`` is that of the part that was begun last, ``seconds`` what its ways back took together. ``others_data``:
    the copy holds the rows of a real database, which errors must not quote: what is found is kept and shared.
    """

    def __init__(self, runbook: Runbook, *, others_data: bool) -> None:
        self.forward: dict[str, float] = {}
        self.measures: dict[str, list[Measure]] = {}
        self.failed: dict[str, str] = {}
        self.red: dict[str, tuple[str, ...]] = {}
        self.error = ""
        self.seconds = 0.0
        self._runbook = runbook
        self._others_data = others_data
        self._measured: str | None = None
        self._statement: e.StatementStarted | None = None
        self._finished = 0

    def begin(self, measured: str | None) -> None:
        """Another part begins; of the step named here each statement is kept."""
        self.error, self.seconds, self._statement, self._finished = "", 0.0, None, 0
        self._measured = measured

    def hear(self, event: e.Event, _: RunState) -> None:
        match event:
            case e.ScriptStarted() if self._measured is not None:
                # A try that gave way begins anew.
                self.measures[self._measured] = []
            case e.StatementStarted():
                self._statement, self._finished = event, 0
            case e.StatementFinished():
                self._finished = event.index
            case e.StatementMeasured(direction="forward") if event.script == self._measured:
                self.measures[event.script].append(event.measure)
            case e.ScriptDone(direction="forward"):
                self.forward[event.script] = max(event.seconds, self.forward.get(event.script, 0.0))
            case e.ScriptDone():
                self.seconds += event.seconds
            case e.ScriptFailed():
                self.error = self._words(kept(event) if self._others_data else event)

    def _words(self, event: e.ScriptFailed) -> str:
        """``rollback/004.sql:12: DROP TYPE: …`` with the server's own message, detail and hint."""
        error, statement = event.error, self._statement
        if error is None or statement is None:
            return event.message
        script = self._script(event)
        if statement.index == self._finished:
            # Deferred constraints and the like are checked at the end.
            name = script.name if script is not None else event.script
            return f"{name}: COMMIT: {error.message}{_more(error)}"
        place = script.place(statement.index - 1).rpartition(":")[0] if script is not None else event.script
        line = error.line or statement.line
        return f"{place}:{line}: {statement.tag}: {error.message}{_more(error)}"

    def _script(self, event: e.ScriptFailed) -> Script | None:
        if event.direction == "forward":
            return self._runbook.step(event.script).sql
        shared = next((r.sql for r in self._runbook.rollbacks if r.id == event.script), None)
        return shared or self._runbook.step(event.script).rollback


def _more(error: e.PgError) -> str:
    return "".join(f"; {text}" for text in (error.detail, error.hint) if text)
