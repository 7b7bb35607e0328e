"""Modality Worklist as SCU (PS3.4 annex K): what was ordered, asked from the system that knows."""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydicom import Dataset
from pynetdicom.dimse_primitives import C_FIND
from pynetdicom.dsutils import encode

from dicom_io.charset import ascii_text, codec_names, decode_text
from dicom_io.errors import AssociationRejectedError, HeaderError, NetworkError
from dicom_io.peer import DEFAULT_TIMEOUTS, Peer, Timeouts
from dicom_io.requestor import Requestor
from dicom_io.scan import Syntax, read_elements
from dicom_io.statuses import MATCHES, SUCCESS
from dicom_io.syntaxes import IMPLICIT

MODALITY_WORKLIST: Final = "1.2.840.10008.5.1.4.31"

_MEDIUM: Final = 0
_MOST_ANSWERS: Final = 500
_CHARACTER_SET: Final = 0x00080005
_FIELDS: Final = {
    0x00080050: "accession_number",
    0x00100010: "patient_name",
    0x00100020: "patient_id",
    0x00100021: "issuer_of_patient_id",
    0x0020000D: "study_instance_uid",
    0x00401003: "priority",
}
_STOP: Final = max(_FIELDS) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A scheduled procedure step, as far as it matters here; "" where the answer does not say.

    `priority` is the Requested Procedure Priority (0040,1003) as it came.
    """

    study_instance_uid: str = ""
    accession_number: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    priority: str = ""


def find_orders(
    peer: Peer,
    questions: Iterable[dict[str, str]],
    is_wanted: Callable[[Order], bool],
    *,
    calling_ae_title: str = "TIBABU",
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> list[Order]:
    """Ask the questions in turn, over one association, until one has wanted answers; return these.

    A question maps PS3.6 keywords to the values that must match. Raises NetworkError.
    """
    pair = MODALITY_WORKLIST, IMPLICIT
    with Requestor(peer, [pair], calling_ae_title, timeouts) as requestor:
        if pair not in requestor.accepted:
            message = f"expected {peer} to accept Modality Worklist. Received: the presentation context was refused"
            raise AssociationRejectedError(message)
        for question in questions:
            answers = list(_ask(requestor, peer, question, requestor.accepted[pair]))
            if wanted := [order for order in answers if is_wanted(order)]:
                return wanted
    return []


def _ask(requestor: Requestor, peer: Peer, question: dict[str, str], context_id: int) -> Iterator[Order]:
    request = C_FIND()
    request.AffectedSOPClassUID = MODALITY_WORKLIST
    request.Priority = _MEDIUM
    request.Identifier = io.BytesIO(encode(_identifier(question), is_implicit_vr=True, is_little_endian=True) or b"")
    for count, response in enumerate(requestor.converse(request, context_id)):
        if response.Status in MATCHES:
            if count == _MOST_ANSWERS:
                message = f"expected at most {_MOST_ANSWERS} answers of {peer}. Received: more"
                raise NetworkError(message)
            yield _order(response.Identifier)
        elif response.Status != SUCCESS:
            message = f"expected {peer} to answer C-FIND with 0000. Received: status={response.Status:04X}"
            raise NetworkError(message)


def _identifier(question: dict[str, str]) -> Dataset:
    """Return the keys: those to match, and those to return (PS3.4 table K.6-1)."""
    identifier = Dataset()
    if not all(value.isascii() for value in question.values()):
        identifier.SpecificCharacterSet = "ISO_IR 192"
    for keyword in (
        "AccessionNumber",
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "StudyInstanceUID",
        "RequestedProcedureID",
        "RequestedProcedurePriority",
    ):
        setattr(identifier, keyword, question.get(keyword, ""))
    step = Dataset()
    for keyword in ("Modality", "ScheduledStationAETitle", "ScheduledProcedureStepStartDate"):
        setattr(step, keyword, "")
    identifier.ScheduledProcedureStepSequence = [step]
    return identifier


def _order(identifier: Any) -> Order:  # noqa: ANN401  # bytes in a stream, or nothing
    data = b"" if identifier is None else identifier.getvalue()
    syntax = Syntax(explicit=False, little_endian=True)
    try:
        wanted = {*_FIELDS, _CHARACTER_SET}
        values = read_elements(io.BytesIO(data), syntax, wanted, stop=_STOP).values
    except HeaderError:
        return Order()
    terms = values.get(_CHARACTER_SET, b"").split(b"\\")
    codecs = codec_names([ascii_text(term) for term in terms])
    said = {name: decode_text(values[tag], codecs).strip("\0 ") for tag, name in _FIELDS.items() if tag in values}
    return Order(**said)
