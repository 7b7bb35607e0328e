"""What an order adds to a study: it raises and fills in, and changes nothing else."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from db.kinds import ORDER
from db.orders import apply_order, study_to_ask_for
from db.priority import Priority, ordered
from db.queue.job_table import job
from db.worklist import worklist_row


def apply(ledger: Any, study_id: int, priority: Priority, accession_number: str = "") -> bool:
    return apply_order(
        ledger.database,
        ledger.queue,
        study_id,
        priority=priority,
        accession_number=accession_number,
        at=ledger.now,
        allowances=ledger.allowances,
    )


def test_only_the_first_instance_of_a_study_asks_for_its_order(ledger: Any) -> None:
    ledger.receive(asks_order=True)
    ledger.receive(asks_order=True)
    ledger.receive(study_instance_uid="1.9")
    assert ledger.waiting()[ORDER] == 1


def test_an_order_raises_and_never_lowers(ledger: Any) -> None:
    received = ledger.receive(order_priority=Priority.MEDIUM)
    assert not apply(ledger, received.study_id, Priority.ROUTINE)
    assert apply(ledger, received.study_id, Priority.HIGH)
    assert not apply(ledger, received.study_id, Priority.HIGH), "safe to repeat"
    row = worklist_row(ledger.database, "1.2.3")
    assert row is not None
    assert (row.order_priority, row.due_at) == (Priority.HIGH, row.received_at)


def test_images_that_wait_for_their_analysis_come_forward_with_their_study(sqlite_ledger: Any) -> None:
    received = sqlite_ledger.receive()
    sqlite_ledger.now += timedelta(seconds=5)
    apply(sqlite_ledger, received.study_id, Priority.HIGH)
    with sqlite_ledger.database.read() as connection:
        (due_at,) = connection.scalars(select(job.c.due_at).where(job.c.kind == "score")).all()
    assert due_at == sqlite_ledger.now - timedelta(seconds=5)


@pytest.mark.parametrize(("held", "expected"), [("", "A9"), ("A1", "A1")])
def test_an_accession_number_is_filled_in_only_where_there_is_none(ledger: Any, held: str, expected: str) -> None:
    received = ledger.receive(accession_number=held)
    apply(ledger, received.study_id, Priority.ROUTINE, "A9")
    assert study_to_ask_for(ledger.database, received.study_id).accession_number == expected


@pytest.mark.parametrize(
    ("term", "expected"),
    [("STAT", Priority.HIGH), ("high ", Priority.HIGH), ("MEDIUM", Priority.MEDIUM), ("LOW", Priority.ROUTINE)]
    + [(term, Priority.ROUTINE) for term in ("ROUTINE", "", "URGENT!")],
)
def test_the_terms_of_the_standard_are_understood_and_others_are_routine(term: str, expected: Priority) -> None:
    assert ordered(term) is expected
