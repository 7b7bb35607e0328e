"""A Storage SCP on a free port with a sink that remembers, and a peer that can say anything on a socket."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest
from kept import KeptInstance

from dicom_io.file_meta import encode_file_meta
from dicom_io.scp import AssociationSummary, ReceivedInstance, ScpSettings, StorageScp
from dicom_io.spool import Spool

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
SECONDS = 120.0
_STORE_REQUEST, _STORE_RESPONSE = 0x0001, 0x8001
_ECHO_REQUEST = 0x0030


@dataclass
class RecordingSink:
    """Remembers what it was given and answers what it was told to."""

    answer: Callable[[ReceivedInstance], int] = lambda _: 0x0000
    instances: list[KeptInstance] = field(default_factory=list)
    summaries: list[AssociationSummary] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def received(self, instance: ReceivedInstance) -> int:
        with self.changed:
            self.instances.append(KeptInstance.of(instance))
            self.changed.notify_all()
        return self.answer(instance)

    def association_ended(self, summary: AssociationSummary) -> None:
        with self.changed:
            self.summaries.append(summary)
            self.changed.notify_all()

    def wait(self, *, instances: int = 0, summaries: int = 0) -> Self:
        """Return once so many have come; fail after a while."""
        with self.changed:
            assert self.changed.wait_for(
                lambda: len(self.instances) >= instances and len(self.summaries) >= summaries, SECONDS
            ), f"{len(self.instances)} instances, {len(self.summaries)} summaries"
        return self

    def only_summary(self) -> AssociationSummary:
        (summary,) = self.wait(summaries=1).summaries
        return summary


@pytest.fixture
def sink() -> RecordingSink:
    return RecordingSink()


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.is_alive()]


def _sockets() -> int:
    """Count the sockets of this process."""
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            count += str(descriptor.readlink()).startswith("socket:")
    return count


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No test leaves a thread or a socket: each one's end is waited for, or the test fails."""
    threads, sockets = _threads(), _sockets()
    yield
    for thread in _threads():
        if thread not in threads:
            thread.join(SECONDS)
    assert [thread for thread in _threads() if thread not in threads] == []
    assert _sockets() <= sockets


@pytest.fixture
def start_scp(sink: RecordingSink, tmp_path: Path) -> Iterator[Callable[..., StorageScp]]:
    """Start SCPs on free ports; they are stopped after the test."""
    started: list[StorageScp] = []

    def start(to: RecordingSink = sink, **settings: Any) -> StorageScp:
        scp = StorageScp(ScpSettings(**{"host": "127.0.0.1", "port": 0, **settings}), to, partial(Spool, tmp_path))
        scp.start()
        started.append(scp)
        return scp

    yield start
    for scp in started:
        scp.stop(0.5)


def element(tag: int, vr: str, value: bytes) -> bytes:
    """Encode one element in Explicit VR Little Endian."""
    group, number = tag >> 16, tag & 0xFFFF
    padded = value + b"\0" * (len(value) % 2)
    if vr in ("OB", "OW"):
        return struct.pack("<HH2sHL", group, number, vr.encode(), 0, len(padded)) + padded
    return struct.pack("<HH2sH", group, number, vr.encode(), len(padded)) + padded


@dataclass(frozen=True)
class Sample:
    """A small Instance in Explicit VR Little Endian: its dataset, and a file of it with somebody else's meta."""

    dataset: bytes
    sop_instance_uid: str = "1.2.3.4"
    sop_class_uid: str = CT
    transfer_syntax_uid: str = EXPLICIT

    @property
    def file(self) -> bytes:
        return encode_file_meta(self.sop_class_uid, self.sop_instance_uid, self.transfer_syntax_uid) + self.dataset


@pytest.fixture
def sample() -> Callable[..., Sample]:
    """Make Instances."""

    def make(
        sop_instance_uid: str = "1.2.3.4",
        *,
        sop_class_uid: str = CT,
        transfer_syntax_uid: str = EXPLICIT,
        patient_name: bytes = b"SECRET^PATIENT",
        pixels: bytes = b"\x01\x02",
    ) -> Sample:
        dataset = b"".join(
            (
                element(0x00080016, "UI", sop_class_uid.encode()),
                element(0x00080018, "UI", sop_instance_uid.encode()),
                element(0x00100010, "PN", patient_name),
                element(0x0020000D, "UI", b"1.2.3"),
                element(0x7FE00010, "OB", pixels),
            )
        )
        return Sample(dataset, sop_instance_uid, sop_class_uid, transfer_syntax_uid)

    return make


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def _implicit(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value


class RawPeer:
    """A peer on a bare socket, which is not held to any rule (PS3.8 9.3, PS3.7 E)."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    @staticmethod
    def association_request(
        contexts: list[tuple[int, str, list[str]]], *, called: str = "TIBABU", calling: str = "RAW"
    ) -> bytes:
        items = _item(0x10, b"1.2.840.10008.3.1.1.1")
        for number, sop_class, syntaxes in contexts:
            body = _item(0x30, sop_class.encode("latin-1"))
            body += b"".join(_item(0x40, syntax.encode("latin-1")) for syntax in syntaxes)
            items += _item(0x20, bytes((number, 0, 0, 0)) + body)
        items += _item(0x50, _item(0x51, struct.pack(">L", 16384)) + _item(0x52, b"1.2.3.4.5"))
        body = struct.pack(">HH16s16s32x", 1, 0, called.encode().ljust(16), calling.encode().ljust(16)) + items
        return struct.pack(">BBL", 0x01, 0, len(body)) + body

    def associate(
        self, contexts: list[tuple[int, str, list[str]]] | None = None, **titles: str
    ) -> dict[int, str | int]:
        """Ask for an association; return, by context ID, the accepted transfer syntax or the reason of refusal."""
        self.socket.sendall(self.association_request(contexts or [(1, CT, [EXPLICIT])], **titles))
        kind, body = self.read_pdu()
        assert kind == 0x02, (kind, body)
        return self.results(body)

    @staticmethod
    def results(body: bytes) -> dict[int, str | int]:
        """Read the presentation contexts of an A-ASSOCIATE-AC."""
        found: dict[int, str | int] = {}
        position = 68
        while position < len(body):
            kind, _, length = struct.unpack_from(">BBH", body, position)
            value = body[position + 4 : position + 4 + length]
            if kind == 0x21:
                found[value[0]] = value[2] or value[8:].decode()
            position += 4 + length
        return found

    def read_pdu(self) -> tuple[int, bytes]:
        """Return type and body of the next PDU; type 0 when the connection has ended."""
        try:
            head = self._read(6)
            kind, _, length = struct.unpack(">BBL", head)
            return kind, self._read(length)
        except (EOFError, ConnectionResetError):
            return 0, b""

    def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = self.socket.recv(length - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def send_pdv(self, context: int, control: int, data: bytes) -> None:
        self.socket.sendall(self.pdv(context, control, data))

    @staticmethod
    def pdv(context: int, control: int, data: bytes) -> bytes:
        value = struct.pack(">LBB", len(data) + 2, context, control) + data
        return struct.pack(">BBL", 0x04, 0, len(value)) + value

    @staticmethod
    def command(elements: dict[int, bytes]) -> bytes:
        encoded = b"".join(_implicit(tag, value) for tag, value in sorted(elements.items()))
        return _implicit(0x00000000, struct.pack("<L", len(encoded))) + encoded

    def store_command(
        self, instance: bytes = b"1.2.3.4", sop_class: bytes = CT.encode(), *, message: int = 7, **more: bytes
    ) -> bytes:
        """Make a C-STORE-RQ; `more` replaces elements by tag, as in `_00000110=b""`."""
        elements = {
            0x00000002: sop_class + b"\0" * (len(sop_class) % 2),
            0x00000100: struct.pack("<H", _STORE_REQUEST),
            0x00000110: struct.pack("<H", message),
            0x00000700: b"\0\0",
            0x00000800: b"\1\0",
            0x00001000: instance + b"\0" * (len(instance) % 2),
        }
        elements |= {int(name[1:], 16): value for name, value in more.items()}
        return self.command({tag: value for tag, value in elements.items() if value != b"absent"})

    def store(self, dataset: bytes, command: bytes | None = None, *, context: int = 1) -> dict[int, bytes]:
        """Send a C-STORE request and return the command set of the response."""
        self.send_pdv(context, 0x03, self.store_command() if command is None else command)
        self.send_pdv(context, 0x02, dataset)
        return self.read_response()

    def echo(self, context: int = 1) -> dict[int, bytes]:
        elements = {
            0x00000002: b"1.2.840.10008.1.1\0",
            0x00000100: struct.pack("<H", _ECHO_REQUEST),
            0x00000110: b"\1\0",
            0x00000800: b"\1\1",
        }
        self.send_pdv(context, 0x03, self.command(elements))
        return self.read_response()

    def read_response(self) -> dict[int, bytes]:
        """Return the raw elements of the next command set, by tag; padding included."""
        kind, body = self.read_pdu()
        assert kind == 0x04, f"expected a message. Received: PDU {kind:#x}"
        data, elements = body[6:], {}
        while data:
            group, number, length = struct.unpack_from("<HHL", data)
            elements[group << 16 | number] = data[8 : 8 + length]
            data = data[8 + length :]
        assert struct.unpack("<L", elements[0])[0] == sum(8 + len(value) for tag, value in elements.items() if tag)
        return elements

    def release(self) -> None:
        self.socket.sendall(struct.pack(">BBLL", 0x05, 0, 4, 0))
        assert self.read_pdu()[0] == 0x06

    def abort(self) -> None:
        self.socket.sendall(struct.pack(">BBLL", 0x07, 0, 4, 0))


@pytest.fixture
def raw_peer() -> Iterator[Callable[[StorageScp], RawPeer]]:
    """Connect raw peers; they are closed after the test."""
    with ExitStack() as peers:
        yield lambda scp: peers.enter_context(RawPeer(scp.port))


@pytest.fixture
def status() -> Callable[[dict[int, bytes]], int]:
    """Read the status of a response."""
    return lambda response: struct.unpack("<H", response[0x00000900])[0]
