"""A report counts as delivered when its PACS is seen to have it: by Storage Commitment, else by a query."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    Comprehensive3DSRStorage,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
)
from sqlalchemy import select

from agent.line import confirm
from db.schema import domain as schema
from db.schema.delivery import delivery_attempt

WELL_KNOWN = "1.2.840.10008.1.20.1.1"
SAME, OTHER, NEVER = "same association", "another association", "never"


class Archive:
    """A PACS made with pynetdicom that stores, commits and is searched as it is told."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.loses = 0  # so many of the next objects are acknowledged and not kept
        self.kept: list[str] = []
        self.reports = SAME
        self.refuses = False  # to be asked for a commitment
        self.asked: list[str] = []
        self.agent_port = 0
        self.answers: list[int] = []
        self.threads: list[threading.Thread] = []
        self.server: Any = None

    def listen(self, *sop_classes: str) -> int:
        entity = AE("PACS")
        entity.maximum_associations = 50
        entity.add_supported_context(Comprehensive3DSRStorage)
        for sop_class in sop_classes:
            entity.add_supported_context(sop_class)
        handlers = [
            (evt.EVT_C_STORE, self.store),
            (evt.EVT_N_ACTION, self.commit),
            (evt.EVT_C_FIND, self.find),
        ]
        self.server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        return int(self.server.server_address[1])

    def store(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        self.stored.append(uid)
        if self.loses:
            self.loses -= 1
        else:
            self.kept.append(uid)
        return 0x0000

    def find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        self.asked.append("find")
        wanted = event.identifier
        assert wanted.QueryRetrieveLevel == "IMAGE"
        assert wanted.StudyInstanceUID
        assert wanted.SeriesInstanceUID
        if wanted.SOPInstanceUID in self.kept:
            yield 0xFF00, wanted

    def commit(self, event: Any) -> tuple[int, None]:
        self.asked.append("commit")
        if self.refuses:
            return 0x0110, None
        report = threading.Thread(target=self.report, args=(event.assoc, event.action_information))
        self.threads.append(report)
        if self.reports != NEVER:
            report.start()
        return 0x0000, None

    def report(self, association: Any, asked: Dataset) -> None:
        told = Dataset()
        told.TransactionUID = asked.TransactionUID
        (item,) = asked.ReferencedSOPSequence
        is_there = item.ReferencedSOPInstanceUID in self.kept
        if not is_there:
            item.FailureReason = 0x0112
        setattr(told, "ReferencedSOPSequence" if is_there else "FailedSOPSequence", [item])
        event = told, 1 if is_there else 2, StorageCommitmentPushModel, WELL_KNOWN
        if self.reports == SAME:
            self.answers.append(association.send_n_event_report(*event)[0].Status)
            return
        entity = AE("PACS")
        entity.add_requested_context(StorageCommitmentPushModel)
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        own = entity.associate("127.0.0.1", self.agent_port, ae_title="TIBABU", ext_neg=[role])
        assert own.is_established
        self.answers.append(own.send_n_event_report(*event)[0].Status)
        own.release()

    def close(self) -> None:
        for thread in self.threads:
            if thread.ident is not None:
                thread.join(60)
        self.server.shutdown()


@pytest.fixture
def archive() -> Iterator[Archive]:
    made = Archive()
    yield made
    made.close()


@pytest.fixture
def run(start: Any, archive: Archive, radiograph: Callable[..., Dataset]) -> Callable[..., Any]:
    """Return `run(*sop_classes, **settings)`: a PACS that offers these beside storage, the agent, and one study."""

    def begin(*sop_classes: str, **settings: Any) -> tuple[Any, Dataset]:
        port = archive.listen(*sop_classes)
        pacs = {"name": "pacs", "type": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": port}
        agent = start(destinations=[pacs | {"reports": ["sr"]} | settings])
        archive.agent_port = agent.peer.port
        study = radiograph(5)
        agent.send(study)
        return agent, study

    return begin


def told(agent: Any, study: Dataset) -> tuple[str, list[str]]:
    """Ask for this alone: it is asked again and again."""
    report, result, whole = schema.report.c, schema.result.c, schema.study.c
    joined = schema.delivery.join(schema.report, report.id == schema.delivery.c.report_id)
    joined = joined.join(schema.result, result.id == report.result_id).join(schema.study, whole.id == result.study_id)
    of_study = select(schema.delivery).select_from(joined).where(whole.study_instance_uid == study.StudyInstanceUID)
    with agent.database.read() as connection:
        (delivery,) = connection.execute(of_study)
        attempts = select(delivery_attempt.c.ending).where(delivery_attempt.c.delivery_id == delivery.id)
        return delivery.confirmation, list(connection.scalars(attempts.order_by(delivery_attempt.c.id)))


@pytest.mark.parametrize("where", [SAME, OTHER])
def test_a_pacs_that_commits_confirms_over_this_association_or_over_one_of_its_own(
    run: Any, archive: Archive, eventually: Any, where: str
) -> None:
    archive.reports = where
    agent, study = run(StorageCommitmentPushModel, StudyRootQueryRetrieveInformationModelFind)
    eventually(lambda: agent.is_in(study, "DELIVERED"))
    assert told(agent, study) == ("by Storage Commitment", ["acknowledged"])
    assert archive.asked == ["commit"]
    assert archive.answers == [0x0000]


def test_a_pacs_that_has_lost_what_it_said_it_stored_gets_the_same_again(
    run: Any, archive: Archive, eventually: Any
) -> None:
    archive.loses = 1
    agent, study = run(StorageCommitmentPushModel)
    eventually(lambda: agent.is_in(study, "DELIVERED"))
    assert told(agent, study) == ("by Storage Commitment", ["acknowledged", "acknowledged"])
    assert (len(archive.stored), len(set(archive.stored))) == (2, 1)


def test_a_commitment_that_is_not_reported_on_in_time_is_followed_by_a_query(
    run: Any, archive: Archive, eventually: Any
) -> None:
    archive.reports = NEVER
    agent, study = run(StorageCommitmentPushModel, StudyRootQueryRetrieveInformationModelFind, confirm_within_seconds=1)
    eventually(lambda: agent.is_in(study, "DELIVERED"))
    assert archive.asked == ["commit", "find"]
    assert told(agent, study) == ("by query", ["acknowledged"])


def test_without_commitment_a_query_confirms_and_what_it_does_not_find_is_sent_again(
    run: Any, archive: Archive, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirm, "AGAIN", timedelta(seconds=0.2))
    archive.loses = 1
    agent, study = run(StudyRootQueryRetrieveInformationModelFind, confirm_within_seconds=0.1)
    eventually(lambda: agent.is_in(study, "DELIVERED"))
    assert told(agent, study) == ("by query", ["acknowledged", "acknowledged"])


def test_a_pacs_that_refuses_to_be_asked_for_a_commitment_is_searched(
    run: Any, archive: Archive, eventually: Any
) -> None:
    archive.refuses = True
    agent, study = run(StorageCommitmentPushModel, StudyRootQueryRetrieveInformationModelFind)
    eventually(lambda: agent.is_in(study, "DELIVERED"))
    assert archive.asked == ["commit", "find"]
    assert told(agent, study) == ("by query", ["acknowledged"])


def test_where_neither_is_offered_the_ledger_says_that_it_was_not_confirmed(run: Any, eventually: Any) -> None:
    agent, study = run()
    eventually(lambda: agent.is_in(study, "DELIVERED"))
    assert told(agent, study) == ("not confirmed: it offers no way to ask", ["acknowledged"])


def test_where_a_commitment_is_demanded_and_not_offered_a_person_has_to_look(run: Any, eventually: Any) -> None:
    agent, study = run(confirm="commitment")
    eventually(lambda: agent.row(study) and agent.row(study).deliveries == {"PARKED": 1})
    assert "expected a way to ask" in agent.record(study).deliveries[0]["reason"]


def test_until_it_is_confirmed_a_study_is_not_delivered(run: Any, archive: Archive, eventually: Any) -> None:
    archive.reports = NEVER
    agent, study = run(StorageCommitmentPushModel)
    eventually(lambda: archive.asked == ["commit"])
    assert agent.row(study).deliveries == {"STORED": 1}
    assert agent.is_in(study, "CONCLUDED")


def test_a_report_on_what_we_never_asked_for_is_refused(run: Any, archive: Archive, eventually: Any) -> None:
    agent, study = run()
    eventually(lambda: agent.is_in(study, "DELIVERED"))
    asked, item = Dataset(), Dataset()
    asked.TransactionUID = "1.2.3.4"
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = Comprehensive3DSRStorage, archive.stored[0]
    asked.ReferencedSOPSequence = [item]
    archive.reports = OTHER
    archive.report(None, asked)
    assert archive.answers == [0x0115]
