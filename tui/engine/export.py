"""What stands on the screen of ``lockstep watch``, to be kept: as text, as JSON, as CSV. Pure, but for ``write``."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from tui.postgres.rows import MONITOR, Session

from .facts import Target
from .roster import Roster
from .sample import LockNode, Sample
from .wait_graph import order

Format = Literal["text", "csv", "json"]
SUFFIXES: Mapping[Format, str] = {"text": ".txt", "csv": ".csv", "json": ".json"}

# What Sample has beside its gauges: each in its own place of the JSON, drawn as the trees, or about a run of ours.
_NO_GAUGES = frozenset(
    (
        *("at", "sessions", "locks", "our_locks", "progress", "paces", "tree", "missing", "in_the_way", "written"),
        *("blocking", "prepared", "looked_at", "blocked_sessions"),
    )
)
# Deeper than any queue of locks, and less than what the encoder can follow.
_DEEPEST = 100


class ExportFailed(Exception):
    """The file could not be written; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One moment of the screen: the sample, and what filter and order make of it.

    ``target`` is None before the server answered; ``trees`` are those of the lock trees that are shown;
    ``paused_since`` where the picture stands still.
    """

    sample: Sample
    roster: Roster
    trees: tuple[LockNode, ...]
    target: Target | None = None
    filter: str = ""
    order: str = "transaction"
    paused_since: datetime | None = None

    @property
    def hidden_trees(self) -> int:
        """How many trees the filter keeps back."""
        return len(self.sample.tree.roots) - len(self.trees)


def default_name(at: datetime) -> str:
    """``lockstep-watch-20261121-013107`` in the operator's own time zone; the suffix comes with the format."""
    return f"lockstep-watch-{at.astimezone():%Y%m%d-%H%M%S}"


Part = Literal["waits", "sessions", "progress"]
_SOURCES: Mapping[Part, tuple[str, ...]] = {
    "waits": ("blocking", "waiting", MONITOR),
    "sessions": ("activity", MONITOR),
    "progress": ("progress", MONITOR),
}


def unknown(sample: Sample, part: Part) -> str:
    """Why it is not known who waits, who is connected or what runs; empty where that is known, as none at all, too."""
    if part == "waits":
        known = bool(sample.tree.roots) or sample.blocked_sessions is not None
    else:
        known = bool(sample.sessions if part == "sessions" else sample.progress)
    if known:
        return ""
    why = next((source.why for source in sample.missing if source.name in _SOURCES[part]), "")
    return why or ("it was not seen" if part == "waits" else "")


def as_text(panes: Sequence[tuple[str, Sequence[str]]]) -> str:
    """The panes as lines, each under its title."""
    parts = []
    for title, lines in panes:
        body = "\n".join(line.rstrip() for line in lines).strip("\n")
        parts.append(f"{title}\n{body}" if title else body)
    return "\n\n".join(part for part in parts if part) + "\n"


def as_json(picture: Picture) -> str:
    """One object; durations are seconds, moments ISO 8601 in UTC, what is not known is null."""
    sample, target = picture.sample, picture.target
    told: dict[str, Any] = {
        "kind": "watch",
        "at": _plain(sample.at),
        "target": None
        if target is None
        else {
            "host": target.host,
            "port": target.port,
            "database": target.database,
            "user": target.user,
            "server_version": target.version,
            "in_recovery": sample.counters.in_recovery if sample.counters is not None else None,
        },
        "paused_since": _plain(picture.paused_since),
        "filter": picture.filter,
        "order": picture.order,
        "hidden": {"sessions": picture.roster.hidden, "trees": picture.hidden_trees},
        "sentence": None if unknown(sample, "waits") else sample.tree.sentence,
        "tree": None if unknown(sample, "waits") else [_node(node) for node in picture.trees],
        "sessions": None
        if unknown(sample, "sessions")
        else [_session(session, picture.roster) for session in picture.roster.sessions],
        "gauges": {"blocked_sessions": sample.blocked_sessions}
        | {field.name: _plain(getattr(sample, field.name)) for field in fields(Sample) if field.name not in _NO_GAUGES},
        "progress": None
        if unknown(sample, "progress")
        else [_plain(one) | {"pace": _plain(sample.paces.get(one.pid))} for one in sample.progress],
        "missing": _plain(sample.missing),
    }
    return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


def _session(session: Session, roster: Roster) -> dict[str, Any]:
    told: dict[str, Any] = _plain(session)
    return told | {
        "lock_wait_seconds": roster.waits.get(session.pid),
        "parallel_workers": roster.workers.get(session.pid, 0),
    }


def _node(node: LockNode, depth: int = 0) -> dict[str, Any]:
    told = {field.name: _plain(getattr(node, field.name)) for field in fields(LockNode) if field.name != "children"}
    if depth < _DEEPEST:
        return told | {"children": [_node(child, depth + 1) for child in node.children]}
    return told | {"children": [], "children_left_out": len(node.children)}


def _plain(value: Any) -> Any:
    """Dataclasses as objects, tuples as lists, moments as text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, frozenset):
        return sorted(value, key=order)
    return value


_COLUMNS = (
    "pid",
    "database",
    "role",
    "application",
    "client",
    "state",
    "state_seconds",
    "wait_event_type",
    "wait_event",
    "lock_wait_seconds",
    "transaction_seconds",
    "backend_start",
    "backend_type",
    "parallel_workers",
    "query",
)


def as_csv(picture: Picture) -> str:
    """The list of sessions as it is filtered and sorted; no cell is taken for a formula by a spreadsheet.

    Raises ExportFailed where there is no list: a CSV has no place to say so.
    """
    if why := unknown(picture.sample, "sessions"):
        raise ExportFailed(f"who is connected is not known: {why}; nothing is written")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for one in picture.roster.sessions:
        cells: tuple[object, ...] = (
            one.pid,
            one.database,
            one.user,
            one.application_name,
            one.client,
            one.state,
            one.state_seconds,
            one.wait_event_type,
            one.wait_event,
            picture.roster.waits.get(one.pid),
            one.transaction_seconds,
            _plain(one.backend_start),
            one.backend_type,
            picture.roster.workers.get(one.pid, 0),
            one.query,
        )
        writer.writerow([_harmless(cell) if isinstance(cell, str) else cell for cell in cells])
    return out.getvalue()


def _harmless(text: str) -> str:
    """A quote before what spreadsheets compute (OWASP, CSV Injection), also behind blanks, which some pass over."""
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


def path_of(name: str, format: Format) -> Path:
    """Where a file of this name goes: ``~`` is the home directory, a name without the format's suffix gets it.

    Raises ExportFailed for what is no name of a file.
    """
    try:
        path = Path(name.strip()).expanduser()
        return path if path.suffix == SUFFIXES[format] else path.with_name(path.name + SUFFIXES[format])
    except (ValueError, RuntimeError):
        raise ExportFailed(f"{name.strip() or 'nothing'} is no name of a file") from None


def write(path: Path, text: str) -> None:
    """Makes the file, for its owner alone; one that is there already stays as it is. Raises ExportFailed."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise ExportFailed(f"{path} is there already and stays as it is: choose another name") from None
    except OSError as error:
        raise ExportFailed(f"cannot write {path}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "replace"))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise ExportFailed(f"cannot write {path}: {error.strerror}; nothing of it is left") from None
