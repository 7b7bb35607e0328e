"""What a destination said that it stored, and turns out not to have: it goes again only where it still holds."""

from typing import Any

import pytest
from sqlalchemy import select, update

from db.conclusion import ReportOrder
from db.confirmation import record_stored, record_unconfirmed
from db.delivery_attempt import Begun, begin_attempt, record_failed_attempt
from db.requeue import requeue_study
from db.schema.domain import delivery, report, study

SR = ReportOrder(kind="sr", media_type="application/dicom", destinations=("pacs",))
NOTE = ReportOrder(kind="rejection", media_type="application/dicom", destinations=("pacs",), rejects=True)


class Stored:
    """A concluded study of which the PACS says that it has an SR and a rejection note."""

    def __init__(self, ledger: Any) -> None:
        self.ledger, self.database = ledger, ledger.database
        self.study_id = ledger.receive(candidate=False).study_id
        self.conclude(1)
        for kind in ("sr", "rejection"):
            begun = begin_attempt(self.database, self.id(kind), sha256="a" * 64, at=ledger.now)
            assert isinstance(begun, Begun)
            facts = {"at": ledger.now, "attempt_id": begun.attempt_id}
            record_stored(self.database, self.id(kind), detail="0000", **facts)

    def conclude(self, revision: int) -> None:
        self.ledger.conclude(self.study_id, *((SR, NOTE) if revision == 1 else (SR,)), revision=revision)

    def _one(self, kind: str) -> Any:
        query = select(delivery.c.id, delivery.c.state).join(report).where(report.c.kind == kind).order_by(report.c.id)
        with self.database.read() as connection:
            return connection.execute(query.limit(1)).one()

    def id(self, kind: str) -> int:
        return int(self._one(kind).id)

    def after_it_is_missed(self, kind: str) -> str:
        record_unconfirmed(self.database, self.id(kind), reason="not there", parked=False, at=self.ledger.now)
        return str(self._one(kind).state)

    def state(self, kind: str) -> str:
        return str(self._one(kind).state)


@pytest.fixture
def stored(ledger: Any) -> Stored:
    return Stored(ledger)


def test_a_rejection_note_goes_again_whatever_the_study_came_to_since_and_a_report_does_not(stored: Stored) -> None:
    requeue_study(stored.database, stored.ledger.queue, "1.2.3", actor="test", now=stored.ledger.now)
    stored.conclude(2)
    assert (stored.after_it_is_missed("rejection"), stored.after_it_is_missed("sr")) == ("QUEUED", "SUPERSEDED")


def test_a_report_whose_result_is_being_withdrawn_does_not_go_again(stored: Stored) -> None:
    with stored.database.begin() as connection:
        connection.execute(update(study).values(withdrawing=True))
    assert (stored.after_it_is_missed("rejection"), stored.after_it_is_missed("sr")) == ("QUEUED", "SUPERSEDED")


def test_one_whose_confirmation_was_given_up_is_parked_for_a_person_to_see(stored: Stored) -> None:
    record_failed_attempt(stored.database, stored.id("sr"), reason="ValueError", parked=True, at=stored.ledger.now)
    assert stored.state("sr") == "PARKED"
