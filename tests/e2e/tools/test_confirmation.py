"""Independent archives confirm that they have our reports, and give them back: Orthanc commits, DCMTK's is searched."""

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from dicom_io.peer import Peer

pytestmark = [pytest.mark.shared, pytest.mark.tools]

CONFIGURATION = """NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
ARCHIVE {folder} RW (100, 1024mb) ANY
AETable END
"""


@pytest.fixture(scope="module")
def archive(
    free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory, eventually: Callable[..., None]
) -> Iterator[Peer]:
    """Run DCMTK's archive, `dcmqrscp`."""
    port, folder = free_port(), tmp_path_factory.mktemp("archive")
    (folder / "kept").mkdir()
    (folder / "dcmqrscp.cfg").write_text(CONFIGURATION.format(port=port, folder=folder / "kept"))
    command = [shutil.which("dcmqrscp") or "dcmqrscp", "-c", str(folder / "dcmqrscp.cfg")]
    with (folder / "dcmqrscp.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - our own command line

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        eventually(answers)
        yield Peer("ARCHIVE", "127.0.0.1", port)
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def place(free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """Return the agent's port, which Orthanc has to know before it runs, and its folder."""
    return free_port(), tmp_path_factory.mktemp("agent")


@pytest.fixture(scope="module")
def confirmed(
    orthanc: Any,
    archive: Peer,
    configure: Any,
    running: Any,
    place: tuple[int, Path],
    radiograph: Callable[..., Dataset],
    eventually: Callable[..., None],
) -> Iterator[SimpleNamespace]:
    """Run an agent that reports to both, and let it deliver one study."""
    port, folder = place
    modality = {"AET": "TIBABU", "Host": "127.0.0.1", "Port": port, "AllowStorageCommitment": True}
    with orthanc(DicomModalities={"tibabu": modality}) as pacs:
        destinations = {"orthanc": pacs.peer, "archive": archive}
        agent = configure(folder, destinations, receive={"port": port})
        with running(agent):
            study = radiograph(41, PatientID="CONFIRMED")
            agent.send(study)
            eventually(lambda: agent.has_delivered(1))
            record = agent.document("show", study.StudyInstanceUID)
            yield SimpleNamespace(orthanc=pacs, archive=archive, study=study, record=record)


def reports_to(confirmed: Any, destination: str) -> dict[str, str]:
    """Return how each report that went to a destination was confirmed, by its SOP Instance UID."""
    uids = {report["id"]: report["sop_instance_uid"] for report in confirmed.record["reports"]}
    found = confirmed.record["deliveries"]
    return {uids[row["report_id"]]: row["confirmation"] for row in found if row["destination"] == destination}


def test_orthanc_commits_to_the_reports_and_returns_them(confirmed: Any) -> None:
    reports = reports_to(confirmed, "orthanc")
    assert set(reports.values()) == {"by Storage Commitment"}
    for uid in reports:
        (instance,) = confirmed.orthanc.find(SOPInstanceUID=uid)
        assert confirmed.orthanc.tags(instance)["StudyInstanceUID"] == confirmed.study.StudyInstanceUID


def test_dcmtks_archive_is_seen_to_have_the_reports_and_returns_them(confirmed: Any, tool: Any, tmp_path: Path) -> None:
    reports = reports_to(confirmed, "archive")
    assert set(reports.values()) == {"by query"}
    keys = ("QueryRetrieveLevel=STUDY", f"StudyInstanceUID={confirmed.study.StudyInstanceUID}")
    place = ("-aec", "ARCHIVE", confirmed.archive.host, confirmed.archive.port)
    tool("getscu", "-S", *(word for key in keys for word in ("-k", key)), "-od", tmp_path, *place)
    returned = {str(dcmread(file).SOPInstanceUID): file for file in tmp_path.iterdir()}
    assert returned.keys() == reports.keys()
    for file in returned.values():
        if dcmread(file).Modality == "SR":
            assert "Imaging Measurement" in tool("dsrdump", file)
