"""What retention may remove, what keeps a study, what is left of it, and what happens when it comes again."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from db.advance import lock
from db.analysis import ImageResult, record_image_result, score_task
from db.archive import held_instances, was_removed
from db.archive_columns import AnyOf
from db.commitment import record_request, stored_copies
from db.completion import close_due
from db.conclusion import ReportOrder, record_conclusion
from db.database import Database
from db.delivery_state import DeliveryState
from db.errors import RefusedError
from db.file_deletion import delete_file, doomed
from db.legal_hold import hold_patient, hold_study, holds, release_patient, release_study
from db.outcome import Outcome, StudyOutcome
from db.pictures import keep_made_thumbnail
from db.reading import record_read
from db.requeue import requeue_study
from db.retention import PRIOR, Policy, may_go_images, may_go_wholly, shares
from db.retention_removal import Gone, remove_images, remove_study
from db.roles import Role
from db.schema.arrival import association_study
from db.schema.domain import delivery, instance, report, result, study, study_event
from db.schema.hl7 import patient_alias
from db.schema.keeping import file_to_delete
from db.schema.pictures import thumbnail
from db.schema.search import new_word, study_word, word_part
from db.schema.workitems import workitem
from db.worklist import study_record, worklist, worklist_row

YEAR = timedelta(days=365)
UID = "1.2.3"


@pytest.fixture
def delivered(ledger: Any, noon: datetime) -> Callable[..., int]:
    """Return `delivered(outcome, read, forwards)`: a study with one image, its SR delivered; its id."""

    def make(outcome: Outcome = Outcome.NOT_FLAGGED, *, read: bool = True, deliver: bool = True, **given: Any) -> int:
        recorded = ledger.receive(**given)
        task = score_task(ledger.database, recorded.instance_id)
        assert task is not None
        found = ImageResult(outcome=outcome, probability=0.5, thumbnail=b"JPEG", started_at=noon, finished_at=noon)
        record_image_result(ledger.database, ledger.queue, task, found, allowances=ledger.allowances)
        close_due(ledger.database, ledger.queue, now=noon + timedelta(minutes=1))
        record_conclusion(
            ledger.database,
            ledger.queue,
            ledger.conclusion(
                recorded.study_id,
                ReportOrder(kind="sr", media_type="application/dicom", destinations=("pacs",)),
                outcome=StudyOutcome(outcome=outcome, reason="", probability=0.5),
                analysed_at=noon,
                concluded_at=noon + timedelta(minutes=1),
            ),
        )
        with ledger.database.begin() as connection:
            if deliver:
                mine = select(report.c.id).join(result).where(result.c.study_id == recorded.study_id)
                values = {"state": DeliveryState.ACKNOWLEDGED, "acknowledged_at": noon}
                connection.execute(update(delivery).where(delivery.c.report_id.in_(mine)).values(values))
                connection.execute(
                    update(report)
                    .where(report.c.id.in_(mine))
                    .values(sha256="f" * 64, path=f"ff/{'f' * 64}.dcm", size=5)
                )
                connection.execute(update(study).where(study.c.id == recorded.study_id).values(state="DELIVERED"))
            if read:
                record_read(connection, recorded.study_id, how="report", at=noon)
                ended = update(workitem).where(workitem.c.study_id == recorded.study_id)
                connection.execute(ended.values(state="CANCELED", ended_at=noon))
        forget_jobs(ledger)
        return int(recorded.study_id)

    return make


def forget_jobs(ledger: Any) -> None:
    table = "job" if ledger.database.dialect == "sqlite" else "procrastinate.procrastinate_jobs"
    with ledger.database.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - one of two names


@pytest.fixture
def policy(noon: datetime) -> Policy:
    """Let everything go that is older than a year, a year and a day after noon."""
    before = dict.fromkeys((*Outcome, PRIOR), noon + timedelta(days=1))
    return Policy(images_before=before, results_before=before)


@pytest.fixture
def later(noon: datetime) -> datetime:
    return noon + YEAR


def kept_by(database: Database, policy: Policy) -> dict[str, int]:
    return {share.kept_by: share.studies for share in shares(database, policy, wholly=False)}


def candidates(database: Database, policy: Policy) -> set[int]:
    found = may_go_images(database, policy, after=0, limit=10)
    assert found == may_go_wholly(database, policy, after=0, limit=10)
    return set(found)


def test_a_delivered_and_read_study_may_go_when_it_is_old_enough(
    ledger: Any, delivered: Callable[..., int], policy: Policy, noon: datetime
) -> None:
    study_id = delivered()
    assert candidates(ledger.database, policy) == {study_id}
    young = dict.fromkeys(Outcome, noon)
    assert candidates(ledger.database, Policy(images_before=young, results_before=young)) == set()
    other = {Outcome.FLAGGED: noon + YEAR}
    assert candidates(ledger.database, Policy(images_before=other, results_before=other)) == set()


Change = Callable[[Any, int], None]


def _values(**values: object) -> Change:
    def change(ledger: Any, study_id: int) -> None:
        with ledger.database.begin() as connection:
            connection.execute(update(study).where(study.c.id == study_id).values(values))

    return change


def _report_in(state: str) -> Change:
    def change(ledger: Any, study_id: int) -> None:
        mine = select(report.c.id).join(result).where(result.c.study_id == study_id)
        with ledger.database.begin() as connection:
            connection.execute(update(delivery).where(delivery.c.report_id.in_(mine)).values(state=state))

    return change


def _forward_in(state: str) -> Change:
    def change(ledger: Any, study_id: int) -> None:
        with ledger.database.begin() as connection:
            owner = connection.scalars(select(instance.c.id).where(instance.c.study_id == study_id)).first()
            values = {"instance_id": owner, "destination": "vna", "state": state, "attempts": 0, "reason": ""}
            connection.execute(insert(delivery).values(created_at=ledger.now, updated_at=ledger.now, **values))

    return change


def _commitment(ledger: Any, study_id: int) -> None:
    with ledger.database.read() as connection:
        uid = connection.scalars(select(instance.c.sop_instance_uid).where(instance.c.study_id == study_id)).first()
    ae = {"calling_ae_title": "A", "called_ae_title": "B"}
    owed = [("1.2.840.10008.5.1.4.1.1.1", uid)]
    at = {"now": ledger.now, "report_at": ledger.now}
    record_request(ledger.database, ledger.queue, transaction_uid="1.7", instances=owed, **at, **ae)


def _task(ledger: Any, study_id: int) -> None:
    with ledger.database.begin() as connection:
        connection.execute(update(workitem).where(workitem.c.study_id == study_id).values(state="IN PROGRESS"))


def _arrives(ledger: Any, study_id: int) -> None:
    with ledger.database.begin() as connection:
        values = {"association_id": "a" * 32, "study_id": study_id, "opened_at": ledger.now}
        connection.execute(insert(association_study).values(values))


def _hold(ledger: Any, study_id: int) -> None:
    hold_study(ledger.database, f"1.2.3.{study_id}", reason="a claim", actor="user", now=ledger.now)


def _hold_patient(ledger: Any, study_id: int) -> None:
    assert hold_patient(ledger.database, f"P{study_id}", reason="a claim", actor="user", now=ledger.now) == 1


def _merge(ledger: Any, prior: str, into: str) -> None:
    merged = {"prior_patient_id": prior, "prior_issuer": "", "patient_id": into, "issuer_of_patient_id": ""}
    with ledger.database.begin() as connection:
        rest = {"patient_name": "", "patient_birth_date": "", "at": ledger.now}
        connection.execute(insert(patient_alias).values(merged | rest))


def _hold_merged_patient(ledger: Any, study_id: int) -> None:
    hold_patient(ledger.database, "OLD", reason="a claim", actor="user", now=ledger.now)
    _merge(ledger, "OLD", f"P{study_id}")


def _hold_patient_whose_study_a_merge_left_alone(ledger: Any, study_id: int) -> None:
    hold_patient(ledger.database, "NEW", reason="a claim", actor="user", now=ledger.now)
    _merge(ledger, f"P{study_id}", "NEW")


KEEPS: tuple[tuple[str, Change], ...] = (
    ("legal hold", _hold),
    ("legal hold", _hold_patient),
    ("legal hold", _hold_merged_patient),
    ("legal hold", _hold_patient_whose_study_a_merge_left_alone),
    ("quarantine", _values(conflict="conflicting identity")),
    ("not delivered", _values(state="CONCLUDED")),
    ("still arriving", _arrives),
    ("to be withdrawn or amended", _values(withdrawing=True)),
    ("to be withdrawn or amended", _values(amending="corrected")),
    *(("deliveries of reports", _report_in(state)) for state in ("QUEUED", "STORED", "PARKED", "TESTED")),
    *(("deliveries of images", _forward_in(state)) for state in ("QUEUED", "HELD", "PARKED", "TESTED")),
    ("storage commitment owed", _commitment),
    ("reading task in progress", _task),
    ("not read", _values(read_at=None)),
)


def test_what_somebody_still_waits_for_keeps_a_study_and_is_named(
    ledger: Any, delivered: Callable[..., int], policy: Policy, later: datetime
) -> None:
    for number, (_, change) in enumerate(KEEPS, start=1):
        study_id = delivered(study_instance_uid=f"1.2.3.{number}", patient_id=f"P{number}")
        assert study_id == number
        assert candidates(ledger.database, policy) == {study_id}, "until it is kept"
        change(ledger, study_id)
        for remove in (remove_images, remove_study):
            assert remove(ledger.database, ledger.queue, study_id, policy, why="age", now=later) is None, number
    assert candidates(ledger.database, policy) == set()
    assert kept_by(ledger.database, policy) == Counter(reason for reason, _ in KEEPS)
    with ledger.database.read() as connection:
        assert set(connection.scalars(select(instance.c.removed_at))) == {None}


def test_what_came_after_the_archive_was_made_keeps_a_study(
    ledger: Any, delivered: Callable[..., int], policy: Policy, later: datetime
) -> None:
    study_id = delivered()
    with ledger.database.read() as connection:
        (archived,) = connection.scalars(select(instance.c.sha256).where(instance.c.study_id == study_id)).all()
    for remove in (remove_images, remove_study):
        arguments = {"why": "age", "now": later, "archived": {"0" * 64}}
        assert remove(ledger.database, ledger.queue, study_id, policy, **arguments) is None
    arguments = {"why": "age", "now": later, "archived": {archived, "0" * 64}}
    assert remove_images(ledger.database, ledger.queue, study_id, policy, **arguments) == Gone(1, 10)


def test_a_job_that_waits_keeps_a_study(
    ledger: Any, delivered: Callable[..., int], policy: Policy, later: datetime
) -> None:
    study_id = delivered()
    with ledger.database.read() as connection:
        owned = connection.scalars(select(instance.c.id)).one()
    for kind, key in (("shadow", owned), ("amend", study_id)):
        with ledger.database.begin() as connection:
            ledger.queue.enqueue(connection, kind, str(key), due_at=later, run_at=later)
        assert remove_images(ledger.database, ledger.queue, study_id, policy, why="age", now=later) is None
        forget_jobs(ledger)
    assert remove_images(ledger.database, ledger.queue, study_id, policy, why="age", now=later) == Gone(1, 10)


def test_of_unread_studies_a_site_may_let_go_those_that_were_never_flagged(
    ledger: Any, delivered: Callable[..., int], policy: Policy
) -> None:
    flagged = delivered(Outcome.FLAGGED, read=False)
    quiet = delivered(read=False, study_instance_uid="1.2.4", sop_instance_uid="1.2.4.1")
    assert candidates(ledger.database, policy) == set()
    assert candidates(ledger.database, replace(policy, keep_unread=False)) == {quiet} != {flagged}


def test_a_released_hold_keeps_nothing_and_stays_on_record(
    ledger: Any, delivered: Callable[..., int], policy: Policy, later: datetime
) -> None:
    study_id = delivered()
    hold_study(ledger.database, UID, reason="a claim", actor="user ann", now=later)
    hold_patient(ledger.database, "P1", "", reason="another", actor="user ann", now=later)
    with pytest.raises(RefusedError, match="not held"):
        hold_study(ledger.database, UID, reason="again", actor="user ann", now=later)
    with pytest.raises(RefusedError, match="not held"):
        hold_patient(ledger.database, "P1", "", reason="again", actor="user ann", now=later)
    with pytest.raises(RefusedError, match="with this issuer"):
        release_patient(ledger.database, "P1", "ELSEWHERE", actor="user bob", now=later)
    release_study(ledger.database, UID, actor="user bob", now=later)
    assert candidates(ledger.database, policy) == set()
    release_patient(ledger.database, "P1", actor="user bob", now=later)
    assert candidates(ledger.database, policy) == {study_id}
    assert [(one.reason, one.released_by) for one in holds(ledger.database)] == [
        ("a claim", "user bob"),
        ("another", "user bob"),
    ]
    record = study_record(ledger.database, UID)
    assert record is not None
    told = [(event["event"], event["actor"]) for event in record.events if "H" in event["event"][:1]]
    assert told == [("HELD", "user ann")] * 2 + [("HOLD_RELEASED", "user bob")] * 2


def _small_pictures(database: Database) -> int:
    with database.read() as connection:
        return len(connection.execute(select(thumbnail.c.instance_id)).all())


def test_the_images_go_and_the_result_stays(
    ledger: Any, delivered: Callable[..., int], policy: Policy, later: datetime
) -> None:
    study_id = delivered(Outcome.FLAGGED)
    assert _small_pictures(ledger.database) == 1
    assert remove_images(ledger.database, ledger.queue, study_id, policy, why="age", now=later) == Gone(1, 10)
    record = study_record(ledger.database, UID)
    assert record is not None
    keep_made_thumbnail(ledger.database, record.instances[0]["id"], b"JPEG")  # by who had looked at it before
    assert _small_pictures(ledger.database) == 0
    assert (record.study.patient_name, record.study.outcome, len(record.results), len(record.reports)) == (
        *("Doe^John", Outcome.FLAGGED),
        *(1, 1),
    )
    assert record.events[-1]["event"] == "IMAGES_REMOVED"
    assert record.events[-1]["detail"] == "1 files, 10 bytes: age"
    uid = record.instances[0]["sop_instance_uid"]
    criteria = {"sop_instance_uid": AnyOf((uid,))}
    assert list(held_instances(ledger.database, criteria)) == []
    assert was_removed(ledger.database, criteria)
    assert stored_copies(ledger.database, [uid]) == {}
    assert [file.path for file in doomed(ledger.database)] == [record.instances[0]["path"]]
    assert may_go_images(ledger.database, policy, after=0, limit=9) == ()
    with pytest.raises(RefusedError, match="retention has removed"):
        requeue_study(ledger.database, ledger.queue, UID, actor="user", now=later)


def test_of_a_removed_study_the_audit_trail_stays_without_anything_of_the_patient(
    ledger: Any, delivered: Callable[..., int], policy: Policy, later: datetime
) -> None:
    study_id = delivered(
        Outcome.FLAGGED, accession_number="A1", study_description="words", patient_birth_date="20200101"
    )
    assert remove_study(ledger.database, ledger.queue, study_id, policy, why="age", now=later) == Gone(2, 15)
    record = study_record(ledger.database, UID)
    assert record is not None
    assert record.study.outcome is Outcome.FLAGGED
    assert [event["event"] for event in record.events][-3:] == ["ALL_ACKNOWLEDGED", "READ", "REMOVED"] or [
        event["event"] for event in record.events
    ][-2:] == ["READ", "REMOVED"]
    assert (record.results, record.reports, record.deliveries, record.image_results) == ((), (), (), ())
    assert [one["role"] for one in record.instances] == [Role.REMOVED]
    with ledger.database.read() as connection:
        everything = [
            str(tuple(row))
            for table in (study, instance, study_event, study_word, new_word, word_part)
            for row in connection.execute(select(table))
        ]
    for word in ("Doe", "doe", "P1", "A1", "words", "20200101"):
        assert not any(word in text for text in everything), word
    assert worklist(ledger.database) == ()
    assert may_go_wholly(ledger.database, policy, after=0, limit=9) == ()


def test_a_file_that_two_rows_need_is_deleted_with_the_second(
    ledger: Any, delivered: Callable[..., int], policy: Policy, later: datetime
) -> None:
    study_id = delivered()
    other = delivered(study_instance_uid="1.2.4", sop_instance_uid="1.2.4.1", patient_id="P2")
    for each in (study_id, other):  # both reports have the same bytes
        assert remove_study(ledger.database, ledger.queue, each, policy, why="age", now=later) is not None
        files = doomed(ledger.database)
        unlinked = [file.path for file in files if delete_file(ledger.database, file, lambda _: True, now=later)]
        assert (f"ff/{'f' * 64}.dcm" in unlinked) is (each == other)
        assert doomed(ledger.database) == ()


def test_the_same_image_of_a_kept_study_is_put_back_and_makes_no_work(
    ledger: Any, delivered: Callable[..., int], policy: Policy, later: datetime
) -> None:
    image = ledger.incoming()
    study_id = delivered(**{name: getattr(image, name) for name in ("sop_instance_uid", "sha256", "path")})
    remove_images(ledger.database, ledger.queue, study_id, policy, why="age", now=later)
    ledger.now = later
    again = ledger.receive(**{name: getattr(image, name) for name in ("sop_instance_uid", "sha256", "path")})
    assert (again.known, again.again, again.role) == (True, True, Role.CANDIDATE)
    assert ledger.waiting() == {}
    row = worklist_row(ledger.database, UID)
    assert row is not None
    assert (row.state, row.revision) == ("DELIVERED", 1)
    assert len(list(held_instances(ledger.database, {"sop_instance_uid": AnyOf((image.sop_instance_uid,))}))) == 1
    (file,) = doomed(ledger.database)
    assert delete_file(ledger.database, file, lambda _: pytest.fail("needed again"), now=later) is False
    assert candidates(ledger.database, policy) == set()  # its age counts from now


def test_a_late_image_of_a_kept_study_is_analysed_beside_the_old_results(
    ledger: Any, delivered: Callable[..., int], policy: Policy, later: datetime
) -> None:
    study_id = delivered(Outcome.FLAGGED)
    remove_images(ledger.database, ledger.queue, study_id, policy, why="age", now=later)
    ledger.now = later
    late = ledger.receive()
    assert late.role is Role.CANDIDATE
    row = worklist_row(ledger.database, UID)
    assert row is not None
    assert (row.state, row.revision, row.outcome) == ("RECEIVING", 2, Outcome.FLAGGED)
    assert ledger.waiting() == {"score": 1}


def test_other_bytes_of_a_removed_image_are_analysed_and_not_a_conflict(
    ledger: Any, delivered: Callable[..., int], policy: Policy, later: datetime
) -> None:
    study_id = delivered(sop_instance_uid="1.2.3.9")
    remove_images(ledger.database, ledger.queue, study_id, policy, why="age", now=later)
    assert ledger.receive(sop_instance_uid="1.2.3.9").role is Role.CANDIDATE
    with ledger.database.begin() as connection:
        assert lock(connection, study_id).revision == 2


@pytest.mark.parametrize("same", [True, False], ids=["the same bytes", "another image"])
def test_a_removed_study_that_comes_again_begins_anew(
    *, same: bool, ledger: Any, delivered: Callable[..., int], policy: Policy, later: datetime
) -> None:
    image = ledger.incoming()
    which = {name: getattr(image, name) for name in ("sop_instance_uid", "sha256", "path")}
    study_id = delivered(Outcome.FLAGGED, **which)
    remove_study(ledger.database, ledger.queue, study_id, policy, why="age", now=later)
    ledger.now = later
    again = ledger.receive(patient_name="Doe^Johnny", **(which if same else {}))
    assert (again.study_id, again.role, again.known, again.again) == (study_id, Role.CANDIDATE, False, same)
    row = worklist_row(ledger.database, UID)
    assert row is not None
    assert (row.state, row.revision, row.outcome, row.patient_name) == ("RECEIVING", 2, None, "Doe^Johnny")
    assert row.due_at > later
    assert [one.study_instance_uid for one in worklist(ledger.database)] == [UID]
    assert ledger.waiting() == {"score": 1}
    record = study_record(ledger.database, UID)
    assert record is not None
    assert "CAME_AGAIN" in [event["event"] for event in record.events]


def test_a_prior_goes_by_its_own_age_and_may_come_again(ledger: Any, policy: Policy, later: datetime) -> None:
    recorded = ledger.receive(is_prior=True, candidate=False)
    assert candidates(ledger.database, policy) == {recorded.study_id}
    assert remove_study(ledger.database, ledger.queue, recorded.study_id, policy, why="age", now=later) is not None
    ledger.now = later
    again = ledger.receive()
    assert again.role is Role.CANDIDATE
    assert [row.study_instance_uid for row in worklist(ledger.database)] == [UID]


@pytest.mark.parametrize("same", [True, False], ids=["the same bytes", "another image"])
def test_priors_that_are_fetched_once_more_are_not_old(
    *, same: bool, ledger: Any, policy: Policy, later: datetime
) -> None:
    image = ledger.incoming()
    which = {name: getattr(image, name) for name in ("sop_instance_uid", "sha256", "path")}
    prior = ledger.receive(is_prior=True, candidate=False, **which)
    assert candidates(ledger.database, policy) == {prior.study_id}
    ledger.now = later
    again = ledger.receive(is_prior=True, candidate=False, **(which if same else {}))
    assert (again.role, again.known) == (Role.PRIOR, same)
    assert candidates(ledger.database, policy) == set()


def test_a_prior_whose_image_was_removed_and_that_comes_as_work_makes_its_receiver_look_again(
    ledger: Any, policy: Policy, later: datetime
) -> None:
    image = ledger.incoming()
    which = {name: getattr(image, name) for name in ("sop_instance_uid", "sha256", "path")}
    prior = ledger.receive(is_prior=True, candidate=False, **which)
    assert remove_images(ledger.database, ledger.queue, prior.study_id, policy, why="age", now=later) is not None
    ledger.now = later
    again = ledger.receive(**which)
    assert (again.role, again.known, again.again) == (Role.CANDIDATE, False, True)
    assert ledger.waiting() == {"score": 1}


def test_no_file_is_deleted_while_a_back_up_runs(
    ledger: Any, delivered: Callable[..., int], policy: Policy, later: datetime
) -> None:
    from db.backup_record import begin_backup, end_backup  # noqa: PLC0415 - the other tests need none

    remove_images(ledger.database, ledger.queue, delivered(), policy, why="age", now=later)
    (file,) = doomed(ledger.database)
    number = begin_backup(ledger.database, "b", now=later)
    assert delete_file(ledger.database, file, lambda _: pytest.fail("a back-up runs"), now=later) is None
    end_backup(ledger.database, number, whole=True, files=0, size=0, detail="", now=later)
    assert delete_file(ledger.database, file, lambda _: True, now=later) is True
    with ledger.database.read() as connection:
        assert connection.execute(select(file_to_delete)).all() == []
