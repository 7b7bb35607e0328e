"""A hospital of few words: studies that come and are concluded, the agent's SCP, and clients on pynetdicom only."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from arriving import incoming
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import UnifiedProcedureStepPull, UnifiedProcedureStepPush, UnifiedProcedureStepWatch

from agent.line.workitems import Workitems
from db.advance import lock
from db.analysis import ImageResult, record_image_result, score_task
from db.causes import Cause, How
from db.closing import Timing
from db.completion import close_due
from db.conclusion import Conclusion, StudyToConclude, record_conclusion, study_to_conclude
from db.database import Database
from db.installation import installation_uuid
from db.intake import Recorded, record_instance
from db.outcome import Outcome, study_outcome
from db.priority import Allowances
from db.queue import open_queue
from db.withdrawal import Withdrawal, record_withdrawal, withdraw, withdrawal_to_record
from db.workitem_changes import WorkitemLedger
from dicom_io.door import Door, KnownPeer, Verb
from dicom_io.peer import Peer
from dicom_io.scp import AssociationSummary, ReceivedInstance, ScpSettings, StorageScp
from dicom_io.services import Services
from dicom_io.spool import Spool

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Hospital:
    """Studies that arrive and are concluded, with a clock in the test's hand."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.queue = open_queue(database)
        self.now = NOON
        self._numbers = itertools.count(1)
        installation_uuid(database, now=NOON)

    def receive(self, study: str = "1.2.3", **given: Any) -> Recorded:
        values: dict[str, Any] = {
            "received_at": self.now,
            "patient_id": "P1",
            "issuer_of_patient_id": "KLINIK",
            "patient_name": "Öztürk^Zoë=山田^太郎",
            "patient_birth_date": "20220107",
            "patient_sex": "F",
            "accession_number": "A-1",
            "study_date": "20260101",
            "study_description": "Thorax",
        }
        timing = Timing(quiet=timedelta(seconds=30), forced=timedelta(minutes=15))
        arriving = incoming(study, next(self._numbers), **(values | given))
        return record_instance(self.database, self.queue, arriving, timing=timing, allowances=Allowances())

    def score(self, received: Recorded, outcome: Outcome = Outcome.NOT_FLAGGED) -> None:
        task = score_task(self.database, received.instance_id)
        assert task is not None
        chance = {Outcome.FLAGGED: 0.9, Outcome.NOT_FLAGGED: 0.1}.get(outcome)
        found = ImageResult(outcome=outcome, probability=chance, started_at=self.now, finished_at=self.now)
        record_image_result(self.database, self.queue, task, found, allowances=Allowances())

    def conclude(self, received: Recorded) -> None:
        self.now += timedelta(minutes=16)
        close_due(self.database, self.queue, now=self.now)
        due = study_to_conclude(self.database, received.study_id)
        assert due is not None
        assert record_conclusion(self.database, self.queue, self._conclusion(due))

    def withdraw(self, received: Recorded, how: How) -> None:
        """Withdraw the image of a concluded study, and record what that is without it."""
        what = Withdrawal(how, Cause.QUALITY, "withdrawn", [received.instance_id])
        with self.database.begin() as connection:
            position = lock(connection, received.study_id)
            withdraw(connection, self.queue, position, what, at=self.now, allowances=Allowances())
        due = withdrawal_to_record(self.database, received.study_id)
        assert due is not None
        assert record_withdrawal(self.database, self.queue, self._conclusion(due))

    def _conclusion(self, due: StudyToConclude) -> Conclusion:
        return Conclusion(
            study_id=due.study_id,
            revision=due.revision,
            withdrawals=due.withdrawals,
            outcome=study_outcome(due.images, withdrawn=due.withdrawn),
            model_name="m",
            model_version="1",
            model_sha256="0" * 64,
            operating_point="p",
            threshold=0.5,
            device_uid="2.25.7",
            analysed_at=self.now,
            concluded_at=self.now,
            reports=(),
        )

    def study(self, uid: str = "1.2.3", outcome: Outcome = Outcome.NOT_FLAGGED, **given: Any) -> int:
        """Return the id of a concluded study."""
        received = self.receive(uid, **given)
        self.score(received, outcome)
        self.conclude(received)
        return int(received.study_id)


class _Sink:
    def received(self, _: ReceivedInstance) -> int:
        return 0

    def association_ended(self, _: AssociationSummary) -> None: ...


@dataclass
class Client:
    """A client of our SCP, built on pynetdicom alone."""

    port: int
    title: str = "RIS"
    answers: list[Dataset] = field(default_factory=list)

    def associate(self, *classes: str) -> Any:
        entity = AE(self.title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
        for one in classes:
            entity.add_requested_context(one)
        association = entity.associate("127.0.0.1", self.port, ae_title="TIBABU")
        assert association.is_established
        return association

    def find(self, keys: Dataset, sop_class: str = UnifiedProcedureStepPull) -> tuple[list[Dataset], int]:
        association = self.associate(sop_class)
        responses = list(association.send_c_find(keys, sop_class))
        association.release()
        return [identifier for status, identifier in responses if status.Status in (0xFF00, 0xFF01)], int(
            responses[-1][0].Status
        )

    def listed(self, state: str = "") -> list[Dataset]:
        """Return what a RIS asks for: the tasks of a state."""
        keys = Dataset()
        keys.ProcedureStepState = state
        for keyword in ("ScheduledProcedureStepPriority", "ProcedureStepLabel", "PatientName", "PatientID"):
            setattr(keys, keyword, "")
        found, status = self.find(keys)
        assert status == 0
        return found

    def get(self, uid: str, tags: list[int] | None = None) -> tuple[int, Dataset | None]:
        association = self.associate(UnifiedProcedureStepPull)
        status, found = association.send_n_get(
            tags or [], UnifiedProcedureStepPush, uid, meta_uid=UnifiedProcedureStepPull
        )
        association.release()
        return int(status.Status), found

    def set(self, uid: str, modification: Dataset) -> int:
        association = self.associate(UnifiedProcedureStepPull)
        status, _ = association.send_n_set(
            modification, UnifiedProcedureStepPush, uid, meta_uid=UnifiedProcedureStepPull
        )
        association.release()
        return int(status.Status)

    def act(self, uid: str, action: int, information: Dataset, meta: str = UnifiedProcedureStepPull) -> int:
        association = self.associate(meta)
        status, _ = association.send_n_action(information, action, UnifiedProcedureStepPush, uid, meta_uid=meta)
        association.release()
        return int(status.Status)

    def change(self, uid: str, state: str, transaction: str) -> int:
        information = Dataset()
        information.ProcedureStepState, information.TransactionUID = state, transaction
        return self.act(uid, 1, information)

    def request_cancel(self, uid: str, meta: str = UnifiedProcedureStepWatch, **said: Any) -> int:
        information = Dataset()
        for keyword, value in said.items():
            setattr(information, keyword, value)
        information.ContactDisplayName = "Reading room"
        return self.act(uid, 2, information, meta)

    def performed(self, uid: str, transaction: str, **left_out: bool) -> int:
        """Say what completes a task; what is named with False is left out."""
        item = Dataset()
        item.PerformedStationNameCodeSequence = [code("RIS1", "99SITE", "Reading room 1")]
        item.PerformedWorkitemCodeSequence = [code("110005", "DCM", "Interpretation")]
        item.PerformedProcedureStepStartDateTime = "20260101120000+0000"
        item.PerformedProcedureStepEndDateTime = "20260101120500+0000"
        item.OutputInformationSequence = []
        for keyword in left_out:
            delattr(item, keyword)
        modification = Dataset()
        modification.TransactionUID = transaction
        modification.UnifiedProcedureStepPerformedProcedureSequence = [item]
        return self.set(uid, modification)

    def claim(self, uid: str) -> str:
        transaction = str(generate_uid())
        assert self.change(uid, "IN PROGRESS", transaction) == 0x0000
        return transaction

    def complete(self, uid: str) -> None:
        transaction = self.claim(uid)
        assert self.performed(uid, transaction) == 0x0000
        assert self.change(uid, "COMPLETED", transaction) == 0x0000


def code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


@pytest.fixture
def hospital(database: Database) -> Hospital:
    """Return one, on SQLite and on PostgreSQL."""
    return Hospital(database)


@pytest.fixture
def sqlite_hospital(sqlite_database: Database) -> Hospital:
    return Hospital(sqlite_database)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Return `serve(hospital, may, subscribers)`: a client of its SCP, known as RIS."""
    started: list[StorageScp] = []

    def start(
        hospital: Hospital,
        may: tuple[Verb, ...] = (Verb.UPS_PULL, Verb.UPS_CHANGE),
        subscribers: dict[str, int] | None = None,
    ) -> Client:
        ports = subscribers or {}
        own = Peer("RIS", "127.0.0.1", ports["RIS"]) if "RIS" in ports else None
        others = [
            KnownPeer(ae_title=title, listens=Peer(title, "127.0.0.1", port))
            for title, port in ports.items()
            if title != "RIS"
        ]
        door = Door([KnownPeer(ae_title="RIS", may=frozenset(may), listens=own), *others])
        workitems = Workitems(WorkitemLedger(hospital.database, hospital.queue), door, "TIBABU", lambda: hospital.now)
        scp = StorageScp(
            ScpSettings(host="127.0.0.1", port=0, door=door, dimse_timeout=60),
            _Sink(),
            partial(Spool, tmp_path),
            services=Services(workitems=workitems),
        )
        scp.start()
        started.append(scp)
        return Client(scp.port)

    yield start
    for scp in started:
        scp.stop(1)
