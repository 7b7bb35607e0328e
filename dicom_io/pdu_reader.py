"""PDUs read off a socket within bounds: of length, since it is the peer's word, and of time (PS3.8 9.3.1).

pynetdicom believes a length of four gigabytes, and waits for each single byte as long as for the whole PDU.
"""

import time
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

Protocol: TypeAlias = Literal["none", "dicom", "tls", "http", "other"]
"""What a peer spoke, by its first bytes."""

LONGEST_PDU: Final = 1 << 20
"""Bytes. No association request is longer; peers that exceed what we announced by a little are forgiven."""

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
        self._unread = b""
        self._socket: Any = association.dul.socket
        if self._socket is not None:
            self._socket.recv = self._read
            self._socket.unread = self._put_back

    def _put_back(self, data: bytes) -> None:
        """Let what has been read be read again, before all else."""
        self._unread = data + self._unread
        self.received -= len(data)

    def _read(self, count: int) -> bytearray:
        """Return `count` bytes, or fewer where the stream ends. Raises OSError when they take too long."""
        if count > LONGEST_PDU:
            self._give_up()
            message = f"expected a PDU of at most {LONGEST_PDU} bytes. Received: length={count}"
            raise PduTooLongError(message)
        connection = self._socket.socket if self._socket is not None else None
        if connection is None:
            return bytearray()
        data = bytearray(count)
        got, deadline = len(self._unread[:count]), None
        data[:got], self._unread = self._unread[:count], self._unread[count:]
        with memoryview(data) as view:
            while got < count:
                step = connection.recv_into(view[got:])
                if not step:
                    break
                got += step
                if got < count and self._seconds is not None:  # the clock is looked at only where it matters
                    now = time.monotonic()
                    deadline = deadline or now + self._seconds
                    if now > deadline:
                        message = f"expected a PDU within {self._seconds:g} s. Received: {got} of {count} bytes"
                        raise TimeoutError(message)
        del data[got:]
        if not self.received:
            self.protocol = _protocol(data)
        self.received += got
        return data


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
    reader = getattr(getattr(association.dul.socket, "recv", None), "__self__", None)
    return reader.protocol if isinstance(reader, PduReader) else "none"


def received_of(association: Any) -> int:  # noqa: ANN401  # as above
    """Return how many bytes have come from the peer of an association."""
    reader = getattr(getattr(association.dul.socket, "recv", None), "__self__", None)
    return reader.received if isinstance(reader, PduReader) else 0
