"""Headers of stored Instances as reports use them: what cannot be read is left out, and nothing fails."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.reports.document import ImageOutcome, ReportError, StudyResult
from agent.reports.evidence import PROCEDURE_CODES, Instance, gather, read

Make = Callable[..., ImageOutcome]
MakeResult = Callable[..., StudyResult]
CR = "1.2.840.10008.5.1.4.1.1.1"
KEY_OBJECT = "1.2.840.10008.5.1.4.1.1.88.59"


def element(tag: int, value: bytes) -> bytes:
    """Return an element in Implicit VR Little Endian, as old files have it, without preamble and file meta."""
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value


def write(
    path: Path, uid: str, *, study: str = "1.2", sop_class: str = CR, size: tuple[int, int] | None = (4, 5)
) -> Path:
    rows_and_columns = size or (0, 0)
    body = [
        element(0x00080016, sop_class.encode()),
        element(0x00080018, uid.encode()),
        element(0x00080060, b"CR"),
        element(0x0020000D, study.encode()),
        element(0x0020000E, b"1.2.9"),
    ]
    if size:
        body += [element(0x00280010, struct.pack("<H", rows_and_columns[0]))]
        body += [element(0x00280011, struct.pack("<H", rows_and_columns[1]))]
    path.write_bytes(b"".join(body))
    return path


def test_a_header_is_read_whatever_its_encoding(tmp_path: Path) -> None:
    instance = read(write(tmp_path / "a", "1.2.3"))
    assert instance is not None
    assert (instance.sop_instance_uid, instance.rows, instance.columns, instance.is_image) == ("1.2.3", 4, 5, True)
    assert instance.text(0x00080060) == "CR"
    assert instance.text(0x00081030) == ""
    assert instance.items(PROCEDURE_CODES, {0x00080100: "SH"}) == ()


@pytest.mark.parametrize("content", [b"", b"DICM", b"<html>" * 50, bytes(500), b"\xff" * 300])
def test_what_is_no_dicom_is_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rubbish"
    path.write_bytes(content)
    assert read(path) is None


@pytest.mark.parametrize("uid", ["", "1.2.x", "../../etc", "1" * 65])
def test_an_instance_without_a_valid_uid_is_not_referred_to(tmp_path: Path, uid: str) -> None:
    assert read(write(tmp_path / "a", uid)) is None


def test_a_missing_file_is_an_error_and_not_an_instance_less(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "gone")


@pytest.mark.parametrize("value", [b"\xc4\xd6", b"\x80abc"])
def test_a_value_that_should_be_ascii_and_is_not_counts_as_absent(value: bytes, tmp_path: Path) -> None:
    path = write(tmp_path / "a", "1.2.3")
    path.write_bytes(path.read_bytes().replace(element(0x00080060, b"CR"), element(0x00080060, value)))
    instance = read(path)
    assert instance is not None
    assert instance.text(0x00080060) == ""


def gathered(result: StudyResult) -> tuple[Instance, list[str]]:
    evidence = gather(result)
    return evidence.source, [instance.sop_instance_uid for instance in evidence.references]


def test_candidates_come_first_and_every_image_is_referred_to_once(
    tmp_path: Path, result: MakeResult, image: Make
) -> None:
    first, second, third = (write(tmp_path / uid, uid) for uid in ("1.1", "1.2", "1.3"))
    images = tuple(
        image("failed").__class__(sop_instance_uid=uid, sop_class_uid=CR, path=path, outcome="failed")
        for uid, path in (("1.3", third), ("1.2", second))
    )
    source, references = gathered(result("failed", images=images, evidence=(first, second, third)))
    assert source.sop_instance_uid == "1.3"
    assert references == ["1.3", "1.2", "1.1"]


def test_objects_that_are_no_images_are_referred_to_only_where_there_is_nothing_else(
    tmp_path: Path, result: MakeResult
) -> None:
    image = write(tmp_path / "image", "1.1")
    note = write(tmp_path / "note", "1.2", sop_class=KEY_OBJECT, size=None)
    study = result("not_analysed", images=(), evidence=(note, image))
    assert gathered(study)[1] == ["1.1"]
    assert gathered(result("not_analysed", images=(), evidence=(note,)))[1] == ["1.2"]


def test_instances_of_another_study_are_not_referred_to(tmp_path: Path, result: MakeResult) -> None:
    own, other = write(tmp_path / "own", "1.1"), write(tmp_path / "other", "1.2", study="9.9")
    assert gathered(result("not_analysed", images=(), evidence=(other, own)))[1] == ["1.1"]


def test_unreadable_files_are_left_out(tmp_path: Path, result: MakeResult) -> None:
    rubbish = tmp_path / "rubbish"
    rubbish.write_bytes(b"rubbish" * 100)
    good = write(tmp_path / "good", "1.1")
    assert gathered(result("not_analysed", images=(), evidence=(rubbish, good)))[1] == ["1.1"]
    with pytest.raises(ReportError, match="expected a readable Instance"):
        gather(result("not_analysed", images=(), evidence=(rubbish,)))
