"""Modality Performed Procedure Step as SCP (PS3.4 annex F): N-CREATE and N-SET.

The attribute lists are read by the element scanner and not decoded: only what ends or withdraws a study is looked at,
and nothing else of them can fail or be logged. What is not looked at is neither checked nor kept.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Protocol

from pydicom.uid import generate_uid
from pynetdicom.dimse_primitives import N_CREATE

from dicom_io.charset import ascii_text, without_controls
from dicom_io.errors import MatchingError, UidError
from dicom_io.exchange import Caller
from dicom_io.failure import edge
from dicom_io.header import CR_IMAGE_STORAGE, DX_FOR_PRESENTATION, check_uid
from dicom_io.identifier import scan_dataset, syntax_of
from dicom_io.scan import Elements, Syntax, read_items
from dicom_io.statuses import (
    INVALID_ATTRIBUTE_VALUE,
    INVALID_SOP_INSTANCE,
    MAY_NO_LONGER_BE_UPDATED,
    MISSING_ATTRIBUTE,
    MISSING_ATTRIBUTE_VALUE,
    NO_SUCH_SOP_INSTANCE,
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
)

MOST_STUDIES: Final = 100
MOST_NAMED: Final = 50_000
"""A step for more studies, or that names more Instances, is refused: each is a row, and a study a lock, at once."""

IN_PROGRESS: Final = "IN PROGRESS"
STATES: Final = frozenset({IN_PROGRESS, "COMPLETED", "DISCONTINUED"})
"""Performed Procedure Step Status (0040,0252)."""

RADIOGRAPHS: Final = frozenset({CR_IMAGE_STORAGE, DX_FOR_PRESENTATION})
"""SOP Classes of radiographs that are meant to be looked at."""

_STUDY_INSTANCE_UID: Final = 0x0020000D
_CODE_VALUE: Final = 0x00080100
_REFERENCED_IMAGE_SEQUENCE: Final = 0x00081140
_REFERENCED_SOP_CLASS_UID: Final = 0x00081150
_REFERENCED_SOP_INSTANCE_UID: Final = 0x00081155
_REFERENCE: Final = (_REFERENCED_SOP_CLASS_UID, _REFERENCED_SOP_INSTANCE_UID)
_REFERENCED_NON_IMAGES: Final = 0x00400220
_STATUS: Final = 0x00400252
_SCHEDULED_STEP_ATTRIBUTES: Final = 0x00400270
_DISCONTINUATION_REASON: Final = 0x00400281
_PERFORMED_SERIES: Final = 0x00400340
_WANTED: Final = frozenset({_STATUS, _SCHEDULED_STEP_ATTRIBUTES, _DISCONTINUATION_REASON, _PERFORMED_SERIES})
_STOP: Final = _PERFORMED_SERIES + 1
_LONGEST_CODE: Final = 16
_LONGEST_UID: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunStep:
    """A step that a modality begins: the studies that it is for, and Instances (UIDs) that it has made already.

    `radiographs` are those of them that are radiographs for presentation, by their SOP Class.
    """

    sop_instance_uid: str
    study_instance_uids: tuple[str, ...]
    named: tuple[str, ...]
    radiographs: frozenset[str]
    calling_ae_title: str
    association_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedStep:
    """What a modality says anew of a step. `state` is "" and `named` None where it says nothing of it.

    `reason_code` is the Code Value of the Discontinuation Reason, "" without one.
    """

    sop_instance_uid: str
    state: str
    reason_code: str
    named: tuple[str, ...] | None
    radiographs: frozenset[str]
    calling_ae_title: str
    association_id: str


class Steps(Protocol):
    """What takes performed procedure steps. Called from the thread of their association.

    Both methods return one of this module's statuses, success only once the step is durable; where a step has ended
    already, MAY_NO_LONGER_BE_UPDATED.
    """

    def begun(self, step: BegunStep) -> int:
        """Take a step that begins."""

    def changed(self, step: ChangedStep) -> int:
        """Take what is new of a step."""


class _Refused(Exception):  # noqa: N818 - it never leaves this module
    """What cannot be taken, with the status that says why."""

    def __init__(self, status: int, comment: str) -> None:
        super().__init__(comment)
        self.status = status
        self.comment = comment


def serve_step(
    steps: Steps,
    association: Any,  # noqa: ANN401  # pynetdicom's types are not public
    caller: Caller,
    request: Any,  # noqa: ANN401  # as above
    context_id: int,
) -> None:
    """Serve one request: whatever happens, the peer gets a status."""
    transfer_syntax = str(association._accepted_cx[context_id].transfer_syntax[0])  # noqa: SLF001  # as pynetdicom does
    response = _response(request, "", PROCESSING_FAILURE)
    with edge("step_failed", caller.association_id):
        response = answer(steps, caller, request, transfer_syntax)
    association.dimse.send_msg(response, context_id)


def answer(steps: Steps, caller: Caller, request: Any, transfer_syntax: str) -> Any:  # noqa: ANN401  # as above
    """Take a request and return its response (PS3.4 F.7.2, PS3.7 10.1.5 and 10.1.3). Raises what `steps` raises.

    A SOP Instance UID that an N-CREATE leaves to us is made, and returned with success.
    """
    is_new = isinstance(request, N_CREATE)
    uid = str((request.AffectedSOPInstanceUID if is_new else request.RequestedSOPInstanceUID) or "")
    attributes = request.AttributeList if is_new else request.ModificationList
    try:
        elements, syntax = _read(attributes, transfer_syntax)
        if is_new:
            uid = _checked(uid, INVALID_SOP_INSTANCE) if uid else str(generate_uid(prefix=None))
            _refuse_unless(_state(elements) == IN_PROGRESS, INVALID_ATTRIBUTE_VALUE, "expected the status IN PROGRESS")
            status = steps.begun(
                BegunStep(
                    sop_instance_uid=uid,
                    study_instance_uids=_limited(_studies(elements, syntax), MOST_STUDIES),
                    named=_limited(_named(elements, syntax), MOST_NAMED),
                    radiographs=frozenset(_radiographs(elements, syntax)),
                    calling_ae_title=caller.calling_ae_title,
                    association_id=caller.association_id,
                )
            )
        else:
            state = _state(elements) if _STATUS in elements.values else ""
            _refuse_unless(state in STATES | {""}, INVALID_ATTRIBUTE_VALUE, "expected a status of PS3.3 C.4.14")
            says = _PERFORMED_SERIES in elements.values
            named = _limited(_named(elements, syntax), MOST_NAMED) if says else None
            status = steps.changed(
                ChangedStep(
                    sop_instance_uid=_checked(uid, NO_SUCH_SOP_INSTANCE),
                    state=state,
                    reason_code=_reason(elements, syntax),
                    named=named,
                    radiographs=frozenset(_radiographs(elements, syntax)),
                    calling_ae_title=caller.calling_ae_title,
                    association_id=caller.association_id,
                )
            )
    except _Refused as refused:
        return _response(request, uid, refused.status, refused.comment)
    return _response(request, uid, status)


def _limited(uids: Iterator[str], most: int) -> tuple[str, ...]:
    """Return the UIDs; who has more than `most` is refused before all are read."""
    found = tuple(islice(uids, most + 1))
    _refuse_unless(len(found) <= most, RESOURCE_LIMITATION, f"expected at most {most} references")
    return found


def _refuse_unless(condition: bool, status: int, comment: str) -> None:  # noqa: FBT001 - as an assertion
    if not condition:
        raise _Refused(status, comment)


def _response(request: Any, uid: str, status: int, comment: str = "") -> Any:  # noqa: ANN401  # as above
    response = type(request)()
    response.MessageIDBeingRespondedTo = request.MessageID
    is_new = isinstance(request, N_CREATE)
    response.AffectedSOPClassUID = request.AffectedSOPClassUID if is_new else request.RequestedSOPClassUID
    if uid and len(uid) <= _LONGEST_UID:
        response.AffectedSOPInstanceUID = uid
    response.Status = PROCESSING_FAILURE if status == MAY_NO_LONGER_BE_UPDATED else status
    if status == MAY_NO_LONGER_BE_UPDATED:
        response.ErrorID = MAY_NO_LONGER_BE_UPDATED
        comment = "Performed Procedure Step Object may no longer be updated"
    if comment:
        response.ErrorComment = comment
    return response


def _read(source: io.BytesIO | None, transfer_syntax: str) -> tuple[Elements, Syntax]:
    data = b"" if source is None else source.getvalue()
    try:
        return scan_dataset(data, transfer_syntax, _WANTED, stop=_STOP), syntax_of(transfer_syntax)
    except MatchingError:
        raise _Refused(PROCESSING_FAILURE, "expected a data set") from None


def _state(elements: Elements) -> str:
    if _STATUS not in elements.values:
        raise _Refused(MISSING_ATTRIBUTE, "expected (0040,0252)")
    return ascii_text(elements.values[_STATUS]).upper()


def _studies(elements: Elements, syntax: Syntax) -> Iterator[str]:
    """Yield the Study Instance UIDs of the Scheduled Step Attributes Sequence, each of which must be there."""
    if _SCHEDULED_STEP_ATTRIBUTES not in elements.values:
        raise _Refused(MISSING_ATTRIBUTE, "expected (0040,0270)")
    count = 0
    for item, _ in read_items(elements.values[_SCHEDULED_STEP_ATTRIBUTES], syntax, (_STUDY_INSTANCE_UID,)):
        if _STUDY_INSTANCE_UID not in item.values:
            raise _Refused(MISSING_ATTRIBUTE, "expected (0040,0270).(0020,000D)")
        yield _checked(ascii_text(item.values[_STUDY_INSTANCE_UID]), INVALID_ATTRIBUTE_VALUE)
        count += 1
    if not count:
        raise _Refused(MISSING_ATTRIBUTE_VALUE, "expected items in (0040,0270)")


def _named(elements: Elements, syntax: Syntax) -> Iterator[str]:
    """Yield the SOP Instance UIDs that the Performed Series Sequence refers to, images and others; none that is odd."""
    for reference in _references(elements, syntax, (_REFERENCED_IMAGE_SEQUENCE, _REFERENCED_NON_IMAGES)):
        if uid := _uid_or_nothing(reference):
            yield uid


def _radiographs(elements: Elements, syntax: Syntax) -> Iterator[str]:
    """Yield those that are CR or DX images for presentation; one for processing often goes to somebody else."""
    for reference in _references(elements, syntax, (_REFERENCED_IMAGE_SEQUENCE,)):
        if ascii_text(reference.values.get(_REFERENCED_SOP_CLASS_UID, b"")) in RADIOGRAPHS and _uid_or_nothing(
            reference
        ):
            yield _uid_or_nothing(reference)


def _references(elements: Elements, syntax: Syntax, wanted: tuple[int, ...]) -> Iterator[Elements]:
    for series, inner in read_items(elements.values.get(_PERFORMED_SERIES, b""), syntax, wanted):
        for tag in wanted:
            for reference, _ in read_items(series.values.get(tag, b""), inner, _REFERENCE):
                yield reference


def _uid_or_nothing(reference: Elements) -> str:
    try:
        return check_uid(ascii_text(reference.values.get(_REFERENCED_SOP_INSTANCE_UID, b"")))
    except UidError:
        return ""


def _reason(elements: Elements, syntax: Syntax) -> str:
    for item, _ in read_items(elements.values.get(_DISCONTINUATION_REASON, b""), syntax, (_CODE_VALUE,)):
        return without_controls(ascii_text(item.values.get(_CODE_VALUE, b"")))[:_LONGEST_CODE]
    return ""


def _checked(uid: str, status: int) -> str:
    if not uid:
        raise _Refused(MISSING_ATTRIBUTE_VALUE, "expected a UID")
    try:
        return check_uid(uid)
    except UidError:
        raise _Refused(status, "expected a UID") from None
