"""Independent receivers of forwards: DCMTK's storescp by C-STORE, Orthanc by STOW-RS; the datasets are those sent."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.destinations import stow
from db.worklist import study_record, worklist
from dicom_io.errors import HeaderError
from dicom_io.file_meta import read_file_meta
from dicom_io.folder_store import FolderStore
from dicom_io.header import read_header

pytestmark = [pytest.mark.shared, pytest.mark.tools]

ROLES = ("receive", "deliver")
PLUGIN = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
MOST_BYTES = 2_000_000


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data[read_file_meta(data).dataset_offset :]).hexdigest()


@pytest.fixture(scope="module")
def real_files(shared: Path) -> list[Path]:
    """Choose real files, each of another SOP Class or transfer syntax, and each another SOP Instance."""
    kinds: dict[tuple[str, str], Path] = {}
    instances: set[str] = set()
    for path in sorted((shared / "data" / "dicom").rglob("*.dcm")):
        if path.stat().st_size > MOST_BYTES or "malformed" in path.parts:
            continue
        try:
            header, meta = read_header(path), read_file_meta(path)
        except HeaderError:
            continue
        kind = (meta.sop_class_uid, meta.transfer_syntax_uid)
        if (path.stat().st_size - meta.dataset_offset) % 2:
            continue  # no dataset has an odd length (PS3.5 7.1.1): DCMTK aborts over one
        if kind not in kinds and header.sop_instance_uid not in instances and header.transfer_syntax_uid:
            kinds[kind] = path
            instances.add(header.sop_instance_uid)
    found = list(kinds.values())[:20]
    assert len(found) > 10
    return found


def forwarding_to(agent: Any, **destination: object) -> Any:
    """Return the agent with a rule that sends everything to this destination."""
    facts = {"name": "archive", "reports": []} | destination
    lines = ["[[destinations]]", *(f"{name} = {value!r}" for name, value in facts.items())]
    lines += ["[[forward]]", 'name = "all"', 'to = ["archive"]']
    agent.config.write_text(agent.config.read_text(encoding="utf-8") + "\n".join(lines) + "\n", encoding="utf-8")
    return agent


def forwards(agent: Any) -> list[dict[str, Any]]:
    """Return every forward on record, with the digest of what it forwards."""
    studies = [row.study_instance_uid for row in worklist(agent.database)]
    records = [record for study in studies if (record := study_record(agent.database, study))]
    store = FolderStore(agent.config.parent / "var" / "store")
    paths = {row["id"]: store.path(row["path"]) for record in records for row in record.instances}
    rows = [row for record in records for row in record.forwards]
    return [row | {"digest": digest_of(paths[row["instance_id"]].read_bytes())} for row in rows]


def forwarded(
    agent: Any, files: list[Path], running: Any, eventually: Callable[..., None]
) -> tuple[list[str], list[str]]:
    """Send files to the agent and wait; return the digests of what was acknowledged, and why the rest was parked."""

    def settled() -> bool:
        found = forwards(agent)
        return len(found) == len(files) and {row["state"] for row in found} <= {"ACKNOWLEDGED", "PARKED"}

    with running(agent, ROLES):
        assert {status.status for status in agent.send(*files)} == {0}
        eventually(settled)
        found = forwards(agent)
    stored = sorted(row["digest"] for row in found if row["state"] == "ACKNOWLEDGED")
    return stored, [row["reason"] for row in found if row["state"] == "PARKED"]


def test_dcmtks_storescp_has_every_dataset_that_it_accepts_bit_by_bit(
    configure: Any,
    running: Any,
    real_files: list[Path],
    free_port: Callable[[], int],
    eventually: Callable[..., None],
    tmp_path: Path,
) -> None:
    port = free_port()
    (folder := tmp_path / "dcmtk").mkdir()
    paths = (Path(entry) / "storescp" for entry in os.environ["PATH"].split(os.pathsep))
    dcmtks = next(path for path in paths if path.exists() and path.read_bytes()[:4] == b"\x7fELF")
    options = ["-pm", "+B", "+xa", "-aet", "ARCHIVE", "-od", str(folder), str(port)]
    scp = subprocess.Popen([str(dcmtks), *options])  # noqa: S603 - our own command line
    try:
        agent = configure(tmp_path / "agent")
        forwarding_to(agent, type="dicom", ae_title="ARCHIVE", host="127.0.0.1", port=port)
        stored, parked = forwarded(agent, real_files, running, eventually)
    finally:
        scp.terminate()
        scp.wait(60)
    at_dcmtk = sorted(digest_of(file.read_bytes()) for file in folder.iterdir())
    assert at_dcmtk == stored
    assert set(stored) <= {digest_of(file.read_bytes()) for file in real_files}
    assert len(stored) > 10
    assert all("does not accept its SOP Class in this transfer syntax" in reason for reason in parked)


def test_orthanc_has_by_stow_rs_every_dataset_that_it_takes_bit_by_bit(
    configure: Any,
    running: Any,
    orthanc: Any,
    real_files: list[Path],
    eventually: Callable[..., None],
    tmp_path: Path,
) -> None:
    with orthanc(Plugins=[PLUGIN], DicomWeb={"Enable": True, "Root": "/dicom-web/"}) as pacs:
        url = str(pacs.rest.base_url).rstrip("/") + "/dicom-web"
        stow.Destination(stow.Settings(name="archive", type="stow", url=url), "TIBABU").ping()
        agent = forwarding_to(configure(tmp_path), type="stow", url=url)
        stored, parked = forwarded(agent, real_files, running, eventually)
        at_orthanc = sorted(digest_of(pacs.bytes_of(f"/instances/{one}/file")) for one in pacs.get("/instances"))
    assert at_orthanc == stored
    assert set(stored) <= {digest_of(file.read_bytes()) for file in real_files}
    assert len(stored) > 10
    assert all("status=400" in reason for reason in parked)  # what Orthanc's plugin itself cannot read
