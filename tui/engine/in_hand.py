"""The script in hand, moved on by what happens while it runs. Pure."""

from dataclasses import replace

from . import events as e
from .standing import BatchState, ScriptState

_RECENT = 20
"""Chunks that a batch's rate is taken over."""


def moved(script: ScriptState, event: e.Event) -> ScriptState:
    """The script after this event, if it is one of its own."""
    match event:
        case e.StatementStarted():
            return replace(script, statement=event, phase="running")
        case e.StatementFinished():
            return replace(script, finished=(*script.finished, event))
        case e.NoticeRaised():
            return replace(script, notices=(*script.notices, event)[-200:])
        case e.LockWaited():
            return replace(script, waits=(*script.waits, event))
        case e.LocksGivenBack():
            return replace(script, phase="backoff", given_back=event, finished=())
        case e.CommitIntended():
            return replace(script, phase="committing")
        case e.BatchMeasured():
            chunks = script.batch or BatchState(0, 0, 0)
            return replace(script, batch=replace(chunks, done=event.done, left=event.left, size=event.size))
        case e.BatchDone() if script.batch is not None:
            batch = replace(
                script.batch,
                done=event.done,
                left=max(0, script.batch.left - event.rows),
                size=event.size,
                chunk=event.chunk,
                recent=(*script.batch.recent, (event.at, event.rows))[-_RECENT:],
            )
            return replace(script, batch=batch, phase="running")
        case e.BatchThrottled() if script.batch is not None:
            return replace(script, batch=replace(script.batch, throttled=event.reason))
        case _:
            return script
