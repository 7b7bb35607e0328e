"""When to try again."""

from datetime import timedelta

import pytest

from agent.retry import Backoff

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
