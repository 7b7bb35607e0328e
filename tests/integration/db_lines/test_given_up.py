"""A job that was given up has its consequence: what must happen is tried again."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from agent.line.complete import Completer
from agent.line.conclude import Concluder
from agent.line.score import Scorer
from agent.reports.document import ModelIdentity
from db import kinds
from db.conclusion import ReportOrder
from db.forwarding import Forward
from db.outcome import Outcome
from db.queue import Done, Job, Park
from db.schema.domain import delivery, image_result, study
from dicom_io.folder_store import FolderStore

MODEL = ModelIdentity(name="m", version="1", sha256="0" * 64, operating_point_name="p", threshold=0.5)


def give_up(ledger: Any, kind: str) -> None:
    """Park the job of a kind that waits, as after three workers that died with it, and let that be accounted for."""
    stop = threading.Event()

    def park(_job: Job) -> Park:
        stop.set()
        return Park("worker died")

    ledger.queue.run({kind: park}, stop=stop, concurrency=1)
    assert [parked.kind for parked in ledger.queue.parked()] == [kind]
    Completer(ledger.database, ledger.queue, ledger.allowances, lambda: ledger.now).reap()


def test_a_rejection_note_that_could_not_be_heeded_is_tried_again(ledger: Any) -> None:
    with ledger.database.begin() as connection:
        ledger.queue.enqueue(connection, kinds.REJECT, "7", due_at=ledger.now, run_at=ledger.now)
    give_up(ledger, kinds.REJECT)
    assert ledger.queue.parked() == ()
    assert ledger.waiting() == {"reject": 1}


def test_an_image_whose_analysis_was_given_up_failed(ledger: Any) -> None:
    ledger.receive()
    give_up(ledger, kinds.SCORE)
    with ledger.database.read() as connection:
        found = connection.execute(select(image_result.c.outcome, image_result.c.reason)).all()
    assert [tuple(row) for row in found] == [(Outcome.FAILED, "the analysis was given up: worker died")]


def test_what_was_to_be_forwarded_and_was_given_up_waits_for_a_person(ledger: Any) -> None:
    ledger.receive(candidate=False, forwards=(Forward(destination="archive", rule="all"),))
    give_up(ledger, kinds.forward("archive"))
    assert deliveries(ledger) == [("archive", "PARKED", "worker died")]


def test_an_instance_whose_comparison_was_given_up_counts_as_another_one(ledger: Any) -> None:
    ledger.receive(sop_instance_uid="1.2.3.9")
    ledger.receive(sop_instance_uid="1.2.3.9")
    give_up(ledger, kinds.COMPARE)
    with ledger.database.read() as connection:
        (conflict,) = connection.scalars(select(study.c.conflict))
    assert conflict, "a person has to look"


def test_a_job_for_which_there_is_nothing_to_do_any_more_does_nothing(sqlite_ledger: Any, tmp_path: Path) -> None:
    """A study that is still being received is neither concluded nor withdrawn; what is no candidate has no score."""
    ledger = sqlite_ledger
    received = ledger.receive(candidate=False)
    study_job, image_job = (
        Job(kind="any", key=str(key), attempt=1, due_at=ledger.now) for key in (received.study_id, received.instance_id)
    )
    concluder = Concluder(ledger.database, ledger.queue, "1.2", MODEL, (), (), lambda: ledger.now)
    nothing: Any = None
    store, waiting = FolderStore(tmp_path), ledger.waiting()
    scorer = Scorer(ledger.database, ledger.queue, store, nothing, ledger.allowances, lambda: ledger.now)
    for handle in (concluder.conclude, concluder.withdraw, concluder.amend):
        assert handle(study_job) == Done()
    for handle in (scorer.score, scorer.compare):
        assert handle(image_job) == Done()
    assert ledger.waiting() == waiting


def test_a_report_whose_delivery_was_given_up_waits_for_a_person(ledger: Any) -> None:
    study_id = ledger.receive(candidate=False).study_id
    ledger.conclude(study_id, ReportOrder(kind="sr", media_type="m", destinations=("pacs",)))
    give_up(ledger, kinds.deliver("pacs"))
    assert deliveries(ledger) == [("pacs", "PARKED", "worker died")]


def deliveries(ledger: Any) -> list[tuple[str, str, str]]:
    with ledger.database.read() as connection:
        found = connection.execute(select(delivery.c.destination, delivery.c.state, delivery.c.reason))
        return [tuple(row) for row in found]


def test_an_image_of_a_complete_study_whose_job_is_lost_gets_another_one_once(ledger: Any) -> None:
    """Its study would wait for ever, and say "being analysed"."""
    ledger.receive()
    stop = threading.Event()

    def lose(_job: Job) -> Done:
        stop.set()
        return Done()

    ledger.queue.run({kinds.SCORE: lose}, stop=stop, concurrency=1)
    completer = Completer(ledger.database, ledger.queue, ledger.allowances, lambda: ledger.now + timedelta(hours=1))
    completer.heal()
    assert ledger.waiting() == {}, "it is still being received"
    completer.close()
    completer.heal()
    assert ledger.waiting() == {"score": 1}
    completer.heal()
    assert ledger.waiting() == {"score": 1}
