"""DCMTK's archive (`dcmqrscp`) stores every DICOM report and returns it as it was sent."""

import io
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import ParametricMapStorage

from agent import reports
from agent.reports.document import DICOM, StudyResult
from dicom_io.errors import NetworkError
from dicom_io.scu import Peer, echo, send

pytestmark = pytest.mark.tools

Study = Callable[..., StudyResult]
SETTINGS = """
NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
ARCHIVE {folder} RW (200, 1024mb) ANY
AETable END
"""


@pytest.fixture
def archive(tmp_path: Path, free_port: Callable[[], int], eventually: Callable[..., None]) -> Iterator[Peer]:
    """Run an archive of DCMTK."""
    port = free_port()
    (folder := tmp_path / "archive").mkdir()
    settings = tmp_path / "dcmqrscp.cfg"
    settings.write_text(SETTINGS.format(port=port, folder=folder))
    command = ["/usr/bin/dcmqrscp", "--config", settings]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - Debian's
    peer = Peer("ARCHIVE", "127.0.0.1", port)
    try:
        eventually(lambda: answers(peer))
        yield peer
    finally:
        process.terminate()
        process.wait(60)


def answers(peer: Peer) -> bool:
    try:
        echo(peer, calling_ae_title="TIBABU")
    except NetworkError:
        return False
    return True


def test_what_is_stored_there_comes_back_as_it_was_sent(
    archive: Peer, study: Study, source: Path, tmp_path: Path
) -> None:
    modules = [module for name in reports.names() if (module := reports.load(name)).MEDIA_TYPE == DICOM]
    result = study("flagged", source)
    sent = {(one := module.render(result, module.Settings())).identifier: one.data for module in modules}
    statuses = send(archive, list(sent.values()), calling_ae_title="TIBABU")
    assert [status.text for status in statuses] == ["0000"] * len(sent)
    (folder := tmp_path / "back").mkdir()
    query = ["-k", "0008,0052=STUDY", "-k", f"0020,000d={result.study_instance_uid}", "-od", folder]
    place = ["-aec", archive.ae_title, archive.host, str(archive.port)]
    subprocess.run(["/usr/bin/getscu", "-S", *query, *place], check=True, capture_output=True)  # noqa: S603 - Debian's
    returned = {(found := dcmread(path)).SOPInstanceUID: found for path in folder.iterdir()}
    expected = {uid: dcmread(io.BytesIO(data)) for uid, data in sent.items()}
    not_asked_for = {uid for uid, one in expected.items() if one.SOPClassUID == ParametricMapStorage}
    assert returned.keys() == expected.keys() - not_asked_for, "getscu proposes no Parametric Map"
    kept = [dcmread(path) for path in (tmp_path / "archive").rglob("*") if path.suffix == ".dcm"]
    assert {one.SOPInstanceUID for one in kept} == expected.keys()
    for one in (*returned.values(), *kept):
        assert one == expected[one.SOPInstanceUID]
