"""The SCP and the SCU with DCMTK on the other side."""

import csv
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dicom_io.file_meta import read_file_meta
from dicom_io.scu import Peer, echo, send

pytestmark = pytest.mark.tools

JPEG_LOSSLESS, J2K, RLE = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.5"
BIG_ENDIAN = "1.2.840.10008.1.2.2"


def tool(name: str) -> str:
    """Return where the tool is; the virtual environment has pynetdicom's applications of the same names."""
    beside_python = str(Path(sys.executable).parent)
    path = os.pathsep.join(one for one in os.environ["PATH"].split(os.pathsep) if one != beside_python)
    found = shutil.which(name, path=path)
    assert found is not None, f"expected {name} on PATH"
    return found


def run(name: str, *arguments: object, succeeds: bool = True) -> str:
    """Run a tool and return what it said."""
    command = [tool(name), *(str(argument) for argument in arguments)]
    environment = {**os.environ, "TCP_NODELAY": "1"}
    done = subprocess.run(  # noqa: S603 - a tool of our choice
        command, capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    said = done.stdout + done.stderr
    assert (done.returncode == 0) is succeeds, said
    return said


def of_syntax(shared: Path, transfer_syntax: str) -> Path:
    """Return a small test file in that transfer syntax."""
    folder = shared / "data" / "dicom" / "transfer-syntaxes"
    with (folder / "manifest.csv").open(newline="") as manifest:
        names = [
            row["file"]
            for row in csv.DictReader(manifest)
            if row["transfer_syntax"] == transfer_syntax and row["modality"] and row["decode"].startswith("ok")
        ]
    return min((folder / name for name in names), key=lambda path: path.stat().st_size)


def test_echoscu_is_answered_success(start_scp: Any, sink: Any) -> None:
    assert "Received Echo Response (Success)" in run("echoscu", "-v", "-aec", "TIBABU", "127.0.0.1", start_scp().port)
    assert sink.only_summary().how == "released"


def test_echoscu_is_told_why_it_is_rejected(start_scp: Any) -> None:
    port = start_scp().port
    said = run("echoscu", "-v", "-aec", "OTHER", "127.0.0.1", port, succeeds=False)
    assert "Called AE Title Not Recognized" in said


def test_storescu_sends_several_instances_over_one_association(
    start_scp: Any, sink: Any, sample: Any, tmp_path: Path
) -> None:
    for number in range(5):
        (tmp_path / f"{number}.dcm").write_bytes(sample(f"1.2.{number}").file)
    said = run("storescu", "-v", "-aec", "TIBABU", "+sd", "127.0.0.1", start_scp().port, tmp_path)
    assert said.count("Received Store Response (Success)") == 5
    summary = sink.only_summary()
    assert (summary.how, summary.stored) == ("released", 5)
    assert sorted(one.affected_sop_instance_uid for one in sink.instances) == [f"1.2.{number}" for number in range(5)]


def test_storescu_that_proposes_all_its_transfer_syntaxes_gets_explicit_vr_little_endian(
    start_scp: Any, sink: Any, sample: Any, tmp_path: Path
) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(sample().file)
    run("storescu", "-aec", "TIBABU", "-x=", "127.0.0.1", start_scp().port, path)
    assert sink.instances[0].transfer_syntax_uid == "1.2.840.10008.1.2.1"


def test_storescu_that_aborts_leaves_what_was_stored(start_scp: Any, sink: Any, sample: Any, tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(sample().file)
    run("storescu", "-aec", "TIBABU", "--abort", "127.0.0.1", start_scp().port, path)
    summary = sink.only_summary()
    assert (summary.how, summary.stored) == ("aborted", 1)


@pytest.mark.shared
@pytest.mark.parametrize(("option", "syntax"), [("-xs", JPEG_LOSSLESS), ("-xw", J2K), ("-xr", RLE)])
def test_storescu_sends_compressed_images(start_scp: Any, sink: Any, shared: Path, option: str, syntax: str) -> None:
    run("storescu", option, "-aec", "TIBABU", "127.0.0.1", start_scp().port, of_syntax(shared, syntax))
    assert sink.instances[0].transfer_syntax_uid == syntax


@pytest.fixture
def storescp(tmp_path: Path, free_port: Any, eventually: Any) -> Iterator[Any]:
    """DCMTK's storescp as a PACS that writes datasets bit by bit as they come."""
    folder = tmp_path / "pacs"
    folder.mkdir()
    port = free_port()
    process = subprocess.Popen(  # noqa: S603 - a tool of our choice
        [tool("storescp"), "--bit-preserving", "--accept-all", "-aet", "PACS", "-od", str(folder), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    peer = Peer("PACS", "127.0.0.1", port)

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(listens)
    yield peer, folder
    process.terminate()
    process.wait(60)


def test_storescp_gets_the_datasets_bytes_as_they_are(storescp: Any, sample: Any) -> None:
    peer, folder = storescp
    echo(peer)
    samples = [sample(f"1.2.{number}", pixels=bytes([number]) * 200_000) for number in range(3)]
    statuses = send(peer, [one.file for one in samples])
    assert all(status.stored for status in statuses)
    written = {path.read_bytes()[read_file_meta(path).dataset_offset :] for path in folder.iterdir()}
    assert written == {one.dataset for one in samples}


@pytest.mark.shared
def test_storescp_gets_compressed_images_as_they_are(storescp: Any, shared: Path) -> None:
    peer, folder = storescp
    files = [of_syntax(shared, syntax) for syntax in (JPEG_LOSSLESS, J2K, RLE, BIG_ENDIAN)]
    statuses = send(peer, files)
    assert [status.text for status in statuses if not status.stored] == []
    written = {path.read_bytes()[read_file_meta(path).dataset_offset :] for path in folder.iterdir()}
    assert written == {path.read_bytes()[read_file_meta(path).dataset_offset :] for path in files}


def test_the_kernel_sees_write_then_sync_then_rename_then_sync_of_the_folder(tmp_path: Path) -> None:
    """What is synced before the rename survives a power cut; a rename survives once its folder is synced."""
    program = (
        "import sys, pathlib, dicom_io.folder_store as s; s.FolderStore(pathlib.Path(sys.argv[1])).put(bytes(100_000))"
    )
    trace = tmp_path / "trace"
    calls = ("openat", "write", "fsync", "fdatasync", "rename", "renameat", "renameat2")
    strace = ("-y", "-e", f"trace={','.join(calls)}", "-o", trace, sys.executable, "-c", program, tmp_path / "store")
    run("strace", *strace)
    lines = trace.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if ".tmp" in line and "O_EXCL" in line)
    seen = [(line.split("(")[0], ".tmp" in line) for line in lines[start:] if line.startswith(calls)]
    assert seen == [
        ("openat", True),
        ("write", True),
        ("fsync", True),
        ("rename", True),
        ("openat", False),
        ("fsync", False),
    ]
