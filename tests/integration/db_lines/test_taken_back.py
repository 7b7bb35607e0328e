"""What was sent is taken back when the study is no longer flagged, or its patient corrected: it has no successor."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from agent.line.conclude import REPLACED, Concluder, Route
from agent.reports.document import ModelIdentity
from db.analysis import ImageResult, record_image_result, score_task
from db.attributes import InstanceAttributes
from db.causes import CORRECTED, Cause
from db.completion import close_due
from db.concluded import concluded_study
from db.delivery import RenderedInstance, StoredReport, record_rendered
from db.delivery_attempt import Begun, acknowledge, begin_attempt
from db.orders import apply_within
from db.outcome import Outcome
from db.patient_match import Demographics, Identifier
from db.patients import Correction
from db.priority import Priority
from db.queue import Job
from db.requeue import requeue_study
from db.schema.domain import delivery, report

ANY = frozenset({"flagged", "not_flagged", "not_analysed", "failed"})
FLAGGED_ONLY = frozenset({"flagged"})
MODEL = ModelIdentity(name="m", version="1", sha256="0" * 64, operating_point_name="p", threshold=0.5)


def route(report_: str, destination: str, outcomes: frozenset[str]) -> Route:
    return Route(
        report=report_,
        media_type="application/dicom",
        destination=destination,
        outcomes=outcomes,
        possible=outcomes,
        calling_ae_titles=frozenset(),
    )


class Line:
    """One radiograph; a PACS gets SR and picture, a viewer the picture alone, an archive nothing."""

    def __init__(self, ledger: Any, takers: tuple[str, ...] = ("pacs", "viewer", "archive")) -> None:
        self.ledger, self.database, self.queue = ledger, ledger.database, ledger.queue
        routes = (
            route("sr", "pacs", ANY),
            route("picture", "pacs", FLAGGED_ONLY),
            route("picture", "viewer", FLAGGED_ONLY),
        )
        self.concluder = Concluder(self.database, self.queue, "i", MODEL, routes, takers, lambda: ledger.now)
        self.received = ledger.receive()

    def conclude(self, outcome: Outcome) -> None:
        at = self.ledger.now
        task = score_task(self.database, self.received.instance_id)
        assert task is not None
        said = {"probability": 0.9 if outcome is Outcome.FLAGGED else 0.4, "model_sha256": MODEL.sha256}
        found = ImageResult(outcome=outcome, started_at=at, finished_at=at, **said)
        record_image_result(self.database, self.queue, task, found, allowances=self.ledger.allowances)
        self.ledger.now += timedelta(hours=1)
        close_due(self.database, self.queue, now=self.ledger.now)
        self.concluder.conclude(Job(kind="conclude", key=str(self.received.study_id), attempt=1, due_at=at))

    def again(self, outcome: Outcome) -> None:
        requeue_study(self.database, self.queue, "1.2.3", actor="test", now=self.ledger.now)
        self.conclude(outcome)

    def correct(self, name: str) -> None:
        """Have the hospital system say who the patient is."""
        with self.database.begin() as connection:
            correction = Correction(connection=connection, queue=self.queue, source="ADT^A08", at=self.ledger.now)
            correction.update_patient((Identifier("P1"),), Demographics(patient_name=name))

    def amend(self) -> None:
        self.concluder.amend(Job(kind="amend", key=str(self.received.study_id), attempt=1, due_at=self.ledger.now))

    def sent(self) -> dict[str, set[str]]:
        """Name what each destination has."""
        found: dict[str, set[str]] = {}
        for row in self.rows(rejects=False):
            if row.state == "ACKNOWLEDGED":
                found.setdefault(row.destination, set()).add(f"1.9.{row.report_id}")
        return found

    def rows(self, *, rejects: bool) -> list[Any]:
        query = (
            select(delivery.c.id, delivery.c.report_id, delivery.c.destination, delivery.c.state, report.c.kind)
            .join(report)
            .where(report.c.rejects.is_(rejects))
            .order_by(delivery.c.id)
        )
        with self.database.read() as connection:
            return list(connection.execute(query).all())

    def send_all(self) -> None:
        """Send what waits, and let each destination have it."""
        for row in self.rows(rejects=False):
            if row.state == "QUEUED":
                uid = f"1.9.{row.report_id}"
                stored = StoredReport(
                    identifier=uid,
                    sop_class_uid="1.2",
                    series_instance_uid="1.9",
                    sha256=f"{row.report_id:f>64}",
                    path=uid,
                    size=1,
                )
                attributes = InstanceAttributes(modality="OT")
                about = RenderedInstance("1.2.840.10008.1.2.1", is_image=True, attributes=attributes)
                record_rendered(self.database, row.report_id, stored, about, at=self.ledger.now)
                begun = begin_attempt(self.database, row.id, sha256=stored.sha256, at=self.ledger.now)
                assert isinstance(begun, Begun)
                acknowledge(self.database, row.id, detail="0000", at=self.ledger.now, attempt_id=begun.attempt_id)

    def notes(self, cause: Cause = Cause.QUALITY, reason: str = REPLACED) -> dict[str, set[str]]:
        found = {}
        for row in self.rows(rejects=True):
            said = concluded_study(self.database, row.report_id)
            assert (said.withdrawal_cause, said.withdrawal_reason) == (cause, reason)
            found[row.destination] = {one.sop_instance_uid for one in said.rejected}
        return found


@pytest.fixture
def line(ledger: Any) -> Line:
    return Line(ledger)


def test_whoever_may_have_what_said_flagged_gets_a_note_that_names_it(line: Line) -> None:
    line.conclude(Outcome.FLAGGED)
    line.send_all()
    sent = line.sent()
    line.again(Outcome.NOT_FLAGGED)
    assert line.notes() == sent
    assert {name: len(of) for name, of in sent.items()} == {"pacs": 2, "viewer": 1}


def test_it_is_taken_back_once_and_nothing_is_where_nothing_was_sent(line: Line) -> None:
    line.conclude(Outcome.FLAGGED)
    line.again(Outcome.NOT_FLAGGED)
    line.send_all()
    line.again(Outcome.FAILED)
    assert line.notes() == {}


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.NOT_ANALYSED])
def test_it_is_taken_back_also_where_it_could_not_be_analysed_anew(line: Line, outcome: Outcome) -> None:
    line.conclude(Outcome.FLAGGED)
    line.send_all()
    line.again(outcome)
    assert line.notes().keys() == {"pacs", "viewer"}


def test_a_study_that_stays_flagged_has_next_versions_and_no_note(line: Line) -> None:
    line.conclude(Outcome.FLAGGED)
    line.send_all()
    line.again(Outcome.FLAGGED)
    assert line.notes() == {}


def test_what_names_the_patient_as_before_a_correction_is_taken_back_and_the_result_stands(line: Line) -> None:
    line.conclude(Outcome.FLAGGED)
    line.send_all()
    sent = line.sent()
    line.correct("Roe^Jane")
    line.amend()
    line.send_all()
    assert line.notes(Cause.SAFETY, CORRECTED) == sent
    assert {name: len(of) for name, of in sent.items()} == {"pacs": 2, "viewer": 1}
    (*_, later) = line.rows(rejects=False)
    said = concluded_study(line.database, later.report_id)
    assert (said.outcome, said.withdrawal_cause, said.withdrawal_reason) == (Outcome.FLAGGED, None, "")
    assert {name: len(of) for name, of in line.sent().items()} == {"pacs": 4, "viewer": 2}


def test_so_it_is_where_the_correction_came_while_the_study_was_worked_on(line: Line) -> None:
    line.conclude(Outcome.FLAGGED)
    line.send_all()
    sent = line.sent()
    requeue_study(line.database, line.queue, "1.2.3", actor="test", now=line.ledger.now)
    line.correct("Roe^Jane")
    line.conclude(Outcome.FLAGGED)
    assert line.notes(Cause.SAFETY, CORRECTED) == sent


def test_a_note_of_another_cause_says_that_its_objects_name_the_wrong_patient(line: Line) -> None:
    line.conclude(Outcome.FLAGGED)
    line.send_all()
    requeue_study(line.database, line.queue, "1.2.3", actor="test", now=line.ledger.now)
    line.correct("Roe^Jane")
    line.conclude(Outcome.NOT_FLAGGED)
    assert line.notes(Cause.SAFETY, REPLACED).keys() == {"pacs", "viewer"}


def test_a_correction_takes_nothing_back_where_nothing_was_sent(line: Line) -> None:
    line.conclude(Outcome.FLAGGED)
    line.correct("Roe^Jane")
    line.amend()
    assert line.notes() == {}


def test_nor_where_nobody_that_has_something_takes_notes(ledger: Any) -> None:
    line = Line(ledger, takers=("archive",))
    line.conclude(Outcome.FLAGGED)
    line.send_all()
    line.correct("Roe^Jane")
    line.amend()
    line.send_all()
    assert line.notes() == {}
    assert len(line.sent()["pacs"]) == 4


def order(line: Line) -> None:
    at, allowances = line.ledger.now, line.ledger.allowances
    with line.database.begin() as connection:
        apply_within(
            connection,
            line.queue,
            line.received.study_id,
            priority=Priority.HIGH,
            accession_number="A1",
            at=at,
            allowances=allowances,
        )


def test_what_an_order_amends_takes_nothing_back_unless_the_patient_was_corrected_too(line: Line) -> None:
    line.correct("Roe^Jane")
    line.conclude(Outcome.NOT_FLAGGED)
    line.send_all()
    order(line)
    line.amend()
    assert len(line.rows(rejects=False)) == 2
    assert line.notes() == {}


def test_an_order_right_after_a_correction_hides_it_not(line: Line) -> None:
    line.conclude(Outcome.FLAGGED)
    line.send_all()
    line.correct("Roe^Jane")
    order(line)
    line.amend()
    assert line.notes(Cause.SAFETY, CORRECTED).keys() == {"pacs", "viewer"}
