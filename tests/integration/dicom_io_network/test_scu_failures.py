"""Every way in which a peer can fail the SCU is a NetworkError for people, within the time-outs, with nothing left."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dicom_io.door import Door
from dicom_io.errors import (
    AssociationAbortedError,
    AssociationRejectedError,
    NetworkError,
    PeerTimeoutError,
    PeerUnreachableError,
)
from dicom_io.query_scu import get
from dicom_io.requestor import Requestor
from dicom_io.scu import Peer, Timeouts, echo, send
from dicom_io.spool import Spool

PATIENT = Timeouts(connection=60, acse=60, dimse=60, network=60)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
AT_MOST = 50
"""Seconds; less than any patient time-out, so that an error in time is no time-out unless one of them is short."""
ABORT = struct.pack(">BBLL", 0x07, 0, 4, 0)


class BadPeer:
    """A server on a socket that does with its one connection what it is told to."""

    def __init__(self, behave: Callable[["BadPeer"], None]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 19)
        self.peer = Peer("BAD", "127.0.0.1", self.listener.getsockname()[1])
        self.behave = behave
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(60)
        with self.connection:
            try:
                self.behave(self)
                self.done.wait(60)
            except ConnectionError:
                pass

    def close(self) -> None:
        self.done.set()
        self.thread.join()
        self.listener.close()

    def read_pdu(self) -> bytes:
        head = self._read(6)
        return head + self._read(struct.unpack(">BBL", head)[2])

    def _read(self, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            part = self.connection.recv(length - len(data))
            if not part:
                raise ConnectionError
            data += part
        return bytes(data)

    def accept(self, *contexts: int, syntax: bytes = b"1.2.840.10008.1.2") -> None:
        request = self.read_pdu()
        syntax_item = struct.pack(">BBH", 0x40, 0, len(syntax)) + syntax
        items = struct.pack(">BBH", 0x10, 0, 21) + b"1.2.840.10008.3.1.1.1"
        for context in contexts or (1,):
            items += struct.pack(">BBHBBBB", 0x21, 0, 4 + len(syntax_item), context, 0, 0, 0) + syntax_item
        user = struct.pack(">BBHL", 0x51, 0, 4, 16384) + struct.pack(">BBH", 0x52, 0, 5) + b"1.2.3"
        items += struct.pack(">BBH", 0x50, 0, len(user)) + user
        body = request[6:74] + items
        self.connection.sendall(struct.pack(">BBL", 0x02, 0, len(body)) + body)

    def read_message(self) -> None:
        """Read PDUs until the last fragment of a command set or dataset that is followed by nothing."""
        while True:
            pdu = self.read_pdu()
            if pdu[11] & 0x03 == 0x02 or (pdu[11] & 0x03 == 0x03 and b"\0\x08\2\0\0\0\1\1" in pdu):
                return

    def respond(self, *, message: int = 1, field: int = 0x8030, status: bytes | None = b"\0\0") -> None:
        elements = {0x0100: struct.pack("<H", field), 0x0120: struct.pack("<H", message), 0x0800: b"\1\1"}
        if status is not None:
            elements[0x0900] = status
        self.say(elements)

    def say(self, elements: dict[int, bytes], context: int = 1) -> None:
        encoded = b"".join(struct.pack("<HHL", 0, tag, len(value)) + value for tag, value in sorted(elements.items()))
        command = struct.pack("<HHLL", 0, 0, 4, len(encoded)) + encoded
        value = struct.pack(">LBB", len(command) + 2, context, 0x03) + command
        self.connection.sendall(struct.pack(">BBL", 0x04, 0, len(value)) + value)


@pytest.fixture
def bad_peer() -> Iterator[Any]:
    with ExitStack() as stack:

        def start(behave: Any) -> Any:
            bad = BadPeer(behave)
            stack.callback(bad.close)
            return bad.peer

        yield start


def say_nothing(_: BadPeer) -> None:
    pass


def hang_up(bad: BadPeer) -> None:
    bad.read_pdu()
    bad.connection.shutdown(socket.SHUT_RDWR)


def abort(bad: BadPeer) -> None:
    bad.read_pdu()
    bad.connection.sendall(ABORT)


def half_an_answer(bad: BadPeer) -> None:
    bad.read_pdu()
    bad.connection.sendall(b"\2\0\0\0\1\0\0\1")


def nonsense(bad: BadPeer) -> None:
    bad.read_pdu()
    bad.connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def accept_an_even_context(bad: BadPeer) -> None:
    bad.accept(2)


def accept_and_say_nothing(bad: BadPeer) -> None:
    bad.accept()


def accept_and_hang_up(bad: BadPeer) -> None:
    bad.accept()
    bad.read_message()
    bad.connection.shutdown(socket.SHUT_RDWR)


def accept_and_hang_up_at_once(bad: BadPeer) -> None:
    bad.accept()
    bad.connection.shutdown(socket.SHUT_RDWR)


def accept_and_abort(bad: BadPeer) -> None:
    bad.accept()
    bad.read_message()
    bad.connection.sendall(ABORT)


def answer_half(bad: BadPeer) -> None:
    bad.accept()
    bad.read_message()
    bad.connection.sendall(b"\4\0\0\0\1\0\0\1")


def answer_another_message(bad: BadPeer) -> None:
    bad.accept()
    bad.read_message()
    bad.respond(message=99)


def answer_another_request(bad: BadPeer) -> None:
    bad.accept()
    bad.read_message()
    bad.respond(field=0x8020)


def answer_without_status(bad: BadPeer) -> None:
    bad.accept()
    bad.read_message()
    bad.respond(status=None)


def answer_a_command_set_that_is_none(bad: BadPeer) -> None:
    bad.accept()
    bad.read_message()
    value = struct.pack(">LBB", 42, 1, 0x03) + b"\xff" * 40
    bad.connection.sendall(struct.pack(">BBL", 0x04, 0, len(value)) + value)


def fail(bad: BadPeer) -> None:
    bad.accept()
    bad.read_message()
    bad.respond(status=b"\x22\1")
    hang_up(bad)


@pytest.mark.parametrize(
    ("behave", "error", "words", "short"),
    [
        (say_nothing, PeerTimeoutError, "to accept an association within 0.5 s. Received: nothing", {"acse": 0.5}),
        (hang_up, AssociationAbortedError, "Received: it hung up", {}),
        (abort, AssociationAbortedError, "Received: it hung up", {}),
        (half_an_answer, NetworkError, "to accept an association", {"acse": 0.5}),
        (nonsense, NetworkError, "to accept an association", {}),
        (accept_an_even_context, NetworkError, "expected BAD@", {}),
        (
            accept_and_say_nothing,
            PeerTimeoutError,
            "a response from BAD@.* within 0.5 s. Received: nothing",
            {"dimse": 0.5},
        ),
        (
            accept_and_hang_up,
            AssociationAbortedError,
            "a response from BAD@.* Received: the association was aborted",
            {},
        ),
        (accept_and_hang_up_at_once, NetworkError, "BAD@", {}),
        (accept_and_abort, AssociationAbortedError, "the association was aborted", {}),
        (answer_half, NetworkError, "expected a response from BAD@", {"network": 0.5}),
        (answer_another_message, NetworkError, "to respond to message 1. Received: type=C_ECHO message=99", {}),
        (answer_another_request, NetworkError, "to respond to message 1. Received: type=C_FIND", {}),
        (answer_without_status, NetworkError, "expected a status", {}),
        (answer_a_command_set_that_is_none, AssociationAbortedError, "the association was aborted", {}),
        (fail, NetworkError, "to answer C-ECHO with 0000. Received: status=0122", {}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_peer_that_misbehaves_is_an_error_in_time(
    bad_peer: Any, behave: Any, error: type[Exception], words: str, short: dict[str, float]
) -> None:
    peer = bad_peer(behave)
    begun = time.monotonic()
    with pytest.raises(error, match=words) as raised:
        echo(peer, timeouts=replace(PATIENT, **short))
    assert time.monotonic() - begun < AT_MOST
    assert str(raised.value).startswith("expected ")


def test_a_peer_that_hangs_up_as_it_accepts_is_no_error_of_ours(monkeypatch: pytest.MonkeyPatch, bad_peer: Any) -> None:
    """The reactor may have closed the socket by the time that its time-out is set."""
    failure = Requestor._failure
    left: list[socket.socket] = []

    def closed(requestor: Requestor, association: Any) -> NetworkError | None:
        found = failure(requestor, association)
        assert requestor._socket is not None
        left.append(requestor._socket)
        requestor._socket = socket.socket()
        requestor._socket.close()
        return found

    monkeypatch.setattr(Requestor, "_failure", closed)
    with pytest.raises(NetworkError, match="the association was aborted"):
        echo(bad_peer(accept_and_hang_up), timeouts=PATIENT)
    left[0].close()  # which its requestor does not know of any more


def test_a_closed_port_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(PeerUnreachableError, match=f"expected a connection to NOBODY@127.0.0.1:{port}"):
        echo(Peer("NOBODY", "127.0.0.1", port), timeouts=PATIENT)


def test_an_address_that_does_not_answer_is_unreachable_after_the_connection_timeout() -> None:
    """The backlog of a listener that never accepts fills up, and then nobody answers."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = listener.getsockname()[1]
        for _ in range(4):
            one = stack.enter_context(socket.socket())
            one.settimeout(0)
            one.connect_ex(("127.0.0.1", port))
        begun = time.monotonic()
        with pytest.raises(NetworkError, match="expected "):
            echo(Peer("FULL", "127.0.0.1", port), timeouts=replace(PATIENT, connection=0.5, acse=0.5))
        assert time.monotonic() - begun < AT_MOST


def test_a_host_name_that_means_nothing_is_unreachable() -> None:
    with pytest.raises(PeerUnreachableError, match=r"expected the address of NOBODY@no\.such\.host\.invalid:104"):
        echo(Peer("NOBODY", "no.such.host.invalid", 104), timeouts=PATIENT)


def test_a_rejection_says_why(start_scp: Any) -> None:
    scp = start_scp()
    with pytest.raises(AssociationRejectedError, match="Called AE title not recognised"):
        echo(Peer("OTHER", "127.0.0.1", scp.port), timeouts=PATIENT)
    with pytest.raises(AssociationRejectedError, match=r"(?i)calling AE title not recognised"):
        echo(Peer("TIBABU", "127.0.0.1", start_scp(door=Door(anyone_may=())).port), timeouts=PATIENT)
    with pytest.raises(AssociationRejectedError, match="Local limit exceeded"):
        echo(Peer("TIBABU", "127.0.0.1", start_scp(maximum_associations=0).port), timeouts=PATIENT)


def test_what_the_peer_had_answered_before_it_failed_was_told(start_scp: Any, sink: Any, sample: Any) -> None:
    """`on_status` has the first two; the error is about the third."""

    def answer(instance: str) -> Any:
        if instance.affected_sop_instance_uid == "1.2.3":
            threading.Thread(target=scp.stop, args=(0,)).start()
            noticed.wait(60)
        return 0x0000

    noticed = threading.Event()
    scp = start_scp()
    sink.answer = answer
    told = []
    with pytest.raises(AssociationAbortedError):
        send(
            Peer("TIBABU", "127.0.0.1", scp.port),
            [sample(f"1.2.{number}").file for number in range(1, 6)],
            on_status=told.append,
        )
    noticed.set()
    assert [status.sop_instance_uid for status in told] == ["1.2.1", "1.2.2"]


def test_a_peer_that_stops_reading_is_given_up(bad_peer: Any, sample: Any) -> None:
    def read_no_more(bad: BadPeer) -> None:
        bad.accept(syntax=b"1.2.840.10008.1.2.1")

    peer = bad_peer(read_no_more)
    begun = time.monotonic()
    with pytest.raises(NetworkError, match="expected a response"):
        send(peer, [sample(pixels=bytes(30_000_000)).file], timeouts=replace(PATIENT, dimse=0.5, network=0.5))
    assert time.monotonic() - begun < AT_MOST


@pytest.mark.parametrize(
    ("field", "context", "word"), [(0x0001, 7, "type=C_STORE context=7"), (0x0030, 5, "type=C_ECHO")]
)
def test_a_peer_that_sends_no_instance_as_it_is_asked_for_some_is_told_of(
    bad_peer: Any, sink: Any, tmp_path: Path, field: int, context: int, word: str
) -> None:
    def send_something(bad: BadPeer) -> None:
        bad.accept(1, 3, 5)
        bad.read_message()
        said = {0x0002: b"1.2.840.10008.5.1.4.1.1.1\0", 0x0100: struct.pack("<H", field), 0x0110: b"\7\0"}
        store = {0x0700: b"\0\0", 0x1000: b"1.2.3\0"} if field == 1 else {}
        bad.say(said | store | {0x0800: b"\1\1"}, context)

    spool, classes = partial(Spool, tmp_path), ("1.2.840.10008.5.1.4.1.1.1",)
    with pytest.raises(NetworkError, match=word):
        get(bad_peer(send_something), "1.2.3", classes, sink, spool, clock=lambda: NOON, timeouts=PATIENT)
    assert sink.instances == []
    assert [summary.how for summary in sink.summaries] == ["aborted"]


def test_a_slow_peer_has_all_the_time_that_it_takes_to_take_the_data(bad_peer: Any, sample: Any) -> None:
    """The DIMSE time-out is for the answer, not for the transfer."""

    def read_slowly(bad: BadPeer) -> None:
        bad.accept(syntax=b"1.2.840.10008.1.2.1")
        begun = time.monotonic()
        while bad.read_pdu()[11:12] != b"\2":
            if time.monotonic() - begun < 4:
                bad.done.wait(0.02)
        bad.respond(field=0x8001)
        hang_up(bad)

    peer = bad_peer(read_slowly)
    (status,) = send(peer, [sample(pixels=bytes(16_000_000)).file], timeouts=replace(PATIENT, dimse=3, network=30))
    assert status.stored
