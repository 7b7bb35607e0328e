"""Names in any script come back in every report as they came in, also where the character set is declared wrongly."""

import io
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_charset_files

from agent.reports import Report, sr
from agent.reports.document import StudyResult
from dicom_io.file_meta import read_file_meta
from dicom_io.scan import open_stream, read_elements

Study = Callable[..., StudyResult]
Radiograph = Callable[..., Path]
NAME, CHARACTER_SET = 0x00100010, 0x00080005

NAMES = {
    "Cyrillic": ("ISO_IR 144", "Люксембург^Роза"),
    "Greek": ("ISO_IR 126", "Διονυσιος^Αλκης"),
    "Arabic": ("ISO_IR 127", "قباني^لنزار"),
    "Hebrew": ("ISO_IR 138", "שרון^דבורה"),
    "Latin 2": ("ISO_IR 101", "Dvořák^Šárka"),
    "Thai": ("ISO_IR 166", "นามสกุล^ชื่อ"),
    "Japanese, multi-byte": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "Japanese, half-width": (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    "Korean": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    "Chinese": ("GB18030", "Wang^XiaoDong=王^小东"),
    "Hindi": ("ISO_IR 192", "शर्मा^राम"),
    "64 letters": ("ISO_IR 192", "Ж" * 64),
    "Unicode": ("ISO_IR 192", "Νίκος^山田=王^小东=Люба"),
}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Return a name in each script."""
    return NAMES[request.param][1]


@pytest.fixture
def named(name: str, radiograph: Radiograph) -> Path:
    """Return a radiograph of somebody with that name."""
    character_set = next(charset for charset, written in NAMES.values() if written == name)
    return radiograph(
        SpecificCharacterSet=character_set,
        PatientName=name,
        PatientID="7",
        ReferringPhysicianName=name.rsplit("=", maxsplit=1)[-1],
    )


def outcome_of(report: Report) -> str:
    """Return an outcome of which there is the report, if possible one that takes no second to draw a picture."""
    return "not_flagged" if report.applies("not_flagged") else "flagged"


def test_a_name_comes_back_as_it_came_in(report: Report, study: Study, named: Path, name: str) -> None:
    document = report.render(study(outcome_of(report), named), report.Settings())
    dataset = dcmread(io.BytesIO(document.data))
    assert str(dataset.PatientName) == name
    assert str(dataset.ReferringPhysicianName) == name.rsplit("=", maxsplit=1)[-1]


def dump(tool: str, path: Path, *options: str) -> bytes:
    """Return what one of DCMTK's tools prints."""
    done = subprocess.run([f"/usr/bin/{tool}", *options, path], check=True, capture_output=True)  # noqa: S603 - Debian's
    return done.stdout


def convertible(name: str) -> bool:
    """Tell whether Debian's DCMTK can turn the name into UTF-8: it knows no ISO 2022 IR 87."""
    return not any("ISO 2022 IR 87" in charset for charset, written in NAMES.values() if written == name)


@pytest.mark.tools
def test_an_independent_reader_sees_the_same_name_as_in_the_image(
    report: Report, study: Study, named: Path, name: str, tmp_path: Path
) -> None:
    """DCMTK, as the bytes are and converted by the character set that is declared."""
    path = tmp_path / "report"
    path.write_bytes(report.render(study(outcome_of(report), named), report.Settings()).data)
    only_the_name = ("+L", "+P", "PatientName")
    assert dump("dcmdump", path, *only_the_name) == dump("dcmdump", named, *only_the_name)
    if convertible(name):
        assert f"[{name}]".encode() in dump("dcmdump", path, "+U8", *only_the_name)


@pytest.mark.tools
@pytest.mark.parametrize("tool", ["dsrdump", "dsr2html"])
def test_an_independent_reader_of_reports_shows_the_name(
    study: Study, named: Path, name: str, tool: str, tmp_path: Path
) -> None:
    path = tmp_path / "sr"
    path.write_bytes(sr.render(study("flagged", named), sr.Settings()).data)
    printed = dump(tool, path, "+U8") if convertible(name) else dump(tool, path)
    assert b"AI: FLAGGED - prioritisation only" in printed
    if convertible(name):
        assert name.partition("^")[0].encode() in printed


def raw(tag: int, vr: bytes, value: bytes) -> bytes:
    value += b" " * (len(value) % 2)
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def with_name(path: Path, character_set: bytes, value: bytes) -> Path:
    """Put a name into a radiograph that has none, as these very bytes."""
    data = path.read_bytes()
    start, after_patient = read_file_meta(path).dataset_offset, data.index(raw(0x0020000D, b"UI", b"")[:6])
    parts = [data[:start], raw(CHARACTER_SET, b"CS", character_set) if character_set else b""]
    parts += [data[start:after_patient], raw(NAME, b"PN", value), data[after_patient:]]
    path.write_bytes(b"".join(parts))
    return path


def name_in(source: bytes) -> tuple[bytes, bytes]:
    """Return Specific Character Set and Patient's Name as their bytes."""
    stream = open_stream(io.BytesIO(source))
    values = read_elements(stream.source, stream.syntax, {CHARACTER_SET, NAME}, stop=0x00110000).values
    return values.get(CHARACTER_SET, b"").strip(), values[NAME].rstrip()


EXAMPLES = [path for path in get_charset_files("chr*.dcm") if "SQ" not in path]  # those name nobody at the top level


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: Path(path).stem)
def test_the_bytes_of_a_name_are_not_touched(report: Report, study: Study, radiograph: Radiograph, path: str) -> None:
    """These are PS3.5's own examples (annexes H, I, J)."""
    character_set, name = name_in(Path(path).read_bytes())
    image = with_name(radiograph(), character_set, name)
    document = report.render(study(outcome_of(report), image), report.Settings())
    assert name_in(document.data) == (character_set, name)


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        (b"", "Müller^Jörg".encode("cp1252")),
        (b"", "Иванов^Пётр".encode("cp1251")),
        (b"", "王^小东".encode("gbk")),
        (b"ISO IR 100", "Müller^Jörg".encode("latin-1")),
        (b"ISO_IR 100", "山田^太郎".encode()),
        (b"KLINGON", b"\xf8\xd0^\xf8\xd1"),
        (b"ISO_IR 192", b"broken \xff\xfe utf-8"),
    ],
)
def test_a_name_whose_character_set_is_declared_wrongly_is_shown_as_with_the_image(
    report: Report, study: Study, radiograph: Radiograph, character_set: bytes, name: bytes
) -> None:
    """Whatever a site's PACS makes of the image's bytes, it makes of the report's: they are the same, as declared."""
    image = with_name(radiograph(), character_set, name)
    document = report.render(study(outcome_of(report), image), report.Settings())
    assert name_in(document.data) == (character_set, name)
