"""What said FLAGGED is taken back when the study, analysed anew, is not: a picture has no next version."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from agent.conclude import REPLACED, Concluder, Route
from agent.reports.document import ModelIdentity
from db.analysis import ImageResult, record_image_result, score_task
from db.attributes import InstanceAttributes
from db.completion import close_due
from db.concluded import concluded_study
from db.delivery import RenderedInstance, StoredReport, record_rendered
from db.delivery_attempt import Begun, acknowledge, begin_attempt
from db.outcome import Outcome
from db.queue import Job
from db.requeue import requeue_study
from db.schema import delivery, report

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

    def __init__(self, ledger: Any) -> None:
        self.ledger, self.database, self.queue = ledger, ledger.database, ledger.queue
        routes = (
            route("sr", "pacs", ANY),
            route("picture", "pacs", FLAGGED_ONLY),
            route("picture", "viewer", FLAGGED_ONLY),
        )
        takers = ("pacs", "viewer", "archive")
        self.concluder = Concluder(self.database, self.queue, "i", MODEL, routes, takers, lambda: ledger.now)
        self.received = ledger.receive()

    def conclude(self, outcome: Outcome) -> None:
        at = self.ledger.now
        task = score_task(self.database, self.received.instance_id)
        assert task is not None
        found = ImageResult(outcome=outcome, probability=0.4, started_at=at, finished_at=at)
        record_image_result(self.database, self.queue, task, found, allowances=self.ledger.allowances)
        self.ledger.now += timedelta(hours=1)
        close_due(self.database, self.queue, now=self.ledger.now)
        self.concluder.conclude(Job(kind="conclude", key=str(self.received.study_id), attempt=1, due_at=at))

    def again(self, outcome: Outcome) -> None:
        requeue_study(self.database, self.queue, "1.2.3", actor="test", now=self.ledger.now)
        self.conclude(outcome)

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

    def notes(self) -> dict[str, set[str]]:
        found = {}
        for row in self.rows(rejects=True):
            said = concluded_study(self.database, row.report_id)
            assert said.withdrawal_reason == REPLACED
            found[row.destination] = {one.sop_instance_uid for one in said.rejected}
        return found


@pytest.fixture
def line(ledger: Any) -> Line:
    return Line(ledger)


def test_whoever_may_have_what_said_flagged_gets_a_note_that_names_it(line: Line) -> None:
    line.conclude(Outcome.FLAGGED)
    line.send_all()
    sent = line.rows(rejects=False)
    line.again(Outcome.NOT_FLAGGED)
    of = {name: {f"1.9.{row.report_id}" for row in sent if row.destination == name} for name in ("pacs", "viewer")}
    assert line.notes() == of
    assert {len(of["pacs"]), len(of["viewer"])} == {2, 1}


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
