"""What simulated Instances show: the datasets without an identity, synthetic or of a template.

Radiographs are the real chest RG1 of the package pydicom-data, resized and with a grain of their own: the pixel gate
declines what is no chest. All else is noise, which no gate lets pass.
"""

from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataelem import DataElement
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    EnhancedSRStorage,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

from dicom_io.errors import HeaderError
from dicom_io.frames import read_frames

_WIDTH_OF_HEIGHT: Final = 0.8
_BYTE: Final = 8
_DEEP: Final = 4096  # values of a CT image
_PYDICOM_ERRORS: Final = (AttributeError, KeyError, NotImplementedError, OSError, RuntimeError, TypeError, ValueError)


class Kind(StrEnum):
    """What a simulated Instance is."""

    DX = "dx"  # a frontal chest radiograph (PS3.3 A.26)
    CR = "cr"  # the same as CR (A.2)
    LATERAL = "lateral"  # a lateral one, DX
    CT = "ct"  # a localiser (A.3)
    US = "us"  # a picture of an ultrasound machine, a Secondary Capture (A.8.1)
    SR = "sr"  # a modality's structured report (A.35.2)


_CLASSES: Final = {
    Kind.DX: DigitalXRayImageStorageForPresentation,
    Kind.CR: ComputedRadiographyImageStorage,
    Kind.LATERAL: DigitalXRayImageStorageForPresentation,
    Kind.CT: CTImageStorage,
    Kind.US: SecondaryCaptureImageStorage,
    Kind.SR: EnhancedSRStorage,
}
CLASSES: Final = {kind: str(sop_class) for kind, sop_class in _CLASSES.items()}
"""The SOP Class UID of each kind."""
_MODALITIES: Final = {Kind.LATERAL: "DX"}
_IMAGE_GROUPS: Final = frozenset({0x0028, 0x7FE0})  # pixels, and how to show them
_KEPT: Final = frozenset(
    {
        *("SOPClassUID", "Modality", "ImageType", "Manufacturer", "PresentationIntentType", "ConversionType"),
        *("BodyPartExamined", "ViewPosition", "PatientOrientation", "Laterality", "ImageLaterality", "SeriesNumber"),
        *("AnatomicRegionSequence", "ViewCodeSequence"),
    }
)
"""What of a template is kept besides; a list of what to take away would forget something."""


def of_template(path: Path, transfer_syntax_uid: str = "") -> Dataset:
    """Return what a DICOM file shows, without whose it is. Raises HeaderError."""
    try:
        template = dcmread(path)
        dataset = Dataset()
        dataset.update({element.tag: element for element in template if _is_of_the_image(element)})
        dataset.file_meta = _meta(template.SOPClassUID, template.file_meta.TransferSyntaxUID)
        _recode(dataset, transfer_syntax_uid)
    except _PYDICOM_ERRORS as error:
        message = f"expected a template that can be read and encoded. Received: error={type(error).__name__}"
        raise HeaderError(message) from error
    return dataset


def synthetic(kind: Kind, height: int, entropy: bytes, transfer_syntax_uid: str = "") -> Dataset:
    """Return an Instance of a kind; `height` is that of a radiograph, `entropy` decides the grain.

    Raises HeaderError if the package pydicom-data is missing.
    """
    grain = np.random.default_rng(list(entropy))
    dataset = Dataset()
    dataset.file_meta = _meta(_CLASSES[kind], ExplicitVRLittleEndian)
    dataset.SOPClassUID, dataset.Modality = _CLASSES[kind], _MODALITIES.get(kind, kind.upper())
    dataset.SeriesNumber = list(Kind).index(kind) + 1
    dataset.Manufacturer = "Tibabu simulation"
    if kind is Kind.SR:
        _describe_report(dataset)
    elif kind is Kind.CT:
        dataset.BodyPartExamined, dataset.ImageType = "CHEST", ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        dataset.RescaleIntercept, dataset.RescaleSlope = -1024, 1
        _set_pixels(dataset, grain.integers(0, _DEEP, (64, 64), dtype=np.uint16), stored=12)
    elif kind is Kind.US:
        dataset.ConversionType, dataset.ImageType = "WSD", ["DERIVED", "SECONDARY"]
        _set_pixels(dataset, grain.integers(0, 256, (96, 128), dtype=np.uint8), stored=_BYTE)
    else:
        _describe_radiograph(dataset, kind)
        chest = _chest(height)
        noisy = chest + grain.integers(-2, 3, chest.shape, dtype=np.int16)
        _set_pixels(dataset, np.clip(noisy, 0, 255).astype(np.uint8), stored=_BYTE)
    _recode(dataset, transfer_syntax_uid)
    return dataset


def _meta(sop_class: UID, syntax: UID) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = sop_class, syntax
    return meta


def _is_of_the_image(element: DataElement) -> bool:
    return element.tag.group in _IMAGE_GROUPS or element.keyword in _KEPT


def _recode(dataset: Dataset, transfer_syntax_uid: str) -> None:
    syntax, present = UID(transfer_syntax_uid), dataset.file_meta.TransferSyntaxUID
    if syntax in {"", present} or "PixelData" not in dataset:
        return
    if present.is_compressed:
        dataset.decompress(generate_instance_uid=False)
    if syntax.is_compressed:
        dataset.compress(syntax, generate_instance_uid=False)
    dataset.file_meta.TransferSyntaxUID = syntax


def _describe_radiograph(dataset: Dataset, kind: Kind) -> None:
    is_lateral = kind is Kind.LATERAL
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = "LL" if is_lateral else "PA"
    dataset.PatientOrientation = ["A", "F"] if is_lateral else ["L", "F"]
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    if kind is not Kind.CR:
        dataset.PresentationIntentType = "FOR PRESENTATION"
        dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", -1
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    dataset.WindowCenter, dataset.WindowWidth = 128, 256


@lru_cache(maxsize=4)
def _chest(height: int) -> NDArray[np.int16]:
    found = get_testdata_file("RG1_UNCI.dcm", download=False)
    if found is None:
        message = "expected RG1_UNCI.dcm of the package pydicom-data. Received: none; install pydicom-data"
        raise HeaderError(message)
    (frame,) = read_frames(Path(str(found)))
    size = round(height * _WIDTH_OF_HEIGHT), height
    resized = Image.fromarray(frame).convert("L").resize(size, Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.int16)


def _set_pixels(dataset: Dataset, pixels: NDArray[np.uint8] | NDArray[np.uint16], *, stored: int) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = pixels.dtype.itemsize * _BYTE
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = stored, stored - 1, 0
    data = pixels.tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if dataset.BitsAllocated <= _BYTE else "OW"


def _describe_report(dataset: Dataset) -> None:
    """Make it an Enhanced SR of one line (PS3.3 C.17)."""
    title = Dataset()
    title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning = "121060", "DCM", "History"
    line = Dataset()
    line.RelationshipType, line.ValueType, line.TextValue = "CONTAINS", "TEXT", "Simulated: says nothing of a patient"
    line.ConceptNameCodeSequence = [title]
    dataset.ValueType, dataset.ContinuityOfContent = "CONTAINER", "SEPARATE"
    dataset.ConceptNameCodeSequence = [title]
    dataset.ContentSequence = [line]
    dataset.CompletionFlag, dataset.VerificationFlag = "COMPLETE", "UNVERIFIED"
    dataset.PerformedProcedureCodeSequence = []
    dataset.ReferencedPerformedProcedureStepSequence = []
