"""The threads and sockets of the Storage SCP: connections are accepted and watched until their end.

Each connection has the thread of its request handler, which does nothing but see to it that the association ends in
time and leaves nothing behind.
"""

import logging
import select
import socket
import threading
import time
from collections.abc import Callable
from socketserver import BaseServer
from typing import Any, Final

from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.presentation import build_context
from pynetdicom.transport import ThreadedAssociationServer

from dicom_io.connections import Connections
from dicom_io.errors import ProxyHeaderError, TlsError
from dicom_io.hardening import HardenedHandler, cut, finish
from dicom_io.inherited import inherited_socket
from dicom_io.negotiation import VERIFICATION
from dicom_io.pdu_reader import forget_ahead
from dicom_io.proxy_protocol import HEADER_SECONDS, read_header
from dicom_io.reactor import close_bell
from dicom_io.session import Session
from dicom_io.slow import MessageWatch
from dicom_io.tls import TlsServer

_POLL_SECONDS: Final = 0.1
_GRACE_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 1.0
_BACKLOG: Final = 128
_ACCEPT_SECONDS: Final = 1.0  # for those who are connected at the end: who floods the port is not waited for
_TOO_MANY: Final = "too many connections without a request"

_log = logging.getLogger(__name__)


class _Handler(HardenedHandler):
    """Sees one connection from its opening to its end."""

    server: "_Server"

    def handle(self) -> None:
        """Ask a balancer who calls, encrypt if so configured, then run the association, in this connection's thread."""
        session = self.server.accepted.pop(self.request)
        try:
            if session.is_balancers and not self._is_announced(session):
                self.request.close()
                return
            if self.server.tls is not None:
                self.request = self.server.tls.handshake(self.request)
            self._associate(session)
        except (ProxyHeaderError, TlsError) as error:
            self.request.close()
            session.failed(str(error))
        finally:
            self.server.connections.closed(session)

    def _is_announced(self, session: Session) -> bool:
        """Read who calls through the balancer, and tell whether that one may wait. Raises ProxyHeaderError."""
        try:
            address = read_header(self.request, min(HEADER_SECONDS, self.ae.acse_timeout or HEADER_SECONDS))
        except EOFError:  # it only looked whether we listen
            return False
        self.request.settimeout(self.ae.acse_timeout)
        if address is not None:
            session.calls_from(address)
        if self.server.connections.has_room(session):
            return True
        session.failed(_TOO_MANY)
        return False

    def _associate(self, session: Session) -> None:
        """Run the association, give up on a peer that does not ask for one in time, and clean up."""
        self.request.settimeout(self.ae.dimse_timeout)  # pynetdicom would wait for ever for half a PDU
        association = self.open_association()
        session.serve(association)
        self.server.connections.opened(session, association, self.request)
        try:
            association.start()
            self._watch(association, session)
        finally:
            finish(association, self.request, seconds=_GRACE_SECONDS)
            close_bell(association)
            session.ended(association)
            forget_ahead(association)

    def _watch(self, association: Association, session: Session) -> None:
        """Wait for the end; hang up on a peer whose request or message takes too long, since pynetdicom would wait."""
        watch = MessageWatch(association, self.server.message_seconds)
        begun = time.monotonic()
        patience = association.acse_timeout or 0.0
        look_seconds = min(_LOOK_SECONDS, self.server.message_seconds, patience)
        association.join(look_seconds)
        while association.is_alive():
            now = time.monotonic()
            if not session.is_requested and now - begun > patience:
                cut(self.request)
            elif watch.is_overdue(now):
                session.note_trouble("a message took too long")
                cut(self.request)
            association.join(look_seconds)


class _Server(ThreadedAssociationServer):
    """Accepts connections, without Nagle's algorithm, and lets none wait for ever for half a PDU."""

    daemon_threads = True  # a sink that does not return must not keep the process from ending
    block_on_close = False
    request_queue_size = _BACKLOG

    def __init__(
        self,
        entity: ApplicationEntity,
        address: tuple[str, int],
        connections: Connections,
        new_session: Callable[[str], Session],
        tls: TlsServer | None,
        message_seconds: float,
        *,
        share_port: bool,
    ) -> None:
        self.accepted: dict[socket.socket, Session] = {}  # those whose handlers have not begun
        self.tls = tls
        self.message_seconds = message_seconds
        self.share_port = share_port
        self.connections = connections
        self.new_session = new_session
        contexts = [build_context(VERIFICATION)]  # each session says what it supports once its peer has asked
        super().__init__(entity, address, entity.ae_title, contexts, request_handler=_Handler)

    def server_bind(self) -> None:
        """Bind, alone or beside other processes, or take the socket that was passed to us."""
        self.passed = inherited_socket(self.server_address[1])
        if self.passed is not None:
            if self.socket is not None:
                self.socket.close()
            self.socket, self.server_address = self.passed, self.passed.getsockname()
            return
        if self.share_port and self.socket is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

    def server_close(self) -> None:
        """Close the socket; one that was passed to us goes on listening for those who come after us."""
        if self.passed is None:
            super().server_close()
        else:
            self.passed.close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(self.ae.acse_timeout)
        return connection, address

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ANN401  # socketserver's signature
        """Hang up at once on connections that would be too many, all waiting for their requests."""
        session = self.new_session(str(client_address[0]))
        if self.connections.has_room(session):
            self.connections.opened(session, None, request)
            self.accepted[request] = session
            return True
        session.failed(_TOO_MANY)
        return False

    def accept_waiting(self) -> None:
        """Accept what the system has connected and nobody has accepted yet: closing the socket would reset it."""
        deadline = time.monotonic() + _ACCEPT_SECONDS
        waiting = select.poll()
        waiting.register(self.fileno(), select.POLLIN)
        while time.monotonic() < deadline and waiting.poll(0):
            self.handle_request()

    def service_actions(self) -> None:
        """Do nothing between connections; pynetdicom collects garbage here, since it does not end its threads."""

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # socketserver's signature
        """Log that a connection could not be served; socketserver prints a traceback."""
        session = self.accepted.pop(request, None)
        if session is not None:  # there was no thread for it
            self.connections.closed(session)
        _log.exception("connection_failed", extra={"peer_address": str(client_address[0])})


class Acceptor:
    """A listening socket, and the connections that come of it."""

    def __init__(
        self,
        entity: ApplicationEntity,
        address: tuple[str, int],
        connections: Connections,
        new_session: Callable[[str], Session],
        tls: TlsServer | None,
        message_seconds: float,
        *,
        share_port: bool = False,
    ) -> None:
        """Bind and listen, with TLS or without; a message may take `message_seconds`.

        Raises OSError when the address is not free.
        """
        self._server = _Server(entity, address, connections, new_session, tls, message_seconds, share_port=share_port)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="storage-scp", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Accept those who are connected already, and nobody after them."""
        BaseServer.shutdown(self._server)
        self._thread.join()
        if self._server.fileno() >= 0:  # it is not closed yet
            if self._server.passed is None:
                self._server.accept_waiting()
            self._server.server_close()
