"""How far the commands are that the server counts, and how much WAL the others have written. Never a guess."""

from collections.abc import Collection

from tui.engine.deadline import proof_of, scale_of
from tui.engine.progress import Pace, in_phases, percent
from tui.engine.proof import Measure
from tui.engine.sample import Sample
from tui.engine.state import ScriptState
from tui.postgres.rows import Progress, Session

from .line import Line, join, wrap
from .view import View
from .words import counted, duration, number, running, size

_INDENT = "   "
_LONG = 2.0
"""Seconds from which on a statement is worth a word on its WAL: most are over before it is read."""
_NOISE = 1_000_000
"""Bytes of WAL that any server writes anyhow: less than that of a statement tells nothing of how far it is."""
_OTHERS = 0.05
"""The share of others in what was written from which on they are named."""


def progress_lines(sample: Sample, pids: Collection[int] | None, width: int) -> list[Line]:
    """What each of these sessions (None: every one) has under way that the server counts, in a row or two.

    Whose it is is told but for the runner's own.
    """
    return [
        line
        for progress in sorted(sample.progress, key=lambda one: one.pid)
        if pids is None or progress.pid in pids
        for line in _lines(progress, sample, width)
    ]


def _lines(progress: Progress, sample: Sample, width: int) -> list[Line]:
    pace = sample.paces.get(progress.pid)
    figures, beside = _figures(progress, pace), _beside(progress, sample)
    timed = not figures and not beside and pace is not None and pace.seconds >= 1
    since = f", {running(pace.seconds)}" if pace is not None and timed else ""
    return [*_head(progress, pace, sample, width, since), *_fitted(progress, figures, beside, width)]


def _head(progress: Progress, pace: Pace | None, sample: Sample, width: int, since: str) -> list[Line]:
    """Whose command it is, on what, and in which phase: on one row where that fits."""
    part = f" ({progress.part})" if progress.part else ""
    of = ""
    if progress.parts_done is not None and progress.parts_total:
        of = f", {number(min(progress.parts_done, progress.parts_total))} of {number(progress.parts_total)}"
        of += f" {progress.parts} done"
    who, bare = "", ""
    if progress.pid != sample.tree.our_pid:
        name = _name(_session(sample, progress.pid))
        bare = f"{progress.pid}  "
        who = f"{progress.pid} {name}  " if name else bare
    phase = f"{_phase(progress, pace)}{since}"
    # That an index is built the command says already.
    short = phase.replace("building index: ", "")
    lefts = []
    for named, within in ((who, part), (who, ""), (bare, "")):
        left = Line(_INDENT).add(named, "dim").add(progress.command, "strong")
        lefts.append(left.add(f" {progress.relation}" if progress.relation else "").add(f"{within}{of}", "dim"))
    for told in (phase, short):
        line = next((line for left in lefts if (line := join((left, Line(told)))).cells <= width), None)
        if line is not None:
            return [line]
    left = next((left for left in lefts if left.cells <= width), lefts[-1])
    return [left.cut(width), Line(f"{_INDENT}{phase}").cut(width)]


def _phase(progress: Progress, pace: Pace | None) -> str:
    if not progress.phase:
        return "hidden from our role"
    if pace is None or pace.number is None:
        return progress.phase
    return f"phase {pace.number}{f' of {pace.of}' if pace.of else ''}: {progress.phase}"


def _figures(progress: Progress, pace: Pace | None) -> list[Line]:
    """How much of its phase is done, and how fast it goes; of a command without phases, how much of the whole."""
    pieces: list[Line] = []
    full = _share(progress)
    if full is not None:
        share = Line(f"{int(full)} %{' of phase' if in_phases(progress) else ''}", "strong")
        if pace is not None and pace.left is not None:
            share.add(f", ~{_estimate(pace.left)} left")
        pieces.append(share)
    if progress.done is not None and progress.unit != "sessions":
        pieces.append(Line(_counts(progress.done, progress.total, progress.unit)))
    if pace is not None and pace.still is not None:
        pieces.append(Line(f"no progress for {_estimate(pace.still)}", "warn"))
    elif pace is not None and pace.rate:
        pieces.append(Line(f"{_amount(round(pace.rate), progress.unit)}/s", "dim"))
    return pieces


def _beside(progress: Progress, sample: Sample) -> list[Line]:
    """Whom it waits for, and what else the server tells of it."""
    pieces: list[Line] = []
    done, total = progress.done, progress.total
    counted_here = progress.unit == "sessions" and done is not None and total is not None
    if progress.waits_for_pid is not None:
        which = f"{number(min((done or 0) + 1, total or 1))} of {number(total or 1)}: " if counted_here else ""
        pieces.append(Line(f"waits for {which}{_whom(progress.waits_for_pid, sample)}", "warn"))
    elif counted_here:
        pieces.append(Line(f"waited for {_counts(done or 0, total, progress.unit)}", "dim"))
    if progress.skipped:
        pieces.append(Line(f"{counted(progress.skipped, 'row')} skipped as malformed", "warn"))
    if progress.parts_done is not None and progress.parts_total is None:
        count = progress.parts_done
        words = size(count) if progress.parts == "bytes" else counted(count, progress.parts.removesuffix("s"))
        pieces.append(Line(words, "dim"))
    if progress.slept_seconds:
        pieces.append(Line(f"slept {duration(progress.slept_seconds)} by cost delay", "dim"))
    return pieces


def _fitted(progress: Progress, figures: list[Line], beside: list[Line], width: int) -> list[Line]:
    """The figures on a row with a bar where there is room for one, and the rest beside them or below."""
    rows: list[Line] = []
    if figures:
        wide = Line(_INDENT).extend(_bar(progress, max(8, min(24, width // 6)))).extend(join(figures))
        small = Line(_INDENT).extend(_bar(progress, 8)).extend(join(figures, "  "))
        bare = Line(_INDENT).extend(join(figures, "  "))
        rows.append(next((row for row in (wide, small) if row.cells <= width), bare))
    for piece in beside:
        if rows and rows[-1].cells + len(_INDENT) + piece.cells <= width:
            rows[-1].add(_INDENT).extend(piece)
        else:
            rows.append(Line(_INDENT).extend(piece))
    return [row.cut(width) for row in rows]


def _share(progress: Progress) -> float | None:
    """Of sessions that are waited for no share tells anything."""
    return None if progress.unit == "sessions" else percent(progress)


def _bar(progress: Progress, cells: int) -> Line:
    full = _share(progress)
    if full is None:
        return Line()
    filled = int(cells * full / 100)
    return Line("█" * filled, "us").add("░" * (cells - filled), "rule").add("  ")


def _counts(done: int, total: int | None, unit: str) -> str:
    if total is None:
        return _amount(done, unit) if unit == "bytes" else f"{number(done)} {unit}"
    return f"{_amount(min(done, total), unit)} of {_amount(total, unit)}{'' if unit == 'bytes' else f' {unit}'}"


def _amount(count: int, unit: str) -> str:
    return size(count) if unit == "bytes" else number(count)


def _estimate(seconds: float) -> str:
    """Whole seconds, from a minute and a half on whole minutes: nobody knows it better."""
    return f"{max(1, round(seconds))} s" if seconds < 89.5 else duration(60 * round(seconds / 60))


def _whom(pid: int, sample: Sample) -> str:
    session = _session(sample, pid)
    if session is None:
        return f"{pid}"
    age = running(session.transaction_seconds) if session.transaction_seconds is not None else ""
    told = ", ".join(word for word in (_name(session), session.state, age) if word)
    return f"{pid} ({told})" if told else f"{pid}"


def _session(sample: Sample, pid: int) -> Session | None:
    return next((session for session in sample.sessions if session.pid == pid), None)


def _name(session: Session | None) -> str:
    """What a session is called: its application, or what it is where the server itself runs it."""
    if session is None:
        return ""
    if session.backend_type and session.backend_type not in ("client backend", "walsender"):
        return session.backend_type
    return session.application_name or session.user


# What no view counts


def written_lines(view: View, script: ScriptState, width: int) -> list[Line]:
    """WAL since the statement in hand began, beside its rehearsal's; nothing where the server counts the command."""
    sample = view.sample
    told = sample.written if sample is not None else None
    if sample is None or told is None or told.bytes is None or told.seconds is None or told.seconds < _LONG:
        return []
    if script.phase != "running" or script.statement is None or script.batch is not None or view.lock_wait is not None:
        return []
    if any(progress.pid == told.pid for progress in sample.progress):
        return []
    measure = _measure(view, script)
    if max(told.bytes if measure is None else 0, measure.wal if measure is not None else 0) < _NOISE:
        return []
    words, loud = _beside_rehearsal(view, script, told.bytes, measure)
    if told.others is None:
        words += "; of the whole server"
    elif told.others * told.seconds >= _OTHERS * told.bytes and told.others >= 1:
        words += f"; of the whole server, where others wrote {size(told.others)}/s before"
    return wrap(words, width - 1, "warn" if loud else "", indent=_INDENT, limit=3)


def _beside_rehearsal(view: View, script: ScriptState, count: int, measure: Measure | None) -> tuple[str, bool]:
    """The words, and whether they are worth a second look."""
    wal = f"WAL {size(count)}"
    if measure is None:
        return f"{wal} since it began, never rehearsed", False
    there, step = size(measure.wal), script.started.script
    if view.state.proof is not None and step in view.state.proof.stale:
        return f"{wal}; {there} in rehearsal, with other scripts", False
    factor = scale_of(view.state, measure)
    if factor is None:
        return f"{wal}; {there} in rehearsal, on other data", False
    if factor > 1.05:
        return f"{wal}; {there} in rehearsal, where tables were {factor:.3g} × smaller", False
    if count > measure.wal:
        return f"{wal}: already more than the {there} of its rehearsal", True
    return f"{wal} of {there} as rehearsed", False


def _measure(view: View, script: ScriptState) -> Measure | None:
    """What rehearsal measured of the statement in hand; of ways back it measures none."""
    if script.started.direction != "forward" or script.statement is None:
        return None
    proof = proof_of(view.state, script.started.script)
    return next((one for one in proof.statements if one.index == script.statement.index), None) if proof else None
