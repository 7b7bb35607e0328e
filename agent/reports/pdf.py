"""A one-page report for people as PDF inside a DICOM object: Encapsulated PDF (PS3.3 A.45.1).

For systems that show neither an SR nor a Secondary Capture, and for paper. It is sent only where a destination lists
it.
"""

import io
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from agent.reports.document import (
    DICOM,
    FLAGGED,
    Code,
    DicomReportSettings,
    Document,
    ReportError,
    StudyResult,
    strongest,
)
from agent.reports.drawing import shaded
from agent.reports.evidence import gather
from agent.reports.lettering import is_font, lettering
from agent.reports.modules import Series, begin, coded, local_zone, reference
from agent.reports.page import TITLE, page
from agent.reports.part10 import write
from agent.reports.radiograph import radiograph
from dicom_io.silence import quiet_pydicom

MEDIA_TYPE: Final = DICOM
SOP_CLASS_UIDS: Final = (str(EncapsulatedPDFStorage),)
_SERIES_NUMBER: Final = 9704
_REPORT: Final = Code(value="126000", scheme="DCM", meaning="Imaging Measurement Report")
_OPACITY: Final = 0.4


class Settings(DicomReportSettings):
    """How the one-page PDF is made."""

    fonts: tuple[Path, ...] = Field(
        default=(),
        examples=[["/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"]],
        description="Further TrueType fonts, by absolute path, for names in letters that the built-in one lacks: Thai, "
        "Chinese, Japanese, Korean. Letters that no font has are said to be missing.",
    )

    @field_validator("fonts")
    @classmethod
    def _fonts_can_be_embedded(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        for path in value:
            if not path.is_absolute() or not is_font(path):
                message = f"expected absolute paths of fonts with TrueType outlines. Received: fonts={path}"
                raise ValueError(message)
        return value


def applies(outcome: str) -> bool:  # noqa: ARG001 - part of the contract
    """Every concluded study can have a page: flagged, not flagged, not analysed and failed alike."""
    return True


def render(result: StudyResult, settings: Settings) -> Document:
    """Return the page. Raises ReportError where no Instance of the study can be read.

    Raises dicom_io.errors.PixelError where the pixels of a flagged image cannot.
    """
    evidence = gather(result)
    local = local_zone(evidence.source, settings)
    data = page(
        result,
        lettering(settings.fonts),
        analysed=result.analysed_at.astimezone(local),
        concluded=result.concluded_at.astimezone(local),
        picture=_picture(result) if result.outcome == FLAGGED else None,
    )
    with quiet_pydicom():  # UIDs that real scanners send are not all valid, and are referred to as they are
        series = Series(modality="DOC", number=_SERIES_NUMBER, sop_class_uid=SOP_CLASS_UIDS[0])
        dataset = begin(result, settings, evidence.source, series)
        sources = [(one.sop_class_uid, one.sop_instance_uid) for one in evidence.references]
        _add_document(dataset, data, sources)
        return write(dataset, evidence.source, result.study)


def inside(data: bytes) -> bytes:
    """Return the PDF in a rendered report, without the byte that makes its length even."""
    dataset = dcmread(io.BytesIO(data))
    return bytes(dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength])


def _picture(result: StudyResult) -> NDArray[np.uint8]:
    image = strongest(result)
    if image.path is None:
        message = "expected the flagged image in the store. Received: one that retention has removed"
        raise ReportError(message)
    return shaded(radiograph(image.path), image.heat_map, _OPACITY)


def _add_document(dataset: Dataset, pdf: bytes, sources: list[tuple[str, str]]) -> None:
    """SC Equipment, Encapsulated Document (C.8.6.1, C.24.2)."""
    dataset.ConversionType = "WSD"
    dataset.AcquisitionDateTime = ""
    dataset.BurnedInAnnotation = "YES"
    dataset.RecognizableVisualFeatures = "NO"
    dataset.DocumentTitle = TITLE
    dataset.ConceptNameCodeSequence = [coded(_REPORT)]
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.SourceInstanceSequence = [reference(*source) for source in sources]
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(pdf)
    dataset.add_new("EncapsulatedDocument", "OB", pdf + b"\0" * (len(pdf) % 2))
