"""Whoever was told of a flagged study is told when that no longer holds, also where it asked for flagged ones only."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from db.amendment import amendment_to_record, record_amendment, request_amendment
from db.completion import close_due
from db.conclusion import ReportOrder, record_conclusion, study_to_conclude
from db.delivery_attempt import Begun, Ending, acknowledge, begin_attempt, record_failed_attempt
from db.outcome import study_outcome
from db.worklist import study_record

ASKED = ReportOrder(kind="oru", media_type="application/hl7-v2", destinations=("ris",), followers=())
NOT_ASKED = replace(ASKED, destinations=(), followers=("ris",))
UID = "1.2.3"


@pytest.fixture
def conclude(ledger: Any) -> Callable[[], int]:
    """Return `conclude()`: a concluded, flagged study; returns its delivery to the RIS, which waits."""

    def make() -> int:
        received = ledger.receive()
        ledger.score(received.instance_id)
        at = ledger.now
        ledger.now += timedelta(seconds=31)
        close_due(ledger.database, ledger.queue, now=ledger.now)
        due = study_to_conclude(ledger.database, received.study_id)
        assert due is not None
        given = {"revision": due.revision, "outcome": study_outcome(due.images), "analysed_at": at, "concluded_at": at}
        conclusion = ledger.conclusion(due.study_id, ASKED, **given)
        assert record_conclusion(ledger.database, ledger.queue, conclusion)
        (row,) = deliveries(ledger)
        return int(row["id"])

    return make


def deliveries(ledger: Any) -> tuple[dict[str, Any], ...]:
    found = study_record(ledger.database, UID)
    assert found is not None
    return found.deliveries


def states_after_the_next_result(ledger: Any) -> list[str]:
    """Report the study anew, in a version that the RIS did not ask for."""
    found = study_record(ledger.database, UID)
    assert found is not None
    study_id = found.events[0]["study_id"]
    with ledger.database.begin() as connection:
        assert request_amendment(connection, ledger.queue, study_id, reason="test", at=ledger.now)
    basis = amendment_to_record(ledger.database, study_id)
    assert basis is not None
    conclusion = replace(basis.conclusion, concluded_at=ledger.now, reports=(NOT_ASKED,))
    assert record_amendment(ledger.database, ledger.queue, conclusion)
    return [row["state"] for row in deliveries(ledger)]


def begin(ledger: Any, delivery: int) -> int:
    begun = begin_attempt(ledger.database, delivery, sha256="0" * 64, at=ledger.now)
    assert isinstance(begun, Begun)
    return begun.attempt_id


def test_one_that_has_the_first_report_gets_the_next(ledger: Any, conclude: Callable[[], int]) -> None:
    acknowledge(ledger.database, conclude(), detail="AA", at=ledger.now)
    assert states_after_the_next_result(ledger) == ["ACKNOWLEDGED", "QUEUED"]


def test_one_that_may_have_it_gets_the_next(ledger: Any, conclude: Callable[[], int]) -> None:
    """It is on its way at this moment, or no acknowledgement came."""
    begin(ledger, conclude())
    assert states_after_the_next_result(ledger) == ["SUPERSEDED", "QUEUED"]


def test_one_that_was_never_sent_anything_is_left_alone(ledger: Any, conclude: Callable[[], int]) -> None:
    delivery = conclude()
    attempt = begin(ledger, delivery)
    at, down = ledger.now, Ending.FAILED
    record_failed_attempt(
        ledger.database, delivery, reason="down", parked=False, at=at, attempt_id=attempt, ending=down
    )
    assert states_after_the_next_result(ledger) == ["SUPERSEDED"]
