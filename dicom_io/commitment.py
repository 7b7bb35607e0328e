"""Storage Commitment Push Model as SCP (PS3.4 annex J): N-ACTION taken, N-EVENT-REPORT given.

The report goes out over the association on which it was asked for, as soon as the files were read, if it is still open;
else over one of our own, in which we ask to be the SCP (PS3.7 D.3.3.4).
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final, Protocol

from pynetdicom.dimse_primitives import N_ACTION, N_EVENT_REPORT

from dicom_io.dispatch import await_answer
from dicom_io.errors import AssociationRejectedError, CommitmentError, MatchingError, UidError
from dicom_io.exchange import Caller
from dicom_io.header import read_uid
from dicom_io.identifier import encode_elements, encode_items, scan_dataset, syntax_of
from dicom_io.negotiation import STORAGE_COMMITMENT
from dicom_io.peer import Peer, Timeouts
from dicom_io.requestor import Requestor
from dicom_io.scan import read_items
from dicom_io.statuses import (
    INVALID_ARGUMENT,
    NO_SUCH_ACTION_TYPE,
    NO_SUCH_SOP_INSTANCE,
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
    SUCCESS,
)
from dicom_io.syntaxes import DEFLATED, EITHER, EXPLICIT

WELL_KNOWN_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
REQUEST: Final = 1
"""Action Type ID: request storage commitment (PS3.4 J.3.2)."""
ALL_COMMITTED, SOME_FAILED = 1, 2
"""Event Type IDs (PS3.4 J.3.3)."""

MOST_INSTANCES: Final = 20_000
"""More in one request are refused."""

TRANSACTION_UID: Final = 0x00081195
_RETRIEVE_AE_TITLE: Final = 0x00080054
FAILURE_REASON: Final = 0x00081197
FAILED_SEQUENCE: Final = 0x00081198
REFERENCED_SEQUENCE: Final = 0x00081199
REFERENCED_CLASS: Final = 0x00081150
REFERENCED_INSTANCE: Final = 0x00081155


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentRequest:
    """What a peer wants to be responsible for no longer: pairs of SOP Class and SOP Instance UID."""

    transaction_uid: str
    instances: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentReport:
    """What became of each: pairs as requested, and the Failure Reason by SOP Instance UID where there is one."""

    transaction_uid: str
    instances: tuple[tuple[str, str], ...]
    failures: Mapping[str, int]
    retrieve_ae_title: str


class Commitment(Protocol):
    """Who keeps the requests. Called from the thread of the association that asks."""

    def requested(self, caller: Caller, request: CommitmentRequest) -> int:
        """Put the request on record and return its number. Raises CommitmentError with the status of the refusal."""

    def report(self, number: int) -> CommitmentReport | None:
        """Read the files and return what was found; None where that would take long, and is left for later."""

    def answered(self, number: int, status: int) -> None:
        """Take note of the peer's answer to the report that was sent over its own association."""


def serve(commitment: Commitment, association: Any, caller: Caller, request: Any, context_id: int) -> None:  # noqa: ANN401  # pynetdicom's types are not public
    """Serve an N-ACTION request: record, answer, report."""
    syntax = str(association._accepted_cx[context_id].transfer_syntax[0])  # noqa: SLF001  # as pynetdicom looks it up
    number, status = 0, PROCESSING_FAILURE
    try:
        number = commitment.requested(caller, _read(request, syntax))
        status = SUCCESS
    except CommitmentError as error:
        status = error.status
    finally:  # whatever happened, the peer gets a status
        response = N_ACTION()
        response.MessageIDBeingRespondedTo = request.MessageID
        response.AffectedSOPClassUID = request.RequestedSOPClassUID
        response.AffectedSOPInstanceUID = request.RequestedSOPInstanceUID
        response.ActionTypeID = request.ActionTypeID
        response.Status = status
        association.dimse.send_msg(response, context_id)
    report = commitment.report(number) if status == SUCCESS else None
    if report is not None and association.dul.is_alive():
        event = _event(report, syntax)
        event.MessageID = await_answer(association, lambda answer: commitment.answered(number, answer))
        association.dimse.send_msg(event, context_id)


def send_report(peer: Peer, report: CommitmentReport, *, calling_ae_title: str, timeouts: Timeouts) -> int:
    """Send the report over an association of our own; return the peer's status. Raises NetworkError."""
    pairs = [(STORAGE_COMMITMENT, syntax) for syntax in EITHER]
    with Requestor(peer, pairs, calling_ae_title, timeouts, as_scp=(STORAGE_COMMITMENT,)) as requestor:
        for pair, context_id in requestor.accepted.items():
            status: int = requestor.exchange(_event(report, pair[1]), context_id).Status
            return status
    return _refused(peer)


def _refused(peer: Peer) -> int:
    message = f"expected {peer} to accept Storage Commitment. Received: the presentation contexts were refused"
    raise AssociationRejectedError(message)


def _read(request: Any, transfer_syntax: str) -> CommitmentRequest:  # noqa: ANN401  # as above
    """Read what is asked for. Raises CommitmentError with the status that says what is wrong."""
    if request.RequestedSOPInstanceUID != WELL_KNOWN_INSTANCE:
        raise CommitmentError(NO_SUCH_SOP_INSTANCE)
    if request.ActionTypeID != REQUEST:
        raise CommitmentError(NO_SUCH_ACTION_TYPE)
    data = request.ActionInformation.getvalue() if request.ActionInformation is not None else b""
    try:
        values = scan_dataset(data, transfer_syntax).values
        items = read_items(
            values.get(REFERENCED_SEQUENCE, b""), syntax_of(transfer_syntax), (REFERENCED_CLASS, REFERENCED_INSTANCE)
        )
        instances = tuple(
            (read_uid(item.values.get(REFERENCED_CLASS)), read_uid(item.values.get(REFERENCED_INSTANCE)))
            for item, _ in items
        )
        transaction_uid = read_uid(values.get(TRANSACTION_UID))
    except (MatchingError, UidError):
        raise CommitmentError(INVALID_ARGUMENT) from None
    if not instances:
        raise CommitmentError(INVALID_ARGUMENT)
    if len(instances) > MOST_INSTANCES:
        raise CommitmentError(RESOURCE_LIMITATION)
    return CommitmentRequest(transaction_uid=transaction_uid, instances=instances)


def _event(report: CommitmentReport, transfer_syntax: str) -> N_EVENT_REPORT:
    order = "<H" if syntax_of(transfer_syntax).little_endian else ">H"
    native = EXPLICIT if transfer_syntax in DEFLATED else transfer_syntax
    committed: list[bytes] = []
    failed: list[bytes] = []
    for sop_class, sop_instance in report.instances:
        elements = {
            REFERENCED_CLASS: ("UI", sop_class.encode("ascii")),
            REFERENCED_INSTANCE: ("UI", sop_instance.encode("ascii")),
        }
        if reason := report.failures.get(sop_instance, SUCCESS):
            elements[FAILURE_REASON] = ("US", struct.pack(order, reason))
        (failed if reason else committed).append(encode_elements(elements, native))
    information = {
        TRANSACTION_UID: ("UI", report.transaction_uid.encode("ascii")),
        _RETRIEVE_AE_TITLE: ("AE", report.retrieve_ae_title.encode("ascii")),
    }
    for tag, items in ((REFERENCED_SEQUENCE, committed), (FAILED_SEQUENCE, failed)):
        if items:
            information[tag] = ("SQ", encode_items(items, transfer_syntax))
    event = N_EVENT_REPORT()
    event.AffectedSOPClassUID = STORAGE_COMMITMENT
    event.AffectedSOPInstanceUID = WELL_KNOWN_INSTANCE
    event.EventTypeID = SOME_FAILED if failed else ALL_COMMITTED
    event.EventInformation = BytesIO(encode_elements(information, transfer_syntax))
    return event
