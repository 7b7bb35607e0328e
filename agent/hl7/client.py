"""A connection to an MLLP receiver: one message in flight, and only its own acknowledgement counts.

The connection is kept. Where it proves to be stale, or answers for another message, it is dropped, and the message goes
once more over a new one, as the same bytes: whatever arrives late then arrives on a connection that nobody reads.
"""

import re
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

import structlog

from agent.hl7.ack import Acknowledgement, acknowledgement
from agent.hl7.errors import FramingError, Hl7Error, MessageError, NoAnswerError, NotReachedError, WrongAnswerError
from agent.hl7.framing import Deframer, frame
from agent.hl7.message import parse
from dicom_io.errors import TlsError
from dicom_io.tls import TlsClientSettings, client_context

log = structlog.get_logger(__name__)

_LONGEST_ANSWER: Final = 1 << 20
_CHUNK: Final = 1 << 16
_COMMITTED: Final = b"\x06"  # MLLP release 2: the transport has it, the answer is still to come
_NOT_COMMITTED: Final = b"\x15"
_OURS: Final = re.compile(r"[A-Z2-7]{20}")  # what this agent's control IDs look like: nothing of a patient is in them


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Where a receiver is and how long it may take."""

    host: str
    port: int
    tls: TlsClientSettings | None = None
    connection_timeout: float = 10
    response_timeout: float = 30
    idle_seconds: float = 60

    def __str__(self) -> str:
        """Return its address."""
        return f"{self.host}:{self.port}"


class _Open:
    """A connection that is open."""

    def __init__(self, stream: socket.socket, at: float) -> None:
        self.stream = stream
        self.used_at = at
        self.deframer = Deframer(_LONGEST_ANSWER)
        self.answers: list[bytes] = []
        weakref.finalize(self, stream.close)  # whoever lets go of a client need not close it


class Client:
    """Sends messages to one receiver. Safe for threads: they wait for one another."""

    def __init__(self, receiver: Receiver, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep where to send; nothing is connected yet."""
        self._receiver = receiver
        self._clock = clock
        self._lock = threading.Lock()
        self._open: _Open | None = None

    def exchange(self, message: bytes, control_id: str) -> Acknowledgement:
        """Send a message; return the acknowledgement that names its `control_id`.

        Raises NotReachedError when nothing was sent; NoAnswerError or WrongAnswerError when the receiver may have the
        message or not.
        """
        with self._lock:
            connection, was_kept = self._take_up()
            try:
                return self._exchange(connection, message, control_id)
            except (NoAnswerError, WrongAnswerError) as error:
                if not was_kept or (isinstance(error, NoAnswerError) and error.late):
                    raise
            connection, _ = self._take_up()
            return self._exchange(connection, message, control_id)

    def connect(self) -> None:
        """See that the receiver can be reached. Raises NotReachedError when not."""
        with self._lock:
            self._take_up()

    def close(self) -> None:
        """Let go of the connection, if there is one."""
        with self._lock:
            self._drop()

    def _take_up(self) -> tuple[_Open, bool]:
        """Return a connection, and whether it was used before."""
        kept = self._open
        if kept is not None and self._is_fit(kept):
            return kept, True
        self._drop()
        self._open = _Open(self._connected(), self._clock())
        return self._open, False

    def _is_fit(self, kept: _Open) -> bool:
        """Tell whether a kept connection is still open and quiet: what comes unasked answers nothing of ours."""
        if self._clock() - kept.used_at > self._receiver.idle_seconds:
            return False
        kept.stream.settimeout(0)
        try:
            data = kept.stream.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            data = b""
            if not kept.answers and not kept.deframer.within:
                return True
        except OSError:
            return False
        if data or kept.answers:
            log.warning("hl7_answer_discarded", receiver=str(self._receiver), why="came unasked")
        return False

    def _connected(self) -> socket.socket:
        receiver = self._receiver
        try:
            stream = socket.create_connection((receiver.host, receiver.port), receiver.connection_timeout)
        except OSError as error:
            self._away("a connection to", error.strerror or type(error).__name__)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if receiver.tls is None:
            return stream
        return self._encrypted(stream, receiver.tls)

    def _encrypted(self, stream: socket.socket, tls: TlsClientSettings) -> socket.socket:
        try:
            context = client_context(tls)
        except TlsError as error:
            stream.close()
            raise NotReachedError(str(error)) from None
        try:
            return context.wrap_socket(stream, server_hostname=self._receiver.host)
        except OSError as error:
            stream.close()
            self._away("TLS with", context.failure or type(error).__name__)

    def _exchange(self, kept: _Open, message: bytes, control_id: str) -> Acknowledgement:
        receiver = self._receiver
        try:
            kept.stream.settimeout(receiver.response_timeout)
            kept.stream.sendall(frame(message))
            found = self._answer(kept, self._clock() + receiver.response_timeout)
            self._check(found, control_id)
        except TimeoutError:
            self._drop()
            detail = f"expected {receiver} to answer within {receiver.response_timeout:g} s. Received: nothing"
            raise NoAnswerError(detail, late=True) from None
        except OSError as error:
            self._drop()
            detail = f"expected an answer from {receiver}. Received: {type(error).__name__}"
            raise NoAnswerError(detail) from None
        except (FramingError, MessageError) as error:
            self._drop()
            raise WrongAnswerError(str(error)) from None
        except Hl7Error:
            self._drop()
            raise
        kept.used_at = self._clock()
        return found

    def _answer(self, kept: _Open, deadline: float) -> Acknowledgement:
        while True:
            while kept.answers:
                answer = kept.answers.pop(0)
                if answer == _NOT_COMMITTED:
                    detail = f"expected {self._receiver} to take the message. Received: NAK"
                    raise NoAnswerError(detail)
                if answer != _COMMITTED:
                    return acknowledgement(parse(answer))
            remaining = deadline - self._clock()
            if remaining <= 0:
                raise TimeoutError
            kept.stream.settimeout(remaining)
            data = kept.stream.recv(_CHUNK)
            if not data:
                detail = f"expected an answer from {self._receiver}. Received: the end of the connection"
                raise NoAnswerError(detail)
            kept.answers += kept.deframer.feed(data)

    def _check(self, found: Acknowledgement, control_id: str) -> None:
        """Refuse what is not about this message: an answer that came late must not acknowledge the next one."""
        if found.control_id == control_id:
            return
        named = found.control_id if _OURS.fullmatch(found.control_id) else "none of ours"
        log.warning(
            "hl7_answer_discarded",
            receiver=str(self._receiver),
            why="of another message",
            code=found.code,
            named=named,
            expected=control_id,
        )
        detail = f"expected {self._receiver} to acknowledge the message sent. Received: {found.code} for another one"
        raise WrongAnswerError(detail)

    def _away(self, what: str, reason: str) -> NoReturn:
        detail = f"expected {what} {self._receiver}. Received: {reason}"
        raise NotReachedError(detail) from None

    def _drop(self) -> None:
        if self._open is not None:
            self._open.stream.close()
            self._open = None
