"""A ledger with its queue and deliverer, two real destinations, and a clock in the test's hand."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from arriving import incoming
from sqlalchemy import func, select

from agent.destinations import Destination
from agent.line.breaker import Breaker
from agent.line.confirm import Confirmer
from agent.line.deliver import Deliverer
from agent.line.retry import Backoff
from db import kinds
from db.closing import Timing
from db.completion import close_due
from db.conclusion import Conclusion, ReportOrder, record_conclusion
from db.database import Database
from db.delivery import StoredReport, record_rendered
from db.intake import record_instance
from db.outcome import Outcome, StudyOutcome
from db.priority import Allowances
from db.queue import Job, open_queue
from db.queue.changes import ChangeCounter
from db.queue.embedded import EmbeddedQueue, EmbeddedWorker
from db.queue.job_table import is_waiting, job
from db.queue.policy import Policy
from db.queue.room import Room
from db.queue.runner import Runner
from db.requeue import requeue_deliveries, requeue_study
from db.worklist import StudyRecord, study_record, worklist_row
from dicom_io.folder_store import FolderStore

BACKOFF = Backoff(first=timedelta(minutes=1), longest=timedelta(minutes=15), attempts=50)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Killed(BaseException):
    """Stands for the end of the process."""


@dataclass
class Dying:
    """A destination whose process is killed as soon as the receiver has answered."""

    destination: Destination

    def send(self, outgoing: Any) -> str:
        self.destination.send(outgoing)
        raise Killed

    def ping(self) -> None:
        self.destination.ping()


@dataclass
class Site:
    """One agent that sends to two receivers of one type, `first` and `other`; time passes when the test says so."""

    database: Database
    store: FolderStore
    receivers: dict[str, Any]
    media_type: str
    now: datetime = NOON
    made: dict[str, Any] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.queue = open_queue(self.database, clock=self.clock)
        assert isinstance(self.queue, EmbeddedQueue)
        breaker = Breaker(self.database, self.queue, BACKOFF, 3, self.clock, lambda: 0.5)
        self.deliverer = Deliverer(
            database=self.database,
            queue=self.queue,
            store=self.store,
            installation="0" * 8,
            destinations=self.made,
            report_settings={},
            breaker=breaker,
            confirmer=Confirmer(self.database, self.made, breaker, BACKOFF, self.clock),
            backoff=BACKOFF,
            clock=self.clock,
            chance=lambda: 0.5,
        )

    def clock(self) -> datetime:
        return self.now

    def concluded(self, study: str = "1.2.3") -> dict[str, tuple[str, str]]:
        """Conclude a study, once more if it is known, with one report for each receiver.

        Return identifier and digest of the report for each.
        """
        row = worklist_row(self.database, study)
        if row is None:
            self._receive(study)
        else:
            requeue_study(self.database, self.queue, study, actor="test", now=self.now)
        self.now += timedelta(minutes=16)
        close_due(self.database, self.queue, now=self.now)
        row = worklist_row(self.database, study)
        assert row is not None
        facts = dict.fromkeys(("model_name", "model_version", "model_sha256", "operating_point", "device_uid"), "x")
        conclusion = Conclusion(
            study_id=self._study_id(study),
            revision=row.revision,
            outcome=StudyOutcome(outcome=Outcome.NOT_ANALYSED, reason="no candidate"),
            threshold=0.5,
            analysed_at=self.now,
            concluded_at=self.now,
            reports=tuple(
                ReportOrder(kind=f"for_{name}", media_type=self.media_type, destinations=(name,))
                for name in self.receivers
            ),
            **facts,
        )
        assert record_conclusion(self.database, self.queue, conclusion)
        newest = self.record(study).reports[-len(self.receivers) :]
        return {row["kind"].removeprefix("for_"): self._render(row) for row in newest}

    def _receive(self, study: str) -> None:
        arriving = incoming(study, next(self.numbers), candidate=False, received_at=self.now)
        record_instance(self.database, self.queue, arriving, timing=Timing(), allowances=Allowances())

    def _study_id(self, study: str) -> int:
        return int(self.record(study).events[0]["study_id"])

    def _render(self, row: Any) -> tuple[str, str]:
        identifier, data = self.receivers[row["kind"].removeprefix("for_")].report(next(self.numbers))
        file = self.store.put(data)
        is_dicom = self.media_type == "application/dicom"
        stored = StoredReport(
            identifier=identifier,
            sop_class_uid="1.2.840.10008.5.1.4.1.1.88.34" if is_dicom else "",
            series_instance_uid="1.2.3.9" if is_dicom else "",
            sha256=file.sha256,
            path=file.path,
            size=file.size,
        )
        record_rendered(self.database, row["id"], stored, at=self.now)
        return identifier, file.sha256

    def record(self, study: str = "1.2.3") -> StudyRecord:
        found = study_record(self.database, study)
        assert found is not None
        return found

    def run(self, *names: str) -> int:
        """Run what is due, of these destinations or of all, on the real queue; return how many jobs."""
        wanted = [kinds.deliver(name) for name in names or self.receivers]
        handlers = dict.fromkeys(wanted, self.deliverer.deliver)
        ran = 0
        with closing(ChangeCounter(self.database)) as changes:
            worker = EmbeddedWorker(self.database, wanted, Policy(), self.clock, changes)
            runner = Runner(worker, handlers, Policy(), self.clock, Room())
            while (claim := worker.claim(alone=True)) is not None:
                settlement, failures = runner._call(claim)
                assert worker.settle(claim, settlement, failures)
                ran += 1
        return ran

    def die_while_sending(self, name: str) -> None:
        """Claim the next job for a destination, send, and be killed before anything more is committed."""
        kind = kinds.deliver(name)
        with closing(ChangeCounter(self.database)) as changes:
            claim = EmbeddedWorker(self.database, [kind], Policy(), self.clock, changes).claim(alone=True)
        assert claim is not None
        whole, self.made[name] = self.made[name], Dying(self.made[name])
        with pytest.raises(Killed):
            self.deliverer.deliver(Job(kind=kind, key=claim.job.key, attempt=1, due_at=self.now))
        self.made[name] = whole
        self.now += Policy().lease + timedelta(seconds=1)
        assert self.queue.reap(self.now) == 1

    def wait(self, span: timedelta) -> None:
        """Let time pass, and whatever is due in it run when it is due."""
        end = self.now + span
        while True:
            with self.database.read() as connection:
                query = select(func.min(job.c.run_at, type_=job.c.run_at.type)).where(
                    is_waiting, job.c.kind.startswith("deliver:")
                )
                planned = connection.execute(query).scalar_one()
            if planned is None or planned > end:
                break
            self.now = max(self.now, planned)
            self.run()
        self.now = end

    def requeue(self) -> int:
        return requeue_deliveries(self.database, self.queue, now=self.now)

    def states(self, name: str, study: str = "1.2.3") -> list[str]:
        return [row["state"] for row in self.record(study).deliveries if row["destination"] == name]

    def story(self, name: str, study: str = "1.2.3") -> list[str]:
        """Return how the attempts to send there ended, oldest first."""
        record = self.record(study)
        ids = {row["id"] for row in record.deliveries if row["destination"] == name}
        return [row["ending"] for row in record.attempts if row["delivery_id"] in ids]

    def statuses(self, name: str) -> list[str]:
        record = self.record()
        ids = {row["id"] for row in record.deliveries if row["destination"] == name}
        return [row["status"] for row in record.attempts if row["delivery_id"] in ids]


@pytest.fixture
def site(pair: Any, sqlite_database: Database, tmp_path: Path) -> Site:
    store = FolderStore(tmp_path / "store", reserve=0)
    return Site(sqlite_database, store, pair.receivers, pair.media_type, made=dict(pair.destinations))
