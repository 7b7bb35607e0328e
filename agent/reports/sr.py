"""The DICOM SR of every concluded study: Comprehensive 3D SR, TID 1500 (PS3.3 A.35.13, PS3.16).

highdicom makes the content tree; the document around it is made here, because highdicom's reads the clock and refuses
images without the attributes that real scanners leave out. The tests read it back with highdicom, DCMTK and dciodvfy.
"""

from collections.abc import Iterable
from typing import Final, Literal

from pydantic import Field
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from agent.reports.content import measurement_report
from agent.reports.content_items import root
from agent.reports.document import DICOM, DicomReportSettings, Document, Predecessor, StudyResult
from agent.reports.evidence import Evidence, Instance, gather
from agent.reports.modules import Series, begin, hierarchy
from agent.reports.part10 import write
from dicom_io.silence import quiet_pydicom

MEDIA_TYPE: Final = DICOM
_CLASSES: Final = {
    "comprehensive-3d": str(Comprehensive3DSRStorage),
    "comprehensive": str(ComprehensiveSRStorage),
    "enhanced": str(EnhancedSRStorage),
}
SOP_CLASS_UIDS: Final = tuple(_CLASSES.values())
_SERIES_NUMBER: Final = 9701


class Settings(DicomReportSettings):
    """How the SR is made."""

    sop_class: Literal["comprehensive-3d", "comprehensive", "enhanced"] = Field(
        default="comprehensive-3d",
        description="The SOP Class; the others are for a PACS that refuses Comprehensive 3D SR.",
    )
    fall_back: tuple[Literal["comprehensive-3d", "comprehensive", "enhanced"], ...] = Field(
        default=(),
        examples=[["comprehensive", "enhanced"]],
        description="SOP Classes to send instead, one after the other, to a destination that does not take the first; "
        "each is a new version of the report.",
    )
    probability_when_not_flagged: bool = Field(
        default=False, description="Also give the probability of analysed images that are not flagged."
    )

    @property
    def fall_backs(self) -> int:
        """How many other SOP Classes there are."""
        return len(self.fall_back)


def applies(outcome: str) -> bool:  # noqa: ARG001 - part of the contract
    """Every concluded study has an SR: flagged, not flagged, not analysed and failed alike."""
    return True


def render(result: StudyResult, settings: Settings) -> Document:
    """Return the SR. Raises ReportError where no Instance of the study can be read."""
    evidence = gather(result)
    with quiet_pydicom():  # UIDs that real scanners send are not all valid, and are referred to as they are
        content = measurement_report(
            result, evidence, probability_when_not_flagged=settings.probability_when_not_flagged
        )
        return write(_dataset(result, settings, evidence), evidence.source, result.study, content=content)


def _dataset(result: StudyResult, settings: Settings, evidence: Evidence) -> Dataset:
    series = Series(modality="SR", number=_SERIES_NUMBER, sop_class_uid=_class_of(result, settings))
    dataset = begin(result, settings, evidence.source, series)
    referred: list[Instance | Predecessor] = [*evidence.references]
    referred += [result.explanation] if result.explanation else []
    # SR Document Series, SR Document General (C.17.1, C.17.2)
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.PerformedProcedureCodeSequence = []
    dataset.CompletionFlag = "COMPLETE"
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.PreliminaryFlag = "PRELIMINARY"
    dataset.CurrentRequestedProcedureEvidenceSequence = [_references(result, referred)]
    if result.predecessors:
        dataset.PredecessorDocumentsSequence = [_references(result, result.predecessors)]
    # SR Document Content (C.17.3)
    dataset.update(root(codes.DCM.ImagingMeasurementReport, "1500"))
    return dataset


def _class_of(result: StudyResult, settings: Settings) -> str:
    """Return the SOP Class: the configured one, or the first that the destination has not refused yet."""
    classes = (settings.sop_class, *settings.fall_back)
    return _CLASSES[classes[min(result.fall_back, len(classes) - 1)]]


def _references(result: StudyResult, those: Iterable[Instance | Predecessor]) -> Dataset:
    return hierarchy(
        result.study_instance_uid,
        ((one.sop_class_uid, one.sop_instance_uid, one.series_instance_uid) for one in those),
    )
