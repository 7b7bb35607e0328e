"""Instances that were never taken of anybody, for load, training and drills; the same description, the same bytes.

Every one says so: its patient's name begins with "Simulated", the Patient ID with "SIM-", the issuer of that ID and the
institution are called SIMULATED, and Patient Comments (0010,4000) say it in words.
"""

import hashlib
import io
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from pydicom import Dataset
from pydicom.uid import UID

from dicom_io.file_meta import encode_file_meta, read_file_meta
from dicom_io.simulated_content import CLASSES, Kind, of_template, synthetic

__all__ = ["Kind", "Simulated", "made"]

NOTICE: Final = "Simulated patient for tests and training. Not a person."
NAME: Final = "Simulated"
ID: Final = "SIM-"
ISSUER: Final = "SIMULATED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One Instance to be made: the `image`th of the `study`th study of a run; `run` keeps runs apart.

    `made_at` is an aware time, `age_years` the patient's at that time, `height` that of its radiograph in pixels.
    """

    run: str
    study: int
    image: int
    kind: Kind
    made_at: datetime
    age_years: int = 4
    height: int = 160

    @property
    def study_instance_uid(self) -> str:
        """Its Study Instance UID, of the run and the study."""
        return _uid(self.run, "study", self.study)

    @property
    def sop_instance_uid(self) -> str:
        """Its SOP Instance UID, of the run, the study and the image."""
        return _uid(self.run, "instance", self.study, self.image)

    @property
    def sop_class_uid(self) -> str:
        """Its SOP Class UID, unless it is made of a template."""
        return CLASSES[self.kind]


def made(simulated: Simulated, template: Path | None = None, *, transfer_syntax_uid: str = "") -> bytes:
    """Return the Instance as a Part 10 file, the very bytes that this agent's store makes of it (`encode_file_meta`).

    With a `template`, a DICOM file, pixels, SOP Class and what tells body part and view are the template's and nothing
    else; what is burned into its pixels is sent as it is. A `transfer_syntax_uid` encodes the same pixels in another
    way: Implicit VR Little Endian, RLE, JPEG-LS or JPEG 2000 Lossless. Raises HeaderError for a template that cannot
    be read, or not be encoded so.
    """
    entropy = hashlib.sha256(simulated.sop_instance_uid.encode("ascii")).digest()
    if template is None:
        dataset = synthetic(simulated.kind, simulated.height, entropy, transfer_syntax_uid)
    else:
        dataset = of_template(template, transfer_syntax_uid)
    _identify(dataset, simulated)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    data = buffer.getvalue()
    meta = read_file_meta(data)
    head = encode_file_meta(meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid)
    return head + data[meta.dataset_offset :]


def _uid(*entropy: object) -> str:
    """Return a UID made of a UUID (PS3.5 B.2), the same for the same entropy."""
    digest = hashlib.sha256("/".join(map(str, entropy)).encode()).digest()
    return f"2.25.{UUID(bytes=digest[:16], version=5).int}"


def _identify(dataset: Dataset, simulated: Simulated) -> None:
    """Say whose it is: an invented patient of the study's own, marked as such wherever people look."""
    moment, number = simulated.made_at, f"{simulated.study:06d}"
    day, time = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = f"{NAME}^Patient {number}"
    dataset.PatientID = f"{ID}{hashlib.sha256(simulated.run.encode()).hexdigest()[:8].upper()}-{number}"
    dataset.IssuerOfPatientID = ISSUER
    dataset.PatientBirthDate = f"{moment.year - simulated.age_years:04d}0101"
    dataset.PatientSex = "FM"[simulated.study % 2]
    dataset.PatientAge = f"{simulated.age_years:03d}Y"
    dataset.PatientComments = NOTICE
    dataset.InstitutionName = ISSUER
    dataset.StudyInstanceUID = simulated.study_instance_uid
    dataset.SeriesInstanceUID = _uid(simulated.run, "series", simulated.study, dataset.get("SeriesNumber", ""))
    dataset.SOPInstanceUID = simulated.sop_instance_uid
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(simulated.sop_instance_uid)
    dataset.StudyDate, dataset.StudyTime = day, time
    dataset.ContentDate, dataset.ContentTime = day, time
    dataset.StudyID = str(simulated.study)
    dataset.AccessionNumber = f"SIM{number}"
    dataset.ReferringPhysicianName = ""
    dataset.InstanceNumber = simulated.image
