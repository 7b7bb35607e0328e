"""When to try again."""

from datetime import timedelta

import pytest

from agent.line.retry import Backoff

SECOND = timedelta(seconds=1)


def test_each_wait_is_twice_the_last_up_to_the_longest() -> None:
    backoff = Backoff(first=SECOND, longest=10 * SECOND, attempts=50)
    assert [backoff.after(attempt) for attempt in range(1, 7)] == [n * SECOND for n in (1, 2, 4, 8, 10, 10)]


def test_it_gives_up_after_the_last_attempt() -> None:
    backoff = Backoff(first=SECOND, longest=SECOND, attempts=3)
    assert [backoff.after(attempt) for attempt in (1, 2, 3, 4)] == [SECOND, SECOND, None, None]


def test_a_single_attempt_is_never_repeated() -> None:
    assert Backoff(attempts=1).after(1) is None


@pytest.mark.parametrize("attempt", [31, 1_000, 10**9])
def test_no_number_of_attempts_is_too_many_to_count(attempt: int) -> None:
    assert Backoff(attempts=10**10).after(attempt) == timedelta(minutes=15)


def test_chance_takes_up_to_a_quarter_off_a_wait() -> None:
    backoff = Backoff(first=100 * SECOND, longest=100 * SECOND, attempts=50)
    waits = [backoff.after(3, chance=lambda drawn=drawn: drawn) for drawn in (0.0, 0.5, 0.999)]
    assert waits == [100 * SECOND, 87.5 * SECOND, (100 - 24.975) * SECOND]


def test_a_slow_retry_begins_with_a_longer_wait_and_ends_at_the_same_longest() -> None:
    backoff = Backoff(first=5 * SECOND, longest=900 * SECOND, attempts=50)
    assert [backoff.after(attempt, slowly=True) for attempt in (1, 2, 9)] == [60 * SECOND, 120 * SECOND, 900 * SECOND]


@pytest.mark.parametrize(("asked", "wait"), [(1, 5), (60, 60), (3600, 3600), (10**9, 3600)])
def test_who_asks_to_be_left_alone_is_for_an_hour_at_most(asked: int, wait: int) -> None:
    assert Backoff().after(1, asked=asked * SECOND) == wait * SECOND


def test_asking_to_be_left_alone_adds_no_attempt() -> None:
    assert Backoff(attempts=2).after(2, asked=SECOND) is None
