"""An association as bytes (PS3.8 9.3): what a sender costs here is what it costs to hand a file to the network.

The sender shares the processors with the system that is measured, so a library that builds messages would be measured
with it, and would count most against the fastest system.
"""

import itertools
import socket
import struct
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from dicom_io.peer import Peer

_APPLICATION_CONTEXT, _SYNTAX = b"1.2.840.10008.3.1.1.1", b"1.2.840.10008.1.2.1"
_ASKED, _ACCEPTED, _DATA, _RELEASE, _RELEASED = 0x01, 0x02, 0x04, 0x05, 0x06
_CONTEXT = 1
_LONGEST_PDU = 1 << 20
"""What is sent at once to a peer that takes any length."""
_UNLIMITED = 0
_IN_PLACE = struct.Struct(">BBLLBB")
"""The head of a P-DATA-TF with one value: its type, its length, the value's length, the context, what it is."""
_VALUE_HEAD = 6
_COMMAND, _LAST = 0x01, 0x02
_STATUS = struct.pack("<HHL", 0x0000, 0x0900, 2)


class Wire:
    """One association for one SOP Class in Explicit VR Little Endian; a context manager that releases it."""

    def __init__(self, peer: Peer, sop_class_uid: str) -> None:
        """Open it."""
        self._sop_class_uid = sop_class_uid.encode()
        self._message_ids = itertools.count(1)
        self._socket = socket.create_connection((peer.host, peer.port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(_request(peer, self._sop_class_uid))
        kind, body = self._read()
        if kind != _ACCEPTED:
            message = f"expected {peer} to accept an association. Received: PDU type={kind:02X}"
            raise ConnectionError(message)
        self._longest = min(_longest(body) or _LONGEST_PDU, _LONGEST_PDU)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release it, or only close it if the block raised."""
        if kind is None:
            self._socket.sendall(_pdu(_RELEASE, bytes(4)))
            while self._read()[0] != _RELEASED:
                pass
        self._socket.close()

    def store(self, sop_instance_uid: str, dataset: bytes) -> float:
        """Send one object by C-STORE (PS3.7 9.1.1); return when its last byte had gone."""
        self._socket.sendall(self._command(sop_instance_uid))
        for part in _parts(memoryview(dataset), self._longest - _VALUE_HEAD):
            self._socket.sendall(part)
        gone = time.time()
        kind, body = self._read()
        status = body.partition(_STATUS)[2][:2]
        if kind != _DATA or status != bytes(2):
            message = f"expected 0000. Received: PDU type={kind:02X} status={status[::-1].hex()}"
            raise ConnectionError(message)
        return gone

    def _command(self, sop_instance_uid: str) -> bytes:
        elements = (
            (0x0002, _even(self._sop_class_uid)),
            (0x0100, struct.pack("<H", 0x0001)),
            (0x0110, struct.pack("<H", next(self._message_ids))),
            (0x0700, bytes(2)),
            (0x0800, struct.pack("<H", 0x0001)),
            (0x1000, _even(sop_instance_uid.encode())),
        )
        said = b"".join(struct.pack("<HHL", 0, element, len(value)) + value for element, value in elements)
        said = struct.pack("<HHLL", 0, 0, 4, len(said)) + said
        return _head(len(said), _COMMAND | _LAST) + said

    def _read(self) -> tuple[int, bytes]:
        kind, _, length = struct.unpack(">BBL", self._exactly(6))
        return kind, self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        got = bytearray()
        while len(got) < count:
            part = self._socket.recv(count - len(got))
            if not part:
                message = f"expected {count} bytes. Received: {len(got)} and the end of the connection"
                raise ConnectionError(message)
            got += part
        return bytes(got)


def _parts(dataset: memoryview, most: int) -> Iterator[bytes]:
    for begin in range(0, len(dataset), most):
        part = dataset[begin : begin + most]
        yield b"".join((_head(len(part), _LAST if begin + most >= len(dataset) else 0), part))


def _head(length: int, what: int) -> bytes:
    return _IN_PLACE.pack(_DATA, 0, length + _VALUE_HEAD, length + 2, _CONTEXT, what)


def _request(peer: Peer, sop_class_uid: bytes) -> bytes:
    context = bytes((_CONTEXT, 0, 0, 0)) + _item(0x30, sop_class_uid) + _item(0x40, _SYNTAX)
    user = _item(0x51, struct.pack(">L", 1 << 14)) + _item(0x52, b"1.2.826.0.1.3680043.8.498.1")
    items = _item(0x10, _APPLICATION_CONTEXT) + _item(0x20, context) + _item(0x50, user)
    titles = peer.ae_title.encode().ljust(16), b"BENCH".ljust(16)
    return _pdu(_ASKED, struct.pack(">HH16s16s32x", 1, 0, *titles) + items)


def _longest(accepted: bytes) -> int:
    """Return how long a PDU the peer takes (PS3.8 D.1), having accepted the one presentation context."""
    place, longest = 68, _UNLIMITED
    while place < len(accepted):
        kind, length = struct.unpack_from(">BxH", accepted, place)
        body = accepted[place + 4 : place + 4 + length]
        if kind == 0x21 and body[2]:  # noqa: PLR2004 - a presentation context of an A-ASSOCIATE-AC
            message = f"expected the presentation context to be accepted. Received: result={body[2]}"
            raise ConnectionError(message)
        if kind == 0x50:  # noqa: PLR2004 - the user information
            (longest,) = struct.unpack_from(">L", body, 4)
        place += 4 + length
    return int(longest)


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def _pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxL", kind, len(body)) + body


def _even(uid: bytes) -> bytes:
    return uid + bytes(len(uid) % 2)
