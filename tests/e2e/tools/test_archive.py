"""Orthanc asks for what the agent holds, has it committed, is sent it, and is pulled from."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom import Dataset

from dicom_io.peer import Peer
from dicom_io.query_scu import move

pytestmark = [pytest.mark.shared, pytest.mark.tools]


@pytest.fixture(scope="module")
def both(
    orthanc: Any, configure: Any, running: Any, free_port: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """Run an agent and an Orthanc that know one another; STATION may have things moved to Orthanc."""
    port = free_port()
    modality = {"AET": "TIBABU", "Host": "127.0.0.1", "Port": port, "AllowStorageCommitment": True}
    with orthanc(DicomModalities={"tibabu": modality}) as pacs:
        agent = configure(tmp_path_factory.mktemp("agent"), receive={"port": port})
        with agent.config.open("a") as file:
            file.write(
                f'[[peers]]\nae_title = "ORTHANC"\nhost = "127.0.0.1"\nport = {pacs.peer.port}\n'
                'may = ["echo", "store", "find", "move", "get", "commit"]\nmove_destinations = ["ORTHANC"]\n'
                '[[peers]]\nae_title = "STATION"\nmay = ["move"]\nmove_destinations = ["ORTHANC"]\n'
            )
        with running(agent):
            yield SimpleNamespace(agent=agent, orthanc=pacs)


def post(pacs: Any, path: str, document: Any) -> Any:
    return pacs.rest.post(path, json=document).raise_for_status().json()


def test_orthanc_queries_and_retrieves(both: Any, radiograph: Callable[..., Dataset]) -> None:
    """C-FIND and C-MOVE with Orthanc as SCU, and as the destination: every byte of the data set is what was sent."""
    one = radiograph(31, PatientID="QUERIED")
    both.agent.send(one)
    query = post(both.orthanc, "/modalities/tibabu/query", {"Level": "Study", "Query": {"PatientID": "QUER*"}})
    (answer,) = both.orthanc.get(f"/queries/{query['ID']}/answers")
    found = both.orthanc.get(f"/queries/{query['ID']}/answers/{answer}/content?simplify")
    assert found["StudyInstanceUID"] == one.StudyInstanceUID
    post(both.orthanc, f"/queries/{query['ID']}/answers/{answer}/retrieve", {"TargetAet": "ORTHANC"})
    (instance,) = both.orthanc.find(SOPInstanceUID=one.SOPInstanceUID)
    received = both.orthanc.bytes_of(f"/instances/{instance}/file")
    sent = both.agent.encode(one)
    pixels = bytes(one.PixelData)
    assert received[received.index(pixels) :] == sent[sent.index(pixels) :]


def test_orthanc_has_its_images_committed(
    both: Any, radiograph: Callable[..., Dataset], eventually: Callable[..., None]
) -> None:
    """Orthanc stores here, asks for Storage Commitment, and hears the truth of what is here and what is not."""
    kept, never = radiograph(32), radiograph(33)
    both.agent.send(kept)
    asked = [{"SOPClassUID": one.SOPClassUID, "SOPInstanceUID": one.SOPInstanceUID} for one in (kept, never)]
    request = post(both.orthanc, "/modalities/tibabu/storage-commitment", {"DicomInstances": asked})
    path = request["Path"]
    eventually(lambda: both.orthanc.get(path)["Status"] != "Pending")
    report = both.orthanc.get(path)
    assert report["Status"] == "Failure"
    assert [one["SOPInstanceUID"] for one in report["Success"]] == [kept.SOPInstanceUID]
    (failed,) = report["Failures"]
    assert (failed["SOPInstanceUID"], failed["FailureReason"]) == (never.SOPInstanceUID, 0x0112)


def test_orthanc_is_a_move_destination(both: Any, radiograph: Callable[..., Dataset]) -> None:
    one = radiograph(34)
    both.agent.send(one)
    peer: Peer = both.agent.peer
    done = move(peer, one.StudyInstanceUID, "ORTHANC", calling_ae_title="STATION")
    assert (done.status, done.completed) == (0x0000, 1)
    assert len(both.orthanc.find(SOPInstanceUID=one.SOPInstanceUID)) == 1


@pytest.mark.parametrize("how", [(), ("--move",)])
def test_a_study_is_pulled_from_orthanc(both: Any, radiograph: Callable[..., Dataset], how: tuple[str, ...]) -> None:
    one = radiograph(35 + len(how))
    both.orthanc.rest.post("/instances", content=both.agent.encode(one)).raise_for_status()
    (found,) = both.agent.document("find", "ORTHANC", "--study", one.StudyInstanceUID)
    assert found["number_of_study_related_instances"] == "1"
    done = both.agent.document("pull", "ORTHANC", one.StudyInstanceUID, *how)
    assert (done["status"], done["expected"], done["completed"]) == (0, 1, 1)
    record = both.agent.document("show", one.StudyInstanceUID)
    assert [row["sop_instance_uid"] for row in record["instances"] if row["role"] == "candidate"] == [
        one.SOPInstanceUID
    ]


def test_getscu_gets_what_was_sent(both: Any, radiograph: Callable[..., Dataset], tool: Any, tmp_path: Path) -> None:
    one = radiograph(38)
    both.agent.send(one)
    where = ("127.0.0.1", both.agent.peer.port)
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={one.StudyInstanceUID}")
    tool("getscu", "-S", "-aet", "ORTHANC", "-aec", "TIBABU", "-od", tmp_path, *where, *keys)
    assert len(list(tmp_path.iterdir())) == 1
