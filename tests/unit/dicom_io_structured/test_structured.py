"""A structured report as text: whole, bounded, and an error for what is none."""

import os
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_io.errors import HeaderError
from dicom_io.structured import ContentItem, read_structured


def code(meaning: str) -> list[Dataset]:
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = "1", "99TEST", meaning
    return [made]


def item(kind: str, concept: str, **values: object) -> Dataset:
    made = Dataset()
    made.ValueType, made.ConceptNameCodeSequence = kind, code(concept)
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def write(path: Path, items: list[Dataset], sop_class: str = "1.2.840.10008.5.1.4.1.1.88.33") -> Path:
    report = Dataset()
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    report.SOPClassUID, report.SOPInstanceUID = sop_class, "1.2.3"
    report.ConceptNameCodeSequence, report.ContentSequence = code("Chest report"), items
    report.save_as(path, enforce_file_format=True)
    return path


def test_each_kind_of_content_is_told_in_words(tmp_path: Path) -> None:
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = "12.5", code("millimeter")
    referred = Dataset()
    referred.ReferencedSOPClassUID, referred.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.9"
    items = [
        item("CODE", "Finding", ConceptCodeSequence=code("Consolidation")),
        item("NUM", "Length", MeasuredValueSequence=[measured]),
        item("IMAGE", "Source", ReferencedSOPSequence=[referred]),
        item("NUM", "Ratio", NumericValueQualifierCodeSequence=code("Not a number")),
        item("NUM", "Angle"),
        item("IMAGE", "Lost source"),
        item("SCOORD", "Region", GraphicType="POLYLINE"),
        item("TCOORD", "Moment", TemporalRangeType="POINT"),
        item("PNAME", "Observer", PersonName="Doe^Jane"),
        item("CONTAINER", "Section", ContentSequence=[item("TEXT", "Comment", TextValue="Seen")]),
    ]
    report = read_structured(write(tmp_path / "sr.dcm", items))
    assert report.title == "Chest report"
    assert report.whole
    assert report.items == (
        ContentItem("Finding", "Consolidation", "", ()),
        ContentItem("Length", "12.5 millimeter", "", ()),
        ContentItem("Source", "", "1.2.9", ()),
        ContentItem("Ratio", "Not a number", "", ()),
        ContentItem("Angle", "no value", "", ()),
        ContentItem("Lost source", "an object", "", ()),
        ContentItem("Region", "coordinates: polyline", "", ()),
        ContentItem("Moment", "coordinates: point", "", ()),
        ContentItem("Observer", "Doe^Jane", "", ()),
        ContentItem("Section", "", "", (ContentItem("Comment", "Seen", "", ()),)),
    )


def test_a_report_that_is_too_deep_says_that_it_is_not_whole(tmp_path: Path) -> None:
    nested = item("TEXT", "Deep", TextValue="x")
    for _ in range(50):
        nested = item("CONTAINER", "Level", ContentSequence=[nested])
    assert not read_structured(write(tmp_path / "deep.dcm", [nested])).whole


def test_what_is_no_report_is_an_error(tmp_path: Path) -> None:
    image = write(tmp_path / "image.dcm", [], sop_class="1.2.840.10008.5.1.4.1.1.1")
    nonsense = tmp_path / "nonsense.dcm"
    nonsense.write_bytes(b"nothing")
    large = tmp_path / "large.dcm"
    large.touch()
    os.truncate(large, 1 << 30)  # a hole: it takes no room
    for path in (image, nonsense, large, tmp_path / "none.dcm"):
        with pytest.raises(HeaderError):
            read_structured(path)
