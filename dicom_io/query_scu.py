"""Query/Retrieve as SCU, Study Root (PS3.4 annex C): C-FIND, and C-GET or C-MOVE of one study.

What C-GET brings is handed to a sink as the Storage SCP hands over what it is sent; what C-MOVE sends comes to whoever
listens under the destination's AE title.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, Final

from pynetdicom.dimse_primitives import C_FIND, C_GET, C_MOVE, C_STORE

from dicom_io.errors import AssociationRejectedError, NetworkError
from dicom_io.file_meta import encode_file_meta
from dicom_io.identifier import encode_elements, read_identifier
from dicom_io.negotiation import PREFERRED, STUDY_ROOT_FIND, STUDY_ROOT_GET, STUDY_ROOT_MOVE
from dicom_io.peer import DEFAULT_TIMEOUTS, Peer, Timeouts
from dicom_io.query_keys import KEYS, UNIQUE_KEYS, Level
from dicom_io.received import AssociationSummary, ReceivedInstance, Sink
from dicom_io.reception import NewSpool
from dicom_io.requestor import MAXIMUM_CONTEXTS, Requestor
from dicom_io.statuses import MATCHES, SUCCESS
from dicom_io.syntaxes import EITHER

_LEVEL: Final = 0x00080052
_CHARACTER_SET: Final = 0x00080005
_SYNTAXES: Final = (*PREFERRED, "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.91")
_MEDIUM: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """What the peer says of a retrieval at its end."""

    status: int
    completed: int
    failed: int
    warning: int


def find(
    peer: Peer,
    level: Level,
    keys: Mapping[str, str],
    *,
    calling_ae_title: str = "TIBABU",
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> Iterator[Mapping[str, str]]:
    """Yield the attributes of what the peer finds, by PS3.6 keyword in snake_case.

    `keys` are those of dicom_io.query_keys.KEYS; an empty value asks for the attribute. Raises NetworkError.
    """
    pairs = [(STUDY_ROOT_FIND, syntax) for syntax in EITHER]
    with Requestor(peer, pairs, calling_ae_title, timeouts) as requestor:
        syntax, context_id = _accepted(requestor, peer, STUDY_ROOT_FIND)
        request = C_FIND()
        request.AffectedSOPClassUID = STUDY_ROOT_FIND
        request.Priority = _MEDIUM
        request.Identifier = BytesIO(_identifier(level, keys, syntax))
        for response in requestor.converse(request, context_id):
            if response.Status in MATCHES:
                yield read_identifier(response.Identifier.getvalue(), syntax).values
            elif response.Status != SUCCESS:
                message = f"expected {peer} to answer the query. Received: status={response.Status:04X}"
                raise NetworkError(message)


def move(
    peer: Peer,
    study_instance_uid: str,
    destination: str,
    *,
    calling_ae_title: str = "TIBABU",
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> Retrieved:
    """Let the peer send a study to `destination`, an AE title that it knows. Raises NetworkError."""
    pairs = [(STUDY_ROOT_MOVE, syntax) for syntax in EITHER]
    with Requestor(peer, pairs, calling_ae_title, timeouts) as requestor:
        syntax, context_id = _accepted(requestor, peer, STUDY_ROOT_MOVE)
        request = C_MOVE()
        request.AffectedSOPClassUID = STUDY_ROOT_MOVE
        request.MoveDestination = destination
        return _retrieve(requestor, request, context_id, study_instance_uid, syntax)


def get(  # noqa: PLR0913 - where from, what, and where to
    peer: Peer,
    study_instance_uid: str,
    sop_class_uids: tuple[str, ...],
    sink: Sink,
    new_spool: NewSpool,
    *,
    clock: Callable[[], datetime],
    calling_ae_title: str = "TIBABU",
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> Retrieved:
    """Take a study whose Instances are of these SOP Classes over our association, into `sink`. Raises NetworkError.

    Each transfer syntax is proposed in a context of its own, so that the peer can send each Instance as it has it.
    """
    own, room = [(STUDY_ROOT_GET, syntax) for syntax in EITHER], MAXIMUM_CONTEXTS - 2
    each = max(room // max(len(sop_class_uids), 1), 1)
    storage = [(sop_class, syntax) for sop_class in sop_class_uids for syntax in _SYNTAXES[:each]][:room]
    arriving = _Arriving(sink, new_spool, peer, calling_ae_title, clock)
    try:
        with Requestor(peer, [*own, *storage], calling_ae_title, timeouts, as_scp=sop_class_uids) as requestor:
            syntax, context_id = _accepted(requestor, peer, STUDY_ROOT_GET)
            arriving.syntaxes = {number: pair[1] for pair, number in requestor.accepted.items()}
            request = C_GET()
            request.AffectedSOPClassUID = STUDY_ROOT_GET
            found = _retrieve(requestor, request, context_id, study_instance_uid, syntax, serve=arriving.store)
            arriving.is_whole = True
            return found
    finally:
        arriving.end()


class _Arriving:
    """Hands what comes over one association of ours to a sink."""

    def __init__(
        self, sink: Sink, new_spool: NewSpool, peer: Peer, ae_title: str, clock: Callable[[], datetime]
    ) -> None:
        self.syntaxes: dict[int, str] = {}
        self.is_whole = False
        self._sink = sink
        self._new_spool = new_spool
        self._peer = peer
        self._ae_title = ae_title
        self._clock = clock
        self._association_id = uuid.uuid4().hex
        self._opened_at = clock()
        self._stored = self._refused = self._bytes = 0

    def store(self, request: Any, context_id: int) -> C_STORE:  # noqa: ANN401  # pynetdicom's primitives are untyped
        """Take one Instance and return the response. Raises NetworkError if the peer asks for anything else."""
        if not isinstance(request, C_STORE) or request.DataSet is None or context_id not in self.syntaxes:
            message = (
                f"expected {self._peer} to send Instances in the contexts that it accepted. "
                f"Received: type={type(request).__name__} context={context_id}"
            )
            raise NetworkError(message)
        sop_class, sop_instance = str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)
        syntax = self.syntaxes[context_id]
        with self._new_spool() as spool:
            spool.write(encode_file_meta(sop_class, sop_instance, syntax))
            spool.write(request.DataSet.getvalue())
            self._bytes += spool.size
            status = self._sink.received(
                ReceivedInstance(
                    spool=spool,
                    affected_sop_class_uid=sop_class,
                    affected_sop_instance_uid=sop_instance,
                    transfer_syntax_uid=syntax,
                    calling_ae_title=self._peer.ae_title,
                    called_ae_title=self._ae_title,
                    peer_address=self._peer.host,
                    association_id=self._association_id,
                )
            )
        self._stored += status == SUCCESS
        self._refused += status != SUCCESS
        response = C_STORE()
        response.MessageIDBeingRespondedTo = request.MessageID
        response.AffectedSOPClassUID = request.AffectedSOPClassUID
        response.AffectedSOPInstanceUID = request.AffectedSOPInstanceUID
        response.Status = status
        return response

    def end(self) -> None:
        """Tell the sink that this was all."""
        self._sink.association_ended(
            AssociationSummary(
                association_id=self._association_id,
                calling_ae_title=self._peer.ae_title,
                called_ae_title=self._ae_title,
                peer_address=self._peer.host,
                opened_at=self._opened_at,
                closed_at=self._clock(),
                how="released" if self.is_whole else "aborted",
                stored=self._stored,
                refused=self._refused,
                bytes=self._bytes,
            )
        )


def _retrieve(
    requestor: Requestor,
    request: Any,  # noqa: ANN401  # as above
    context_id: int,
    study_instance_uid: str,
    syntax: str,
    *,
    serve: Callable[[Any, int], Any] | None = None,
) -> Retrieved:
    request.Priority = _MEDIUM
    request.Identifier = BytesIO(_identifier(Level.STUDY, {"study_instance_uid": study_instance_uid}, syntax))
    last: Any = None
    for last in requestor.converse(request, context_id, serve):  # noqa: B007 - the last one counts
        pass
    return Retrieved(
        status=last.Status,
        completed=last.NumberOfCompletedSuboperations or 0,
        failed=last.NumberOfFailedSuboperations or 0,
        warning=last.NumberOfWarningSuboperations or 0,
    )


def _accepted(requestor: Requestor, peer: Peer, sop_class_uid: str) -> tuple[str, int]:
    for (accepted, syntax), context_id in requestor.accepted.items():
        if accepted == sop_class_uid:
            return syntax, context_id
    message = f"expected {peer} to accept {sop_class_uid}. Received: the presentation contexts were refused"
    raise AssociationRejectedError(message)


def _identifier(level: Level, keys: Mapping[str, str], syntax: str) -> bytes:
    wanted = {UNIQUE_KEYS[level]: "", **keys}
    elements = {KEYS[name].tag: (KEYS[name].vr, value.encode() if value else b"") for name, value in wanted.items()}
    elements[_LEVEL] = ("CS", level.encode("ascii"))
    elements[_CHARACTER_SET] = ("CS", b"ISO_IR 192")
    return encode_elements(elements, syntax)
