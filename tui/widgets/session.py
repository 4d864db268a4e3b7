"""Everything about one session of the sample: who, since when, what it holds, what it runs."""

from tui.engine.sample import LockNode, Sample

from .line import Line, wrap
from .sql import sql_lines
from .words import clock, duration, running


def session_lines(sample: Sample | None, pid: int, width: int) -> list[Line]:
    """The newest that is known of ``pid``; says so when it is gone."""
    session = next((s for s in sample.sessions if s.pid == pid), None) if sample is not None else None
    node = _find(sample.tree.roots, pid) if sample is not None else None
    if session is None and node is not None:
        session = node.session
    if session is None:
        return [Line("it is gone", "warn")]
    lines = [
        *wrap(f"{session.application_name or 'no application name'} as {session.user} on {session.database}", width),
        Line(f"from {session.client or 'this host'}, since {clock(session.backend_start, seconds=True)}", "dim"),
        Line(f"{session.state}", "strong").add(f" for {running(session.state_seconds)}").cut(width),
        Line(f"transaction open for {running(session.transaction_seconds)}").cut(width),
    ]
    if session.wait_event:
        lines.append(Line(f"waits: {session.wait_event_type} {session.wait_event}", "dim").cut(width))
    if node is not None:
        if node.wants:
            about = "about " if node.wait_approximate else ""
            lines += wrap(f"wants {node.wants} for {about}{duration(node.wait_seconds)}", width, "warn")
        for held in node.holds[:8]:
            lines += wrap(f"holds {held}", width)
        if len(node.holds) > 8:
            lines.append(Line(f"… and {len(node.holds) - 8} more", "dim"))
    return [*lines, Line(), *sql_lines(session.query, width, most=14, indent="")]


def _find(nodes: tuple[LockNode, ...], pid: int) -> LockNode | None:
    ahead = list(nodes)
    while ahead:
        node = ahead.pop()
        if node.pid == pid:
            return node
        ahead.extend(node.children)
    return None
