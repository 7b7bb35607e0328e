"""What the HTTP servers of this agent share: one that an event stops, and connections that do not wait for ever."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, AF_INET6, IPPROTO_TCP, create_server, socket
from typing import Any, Final

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from agent.errors import InstallationError
from agent.net.websocket import Channel

log = structlog.get_logger(__name__)

_DRAIN_SECONDS: Final = 5  # for what is under way when it is told to stop
_HEAD_SECONDS: Final = 15.0  # to send the head of a request, from the connection on and after each answer
_CONNECTIONS: Final = 800  # at once: a process may have 1024 files open, unless somebody allows it more
_LARGEST_MESSAGE: Final = 4096  # nothing is expected by WebSocket
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2, by BCP 195; those of TLS 1.3 are all fine


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files in PEM: the server's certificate with what leads to its root, and the key."""

    chain: Path
    key: Path


def certificate_of(chain: Path | None, key: Path | None) -> Certificate | None:
    """Return the configured certificate, None where there is none."""
    return None if chain is None or key is None else Certificate(chain, key)


def serve_application(
    application: ASGIApp,
    listener: socket,
    *,
    stop: threading.Event,
    ready: Callable[[], None],
    certificate: Certificate | None = None,
    channels: bool = False,
) -> None:
    """Serve on `listener` until `stop` is set, then finish what is under way and return.

    With `channels` also WebSockets. `ready` is called once, when connections are accepted.
    Nothing is logged but what the application logs.
    """
    config = uvicorn.Config(
        application,
        http=_PatientProtocol,
        ws=Channel if channels else "none",
        ws_max_size=_LARGEST_MESSAGE,
        ws_ping_interval=None,  # the application asks for acknowledgements itself
        ws_per_message_deflate=False,
        lifespan="off",
        loop="asyncio",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
        ssl_certfile=None if certificate is None else certificate.chain,
        ssl_context_factory=None if certificate is None else lambda *_: _Certificates(certificate).context,
        limit_concurrency=_CONNECTIONS,
    )
    asyncio.run(_Server(config, stop, ready).serve(sockets=[listener]))


def url(host: str, port: int, path: str, certificate: Certificate | None) -> str:
    """Return the address under which people and programs reach what listens there."""
    scheme = "http" if certificate is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{path}"


def listen(address: str, port: int, *, setting: str, share_port: bool = False) -> socket:
    """Return a socket that listens, with `share_port` beside other processes: each connection goes to one of them.

    `localhost` is 127.0.0.1. Raises InstallationError, which names the setting, when the port is taken.
    """
    address = "127.0.0.1" if address == "localhost" else address
    family = AF_INET6 if ":" in address else AF_INET
    try:
        made = create_server((address, port), family=family, backlog=256, reuse_port=share_port)
    except OSError as error:
        message = f"{setting}: expected a port to listen on at {address}. Received: port={port} ({error.strerror})"
        raise InstallationError(message) from None
    # asyncio sends at once (TCP_NODELAY) only on a socket that says that it is TCP, which `create_server` leaves out:
    # the second part of each answer would wait for the peer's delayed acknowledgement, 40 ms.
    return socket(made.family, made.type, IPPROTO_TCP, fileno=made.detach())


def make_tls(certificate: Certificate) -> ssl.SSLContext:
    """Return TLS as BCP 195 recommends it: version 1.2 or 1.3, forward secrecy, authenticated encryption.

    Raises InstallationError where the certificate or its key cannot be read, or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(certificate.chain, certificate.key)
    except (OSError, ssl.SSLError) as error:
        message = f"expected a certificate and its key in PEM. Received: {certificate.chain} ({error.strerror})"
        raise InstallationError(message) from None
    return context


class _Certificates:
    """The context of a server that shows the certificate in the files as they are at each handshake.

    While new files cannot be used it goes on with the old ones.
    """

    def __init__(self, certificate: Certificate) -> None:
        """Load the files. InstallationError when they cannot be used."""
        self._certificate = certificate
        self._seen = self._stamps()
        self.context = self._current = make_tls(certificate)
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Go on with the handshake by the latest certificate; OpenSSL asks whether or not a name was sent."""
        stamps = self._stamps()
        if stamps != self._seen:
            self._seen = stamps
            try:
                self._current = make_tls(self._certificate)
                log.info("http_certificate_loaded")
            except InstallationError as error:
                log.error("http_certificate_not_loaded", reason=str(error))  # noqa: TRY400 - no traceback: the files are wrong
        connection.context = self._current

    def _stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(file) for file in (self._certificate.chain, self._certificate.key))


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


class _PatientProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection on which no request's head comes to its end in time.

    uvicorn waits for ever for one that has begun. The application finds `abort` in its state: it ends the connection
    without waiting for a peer that does not read.
    """

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - as asyncio has it
        """Start to wait for the first request."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "abort": transport.abort}
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Stop waiting when a request has begun."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._wait()
            if not self.cycle.response_complete:  # one that had come already has begun by now
                self._stop_waiting()

    def handle_websocket_upgrade(self, event: Any) -> None:  # noqa: ANN401 - as uvicorn has it
        """Stop waiting: the connection is another protocol's from here on."""
        self._stop_waiting()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._stop_waiting()
        self._head = self.loop.call_later(_HEAD_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals alone, says when it serves and looks at `stop` ten times a second."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop
        self._ready = ready

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._stop.is_set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
