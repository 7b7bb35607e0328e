"""The rejection note of a withdrawn result (IHE IOCM): a Key Object Selection that takes our objects back.

PS3.3 A.35.4 and C.17.6.2.1, PS3.16 TID 2010. There is one for each destination to which objects of ours were sent, and
it names those: an archive may refuse a note that names what it never had. It is no report of an outcome: a destination
gets it without being configured for it (`rejection_notes`).
"""

from collections.abc import Iterator
from typing import Final

from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes
from pydicom.uid import KeyObjectSelectionDocumentStorage

from agent.reports import content_items as items
from agent.reports import wording
from agent.reports.content import observer
from agent.reports.document import DICOM, DicomReportSettings, Document, ReportError, StudyResult
from agent.reports.evidence import gather
from agent.reports.modules import Series, begin, date, hierarchy, local_zone, time
from agent.reports.part10 import write
from dicom_io.rejection import QUALITY, TITLES
from dicom_io.silence import quiet_pydicom

MEDIA_TYPE: Final = DICOM
SOP_CLASS_UIDS: Final = (str(KeyObjectSelectionDocumentStorage),)
_SERIES_NUMBER: Final = 9709


class Settings(DicomReportSettings):
    """How the rejection note is made."""


def applies(outcome: str) -> bool:  # noqa: ARG001 - part of the contract
    """Tell that a result with any outcome may be withdrawn."""
    return True


def render(result: StudyResult, settings: Settings) -> Document:
    """Return the note. Raises ReportError where there is nothing to take back."""
    if not result.rejected:
        message = "expected objects to take back. Received: none"
        raise ReportError(message)
    source = gather(result).source
    with quiet_pydicom():  # UIDs that real scanners send are not all valid, and are referred to as they are
        series = Series(
            modality="KO",
            number=_SERIES_NUMBER,
            sop_class_uid=SOP_CLASS_UIDS[0],
            description=wording.WITHDRAWN_SERIES,
        )
        dataset = begin(result, settings, source, series)
        # Key Object Document Series and Key Object Document (C.17.6.1, C.17.6.2)
        dataset.ReferencedPerformedProcedureStepSequence = []
        concluded = result.concluded_at.astimezone(local_zone(source, settings))
        dataset.ContentDate, dataset.ContentTime = date(concluded), time(concluded)
        named = ((one.sop_class_uid, one.sop_instance_uid, one.series_instance_uid) for one in result.rejected)
        dataset.CurrentRequestedProcedureEvidenceSequence = [hierarchy(result.study_instance_uid, named)]
        # SR Document Content (C.17.3)
        title = result.withdrawal or QUALITY
        dataset.update(items.root(CodedConcept(title, "DCM", TITLES[title]), "2010"))
        return write(dataset, source, result.study, content=tuple(_content(result)))


def _content(result: StudyResult) -> Iterator[bytes]:
    """Yield the content of TID 2010: who says it, why, and what is taken back."""
    yield from observer(result)
    yield items.text(codes.DCM.KeyObjectDescription, wording.withdrawal(result))
    for one in result.rejected:
        refer = items.image if one.is_image else items.composite
        yield refer(one.sop_class_uid, one.sop_instance_uid)
