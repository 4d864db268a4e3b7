"""A handful of random kills of the real migration; the command tries two hundred."""

import random
from collections.abc import Iterator

import pytest
from kills import LINGER, STEPS, Kill, Migration, kill_many, migration


@pytest.fixture(scope="module")
def whole() -> Iterator[Migration]:
    with migration() as made:
        yield made


def test_what_is_left_is_true_and_resumable(whole: Migration) -> None:
    tally = kill_many(whole, kills=6, seed=1, jobs=2)
    assert tally.failures == []
    assert tally.kills == 6


def test_one_that_ended_before_is_no_kill(whole: Migration) -> None:
    assert whole.try_([Kill("run", 10**6, 0.0)]) == []


def test_the_same_seed_draws_the_same_kills(whole: Migration) -> None:
    nights = [[whole.draw(dice) for _ in range(50)] for dice in (random.Random(3), random.Random(3))]
    assert nights[0] == nights[1]
    assert {len(night) for night in nights[0]} == {1, 2}
    kills = [kill for night in nights[0] for kill in night]
    assert {kill.command for kill in kills} == {"run", "rollback"}
    assert all(kill.event < whole.events[kill.command] and kill.linger < LINGER for kill in kills)


def test_states_differ(whole: Migration) -> None:
    assert len(set(whole.states.values())) == len(STEPS) + 1
