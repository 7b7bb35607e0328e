"""The order of a study, asked for at a real Modality Worklist: DCMTK's, and one that misbehaves."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityWorklistInformationFind
from structlog.testing import capture_logs

from db.priority import Priority

Make = Callable[..., Dataset]

ITEM = """
(0008,0050) SH [{accession}]
(0010,0010) PN [Zzyzx^Quentin]
(0010,0020) LO [{patient}]
(0010,0030) DA [20210203]
(0010,0040) CS [M]
(0020,000d) UI [{study}]
(0032,1060) LO [Chest]
(0040,0100) SQ (Sequence with explicit length #=1)
  (fffe,e000) na (Item with explicit length #=6)
    (0008,0060) CS [CR]
    (0040,0001) AE [SCANNER]
    (0040,0002) DA [20260101]
    (0040,0003) TM [101500]
    (0040,0007) LO [Chest]
    (0040,0009) SH [1]
  (fffe,e00d) na (ItemDelimitationItem)
(fffe,e0dd) na (SequenceDelimitationItem)
(0040,1001) SH [RP1]
(0040,1003) SH [{priority}]
"""


def tool(name: str) -> str:
    beside_python = str(Path(sys.executable).parent)
    path = os.pathsep.join(one for one in os.environ["PATH"].split(os.pathsep) if one != beside_python)
    found = shutil.which(name, path=path)
    assert found is not None, name
    return found


class Worklist:
    """DCMTK's wlmscpfs over a folder of worklist files."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder / "RIS"
        self.folder.mkdir()
        (self.folder / "lockfile").touch()
        self.port = port
        command = [tool("wlmscpfs"), "-dfr", "-dfp", str(folder), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603

    def add(self, study: Dataset, priority: str, **changed: str) -> None:
        said = {"accession": "ACC-0815", "patient": study.PatientID, "study": study.StudyInstanceUID}
        text = self.folder / "item.dump"
        text.write_text(ITEM.format(**(said | {"priority": priority} | changed)))
        subprocess.run(  # noqa: S603 - a tool of our choice
            [tool("dump2dcm"), "-q", str(text), str(self.folder / f"{priority}.wl")], check=True
        )

    @property
    def section(self) -> dict[str, Any]:
        return {"ae_title": "RIS", "host": "127.0.0.1", "port": self.port, "first_retry_seconds": 0.2}


@pytest.fixture
def dcmtk(tmp_path: Path, free_port: Any, eventually: Any) -> Iterator[Worklist]:
    folder = tmp_path / "worklists"
    folder.mkdir()
    worklist = Worklist(folder, free_port())

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", worklist.port)) == 0

    eventually(answers)
    yield worklist
    worklist.process.terminate()
    worklist.process.wait(60)


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Callable[[Callable[..., Any]], dict[str, Any]]:
    """Return `serve(handler)`: a worklist that answers what the handler yields; its section of the config."""

    def run(handler: Callable[..., Any]) -> dict[str, Any]:
        entity = AE("RIS")
        entity.add_supported_context(ModalityWorklistInformationFind)
        server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, handler)])
        assert server is not None
        request.addfinalizer(server.shutdown)
        port = server.server_address[1]
        return {"ae_title": "RIS", "host": "127.0.0.1", "port": port, "first_retry_seconds": 0.1, "attempts": 3}

    return run


@pytest.mark.tools
def test_a_stat_order_raises_its_study_and_fills_the_missing_accession_number(
    start: Callable[..., Any], radiograph: Make, eventually: Any, dcmtk: Worklist
) -> None:
    image = radiograph(20, AccessionNumber="")
    dcmtk.add(image, "STAT")
    agent = start(orders=dcmtk.section)
    agent.send(image)
    eventually(lambda: agent.row(image) is not None and agent.row(image).order_priority is Priority.HIGH)
    row = agent.row(image)
    assert (row.accession_number, row.due_at) == ("ACC-0815", row.received_at)
    assert "ORDERED" in [event["event"] for event in agent.record(image).events]


@pytest.mark.tools
def test_an_order_that_is_entered_after_its_images_is_found_all_the_same(
    start: Callable[..., Any], radiograph: Make, eventually: Any, dcmtk: Worklist
) -> None:
    image = radiograph(20)
    agent = start(orders=dcmtk.section)
    agent.send(image)
    eventually(lambda: agent.is_in(image, "DELIVERED"))
    assert agent.row(image).order_priority is Priority.ROUTINE
    dcmtk.add(image, "HIGH")
    eventually(lambda: agent.row(image).order_priority is Priority.HIGH)


@pytest.mark.tools
def test_an_order_of_another_patient_is_not_applied(
    start: Callable[..., Any], radiograph: Make, eventually: Any, dcmtk: Worklist
) -> None:
    image = radiograph(20, AccessionNumber="")
    dcmtk.add(image, "STAT", patient="SOMEBODY-ELSE")
    with capture_logs() as said:
        agent = start(orders=dcmtk.section)
        agent.send(image)
        eventually(lambda: agent.is_in(image, "DELIVERED"))
        eventually(lambda: any(line["event"] == "order_of_another_patient" for line in said))
    assert (agent.row(image).order_priority, agent.row(image).accession_number) == (Priority.ROUTINE, "")
    assert "SOMEBODY" not in str(said)


def answer(image: Dataset, **changed: str) -> Dataset:
    order = Dataset()
    order.AccessionNumber, order.PatientID = image.AccessionNumber, image.PatientID
    order.StudyInstanceUID, order.RequestedProcedurePriority = image.StudyInstanceUID, "MEDIUM"
    for keyword, value in changed.items():
        setattr(order, keyword, value)
    return order


def test_the_most_urgent_of_the_orders_counts_and_others_are_passed_over(
    start: Callable[..., Any], radiograph: Make, eventually: Any, serve: Any
) -> None:
    """A worklist that ignores what it cannot match returns everybody's orders."""
    image = radiograph(20)

    def handler(_: Any) -> Iterator[Any]:
        yield 0xFF00, answer(image, StudyInstanceUID="1.2.3", AccessionNumber="X", RequestedProcedurePriority="STAT")
        yield 0xFF00, answer(image, RequestedProcedurePriority="LOW")
        yield 0xFF01, answer(image, StudyInstanceUID="1.2.3")  # by its accession number

    agent = start(orders=serve(handler))
    agent.send(image)
    eventually(lambda: agent.row(image) is not None and agent.row(image).order_priority is Priority.MEDIUM)


def test_a_worklist_that_fails_or_is_away_costs_nothing_but_the_order(
    start: Callable[..., Any], radiograph: Make, eventually: Any, serve: Any
) -> None:
    asked: list[str] = []

    def handler(event: Any) -> Iterator[Any]:
        asked.append(event.identifier.PatientID)
        yield 0xA700, None

    agent = start(orders=serve(handler))
    image = radiograph(250)
    agent.send(image)
    eventually(lambda: agent.is_in(image, "DELIVERED"))
    eventually(lambda: len(asked) == 3)
    assert agent.row(image).priority is Priority.MEDIUM, "flagged all the same"
