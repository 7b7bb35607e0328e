"""A mark on the flagged images that viewers show in their list of key images: Key Object Selection (PS3.3 A.35.4).

Titled "Of Interest" (PS3.16 CID 7010), TID 2010. It is sent only where a destination lists it: Weasis and dcm4chee show
such documents, OHIF does not yet (its issue 3644), and a site may want its readers' own marks alone. A presentation
state was left: it would offer the heat map's outline a second time, and OHIF over Orthanc fails on one (issue 5354).
"""

from collections.abc import Iterator
from typing import Final

from pydicom.sr.codedict import codes
from pydicom.uid import KeyObjectSelectionDocumentStorage

from agent.reports import content_items as items
from agent.reports import wording
from agent.reports.content import observer
from agent.reports.document import DICOM, FLAGGED, DicomReportSettings, Document, ReportError, StudyResult
from agent.reports.evidence import Instance, read
from agent.reports.modules import Series, begin, hierarchy
from agent.reports.part10 import write
from dicom_io.silence import quiet_pydicom

MEDIA_TYPE: Final = DICOM
SOP_CLASS_UIDS: Final = (str(KeyObjectSelectionDocumentStorage),)
_SERIES_NUMBER: Final = 9705


class Settings(DicomReportSettings):
    """How the mark on flagged images is made."""


def applies(outcome: str) -> bool:
    """Only a flagged study has flagged images."""
    return outcome == FLAGGED


def render(result: StudyResult, settings: Settings) -> Document:
    """Return the mark. Raises ReportError where there is no flagged image whose header can be read."""
    flagged = [image for image in result.images if image.outcome == FLAGGED]
    marked = [source for image in flagged if (source := read(image.path)) is not None]
    if not marked:
        message = f"expected a flagged image in the store. Received: outcome={result.outcome}"
        raise ReportError(message)
    with quiet_pydicom():  # UIDs that real scanners send are not all valid, and are referred to as they are
        series = Series(modality="KO", number=_SERIES_NUMBER, sop_class_uid=SOP_CLASS_UIDS[0])
        dataset = begin(result, settings, marked[0], series)
        # Key Object Document Series and Key Object Document (C.17.6.1, C.17.6.2)
        dataset.ReferencedPerformedProcedureStepSequence = []
        named = [(one.sop_class_uid, one.sop_instance_uid, one.series_instance_uid) for one in marked]
        dataset.CurrentRequestedProcedureEvidenceSequence = [hierarchy(result.study_instance_uid, named)]
        # SR Document Content (C.17.3)
        dataset.update(items.root(codes.DCM.OfInterest, "2010"))
        return write(dataset, marked[0], result.study, content=tuple(_content(result, marked)))


def _content(result: StudyResult, marked: list[Instance]) -> Iterator[bytes]:
    """Yield the content of TID 2010: who says it, what, and of which images."""
    yield from observer(result)
    yield items.text(codes.DCM.KeyObjectDescription, " ".join(wording.summary(result)))
    for one in marked:
        yield items.image(one.sop_class_uid, one.sop_instance_uid)
