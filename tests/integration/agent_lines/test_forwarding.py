"""Router mode in the whole agent: by rule, bytes untouched, until acknowledged or parked, never in a loop."""

import io
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import CTImageStorage, JPEG2000Lossless, generate_uid

from db.forwarding import QUARANTINED
from db.queue import open_queue
from db.requeue import requeue_deliveries
from dicom_io.folder_store import FolderStore
from dicom_io.scp import ScpSettings, StorageScp

Make = Callable[..., Dataset]
Archive = tuple[Any, int]


@pytest.fixture
def database(sqlite_database: Any) -> Any:
    """One database is enough here: the ledger is proved on both elsewhere."""
    return sqlite_database


@pytest.fixture
def archive(pacs: Any, tmp_path: Path) -> Iterator[Archive]:
    """Give a second PACS and its port."""
    other = type(pacs)()
    scp = StorageScp(
        ScpSettings(ae_title="ARCHIVE", host="127.0.0.1", port=0), other, FolderStore(tmp_path / "archive").spool
    )
    scp.start()
    yield other, scp.port
    scp.stop(1)


def archive_at(port: int, name: str = "archive", **more: Any) -> dict[str, Any]:
    fixed = {"type": "dicom", "host": "127.0.0.1", "reports": []}
    return {"name": name, "ae_title": "ARCHIVE", "port": port} | fixed | more


def rule(when: str = "", *to: str) -> dict[str, Any]:
    return {"name": when or "everything", "when": when, "to": to or ("archive",)}


def states(agent: Any, study: Dataset) -> list[str]:
    return [forward["state"] for forward in agent.record(study).forwards]


def test_what_is_received_goes_on_byte_for_byte_and_reports_do_not(
    start: Any, radiograph: Make, pacs: Any, pacs_port: int, archive: Archive, eventually: Any
) -> None:
    other, port = archive
    agent = start(
        destinations=[archive_at(pacs_port, "pacs", ae_title="PACS", reports=["sr"]), archive_at(port)],
        forward=[rule()],
    )
    study = radiograph(5)
    compressed = radiograph(6, StudyInstanceUID=study.StudyInstanceUID)
    compressed.compress(JPEG2000Lossless, generate_instance_uid=False)
    agent.send(study, compressed)
    eventually(lambda: states(agent, study) == ["ACKNOWLEDGED"] * 2)
    stored = {one["sop_instance_uid"]: agent.config.store.folder / one["path"] for one in agent.record(study).instances}
    for received in other.received_instances:
        assert received.data == stored[received.affected_sop_instance_uid].read_bytes()
    assert {one.transfer_syntax_uid for one in other.received_instances} == {JPEG2000Lossless, "1.2.840.10008.1.2.1"}
    eventually(lambda: agent.is_in(study, "DELIVERED"))
    assert [report.Modality for report in pacs.reports("SR")] == ["SR"]
    assert (other.reports("SR"), len(other.received_instances)) == ([], 2)


def test_a_rule_on_the_outcome_waits_for_it_and_a_later_revision_lets_go_the_rest(
    start: Any, radiograph: Make, archive: Archive, eventually: Any
) -> None:
    other, port = archive
    quick = {"after_release_seconds": 0.2, "quiet_seconds": 1}
    agent = start(destinations=[archive_at(port)], forward=[rule('outcome == "flagged"')], complete=quick)
    dark = radiograph(5)
    agent.send(dark)
    eventually(lambda: agent.is_in(dark, "DELIVERED"))
    assert (states(agent, dark), other.received_instances) == (["HELD"], [])
    bright = radiograph(250, StudyInstanceUID=dark.StudyInstanceUID)
    agent.send(bright)
    eventually(lambda: states(agent, dark) == ["ACKNOWLEDGED"] * 2)
    assert [one.affected_sop_instance_uid for one in other.received_instances] == [
        dark.SOPInstanceUID,
        bright.SOPInstanceUID,
    ]
    late = radiograph(5, StudyInstanceUID=dark.StudyInstanceUID, SOPClassUID=CTImageStorage, Modality="CT")
    agent.send(late)  # evidence: no new revision, so the outcome that stands is its own
    eventually(lambda: states(agent, dark) == ["ACKNOWLEDGED"] * 3)


def test_many_instances_of_a_study_share_an_association(
    start: Any, radiograph: Make, archive: Archive, eventually: Any
) -> None:
    other, port = archive
    agent = start(destinations=[archive_at(port)], forward=[rule()])
    first = radiograph(SOPClassUID=CTImageStorage, Modality="CT")
    study = [
        first,
        *(radiograph(SOPClassUID=CTImageStorage, StudyInstanceUID=first.StudyInstanceUID) for _ in range(39)),
    ]
    arrived = threading.Event()
    other.answer = lambda _: (
        0x0000 if arrived.wait(60) else 0xA700
    )  # until then the first association stays in its first
    agent.send(*study)
    arrived.set()
    eventually(lambda: states(agent, first) == ["ACKNOWLEDGED"] * 40)
    assert len(other.received_instances) == 40
    assert len({one.association_id for one in other.received_instances}) <= 3


def test_one_that_is_refused_is_parked_with_its_reason_and_the_others_arrive(
    start: Any, radiograph: Make, archive: Archive, eventually: Any
) -> None:
    other, port = archive
    agent = start(destinations=[archive_at(port)], forward=[rule()])
    good, bad, also_good = (radiograph(5, StudyInstanceUID="1.2.3.4") for _ in range(3))
    other.answer = lambda one: 0xC123 if one.affected_sop_instance_uid == bad.SOPInstanceUID else 0x0000
    agent.send(good, bad, also_good)
    eventually(lambda: sorted(states(agent, good)) == ["ACKNOWLEDGED", "ACKNOWLEDGED", "PARKED"])
    (parked,) = (forward for forward in agent.record(good).forwards if forward["state"] == "PARKED")
    assert "C123" in parked["reason"]
    other.answer = lambda _: 0x0000
    assert requeue_deliveries(agent.database, open_queue(agent.database), now=agent.row(good).received_at) == 1
    eventually(lambda: states(agent, good) == ["ACKNOWLEDGED"] * 3)


def test_a_destination_that_does_not_accept_the_transfer_syntax_gets_nothing_and_the_reason_says_so(
    start: Any, radiograph: Make, eventually: Any
) -> None:
    from pynetdicom import AE  # noqa: PLC0415 - a peer that takes less than ours does

    entity = AE("ARCHIVE")
    entity.add_supported_context(CTImageStorage, "1.2.840.10008.1.2")
    server = entity.start_server(("127.0.0.1", 0), block=False)
    try:
        agent = start(destinations=[archive_at(server.server_address[1])], forward=[rule()])
        study = radiograph(5)
        agent.send(study)
        eventually(lambda: states(agent, study) == ["PARKED"])
    finally:
        server.shutdown()
    assert "does not accept its SOP Class in this transfer syntax" in agent.record(study).forwards[0]["reason"]


def test_out_of_resources_is_tried_again_and_a_duplicate_then_is_believed(
    start: Any, radiograph: Make, archive: Archive, eventually: Any
) -> None:
    other, port = archive
    answers = iter([0xA700, 0x0111])
    other.answer = lambda _: next(answers)
    agent = start(destinations=[archive_at(port)], forward=[rule()])
    study = radiograph(5)
    agent.send(study)
    eventually(lambda: states(agent, study) == ["ACKNOWLEDGED"])
    (forward,) = agent.record(study).forwards
    assert (forward["attempts"], forward["reason"].partition(":")[0]) == (2, "sent before")


def test_a_duplicate_that_we_never_sent_is_somebody_elses_and_is_parked_as_often_as_it_is_requeued(
    start: Any, radiograph: Make, archive: Archive, eventually: Any
) -> None:
    other, port = archive
    other.answer = lambda _: 0x0111
    agent = start(destinations=[archive_at(port)], forward=[rule()])
    study = radiograph(5)
    agent.send(study)
    for times in (1, 2):
        eventually(lambda times=times: states(agent, study) == ["PARKED"] and len(other.received_instances) == times)
        requeue_deliveries(agent.database, open_queue(agent.database), now=agent.row(study).received_at)


def test_a_destination_that_is_down_holds_back_no_other_and_gets_everything_when_it_is_back(
    start: Any, radiograph: Make, pacs: Any, pacs_port: int, eventually: Any, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    agent = start(
        destinations=[archive_at(port), archive_at(pacs_port, "pacs", ae_title="PACS")],
        forward=[rule("", "archive", "pacs")],
    )
    study = radiograph(5)
    second = radiograph(6, StudyInstanceUID=study.StudyInstanceUID)
    agent.send(study, second)
    eventually(lambda: sorted(states(agent, study)) == ["ACKNOWLEDGED"] * 2 + ["QUEUED"] * 2)
    eventually(lambda: agent.is_in(study, "DELIVERED"))  # its reports, none here, do not wait for a slow archive
    late = type(pacs)()
    scp = StorageScp(
        ScpSettings(ae_title="ARCHIVE", host="127.0.0.1", port=port), late, FolderStore(tmp_path / "late").spool
    )
    scp.start()
    try:
        eventually(lambda: states(agent, study) == ["ACKNOWLEDGED"] * 4)
    finally:
        scp.stop(1)
    assert len(late.received_instances) == 2
    attempts = {forward["attempts"] for forward in agent.record(study).forwards if forward["destination"] == "archive"}
    assert min(attempts) >= 2


def test_nothing_goes_back_to_who_sent_it_nor_twice_nor_do_our_own_reports_go_on(
    start: Any, radiograph: Make, pacs: Any, pacs_port: int, archive: Archive, eventually: Any
) -> None:
    other, port = archive
    agent = start(
        destinations=[archive_at(pacs_port, "pacs", ae_title="PACS", reports=["sr"]), archive_at(port)],
        forward=[rule("", "archive", "pacs")],
    )
    study = radiograph(5)
    agent.send(study, calling_ae_title="ARCHIVE")
    eventually(lambda: agent.is_in(study, "DELIVERED") and states(agent, study) == ["ACKNOWLEDGED"])
    (report,) = pacs.reports("SR")
    agent.send(study, report, calling_ae_title="PACS")
    eventually(lambda: len(agent.record(study).instances) == 2)
    assert states(agent, study) == ["ACKNOWLEDGED"]
    assert other.received_instances == []
    assert sorted(one.Modality for one in pacs.reports("SR") + pacs.reports("CR")) == ["CR", "SR"]


def test_two_agents_that_forward_to_each_other_and_a_third_come_to_rest(
    start: Any, radiograph: Make, archive: Archive, eventually: Any
) -> None:
    """The archive here sends everything back under another AE title, as a ring of routers does."""
    other, port = archive
    agent = start(destinations=[archive_at(port)], forward=[rule()])
    study = radiograph(5)
    agent.send(study)
    eventually(lambda: states(agent, study) == ["ACKNOWLEDGED"])
    agent.send(dcmread(io.BytesIO(other.received_instances[0].data)), calling_ae_title="RING")
    other_study = radiograph(6)
    agent.send(other_study)
    eventually(lambda: states(agent, other_study) == ["ACKNOWLEDGED"])
    assert len(other.received_instances) == 2
    assert len(agent.record(study).instances) == 1


def test_nothing_of_a_quarantined_study_goes_on(
    start: Any, radiograph: Make, archive: Archive, eventually: Any
) -> None:
    other, port = archive
    agent = start(destinations=[archive_at(port)], forward=[rule('outcome in ("not_analysed", "not_flagged")'), rule()])
    first = radiograph(5)
    agent.send(first)
    eventually(lambda: states(agent, first) == ["ACKNOWLEDGED"])
    stranger = radiograph(5, StudyInstanceUID=first.StudyInstanceUID, PatientID="SOMEBODY-ELSE")
    after = radiograph(7, StudyInstanceUID=first.StudyInstanceUID)
    agent.send(stranger, after)
    eventually(lambda: states(agent, first) == ["ACKNOWLEDGED", "PARKED"])
    assert agent.record(first).forwards[1]["reason"] == QUARANTINED
    assert [one.affected_sop_instance_uid for one in other.received_instances] == [first.SOPInstanceUID]


def test_a_quarantine_ends_a_sending_that_has_begun(
    start: Any, radiograph: Make, archive: Archive, eventually: Any
) -> None:
    other, port = archive
    agent = start(destinations=[archive_at(port)], forward=[rule()])
    first = radiograph(5)
    second = radiograph(6, StudyInstanceUID=first.StudyInstanceUID)
    stranger = radiograph(7, StudyInstanceUID=first.StudyInstanceUID, PatientID="SOMEBODY-ELSE")

    def answer(_: object) -> int:
        agent.send(stranger)
        return 0x0000

    other.answer = answer
    agent.send(first, second)
    eventually(lambda: states(agent, first) == ["ACKNOWLEDGED", "PARKED"])
    assert [one.affected_sop_instance_uid for one in other.received_instances] == [first.SOPInstanceUID]


def test_a_file_that_is_away_is_tried_again_and_does_not_hold_back_its_neighbours(
    start: Any, radiograph: Make, archive: Archive, eventually: Any
) -> None:
    other, port = archive
    other.answer = lambda _: 0xA700
    agent = start(destinations=[archive_at(port)], forward=[rule()])
    one, two = (radiograph(value, StudyInstanceUID=generate_uid(entropy_srcs=["away"])) for value in (5, 6))
    agent.send(one, two)

    def sendings() -> int:
        return sum(sent.affected_sop_instance_uid == two.SOPInstanceUID for sent in other.received_instances)

    eventually(sendings)
    away = agent.config.store.folder / agent.record(one).instances[0]["path"]
    away.rename(away.with_suffix(".away"))
    before = sendings()
    eventually(lambda: sendings() >= before + 2)  # what was being sent when its file went is answered by then
    other.answer = lambda _: 0x0000
    eventually(lambda: sorted(states(agent, one)) == ["ACKNOWLEDGED", "QUEUED"])
    away.with_suffix(".away").rename(away)
    eventually(lambda: states(agent, one) == ["ACKNOWLEDGED"] * 2)
