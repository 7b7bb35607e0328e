"""The MLLP listener: many connections, each with one message at a time; a slow or silent peer holds back nobody.

A message is answered on its connection before the next one is looked at. What comes of a message is not decided here.
"""

import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final

import structlog

from agent.errors import InstallationError
from agent.hl7.errors import FramingError
from agent.hl7.framing import Deframer, frame
from dicom_io.errors import TlsError
from dicom_io.tls import TlsServer, TlsServerSettings

log = structlog.get_logger(__name__)

_CHUNK: Final = 1 << 16
_BACKLOG: Final = 64
_QUIET_SECONDS: Final = 60.0  # between two lines of the log about refused connections

Answerer = Callable[[bytes, str], bytes | None]
"""Takes a message and the address that it came from; returns the answer, None for no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """Where it listens, to whom, and what a peer may take up. `senders` empty: whoever can reach it.

    With `share_port` other processes may listen there, too: each connection goes to one of them.
    """

    host: str = "127.0.0.1"
    port: int = 0
    senders: tuple[IPv4Network | IPv6Network, ...] = ()
    tls: TlsServerSettings | None = None
    share_port: bool = False
    maximum_connections: int = 32
    maximum_message_bytes: int = 1 << 20
    idle_seconds: float = 3600
    message_seconds: float = 30


class MllpListener:
    """Listens until it is stopped; what is being worked on is then finished and answered."""

    def __init__(self, settings: ListenerSettings, answer: Answerer) -> None:
        """Open the port. Raises InstallationError when it is taken, TlsError when the certificate cannot be used."""
        self._settings = settings
        self._answer = answer
        self._tls = None if settings.tls is None else TlsServer(settings.tls)
        self._refused = _Refused()
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._stopping = threading.Event()
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        try:
            self._listener = socket.create_server(
                (settings.host, settings.port), family=family, backlog=_BACKLOG, reuse_port=settings.share_port
            )
        except OSError as error:
            message = f"hl7.port: expected a port to listen on. Received: port={settings.port} ({error.strerror})"
            raise InstallationError(message) from None
        self._accepting = threading.Thread(target=self._accept, name="hl7", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._listener.getsockname()[1])

    def renew(self, answer: Answerer) -> None:
        """Have what comes from now on answered so."""
        self._answer = answer

    def start(self) -> None:
        """Accept connections."""
        self._accepting.start()

    def stop(self, seconds: float) -> None:
        """Take no more messages; wait, for so long at most, until those that came are answered."""
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        self._listener.close()
        with self._lock:
            threads = dict(self._open)
        for connection in threads.values():
            with suppress(OSError):
                # Wakes who waits for more; an answer still goes out, encrypted: TLS's own `shutdown` would end that.
                socket.socket.shutdown(connection, socket.SHUT_RD)
        deadline = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, address = self._listener.accept()
            except OSError:
                self._stopping.wait(0.1)  # no descriptor is free, or it is being stopped
                continue
            self._take(connection, str(address[0]).partition("%")[0])

    def _take(self, connection: socket.socket, peer: str) -> None:
        """Serve a connection in a thread of its own, or close it."""
        with self._lock:
            if self._stopping.is_set() or not self._may_connect(peer) or self._is_full():
                self._refused.log(peer, full=self._is_full())
                connection.close()
                return
            thread = threading.Thread(target=self._serve, args=(connection, peer), name=f"hl7 {peer}", daemon=True)
            self._open[thread] = connection
            try:
                thread.start()
            except RuntimeError:  # no room for one more thread now: the peer tries again, and others are listened to
                del self._open[thread]
                connection.close()
                log.warning("hl7_connection", peer=peer, messages=0, left_out=0, how="no thread to serve it")

    def _is_full(self) -> bool:
        return len(self._open) >= self._settings.maximum_connections

    def _may_connect(self, peer: str) -> bool:
        address = ipaddress.ip_address(peer)
        mapped = getattr(address, "ipv4_mapped", None) or address
        return not self._settings.senders or any(mapped in network for network in self._settings.senders)

    def _serve(self, connection: socket.socket, peer: str) -> None:
        how = "ended"
        served = _Served()
        try:
            how = self._exchange(self._ready(connection), peer, served)
        except FramingError as error:
            how = str(error)
        except TlsError as error:
            how = str(error)
        except TimeoutError:
            how = "nothing in time"
        except OSError as error:
            how = error.strerror or type(error).__name__
        finally:
            with self._lock:
                last = self._open.pop(threading.current_thread())
            with suppress(OSError):
                last.close()
            log.info("hl7_connection", peer=peer, messages=served.messages, left_out=served.left_out, how=how)

    def _ready(self, connection: socket.socket) -> socket.socket:
        connection.settimeout(self._settings.message_seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._tls is None:
            return connection
        encrypted = self._tls.handshake(connection)
        with self._lock:
            self._open[threading.current_thread()] = encrypted
        return encrypted

    def _exchange(self, connection: socket.socket, peer: str, served: "_Served") -> str:
        """Answer messages until the peer ends, or takes more time or room than it may."""
        deframer = Deframer(self._settings.maximum_message_bytes)
        deadline = time.monotonic() + self._settings.idle_seconds
        while not self._stopping.is_set():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError
            connection.settimeout(remaining)
            data = connection.recv(_CHUNK)
            if not data:
                return "ended"
            was_within = deframer.within
            messages = deframer.feed(data)
            served.left_out = deframer.left_out
            if served.left_out > self._settings.maximum_message_bytes:
                detail = "expected messages in frames of MLLP. Received: something else"
                raise FramingError(detail)
            for message in messages:
                self._reply(connection, self._answer(message, peer))
                served.messages += 1
            if messages or deframer.within > was_within:  # a pause ended: a message came, or one began
                allowed = self._settings.message_seconds if deframer.within else self._settings.idle_seconds
                deadline = time.monotonic() + allowed
        return "stopped"

    def _reply(self, connection: socket.socket, answer: bytes | None) -> None:
        if answer is not None:
            connection.settimeout(self._settings.message_seconds)
            connection.sendall(frame(answer))


@dataclass(slots=True)
class _Served:
    """What a connection came to."""

    messages: int = 0
    left_out: int = 0


class _Refused:
    """Says of refused connections what there is to say, once a minute: a stranger must not fill the log."""

    def __init__(self) -> None:
        self._said_at = float("-inf")
        self._count = 0

    def log(self, peer: str, *, full: bool) -> None:
        """Count a refused connection, and say so if nothing was said for a while."""
        self._count += 1
        now = time.monotonic()
        if now - self._said_at >= _QUIET_SECONDS:
            why = "too many connections" if full else "not one of hl7.senders"
            log.warning("hl7_connection_refused", peer=peer, why=why, connections=self._count)
            self._said_at, self._count = now, 0
