"""What ending something now would leave behind, in words: for ``c``, ``q`` and ``R``. Pure text from the state."""

from datetime import datetime

from tui.engine.state import RunState, ScriptState
from tui.widgets.line import Line, wrap
from tui.widgets.words import counted, listed, number, running

_INVALID = "an invalid index, to be repaired before the retry"


def exposed(state: RunState) -> str:
    """What a statement outside a transaction would leave if it were cancelled now; empty when none is on its way."""
    if state.repairing is not None:
        return _left_by(state.repairing.sql)
    script = state.script
    if script is None or not script.active or script.batch is not None or script.statement is None:
        return ""
    if not _by_statement(state, script) or any(f.index == script.statement.index for f in script.finished):
        return ""
    return _left_by(f"{script.statement.tag} {script.statement.sql}")


def _left_by(sql: str) -> str:
    words = sql[:2000].upper().split()
    if "CONCURRENTLY" not in words or "REFRESH" in words[:1]:
        return ""
    if "DETACH" in words:
        return "a partition that is half detached, to be brought to its end before the retry"
    if words[0] == "DROP":
        return "the index in place, maybe not valid any more, to be dropped again"
    return _INVALID


def _by_statement(state: RunState, script: ScriptState) -> bool:
    # A shared way back has no step's name, and is always one transaction.
    return any(not s.plan.transaction for s in state.steps if s.plan.id == script.started.script)


def one_transaction(state: RunState) -> bool:
    """Cancelling the script in hand leaves nothing of it."""
    script = state.script
    return script is None or (script.batch is None and not _by_statement(state, script))


def in_flight(state: RunState) -> str:
    """What stays of the script in hand when it is cancelled now."""
    script = state.script
    if left := exposed(state):
        return f"cancelling it leaves {left}"
    if script is None:
        return ""
    if script.batch is not None:
        return f"chunks done so far stay ({number(script.batch.done)} rows), it goes on from there"
    if not one_transaction(state):
        return f"it is not one transaction: its {counted(len(script.finished), 'finished statement')} will stay"
    return "it is one transaction and is rolled back: nothing of it will be in the database"


def cancel_lines(state: RunState, now: datetime, width: int) -> list[Line]:
    """What is lost when the script in hand is cancelled."""
    script = state.script
    if script is None or not script.active:
        return [Line("it is over already: nothing will be cancelled", "dim")]
    elapsed = (now - script.started.at).total_seconds()
    done = f"{counted(len(script.finished), 'statement')} of {script.started.statements} done"
    if script.batch is not None:
        done = f"{number(script.batch.done)} of {number(script.batch.done + script.batch.left)} rows done"
    return [
        Line(f"it has run for {running(elapsed)}, {done}"),
        *wrap(in_flight(state), width, "warn" if exposed(state) else ""),
    ]


def quit_lines(state: RunState, now: datetime, width: int) -> list[Line]:
    """What becomes of what is in flight, and what stays."""
    lines: list[Line] = []
    script = state.script
    if script is not None and script.active:
        lines += [
            Line(f"{script.started.script} runs: it is cancelled first", "warn"),
            *cancel_lines(state, now, width),
        ]
    applied = state.applied
    if applied:
        lines += wrap(f"{listed(applied, 8)} {'is' if len(applied) == 1 else 'are'} committed and will stay", width)
    ends = state.window_ends_at
    if ends is not None:
        left = (ends - now).total_seconds()
        said = f"goes on: {running(left)} left" if left > 0 else "is over"
        lines.append(Line(f"the window {said}"))
    return [*lines, Line("open the same runbook again to go on from here", "dim")]
