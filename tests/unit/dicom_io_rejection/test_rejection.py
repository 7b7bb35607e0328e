"""Rejection notes as they arrive (IHE IOCM): what they take back is read, whatever their encoding."""

from contextlib import suppress
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dicom_io import rejection
from dicom_io.errors import HeaderError
from dicom_io.rejection import KEY_OBJECT_SELECTION, TITLES, read_rejection_note
from dicom_io.silence import quiet_pydicom

SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


def written(
    path: Path, named: dict[str, list[str]], title: str = "113001", scheme: str = "DCM", syntax: UID = SYNTAXES[1]
) -> Path:
    """Write a Key Object Selection of study 1.2 that names SOP Instance UIDs by study, each in a Series of its own."""
    with quiet_pydicom():
        return _written(path, named, title, scheme, syntax)


def _written(path: Path, named: dict[str, list[str]], title: str, scheme: str, syntax: UID) -> Path:
    note, code = Dataset(), Dataset()
    note.SOPClassUID, note.SOPInstanceUID = KEY_OBJECT_SELECTION, "1.2.9"
    note.StudyInstanceUID, note.SeriesInstanceUID, note.Modality = "1.2", "1.2.8", "KO"
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = title, scheme, "Whatever"
    note.ConceptNameCodeSequence = [code] if title or scheme else []
    note.CurrentRequestedProcedureEvidenceSequence = []
    for study, uids in named.items():
        of_study = Dataset()
        of_study.StudyInstanceUID, of_study.ReferencedSeriesSequence = study, []
        for number, uid in enumerate(uids):
            series, instance = Dataset(), Dataset()
            instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", uid
            series.SeriesInstanceUID, series.ReferencedSOPSequence = f"1.2.7.{number}", [instance]
            of_study.ReferencedSeriesSequence.append(series)
        note.CurrentRequestedProcedureEvidenceSequence.append(of_study)
    note.file_meta = FileMetaDataset()
    note.file_meta.TransferSyntaxUID = syntax
    note.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("title", TITLES)
def test_a_note_says_what_it_takes_back_of_its_study(tmp_path: Path, title: str, syntax: UID) -> None:
    path = written(tmp_path / "note", {"1.2": ["1.2.1", "1.2.2", "1.2.1"]}, title, syntax=syntax)
    note = read_rejection_note(path)
    assert note is not None
    assert (note.title, note.study_instance_uid, note.rejected) == (title, "1.2", ("1.2.1", "1.2.2"))
    assert note.elsewhere == 0


def test_what_it_names_of_another_study_is_only_counted(tmp_path: Path) -> None:
    note = read_rejection_note(written(tmp_path / "note", {"1.3": ["1.3.1", "1.3.2"], "1.2": ["1.2.1"]}))
    assert note is not None
    assert (note.rejected, note.elsewhere) == (("1.2.1",), 2)


@pytest.mark.parametrize(("title", "scheme"), [("113000", "DCM"), ("113030", "DCM"), ("113001", "99SITE"), ("", "")])
def test_key_objects_of_another_title_take_nothing_back(tmp_path: Path, title: str, scheme: str) -> None:
    assert read_rejection_note(written(tmp_path / "note", {"1.2": ["1.2.1"]}, title, scheme)) is None


def test_what_is_no_uid_names_nothing(tmp_path: Path) -> None:
    note = read_rejection_note(written(tmp_path / "note", {"1.2": ["", "../x", "1.2.1"]}))
    assert note is not None
    assert note.rejected == ("1.2.1",)


def test_a_note_that_names_more_than_is_sensible_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejection, "MOST_REJECTED", 3)
    with pytest.raises(HeaderError, match="at most 3"):
        read_rejection_note(written(tmp_path / "note", {"1.2": ["1.1", "1.2"], "1.3": ["1.3", "1.4"]}))


@pytest.mark.parametrize("content", [b"", b"DICM", bytes(500), b"\xff" * 300])
def test_what_is_no_document_is_refused_or_says_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rubbish"
    path.write_bytes(content)
    with suppress(HeaderError):
        assert read_rejection_note(path) is None
