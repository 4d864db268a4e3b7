"""WAL of the statement in hand, from made-up looks: counted from its beginning, or not at all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tui.engine.wal import Written, written
from tui.postgres.rows import MONITOR, Counters, Look, Session, Source

START = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
US = Session(5131, None, None, "app", "app", "us", "", "active", "", "", 60.0, 0.0, None, "client backend", "UPDATE t")


def look(at: float, wal: int | None, state: str, seconds: float | None, **changes: object) -> Look:
    """The runner at this second: in this state for so long, and where the WAL stands."""
    us = replace(US, state=state, state_seconds=seconds)
    made = Look(START + timedelta(seconds=at), 0.004, (us,), counters=Counters(wal, 0, 2, 100, False))
    return replace(made, **changes)  # type: ignore[arg-type]


def after(*looks: Look, rate: float | None = None) -> Written | None:
    known: Written | None = None
    for one in looks:
        known = written(known, one, US.pid, rate)
    return known


def bytes_after(*looks: Look) -> int | None:
    known = after(*looks)
    assert known is not None
    return known.bytes


IDLE = look(0, 1000, "idle in transaction", 0.5)


def test_it_counts_from_the_look_that_is_nearest_to_the_beginning() -> None:
    assert bytes_after(IDLE, look(0.25, 1400, "active", 0.24), look(0.5, 9000, "active", 0.49)) == 8000
    assert bytes_after(IDLE, look(0.25, 1400, "active", 0.01), look(0.5, 9000, "active", 0.26)) == 7600


def test_the_next_statement_begins_anew() -> None:
    first = look(0.25, 5000, "active", 0.2)
    assert bytes_after(IDLE, first, look(0.5, 6000, "active", 0.05)) == 0
    assert bytes_after(IDLE, first, look(0.5, 6000, "active", 0.2), look(0.75, 8000, "active", 0.45)) == 3000
    assert bytes_after(IDLE, first, look(0.5, 6000, "idle in transaction", 0.1)) is None


def test_a_statement_whose_beginning_was_not_seen_has_no_figure() -> None:
    known = after(look(0, 1000, "active", 60.0), look(0.25, 9000, "active", 60.25))
    assert known is not None
    assert known.bytes is None
    assert known.seconds == 60.25


def test_what_the_server_does_not_tell_is_no_figure() -> None:
    assert after(IDLE, look(0.25, None, "active", 0.2)) is None
    standby = Counters(1000, 0, 2, 100, True)
    assert after(look(0, 1000, "active", 0.1, counters=standby)) is None
    assert after(IDLE, look(0.25, 1000, "active", 0.2, sessions=())) is None


def test_a_look_that_failed_is_a_gap_and_no_end() -> None:
    begun = look(0.25, 1400, "active", 0.2)
    gone = Look(START + timedelta(seconds=1), 0.1, missing=(Source(MONITOR, "lost", START),))
    assert bytes_after(IDLE, begun, gone, look(2, 9000, "active", 1.95)) == 8000
    assert bytes_after(IDLE, begun, gone, look(30, 9000, "active", 29.9)) == 8000
    # Another statement that began within the gap: where the WAL stood then nobody knows.
    assert bytes_after(IDLE, begun, gone, look(30, 9000, "active", 20.0)) is None
    assert bytes_after(IDLE, gone, look(30, 9000, "active", 20.0)) is None
    assert bytes_after(IDLE, begun, gone, look(30, 9000, "active", 0.4)) == 0


def test_what_others_write_is_known_from_when_we_did_nothing() -> None:
    known = after(look(0, 1000, "idle", 4.0), rate=3.1e6)
    assert known is not None
    assert known.others == 3.1e6
    begun = written(known, look(0.25, 900_000, "active", 0.2), US.pid, 3.0e6)
    assert begun is not None
    assert begun.others == 3.1e6
    # So shortly after our own end the rate is partly ours.
    mine = written(begun, look(1, 900_000, "idle", 0.3), US.pid, 9.0e6)
    assert mine is not None
    assert mine.others == 3.1e6


def test_a_position_that_goes_back_is_another_server() -> None:
    known = after(look(0, 1000, "idle", 4.0), look(1, 10, "active", 9.0), rate=5.0)
    assert known is not None
    assert known.bytes is None
    assert known.others is None


states = st.sampled_from(["active", "idle", "idle in transaction", ""])
made_up = st.tuples(st.floats(-1, 5), st.none() | st.integers(0, 2**62), states, st.none() | st.floats(-1, 1e6))


@given(st.lists(made_up, max_size=20))
def test_no_figure_is_out_of_bounds(looks: list[tuple[float, int | None, str, float | None]]) -> None:
    known, at = None, 0.0
    for step, wal, state, seconds in looks:
        at += step
        known = written(known, look(at, wal, state, seconds), US.pid, 1.0)
        assert known is None or known.bytes is None or known.bytes >= 0
