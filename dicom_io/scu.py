"""The Storage SCU and the Verification SCU: C-STORE of files as they are, and C-ECHO (PS3.4 annexes A and B)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import SEEK_END, BytesIO
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS

from dicom_io.errors import AssociationRejectedError, HeaderError, NetworkError, StoreError
from dicom_io.file_meta import FileMeta, read_file_meta
from dicom_io.negotiation import VERIFICATION
from dicom_io.peer import DEFAULT_TIMEOUTS, Peer, Timeouts
from dicom_io.query_retrieve import Retrievable
from dicom_io.requestor import MAXIMUM_CONTEXTS, Pair, Requestor
from dicom_io.statuses import CANNOT_UNDERSTAND, SOP_CLASS_NOT_SUPPORTED, STORED_WITH_WARNING, SUCCESS
from dicom_io.syntaxes import IMPLICIT

__all__ = ["HeldAssociation", "Peer", "StoreStatus", "Timeouts", "echo", "send"]


_MEDIUM: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStatus:
    """What became of one object.

    `index` is its place among what was to be sent. `status` is the peer's, or one of ours if it was not sent: then
    `reason` says why. `comment` is the peer's Error Comment (0000,0902), which may quote the patient: not for logs.
    UIDs are "" where the file does not tell.
    """

    index: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    status: int
    reason: str = ""
    comment: str = field(default="", repr=False)

    @property
    def stored(self) -> bool:
        """Whether the peer has it: success or one of the three warnings of PS3.4 table B.2-1."""
        return not self.reason and (self.status == SUCCESS or self.status in STORED_WITH_WARNING)

    @property
    def text(self) -> str:
        """The status for people."""
        return f"{self.status:04X} {self.meaning}".rstrip()

    @property
    def meaning(self) -> str:
        """What the status says, or why the object was not sent."""
        return self.reason or str(STORAGE_SERVICE_CLASS_STATUS.get(self.status, ("", "unknown status"))[1])


@dataclass(frozen=True, slots=True)
class Originator:
    """Whose C-MOVE request it is for which something is sent (PS3.7 9.1.1.1)."""

    ae_title: str
    message_id: int


@dataclass(frozen=True, slots=True)
class _Outgoing:
    index: int
    source: Path | bytes | Retrievable
    meta: FileMeta

    @property
    def pair(self) -> Pair:
        return self.meta.sop_class_uid, self.meta.transfer_syntax_uid


def echo(peer: Peer, *, calling_ae_title: str = "TIBABU", timeouts: Timeouts = DEFAULT_TIMEOUTS) -> None:
    """Ask a peer whether it is there (C-ECHO). Raises NetworkError if it is not, or not for us."""
    pair = VERIFICATION, IMPLICIT
    with Requestor(peer, [pair], calling_ae_title, timeouts) as requestor:
        if pair not in requestor.accepted:
            message = f"expected {peer} to accept Verification. Received: the presentation context was refused"
            raise AssociationRejectedError(message)
        request = C_ECHO()
        request.AffectedSOPClassUID = VERIFICATION
        status = requestor.exchange(request, requestor.accepted[pair]).Status
    if status != SUCCESS:
        message = f"expected {peer} to answer C-ECHO with 0000. Received: status={status:04X}"
        raise NetworkError(message)


def send(
    peer: Peer,
    files: Sequence[Path | bytes],
    *,
    calling_ae_title: str = "TIBABU",
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    on_start: Callable[[int], None] | None = None,
    on_status: Callable[[StoreStatus], None] | None = None,
) -> list[StoreStatus]:
    """Send DICOM files, or `bytes` that are whole files, by C-STORE; return their statuses in the same order.

    The datasets' bytes go as they are, in their own transfer syntaxes: nothing is decoded, and exactly the pairs of SOP
    Class and transfer syntax that occur are proposed, at most 128 in one association. Files are read while they are
    sent, never whole. `on_start` is called with an object's index before its first byte goes; each status is handed to
    `on_status` as soon as it is known, so that none is lost when the network fails. Raises NetworkError when it does.
    """
    statuses: dict[int, StoreStatus] = {}
    for status in sending(peer, files, calling_ae_title=calling_ae_title, timeouts=timeouts, on_start=on_start):
        statuses[status.index] = status
        if on_status is not None:
            on_status(status)
    return [statuses[index] for index in range(len(files))]


def sending(
    peer: Peer,
    files: Sequence[Path | bytes | Retrievable],
    *,
    calling_ae_title: str = "TIBABU",
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    on_start: Callable[[int], None] | None = None,
    originator: Originator | None = None,
) -> Iterator[StoreStatus]:
    """Send as `send` does, and yield each status when it is known; closing it releases or aborts the association.

    What is `Retrievable` is had from its store when its turn comes.
    """
    readable: list[_Outgoing] = []
    for index, source in enumerate(files):
        try:
            readable.append(_Outgoing(index, source, _meta(source)))
        except HeaderError as error:
            yield _not_sent(_Outgoing(index, source, FileMeta("", "", "", 0)), CANNOT_UNDERSTAND, str(error))
    for group in _groups(readable):
        pairs = list(dict.fromkeys(outgoing.pair for outgoing in group))
        with Requestor(peer, pairs, calling_ae_title, timeouts) as requestor:
            for outgoing in group:
                yield _store(requestor, outgoing, on_start=on_start, originator=originator)


class HeldAssociation:
    """One association that is kept open between objects, as some modalities do; a context manager.

    It is opened with the first object, and again when an object needs what was not proposed before or was refused (the
    peer may take it by now), or when the peer has ended it.
    """

    def __init__(self, peer: Peer, calling_ae_title: str = "TIBABU", timeouts: Timeouts = DEFAULT_TIMEOUTS) -> None:
        """Prepare; nothing is opened yet."""
        self._peer, self._calling_ae_title, self._timeouts = peer, calling_ae_title, timeouts
        self._pairs: list[Pair] = []
        self._requestor: Requestor | None = None

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the association, if one is open; abort it if the block raised."""
        requestor, self._requestor = self._requestor, None
        if requestor is not None:
            requestor.__exit__(kind, error, trace)

    @property
    def is_open(self) -> bool:
        """Whether it is open and the peer has not ended it, as far as we have heard."""
        return self._requestor is not None and self._requestor.is_open

    def store(self, source: Path | bytes, *, on_start: Callable[[int], None] | None = None) -> StoreStatus:
        """Send one object as `send` does. Raises HeaderError for what is no DICOM file, NetworkError."""
        outgoing = _Outgoing(0, source, read_file_meta(source))
        if outgoing.pair not in self._pairs:
            self._pairs = [*self._pairs, outgoing.pair][-MAXIMUM_CONTEXTS:]
            self.__exit__(None, None, None)
        if self._requestor is not None and not (self._requestor.is_open and outgoing.pair in self._requestor.accepted):
            self.__exit__(None, None, None)
        if self._requestor is None:
            requestor = Requestor(self._peer, self._pairs, self._calling_ae_title, self._timeouts)
            self._requestor = requestor.__enter__()
        try:
            return _store(self._requestor, outgoing, on_start=on_start)
        except NetworkError as error:
            self.__exit__(type(error), error, None)
            raise


def _groups(outgoing: Iterable[_Outgoing]) -> list[list[_Outgoing]]:
    """Part what is to be sent into associations by its presentation contexts; the order is kept within each."""
    groups: list[list[_Outgoing]] = []
    group_of: dict[Pair, int] = {}
    for one in outgoing:
        number = group_of.setdefault(one.pair, len(group_of) // MAXIMUM_CONTEXTS)
        if number == len(groups):
            groups.append([])
        groups[number].append(one)
    return groups


def _store(
    requestor: Requestor,
    outgoing: _Outgoing,
    *,
    on_start: Callable[[int], None] | None = None,
    originator: Originator | None = None,
) -> StoreStatus:
    """Send one object; a file that vanished or was never accepted is a status, a network that fails an error."""
    context_id = requestor.accepted.get(outgoing.pair)
    if context_id is None:
        return _not_sent(
            outgoing, SOP_CLASS_NOT_SUPPORTED, "the peer does not accept its SOP Class in this transfer syntax"
        )
    with ExitStack() as stack:
        try:
            source, offset = _at_hand(outgoing, stack)
            size = _size(source) - offset
        except (OSError, HeaderError, StoreError) as error:
            return _not_sent(outgoing, CANNOT_UNDERSTAND, f"the file cannot be read ({type(error).__name__})")
        if size <= 0:
            return _not_sent(outgoing, CANNOT_UNDERSTAND, "the file has no dataset")
        request = C_STORE()
        request.AffectedSOPClassUID = outgoing.meta.sop_class_uid
        request.AffectedSOPInstanceUID = outgoing.meta.sop_instance_uid
        request.Priority = _MEDIUM
        if isinstance(source, bytes):
            request.DataSet = BytesIO(source[offset:])
        else:
            request._dataset_path = (source, offset)  # noqa: SLF001 - as pynetdicom does
        if originator is not None:
            request.MoveOriginatorApplicationEntityTitle = originator.ae_title
            request.MoveOriginatorMessageID = originator.message_id
        if on_start is not None:
            on_start(outgoing.index)
        response = requestor.exchange(request, context_id)
        return _status(outgoing, response.Status, comment=response.ErrorComment or "")


def _meta(source: Path | bytes | Retrievable) -> FileMeta:
    """Return what is to be proposed for a file; of what is stored that is known without it. Raises HeaderError."""
    if isinstance(source, Retrievable):
        return FileMeta(source.sop_class_uid, source.sop_instance_uid, source.transfer_syntax_uid, 0)
    return read_file_meta(source)


def _at_hand(outgoing: _Outgoing, stack: ExitStack) -> tuple[Path | bytes, int]:
    """Return a file of this host for as long as `stack` is open, and where its dataset begins.

    Raises StoreError, and HeaderError for what is stored and no DICOM file.
    """
    source = outgoing.source
    if not isinstance(source, Retrievable):
        return source, outgoing.meta.dataset_offset
    path = stack.enter_context(source.local())
    return path, read_file_meta(path).dataset_offset


def _size(source: Path | bytes) -> int:
    """Return how long it is. Raises OSError if there is no such file, or none that may be read."""
    if isinstance(source, bytes):
        return len(source)
    with source.open("rb") as file:
        return file.seek(0, SEEK_END)


def _not_sent(outgoing: _Outgoing, status: int, reason: str) -> StoreStatus:
    return _status(outgoing, status, reason=f"not sent: {reason}")


def _status(outgoing: _Outgoing, status: int, *, reason: str = "", comment: str = "") -> StoreStatus:
    return StoreStatus(
        index=outgoing.index,
        sop_class_uid=outgoing.meta.sop_class_uid,
        sop_instance_uid=outgoing.meta.sop_instance_uid,
        transfer_syntax_uid=outgoing.meta.transfer_syntax_uid,
        status=status,
        reason=reason,
        comment=comment,
    )
