"""The picture of a flagged study: Secondary Capture of the radiograph with the heat map and a caption (PS3.3 A.8).

Viewers often do not show an SR; this they show. There is none of a study that is not flagged: a picture that says so
would act as a rule-out. Where several images are flagged it shows the one with the highest probability and says so: one
report is one object, frames of different sizes would have to be padded, and few viewers show a multi-frame one; the SR
and the Parametric Map name them all. Uncompressed RGB, which every PACS takes, and without pixel spacing: nothing is to
be measured.
"""

from datetime import datetime
from fractions import Fraction
from typing import Final

from pydantic import Field
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from agent.reports import wording
from agent.reports.document import (
    DICOM,
    FLAGGED,
    DicomReportSettings,
    Document,
    ImageOutcome,
    ReportError,
    StudyResult,
    strongest,
)
from agent.reports.drawing import Frame, draw
from agent.reports.evidence import IMAGER_PIXEL_SPACING, PIXEL_ASPECT_RATIO, PIXEL_SPACING, Instance, read
from agent.reports.identity import MANUFACTURER, PRODUCT
from agent.reports.image_library import SPACING
from agent.reports.lossy import lossy_compression
from agent.reports.modules import SOURCE_IMAGE, Series, begin, coded, date, local_zone, reference, time
from agent.reports.part10 import write
from agent.reports.radiograph import radiograph
from dicom_io.silence import quiet_pydicom

MEDIA_TYPE: Final = DICOM
SOP_CLASS_UIDS: Final = (str(SecondaryCaptureImageStorage),)
_SERIES_NUMBER: Final = 9702
_MAX_ASPECT: Final = 1000


class Settings(DicomReportSettings):
    """How the picture is made."""

    heat_map_opacity: float = Field(
        default=0.4, ge=0, le=1, description="Of the heat map's strongest shade; 0 leaves the outline only."
    )


def applies(outcome: str) -> bool:
    """Only a flagged study has a picture."""
    return outcome == FLAGGED


def render(result: StudyResult, settings: Settings) -> Document:
    """Return the picture of the flagged image with the highest probability.

    Raises ReportError where there is no flagged image whose header can be read, dicom_io.errors.PixelError where its
    pixels cannot.
    """
    image = strongest(result)
    source = read(image.path)
    if source is None or image.path is None:
        message = "expected the flagged image in the store. Received: a file whose header cannot be read"
        raise ReportError(message)
    concluded = result.concluded_at.astimezone(local_zone(source, settings))
    pixels = draw(
        radiograph(image.path),
        image.heat_map,
        headline=wording.HEADLINE,
        lines=wording.caption(result, image, concluded),
        opacity=settings.heat_map_opacity,
    )
    with quiet_pydicom():  # UIDs that real scanners send are not all valid, and are referred to as they are
        series = Series(modality="OT", number=_SERIES_NUMBER, sop_class_uid=SOP_CLASS_UIDS[0])
        dataset = begin(result, settings, source, series)
        _add_secondary_capture(dataset, result, concluded)
        _add_image(dataset, image, source)
        _add_pixels(dataset, pixels)
        return write(dataset, source, result.study, image=True)


def _add_secondary_capture(dataset: Dataset, result: StudyResult, concluded: datetime) -> None:
    """SC Equipment and SC Image (C.8.6.1, C.8.6.2)."""
    dataset.ConversionType = "SYN"
    dataset.SecondaryCaptureDeviceManufacturer = MANUFACTURER
    dataset.SecondaryCaptureDeviceManufacturerModelName = PRODUCT
    dataset.SecondaryCaptureDeviceSoftwareVersions = wording.plain(result.software_version)
    dataset.DateOfSecondaryCapture, dataset.TimeOfSecondaryCapture = date(concluded), time(concluded)


def _add_image(dataset: Dataset, image: ImageOutcome, source: Instance) -> None:
    """General Image and General Reference (C.7.6.1, C.12.4)."""
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.BurnedInAnnotation = "YES"
    dataset.DerivationDescription = wording.derivation(with_heat_map=image.heat_map is not None)
    item = reference(source.sop_class_uid, source.sop_instance_uid)
    item.PurposeOfReferenceCodeSequence = [coded(SOURCE_IMAGE)]
    item.SpatialLocationsPreserved = "YES"
    dataset.SourceImageSequence = [item]
    dataset.update(lossy_compression(source))
    if (shape := _shape(source)) != 1:
        dataset.PixelAspectRatio = [str(shape.numerator), str(shape.denominator)]


def _shape(source: Instance) -> Fraction:
    """Return how high a pixel is for its width (C.7.6.3.1.7): without it what is not square would be shown squeezed."""
    for tag in (PIXEL_SPACING, IMAGER_PIXEL_SPACING, PIXEL_ASPECT_RATIO):
        match = SPACING.fullmatch(source.text(tag))
        if match is not None and all(sides := [Fraction(side) for side in match.groups()]):
            return (sides[0] / sides[1]).limit_denominator(_MAX_ASPECT)
    return Fraction(1)


def _add_pixels(dataset: Dataset, pixels: Frame) -> None:
    """Image Pixel (C.7.6.3): 8 bit RGB, colour by pixel."""
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = pixels.shape
    dataset.PhotometricInterpretation = "RGB"
    dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    dataset.add_new("PixelData", "OB", pixels.tobytes())
