"""Names in any script come back from the PACS as they came from the scanner, whoever reads them."""

from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

pytestmark = [pytest.mark.shared, pytest.mark.tools]

NAMES = {  # Specific Character Set and bytes as a scanner writes them (Japanese: PS3.5 annex H), and what they mean
    "Cyrillic": ("ISO_IR 144", "Толстой^Лев".encode("iso8859-5"), "Толстой^Лев"),
    "Greek": ("ISO_IR 126", "Διονυσιος".encode("iso8859-7"), "Διονυσιος"),
    "Arabic": ("ISO_IR 127", "قباني^لنزار".encode("iso8859-6"), "قباني^لنزار"),
    "Japanese": (
        ["", "ISO 2022 IR 87"],
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    "Japanese with half-width katakana": (
        ["ISO 2022 IR 13", "ISO 2022 IR 87"],
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    ),
    "UTF-8": ("ISO_IR 192", "Wang^XiaoDong=王^小东".encode(), "Wang^XiaoDong=王^小东"),
}


@pytest.fixture(scope="module")
def studies(
    hospital: Any, radiograph: Any, storescu: Any, tmp_path_factory: pytest.TempPathFactory, eventually: Any
) -> Any:
    """Send one study under each name; return their Study Instance UIDs by script when all are delivered."""
    folder, sent = tmp_path_factory.mktemp("names"), {}
    for script, (character_set, name, _) in NAMES.items():
        placeholder = "#" * (len(name) + len(name) % 2)
        dataset = radiograph(SpecificCharacterSet=character_set, PatientName=placeholder, PatientID=f"ID-{len(sent)}")
        data = hospital.agent.encode(dataset)
        assert data.count(placeholder.encode()) == 1
        (folder / f"{len(sent)}.dcm").write_bytes(data.replace(placeholder.encode(), name.ljust(len(placeholder))))
        sent[script] = str(dataset.StudyInstanceUID)
    storescu(hospital.agent.peer, sorted(folder.iterdir()))
    eventually(lambda: hospital.has_delivered(sent.values()))
    return sent


@pytest.mark.parametrize("script", NAMES)
def test_a_name_comes_back_as_it_came(hospital: Any, studies: Any, tool: Any, script: str, tmp_path: Path) -> None:
    character_set, sent, meant = NAMES[script]
    # Debian's DCMTK cannot convert ISO 2022: there it has to show the bytes that the scanner sent.
    is_convertible = isinstance(character_set, str)
    option, expected = (["+U8"], meant) if is_convertible else ([], sent.decode("utf-8", "replace"))
    instances = hospital.orthanc.find(StudyInstanceUID=studies[script])
    assert instances
    for instance in instances:
        (file := tmp_path / "one.dcm").write_bytes(hospital.orthanc.bytes_of(f"/instances/{instance}/file"))
        assert str(dcmread(file).PatientName) == meant
        assert f"[{expected}]" in tool("dcmdump", *option, "+P", "0010,0010", file)


@pytest.mark.parametrize("script", NAMES)
def test_the_worklist_shows_the_name(hospital: Any, studies: Any, script: str) -> None:
    (row,) = [row for row in hospital.agent.rows() if row.study_instance_uid == studies[script]]
    assert row.patient_name == NAMES[script][2]
