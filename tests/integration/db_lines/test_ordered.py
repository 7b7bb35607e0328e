"""Orders that come by message: before their images and after, for their patient only, and never lowering anything."""

import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from db.addressed import About, Addressed, OrderDone
from db.intake import record_within
from db.messages import ArrivedMessage, Books, MessageOutcome, Rules, carry_out
from db.patient_match import Identifier
from db.priority import Priority
from db.queue.job_table import job
from db.schema.domain import study
from db.schema.hl7 import ordered
from db.worklist import study_record, worklist

P1 = (Identifier("P1", "HOSP"),)


def about(**given: Any) -> About:
    values: dict[str, Any] = {
        "study_instance_uid": "",
        "accession_number": "A1",
        "identifiers": P1,
        "patient_name": "Doe^John",
    }
    return About(**(values | given))


def do(ledger: Any, work: Any) -> Any:
    results = []

    def carried(books: Books) -> MessageOutcome:
        results.append(work(books))
        return MessageOutcome(answer="AA", error_code=None, detail="")

    message = ArrivedMessage(sender="RIS|", control_id="1", sha256=uuid4().hex, kind="ORM^O01")
    carry_out(ledger.database, ledger.queue, message, Rules(), carried, at=ledger.now)
    return results[0]


def order(ledger: Any, priority: Priority = Priority.HIGH, *, cancelled: bool = False, **given: Any) -> OrderDone:
    done: OrderDone = do(ledger, lambda books: books.take_order(about(**given), priority, cancelled=cancelled))
    return done


def row(ledger: Any, uid: str = "1.2.3") -> Any:
    with ledger.database.read() as connection:
        return connection.execute(select(study).where(study.c.study_instance_uid == uid)).one()


def events(ledger: Any) -> list[str]:
    record = study_record(ledger.database, "1.2.3")
    assert record is not None
    return [str(event["event"]) for event in record.events]


def test_an_order_that_comes_before_its_images_gives_the_study_its_place_from_the_beginning(
    sqlite_ledger: Any,
) -> None:
    assert order(sqlite_ledger) == OrderDone(studies=0, changed=0)
    sqlite_ledger.receive(accession_number="A1")
    found = row(sqlite_ledger)
    assert (found.order_priority, found.due_at) == (Priority.HIGH, found.received_at)
    assert events(sqlite_ledger)[:2] == ["RECEIVED", "ORDERED"]
    with sqlite_ledger.database.read() as connection:
        assert connection.scalars(select(job.c.due_at)).all() == [found.due_at], "its image is not scored later"


@pytest.mark.parametrize(
    ("given", "incoming", "expected"),
    [
        ({}, {"accession_number": "A1", "issuer_of_patient_id": "HOSP"}, Priority.HIGH),
        ({}, {"accession_number": "A1", "issuer_of_patient_id": "CLINIC"}, Priority.ROUTINE),
        ({}, {"accession_number": "A1", "patient_id": "P2"}, Priority.ROUTINE),
        ({}, {"accession_number": "A2"}, Priority.ROUTINE),
        ({}, {"accession_number": ""}, Priority.ROUTINE),
        ({"study_instance_uid": "1.2.3"}, {"accession_number": ""}, Priority.HIGH),
        ({"study_instance_uid": "1.9"}, {"accession_number": "A1"}, Priority.HIGH),
        ({"study_instance_uid": "1.2.3"}, {"patient_id": "P2"}, Priority.ROUTINE),
    ],
)
def test_a_kept_order_is_applied_to_its_patients_study_only(
    ledger: Any, given: dict[str, Any], incoming: dict[str, Any], expected: Priority
) -> None:
    order(ledger, **given)
    ledger.receive(**incoming)
    assert row(ledger).order_priority == expected


def test_a_study_that_begins_while_its_order_is_being_committed_waits_for_it(ledger: Any) -> None:
    receiving = threading.Thread(target=ledger.receive, kwargs={"accession_number": "A1"})

    def take(books: Books) -> OrderDone:
        done = books.take_order(about(), Priority.HIGH, cancelled=False)
        receiving.start()
        receiving.join(0.3)
        assert receiving.is_alive()
        return done

    do(ledger, take)
    receiving.join(60)
    assert row(ledger).order_priority == Priority.HIGH


def test_an_order_that_comes_while_its_study_is_being_committed_waits_for_it(ledger: Any) -> None:
    ordering = threading.Thread(target=order, args=(ledger,))
    incoming = ledger.incoming(accession_number="A1")
    with ledger.database.begin() as connection:
        record_within(connection, ledger.queue, incoming, timing=ledger.timing, allowances=ledger.allowances)
        ordering.start()
        ordering.join(0.3)
        assert ordering.is_alive()
    ordering.join(60)
    assert row(ledger).order_priority == Priority.HIGH


def test_a_kept_order_fills_in_an_accession_number(ledger: Any) -> None:
    order(ledger, study_instance_uid="1.2.3")
    ledger.receive()
    assert row(ledger).accession_number == "A1"


def test_an_order_that_comes_after_its_images_raises_them(ledger: Any) -> None:
    ledger.receive(accession_number="A1")
    assert order(ledger) == OrderDone(studies=1, changed=1)
    assert order(ledger) == OrderDone(studies=1, changed=0)
    assert row(ledger).order_priority == Priority.HIGH


def test_a_changed_order_raises_what_waits_and_lowers_no_study(ledger: Any) -> None:
    order(ledger, Priority.HIGH)
    order(ledger, Priority.MEDIUM)
    ledger.receive(accession_number="A1")
    assert row(ledger).order_priority == Priority.MEDIUM, "before its images an order is what it says last"
    order(ledger, Priority.ROUTINE)
    assert row(ledger).order_priority == Priority.MEDIUM
    assert events(ledger)[-1] == "ORDER_LOWERED"


def test_a_cancelled_order_lowers_nothing_and_raises_nothing(ledger: Any) -> None:
    order(ledger)
    order(ledger, cancelled=True)
    ledger.receive(accession_number="A1")
    assert row(ledger).order_priority == Priority.ROUTINE
    assert "ORDER_CANCELLED" in events(ledger)
    order(ledger)
    order(ledger, cancelled=True)
    assert row(ledger).order_priority == Priority.HIGH
    assert events(ledger)[-1] == "ORDER_CANCELLED"


def test_an_order_of_another_patient_for_the_study_changes_nothing(ledger: Any) -> None:
    ledger.receive(accession_number="A1")
    done = order(ledger, study_instance_uid="1.2.3", identifiers=(Identifier("P2"),))
    assert done == OrderDone(studies=0, changed=0, is_anothers=True)
    assert row(ledger).order_priority == Priority.ROUTINE


def test_an_order_expires(ledger: Any) -> None:
    order(ledger)
    ledger.now += timedelta(days=31)
    ledger.receive(accession_number="A1")
    assert row(ledger).order_priority == Priority.ROUTINE
    order(ledger, accession_number="A9")
    with ledger.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(ordered)) == 1, "what expired is forgotten"


def test_a_final_report_takes_its_patients_study_off_the_worklist(ledger: Any) -> None:
    ledger.receive(accession_number="A1")
    ledger.receive(study_instance_uid="1.9", accession_number="A1", patient_id="P2")
    done: Addressed = do(ledger, lambda books: books.take_off(about(), how="final report (HL7)"))
    assert (len(done.studies), done.is_anothers) == (1, False)
    assert [one.study_instance_uid for one in worklist(ledger.database)] == ["1.9"]


def test_a_final_report_leaves_a_quarantined_study_on_the_list(ledger: Any) -> None:
    ledger.receive(accession_number="A1")
    ledger.receive(patient_id="P7")
    do(ledger, lambda books: books.take_off(about(), how="final report (HL7)"))
    assert len(worklist(ledger.database)) == 1


def test_a_final_report_that_may_be_of_either_of_two_patients_with_one_id_takes_no_study_off(ledger: Any) -> None:
    """Both have the accession number, too, and the report names no authority and neither's name."""
    ledger.receive(accession_number="A1", issuer_of_patient_id="HOSP")
    ledger.receive(study_instance_uid="1.9", accession_number="A1", issuer_of_patient_id="CLINIC", patient_name="Roe^A")
    nobodys = about(identifiers=(Identifier("P1"),), patient_name="")
    done: Addressed = do(ledger, lambda books: books.take_off(nobodys, how="final report (HL7)"))
    assert (len(done.studies), done.doubtful, len(worklist(ledger.database))) == (0, 2, 2)
    named = about(identifiers=(Identifier("P1"),), patient_name="ROE^A")
    done = do(ledger, lambda books: books.take_off(named, how="final report (HL7)"))
    assert (len(done.studies), done.doubtful) == (1, 1)
    assert [one.study_instance_uid for one in worklist(ledger.database)] == ["1.2.3"]
    do(ledger, lambda books: books.take_off(about(), how="final report (HL7)"))
    assert worklist(ledger.database) == (), "its authority says whose it is"
