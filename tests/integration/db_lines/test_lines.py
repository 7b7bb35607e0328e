"""The transactions that join the lines, on SQLite and on PostgreSQL."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest

from db.analysis import ImageResult, record_image_result, score_task
from db.attributes import InstanceAttributes
from db.comparison import compare_task, record_comparison
from db.completion import close_due
from db.concluded import concluded_study
from db.conclusion import ReportOrder, record_conclusion, study_to_conclude
from db.delivery import (
    RenderedInstance,
    StoredReport,
    delivery_task,
    record_rendered,
)
from db.delivery_attempt import acknowledge, record_failed_attempt
from db.errors import RefusedError
from db.lifecycle import State
from db.outcome import Outcome, study_outcome
from db.priority import Priority
from db.requeue import requeue_deliveries, requeue_study
from db.roles import Role
from db.worklist import study_record, worklist, worklist_row

PACS = ReportOrder(kind="sr", media_type="application/dicom", destinations=("pacs",))


def score(ledger: Any, instance_id: int, outcome: Outcome = Outcome.NOT_FLAGGED, **more: Any) -> bool:
    task = score_task(ledger.database, instance_id)
    assert task is not None
    probability = {Outcome.FLAGGED: 0.9, Outcome.NOT_FLAGGED: 0.1}.get(outcome)
    found = ImageResult(outcome=outcome, probability=probability, started_at=ledger.now, finished_at=ledger.now, **more)
    return record_image_result(ledger.database, ledger.queue, task, found, allowances=ledger.allowances)


def close(ledger: Any, seconds: float = 31) -> int:
    ledger.now += timedelta(seconds=seconds)
    return close_due(ledger.database, ledger.queue, now=ledger.now)


def conclude(ledger: Any, study_id: int, *orders: ReportOrder) -> bool:
    study = study_to_conclude(ledger.database, study_id)
    if study is None:
        return False
    outcome = study_outcome(study.images, conflict=study.conflict)
    given = {"revision": study.revision, "outcome": outcome, "analysed_at": study.analysed_at or ledger.now}
    return record_conclusion(ledger.database, ledger.queue, ledger.conclusion(study_id, *orders, **given))


def row(ledger: Any, uid: str = "1.2.3") -> Any:
    found = worklist_row(ledger.database, uid)
    assert found is not None
    return found


def delivery_ids(ledger: Any) -> list[int]:
    record = study_record(ledger.database, "1.2.3")
    assert record is not None
    return [delivery["id"] for delivery in record.deliveries]


def test_a_study_goes_from_its_first_instance_to_delivered(ledger: Any) -> None:
    received = ledger.receive()
    assert ledger.waiting() == {"score": 1}
    assert (row(ledger).state, row(ledger).outcome) == (State.RECEIVING, None)
    score(ledger, received.instance_id, Outcome.FLAGGED)
    assert close(ledger) == 1
    assert ledger.waiting()["conclude"] == 1
    assert conclude(ledger, received.study_id, PACS)
    assert (row(ledger).state, row(ledger).outcome) == (State.CONCLUDED, Outcome.FLAGGED)
    (delivery,) = delivery_ids(ledger)
    acknowledge(ledger.database, delivery, detail="0000", at=ledger.now)
    assert row(ledger).state is State.DELIVERED
    record = study_record(ledger.database, "1.2.3")
    assert record is not None
    assert [event["event"] for event in record.events] == [
        "RECEIVED",
        "CANDIDATE_STORED",
        "RAISED",
        "ENDED",
        "CONCLUDED",
        "ALL_ACKNOWLEDGED",
    ]


def test_the_same_bytes_again_are_no_event(ledger: Any) -> None:
    first = ledger.receive(sha256="a" * 64)
    again = ledger.receive(sha256="a" * 64)
    assert (again.instance_id, again.known) == (first.instance_id, True)
    assert row(ledger).instances == 1
    assert ledger.waiting() == {"score": 1}


def test_a_study_still_arriving_is_scored_but_not_concluded(ledger: Any) -> None:
    received = ledger.receive()
    score(ledger, received.instance_id)
    assert "conclude" not in ledger.waiting()
    assert study_to_conclude(ledger.database, received.study_id) is None


def test_the_last_score_of_a_complete_study_enqueues_its_conclusion_and_not_an_earlier_one(ledger: Any) -> None:
    one, two = ledger.receive(), ledger.receive()
    close(ledger)
    score(ledger, one.instance_id)
    assert "conclude" not in ledger.waiting()
    score(ledger, two.instance_id)
    assert ledger.waiting()["conclude"] == 1


def test_an_image_result_is_recorded_once(ledger: Any) -> None:
    received = ledger.receive()
    task = score_task(ledger.database, received.instance_id)
    assert task is not None
    assert score(ledger, received.instance_id)
    assert score_task(ledger.database, received.instance_id) is None
    late = ImageResult(outcome=Outcome.FAILED, reason="x", started_at=ledger.now, finished_at=ledger.now)
    assert not record_image_result(ledger.database, ledger.queue, task, late, allowances=ledger.allowances)


def test_a_flagged_image_raises_its_study_at_once_and_nothing_lowers_it(ledger: Any, noon: datetime) -> None:
    received = ledger.receive()
    assert row(ledger).due_at == noon + timedelta(hours=8)
    score(ledger, received.instance_id, Outcome.FLAGGED)
    assert (row(ledger).state, row(ledger).priority) == (State.RECEIVING, Priority.MEDIUM)
    assert row(ledger).due_at == noon + timedelta(minutes=30)
    close(ledger)
    conclude(ledger, received.study_id)
    requeue_study(ledger.database, ledger.queue, "1.2.3", actor="test", now=ledger.now)
    score(ledger, received.instance_id, Outcome.NOT_FLAGGED)
    conclude(ledger, received.study_id)
    assert (row(ledger).outcome, row(ledger).priority) == (Outcome.NOT_FLAGGED, Priority.MEDIUM)


def test_an_order_above_the_ai_keeps_its_place(ledger: Any, noon: datetime) -> None:
    received = ledger.receive(order_priority=Priority.HIGH)
    score(ledger, received.instance_id, Outcome.FLAGGED)
    assert (row(ledger).priority, row(ledger).due_at) == (Priority.HIGH, noon)


def test_a_late_image_begins_a_revision_and_the_last_outcome_stays_marked_updating(ledger: Any) -> None:
    one = ledger.receive()
    score(ledger, one.instance_id, Outcome.FLAGGED)
    close(ledger)
    conclude(ledger, one.study_id, PACS)
    two = ledger.receive()
    assert (row(ledger).revision, row(ledger).outcome, row(ledger).updating) == (2, Outcome.FLAGGED, True)
    (old,) = delivery_ids(ledger)
    assert delivery_task(ledger.database, old) is not None, "not superseded before the new result is recorded"
    score(ledger, two.instance_id)
    assert close(ledger) == 0, "a late image waits for quiet, twice as long"
    close(ledger)
    assert conclude(ledger, one.study_id, PACS)
    assert delivery_task(ledger.database, old) is None, "superseded by the new revision's result"
    record = study_record(ledger.database, "1.2.3")
    assert record is not None
    assert [result["revision"] for result in record.results] == [1, 2]
    assert [report["version"] for report in record.reports] == [1, 2]
    assert [delivery["state"] for delivery in record.deliveries] == ["SUPERSEDED", "QUEUED"]


def test_a_revision_is_concluded_exactly_once_however_many_try(ledger: Any) -> None:
    received = ledger.receive()
    score(ledger, received.instance_id)
    close(ledger)
    done: list[bool] = []
    threads = [
        threading.Thread(target=lambda: done.append(conclude(ledger, received.study_id, PACS))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 1
    assert len(delivery_ids(ledger)) == 1


def test_many_instances_of_one_study_at_once_make_one_study_with_all_of_them(ledger: Any) -> None:
    threads = [threading.Thread(target=ledger.receive) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (row(ledger).instances, ledger.waiting()) == (12, {"score": 12})


def test_the_same_bytes_from_many_peers_at_once_are_recorded_once(ledger: Any) -> None:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(ledger.receive(sha256="b" * 64))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({recorded.instance_id for recorded in found}) == 1
    assert sum(not recorded.known for recorded in found) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"patient_id": "P2"},
        {"patient_id": ""},
        {"issuer_of_patient_id": "B"},
    ],
)
def test_one_study_under_two_identities_is_quarantined_and_nothing_is_sent(ledger: Any, other: dict[str, str]) -> None:
    first = ledger.receive(issuer_of_patient_id="A")
    score(ledger, first.instance_id, Outcome.FLAGGED)
    assert ledger.receive(**({"issuer_of_patient_id": "A"} | other)).role is Role.CONFLICT
    close(ledger)
    conclude(ledger, first.study_id)
    assert (row(ledger).outcome, row(ledger).reason) == (Outcome.NOT_ANALYSED, "conflicting identity")


def test_a_conflict_stops_reports_that_were_not_yet_sent(ledger: Any) -> None:
    first = ledger.receive()
    score(ledger, first.instance_id)
    close(ledger)
    conclude(ledger, first.study_id, PACS)
    ledger.receive(patient_id="P2")
    assert all(delivery_task(ledger.database, delivery) is None for delivery in delivery_ids(ledger))
    assert row(ledger).revision == 2


def test_unidentified_patients_are_accepted_and_told_apart_by_name(ledger: Any) -> None:
    first = ledger.receive(patient_id="", patient_name="Unknown^A")
    assert first.role is Role.CANDIDATE
    assert ledger.receive(patient_id="", patient_name="Unknown^A").role is Role.CANDIDATE
    assert ledger.receive(patient_id="", patient_name="Unknown^B").role is Role.CONFLICT


def test_an_issuer_that_one_instance_leaves_out_does_not_contradict(ledger: Any) -> None:
    ledger.receive(issuer_of_patient_id="A")
    assert ledger.receive(issuer_of_patient_id="").role is Role.CANDIDATE


@pytest.mark.parametrize(("same", "role"), [(True, "duplicate"), (False, "conflict")])
def test_a_known_sop_instance_uid_with_other_bytes_waits_for_a_comparison(ledger: Any, same: bool, role: str) -> None:  # noqa: FBT001 - a parameter
    first = ledger.receive(sop_instance_uid="1.2.3.9")
    score(ledger, first.instance_id)
    second = ledger.receive(sop_instance_uid="1.2.3.9", transfer_syntax_uid="1.2.840.10008.1.2.4.90")
    assert (second.role, ledger.waiting()["compare"]) == (Role.UNVERIFIED, 1)
    close(ledger)
    assert study_to_conclude(ledger.database, first.study_id) is None, "waits for the comparison"
    task = compare_task(ledger.database, second.instance_id)
    assert task is not None
    record_comparison(ledger.database, ledger.queue, task, same=same, at=ledger.now)
    record = study_record(ledger.database, "1.2.3")
    assert record is not None
    assert [instance["role"] for instance in record.instances] == ["candidate", role]
    close(ledger, 1)
    conclude(ledger, first.study_id, *([PACS] if same else []))
    assert row(ledger).outcome is (Outcome.NOT_FLAGGED if same else Outcome.NOT_ANALYSED)
    assert row(ledger).revision == (1 if same else 2)


def test_a_known_sop_instance_uid_is_compared_with_the_image_that_counts(ledger: Any) -> None:
    of_prior = ledger.receive(sop_instance_uid="1.2.3.9", path="prior", is_prior=True)
    ledger.receive(sop_instance_uid="1.2.3.9", path="counts")  # its sender has it in other bytes
    third = ledger.receive(sop_instance_uid="1.2.3.9", path="third")
    task = compare_task(ledger.database, third.instance_id)
    assert task is not None
    assert (of_prior.role, task.first_path) == (Role.PRIOR, "counts")


def test_a_sop_instance_uid_known_in_another_study_is_a_conflict(ledger: Any) -> None:
    ledger.receive(sop_instance_uid="1.2.3.9")
    assert ledger.receive(sop_instance_uid="1.2.3.9", study_instance_uid="1.2.4").role is Role.CONFLICT


def test_evidence_changes_nothing_of_a_concluded_study(ledger: Any) -> None:
    received = ledger.receive()
    score(ledger, received.instance_id)
    close(ledger)
    conclude(ledger, received.study_id)
    assert ledger.receive(candidate=False).role is Role.EVIDENCE
    assert (row(ledger).state, row(ledger).revision) == (State.DELIVERED, 1)


def test_own_reports_that_come_back_start_nothing_known_by_ledger_or_device(ledger: Any) -> None:
    received = ledger.receive()
    score(ledger, received.instance_id)
    close(ledger)
    conclude(ledger, received.study_id, PACS)
    (delivery,) = delivery_ids(ledger)
    task = delivery_task(ledger.database, delivery)
    assert task is not None
    stored = StoredReport(
        identifier="2.25.1", sop_class_uid="1.2", series_instance_uid="2.25.2", sha256="c" * 64, path="p", size=1
    )
    rendered = RenderedInstance("1.2.840.10008.1.2.1", is_image=False, attributes=InstanceAttributes(modality="SR"))
    record_rendered(ledger.database, task.report_id, stored, rendered, at=ledger.now)
    record_rendered(ledger.database, task.report_id, stored, rendered, at=ledger.now)
    (own,) = (one for one in study_record(ledger.database, "1.2.3").instances if one["role"] == Role.OWN)
    assert (own["sop_instance_uid"], own["sha256"], own["modality"]) == ("2.25.1", "c" * 64, "SR")
    assert row(ledger).instances == 1, "what the agent wrote itself does not count"
    assert ledger.receive(sop_instance_uid="2.25.1", sha256="c" * 64).known
    assert ledger.receive(sop_instance_uid="2.25.1").role is Role.OWN
    assert ledger.receive(device_uids=("2.25.7",)).role is Role.OWN
    assert row(ledger).revision == 1
    assert ledger.receive(study_instance_uid="9.9", device_uids=("2.25.7",)).role is Role.OWN
    assert close(ledger) == 0, "a study of which only our own reports are known is not concluded"
    assert [study.study_instance_uid for study in worklist(ledger.database)] == ["1.2.3"]


def test_a_study_without_a_candidate_is_concluded_as_not_analysed_with_its_reason(ledger: Any) -> None:
    received = ledger.receive(candidate=False, attributes=InstanceAttributes(modality="CT"))
    close(ledger)
    assert conclude(ledger, received.study_id)
    assert (row(ledger).outcome, row(ledger).reason) == (Outcome.NOT_ANALYSED, "no chest radiograph to analyse")


def test_the_first_rendering_wins_so_that_every_attempt_sends_the_same_bytes(ledger: Any) -> None:
    received = ledger.receive()
    score(ledger, received.instance_id)
    close(ledger)
    conclude(ledger, received.study_id, PACS)
    task = delivery_task(ledger.database, delivery_ids(ledger)[0])
    assert task is not None
    first, second = (
        StoredReport(
            identifier=f"2.25.{n}",
            sop_class_uid="1.2",
            series_instance_uid="2.25.9",
            sha256=str(n) * 64,
            path="p",
            size=1,
        )
        for n in (1, 2)
    )
    assert record_rendered(ledger.database, task.report_id, first, at=ledger.now) == first
    assert record_rendered(ledger.database, task.report_id, second, at=ledger.now) == first


def test_a_parked_delivery_is_visible_and_can_be_requeued(ledger: Any) -> None:
    received = ledger.receive()
    score(ledger, received.instance_id)
    close(ledger)
    conclude(ledger, received.study_id, PACS)
    (delivery,) = delivery_ids(ledger)
    record_failed_attempt(ledger.database, delivery, reason="A700", parked=True, at=ledger.now)
    assert row(ledger).deliveries == {"PARKED": 1}
    assert delivery_task(ledger.database, delivery) is None
    assert requeue_deliveries(ledger.database, ledger.queue, now=ledger.now) == 1
    assert delivery_task(ledger.database, delivery) is not None
    assert row(ledger).state is State.CONCLUDED


def test_one_acknowledged_destination_does_not_make_a_study_delivered_while_another_waits(ledger: Any) -> None:
    received = ledger.receive()
    score(ledger, received.instance_id)
    close(ledger)
    conclude(ledger, received.study_id, ReportOrder(kind="sr", media_type="m", destinations=("a", "b")))
    one, two = delivery_ids(ledger)
    acknowledge(ledger.database, one, detail="0000", at=ledger.now)
    assert row(ledger).state is State.CONCLUDED
    acknowledge(ledger.database, two, detail="0000", at=ledger.now)
    assert row(ledger).state is State.DELIVERED


def test_a_report_speaks_of_the_study_as_it_stood_when_it_was_concluded(ledger: Any) -> None:
    one = ledger.receive()
    score(ledger, one.instance_id)
    close(ledger)
    conclude(ledger, one.study_id, PACS)
    ledger.now += timedelta(seconds=1)
    two = ledger.receive()
    score(ledger, two.instance_id, Outcome.FLAGGED)
    task = delivery_task(ledger.database, delivery_ids(ledger)[0])
    assert task is not None
    told = concluded_study(ledger.database, task.report_id)
    assert len(told.images) == 1
    assert len(told.evidence) == 1


def test_a_requeued_study_is_analysed_again_as_a_new_revision(ledger: Any) -> None:
    received = ledger.receive()
    score(ledger, received.instance_id, Outcome.FAILED, reason="x")
    close(ledger)
    with pytest.raises(RefusedError, match="CONCLUDED or DELIVERED"):
        requeue_study(ledger.database, ledger.queue, "1.2.3", actor="test", now=ledger.now)
    conclude(ledger, received.study_id)
    assert requeue_study(ledger.database, ledger.queue, "1.2.3", actor="test", now=ledger.now) == 2
    assert score_task(ledger.database, received.instance_id) is not None
    score(ledger, received.instance_id)
    assert conclude(ledger, received.study_id)
    assert row(ledger).outcome is Outcome.NOT_FLAGGED
    with pytest.raises(RefusedError, match="on record"):
        requeue_study(ledger.database, ledger.queue, "9.9", actor="test", now=ledger.now)


def test_a_study_that_never_goes_quiet_is_closed_by_force(ledger: Any) -> None:
    for _ in range(46):
        ledger.receive()
        ledger.now += timedelta(seconds=20)
    assert close(ledger, 0) == 1


def test_the_worklist_is_in_the_order_of_due_times(ledger: Any) -> None:
    ledger.receive(study_instance_uid="1.1", received_at=ledger.now - timedelta(hours=1))
    ledger.receive(study_instance_uid="1.2", order_priority=Priority.HIGH)
    flagged = ledger.receive(study_instance_uid="1.3")
    score(ledger, flagged.instance_id, Outcome.FLAGGED)
    ledger.receive(study_instance_uid="1.4", received_at=ledger.now - timedelta(hours=9))
    assert [study.study_instance_uid for study in worklist(ledger.database)] == ["1.4", "1.2", "1.3", "1.1"]


def test_a_later_instance_fills_what_the_first_did_not_say_and_changes_nothing_else(ledger: Any) -> None:
    ledger.receive(accession_number="", study_description="CHEST")
    ledger.receive(accession_number="A1", study_description="OTHER")
    assert (row(ledger).accession_number, row(ledger).study_description) == ("A1", "CHEST")
