"""The threads and sockets of the Storage SCP: connections are accepted, watched until their end, and counted.

Each connection has the thread of its request handler, which does nothing but see to it that the association ends in
time and leaves nothing behind.
"""

import logging
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

from dicom_io.errors import TlsError
from dicom_io.hardening import HardenedHandler, cut, finish
from dicom_io.negotiation import VERIFICATION
from dicom_io.reactor import close_bell
from dicom_io.session import LOCAL_LIMIT_EXCEEDED, TEMPORARY_CONGESTION, Session
from dicom_io.tls import TlsServer

_POLL_SECONDS: Final = 0.1
_GRACE_SECONDS: Final = 1.0
_BACKLOG: Final = 128

_log = logging.getLogger(__name__)


class Connections:
    """The open connections and those of them that were admitted as associations. Safe for threads."""

    def __init__(self, maximum_associations: int) -> None:
        """Start with none."""
        self._maximum = maximum_associations
        self._changed = threading.Condition()
        self._open: dict[Session, tuple[Association | None, socket.socket]] = {}
        self._admitted: set[Session] = set()
        self._closing = False

    def opened(self, session: Session, association: Association | None, connection: socket.socket) -> None:
        """Count a connection, or know its association as well from now on."""
        with self._changed:
            self._open[session] = association, connection

    def admit(self, session: Session) -> int | None:
        """Count an association, or return why it is refused for now (PS3.8 table 9-21)."""
        with self._changed:
            if self._closing:
                return TEMPORARY_CONGESTION
            if len(self._admitted) >= self._maximum:
                return LOCAL_LIMIT_EXCEEDED
            self._admitted.add(session)
            return None

    def closed(self, session: Session) -> None:
        """Count a connection no longer."""
        with self._changed:
            del self._open[session]
            self._admitted.discard(session)
            self._changed.notify_all()

    def close(self) -> None:
        """Admit nobody from now on, and hang up on those who have not asked yet."""
        with self._changed:
            self._closing = True
            idle = [connection for session, (_, connection) in self._open.items() if not session.is_requested]
        for connection in idle:
            cut(connection)

    def drain(self, timeout: float) -> None:
        """Let open associations finish for `timeout` seconds, then abort, then hang up."""
        self.close()  # also those accepted in the meantime
        deadline = time.monotonic() + timeout
        if self._wait_until_none(deadline - time.monotonic()):
            return
        for association, _ in self._snapshot():
            if association is not None:
                association.abort(block=False)
        if self._wait_until_none(_GRACE_SECONDS):
            return
        for _, connection in self._snapshot():
            cut(connection)
        if not self._wait_until_none(_GRACE_SECONDS):
            _log.warning("scp_stopped_with_open_associations")

    def _wait_until_none(self, seconds: float) -> bool:
        """Wait until no connection is open; tell whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, seconds)

    def _snapshot(self) -> list[tuple[Association | None, socket.socket]]:
        with self._changed:
            return list(self._open.values())


class _Handler(HardenedHandler):
    """Sees one connection from its opening to its end."""

    server: "_Server"

    def handle(self) -> None:
        """Encrypt if so configured, then run the association, from the thread of this connection."""
        session = self.server.new_session(str(self.client_address[0]))
        self.server.connections.opened(session, None, self.request)
        try:
            if self.server.tls is not None:
                self.request = self.server.tls.handshake(self.request)
            self._associate(session)
        except TlsError as error:
            session.failed(str(error))
        finally:
            self.server.connections.closed(session)

    def _associate(self, session: Session) -> None:
        """Run the association, give up on a peer that does not ask for one in time, and clean up."""
        self.request.settimeout(self.ae.dimse_timeout)  # pynetdicom would wait for ever for half a PDU
        association = self.open_association()
        session.serve(association)
        self.server.connections.opened(session, association, self.request)
        try:
            association.start()
            association.join(association.acse_timeout)
            if association.is_alive() and not session.is_requested:
                cut(self.request)  # a request that trickles in would keep pynetdicom waiting for ever
            association.join()
        finally:
            finish(association, self.request, seconds=_GRACE_SECONDS)
            close_bell(association)
            session.ended(association)


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
    ) -> None:
        self.tls = tls
        self.connections = connections
        self.new_session = new_session
        contexts = [build_context(VERIFICATION)]  # each session says what it supports once its peer has asked
        super().__init__(entity, address, entity.ae_title, contexts, request_handler=_Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(self.ae.acse_timeout)
        return connection, address

    def service_actions(self) -> None:
        """Do nothing between connections; pynetdicom collects garbage here, since it does not end its threads."""

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002  # socketserver's signature
        """Log that a connection could not be served; socketserver prints a traceback."""
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
    ) -> None:
        """Bind and listen, with TLS or without. Raises OSError when the address is not free."""
        self._connections = connections
        self._server = _Server(entity, address, connections, new_session, tls)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="storage-scp", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Accept nothing more."""
        self._connections.close()
        BaseServer.shutdown(self._server)
        self._server.server_close()
        self._thread.join()
