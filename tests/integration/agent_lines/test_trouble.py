"""Bad input, bad peers, bad destinations: a clear status or reason each time, nothing lost or disturbed."""

import io
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import JPEG2000Lossless

from agent.line.receive import Receiver, ReceiveSettings
from db.closing import Timing
from db.database import Database
from db.outcome import Outcome
from db.priority import Allowances
from db.queue import open_queue
from db.requeue import requeue_deliveries
from db.worklist import worklist
from dicom_io.folder_store import FolderStore
from dicom_io.scp import ReceivedInstance

Make = Callable[..., Dataset]

OUT_OF_RESOURCES, CANNOT_UNDERSTAND, DOES_NOT_MATCH, DUPLICATE = 0xA700, 0xC000, 0xA900, 0x0111


@pytest.fixture
def database(sqlite_database: Any) -> Any:
    """One database is enough here: what differs between the two is proved elsewhere."""
    return sqlite_database


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Give a port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def pacs_at(port: int, name: str = "pacs", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": port} | more


def test_a_dead_and_a_silent_destination_never_hold_back_another(
    start: Any, radiograph: Make, pacs: Any, pacs_port: int, silent_port: int, eventually: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead_port = closed.getsockname()[1]
    patience = {"association_timeout_seconds": 3, "response_timeout_seconds": 3}
    agent = start(
        destinations=[
            pacs_at(dead_port, "dead"),
            pacs_at(silent_port, "silent", **patience),
            pacs_at(pacs_port, "good"),
        ]
    )
    study = radiograph(5)
    agent.send(study)
    eventually(lambda: len(pacs.reports("SR")) == 1)
    assert agent.row(study).state == "CONCLUDED", "not delivered: two destinations have not acknowledged"

    def states() -> dict[str, str]:
        return {one["destination"]: one["state"] for one in agent.record(study).deliveries}

    eventually(lambda: states() == {"good": "ACKNOWLEDGED", "dead": "QUEUED", "silent": "QUEUED"})


def test_a_pacs_that_is_out_of_resources_gets_the_same_bytes_again_until_it_has_them(
    start: Any, radiograph: Make, pacs: Any, eventually: Any
) -> None:
    answers = iter([OUT_OF_RESOURCES, OUT_OF_RESOURCES])
    pacs.answer = lambda _: next(answers, 0x0000)
    agent = start()
    study = radiograph(5)
    agent.send(study)
    eventually(lambda: agent.is_in(study, "DELIVERED"))
    (digests,) = pacs.digests().values()
    assert (len(pacs.received_instances), len(digests)) == (3, 1)
    (delivery,) = agent.record(study).deliveries
    assert delivery["attempts"] == 3


def test_a_duplicate_answered_to_a_second_attempt_means_that_the_pacs_has_it(
    start: Any, radiograph: Make, pacs: Any, eventually: Any
) -> None:
    answers = iter([OUT_OF_RESOURCES, DUPLICATE])
    pacs.answer = lambda _: next(answers)
    agent = start()
    study = radiograph(5)
    agent.send(study)
    eventually(lambda: agent.is_in(study, "DELIVERED"))


def test_a_duplicate_answered_to_the_very_first_attempt_is_no_acknowledgement(
    start: Any, radiograph: Make, pacs: Any, eventually: Any
) -> None:
    pacs.answer = lambda _: DUPLICATE
    agent = start(deliver={"attempts": 1})
    study = radiograph(5)
    agent.send(study)
    eventually(lambda: agent.row(study) and agent.row(study).deliveries == {"PARKED": 1})


def test_a_report_that_the_pacs_cannot_understand_is_parked_with_its_reason_and_can_be_requeued(
    start: Any, radiograph: Make, pacs: Any, eventually: Any
) -> None:
    pacs.answer = lambda _: CANNOT_UNDERSTAND
    agent = start()
    study = radiograph(5)
    agent.send(study)
    eventually(lambda: agent.row(study) and agent.row(study).deliveries == {"PARKED": 1})
    assert "C000" in agent.record(study).deliveries[0]["reason"]
    pacs.answer = lambda _: 0x0000
    now = agent.row(study).received_at
    assert requeue_deliveries(agent.database, open_queue(agent.database), now=now) == 1
    eventually(lambda: agent.is_in(study, "DELIVERED"))
    (digests,) = pacs.digests().values()
    assert len(digests) == 1


def test_one_study_uid_under_two_patients_ends_in_quarantine_with_nothing_sent(
    start: Any, radiograph: Make, pacs: Any, eventually: Any
) -> None:
    agent = start()
    one = radiograph(250)
    other = radiograph(250, StudyInstanceUID=one.StudyInstanceUID, PatientID="SOMEBODY-ELSE")
    agent.send(one, other)
    eventually(lambda: agent.is_in(one, "DELIVERED"))
    row = agent.row(one)
    assert (row.outcome, row.reason) == (Outcome.NOT_ANALYSED, "conflicting identity")
    assert pacs.received_instances == []


def test_one_sop_instance_uid_with_other_pixels_ends_in_quarantine(
    start: Any, radiograph: Make, pacs: Any, eventually: Any
) -> None:
    agent = start()
    one = radiograph(5)
    other = radiograph(250, **{key: getattr(one, key) for key in ("StudyInstanceUID", "SeriesInstanceUID")})
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    agent.send(one, other)
    eventually(lambda: agent.is_in(one, "DELIVERED"))
    assert agent.row(one).reason == "conflicting identity"
    assert {instance["role"] for instance in agent.record(one).instances} == {"candidate", "conflict"}
    assert pacs.received_instances == []


def test_a_duplicate_in_another_transfer_syntax_is_no_event(
    start: Any, radiograph: Make, pacs: Any, eventually: Any
) -> None:
    agent = start()
    one = radiograph(5)
    other = radiograph(5)
    for key in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(other, key, getattr(one, key))
    other.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    other.compress(JPEG2000Lossless, generate_instance_uid=False)
    agent.send(one)
    eventually(lambda: agent.is_in(one, "DELIVERED"))
    agent.send(other)
    roles = ["candidate", "own", "duplicate"]  # the report between them
    eventually(lambda: [one["role"] for one in agent.record(one).instances] == roles)
    row = agent.row(one)
    assert (row.revision, row.state, row.outcome) == (1, "DELIVERED", Outcome.NOT_FLAGGED)
    assert len(pacs.received_instances) == 1


def test_an_empty_patient_id_is_accepted_and_reported(start: Any, radiograph: Make, pacs: Any, eventually: Any) -> None:
    agent = start()
    study = radiograph(5, PatientID="", PatientName="")
    assert [status.status for status in agent.send(study)] == [0]
    eventually(lambda: agent.is_in(study, "DELIVERED"))
    (report,) = pacs.reports("SR")
    assert (report.PatientID or "", str(report.PatientName or "")) == ("", "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"PixelData": b""}, "empty"),
        ({"Rows": 65000, "Columns": 65000, "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15}, ""),
        ({"PixelData": b"\x01" * 100}, ""),
    ],
)
def test_pixels_that_are_not_there_make_the_image_failed_with_a_reason(
    start: Any, radiograph: Make, pacs: Any, eventually: Any, change: dict[str, Any], reason: str
) -> None:
    agent = start()
    study = radiograph(5, **change)
    assert [status.status for status in agent.send(study)] == [0]
    eventually(lambda: agent.is_in(study, "DELIVERED"))
    row = agent.row(study)
    assert row.outcome is Outcome.FAILED
    assert row.reason
    assert reason in row.reason
    (report,) = pacs.reports("SR")
    assert "failed" in report.SeriesDescription


def test_an_object_that_is_no_image_is_stored_and_its_study_not_analysed(
    start: Any, radiograph: Make, eventually: Any
) -> None:
    agent = start()
    study = radiograph(5, SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1", Modality="DOC")
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"):
        delattr(study, keyword)
    assert [status.status for status in agent.send(study)] == [0]
    eventually(lambda: agent.is_in(study, "DELIVERED"))
    assert (agent.row(study).outcome, agent.row(study).reason) == (
        Outcome.NOT_ANALYSED,
        "no chest radiograph to analyse",
    )


def test_a_data_set_without_a_study_is_refused_and_the_association_goes_on(start: Any, radiograph: Make) -> None:
    agent = start()
    nameless, good = radiograph(5, StudyInstanceUID=""), radiograph(5)
    statuses = [status.status for status in agent.send(nameless, good)]
    assert 0xC000 <= statuses[0] <= 0xCFFF
    assert statuses[1] == 0


@pytest.mark.parametrize("uid", ["../../etc", "1." * 33 + "1", "1.2.x"])
def test_a_study_uid_that_is_none_never_becomes_a_row_or_a_path(
    start: Any, radiograph: Make, tmp_path: Any, uid: str
) -> None:
    agent = start()
    bad = radiograph(5)
    bad.add_new(0x0020000D, "UI", "1.2.3")
    bad["StudyInstanceUID"]._value = uid
    (status,) = agent.send(bad)
    assert not status.stored
    assert agent.row(uid) is None
    assert not list(tmp_path.rglob("*etc*"))


def test_a_store_without_enough_free_space_refuses_with_a700(start: Any, radiograph: Make, tmp_path: Path) -> None:
    agent = start(store={"folder": tmp_path / "full", "minimum_free_megabytes": 10**9})
    (status,) = agent.send(radiograph(5))
    assert status.status == OUT_OF_RESOURCES


def test_a_database_that_fails_refuses_with_a700_and_the_association_goes_on(start: Any, radiograph: Make) -> None:
    agent = start()
    with agent.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE instance RENAME TO instance_gone")
    statuses = [status.status for status in agent.send(radiograph(5), radiograph(5))]
    assert statuses == [OUT_OF_RESOURCES, OUT_OF_RESOURCES]
    with agent.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE instance_gone RENAME TO instance")
    assert [status.status for status in agent.send(radiograph(5))] == [0]


def test_a_peer_that_disconnects_in_the_middle_disturbs_nobody(start: Any, radiograph: Make, eventually: Any) -> None:
    agent = start()
    studies = [radiograph(5) for _ in range(3)]

    def rude() -> None:
        with socket.create_connection((agent.peer.host, agent.peer.port)) as connection:
            connection.sendall(b"\x01\x00\x00\x00\x10\x00 half a PDU")

    threads = [threading.Thread(target=rude) for _ in range(5)]
    for thread in threads:
        thread.start()
    for study in studies:
        assert agent.send(study)[0].stored
    for thread in threads:
        thread.join()
    eventually(lambda: all(agent.is_in(study, "DELIVERED") for study in studies))


def test_the_command_and_the_data_set_must_name_the_same_instance(
    database: Database, radiograph: Make, tmp_path: Path
) -> None:
    settings = ReceiveSettings(timing=Timing(), allowances=Allowances())
    store = FolderStore(tmp_path)
    receiver = Receiver(database, open_queue(database), store, settings, lambda: datetime.now(UTC))
    file = io.BytesIO()
    radiograph(5).save_as(file, enforce_file_format=True)
    spool = store.spool()
    spool.write(file.getvalue())
    sent = ReceivedInstance(
        spool=spool,
        affected_sop_class_uid="1.2.840.10008.5.1.4.1.1.1",
        affected_sop_instance_uid="1.2.3.4",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        calling_ae_title="SCANNER",
        called_ae_title="TIBABU",
        peer_address="127.0.0.1",
        association_id="1",
    )
    with spool:
        assert receiver.received(sent) == DOES_NOT_MATCH
    assert worklist(database) == ()
