"""What is known of proof, moved on by what is found out. Pure."""

from dataclasses import replace
from typing import TYPE_CHECKING

from . import events as e

if TYPE_CHECKING:
    from .state import RunState


def proved(state: "RunState", event: e.Event) -> "RunState":
    """The state after this event, if it is one of these."""
    match event:
        case e.ProofRead():
            return replace(state, proof=event, late=None)
        case e.ForecastMade():
            return replace(state, forecast=event, late=None)
        case e.DeadlineCrossed():
            return replace(state, late=event)
        case e.LookStarted():
            return replace(state, looking=event)
        case e.FingerprintTaken():
            return replace(state, before=event, made=(), compared=None, looking=None)
        case e.FingerprintCompared():
            return replace(state, compared=event, looking=None)
        case e.MadeCounted():
            return replace(state, made=(*state.made, event), looking=None)
        case _:
            return state
