"""Which open associations bring which studies, for any number of receiving processes on one database."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from db.arrival import forget_associations, note_association_ended
from db.completion import close_due


def close(ledger: Any, seconds: float) -> int:
    ledger.now += timedelta(seconds=seconds)
    return close_due(ledger.database, ledger.queue, now=ledger.now)


def end(ledger: Any, association_id: str) -> None:
    note_association_ended(ledger.database, association_id, closes_at=ledger.now + timedelta(seconds=2))


def test_a_study_closes_soon_after_its_association_ended_and_not_before(ledger: Any) -> None:
    ledger.receive(association_id="a")
    assert close(ledger, 5) == 0
    end(ledger, "a")
    assert close(ledger, 1) == 0
    assert close(ledger, 1) == 1


def test_an_instance_after_the_association_ended_pushes_the_close_back(ledger: Any) -> None:
    ledger.receive(association_id="a")
    end(ledger, "a")
    ledger.now += timedelta(seconds=1)
    ledger.receive(association_id="b")
    assert close(ledger, 2) == 0
    assert close(ledger, 28) == 1


def test_of_two_associations_that_bring_a_study_the_last_to_end_lets_it_close(ledger: Any) -> None:
    ledger.receive(association_id="a")
    ledger.receive(association_id="b")
    end(ledger, "a")
    assert close(ledger, 3) == 0
    end(ledger, "b")
    assert close(ledger, 2) == 1


def test_an_association_that_brings_nothing_of_a_study_does_not_hold_it(ledger: Any) -> None:
    ledger.receive(association_id="a")
    ledger.receive(association_id="b", study_instance_uid="1.9")
    end(ledger, "a")
    assert close(ledger, 2) == 1


def test_an_association_that_begins_with_what_is_known_holds_the_study_open(ledger: Any) -> None:
    """A peer that was cut off sends all of it again, the known Instances first."""
    ledger.receive(association_id="a", sha256="a" * 64)
    end(ledger, "a")
    ledger.now += timedelta(seconds=1)
    assert ledger.receive(association_id="b", sha256="a" * 64).known
    assert close(ledger, 10) == 0
    end(ledger, "b")
    assert close(ledger, 2) == 1


def test_what_a_dead_process_left_behind_delays_a_study_until_it_is_quiet_and_is_swept_when_old(ledger: Any) -> None:
    ledger.receive(association_id="dead")
    ledger.receive(association_id="a")
    end(ledger, "a")
    assert close(ledger, 29) == 0
    assert close(ledger, 1) == 1
    assert forget_associations(ledger.database, before=ledger.now - timedelta(days=1)) == 0
    assert forget_associations(ledger.database, before=ledger.now) == 1


@pytest.mark.parametrize("studies", [1, 3])
def test_of_associations_that_end_at_once_one_is_the_last(ledger: Any, studies: int) -> None:
    for name in "abcdef":
        for number in range(studies):
            ledger.receive(association_id=name, study_instance_uid=f"1.{number}")
    threads = [threading.Thread(target=end, args=(ledger, name)) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert close(ledger, 2) == studies
