"""Corrected and merged patients on record: every study of the patient, no study of another, and what comes late."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import select, update

from db.messages import ArrivedMessage, Books, MessageOutcome, Rules, carry_out
from db.patient_match import Demographics, Identifier
from db.patients import Corrected
from db.priority import Priority
from db.roles import Role
from db.schema.domain import study
from db.schema.hl7 import hl7_message
from db.worklist import study_record

SAID = Demographics(patient_name="Roe^Jane", patient_birth_date="20200101", patient_sex="F")
NEW = Identifier("P2")


def do(ledger: Any, work: Callable[[Books], Any], home: str = "") -> Any:
    """Let a message do something; return what came of it."""
    results = []

    def carried(books: Books) -> MessageOutcome:
        results.append(work(books))
        return MessageOutcome(answer="AA", error_code=None, detail="")

    message = ArrivedMessage(sender="RIS|", control_id="1", sha256=uuid4().hex, kind="ADT^A40")
    carry_out(ledger.database, ledger.queue, message, Rules(home=home), carried, at=ledger.now)
    return results[0]


def correct(ledger: Any, *identifiers: Identifier, said: Demographics = SAID, home: str = "") -> Corrected:
    done: Corrected = do(ledger, lambda books: books.correction.update_patient(identifiers, said), home)
    return done


def merge(ledger: Any, prior: Identifier, surviving: Identifier = NEW, said: Demographics = SAID) -> Corrected:
    done: Corrected = do(ledger, lambda books: books.correction.merge_patient(prior, Demographics(), surviving, said))
    return done


def row(ledger: Any, uid: str = "1.2.3") -> Any:
    with ledger.database.read() as connection:
        return connection.execute(select(study).where(study.c.study_instance_uid == uid)).one()


def events(ledger: Any, uid: str = "1.2.3") -> list[tuple[str, str]]:
    record = study_record(ledger.database, uid)
    assert record is not None
    return [(event["event"], event["detail"]) for event in record.events]


def conclude(ledger: Any, uid: str = "1.2.3") -> None:
    with ledger.database.begin() as connection:
        connection.execute(update(study).where(study.c.study_instance_uid == uid).values(state="DELIVERED"))


def test_an_update_reaches_every_study_of_the_patient_and_those_that_were_reported_are_reported_anew(
    ledger: Any,
) -> None:
    ledger.receive()
    ledger.receive(study_instance_uid="1.9")
    ledger.receive(study_instance_uid="1.10", patient_id="P9")
    conclude(ledger, "1.9")
    assert correct(ledger, Identifier("P1")) == Corrected(matched=2, corrected=2, amended=1)
    assert (row(ledger).patient_name, row(ledger).patient_birth_date, row(ledger).patient_sex) == (
        "Roe^Jane",
        "20200101",
        "F",
    )
    assert row(ledger).corrected == "patient_birth_date patient_name patient_sex"
    assert row(ledger, "1.10").patient_name == "Doe^John"
    assert row(ledger, "1.9").amending
    assert ledger.waiting()["amend"] == 1


def test_the_audit_trail_names_what_changed_and_no_value(ledger: Any) -> None:
    ledger.receive()
    correct(ledger, Identifier("P1"))
    assert events(ledger)[-1] == ("IDENTITY_CORRECTED", "patient_birth_date patient_name patient_sex (ADT^A40)")


def test_what_says_the_same_changes_nothing_and_reports_nothing_anew(ledger: Any) -> None:
    ledger.receive(patient_name="ROE^JANE", patient_birth_date="20200101", patient_sex="F")
    conclude(ledger)
    assert correct(ledger, Identifier("P1")) == Corrected(matched=1)
    assert (row(ledger).patient_name, row(ledger).corrected) == ("ROE^JANE", "")


def test_two_patients_with_one_id_are_left_alone_and_marked(ledger: Any) -> None:
    ledger.receive(issuer_of_patient_id="CLINIC")
    ledger.receive(study_instance_uid="1.9")
    assert correct(ledger, Identifier("P1", "HOSP")) == Corrected(doubtful=1)
    assert (row(ledger, "1.9").patient_name, row(ledger).doubt) == ("Doe^John", "")
    assert row(ledger, "1.9").doubt
    correct(ledger, Identifier("P1", "HOSP"))
    assert [event for event, _ in events(ledger, "1.9")].count("IDENTITY_IN_DOUBT") == 1


def test_a_message_that_is_surely_about_the_patient_takes_the_mark_away(ledger: Any) -> None:
    ledger.receive()
    correct(ledger, Identifier("P1", "HOSP"))
    assert row(ledger).doubt
    correct(ledger, Identifier("P1", "HOSP"), home="HOSP")
    assert (row(ledger).doubt, row(ledger).patient_name) == ("", "Roe^Jane")


def test_an_update_leaves_a_quarantined_study_as_it_is_and_says_so(ledger: Any) -> None:
    ledger.receive()
    ledger.receive(patient_id="P7")
    assert correct(ledger, Identifier("P1")) == Corrected(matched=1, quarantined=1)
    assert (row(ledger).patient_name, bool(row(ledger).conflict)) == ("Doe^John", True)
    assert events(ledger)[-1][0] == "IDENTITY_NOT_CORRECTED"


def test_a_merge_moves_the_prior_patients_studies_and_no_others(ledger: Any) -> None:
    ledger.receive()
    ledger.receive(study_instance_uid="1.9", patient_id="P2", patient_name="Roe^Jane")
    assert merge(ledger, Identifier("P1")) == Corrected(matched=1, corrected=1)
    assert (row(ledger).patient_id, row(ledger).patient_name) == ("P2", "Roe^Jane")
    assert row(ledger, "1.9").corrected == ""


def test_late_images_under_the_old_id_belong_to_their_study_after_merges_of_merges(ledger: Any) -> None:
    ledger.receive()
    merge(ledger, Identifier("P1"))
    merge(ledger, NEW, Identifier("P3"))
    assert ledger.receive().role is Role.CANDIDATE
    assert (row(ledger).patient_id, row(ledger).conflict) == ("P3", "")
    assert ledger.receive(patient_id="P4").role is Role.CONFLICT, "an ID that was never merged is another patient"


def test_an_image_under_the_surviving_id_and_a_late_one_under_the_old_are_one_patients(ledger: Any) -> None:
    merge(ledger, Identifier("P1", "HOSP"), Identifier("P2", "HOSP"))
    ledger.receive(patient_id="P2", patient_name="Roe^Jane")
    assert ledger.receive().role is Role.CANDIDATE


def test_a_merge_taken_back_makes_the_old_id_the_living_one(ledger: Any) -> None:
    ledger.receive()
    merge(ledger, Identifier("P1"))
    merge(ledger, NEW, Identifier("P1"), Demographics(patient_name="Doe^John"))
    assert row(ledger).patient_id == "P1"
    assert ledger.receive(patient_id="P2").role is Role.CANDIDATE
    assert ledger.receive(study_instance_uid="1.9").known is False
    assert row(ledger, "1.9").corrected == "", "P1 is nobody's old ID any more"


def test_a_study_that_begins_under_a_merged_id_takes_the_surviving_one_if_it_is_shown_to_be_that_patient(
    ledger: Any,
) -> None:
    merge(ledger, Identifier("P1"))
    ledger.receive(patient_name="Roe^Jane")
    ledger.receive(study_instance_uid="1.9", patient_name="Doe^John", patient_birth_date="19500505")
    assert (row(ledger).patient_id, row(ledger).corrected) == ("P2", "patient_id")
    assert (row(ledger, "1.9").patient_id, bool(row(ledger, "1.9").doubt)) == ("P1", True), "the ID was given again"


def test_a_merge_of_an_id_into_itself_is_none(ledger: Any) -> None:
    for prior, surviving in ((NEW, NEW), (NEW, Identifier("P2", "HOSP")), (Identifier("P2", "HOSP"), NEW)):
        assert merge(ledger, prior, surviving) == Corrected()
    ledger.receive(patient_id="P2", patient_name="Smith^Ann")
    assert row(ledger).doubt == ""


def test_a_merge_keeps_the_issuer_unless_the_authority_changes(ledger: Any) -> None:
    ledger.receive(issuer_of_patient_id="HOSP")
    merge(ledger, Identifier("P1", "HOSP"), Identifier("P2", "HOSP"))
    assert row(ledger).issuer_of_patient_id == "HOSP"
    merge(ledger, Identifier("P2", "HOSP"), Identifier("E1", "REGION"))
    assert (row(ledger).patient_id, row(ledger).issuer_of_patient_id) == ("E1", "REGION")


def test_a_message_is_carried_out_once_and_known_when_it_comes_again(ledger: Any) -> None:
    done = []
    message = ArrivedMessage(sender="RIS|", control_id="7", sha256="f" * 64, kind="ADT^A08")

    def work(books: Books) -> MessageOutcome:
        done.append(books)
        return MessageOutcome(answer=answers.pop(0), error_code=None, detail="told")

    answers = ["AE", "AA"]
    outcomes = [carry_out(ledger.database, ledger.queue, message, Rules(), work, at=ledger.now) for _ in range(3)]
    assert [(one.answer, one.again) for one in outcomes] == [("AE", False), ("AA", False), ("AA", True)]
    assert len(done) == 2
    with ledger.database.read() as connection:
        (kept,) = connection.execute(select(hl7_message)).all()
    assert (kept.answer, kept.times, kept.detail) == ("AA", 3, "told")


def test_the_same_words_after_weeks_are_another_message(ledger: Any) -> None:
    message = ArrivedMessage(sender="RIS|", control_id="7", sha256="f" * 64, kind="ADT^A08")

    def work(_books: Books) -> MessageOutcome:
        return MessageOutcome(answer="AA", error_code=None, detail="")

    again = []
    for days in (0, 6, 8):
        ledger.now += timedelta(days=days)
        again.append(carry_out(ledger.database, ledger.queue, message, Rules(), work, at=ledger.now).again)
    assert again == [False, True, False]


def test_priorities_of_messages_do_not_touch_those_of_studies(ledger: Any) -> None:
    ledger.receive(order_priority=Priority.MEDIUM)
    correct(ledger, Identifier("P1"))
    assert row(ledger).order_priority == Priority.MEDIUM


def test_a_circle_of_merges_ends_at_the_last_survivor_whoever_names_the_authority(ledger: Any) -> None:
    merge(ledger, Identifier("P1"))
    merge(ledger, NEW, Identifier("P1", "HOSP"))
    for number, patient_id in enumerate(("P1", "P2")):
        ledger.receive(study_instance_uid=f"1.{number}", patient_id=patient_id, patient_name="Roe^Jane")
        assert row(ledger, f"1.{number}").patient_id == "P1"


def test_an_image_that_came_under_the_old_id_is_reported_under_the_one_on_record(ledger: Any) -> None:
    merge(ledger, Identifier("P1"))
    ledger.receive(patient_id="P2")
    assert row(ledger).corrected == ""
    ledger.receive(patient_id="P1")
    assert row(ledger).corrected.split() == ["patient_id"]
    assert row(ledger).patient_id == "P2"


def test_a_late_image_under_the_old_id_says_nothing_of_the_patient_that_its_study_is_of_now(ledger: Any) -> None:
    ledger.receive()
    merge(ledger, Identifier("P1"), said=Demographics(patient_name="Roe^Jane", patient_birth_date=""))
    late = ledger.receive(issuer_of_patient_id="OLD", patient_birth_date="19500505", study_description="Thorax")
    assert late.role is Role.CANDIDATE
    found = row(ledger)
    assert (found.patient_id, found.issuer_of_patient_id, found.patient_birth_date) == ("P2", "", "")
    assert found.study_description == "Thorax"


def test_what_a_correction_emptied_is_not_filled_in_by_a_late_image(ledger: Any) -> None:
    ledger.receive(patient_birth_date="19500505")
    correct(ledger, Identifier("P1"), said=Demographics(patient_birth_date=""))
    ledger.receive(patient_birth_date="19500505")
    assert row(ledger).patient_birth_date == ""
