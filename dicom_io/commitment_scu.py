"""Has a PACS what we stored there? Storage Commitment Push Model as SCU (PS3.4 annex J), or C-FIND at IMAGE level.

The report of a commitment (N-EVENT-REPORT) comes over the association on which it was asked for, or over one that the
PACS opens to our SCP, minutes or hours later: `read_report` reads both.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from typing import Any, Final, Protocol

from pynetdicom.dimse_primitives import C_FIND, N_ACTION, N_EVENT_REPORT

from dicom_io.commitment import (
    FAILED_SEQUENCE,
    FAILURE_REASON,
    REFERENCED_CLASS,
    REFERENCED_INSTANCE,
    REFERENCED_SEQUENCE,
    REQUEST,
    TRANSACTION_UID,
    WELL_KNOWN_INSTANCE,
)
from dicom_io.errors import CommitmentError, MatchingError, NetworkError, UidError
from dicom_io.header import read_uid
from dicom_io.identifier import encode_elements, encode_items, read_identifier, scan_dataset, syntax_of
from dicom_io.negotiation import STORAGE_COMMITMENT, STUDY_ROOT_FIND
from dicom_io.peer import Peer, Timeouts
from dicom_io.query_keys import KEYS, Level
from dicom_io.requestor import Requestor
from dicom_io.scan import read_items
from dicom_io.statuses import INVALID_ARGUMENT, MATCHES, NO_SUCH_SOP_INSTANCE, PROCESSING_FAILURE, SUCCESS
from dicom_io.syntaxes import EITHER

_LEVEL: Final = 0x00080052
_MEDIUM: Final = 0


class Way(StrEnum):
    """How a PACS can be asked."""

    COMMITMENT = "Storage Commitment"
    QUERY = "query"


class Has(StrEnum):
    """What it says."""

    YES = "yes"
    NO = "no"
    LATER = "later"  # it took the request and will report
    CANNOT = "cannot"  # it can be asked in none of these ways


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One Instance, and the Transaction UID under which a commitment to it is asked for."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transaction_uid: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a PACS said, and how it was asked.

    `failure_reason` is why it did not commit (0008,1197), or with CANNOT the status of its refusal to be asked.
    """

    has: Has
    way: Way | None = None
    failure_reason: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentResult:
    """A report: what is committed, and why what is not, by SOP Instance UID."""

    transaction_uid: str
    committed: frozenset[str]
    failures: Mapping[str, int]


class Asked(Protocol):
    """Who keeps what was asked for. Called from the thread of the association that reports."""

    def reported(self, result: CommitmentResult) -> bool:
        """Put the report on record; False for a transaction that is not ours. Raises CommitmentError with a status."""


def ask(
    peer: Peer,
    question: Question,
    ways: Sequence[Way],
    *,
    seconds: float,
    calling_ae_title: str,
    timeouts: Timeouts,
) -> Answer:
    """Ask for a commitment, else by a query; of these `ways` what the peer accepts. Raises NetworkError.

    `seconds`: how long a commitment's report is waited for. A request for commitment that the peer refuses says nothing
    of the Instance: it is asked by a query.
    """
    classes = {Way.COMMITMENT: STORAGE_COMMITMENT, Way.QUERY: STUDY_ROOT_FIND}
    pairs = [(classes[way], syntax) for way in ways for syntax in EITHER]
    answer = Answer(Has.CANNOT)
    with Requestor(peer, pairs, calling_ae_title, timeouts) as requestor:
        accepted: dict[str, tuple[str, int]] = {}
        for (sop_class, syntax), context_id in requestor.accepted.items():
            accepted.setdefault(sop_class, (syntax, context_id))
        if (commitment := accepted.get(STORAGE_COMMITMENT)) is not None:
            answer = _Commitment(requestor, question, *commitment).ask(seconds)
        if answer.has is Has.CANNOT and (query := accepted.get(STUDY_ROOT_FIND)) is not None:
            answer = _find(requestor, peer, question, *query)
    return answer


def _find(requestor: Requestor, peer: Peer, question: Question, syntax: str, context_id: int) -> Answer:
    """Query at IMAGE level with all unique keys (PS3.4 C.6.2.1)."""
    keys = ("study_instance_uid", "series_instance_uid", "sop_instance_uid")
    elements = {KEYS[name].tag: ("UI", str(getattr(question, name)).encode("ascii")) for name in keys}
    elements[_LEVEL] = ("CS", Level.IMAGE.encode("ascii"))
    request = C_FIND()
    request.AffectedSOPClassUID = STUDY_ROOT_FIND
    request.Priority = _MEDIUM
    request.Identifier = BytesIO(encode_elements(elements, syntax))
    found = False
    for response in requestor.converse(request, context_id):
        if response.Status in MATCHES:
            match = read_identifier(response.Identifier.getvalue(), syntax).values
            found = found or match.get("sop_instance_uid") == question.sop_instance_uid
        elif response.Status != SUCCESS:
            message = f"expected {peer} to answer the query. Received: status={response.Status:04X}"
            raise NetworkError(message)
    return Answer(Has.YES if found else Has.NO, Way.QUERY)


class _Commitment:
    """One request for commitment, with its report if that comes over the same association."""

    def __init__(self, requestor: Requestor, question: Question, syntax: str, context_id: int) -> None:
        self._requestor = requestor
        self._question = question
        self._context_id = context_id
        self._syntax = syntax
        self._result: CommitmentResult | None = None

    def ask(self, seconds: float) -> Answer:
        status = PROCESSING_FAILURE
        for response in self._requestor.converse(self._request(), self._context_id, self._serve):
            status = response.Status
        if status != SUCCESS:
            return Answer(Has.CANNOT, Way.COMMITMENT, status)
        if self._result is None:
            self._requestor.listen(self._serve, seconds)
        if self._result is None:
            return Answer(Has.LATER, Way.COMMITMENT)
        return answer_of(self._result, self._question.sop_instance_uid)

    def _request(self) -> N_ACTION:
        item = {
            REFERENCED_CLASS: ("UI", self._question.sop_class_uid.encode("ascii")),
            REFERENCED_INSTANCE: ("UI", self._question.sop_instance_uid.encode("ascii")),
        }
        information = {
            TRANSACTION_UID: ("UI", self._question.transaction_uid.encode("ascii")),
            REFERENCED_SEQUENCE: ("SQ", encode_items([encode_elements(item, self._syntax)], self._syntax)),
        }
        request = N_ACTION()
        request.RequestedSOPClassUID = STORAGE_COMMITMENT
        request.RequestedSOPInstanceUID = WELL_KNOWN_INSTANCE
        request.ActionTypeID = REQUEST
        request.ActionInformation = BytesIO(encode_elements(information, self._syntax))
        return request

    def _serve(self, request: Any, context_id: int) -> Any:  # noqa: ANN401  # pynetdicom's primitives have no common name
        """Take the report if it is ours; what belongs to another transaction is not taken here."""
        syntaxes = {number: pair[1] for pair, number in self._requestor.accepted.items()}
        try:
            result = read_report(request, syntaxes.get(context_id, self._syntax))
        except CommitmentError as error:
            return response_to(request, error.status)
        if result.transaction_uid != self._question.transaction_uid:
            return response_to(request, PROCESSING_FAILURE)
        self._result = result
        return response_to(request, SUCCESS)


def answer_of(result: CommitmentResult, sop_instance_uid: str) -> Answer:
    """Return what a report says of one Instance; one that it does not name is not committed."""
    if sop_instance_uid in result.committed:
        return Answer(Has.YES, Way.COMMITMENT)
    return Answer(Has.NO, Way.COMMITMENT, result.failures.get(sop_instance_uid) or NO_SUCH_SOP_INSTANCE)


def read_report(request: Any, transfer_syntax: str) -> CommitmentResult:  # noqa: ANN401  # as above
    """Read an N-EVENT-REPORT (PS3.4 table J.3-2). Raises CommitmentError with the status that says what is wrong."""
    if not isinstance(request, N_EVENT_REPORT) or request.EventInformation is None:
        raise CommitmentError(INVALID_ARGUMENT)
    try:
        values = scan_dataset(request.EventInformation.getvalue(), transfer_syntax).values
        transaction_uid = read_uid(values.get(TRANSACTION_UID))
        failures = dict(_items(values, FAILED_SEQUENCE, transfer_syntax))
        committed = {uid for uid, _ in _items(values, REFERENCED_SEQUENCE, transfer_syntax)}
    except (MatchingError, UidError):
        raise CommitmentError(INVALID_ARGUMENT) from None
    return CommitmentResult(
        transaction_uid=transaction_uid, committed=frozenset(committed - failures.keys()), failures=failures
    )


def _items(values: Mapping[int, bytes], sequence: int, transfer_syntax: str) -> Iterator[tuple[str, int]]:
    syntax = syntax_of(transfer_syntax)
    for item, _ in read_items(values.get(sequence, b""), syntax, (REFERENCED_INSTANCE, FAILURE_REASON)):
        value = item.values.get(FAILURE_REASON, b"")[:2]
        reason = int.from_bytes(value, "little" if syntax.little_endian else "big")
        yield read_uid(item.values.get(REFERENCED_INSTANCE)), reason


def response_to(request: Any, status: int) -> N_EVENT_REPORT:  # noqa: ANN401  # as above
    """Return the response to an N-EVENT-REPORT (PS3.7 10.1.1)."""
    response = N_EVENT_REPORT()
    response.MessageIDBeingRespondedTo = request.MessageID
    response.AffectedSOPClassUID = STORAGE_COMMITMENT
    response.AffectedSOPInstanceUID = WELL_KNOWN_INSTANCE
    response.EventTypeID = getattr(request, "EventTypeID", None) or 1
    response.Status = status
    return response


def serve_report(asked: Asked | None, association: Any, request: Any, context_id: int) -> None:  # noqa: ANN401  # as above
    """Serve an N-EVENT-REPORT that a PACS sends to our SCP: record, then answer."""
    syntax = str(association._accepted_cx[context_id].transfer_syntax[0])  # noqa: SLF001  # as pynetdicom looks it up
    status = PROCESSING_FAILURE
    try:
        is_ours = asked is not None and asked.reported(read_report(request, syntax))
        status = SUCCESS if is_ours else INVALID_ARGUMENT
    except CommitmentError as error:
        status = error.status
    finally:  # whatever happened, the peer gets a status
        association.dimse.send_msg(response_to(request, status), context_id)
