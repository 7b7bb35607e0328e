"""Priors make no work; what another sender brings of the same study does, as if nothing had been known."""

from datetime import timedelta
from typing import Any

from db.completion import close_due
from db.intake import Role
from db.pictures import keep_made_thumbnail
from db.worklist import study_record, worklist


def roles(ledger: Any, uid: str = "1.2.3") -> list[str]:
    record = study_record(ledger.database, uid)
    assert record is not None
    return [row["role"] for row in record.instances]


def test_a_prior_is_kept_and_makes_no_work(ledger: Any) -> None:
    assert ledger.receive(is_prior=True).role is Role.PRIOR
    assert ledger.receive(is_prior=True, candidate=False).role is Role.PRIOR
    ledger.now += timedelta(hours=1)
    assert close_due(ledger.database, ledger.queue, now=ledger.now) == 0
    assert (ledger.waiting(), worklist(ledger.database)) == ({}, ())
    assert roles(ledger) == ["prior", "prior"]


def test_the_same_bytes_from_a_sender_are_work(ledger: Any) -> None:
    """The study of today may have been fetched as a prior by mistake: it must not be lost for that."""
    prior = ledger.receive(is_prior=True, sha256="c" * 64, sop_instance_uid="1.2.3.9", calling_ae_title="PACS")
    keep_made_thumbnail(ledger.database, prior.instance_id, b"JPEG")  # somebody has looked at it
    ledger.now += timedelta(hours=9)
    again = ledger.receive(sha256="c" * 64, sop_instance_uid="1.2.3.9")
    assert (again.role, again.known) == (Role.CANDIDATE, False)
    assert ledger.waiting() == {"score": 1}
    (row,) = worklist(ledger.database)
    assert (row.received_at, row.calling_ae_title, row.instances) == (ledger.now, "SCANNER", 1)
    assert row.due_at > ledger.now, "its time began when the sender brought it"
    assert close_due(ledger.database, ledger.queue, now=ledger.now) == 0, "and so did the time to complete it"
    assert roles(ledger) == ["candidate"]
    assert ledger.receive(sha256="c" * 64, sop_instance_uid="1.2.3.9").known


def test_the_same_instance_from_a_sender_in_other_bytes_is_work(ledger: Any) -> None:
    ledger.receive(is_prior=True, sop_instance_uid="1.2.3.9")
    assert ledger.receive(sop_instance_uid="1.2.3.9").role is Role.CANDIDATE
    assert roles(ledger) == ["duplicate", "candidate"]
    assert ledger.waiting() == {"score": 1}


def test_another_image_of_the_study_is_work_and_the_prior_stays_one(ledger: Any) -> None:
    ledger.receive(is_prior=True)
    assert ledger.receive().role is Role.CANDIDATE
    assert roles(ledger) == ["prior", "candidate"]
    assert len(worklist(ledger.database)) == 1


def test_a_prior_disturbs_nothing_of_a_study_that_is_at_work(ledger: Any) -> None:
    first = ledger.receive(sha256="c" * 64, sop_instance_uid="1.2.3.9")
    assert ledger.receive(is_prior=True, sha256="c" * 64, sop_instance_uid="1.2.3.9") == ledger.receive(
        sha256="c" * 64, sop_instance_uid="1.2.3.9"
    )
    assert ledger.receive(is_prior=True, sop_instance_uid="1.2.3.9").role is Role.DUPLICATE
    assert ledger.receive(is_prior=True).role is Role.PRIOR
    assert ledger.waiting() == {"score": 1}
    (row,) = worklist(ledger.database)
    assert (row.revision, row.reason) == (1, "")
    assert first.role is Role.CANDIDATE


def test_a_prior_that_is_fetched_again_in_other_bytes_makes_no_work(ledger: Any) -> None:
    """Archives write into what they send: a second fetch seldom brings the same bytes."""
    ledger.receive(is_prior=True, sop_instance_uid="1.2.3.9")
    assert ledger.receive(is_prior=True, sop_instance_uid="1.2.3.9").role is Role.DUPLICATE
    ledger.now += timedelta(hours=1)
    assert close_due(ledger.database, ledger.queue, now=ledger.now) == 0
    assert (ledger.waiting(), worklist(ledger.database)) == ({}, ())
    assert ledger.receive().role is Role.CANDIDATE
    assert ledger.waiting() == {"score": 1}
    assert len(worklist(ledger.database)) == 1
    ledger.now += timedelta(hours=1)
    assert close_due(ledger.database, ledger.queue, now=ledger.now) == 1
