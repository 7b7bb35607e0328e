"""The ledger of forwards, on SQLite and on PostgreSQL: planned with the Instance, held, sent, tried again, parked."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from db import kinds
from db.audit import AGENT
from db.audit_search import AuditQuery, search
from db.audit_terms import EventId
from db.delivery_state import DeliveryState
from db.errors import ConstraintError
from db.forwarding import (
    QUARANTINED,
    Ended,
    Forward,
    due_forwards,
    next_forward_at,
    note_forwards,
    park_forwards,
    park_quarantined,
    plan_forwards,
)
from db.outcome import Outcome, StudyOutcome
from db.requeue import requeue_deliveries
from db.roles import Role
from db.schema.domain import delivery
from db.worklist import study_record, worklist_row

ARCHIVE = Forward(destination="archive", rule="all")
FLAGGED = Forward(destination="pacs", rule="sick", on_outcomes=(Outcome.FLAGGED,))
EVIDENCE: dict[str, Any] = {"candidate": False}


def states(ledger: Any, study: str = "1.2.3") -> list[tuple[str, str]]:
    record = study_record(ledger.database, study)
    assert record is not None
    return [(row["destination"], row["state"]) for row in record.forwards]


def due(ledger: Any, study_id: int, destination: str = "archive") -> list[str]:
    tasks = due_forwards(ledger.database, study_id, destination, now=ledger.now, limit=100)
    return [task.sop_instance_uid for task in tasks]


def conclude(ledger: Any, study_id: int, outcome: Outcome, revision: int = 1) -> None:
    ledger.conclude(study_id, outcome=StudyOutcome(outcome=outcome), revision=revision)


def test_a_forward_is_committed_with_its_instance_and_one_job_waits_for_many(ledger: Any) -> None:
    first = ledger.receive(**EVIDENCE, forwards=(ARCHIVE, FLAGGED))
    ledger.receive(**EVIDENCE, forwards=(ARCHIVE, FLAGGED))
    assert states(ledger) == [("archive", "QUEUED"), ("pacs", "HELD")] * 2
    assert due(ledger, first.study_id) == ["1.2.3.1.1", "1.2.3.1.2"]
    assert due(ledger, first.study_id, "pacs") == []
    assert ledger.waiting()[kinds.forward("archive")] == 1
    assert kinds.forward("pacs") not in ledger.waiting()


def test_an_instance_that_is_not_committed_leaves_no_forward(ledger: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import db.intake  # noqa: PLC0415 - to break what comes after the plan

    def power_cut(*planned: Any, **more: Any) -> None:
        plan_forwards(*planned, **more)
        message = "the power went"
        raise RuntimeError(message)

    ledger.receive(**EVIDENCE, forwards=(ARCHIVE,))
    monkeypatch.setattr(db.intake, "plan_forwards", power_cut)
    with pytest.raises(RuntimeError):
        ledger.receive(**EVIDENCE, forwards=(ARCHIVE,))
    assert states(ledger) == [("archive", "QUEUED")]


@pytest.mark.parametrize(
    ("again", "role"),
    [
        ({"sha256": "e" * 64, "sop_instance_uid": "1.2.3.1.1"}, Role.UNVERIFIED),
        ({"patient_id": "SOMEBODY-ELSE"}, Role.CONFLICT),
    ],
)
def test_only_new_objects_of_their_study_are_forwarded(ledger: Any, again: dict[str, Any], role: Role) -> None:
    ledger.receive(**EVIDENCE, forwards=(ARCHIVE,))
    assert ledger.receive(**(EVIDENCE | again), forwards=(ARCHIVE,)).role is role
    assert len(states(ledger)) == 1


def test_the_same_bytes_again_are_no_event_and_forward_nothing(ledger: Any) -> None:
    ledger.receive(**EVIDENCE, sha256="a" * 64, forwards=(ARCHIVE,))
    assert ledger.receive(**EVIDENCE, sha256="a" * 64, forwards=(FLAGGED,)).known
    assert states(ledger) == [("archive", "QUEUED")]


def test_an_outcome_lets_go_what_waits_for_it_and_a_later_one_the_rest(ledger: Any) -> None:
    failed = Forward(destination="service", rule="broken", on_outcomes=(Outcome.FAILED, Outcome.NOT_ANALYSED))
    study_id = ledger.receive(**EVIDENCE, forwards=(FLAGGED, failed)).study_id
    conclude(ledger, study_id, Outcome.NOT_ANALYSED)
    assert states(ledger) == [("pacs", "HELD"), ("service", "QUEUED")]
    assert {kind for kind in ledger.waiting() if kind.startswith("forward:")} == {kinds.forward("service")}
    ledger.receive(**EVIDENCE, forwards=(FLAGGED, failed))  # after the conclusion: by the outcome that stands
    assert states(ledger)[2:] == [("pacs", "HELD"), ("service", "QUEUED")]


def test_not_flagged_is_another_outcome_than_flagged(ledger: Any) -> None:
    study_id = ledger.receive(**EVIDENCE, forwards=(FLAGGED,)).study_id
    conclude(ledger, study_id, Outcome.NOT_FLAGGED)
    assert states(ledger) == [("pacs", "HELD")]


def test_a_delivered_study_is_one_whose_reports_are_acknowledged(ledger: Any) -> None:
    study_id = ledger.receive(**EVIDENCE, forwards=(ARCHIVE,)).study_id
    conclude(ledger, study_id, Outcome.NOT_ANALYSED)
    row = worklist_row(ledger.database, "1.2.3")
    assert row is not None
    assert (row.state, row.deliveries, row.forwards) == ("DELIVERED", {}, {"QUEUED": 1})


def test_attempts_are_counted_when_they_begin_and_end_as_they_end(ledger: Any) -> None:
    study_id = ledger.receive(**EVIDENCE, forwards=(ARCHIVE,)).study_id
    ledger.receive(**EVIDENCE, forwards=(ARCHIVE,))
    one, two = due_forwards(ledger.database, study_id, "archive", now=ledger.now, limit=100)
    assert not one.sent_before
    note_forwards(ledger.database, [], one, at=ledger.now)
    again = due_forwards(ledger.database, study_id, "archive", now=ledger.now, limit=100)
    assert [(task.delivery_id, task.attempts, task.sent_before) for task in again] == [
        (two.delivery_id, 0, False),  # what was tried least comes first
        (one.delivery_id, 1, True),  # as after a kill: it may be there
    ]
    later = ledger.now + timedelta(minutes=1)
    stored = Ended(delivery_id=one.delivery_id, acknowledged=True, reason="0000", attempts=1, is_told=True)
    failed = Ended(delivery_id=two.delivery_id, acknowledged=False, reason="A700", attempts=1, not_before=later)
    note_forwards(ledger.database, [stored, failed], None, at=ledger.now)
    assert states(ledger) == [("archive", "ACKNOWLEDGED"), ("archive", "QUEUED")]
    told = search(ledger.database, AuditQuery(person=AGENT, event=EventId.INSTANCES_TRANSFERRED)).rows
    assert [(row.event.study_instance_uid, row.event.counterpart) for row in told] == [("1.2.3", "archive")]
    assert due(ledger, study_id) == []
    assert next_forward_at(ledger.database, study_id, "archive") == later
    ledger.now = later
    assert due(ledger, study_id) == ["1.2.3.1.2"]
    parked = Ended(delivery_id=two.delivery_id, acknowledged=False, reason="C000", attempts=2)
    note_forwards(ledger.database, [parked], None, at=ledger.now)
    assert states(ledger) == [("archive", "ACKNOWLEDGED"), ("archive", "PARKED")]
    assert next_forward_at(ledger.database, study_id, "archive") is None


def test_an_acknowledgement_is_never_taken_back(ledger: Any) -> None:
    study_id = ledger.receive(**EVIDENCE, forwards=(ARCHIVE,)).study_id
    (task,) = due_forwards(ledger.database, study_id, "archive", now=ledger.now, limit=100)
    stored = Ended(delivery_id=task.delivery_id, acknowledged=True, reason="0000", attempts=1)
    late = Ended(delivery_id=task.delivery_id, acknowledged=False, reason="lost", attempts=2)
    note_forwards(ledger.database, [stored, late], None, at=ledger.now)
    assert states(ledger) == [("archive", "ACKNOWLEDGED")]


def test_what_is_parked_is_requeued_beside_the_reports_with_one_job_for_the_study(ledger: Any) -> None:
    study_id = ledger.receive(**EVIDENCE, forwards=(ARCHIVE, Forward(destination="other", rule="r"))).study_id
    ledger.receive(**EVIDENCE, forwards=(ARCHIVE,))
    assert park_forwards(ledger.database, study_id, "archive", reason="worker died", at=ledger.now) == 2
    assert sorted(states(ledger)) == [("archive", "PARKED")] * 2 + [("other", "QUEUED")]
    assert requeue_deliveries(ledger.database, ledger.queue, now=ledger.now, destination="other") == 0
    assert requeue_deliveries(ledger.database, ledger.queue, now=ledger.now, study_instance_uid="1.2.3") == 2
    assert due(ledger, study_id) == ["1.2.3.1.1", "1.2.3.1.2"]
    assert ledger.waiting()[kinds.forward("archive")] == 1


def test_a_quarantined_studys_instances_are_parked_and_no_others(ledger: Any) -> None:
    good = ledger.receive(**EVIDENCE, study_instance_uid="1.2.9", forwards=(ARCHIVE,)).study_id
    bad = ledger.receive(**EVIDENCE, forwards=(ARCHIVE,)).study_id
    assert park_quarantined(ledger.database, bad, "archive", at=ledger.now) == 0
    ledger.receive(**EVIDENCE, patient_id="SOMEBODY-ELSE", forwards=(ARCHIVE,))
    assert due(ledger, bad) == []
    assert [park_quarantined(ledger.database, study, "archive", at=ledger.now) for study in (bad, good)] == [1, 0]
    record = study_record(ledger.database, "1.2.3")
    assert record is not None
    assert [row["reason"] for row in record.forwards] == [QUARANTINED]


def test_what_is_quarantined_or_settled_after_it_was_looked_up_does_not_begin(ledger: Any) -> None:
    study_id = ledger.receive(**EVIDENCE, forwards=(ARCHIVE,)).study_id
    ledger.receive(**EVIDENCE, forwards=(ARCHIVE,))
    first, second = due_forwards(ledger.database, study_id, "archive", now=ledger.now, limit=10)
    stored = Ended(delivery_id=first.delivery_id, acknowledged=True, reason="0000", attempts=1)
    assert note_forwards(ledger.database, [], first, at=ledger.now)
    assert note_forwards(ledger.database, [stored], second, at=ledger.now)
    assert not note_forwards(ledger.database, [], first, at=ledger.now), "expected what is stored not to be sent again"
    ledger.receive(**EVIDENCE, patient_id="SOMEBODY-ELSE")
    assert not note_forwards(ledger.database, [], second, at=ledger.now)
    record = study_record(ledger.database, "1.2.3")
    assert record is not None
    assert [row["attempts"] for row in record.forwards] == [1, 1]


def test_a_delivery_is_of_a_report_or_of_an_instance_and_one_for_each_destination(ledger: Any) -> None:
    instance_id = ledger.receive(**EVIDENCE, forwards=(ARCHIVE,)).instance_id
    row = {
        "destination": "archive", "state": DeliveryState.QUEUED, "attempts": 0, "reason": "", "created_at": ledger.now,
        "updated_at": ledger.now,
    }  # fmt: skip
    for bad in ({}, {"instance_id": instance_id, "report_id": 1}, {"instance_id": instance_id}):
        with pytest.raises(ConstraintError), ledger.database.begin() as connection:
            connection.execute(insert(delivery).values(row | bad))
    with ledger.database.read() as connection:
        assert len(connection.execute(select(delivery.c.id)).all()) == 1
