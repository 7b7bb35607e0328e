"""Performed procedure steps before, during and after the images: they hold a study, end it, or withdraw its images."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from db.analysis import ImageResult, record_image_result, score_task
from db.arrival import note_association_ended
from db.completion import close_due
from db.conclusion import ReportOrder, record_conclusion, study_to_conclude
from db.delivery import delivery_task
from db.delivery_attempt import acknowledge
from db.lifecycle import State
from db.outcome import Outcome, study_outcome
from db.performed import StepState
from db.priority import Priority
from db.queue import Done, Job, open_queue
from db.requeue import requeue_study
from db.steps import NewStep, StepChange, StepLedger, Taken
from db.withdrawal import enqueue_withdrawals, record_withdrawal, withdrawal_to_record
from db.worklist import study_record, worklist_row

PACS = ReportOrder(kind="sr", media_type="application/dicom", destinations=("pacs",))
WRONG_ENTRY = "110514"


class Modality:
    """A modality that tells of its steps, and the agent's lines behind it."""

    def __init__(self, ledger: Any) -> None:
        self.ledger = ledger
        self.steps = StepLedger(ledger.database, ledger.queue, ledger.timing, ledger.allowances)

    def begin(
        self, step: str = "1.9.1", *, studies: tuple[str, ...] = ("1.2.3",), named: tuple[str, ...] = ()
    ) -> Taken:
        new = NewStep(
            sop_instance_uid=step,
            study_instance_uids=studies,
            named=named,
            calling_ae_title="SCANNER",
            at=self.ledger.now,
        )
        return self.steps.create(new)

    def end(
        self,
        step: str = "1.9.1",
        state: StepState | None = StepState.COMPLETED,
        *,
        named: tuple[str, ...] | None = None,
        reason: str = "",
    ) -> Taken:
        at, radiographs = self.ledger.now, frozenset(named or ())
        change = StepChange(
            sop_instance_uid=step, state=state, reason_code=reason, named=named, at=at, radiographs=radiographs
        )
        return self.steps.change(change)

    def discontinue(self, step: str = "1.9.1", *, named: tuple[str, ...] | None = None) -> Taken:
        return self.end(step, StepState.DISCONTINUED, named=named, reason=WRONG_ENTRY)

    def release(self, association: str = "a") -> None:
        closes_at = self.ledger.now + timedelta(seconds=2)
        note_association_ended(self.ledger.database, association, closes_at=closes_at)

    def close(self, seconds: float) -> int:
        self.ledger.now += timedelta(seconds=seconds)
        return close_due(self.ledger.database, self.ledger.queue, now=self.ledger.now)

    def score(self, instance_id: int, outcome: Outcome = Outcome.NOT_FLAGGED) -> None:
        task = score_task(self.ledger.database, instance_id)
        assert task is not None
        now = self.ledger.now
        found = ImageResult(outcome=outcome, probability=0.5, started_at=now, finished_at=now)
        record_image_result(self.ledger.database, self.ledger.queue, task, found, allowances=self.ledger.allowances)

    def conclude(self, study_id: int, *orders: ReportOrder) -> bool:
        study = study_to_conclude(self.ledger.database, study_id)
        found = study is not None and self.conclusion(study, orders)
        return bool(found) and record_conclusion(self.ledger.database, self.ledger.queue, found)

    def withdraw(self, study_id: int, *orders: ReportOrder) -> bool:
        study = withdrawal_to_record(self.ledger.database, study_id)
        found = study is not None and self.conclusion(study, orders)
        return bool(found) and record_withdrawal(self.ledger.database, self.ledger.queue, found)

    def conclusion(self, study: Any, orders: tuple[ReportOrder, ...] = ()) -> Any:
        return self.ledger.conclusion(
            study.study_id,
            *orders,
            revision=study.revision,
            withdrawals=study.withdrawals,
            missing=study.missing,
            outcome=study_outcome(
                study.images, conflict=study.conflict, withdrawn=study.withdrawn, missing=study.missing
            ),
        )

    @property
    def row(self) -> Any:
        return worklist_row(self.ledger.database, "1.2.3")

    @property
    def record(self) -> Any:
        return study_record(self.ledger.database, "1.2.3")


@pytest.fixture
def modality(ledger: Any) -> Modality:
    return Modality(ledger)


def test_a_step_in_progress_holds_a_study_whose_association_has_ended_and_its_end_closes_it(modality: Modality) -> None:
    modality.begin()
    modality.ledger.receive(association_id="a", sop_instance_uid="1.2.1")
    modality.release()
    assert modality.close(200) == 0
    modality.end(named=("1.2.1",))
    assert modality.close(0) == 1


def test_a_step_that_begins_after_the_first_image_holds_the_study_too(modality: Modality) -> None:
    modality.ledger.receive(association_id="a")
    modality.begin()
    modality.release()
    assert modality.close(200) == 0


def test_a_step_that_never_ends_delays_a_study_for_five_minutes_at_most(modality: Modality) -> None:
    modality.begin()
    modality.ledger.receive(association_id="a")
    modality.release()
    assert modality.close(299) == 0
    assert modality.close(1) == 1


def test_a_step_that_ends_before_its_last_image_does_not_cut_it_off(modality: Modality) -> None:
    modality.begin()
    modality.ledger.receive(association_id="a", sop_instance_uid="1.2.1")
    modality.end(named=("1.2.1", "1.2.2"))
    modality.release()
    assert modality.close(20) == 0
    modality.ledger.receive(association_id="b", sop_instance_uid="1.2.2")
    assert modality.close(0) == 1
    assert modality.row.revision == 1


def test_a_step_that_ended_before_the_first_image_closes_the_study_with_the_last_it_names(modality: Modality) -> None:
    modality.begin()
    modality.end(named=("1.2.1", "1.2.2"))
    modality.ledger.receive(association_id="a", sop_instance_uid="1.2.1")
    assert modality.close(0) == 0
    modality.ledger.receive(association_id="a", sop_instance_uid="1.2.2")
    assert modality.close(0) == 1


def test_what_a_step_names_and_nobody_sends_delays_a_study_until_it_is_quiet(modality: Modality) -> None:
    modality.begin()
    modality.ledger.receive(association_id="a", sop_instance_uid="1.2.1")
    modality.end(named=("1.2.1", "1.2.9"))
    modality.release()
    assert modality.close(29) == 0
    assert modality.close(1) == 1


def test_a_step_that_names_nothing_leaves_the_study_to_the_release(modality: Modality) -> None:
    modality.begin()
    modality.ledger.receive(association_id="a", sop_instance_uid="1.2.1")
    modality.end()
    assert modality.close(20) == 0
    modality.release()
    assert modality.close(2) == 1


def test_a_step_that_names_nothing_and_ends_after_the_release_closes_the_study_soon(modality: Modality) -> None:
    modality.begin()
    modality.ledger.receive(association_id="a", sop_instance_uid="1.2.1")
    modality.release()
    modality.ledger.now += timedelta(seconds=40)
    modality.end()
    assert modality.close(2) == 1


def test_a_study_of_two_steps_waits_for_both(modality: Modality) -> None:
    modality.begin("1.9.1")
    modality.begin("1.9.2")
    modality.ledger.receive(association_id="a", sop_instance_uid="1.2.1")
    modality.release()
    modality.end("1.9.1", named=("1.2.1",))
    assert modality.close(40) == 0
    modality.end("1.9.2", named=())
    assert modality.close(2) == 1


def test_an_image_that_no_step_names_is_not_taken_for_the_last(modality: Modality) -> None:
    modality.begin()
    modality.ledger.receive(association_id="a", sop_instance_uid="1.2.1")
    modality.ledger.receive(association_id="b", sop_instance_uid="1.2.7")
    modality.end(named=("1.2.1",))
    assert modality.close(0) == 0


def test_what_is_known_unknown_and_final_is_said(modality: Modality) -> None:
    assert modality.begin() is Taken.RECORDED
    assert modality.begin() is Taken.DUPLICATE
    assert modality.end("1.9.7") is Taken.UNKNOWN
    assert modality.end(state=None, named=("1.2.1",)) is Taken.RECORDED
    assert modality.end(state=StepState.IN_PROGRESS) is Taken.RECORDED
    assert modality.end() is Taken.RECORDED
    assert modality.discontinue() is Taken.FINAL


def test_discontinuing_a_concluded_study_withdraws_its_result_its_priority_and_its_unsent_report(
    modality: Modality,
) -> None:
    ledger = modality.ledger
    modality.begin()
    received = ledger.receive(association_id="a", sop_instance_uid="1.2.1")
    modality.score(received.instance_id, Outcome.FLAGGED)
    modality.close(300)
    modality.conclude(received.study_id, PACS)
    assert (modality.row.outcome, modality.row.priority) == (Outcome.FLAGGED, Priority.MEDIUM)
    (unsent,) = modality.record.deliveries
    modality.discontinue(named=("1.2.1",))
    # At once, in the transaction that is answered with success:
    assert (modality.row.outcome, modality.row.reason) == (
        Outcome.NOT_ANALYSED,
        "withdrawn: incorrect worklist entry selected",
    )
    assert (modality.row.priority, modality.row.ai_priority) == (Priority.ROUTINE, None)
    assert modality.row.due_at == modality.row.received_at + timedelta(hours=8)
    assert delivery_task(ledger.database, unsent["id"]) is None
    # And then, by a job, with a report of its own:
    assert ledger.waiting()["withdraw"] == 1
    assert modality.withdraw(received.study_id, PACS)
    assert not modality.withdraw(received.study_id, PACS), "safe to repeat"
    assert (modality.row.state, modality.row.revision) == (State.CONCLUDED, 2)
    assert [(result["revision"], result["outcome"]) for result in modality.record.results] == [
        (1, "flagged"),
        (2, "not_analysed"),
    ]
    assert [report["version"] for report in modality.record.reports] == [1, 2]
    assert [delivery["state"] for delivery in modality.record.deliveries] == ["SUPERSEDED", "QUEUED"]
    assert "WITHDRAWN" in [event["event"] for event in modality.record.events]


def test_a_delivered_report_gets_a_successor_that_says_withdrawn(modality: Modality) -> None:
    modality.begin()
    received = modality.ledger.receive(sop_instance_uid="1.2.1")
    modality.score(received.instance_id)
    modality.close(300)
    modality.conclude(received.study_id, PACS)
    acknowledge(modality.ledger.database, modality.record.deliveries[0]["id"], detail="0000", at=modality.ledger.now)
    assert modality.row.state is State.DELIVERED
    modality.discontinue(named=("1.2.1",))
    assert modality.withdraw(received.study_id, PACS)
    assert [delivery["state"] for delivery in modality.record.deliveries] == ["ACKNOWLEDGED", "QUEUED"]
    assert modality.row.state is State.CONCLUDED


@pytest.mark.parametrize("scored", [False, True])
def test_discontinuing_a_study_that_arrives_concludes_it_as_withdrawn_and_never_as_analysed(
    modality: Modality, *, scored: bool
) -> None:
    modality.begin()
    received = modality.ledger.receive(association_id="a", sop_instance_uid="1.2.1")
    if scored:
        modality.score(received.instance_id, Outcome.FLAGGED)
    modality.discontinue(named=("1.2.1",))
    assert modality.row.ai_priority is None
    assert modality.close(0) == 1
    assert modality.conclude(received.study_id)
    assert (modality.row.outcome, modality.row.reason) == (
        Outcome.NOT_ANALYSED,
        "withdrawn: incorrect worklist entry selected",
    )


def test_an_image_that_is_being_scored_when_it_is_withdrawn_raises_nothing(modality: Modality) -> None:
    modality.begin()
    received = modality.ledger.receive(sop_instance_uid="1.2.1")
    task = score_task(modality.ledger.database, received.instance_id)
    assert task is not None
    modality.discontinue(named=("1.2.1",))
    now = modality.ledger.now
    found = ImageResult(outcome=Outcome.FLAGGED, probability=0.9, started_at=now, finished_at=now)
    record_image_result(
        modality.ledger.database, modality.ledger.queue, task, found, allowances=modality.ledger.allowances
    )
    assert modality.row.ai_priority is None


def test_a_withdrawal_between_the_look_and_the_conclusion_is_not_overlooked(modality: Modality) -> None:
    received = modality.ledger.receive(sop_instance_uid="1.2.1")
    modality.begin()
    modality.score(received.instance_id, Outcome.FLAGGED)
    modality.close(300)
    seen = study_to_conclude(modality.ledger.database, received.study_id)
    modality.discontinue(named=("1.2.1",))
    assert not record_conclusion(modality.ledger.database, modality.ledger.queue, modality.conclusion(seen))
    assert modality.conclude(received.study_id)
    assert modality.row.outcome is Outcome.NOT_ANALYSED


def test_images_that_a_step_names_between_the_look_and_the_conclusion_are_missed(modality: Modality) -> None:
    modality.begin()
    received = modality.ledger.receive(association_id="a", sop_instance_uid="1.2.1")
    modality.score(received.instance_id)
    assert modality.close(900) == 1
    looked = study_to_conclude(modality.ledger.database, received.study_id)
    modality.end(named=("1.2.1", "1.2.2"))
    conclusion = modality.conclusion(looked)
    assert conclusion.outcome.outcome is Outcome.NOT_FLAGGED
    assert not record_conclusion(modality.ledger.database, modality.ledger.queue, conclusion)
    assert modality.ledger.waiting()["conclude"] == 1
    assert modality.conclude(received.study_id)
    assert (modality.row.outcome, modality.row.reason) == (
        Outcome.NOT_ANALYSED,
        "1 of 2 images that the modality names did not arrive",
    )


def test_a_withdrawn_image_that_comes_between_the_look_and_the_conclusion_lets_a_job_look_again(
    modality: Modality,
) -> None:
    ledger, jobs, stop = modality.ledger, [], threading.Event()
    modality.begin()
    modality.discontinue(named=("1.2.3.9",))
    study_id = ledger.receive(candidate=False).study_id
    assert modality.close(60) == 1

    def conclude(job: Job) -> Done:
        jobs.append(job)
        stop.set()
        return Done()

    hour = timedelta(hours=1)
    open_queue(ledger.database, clock=lambda: ledger.now + hour).run({"conclude": conclude}, stop=stop, concurrency=1)
    assert ledger.waiting() == {}
    assert ledger.receive(sop_instance_uid="1.2.3.9").study_id == study_id
    assert ledger.waiting() == {"conclude": 1}
    assert modality.conclude(study_id)


def test_a_discontinued_step_beside_a_completed_one_withdraws_only_its_own_images(modality: Modality) -> None:
    modality.begin("1.9.1")
    reject = modality.ledger.receive(sop_instance_uid="1.2.1")
    modality.discontinue("1.9.1", named=("1.2.1",))
    modality.begin("1.9.2")
    repeat = modality.ledger.receive(sop_instance_uid="1.2.2")
    modality.end("1.9.2", named=("1.2.2",))
    assert score_task(modality.ledger.database, reject.instance_id) is None
    modality.score(repeat.instance_id)
    assert modality.close(0) == 1
    modality.conclude(repeat.study_id)
    assert (modality.row.outcome, modality.row.revision) == (Outcome.NOT_FLAGGED, 1)


def test_a_concluded_study_that_loses_one_of_its_images_is_concluded_anew_from_the_rest(modality: Modality) -> None:
    modality.begin("1.9.1")
    modality.begin("1.9.2")
    one, two = (modality.ledger.receive(sop_instance_uid=uid) for uid in ("1.2.1", "1.2.2"))
    modality.score(one.instance_id, Outcome.FLAGGED)
    modality.score(two.instance_id)
    modality.close(300)
    modality.conclude(one.study_id, PACS)
    modality.discontinue("1.9.1", named=("1.2.1",))
    assert modality.row.ai_priority is None, "the flagged image is gone"
    assert modality.withdraw(one.study_id, PACS)
    assert (modality.row.outcome, modality.row.revision) == (Outcome.NOT_FLAGGED, 2)


@pytest.mark.parametrize(
    ("later", "counts"),
    [
        ({"sop_instance_uid": "1.2.9"}, False),  # named by the step that was discontinued
        ({"performed_step_uid": "1.9.1"}, False),  # names that step itself
        ({"performed_step_uid": "1.9.7"}, True),  # another step's, which does not tell us
        ({"calling_ae_title": "OTHER"}, True),  # nothing ties it to that step
    ],
)
def test_a_later_image_of_a_withdrawn_study_counts_unless_the_discontinued_step_made_it(
    modality: Modality, later: dict[str, str], *, counts: bool
) -> None:
    modality.begin()
    first = modality.ledger.receive(sop_instance_uid="1.2.1")
    modality.discontinue(named=("1.2.1", "1.2.9"))
    modality.close(0)
    modality.conclude(first.study_id)
    late = modality.ledger.receive(**later)
    assert (score_task(modality.ledger.database, late.instance_id) is not None) is counts
    assert modality.row.revision == (2 if counts else 1)


def test_images_that_nothing_ties_to_a_discontinued_step_of_their_ae_that_names_none_are_withdrawn(
    modality: Modality,
) -> None:
    modality.begin()
    first = modality.ledger.receive()
    modality.discontinue()
    assert score_task(modality.ledger.database, first.instance_id) is None
    late = modality.ledger.receive()
    assert score_task(modality.ledger.database, late.instance_id) is None
    modality.begin("1.9.2")
    repeat = modality.ledger.receive()
    assert score_task(modality.ledger.database, repeat.instance_id) is not None, "the repeat's own step stands"


def test_a_step_discontinued_before_any_image_withdraws_nothing_of_another_ae(modality: Modality) -> None:
    modality.begin()
    modality.discontinue()
    received = modality.ledger.receive(calling_ae_title="OTHER")
    assert score_task(modality.ledger.database, received.instance_id) is not None


def test_a_person_who_puts_a_withdrawn_study_back_gets_no_analysis_of_withdrawn_images(modality: Modality) -> None:
    modality.begin()
    received = modality.ledger.receive(sop_instance_uid="1.2.1")
    modality.discontinue(named=("1.2.1",))
    modality.close(0)
    modality.conclude(received.study_id)
    requeue_study(modality.ledger.database, modality.ledger.queue, "1.2.3", actor="test", now=modality.ledger.now)
    assert modality.conclude(received.study_id)
    assert modality.row.outcome is Outcome.NOT_ANALYSED


def test_a_withdrawal_whose_job_was_given_up_is_enqueued_again(modality: Modality) -> None:
    modality.begin()
    received = modality.ledger.receive(sop_instance_uid="1.2.1")
    modality.score(received.instance_id)
    modality.close(300)
    modality.conclude(received.study_id)
    modality.discontinue(named=("1.2.1",))
    assert enqueue_withdrawals(modality.ledger.database, modality.ledger.queue, now=modality.ledger.now) == 1
    modality.withdraw(received.study_id)
    assert enqueue_withdrawals(modality.ledger.database, modality.ledger.queue, now=modality.ledger.now) == 0
