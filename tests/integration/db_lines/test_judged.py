"""A result names one model at one operating point: what another one judged of its study is judged anew."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from agent.line.conclude import Concluder
from agent.reports.document import ModelIdentity
from db.analysis import ImageResult, record_image_result, score_task
from db.causes import Cause, reason_of
from db.completion import close_due
from db.errors import RefusedError
from db.lifecycle import State
from db.outcome import Outcome
from db.queue import Done, Job
from db.requeue import requeue_study
from db.result_withdrawal import Why, withdraw_result
from db.schema.domain import image_result, instance, result, study

Ledger = Any  # tests/integration/db_lines/conftest.py
OLD = ModelIdentity(name="m", version="1", sha256="ab" * 32, operating_point_name="point", threshold=0.5)
LOWER = replace(OLD, operating_point_name="lower", threshold=0.3)
OTHER = replace(OLD, version="2", sha256="cd" * 32)


def concluder(ledger: Ledger, model: ModelIdentity) -> Concluder:
    return Concluder(
        database=ledger.database,
        queue=ledger.queue,
        installation="1.2",
        model=model,
        routes=(),
        note_takers=(),
        clock=lambda: ledger.now,
    )


def judge(ledger: Ledger, instance_id: int, model: ModelIdentity, probability: float = 0.4) -> None:
    """Record what a worker with this model says of an image that waits for it."""
    task = score_task(ledger.database, instance_id)
    assert task is not None
    found = ImageResult(
        outcome=Outcome.FLAGGED if probability >= model.threshold else Outcome.NOT_FLAGGED,
        probability=probability,
        model_name=model.name,
        model_version=model.version,
        model_sha256=model.sha256,
        threshold=model.threshold,
        started_at=ledger.now,
        finished_at=ledger.now,
    )
    assert record_image_result(ledger.database, ledger.queue, task, found, allowances=ledger.allowances)


def conclude(ledger: Ledger, study_id: int, model: ModelIdentity) -> None:
    ledger.now += timedelta(hours=1)
    close_due(ledger.database, ledger.queue, now=ledger.now)
    job = Job(kind="conclude", key=str(study_id), attempt=1, due_at=ledger.now)
    assert concluder(ledger, model).conclude(job) == Done()


def results(ledger: Ledger) -> list[tuple[Any, ...]]:
    """Return what every result says: outcome, probability, threshold and weights."""
    columns = (result.c.outcome, result.c.probability, result.c.threshold, result.c.model_sha256)
    with ledger.database.read() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).order_by(result.c.revision))]


def state(ledger: Ledger) -> str:
    with ledger.database.read() as connection:
        return str(connection.execute(select(study.c.state)).scalar_one())


@pytest.mark.parametrize(("new", "outcome"), [(LOWER, Outcome.FLAGGED), (OTHER, Outcome.NOT_FLAGGED)])
def test_what_was_scored_before_a_restart_is_not_told_in_the_name_of_the_model_that_came_with_it(
    ledger: Ledger, new: ModelIdentity, outcome: Outcome
) -> None:
    received = ledger.receive()
    judge(ledger, received.instance_id, OLD)
    conclude(ledger, received.study_id, new)
    assert results(ledger) == []
    with pytest.raises(RefusedError):  # it is being analysed: a person waits for that
        requeue_study(ledger.database, ledger.queue, "1.2.3", actor="user", now=ledger.now)
    judge(ledger, received.instance_id, new)
    assert ledger.waiting() == {"score": 1, "conclude": 1}
    conclude(ledger, received.study_id, new)
    assert results(ledger) == [(outcome, 0.4, new.threshold, new.sha256)]
    with ledger.database.read() as connection:  # both are on record
        assert connection.scalars(select(image_result.c.threshold)).all() == [OLD.threshold, new.threshold]


def test_a_late_image_has_the_earlier_ones_judged_by_the_model_that_judges_it(ledger: Ledger) -> None:
    first = ledger.receive()
    judge(ledger, first.instance_id, OLD)
    conclude(ledger, first.study_id, OLD)
    late = ledger.receive()
    judge(ledger, late.instance_id, LOWER, 0.1)
    conclude(ledger, first.study_id, LOWER)
    assert state(ledger) == State.COMPLETE
    assert score_task(ledger.database, late.instance_id) is None  # only those that it has not judged
    judge(ledger, first.instance_id, LOWER)
    conclude(ledger, first.study_id, LOWER)
    assert results(ledger) == [
        (Outcome.NOT_FLAGGED, 0.4, 0.5, OLD.sha256),
        (Outcome.FLAGGED, 0.4, 0.3, OLD.sha256),
    ]


@pytest.mark.parametrize(("threshold", "concluded"), [(0.5, 1), (0.3, 0)])
def test_of_a_version_that_did_not_say_at_which_threshold_the_outcome_tells(
    ledger: Ledger, threshold: float, concluded: int
) -> None:
    received = ledger.receive()
    judge(ledger, received.instance_id, OLD)
    with ledger.database.begin() as connection:
        connection.execute(update(image_result).values(threshold=None))
    conclude(ledger, received.study_id, replace(OLD, threshold=threshold))
    assert len(results(ledger)) == concluded


def test_what_retention_has_removed_keeps_what_was_said_of_it(ledger: Ledger) -> None:
    received = ledger.receive()
    judge(ledger, received.instance_id, OLD)
    with ledger.database.begin() as connection:
        connection.execute(update(instance).values(removed_at=ledger.now))
    conclude(ledger, received.study_id, LOWER)
    assert len(results(ledger)) == 1


def test_what_is_left_of_a_withdrawn_result_stays_the_word_of_who_said_it(ledger: Ledger) -> None:
    received = ledger.receive()
    judge(ledger, received.instance_id, OLD)
    conclude(ledger, received.study_id, OLD)
    why = Why(cause=Cause.QUALITY, reason=reason_of(Cause.QUALITY, ""), actor="user test")
    withdraw_result(ledger.database, ledger.queue, "1.2.3", why, at=ledger.now, allowances=ledger.allowances)
    job = Job(kind="withdraw", key=str(received.study_id), attempt=1, due_at=ledger.now)
    assert concluder(ledger, OTHER).withdraw(job) == Done()
    assert results(ledger)[-1] == (Outcome.NOT_ANALYSED, None, OLD.threshold, OLD.sha256)
