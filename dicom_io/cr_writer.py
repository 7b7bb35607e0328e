"""Making a CR Image (PS3.3 A.2) from a picture: for demonstrations with a folder of radiographs."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from dicom_io.header import CR_IMAGE_STORAGE, check_uid

_WINDOW_CENTER, _WINDOW_WIDTH = 128, 256  # the whole range of 8 bits, by the LINEAR function (C.11.2.1.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrIdentity:
    """Whose CR image it is and how it was taken; texts in the form of PS3.5 table 6.2-1, "" leaves them empty.

    UIDs that are "" are made up. `made_at` is an aware time: date and time of study and content.
    """

    patient_id: str
    patient_name: str
    made_at: datetime
    patient_birth_date: str = ""
    patient_sex: str = ""
    patient_age: str = ""
    accession_number: str = ""
    study_id: str = "1"
    study_description: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_instance_uid: str = ""
    instance_number: int = 1
    body_part_examined: str = "CHEST"
    view_position: str = "PA"


def write_cr(
    picture: NDArray[np.uint8], target: Path, identity: CrIdentity, *, lossy_compression_ratio: float = 0.0
) -> Path:
    """Write `picture`, uint8 [rows, columns] or [rows, columns, 3], as a CR Instance and return `target`.

    The pixels become gray, 8 bits, uncompressed (Explicit VR Little Endian), with a window over their whole range. With
    a `lossy_compression_ratio` above 0 the Instance says that its pixels were once JPEG.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    _describe_patient_and_study(dataset, identity)
    _describe_image(dataset, identity)
    if lossy_compression_ratio > 0:
        dataset.LossyImageCompression = "01"
        dataset.LossyImageCompressionRatio = f"{lossy_compression_ratio:.4g}"
        dataset.LossyImageCompressionMethod = "ISO_10918_1"
    else:
        dataset.LossyImageCompression = "00"
    _set_pixels(dataset, picture)
    dataset.save_as(target, enforce_file_format=True)
    return target


def _describe_patient_and_study(dataset: Dataset, identity: CrIdentity) -> None:
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = identity.patient_name
    dataset.PatientID = identity.patient_id
    dataset.PatientBirthDate = identity.patient_birth_date
    dataset.PatientSex = identity.patient_sex
    if identity.patient_age:
        dataset.PatientAge = identity.patient_age
    dataset.StudyInstanceUID = check_uid(identity.study_instance_uid or generate_uid())
    dataset.StudyDate, dataset.StudyTime = _date_and_time(identity.made_at)
    dataset.StudyID = identity.study_id
    dataset.AccessionNumber = identity.accession_number
    dataset.ReferringPhysicianName = ""
    if identity.study_description:
        dataset.StudyDescription = identity.study_description


def _describe_image(dataset: Dataset, identity: CrIdentity) -> None:
    dataset.SOPClassUID = CR_IMAGE_STORAGE
    dataset.SOPInstanceUID = check_uid(identity.sop_instance_uid or generate_uid())
    dataset.SeriesInstanceUID = check_uid(identity.series_instance_uid or generate_uid())
    dataset.Modality = "CR"
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = identity.instance_number
    dataset.Manufacturer = "Tibabu"
    dataset.BodyPartExamined = identity.body_part_examined
    dataset.ViewPosition = identity.view_position
    dataset.PatientOrientation = ["L", "F"]
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.DerivationDescription = "Made from a picture without a header"
    dataset.ContentDate, dataset.ContentTime = _date_and_time(identity.made_at)
    dataset.BurnedInAnnotation = "NO"


def _set_pixels(dataset: Dataset, picture: NDArray[np.uint8]) -> None:
    gray = np.asarray(Image.fromarray(picture).convert("L"), dtype=np.uint8)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = gray.shape
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = _WINDOW_CENTER, _WINDOW_WIDTH
    dataset.PixelData = gray.tobytes() + b"\0" * (gray.size % 2)


def _date_and_time(moment: datetime) -> tuple[str, str]:
    return moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
