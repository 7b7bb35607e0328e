"""Real Instances for a demonstration, from the package pydicom-data, as separate studies under invented identities.

Every attribute that could name a person is replaced, and every UID is new on each call, so that nothing sent by a
demonstration can be mistaken for, or collide with, a hospital's own studies.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from dicom_io.errors import HeaderError
from dicom_io.image_files import CrIdentity, read_picture, sniff, write_cr


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A study of one Instance that a demonstration's scanner sends: its file, and what it shows, in words."""

    path: Path
    study_instance_uid: str
    sop_instance_uid: str
    shows: str


@dataclass(frozen=True, slots=True)
class _Source:
    file: str
    shows: str
    age: str | None = None  # PatientAge to pretend; None keeps what the header says


_CHILD_YEARS = 4
_CHILD = "an adult's chest radiograph presented as a child's"
SOURCES = (
    _Source("RG1_UNCI.dcm", f"{_CHILD}, uncompressed", "004Y"),
    _Source("RG1_UNCR.dcm", f"{_CHILD}, uncompressed (second encoding)", "004Y"),
    _Source("RG1_J2KR.dcm", f"{_CHILD}, JPEG 2000 lossless", "004Y"),
    _Source("RG1_J2KI.dcm", f"{_CHILD}, JPEG 2000 lossy", "004Y"),
    _Source("RG1_UNCI.dcm", "the same chest radiograph under its true age"),
    _Source("RG3_UNCI.dcm", "a radiograph of an extremity", "004Y"),
    _Source("CT_small.dcm", "a CT image"),
    _Source("MR_small.dcm", "an MR image"),
    _Source("US1_UNCI.dcm", "an ultrasound image"),
    _Source("SC_rgb.dcm", "a colour image"),
)
"""What a demonstration sends: the real CR chest RG1 in its four encodings, and what must not be analysed."""


def write_samples(folder: Path, *, today: date) -> tuple[Sample, ...]:
    """Write the demonstration's Instances into `folder` and return them in the order in which they are sent.

    Raises HeaderError when the package pydicom-data is not installed or not complete.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(_write(source, number, folder, today) for number, source in enumerate(SOURCES, 1))


def _write(source: _Source, number: int, folder: Path, today: date) -> Sample:
    found = get_testdata_file(source.file, download=False)
    if found is None:
        message = f"expected {source.file} of the package pydicom-data. Received: none; install pydicom-data"
        raise HeaderError(message)
    dataset = dcmread(found)
    _disguise(dataset, source, number, today)
    path = folder / f"{number:02d}.dcm"
    dataset.save_as(path)
    return Sample(
        path=path,
        study_instance_uid=dataset.StudyInstanceUID,
        sop_instance_uid=dataset.SOPInstanceUID,
        shows=source.shows,
    )


def _disguise(dataset: Dataset, source: _Source, number: int, today: date) -> None:
    dataset.remove_private_tags()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = (generate_uid() for _ in range(3))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientName, dataset.PatientID = f"Demo^Patient {number}", f"DEMO-{number:02d}"
    dataset.AccessionNumber, dataset.StudyID = f"DEMO{number:04d}", str(number)
    for keyword in ("ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName", "InstitutionName"):
        if keyword in dataset:
            setattr(dataset, keyword, "")
    if source.age is not None:
        dataset.PatientAge = source.age
        dataset.StudyDate = today.strftime("%Y%m%d")
        dataset.PatientBirthDate = today.replace(year=today.year - int(source.age[:3]), month=1, day=1).strftime(
            "%Y%m%d"
        )


def write_pictures(source: Path, folder: Path, *, today: date) -> tuple[Sample, ...]:
    """Write every PNG and JPEG below `source` as a CR study into `folder`, under invented identities aged 4.

    Files that are no such picture are left out. Raises HeaderError when there is none, PixelError for a broken one.
    """
    pictures = [path for path in sorted(source.rglob("*")) if path.is_file() and sniff(path) == "picture"]
    if not pictures:
        message = f"expected PNG or JPEG files below {source}. Received: none"
        raise HeaderError(message)
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(_write_picture(path, number, folder, today) for number, path in enumerate(pictures, 1))


def _write_picture(picture: Path, number: int, folder: Path, today: date) -> Sample:
    study, instance = generate_uid(), generate_uid()
    identity = CrIdentity(
        patient_id=f"DEMO-{number:05d}",
        patient_name=f"Demo^Picture {number}",
        patient_birth_date=today.replace(year=today.year - _CHILD_YEARS, month=1, day=1).strftime("%Y%m%d"),
        patient_age=f"{_CHILD_YEARS:03d}Y",
        study_instance_uid=study,
        sop_instance_uid=instance,
        made_at=datetime(today.year, today.month, today.day, tzinfo=UTC),
        study_id=str(number),
        accession_number=f"DEMO{number:05d}",
    )
    path = folder / f"{number:05d}.dcm"
    write_cr(read_picture(picture), path, identity)
    return Sample(path=path, study_instance_uid=study, sop_instance_uid=instance, shows=picture.name)
