"""What the locks' pane cannot show, or shows only in part, and why: each said once, in a line."""

import re

from tui.engine.sample import LockNode, Sample

from .line import Line, wrap
from .words import clock, counted

_PLACES = {
    "activity": "the sessions are not known",
    "blocking": "who waits for whom is not known",
    "waiting": "who waits for whom is not known",
    "locks": "modes and waiting times are not known",
    "held": "who is in the way of the next step is not known",
    "progress": "progress is not known",
    "relations": "relations have no names",
    "objects": "schemas, types and functions have no names",
    "prepared": "prepared transactions have no names",
}
"""The sources whose place is here, by what is missing without them; the others' are the gauges."""
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")


def degraded_lines(sample: Sample, width: int, *, acts: bool) -> list[Line]:
    """``acts``: sessions may be ended from this screen, so it says where our role may not."""
    told = dict.fromkeys(
        f"{_PLACES[source.name]} since {clock(source.since, seconds=True)}: {source.why}"
        for source in sample.missing
        if source.name in _PLACES
    )
    if sample.rarely is not None:
        cost = sample.cost + sample.made_in
        share = f"{1000 * cost:.0f} ms of {1000 * sample.interval:.0f} ms"
        took = f"monitor {share}" if cost > sample.interval / 2 else f"monitor took too long, {share} now"
        told[f"{took}: progress, replication, slots and xmin every {sample.rarely:g} s"] = None
    role = _quoted(sample.rights.role) if sample.rights is not None else "our role"
    if sample.hidden:
        roles = f"{counted(sample.hidden, 'session')} of other roles hidden"
        told[f"{roles}: GRANT pg_read_all_stats TO {role}"] = None
    rights = sample.rights
    if acts and rights is not None and not rights.signals and _others(sample.tree.roots, rights.role):
        told[f"{role} may not end other roles' sessions: GRANT pg_signal_backend TO {role}"] = None
    return [line for text in told for line in wrap(text, width - 2, "warn", indent=" ", limit=2)]


def _others(nodes: tuple[LockNode, ...], role: str) -> bool:
    return any(node.session is not None and node.session.user not in ("", role) for node in nodes)


def _quoted(role: str) -> str:
    return role if _PLAIN.fullmatch(role) else '"' + role.replace('"', '""') + '"'
