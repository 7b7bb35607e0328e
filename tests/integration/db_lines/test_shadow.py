"""The second model's rows, on SQLite and on PostgreSQL: once an image and weights, and nothing of the study moves."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from db import kinds
from db.analysis import ImageResult, record_image_result, score_task
from db.completion import close_due
from db.errors import ConstraintError
from db.outcome import Outcome
from db.requeue import requeue_study
from db.schema.domain import study
from db.shadow import ShadowScore, record_shadow_score, shadow_task
from db.stored_scores import stored_scores
from db.worklist import study_record

FIRST, SECOND, THIRD = "1" * 64, "2" * 64, "3" * 64


def first(
    ledger: Any, instance_id: int, probability: float | None = 0.9, *, shadowed: bool = True, **more: Any
) -> bool:
    """Record what the first model says of an image; None: it could not be analysed."""
    task = score_task(ledger.database, instance_id)
    assert task is not None
    outcome = Outcome.FAILED if probability is None else Outcome.FLAGGED if probability >= 0.5 else Outcome.NOT_FLAGGED
    values: dict[str, Any] = {"model_name": "first", "model_version": "1", "model_sha256": FIRST} | more
    found = ImageResult(
        outcome=outcome, probability=probability, started_at=ledger.now, finished_at=ledger.now, **values
    )
    return record_image_result(
        ledger.database, ledger.queue, task, found, allowances=ledger.allowances, shadowed=shadowed
    )


def said(ledger: Any, probability: float | None = 0.2, *, sha256: str = SECOND, **more: Any) -> ShadowScore:
    number = {} if probability is None else {"score": 0.0, "probability": probability, "flagged": probability >= 0.5}
    values: dict[str, Any] = {"model_name": "second", "model_version": "7", "threshold": 0.5} | number | more
    return ShadowScore(model_sha256=sha256, started_at=ledger.now, finished_at=ledger.now, **values)


def second(ledger: Any, instance_id: int, probability: float | None = 0.2, **more: Any) -> bool:
    """Record what the second model says of an image."""
    found = said(ledger, probability, **more)
    task = shadow_task(ledger.database, instance_id, model_sha256=found.model_sha256)
    return task is not None and record_shadow_score(ledger.database, task, found)


def analysed_again(ledger: Any, uid: str = "1.2.3") -> None:
    """Conclude the study as nothing but its row says, and begin a new revision."""
    with ledger.database.begin() as connection:
        connection.execute(update(study).where(study.c.study_instance_uid == uid).values(state="CONCLUDED"))
    requeue_study(ledger.database, ledger.queue, uid, actor="user", now=ledger.now)


def test_a_scored_image_waits_for_the_second_model_and_others_do_not(ledger: Any) -> None:
    scored, failed, alone = (ledger.receive().instance_id for _ in range(3))
    first(ledger, scored)
    first(ledger, failed, None)
    first(ledger, alone, shadowed=False)
    assert ledger.waiting().get(kinds.SHADOW) == 1
    assert shadow_task(ledger.database, scored, model_sha256=SECOND) is not None
    assert shadow_task(ledger.database, failed, model_sha256=SECOND) is None


def test_an_image_that_the_first_model_has_not_scored_is_none_of_the_second_ones(ledger: Any) -> None:
    assert shadow_task(ledger.database, ledger.receive().instance_id, model_sha256=SECOND) is None
    assert shadow_task(ledger.database, 4711, model_sha256=SECOND) is None


def test_the_second_model_waits_in_nobodys_way(ledger: Any) -> None:
    """The study concludes with the job of the second model still waiting."""
    image = ledger.receive().instance_id
    first(ledger, image)
    ledger.now += timedelta(seconds=31)
    close_due(ledger.database, ledger.queue, now=ledger.now)
    assert ledger.waiting() == {kinds.SCORE: 1, kinds.SHADOW: 1, kinds.CONCLUDE: 1}


def test_a_score_is_recorded_once_for_each_image_and_weights(ledger: Any) -> None:
    image = ledger.receive().instance_id
    first(ledger, image)
    task = shadow_task(ledger.database, image, model_sha256=SECOND)
    assert task is not None
    assert record_shadow_score(ledger.database, task, said(ledger, 0.2))
    assert not record_shadow_score(ledger.database, task, said(ledger, 0.7)), "a job that was delivered twice"
    assert shadow_task(ledger.database, image, model_sha256=SECOND) is None
    stored = stored_scores(ledger.database, "second")
    assert stored is not None
    assert stored.scores[image].probability == 0.2
    assert second(ledger, image, 0.7, sha256=THIRD), "another second model has its own say"


def test_two_workers_that_record_the_same_score_at_once_leave_one(ledger: Any) -> None:
    image = ledger.receive().instance_id
    first(ledger, image)
    task = shadow_task(ledger.database, image, model_sha256=SECOND)
    assert task is not None
    recorded: list[bool] = []
    threads = [
        threading.Thread(target=lambda: recorded.append(record_shadow_score(ledger.database, task, said(ledger))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(recorded) == [False, False, False, True]


def test_nothing_that_people_or_reports_see_moves(ledger: Any) -> None:
    image = ledger.receive().instance_id
    first(ledger, image, 0.1)
    before = study_record(ledger.database, "1.2.3")
    assert second(ledger, image, 0.99)
    assert study_record(ledger.database, "1.2.3") == before


def test_a_new_revision_of_the_study_keeps_the_second_models_score(ledger: Any) -> None:
    image = ledger.receive().instance_id
    first(ledger, image)
    assert second(ledger, image)
    ledger.now += timedelta(minutes=1)
    analysed_again(ledger)
    first(ledger, image, 0.4)
    assert not second(ledger, image), "the same weights say the same of the same bytes"
    task = shadow_task(ledger.database, image, model_sha256=THIRD)
    assert task is not None
    assert task.revision == 2


def test_a_row_is_a_score_or_a_reason_and_never_both_or_neither(ledger: Any) -> None:
    image = ledger.receive().instance_id
    first(ledger, image)
    task = shadow_task(ledger.database, image, model_sha256=SECOND)
    assert task is not None
    for odd in (said(ledger, None), said(ledger, 0.2, reason="broken"), said(ledger, 0.2, flagged=None)):
        with pytest.raises(ConstraintError):
            record_shadow_score(ledger.database, task, odd)
    assert record_shadow_score(ledger.database, task, said(ledger, None, reason="broken"))


class TestStoredScores:
    """What `tibabu compare` reads."""

    def test_the_two_models_scores_meet_by_image(self, ledger: Any) -> None:
        images = [ledger.receive().instance_id for _ in range(3)]
        for image, probability in zip(images, (0.1, 0.6, 0.9), strict=True):
            first(ledger, image, probability)
        second(ledger, images[0], 0.7)
        second(ledger, images[1], None, reason="broken")
        a, b = (stored_scores(ledger.database, name) for name in ("first", "second"))
        assert a is not None
        assert b is not None
        assert (a.sha256, a.version, a.failed) == (FIRST, "1", 0)
        assert (b.sha256, b.version, b.failed) == (SECOND, "7", 1)
        assert {key: (s.probability, s.flagged) for key, s in a.scores.items()} == dict(
            zip(images, [(0.1, False), (0.6, True), (0.9, True)], strict=True)
        )
        assert {key: (s.probability, s.flagged) for key, s in b.scores.items()} == {images[0]: (0.7, True)}

    def test_a_model_that_never_spoke_has_none(self, ledger: Any) -> None:
        assert stored_scores(ledger.database, "second") is None

    def test_images_of_one_patient_belong_together_and_a_study_without_one_is_alone(self, ledger: Any) -> None:
        rows = [("1.1", "P1"), ("1.2", "P1"), ("1.3", "P2"), ("1.4", ""), ("1.5", "")]
        images = [ledger.receive(study_instance_uid=uid, patient_id=who).instance_id for uid, who in rows]
        for image in images:
            first(ledger, image)
        stored = stored_scores(ledger.database, "first")
        assert stored is not None
        patients = [stored.scores[image].patient for image in images]
        assert patients[0] == patients[1]
        assert len(set(patients)) == 4

    def test_images_received_before_the_time_asked_for_are_left_out(self, ledger: Any) -> None:
        first(ledger, ledger.receive().instance_id)
        ledger.now += timedelta(days=1)
        late = ledger.receive(study_instance_uid="1.2.4").instance_id
        first(ledger, late)
        stored = stored_scores(ledger.database, "first", since=ledger.now)
        assert stored is not None
        assert list(stored.scores) == [late]

    def test_of_several_weights_of_one_name_the_last_ones_count(self, ledger: Any) -> None:
        image = ledger.receive().instance_id
        first(ledger, image)
        second(ledger, image, 0.2)
        ledger.now += timedelta(minutes=1)
        second(ledger, image, 0.8, sha256=THIRD, model_version="8")
        stored = stored_scores(ledger.database, "second")
        assert stored is not None
        assert (stored.version, stored.sha256, stored.older_weights) == ("8", THIRD, 1)
        assert stored.scores[image].probability == 0.8

    def test_of_several_revisions_the_latest_counts(self, ledger: Any) -> None:
        image = ledger.receive().instance_id
        first(ledger, image, 0.9)
        analysed_again(ledger)
        first(ledger, image, 0.1)
        stored = stored_scores(ledger.database, "first")
        assert stored is not None
        assert stored.scores[image].probability == 0.1

    def test_a_model_that_changed_places_is_found_in_both(self, ledger: Any) -> None:
        """What was the second model yesterday is the first one today."""
        old, new = (ledger.receive().instance_id for _ in range(2))
        first(ledger, old)
        second(ledger, old, 0.2, sha256=SECOND)
        first(ledger, new, 0.3, model_name="second", model_version="7", model_sha256=SECOND)
        stored = stored_scores(ledger.database, "second")
        assert stored is not None
        assert {key: score.probability for key, score in stored.scores.items()} == {old: 0.2, new: 0.3}
