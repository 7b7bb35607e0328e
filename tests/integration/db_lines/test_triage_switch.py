"""While triage is off nobody is raised and nothing is called flagged or not flagged; what was said before stays."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from agent.line.conclude import Concluder
from agent.reports.document import ModelIdentity
from db.analysis import ImageResult, raise_flagged, record_image_result, score_task
from db.audit import Who
from db.audit_search import AuditQuery, search
from db.completion import close_due
from db.conclusion import record_conclusion, study_to_conclude
from db.errors import DatabaseUnavailableError, RefusedError
from db.not_triaged import count_not_triaged, requeue_not_triaged
from db.outcome import Outcome
from db.priority import Priority
from db.queue import Done, Job, RetryAt
from db.reading import record_read
from db.requeue import requeue_study
from db.schema.domain import image_result, study
from db.schema.triage import withheld_result
from db.triage import TRIAGE_OFF, switch_off, switch_on, switches, triage_off
from db.trouble import Trouble, standing
from db.worklist import WorklistRow, worklist_row

Ledger = Any  # tests/integration/db_lines/conftest.py
SHA256 = "ab" * 32
OPERATOR = Who("olga", source="10.0.0.9")


@pytest.fixture
def concluder(ledger: Ledger) -> Concluder:
    model = ModelIdentity(name="m", version="1", sha256=SHA256, operating_point_name="point", threshold=0.5)
    return Concluder(ledger.database, ledger.queue, "1.2", model, (), (), lambda: ledger.now)


def off(ledger: Ledger) -> None:
    switch_off(ledger.database, reason="new detector", who=OPERATOR, now=ledger.now)


def on(ledger: Ledger) -> None:
    switch_on(ledger.database, reason="validated", who=OPERATOR, now=ledger.now)


def score(ledger: Ledger, instance_id: int, outcome: Outcome, probability: float | None, reason: str = "") -> None:
    task = score_task(ledger.database, instance_id)
    assert task is not None
    if outcome is Outcome.FLAGGED:
        raise_flagged(ledger.database, ledger.queue, task, at=ledger.now, allowances=ledger.allowances)
    found = ImageResult(
        outcome=outcome,
        reason=reason,
        score=probability,
        probability=probability,
        heat_map=b"map" if outcome is Outcome.FLAGGED else None,
        model_sha256=SHA256,
        started_at=ledger.now,
        finished_at=ledger.now,
    )
    assert record_image_result(ledger.database, ledger.queue, task, found, allowances=ledger.allowances)


def conclude(ledger: Ledger, concluder: Concluder, study_id: int) -> WorklistRow:
    ledger.now += timedelta(hours=1)
    close_due(ledger.database, ledger.queue, now=ledger.now)
    job = Job(kind="conclude", key=str(study_id), attempt=1, due_at=ledger.now)
    assert concluder.conclude(job) == Done()
    row = worklist_row(ledger.database, "1.2.3")
    assert row is not None
    return row


@pytest.mark.parametrize(("said", "probability"), [(Outcome.FLAGGED, 0.9), (Outcome.NOT_FLAGGED, 0.1)])
def test_while_it_is_off_a_study_is_not_analysed_whatever_the_model_says_and_nobody_is_raised(
    ledger: Ledger, concluder: Concluder, said: Outcome, probability: float
) -> None:
    off(ledger)
    received = ledger.receive()
    score(ledger, received.instance_id, said, probability)
    before = worklist_row(ledger.database, "1.2.3")
    assert before is not None
    assert (before.ai_priority, before.priority) == (None, Priority.ROUTINE)
    row = conclude(ledger, concluder, received.study_id)
    assert (row.outcome, row.reason, row.probability) == (Outcome.NOT_ANALYSED, TRIAGE_OFF, None)
    assert (row.ai_priority, row.priority, row.due_at) == (None, Priority.ROUTINE, before.due_at)
    with ledger.database.read() as connection:
        shown = connection.execute(select(image_result)).one()
        kept = connection.execute(select(withheld_result)).one()
    assert (shown.outcome, shown.reason, shown.score, shown.probability, shown.heat_map) == (
        Outcome.NOT_ANALYSED,
        TRIAGE_OFF,
        None,
        None,
        None,
    )
    assert (kept.outcome, kept.score, kept.probability) == (said, probability, probability)


def test_what_was_scored_before_and_is_concluded_after_is_not_told_either_but_keeps_its_place(
    ledger: Ledger, concluder: Concluder
) -> None:
    received = ledger.receive()
    score(ledger, received.instance_id, Outcome.FLAGGED, 0.9)
    off(ledger)
    row = conclude(ledger, concluder, received.study_id)
    assert (row.outcome, row.reason) == (Outcome.NOT_ANALYSED, TRIAGE_OFF)
    assert (row.ai_priority, row.priority) == (Priority.MEDIUM, Priority.MEDIUM)


def test_what_was_concluded_before_stays_as_it_was(ledger: Ledger, concluder: Concluder) -> None:
    received = ledger.receive()
    score(ledger, received.instance_id, Outcome.FLAGGED, 0.9)
    conclude(ledger, concluder, received.study_id)
    off(ledger)
    row = worklist_row(ledger.database, "1.2.3")
    assert row is not None
    assert (row.outcome, row.probability, row.priority) == (Outcome.FLAGGED, 0.9, Priority.MEDIUM)


def test_a_late_image_of_a_flagged_study_takes_nothing_back_and_lowers_nobody(
    ledger: Ledger, concluder: Concluder
) -> None:
    received = ledger.receive()
    score(ledger, received.instance_id, Outcome.FLAGGED, 0.9)
    conclude(ledger, concluder, received.study_id)
    off(ledger)
    late = ledger.receive()
    score(ledger, late.instance_id, Outcome.NOT_FLAGGED, 0.1)
    ledger.now += timedelta(hours=1)
    close_due(ledger.database, ledger.queue, now=ledger.now)
    found = study_to_conclude(ledger.database, received.study_id)
    assert found is not None
    assert concluder._conclusion(found).taken_back is None
    row = conclude(ledger, concluder, received.study_id)
    assert (row.outcome, row.reason) == (Outcome.NOT_ANALYSED, f"2 of 2 images: {TRIAGE_OFF}")
    assert row.priority is Priority.MEDIUM


@pytest.mark.parametrize(
    ("outcome", "reason"), [(Outcome.FAILED, "pixel data is truncated"), (Outcome.NOT_ANALYSED, "no chest")]
)
def test_why_an_image_failed_or_was_declined_is_still_said(
    ledger: Ledger, concluder: Concluder, outcome: Outcome, reason: str
) -> None:
    off(ledger)
    received = ledger.receive()
    score(ledger, received.instance_id, outcome, None, reason)
    row = conclude(ledger, concluder, received.study_id)
    assert (row.outcome, row.reason) == (outcome, reason)


@pytest.mark.parametrize("throw", [off, on])
def test_a_conclusion_that_was_made_before_the_switch_moved_is_not_recorded_but_made_anew(
    ledger: Ledger, concluder: Concluder, throw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if throw is on:
        off(ledger)
    received = ledger.receive()
    score(ledger, received.instance_id, Outcome.NOT_FLAGGED, 0.1)
    ledger.now += timedelta(hours=1)
    close_due(ledger.database, ledger.queue, now=ledger.now)
    real = study_to_conclude

    def and_then(*arguments: Any) -> Any:
        found = real(*arguments)
        monkeypatch.undo()
        throw(ledger)
        return found

    monkeypatch.setattr("agent.line.conclude.study_to_conclude", and_then)
    job = Job(kind="conclude", key=str(received.study_id), attempt=1, due_at=ledger.now)
    assert isinstance(concluder.conclude(job), RetryAt)
    with ledger.database.read() as connection:
        assert connection.scalars(select(study.c.outcome)).one() is None
    assert concluder.conclude(job) == Done()
    row = worklist_row(ledger.database, "1.2.3")
    assert row is not None
    assert row.outcome is Outcome.NOT_ANALYSED  # also after it was switched on: it had been withheld


def test_switched_on_again_what_nobody_has_read_is_analysed_again_when_a_person_says_so(
    ledger: Ledger, concluder: Concluder
) -> None:
    off(ledger)
    received = ledger.receive()
    score(ledger, received.instance_id, Outcome.FLAGGED, 0.9)
    conclude(ledger, concluder, received.study_id)
    assert count_not_triaged(ledger.database) == 1
    again = {"who": OPERATOR, "now": ledger.now, "limit": 10}
    assert requeue_not_triaged(ledger.database, ledger.queue, **again) == 0
    on(ledger)
    assert requeue_not_triaged(ledger.database, ledger.queue, **again) == 1
    assert count_not_triaged(ledger.database) == 0
    score(ledger, received.instance_id, Outcome.FLAGGED, 0.9)
    row = conclude(ledger, concluder, received.study_id)
    assert (row.outcome, row.priority) == (Outcome.FLAGGED, Priority.MEDIUM)


def test_what_somebody_reads_meanwhile_stays_and_who_began_is_on_record_even_if_it_breaks_off(
    ledger: Ledger, concluder: Concluder, monkeypatch: pytest.MonkeyPatch
) -> None:
    off(ledger)
    for uid in ("1.2.3", "1.2.4", "1.2.5"):
        received = ledger.receive(study_instance_uid=uid, series_instance_uid=f"{uid}.1")
        score(ledger, received.instance_id, Outcome.FLAGGED, 0.9)
        conclude(ledger, concluder, received.study_id)
    on(ledger)
    begun: list[str] = []

    def slow(database: Any, queue: Any, uid: str, **how: Any) -> int:
        begun.append(uid)
        if len(begun) == 1:
            return requeue_study(database, queue, uid, **how)
        if len(begun) == 3:
            raise DatabaseUnavailableError
        with database.begin() as connection:
            study_id = connection.scalars(select(study.c.id).where(study.c.study_instance_uid == uid)).one()
            record_read(connection, study_id, how="final report (HL7)", at=ledger.now)
        return requeue_study(database, queue, uid, **how)

    monkeypatch.setattr("db.not_triaged.requeue_study", slow)
    with pytest.raises(DatabaseUnavailableError):
        requeue_not_triaged(ledger.database, ledger.queue, who=OPERATOR, now=ledger.now, limit=10)
    with ledger.database.read() as connection:
        rows = connection.execute(select(study.c.study_instance_uid, study.c.revision)).all()
    assert [dict(map(tuple, rows))[uid] for uid in begun] == [2, 1, 1]
    assert "up to 3 studies" in search(ledger.database, AuditQuery()).rows[0].event.detail


def test_it_is_thrown_once_with_a_reason_and_the_trail_and_the_alerts_say_so(ledger: Ledger) -> None:
    assert triage_off(ledger.database) is None
    with pytest.raises(RefusedError, match="expected a reason"):
        switch_off(ledger.database, reason=" ", who=OPERATOR, now=ledger.now)
    with pytest.raises(RefusedError, match="Received: on"):
        on(ledger)
    off(ledger)
    with pytest.raises(RefusedError, match="switched off since"):
        off(ledger)
    found = triage_off(ledger.database)
    assert found is not None
    assert (found.off_at, found.off_by, found.off_reason) == (ledger.now, "olga", "new detector")
    with ledger.database.read() as connection:
        stands = [one for one in standing(connection, {}, now=ledger.now) if one.trouble is Trouble.TRIAGE_OFF]
    assert [(one.destination, one.since, one.reason) for one in stands] == [("triage", ledger.now, "by olga")]
    on(ledger)
    assert triage_off(ledger.database) is None
    assert [(one.on_by, one.on_reason) for one in switches(ledger.database)] == [("olga", "validated")]
    said = [(row.event.who.name, row.event.detail) for row in search(ledger.database, AuditQuery()).rows]
    assert said == [
        ("olga", "triage switched on again: validated"),
        ("olga", "triage switched off: new detector"),
    ]


def test_a_recorded_conclusion_never_says_not_flagged_while_it_is_off(ledger: Ledger, concluder: Concluder) -> None:
    """Whoever computes it: the transaction itself refuses."""
    received = ledger.receive()
    score(ledger, received.instance_id, Outcome.NOT_FLAGGED, 0.1)
    ledger.now += timedelta(hours=1)
    close_due(ledger.database, ledger.queue, now=ledger.now)
    found = study_to_conclude(ledger.database, received.study_id)
    assert found is not None
    made = concluder._conclusion(found)
    assert made.outcome.outcome is Outcome.NOT_FLAGGED
    off(ledger)
    assert not record_conclusion(ledger.database, ledger.queue, made)
