"""PDUs read off a socket within bounds: of length, since it is the peer's word, and of time (PS3.8 9.3.1).

pynetdicom believes a length of four gigabytes, and waits for each single byte as long as for the whole PDU.
"""

import os
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Literal, TypeAlias

Protocol: TypeAlias = Literal["none", "dicom", "tls", "http", "other"]
"""What a peer spoke, by its first bytes."""

LONGEST_PDU: Final = 1 << 20
"""Bytes. No association request is longer; peers that exceed what we announced by a little are forgiven."""

_ROOM: Final = 1 << 18  # bytes read ahead of what is being looked at: a PDU of the usual length, and more
_HEAD: Final = 6
_P_DATA: Final = 0x04
_ASSOCIATE_REQUEST: Final = b"\x01"
_TLS_HANDSHAKE: Final = b"\x16\x03"
_HTTP_METHODS: Final = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTION", b"CONNEC", b"DELETE", b"PATCH ", b"PRI * ")


class PduTooLongError(Exception):
    """A peer announced a PDU that nobody may send; pynetdicom answers it with an A-ABORT."""


class PduReader:
    """Reads for one association. `received` counts its bytes."""

    def __init__(
        self,
        association: Any,  # noqa: ANN401  # what is reached for is not public
        *,
        seconds: float | None,
        give_up: Callable[[], None],
    ) -> None:
        """Take over from pynetdicom.

        `seconds` is how long a PDU may take, None if that is no concern. `give_up` is called before PduTooLongError.
        """
        self.received = 0
        self.protocol: Protocol = "none"
        self._seconds = seconds
        self._give_up = give_up
        self._buffer = memoryview(bytearray())
        self._start = self._end = 0  # of what has been read ahead
        self._socket: Any = association.dul.socket
        if self._socket is not None:
            self._socket.recv = self._read
            self._socket.ahead = self

    @property
    def has_more(self) -> bool:
        """Whether something has been read that nobody has taken."""
        return self._end > self._start

    def peek(self) -> memoryview | None:
        """Return what the next PDU holds if it is a P-DATA-TF PDU, waiting for all of it; None if it is not one.

        It is there until the next call, and stays to be read until it is taken. Raises OSError when it takes too long.
        """
        if not self._fill(_HEAD) or self._buffer[self._start] != _P_DATA:
            return None
        start = self._start + _HEAD
        length = int.from_bytes(self._buffer[start - 4 : start], "big")
        if length > LONGEST_PDU or not self._fill(_HEAD + length):
            return None
        start = self._start + _HEAD
        return self._buffer[start : start + length]

    def take(self, body: memoryview) -> None:
        """Go on behind the PDU that holds this."""
        self._start += _HEAD + len(body)

    def forget(self) -> None:
        """Give back what was read ahead: an association that is over may be in memory for a while."""
        self._buffer, self._start, self._end = memoryview(bytearray()), 0, 0

    def _fill(self, count: int) -> bool:
        """Read ahead until there are `count` bytes; return False where the stream ends before."""
        if self._start + count > len(self._buffer):
            room = self._buffer if count <= len(self._buffer) else memoryview(bytearray(max(count, _ROOM)))
            self._end -= self._start
            room[: self._end] = self._buffer[self._start : self._start + self._end]
            self._buffer, self._start = room, 0
        connection = self._socket.socket if self._socket is not None else None
        deadline = None
        while (got := self._end - self._start) < count:
            step = 0 if connection is None else _receive(connection, self._buffer[self._end :])
            if not step:
                return False
            self._end += step
            self.received += step
            deadline = self._check(got + step, count, deadline)
        return True

    def _read(self, count: int) -> bytearray:
        """Return `count` bytes, or fewer where the stream ends. Raises OSError when they take too long."""
        if count > LONGEST_PDU:
            self._give_up()
            message = f"expected a PDU of at most {LONGEST_PDU} bytes. Received: length={count}"
            raise PduTooLongError(message)
        is_first, data = not self.received, bytearray(count)
        got, deadline = min(count, self._end - self._start), None
        data[:got] = self._buffer[self._start : self._start + got]
        self._start += got
        connection = self._socket.socket if self._socket is not None else None
        with memoryview(data) as view:
            while got < count:
                step = 0 if connection is None else connection.recv_into(view[got:])
                if not step:
                    break
                got += step
                self.received += step
                deadline = self._check(got, count, deadline)
        del data[got:]
        if is_first:
            self.protocol = _protocol(data)
        return data

    def _check(self, got: int, count: int, deadline: float | None) -> float | None:
        """Return until when all has to be there; the clock is looked at only where it matters. Raises TimeoutError."""
        if got >= count or self._seconds is None:
            return None
        now = time.monotonic()
        deadline = deadline or now + self._seconds
        if now > deadline:
            message = f"expected a PDU within {self._seconds:g} s. Received: {got} of {count} bytes"
            raise TimeoutError(message)
        return deadline


def _receive(connection: Any, room: memoryview) -> int:  # noqa: ANN401  # a socket, with TLS or without
    """Read what there is, waiting for it if need be; Python's sockets would look first whether there is something."""
    if not isinstance(connection, ssl.SSLSocket):
        with suppress(BlockingIOError):
            return os.readv(connection.fileno(), [room])
    step: int = connection.recv_into(room)
    return step


def _protocol(head: bytes | bytearray) -> Protocol:
    """Tell from its first bytes what a peer speaks."""
    if head.startswith(_ASSOCIATE_REQUEST):
        return "dicom"
    if head.startswith(_TLS_HANDSHAKE):
        return "tls"
    if head.startswith(_HTTP_METHODS):
        return "http"
    return "other" if head else "none"


def protocol_of(association: Any) -> Protocol:  # noqa: ANN401  # as above
    """Return what the peer of an association has spoken, "none" if it said nothing."""
    reader = _reader_of(association)
    return "none" if reader is None else reader.protocol


def received_of(association: Any) -> int:  # noqa: ANN401  # as above
    """Return how many bytes have come from the peer of an association."""
    reader = _reader_of(association)
    return 0 if reader is None else reader.received


def forget_ahead(association: Any) -> None:  # noqa: ANN401  # as above
    """Give back what was read ahead of an association that is over."""
    reader = _reader_of(association)
    if reader is not None:
        reader.forget()


def _reader_of(association: Any) -> PduReader | None:  # noqa: ANN401  # as above
    """Return who reads for an association; None where pynetdicom has let go of its socket."""
    reader = getattr(getattr(association.dul.socket, "recv", None), "__self__", None)
    return reader if isinstance(reader, PduReader) else None
