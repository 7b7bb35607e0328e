"""The numeric heat maps of a flagged study, one frame for each flagged image: Parametric Map (PS3.3 A.75).

It is 156 x 156 over the whole of its image, so its pixels are the image's squeezed: each frame says how many of
them its own cover. A projection radiograph has no place in the patient's space, so that no frame has a position or an
orientation, and one has a pixel spacing only where its image has one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ParametricMapStorage

from agent.reports import wording
from agent.reports.document import (
    DICOM,
    FLAGGED,
    Code,
    DicomReportSettings,
    Document,
    Predecessor,
    ReportError,
    StudyResult,
)
from agent.reports.evidence import PIXEL_SPACING, Instance, read
from agent.reports.identity import derived_uid, report_uid, series_uid
from agent.reports.image_library import SPACING
from agent.reports.lossy import lossy_compression
from agent.reports.modules import SOURCE_IMAGE, Series, begin, coded, hierarchy, reference
from agent.reports.part10 import write
from dicom_io.silence import quiet_pydicom

MEDIA_TYPE: Final = DICOM
SOP_CLASS_UIDS: Final = (str(ParametricMapStorage),)
_SERIES_NUMBER: Final = 9703
_STRONGEST: Final = 255
_FRAME_LABEL: Final = 0x00209453
_FRAME_CONTENT: Final = 0x00209111
_IMAGE_TYPE: Final = ["DERIVED", "PRIMARY", "STATIC", "QUANTITY"]
_SALIENCY: Final = Code(value="130404", scheme="DCM", meaning="Saliency")
"""Of CID 217 (Visual Explanation) what is true of this map: no gradient and no activation goes into it."""
_QUANTITY: Final = Code(value="246205007", scheme="SCT", meaning="Quantity")
_METHOD: Final = Code(value="370129005", scheme="SCT", meaning="Measurement Method")
_NO_UNITS: Final = Code(value="1", scheme="UCUM", meaning="no units")
_DERIVATION: Final = Code(value="113085", scheme="DCM", meaning="Spatial resampling")


class Settings(DicomReportSettings):
    """How the Parametric Map is made."""


@dataclass(frozen=True, slots=True)
class _Map:
    """A flagged image, its place in the study, counted from 1, and its heat map."""

    number: int
    source: Instance
    heat_map: NDArray[np.uint8]


def applies(outcome: str) -> bool:
    """Only a flagged study has heat maps."""
    return outcome == FLAGGED


def render(result: StudyResult, settings: Settings) -> Document:
    """Return the heat maps of the flagged images. Raises ReportError where there is none."""
    maps = tuple(_maps(result))
    if not maps:
        message = f"expected a flagged image with a heat map. Received: outcome={result.outcome}"
        raise ReportError(message)
    with quiet_pydicom():  # UIDs that real scanners send are not all valid, and are referred to as they are
        series = Series(modality="OT", number=_SERIES_NUMBER, sop_class_uid=SOP_CLASS_UIDS[0])
        dataset = begin(result, settings, maps[0].source, series)
        _add_image(dataset, maps)
        _add_functional_groups(dataset, result, maps)
        dataset.ReferencedSeriesSequence = _common_references(result, maps)
        return write(dataset, maps[0].source, result.study, image=True)


def named(result: StudyResult) -> Predecessor:
    """Return the UIDs of the map of this version of a result, which are known before it is rendered."""
    what = (result.installation, result.study_instance_uid)
    return Predecessor(
        sop_class_uid=SOP_CLASS_UIDS[0],
        sop_instance_uid=report_uid(*what, result.revision, result.version, SOP_CLASS_UIDS[0], result.variant),
        series_instance_uid=series_uid(*what, SOP_CLASS_UIDS[0], wording.series_description(result)),
    )


def frame_numbers(result: StudyResult) -> dict[str, int]:
    """Return the frame of each image that has one, by its SOP Instance UID."""
    return {one.source.sop_instance_uid: frame for frame, one in enumerate(_maps(result), start=1)}


def _maps(result: StudyResult) -> Iterable[_Map]:
    for number, image in enumerate(result.images, start=1):
        if image.outcome == FLAGGED and image.heat_map is not None and (source := read(image.path)) is not None:
            yield _Map(number, source, image.heat_map)


def _common_references(result: StudyResult, maps: tuple[_Map, ...]) -> list[Dataset]:
    """Return the images by Series (C.12.2)."""
    sources = [(one.source.sop_class_uid, one.source.sop_instance_uid, one.source.series_instance_uid) for one in maps]
    by_series: list[Dataset] = list(hierarchy(result.study_instance_uid, sources).ReferencedSeriesSequence)
    for series in by_series:
        series.ReferencedInstanceSequence = series.pop("ReferencedSOPSequence").value
    return by_series


def _add_image(dataset: Dataset, maps: tuple[_Map, ...]) -> None:
    """Parametric Map Image, Image Pixel, Acquisition Context (C.8.32.2, C.7.6.3, C.7.6.14)."""
    pixels = np.stack([one.heat_map for one in maps]).astype("<u2")  # the IOD has no 8 bits
    dataset.FrameOfReferenceUID = derived_uid("frame of reference", dataset.SOPInstanceUID)
    dataset.PositionReferenceIndicator = ""
    dataset.ImageType = _IMAGE_TYPE
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    dataset.add_new("PixelData", "OW", pixels.tobytes())
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.ContentQualification = "RESEARCH"  # of the three, the one that does not imply a clearance
    dataset.ContentLabel = "AI_EXPLANATION"
    dataset.ContentDescription = wording.MAP
    dataset.ContentCreatorName = ""
    dataset.BurnedInAnnotation = "NO"
    dataset.RecognizableVisualFeatures = "NO"
    dataset.AcquisitionContextSequence = []
    dataset.LossyImageCompression = "00"
    for said in (lossy_compression(one.source) for one in reversed(maps)):
        if said.get("LossyImageCompression") == "01":
            dataset.update(said)


def _add_functional_groups(dataset: Dataset, result: StudyResult, maps: tuple[_Map, ...]) -> None:
    """Multi-frame Functional Groups and Dimension (C.7.6.16, C.7.6.17): a frame is known by its label alone."""
    organization, pointer = Dataset(), Dataset()
    organization.DimensionOrganizationUID = derived_uid("dimension", result.installation, result.study_instance_uid)
    dataset.DimensionOrganizationSequence = [organization]
    pointer.DimensionOrganizationUID = organization.DimensionOrganizationUID
    pointer.DimensionIndexPointer = _FRAME_LABEL
    pointer.FunctionalGroupPointer = _FRAME_CONTENT
    dataset.DimensionIndexSequence = [pointer]
    shared, frame_type = Dataset(), Dataset()
    frame_type.FrameType = _IMAGE_TYPE
    shared.ParametricMapFrameTypeSequence = [frame_type]
    shared.RealWorldValueMappingSequence = [_mapping()]
    shared.PixelValueTransformationSequence = [_identity()]
    shared.FrameVOILUTSequence = [_window()]
    # A place that is not known: the IOD wants both, but of no derived frame what they hold (C.7.6.16.2.3, C.7.6.16.2.4)
    shared.PlanePositionSequence, shared.PlaneOrientationSequence = [Dataset()], [Dataset()]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = [_frame(index, one) for index, one in enumerate(maps, start=1)]


def _mapping() -> Dataset:
    """Return what a stored value means (C.7.6.16.2.11): a share of the place that matters most."""
    item = Dataset()
    item.RealWorldValueFirstValueMapped, item.RealWorldValueLastValueMapped = 0, _STRONGEST
    item.RealWorldValueIntercept, item.RealWorldValueSlope = 0.0, 1 / _STRONGEST
    item.LUTExplanation = wording.MAP_VALUE
    item.LUTLabel = "SALIENCY"
    item.MeasurementUnitsCodeSequence = [coded(_NO_UNITS)]
    quantity, method = Dataset(), Dataset()
    quantity.ValueType = "CODE"
    quantity.ConceptNameCodeSequence = [coded(_QUANTITY)]
    quantity.ConceptCodeSequence = [coded(_SALIENCY)]
    method.ValueType = "TEXT"
    method.ConceptNameCodeSequence = [coded(_METHOD)]
    method.TextValue = wording.MAP_METHOD
    item.QuantityDefinitionSequence = [quantity, method]
    return item


def _identity() -> Dataset:
    item = Dataset()
    item.RescaleIntercept, item.RescaleSlope, item.RescaleType = "0", "1", "US"
    return item


def _window() -> Dataset:
    item = Dataset()
    item.WindowCenter, item.WindowWidth = "128", "256"
    return item


def _frame(index: int, one: _Map) -> Dataset:
    """Return a frame's functional groups: which image it is of, and how it covers it (C.7.6.16.2.2, C.7.6.16.2.6)."""
    rows, columns = one.heat_map.shape
    groups, content, derivation = Dataset(), Dataset(), Dataset()
    content.FrameLabel = f"image {one.number}"
    content.DimensionIndexValues = [index]
    groups.FrameContentSequence = [content]
    derivation.DerivationDescription = wording.map_derivation(one.source.rows, one.source.columns, rows, columns)
    derivation.DerivationCodeSequence = [coded(_DERIVATION)]
    source = reference(one.source.sop_class_uid, one.source.sop_instance_uid)
    source.PurposeOfReferenceCodeSequence = [coded(SOURCE_IMAGE)]
    source.SpatialLocationsPreserved = "NO"  # squeezed, as PS3.3 says of what was warped geometrically
    derivation.SourceImageSequence = [source]
    groups.DerivationImageSequence = [derivation]
    groups.PixelMeasuresSequence = [_measures(one.source, rows, columns)]
    return groups


def _measures(source: Instance, rows: int, columns: int) -> Dataset:
    """Return Pixel Measures (C.7.6.16.2.1): with a spacing where the image has one, or else empty."""
    item = Dataset()
    match = SPACING.fullmatch(source.text(PIXEL_SPACING))
    if match is not None and all(distances := [float(distance) for distance in match.groups()]):
        item.PixelSpacing = [_ds(distances[0] * source.rows / rows), _ds(distances[1] * source.columns / columns)]
    return item


def _ds(value: float) -> str:
    return f"{value:.6g}"
