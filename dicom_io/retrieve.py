"""Query/Retrieve as SCP, Study Root (PS3.4 annex C): C-MOVE and C-GET. Files go out as they are.

C-MOVE sends over an association of its own, for which exactly the pairs of SOP Class and transfer syntax that occur are
proposed. C-GET sends over the association on which it was asked, in the contexts for which the peer took the part of
the SCP; what was accepted in none, in its own transfer syntax, counts as failed.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from pynetdicom.dimse_primitives import C_STORE

from dicom_io.errors import ArchiveError, HeaderError, MatchingError, NetworkError, StoreError
from dicom_io.exchange import Counts, Exchange
from dicom_io.file_meta import read_file_meta
from dicom_io.identifier import encode_failed_uids, read_identifier
from dicom_io.peer import Peer
from dicom_io.query_retrieve import Archive, Retrievable, Served, unique_keys
from dicom_io.scu import Originator, StoreStatus, sending
from dicom_io.statuses import (
    CANCELLED,
    CANNOT_COUNT,
    CANNOT_SEND,
    DATA_SET_DOES_NOT_MATCH,
    MOVE_DESTINATION_UNKNOWN,
    OUT_OF_RESOURCES,
    PENDING,
    STORED_WITH_WARNING,
    SUBOPERATIONS_FAILED,
    SUCCESS,
)

_MOST: Final = 0xFFFF  # Number of Remaining Sub-operations is an unsigned 16-bit integer
_MESSAGE_IDS: Final = 1 << 16
_MEDIUM: Final = 0


@dataclass(slots=True)
class _Tally:
    """How the sub-operations went so far."""

    remaining: int
    completed: int = 0
    warning: int = 0
    failed: list[str] = field(default_factory=list)

    def count(self, sop_instance_uid: str, status: int | None) -> None:
        self.remaining -= 1
        if status == SUCCESS:
            self.completed += 1
        elif status in STORED_WITH_WARNING:
            self.warning += 1
        else:
            self.failed.append(sop_instance_uid)

    def counts(self, *, final: bool) -> Counts:
        return Counts(None if final else self.remaining, self.completed, len(self.failed), self.warning)

    @property
    def status(self) -> int:
        if not self.failed and not self.warning:
            return SUCCESS
        return SUBOPERATIONS_FAILED if self.completed or self.warning else CANNOT_SEND


def move(archive: Archive, exchange: Exchange, destination_of: Callable[[str], Peer | None]) -> Served:
    """Serve a C-MOVE request. `destination_of` says where an AE listens to which the caller may have things sent."""
    name = str(exchange.request.MoveDestination or "").strip()

    def send(wanted: Sequence[Retrievable]) -> Iterator[StoreStatus]:
        peer = destination_of(name)
        if peer is None:
            raise _RefusedError(MOVE_DESTINATION_UNKNOWN, "move destination unknown")
        caller = exchange.caller
        originator = Originator(caller.calling_ae_title.strip(), exchange.request.MessageID)
        return sending(peer, wanted, calling_ae_title=caller.called_ae_title.strip(), originator=originator)

    return _serve(archive, exchange, "move", send, destination=name)


def get(archive: Archive, exchange: Exchange) -> Served:
    """Serve a C-GET request."""
    contexts = {
        (str(context.abstract_syntax), str(context.transfer_syntax[0])): int(context.context_id)
        for context in exchange.association.accepted_contexts
        if context.as_scu
    }
    return _serve(archive, exchange, "get", lambda wanted: _stored(exchange, wanted, contexts))


class _RefusedError(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def _serve(
    archive: Archive,
    exchange: Exchange,
    verb: str,
    send: Callable[[Sequence[Retrievable]], Iterator[StoreStatus]],
    *,
    destination: str = "",
) -> Served:
    level, tally, reason = "", _Tally(0), ""
    try:
        identifier = read_identifier(exchange.identifier, exchange.transfer_syntax)
        keys = unique_keys(identifier)
        level = identifier.level
        wanted = archive.instances(keys)
        if len(wanted) > _MOST:
            raise _RefusedError(CANNOT_COUNT, f"more than {_MOST} Instances")  # noqa: TRY301
        tally = _Tally(len(wanted))
        statuses = send(wanted)
        status, reason = _run(exchange, wanted, statuses, tally)
    except MatchingError as error:
        status, reason = DATA_SET_DOES_NOT_MATCH, str(error)
    except ArchiveError as error:
        status, reason = OUT_OF_RESOURCES, str(error)
    except _RefusedError as error:
        status, reason = error.status, str(error)
    failed = encode_failed_uids(tally.failed, exchange.transfer_syntax) if tally.failed else None
    exchange.respond(
        status, identifier=failed, counts=tally.counts(final=status != CANCELLED), comment=reason if status else ""
    )
    return Served(
        caller=exchange.caller,
        verb=verb,
        level=level,
        status=status,
        answers=tally.completed + tally.warning,
        failed=len(tally.failed),
        destination=destination,
        reason=reason,
    )


def _run(
    exchange: Exchange, wanted: Sequence[Retrievable], statuses: Iterator[StoreStatus], tally: _Tally
) -> tuple[int, str]:
    """Perform the sub-operations, a pending response after each; return the final status and why it is one."""
    settled: set[int] = set()
    reason = ""
    try:
        for one in statuses:
            settled.add(one.index)
            tally.count(wanted[one.index].sop_instance_uid, one.status)
            reason = reason or ("" if one.stored else one.text)
            if exchange.is_over or exchange.is_cancelled:
                return CANCELLED, "cancelled"
            if tally.remaining:
                exchange.respond(PENDING, counts=tally.counts(final=False))
    except NetworkError as error:
        reason = str(error)
    finally:
        close = getattr(statuses, "close", None)
        if close is not None:
            close()  # ends the association to the destination
    for index, left in enumerate(wanted):
        if index not in settled:
            tally.count(left.sop_instance_uid, None)
    return tally.status, reason


def _stored(
    exchange: Exchange, wanted: Sequence[Retrievable], contexts: dict[tuple[str, str], int]
) -> Iterator[StoreStatus]:
    """Send each Instance over the association of the request."""
    message_id = int(exchange.request.MessageID)
    for index, one in enumerate(wanted):
        context_id = contexts.get((one.sop_class_uid, one.transfer_syntax_uid))
        status: int | None = None
        reason = "not sent: the peer does not accept its SOP Class in this transfer syntax"
        if context_id is not None:
            message_id = (message_id + 1) % _MESSAGE_IDS
            status, reason = _store(exchange, one, context_id, message_id)
        yield StoreStatus(
            index=index,
            sop_class_uid=one.sop_class_uid,
            sop_instance_uid=one.sop_instance_uid,
            transfer_syntax_uid=one.transfer_syntax_uid,
            status=CANNOT_SEND if status is None else status,
            reason=reason,
        )
        if context_id is not None and status is None and not reason:
            message = "expected an answer to a C-STORE sub-operation. Received: none"
            raise NetworkError(message)


def _store(exchange: Exchange, one: Retrievable, context_id: int, message_id: int) -> tuple[int | None, str]:
    with ExitStack() as stack:
        try:
            path = stack.enter_context(one.local())
            offset = read_file_meta(path).dataset_offset
        except (OSError, HeaderError, StoreError) as error:
            return None, f"not sent: the file cannot be read ({type(error).__name__})"
        request = C_STORE()
        request.MessageID = message_id
        request.AffectedSOPClassUID = one.sop_class_uid
        request.AffectedSOPInstanceUID = one.sop_instance_uid
        request.Priority = _MEDIUM
        request._dataset_path = (path, offset)  # noqa: SLF001 - as pynetdicom does: read while it is sent
        return exchange.store(request, context_id), ""
