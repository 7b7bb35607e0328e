"""An association that we ask for, from the request to the release, with every way to fail mapped to a NetworkError."""

import itertools
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_ABORT, A_P_ABORT
from pynetdicom.presentation import build_context, build_role
from pynetdicom.transport import AssociationSocket

from dicom_io.errors import (
    AssociationAbortedError,
    AssociationRejectedError,
    NetworkError,
    PeerTimeoutError,
    PeerUnreachableError,
    TlsError,
)
from dicom_io.file_meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_io.hardening import LONGEST_SENT_PDU, PatientDimse, finish, harden, pace, tcp_socket, unsent
from dicom_io.library_logs import quiet_libraries
from dicom_io.peer import Peer, Timeouts, check_ae_title
from dicom_io.reactor import close_bell, run_on_events
from dicom_io.statuses import MATCHES
from dicom_io.tls import TlsClientContext, client_context

MAXIMUM_CONTEXTS: Final = 128
"""Presentation contexts in one association: odd IDs of 1 to 255 (PS3.8 9.3.2.2)."""

Pair: TypeAlias = tuple[str, str]
"""A SOP Class UID and a Transfer Syntax UID."""

_MESSAGE_IDS: Final = 1 << 16
_GRACE_SECONDS: Final = 1.0
_SLICE_SECONDS: Final = 0.2  # how exactly a DIMSE time-out is kept
_ACCEPTED: Final = 0x00


class Requestor:
    """One association as a context manager: released at the end, aborted if the block raised.

    `accepted` gives the presentation context ID for each proposed pair that the peer accepted.
    """

    def __init__(
        self,
        peer: Peer,
        pairs: Sequence[Pair],
        calling_ae_title: str,
        timeouts: Timeouts,
        *,
        as_scp: Sequence[str] = (),
    ) -> None:
        """Prepare to propose `pairs` (at most MAXIMUM_CONTEXTS), one presentation context each.

        Of the SOP Classes `as_scp` we propose to be the SCP, and the peer the SCU (PS3.7 D.3.3.4).
        """
        self._roles = [build_role(sop_class, scp_role=True) for sop_class in as_scp]
        quiet_libraries()
        self.accepted: dict[Pair, int] = {}
        self._peer = peer
        self._pairs = pairs
        self._timeouts = timeouts
        self._entity = _entity(check_ae_title(calling_ae_title), timeouts)
        self._association: Any = None
        self._socket: socket.socket | None = None
        self._tls: TlsClientContext | None = None
        self._is_connected = False
        self._is_aborted = False
        self._message_ids = itertools.count(1)

    def __enter__(self) -> Self:
        """Ask for the association. Raises NetworkError."""
        if self._peer.tls is not None:
            self._tls = client_context(self._peer.tls)
        try:
            association = self._entity.associate(
                self._peer.host,
                self._peer.port,
                contexts=[build_context(*pair) for pair in self._pairs],
                ae_title=self._peer.ae_title,
                max_pdu=LONGEST_SENT_PDU,
                ext_neg=[*self._roles],
                tls_args=None if self._tls is None else (self._tls, self._peer.host),
                evt_handlers=[
                    (evt.EVT_ACSE_SENT, self._on_asking),
                    (evt.EVT_CONN_OPEN, self._on_connected),
                    (evt.EVT_ACSE_RECV, self._on_answer),
                ],
            )
        except OSError as error:  # the host name means nothing here
            message = f"expected the address of {self._peer}. Received: {error.strerror}"
            raise PeerUnreachableError(message) from error
        if not association.is_established and association.ident is not None:
            # pynetdicom has seen its upper layer end; the association's own thread may only now hear why.
            association.join(_GRACE_SECONDS)
        failure = self._failure(association)
        if failure is not None:
            self._finish()
            raise failure
        self._accept(association)
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        """Release the association, or abort it; leave neither thread nor socket."""
        if self._association.is_established and kind is None:
            self._association.release()
        elif self._association.is_established:
            self._association.abort(block=False)
            self._association.dul.join(_GRACE_SECONDS)  # for the A-ABORT to go out, if the peer still reads
        self._finish()

    @property
    def is_open(self) -> bool:
        """Whether the peer has not ended the association, as far as we have heard."""
        return bool(self._association.is_established)

    def exchange(self, request: Any, context_id: int) -> Any:  # noqa: ANN401  # pynetdicom's primitives have no common name
        """Send a DIMSE request and return its response, of the same primitive. Raises NetworkError."""
        self._send(request, context_id)
        _, response = self._await_message()
        return self._checked(request, response)

    def _send(self, request: Any, context_id: int) -> None:  # noqa: ANN401  # as above
        request.MessageID = next(self._message_ids) % _MESSAGE_IDS
        self._association.dimse.send_msg(request, context_id)

    def _checked(self, request: Any, response: Any) -> Any:  # noqa: ANN401  # as above
        """Return a response that belongs to the request and has a status. Raises NetworkError for any other."""
        if type(response) is not type(request) or response.MessageIDBeingRespondedTo != request.MessageID:
            message = (
                f"expected {self._peer} to respond to message {request.MessageID}. "
                f"Received: type={type(response).__name__} message={response.MessageIDBeingRespondedTo}"
            )
            raise NetworkError(message)  # a late answer taken for the next one would hide a loss
        if response.Status is None:
            message = f"expected a status from {self._peer}. Received: a response without one"
            raise NetworkError(message)
        return response

    def converse(
        self,
        request: Any,  # noqa: ANN401  # as above
        context_id: int,
        serve: Callable[[Any, int], Any] | None = None,
    ) -> Iterator[Any]:
        """Send a request and yield its responses, the pending ones and the last (PS3.7 9.1.2, 9.1.3, 9.1.4).

        What the peer asks in between is answered with what `serve` returns for it. Raises NetworkError.
        """
        self._send(request, context_id)
        while True:
            context, message = self._await_message()
            if serve is not None and getattr(message, "MessageID", None) is not None:
                self._association.dimse.send_msg(serve(message, context), context)
                continue
            yield self._checked(request, message)
            if message.Status not in MATCHES:
                return

    def listen(self, serve: Callable[[Any, int], Any], seconds: float) -> None:
        """Answer the next thing that the peer asks with what `serve` returns; return then, or when it asks nothing."""
        try:
            context, message = self._await_message(seconds)
        except NetworkError:  # it said nothing, or hung up: both are its right
            return
        if getattr(message, "MessageID", None) is not None:
            self._association.dimse.send_msg(serve(message, context), context)

    def _await_message(self, seconds: float | None = None) -> tuple[int, Any]:
        """Wait for as long as the peer takes what we send, and then for the DIMSE time-out, or for `seconds`."""
        patience = self._timeouts.dimse if seconds is None else seconds
        waiting = unsent(self._association)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                context_id, response = self._association.dimse.await_message(_SLICE_SECONDS)
            except TimeoutError:
                if (left := unsent(self._association)) < waiting:
                    waiting, deadline = left, time.monotonic() + patience
                if self._association.dul.is_alive():
                    continue
                context_id, response = 0, None
            if response is None:
                message = f"expected a response from {self._peer}. Received: the association was aborted"
                raise AssociationAbortedError(message)
            return context_id, response
        message = f"expected a response from {self._peer} within {patience:g} s. Received: nothing"
        raise PeerTimeoutError(message)

    def _on_asking(self, event: Event) -> None:
        """Prepare the association before its first byte is sent (and leave it alone when this comes again)."""
        if self._association is not None:
            return
        self._association = event.assoc
        self._socket = tcp_socket(event.assoc)
        harden(event.assoc)
        pace(event.assoc)

    def _on_connected(self, event: Event) -> None:
        self._is_connected = True
        self._socket = tcp_socket(event.assoc)  # TLS has put another in its place
        if self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.settimeout(self._timeouts.acse)  # pynetdicom would wait for ever for half a PDU

    def _on_answer(self, event: Any) -> None:  # noqa: ANN401  # the event's attributes are set at run time
        if isinstance(event.primitive, A_ABORT | A_P_ABORT):
            self._is_aborted = True

    def _accept(self, association: Association) -> None:
        if self._socket is not None and association.is_established:
            with suppress(OSError):  # the peer has hung up meanwhile: whoever asks it for something is told
                self._socket.settimeout(self._timeouts.network)
        for context in association.accepted_contexts:
            pair = str(context.abstract_syntax), str(context.transfer_syntax[0])
            if pair in self._pairs and context.context_id is not None:
                self.accepted.setdefault(pair, context.context_id)

    def _failure(self, association: Association) -> NetworkError | None:
        """Return why there is no association; None if there is one, or if only its contexts were refused."""
        answer = association.acceptor.primitive
        expected = f"expected {self._peer} to accept an association"
        if association.is_established or (answer is not None and answer.result == _ACCEPTED):
            return None
        if self._tls is not None and self._tls.failure:
            message = f"expected TLS with {self._peer}. Received: {self._tls.failure}"
            return TlsError(message)
        if not self._is_connected:
            message = f"expected a connection to {self._peer} within {self._timeouts.connection:g} s. Received: none"
            return PeerUnreachableError(message)
        if association.is_rejected and answer is not None:
            reason = f"result={answer.result_str!r} source={answer.source_str!r} reason={answer.reason_str!r}"
            return AssociationRejectedError(f"{expected}. Received: {reason}")
        if self._is_aborted or answer is not None:
            return AssociationAbortedError(f"{expected}. Received: it hung up")
        return PeerTimeoutError(f"{expected} within {self._timeouts.acse:g} s. Received: nothing")

    def _finish(self) -> None:
        if self._socket is not None:
            finish(self._association, self._socket, seconds=_GRACE_SECONDS)
            close_bell(self._association)


class _Entity(ApplicationEntity):
    """An application entity whose associations wait for what happens, and keep responses for who asked."""

    def _create_socket(self, assoc: Association, *how: Any) -> AssociationSocket:  # noqa: ANN401  # pynetdicom's types
        """Prepare an association before its threads start."""
        made: Any = assoc
        made.dimse = PatientDimse(assoc)
        run_on_events(assoc)
        return super()._create_socket(assoc, *how)


def _entity(ae_title: str, timeouts: Timeouts) -> ApplicationEntity:
    entity = _Entity(ae_title)
    entity.connection_timeout = timeouts.connection
    entity.acse_timeout = timeouts.acse
    entity.dimse_timeout = timeouts.dimse
    entity.network_timeout = None  # pynetdicom's would run while we send; the socket has its own
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return entity
