"""Peers that misbehave on an agent's port: what networks bring sooner or later. Bare sockets, one call for each.

Nothing that they send is an Instance that could be stored: whatever the agent does, its counts must not change.
"""

import random
import socket
import struct
import threading
from enum import StrEnum
from typing import Final

from dicom_io.peer import Peer

SECONDS: Final = 10.0
_CALLING: Final = b"SIMBADPEER"
_CR: Final = b"1.2.840.10008.5.1.4.1.1.1"
_UNKNOWN_CLASS: Final = b"1.2.826.0.1.3680043.9.9999.1"
_EXPLICIT: Final = b"1.2.840.10008.1.2.1"
_PDU: Final = struct.Struct(">BBL")
_ASSOCIATE_AC, _ASSOCIATE_RJ, _ABORT = 0x02, 0x03, 0x07
_ANSWERS: Final = {_ASSOCIATE_AC: "accepted", _ASSOCIATE_RJ: "rejected", _ABORT: "aborted"}
_SCANNED: Final = 20
_LINGER_NOT: Final = struct.pack("ii", 1, 0)


class BadPeer(StrEnum):
    """What it does."""

    ABORTS = "aborts"  # goes away in the middle of a PDU of an Instance
    SILENT = "silent"  # has an association and says nothing
    WRONG_CALLED = "wrong called"  # calls another AE title
    UNKNOWN_CLASS = "unknown class"  # proposes a SOP Class that nobody knows
    GARBAGE = "garbage"  # sends bytes that are no PDU
    PORT_SCAN = "port scan"  # connects and hangs up, many times
    REPEATS = "repeats"  # sends the same study over and over: planned as Sends, since what it sends counts


def misbehave(what: BadPeer, agent: Peer, *, seed: int, stop: threading.Event, seconds: float = SECONDS) -> str:
    """Do it, for `seconds` at most, and return what the agent did about it in a word or two. Raises nothing."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not a secret
    try:
        if what is BadPeer.PORT_SCAN:
            for _ in range(_SCANNED):
                _connect(agent, seconds).close()
            return "connected"
        with _connect(agent, seconds) as peer:
            if what is BadPeer.GARBAGE:
                peer.sendall(chance.randbytes(chance.randint(1, 4096)))
                return _answer(peer)
            called = "NOT" + agent.ae_title[:13] if what is BadPeer.WRONG_CALLED else agent.ae_title
            sop_class = _UNKNOWN_CLASS if what is BadPeer.UNKNOWN_CLASS else _CR
            peer.sendall(_associate(called.encode("ascii"), sop_class))
            answer = _answer(peer)
            if answer == "accepted" and what is BadPeer.ABORTS:
                peer.sendall(_half_an_instance(chance))
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)  # a reset, not a farewell
            elif answer == "accepted" and what is BadPeer.SILENT:
                stop.wait(seconds)
    except OSError as error:
        return "timed out" if isinstance(error, TimeoutError) else "hung up"
    return answer


def _connect(agent: Peer, seconds: float) -> socket.socket:
    return socket.create_connection((agent.host, agent.port), seconds)


def _answer(peer: socket.socket) -> str:
    """Wait for a PDU and tell which it is."""
    head = peer.recv(_PDU.size)
    return _ANSWERS.get(head[0], "answered") if head else "hung up"


def _item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value)) + value


def _associate(called: bytes, sop_class: bytes) -> bytes:
    """Return an A-ASSOCIATE-RQ with one presentation context (PS3.8 9.3.2)."""
    context = _item(0x30, sop_class) + _item(0x40, _EXPLICIT)
    items = _item(0x10, b"1.2.840.10008.3.1.1.1") + _item(0x20, b"\1\0\0\0" + context)
    items += _item(0x50, _item(0x51, struct.pack(">L", 16384)) + _item(0x52, b"1.2.3.4.5"))
    body = struct.pack(">HH16s16s32x", 1, 0, called.ljust(16), _CALLING.ljust(16)) + items
    return _PDU.pack(0x01, 0, len(body)) + body


def _half_an_instance(chance: random.Random) -> bytes:
    """Return a C-STORE-RQ and a part of the PDU with its dataset (PS3.7 9.3.1.1, PS3.8 9.3.5)."""
    uid = f"2.25.{chance.getrandbits(100)}".encode()
    elements = b"".join(
        struct.pack("<HHL", 0, number, len(value) + len(value) % 2) + value + b"\0" * (len(value) % 2)
        for number, value in (
            (0x0002, _CR),
            (0x0100, b"\1\0"),
            (0x0110, b"\1\0"),
            (0x0700, b"\0\0"),
            (0x0800, b"\0\0"),
            (0x1000, uid),
        )
    )
    command = struct.pack("<HHLL", 0, 0, 4, len(elements)) + elements
    whole = _value(0x03, command) + _value(0x00, chance.randbytes(8192))
    return whole[: -chance.randint(1, 8000)]


def _value(header: int, fragment: bytes) -> bytes:
    value = struct.pack(">LBB", len(fragment) + 2, 1, header) + fragment
    return _PDU.pack(0x04, 0, len(value)) + value
