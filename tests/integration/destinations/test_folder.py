"""The folder destination on a real file system: whole files, never over another one."""

import hashlib
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.destinations import Alert, Outgoing, folder
from agent.errors import DeliveryError, DestinationDownError


def destination(path: Path) -> folder.Destination:
    return folder.Destination(folder.Settings(name="folder", type="folder", folder=path), "TIBABU")


@pytest.mark.parametrize(
    ("media_type", "suffix"),
    [
        ("application/dicom", ".dcm"),
        ("application/fhir+json", ".fhir.json"),
        ("application/json", ".json"),
        ("application/pdf", ".pdf"),
        ("application/x-whatever", ".bin"),
    ],
)
def test_any_report_becomes_a_file_named_by_its_identifier(tmp_path: Path, media_type: str, suffix: str) -> None:
    out = tmp_path / "new" / "folder"
    report = Outgoing(media_type, b"report\0", "1.2.840.99", "1.2.3")
    assert destination(out).send(report) == f"1.2.840.99{suffix}"
    assert [(file.name, file.read_bytes()) for file in out.iterdir()] == [(f"1.2.840.99{suffix}", b"report\0")]


def test_a_file_is_not_for_everybody_on_the_machine(tmp_path: Path) -> None:
    destination(tmp_path).send(Outgoing("application/dicom", b"report", "1.2", "1.2.3"))
    assert (tmp_path / "1.2.dcm").stat().st_mode & 0o777 & ~0o640 == 0


def test_sent_again_it_is_the_same_file(tmp_path: Path) -> None:
    report = Outgoing("application/dicom", b"report", "1.2", "1.2.3")
    destination(tmp_path).send(report)
    before = (tmp_path / "1.2.dcm").stat()
    assert destination(tmp_path).send(report) == "1.2.dcm was there"
    assert (tmp_path / "1.2.dcm").stat() == before


def test_another_file_of_that_name_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "1.2.dcm").write_bytes(b"another")
    with pytest.raises(DeliveryError) as caught:
        destination(tmp_path).send(Outgoing("application/dicom", b"report", "1.2", "1.2.3"))
    assert not caught.value.retry
    assert (tmp_path / "1.2.dcm").read_bytes() == b"another"


@pytest.mark.parametrize("identifier", ["../../etc/passwd", "a/b", ".hidden", "", "x" * 101, "Ö", "a\0b", "urn:uuid:1"])
def test_an_identifier_that_is_no_file_name_is_replaced_by_the_digest(tmp_path: Path, identifier: str) -> None:
    said = destination(tmp_path).send(Outgoing("application/dicom", b"report", identifier, "1.2.3"))
    assert said == f"{hashlib.sha256(b'report').hexdigest()}.dcm"
    assert [file.name for file in tmp_path.iterdir()] == [said]


def test_a_full_disk_leaves_no_half_file_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DestinationDownError, match="No space left"):
        destination(tmp_path).send(Outgoing("application/dicom", b"report", "1.2", "1.2.3"))
    assert list(tmp_path.iterdir()) == []


def test_the_bytes_are_synced_before_the_file_has_its_name_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, bool]] = []
    sync = os.fsync

    def watched(descriptor: int) -> None:
        is_folder = Path(f"/proc/self/fd/{descriptor}").resolve() == tmp_path
        seen.append((is_folder, (tmp_path / "1.2.dcm").exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    destination(tmp_path).send(Outgoing("application/dicom", b"report", "1.2", "1.2.3"))
    assert seen == [(False, False), (True, True)]


def test_the_names_of_folders_that_were_missing_are_synced_before_a_report_counts_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []
    sync = os.fsync

    def watched(descriptor: int) -> None:
        seen.append(Path(f"/proc/self/fd/{descriptor}").resolve())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    destination(tmp_path / "new" / "out").send(Outgoing("application/dicom", b"report", "1.2", "1.2.3"))
    assert [folder for folder in seen if folder.is_dir()] == [tmp_path, tmp_path / "new", tmp_path / "new" / "out"]


def test_a_place_that_is_no_folder_is_down(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    one, report = destination(tmp_path / "file" / "out"), Outgoing("application/pdf", b"x", "1.2", "1.2.3")
    for act in (one.ping, lambda: one.send(report)):
        with pytest.raises(DestinationDownError, match="expected a writable folder"):
            act()


def test_a_ping_leaves_nothing_behind(tmp_path: Path) -> None:
    destination(tmp_path / "out").ping()
    assert list((tmp_path / "out").iterdir()) == []


@dataclass
class Said:
    """`Progress` that remembers."""

    calls: list[tuple[str, int]] = field(default_factory=list)

    def begins(self, index: int) -> None:
        self.calls.append(("begins", index))

    def stored(self, index: int, _: str) -> None:
        self.calls.append(("stored", index))

    def failed(self, index: int, error: DeliveryError) -> None:
        self.calls.append(("retry" if error.retry else "park", index))


def test_received_instances_are_written_as_they_are_by_their_digests(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a", "b", "absent")]
    for file in files[:2]:
        file.write_bytes(file.name.encode() * 3_000_000)
    out = tmp_path / "out"
    destination(out).forward([*files, files[0]], said := Said())
    ends = [(0, "stored"), (1, "stored"), (2, "retry"), (3, "stored")]
    assert said.calls == [call for index, end in ends for call in (("begins", index), (end, index))]
    written = {file.name: file.read_bytes() for file in out.iterdir()}
    assert written == {f"{hashlib.sha256(file.read_bytes()).hexdigest()}.dcm": file.read_bytes() for file in files[:2]}


def test_an_alert_is_a_file_and_one_that_a_process_that_died_has_written_is_left(tmp_path: Path) -> None:
    facts = ("alert-1", datetime(2026, 1, 1, 12, tzinfo=UTC), "Tibabu: x", ("x",))
    destination(tmp_path).alert(Alert(*facts, b"3 reports"))
    destination(tmp_path).alert(Alert(*facts, b"4 reports"))
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("alert-1.json", b"3 reports")]


def test_an_alert_that_cannot_be_written_has_failed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DestinationDownError):
        destination(tmp_path / "file").alert(
            Alert("alert-1", datetime(2026, 1, 1, 12, tzinfo=UTC), "Tibabu: x", ("x",), b"{}")
        )
