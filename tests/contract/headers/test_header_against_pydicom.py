"""What the header says is what pydicom reads, over every file that pydicom brings with it."""

import warnings
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset, dcmread
from pydicom.multival import MultiValue

from dicom_io.errors import HeaderError
from dicom_io.header import Header, read_header

FOLDER = Path(pydicom.__file__).parent / "data"
FILES = sorted(path for folder in ("test_files", "charset_files") for path in (FOLDER / folder).rglob("*.dcm"))
TEXTS = {
    "sop_class_uid": "SOPClassUID",
    "sop_instance_uid": "SOPInstanceUID",
    "study_instance_uid": "StudyInstanceUID",
    "series_instance_uid": "SeriesInstanceUID",
    "patient_id": "PatientID",
    "patient_birth_date": "PatientBirthDate",
    "patient_sex": "PatientSex",
    "patient_age": "PatientAge",
    "accession_number": "AccessionNumber",
    "study_date": "StudyDate",
    "study_time": "StudyTime",
    "study_description": "StudyDescription",
    "study_id": "StudyID",
    "series_description": "SeriesDescription",
    "series_number": "SeriesNumber",
    "series_date": "SeriesDate",
    "series_time": "SeriesTime",
    "instance_number": "InstanceNumber",
    "content_time": "ContentTime",
    "performed_procedure_step_start_date": "PerformedProcedureStepStartDate",
    "performed_procedure_step_start_time": "PerformedProcedureStepStartTime",
    "laterality": "Laterality",
    "station_name": "StationName",
    "modality": "Modality",
    "body_part_examined": "BodyPartExamined",
    "view_position": "ViewPosition",
    "manufacturer": "Manufacturer",
    "photometric_interpretation": "PhotometricInterpretation",
}
NUMBERS = {"rows": "Rows", "columns": "Columns", "bits_allocated": "BitsAllocated", "bits_stored": "BitsStored"}
LISTS = {"image_type": "ImageType", "patient_orientation": "PatientOrientation"}


def reference(path: Path) -> Dataset | None:
    """Return what pydicom reads of a file, or None where it refuses or finds no UIDs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = dcmread(path, force=True, stop_before_pixels=True)
            dataset.decode()
        except (AttributeError, EOFError, NotImplementedError, ValueError):
            return None
        return dataset if dataset.get("SOPInstanceUID") and dataset.get("StudyInstanceUID") else None


def plain(value: object) -> tuple[str, ...]:
    """Return pydicom's value as a tuple of texts without padding."""
    if value is None or value == "":
        return ()
    parts = value if isinstance(value, MultiValue) else [value]
    return tuple(str(part).strip(" \0") for part in parts)


def frames(value: object) -> int:
    """Return a number of frames as pydicom has it; what is none counts as one."""
    try:
        return int(str(value or 1))
    except ValueError:
        return 1


def said(header: Header, dataset: Dataset) -> dict[str, tuple[object, object]]:
    """Return attribute by attribute what we and pydicom say."""
    pairs: dict[str, tuple[object, object]] = {}
    for name, keyword in TEXTS.items():
        pairs[name] = (getattr(header, name), "\\".join(plain(dataset.get(keyword))))
    for name, keyword in NUMBERS.items():
        pairs[name] = (getattr(header, name), dataset.get(keyword) or 0)
    for name, keyword in LISTS.items():
        pairs[name] = (getattr(header, name), plain(dataset.get(keyword)))
    pairs["patient_name"] = (header.patient_name.rstrip("="), str(dataset.get("PatientName") or "").strip())
    pairs["number_of_frames"] = (header.number_of_frames, frames(dataset.get("NumberOfFrames")))
    return pairs


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_attribute_is_what_pydicom_reads(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, when values are converted on access
        dataset = reference(path)
        if dataset is None:
            with pytest.raises(HeaderError):
                read_header(path)
            return
        pairs = said(read_header(path), dataset)
    assert {name: ours for name, (ours, _) in pairs.items()} == {name: theirs for name, (_, theirs) in pairs.items()}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_and_its_bytes_have_the_same_header(path: Path) -> None:
    try:
        expected: Header | str = read_header(path)
    except HeaderError as error:
        expected = str(error)
    try:
        found: Header | str = read_header(path.read_bytes())
    except HeaderError as error:
        found = str(error)
    assert found == expected


@pytest.mark.shared
def test_the_header_of_every_shared_file_is_what_pydicom_reads(shared: Path) -> None:
    different = {}
    for path in sorted((shared / "data" / "dicom").rglob("*.dcm")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = reference(path)
            if dataset is None:
                continue
            pairs = said(read_header(path), dataset)
        if wrong := {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}:
            different[path.name] = wrong
    assert different == {}
