"""Messages that no service can take: what can be answered is, what cannot ends its association and nothing else."""

import struct
from contextlib import suppress
from typing import Any

import pytest

CT, VERIFICATION = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1"
EXPLICIT = "1.2.840.10008.1.2.1"
BOTH = [(1, VERIFICATION, [EXPLICIT]), (3, CT, [EXPLICIT])]
AFFECTED_CLASS, COMMAND_FIELD, MESSAGE_ID = 0x00000002, 0x00000100, 0x00000110
DATA_SET_TYPE, AFFECTED_INSTANCE = 0x00000800, 0x00001000
REQUESTED_CLASS, REQUESTED_INSTANCE = 0x00000003, 0x00001001
NO_DATA_SET, DATA_SET = b"\1\1", b"\1\0"
NOT_SUPPORTED, UNRECOGNISED, MISTYPED = 0x0122, 0x0211, 0x0212
ACCEPT, REJECT, ABORT = 0x02, 0x03, 0x07


def request(field: int, *, sop_class: str | None = CT, message: int | None = 5, **more: bytes) -> dict[int, bytes]:
    """Make the elements of a request's command set."""
    elements = {COMMAND_FIELD: struct.pack("<H", field), DATA_SET_TYPE: NO_DATA_SET}
    if sop_class is not None:
        elements[AFFECTED_CLASS] = sop_class.encode() + b"\0" * (len(sop_class) % 2)
    if message is not None:
        elements[MESSAGE_ID] = struct.pack("<H", message)
    return elements | {int(name[1:], 16): value for name, value in more.items()}


UNSERVED = {
    "C-FIND": request(0x0020, _00000700=b"\0\0"),
    "C-GET": request(0x0010, _00000700=b"\0\0"),
    "C-MOVE": request(0x0021, _00000700=b"\0\0", _00000600=b"ELSE"),
    "N-GET": request(0x0110, sop_class=None, _00000003=CT.encode() + b"\0", _00001001=b"1.2.3\0"),
    "N-SET": request(0x0120, sop_class=None, _00000003=CT.encode() + b"\0", _00001001=b"1.2.3\0"),
    "N-ACTION": request(0x0130, sop_class=None, _00000003=CT.encode() + b"\0", _00001001=b"1.2.3\0", _00001008=b"\1\0"),
    "N-CREATE": request(0x0140),
    "N-DELETE": request(0x0150, sop_class=None, _00000003=CT.encode() + b"\0", _00001001=b"1.2.3\0"),
    "N-EVENT-REPORT": request(0x0100, _00001000=b"1.2.3\0", _00001002=b"\1\0"),
}


@pytest.mark.parametrize("context", [1, 3])
@pytest.mark.parametrize("operation", UNSERVED)
def test_an_operation_that_its_context_does_not_offer_is_answered_as_unrecognised(
    start_scp: Any, sink: Any, raw_peer: Any, status: Any, operation: str, context: int
) -> None:
    peer = raw_peer(start_scp())
    peer.associate(BOTH)
    peer.send_pdv(context, 0x03, peer.command(UNSERVED[operation]))
    response = peer.read_response()
    assert status(response) == UNRECOGNISED
    assert struct.unpack("<H", response[0x00000120]) == (5,)
    field = struct.unpack("<H", UNSERVED[operation][COMMAND_FIELD])[0]
    assert struct.unpack("<H", response[COMMAND_FIELD]) == (field | 0x8000,)
    assert status(peer.echo()) == 0x0000
    peer.release()
    assert sink.only_summary().how == "released"


def test_an_echo_under_a_storage_context_is_answered_that_its_class_is_not_supported_there(
    start_scp: Any, raw_peer: Any, status: Any
) -> None:
    peer = raw_peer(start_scp())
    peer.associate(BOTH)
    assert status(peer.echo(context=3)) == NOT_SUPPORTED
    assert status(peer.echo(context=1)) == 0x0000
    peer.release()


@pytest.mark.parametrize(
    ("sop_class", "expected"), [(None, MISTYPED), (CT, NOT_SUPPORTED), ("1.2.3", NOT_SUPPORTED), ("", MISTYPED)]
)
def test_an_echo_of_another_class_or_none_is_answered(
    start_scp: Any, raw_peer: Any, status: Any, sop_class: str | None, expected: int
) -> None:
    peer = raw_peer(start_scp())
    peer.associate(BOTH)
    peer.send_pdv(1, 0x03, peer.command(request(0x0030, sop_class=sop_class)))
    assert status(peer.read_response()) == expected
    assert status(peer.echo()) == 0x0000
    peer.release()


def test_a_dataset_for_an_echo_is_read_and_left_alone(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any
) -> None:
    peer = raw_peer(start_scp())
    peer.associate(BOTH)
    elements = request(0x0030, sop_class=VERIFICATION) | {DATA_SET_TYPE: DATA_SET}
    peer.send_pdv(1, 0x03, peer.command(elements))
    peer.send_pdv(1, 0x02, sample().dataset)
    assert status(peer.read_response()) == 0x0000
    assert status(peer.store(sample().dataset, context=3)) == 0x0000
    peer.release()
    assert len(sink.instances) == 1


def test_responses_that_nobody_asked_for_are_passed_over(start_scp: Any, raw_peer: Any, status: Any) -> None:
    peer = raw_peer(start_scp())
    peer.associate(BOTH)
    elements = request(0x8030, sop_class=VERIFICATION, message=None, _00000120=b"\1\0", _00000900=b"\0\0")
    peer.send_pdv(1, 0x03, peer.command(elements))
    assert status(peer.echo()) == 0x0000
    peer.release()


def interleaved(peer: Any, dataset: bytes) -> None:
    """Begin one message, then another in its middle."""
    peer.send_pdv(3, 0x03, peer.store_command())
    peer.send_pdv(3, 0x00, dataset[:20])
    peer.send_pdv(3, 0x03, peer.store_command(b"1.2.9"))
    peer.send_pdv(3, 0x02, dataset)


def dataset_first(peer: Any, dataset: bytes) -> None:
    peer.send_pdv(3, 0x02, dataset)


def unknown_command(peer: Any, _: bytes) -> None:
    peer.send_pdv(3, 0x03, peer.command(request(0x0777)))


def no_command_field(peer: Any, _: bytes) -> None:
    peer.send_pdv(3, 0x03, peer.command({MESSAGE_ID: b"\1\0", DATA_SET_TYPE: NO_DATA_SET}))


def garbage_for_a_command(peer: Any, _: bytes) -> None:
    peer.send_pdv(3, 0x03, b"\x00\x00\x00\x01" + b"\xff" * 60)


def empty_command(peer: Any, _: bytes) -> None:
    peer.send_pdv(3, 0x03, b"")


def fragment_length_that_lies(peer: Any, _: bytes) -> None:
    peer.socket.sendall(struct.pack(">BBLLBB", 0x04, 0, 6, 0xFFFFFFFF, 3, 3))


def pdu_of_four_gigabytes(peer: Any, _: bytes) -> None:
    peer.socket.sendall(struct.pack(">BBL", 0x04, 0, 0xFFFFFFFF))


def release_request_of_a_megabyte(peer: Any, _: bytes) -> None:
    peer.socket.sendall(struct.pack(">BBL", 0x05, 0, (1 << 20) + 1))


def acceptance_out_of_turn(peer: Any, _: bytes) -> None:
    peer.socket.sendall(struct.pack(">BBLHH", 0x02, 0, 68, 1, 0) + bytes(64))


def rejection_out_of_turn(peer: Any, _: bytes) -> None:
    peer.socket.sendall(struct.pack(">BBLBBBB", 0x03, 0, 4, 0, 1, 1, 1))


def release_response_out_of_turn(peer: Any, _: bytes) -> None:
    peer.socket.sendall(struct.pack(">BBLL", 0x06, 0, 4, 0))


HOPELESS = [
    interleaved,
    dataset_first,
    unknown_command,
    no_command_field,
    garbage_for_a_command,
    empty_command,
    fragment_length_that_lies,
    pdu_of_four_gigabytes,
    release_request_of_a_megabyte,
    acceptance_out_of_turn,
    rejection_out_of_turn,
    release_response_out_of_turn,
]


@pytest.mark.parametrize("misbehave", HOPELESS, ids=lambda function: function.__name__)
def test_what_cannot_be_answered_is_aborted_at_once_and_the_next_association_is_served(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any, misbehave: Any
) -> None:
    scp = start_scp(acse_timeout=60, dimse_timeout=60, network_timeout=60)
    peer = raw_peer(scp)
    peer.associate(BOTH)
    assert status(peer.store(sample().dataset, context=3)) == 0x0000
    misbehave(peer, sample().dataset)
    answers = [peer.read_pdu()[0]]
    while answers[-1] not in (ABORT, 0x00):
        answers.append(peer.read_pdu()[0])
    assert ABORT in answers
    summary = sink.only_summary()
    assert (summary.how, summary.stored) == ("aborted", 1)
    other = raw_peer(scp)
    other.associate(BOTH)
    assert status(other.store(sample().dataset, context=3)) == 0x0000
    other.release()


@pytest.mark.parametrize("kind", [0x01, 0x04, 0x05])
def test_a_first_pdu_of_four_gigabytes_is_aborted_at_once(start_scp: Any, sink: Any, raw_peer: Any, kind: int) -> None:
    peer = raw_peer(start_scp(acse_timeout=60))
    peer.socket.sendall(struct.pack(">BBL", kind, 0, 0xFFFFFFFF))
    assert peer.read_pdu()[0] == ABORT
    assert sink.only_summary().how == "aborted"


def test_a_peer_that_drips_a_pdu_byte_by_byte_is_given_up(start_scp: Any, sink: Any, raw_peer: Any) -> None:
    """Each byte comes well within the time-out; all of them together do not."""
    peer = raw_peer(start_scp(dimse_timeout=0.5))
    peer.associate()
    peer.socket.sendall(struct.pack(">BBL", 0x04, 0, 1000))
    peer.socket.settimeout(0.1)
    said = 0
    with suppress(ConnectionError):
        while said < 200:
            peer.socket.sendall(b"\0")
            said += 1
            with suppress(TimeoutError):
                if not peer.socket.recv(60):
                    break
    assert 3 < said < 100
    assert sink.only_summary().how == "aborted"


@pytest.mark.parametrize(("size", "kind"), [(1, REJECT), (7, REJECT), (8, ACCEPT), (0, ACCEPT)])
def test_a_peer_that_takes_no_answer_of_any_size_is_rejected(
    start_scp: Any, raw_peer: Any, size: int, kind: int
) -> None:
    peer = raw_peer(start_scp())
    request_pdu = peer.association_request(BOTH)
    announced = struct.pack(">BBHL", 0x51, 0, 4, 16384)
    assert announced in request_pdu
    peer.socket.sendall(request_pdu.replace(announced, struct.pack(">BBHL", 0x51, 0, 4, size)))
    assert peer.read_pdu()[0] == kind
    peer.close()


def test_what_breaks_an_associations_thread_aborts_it_and_nothing_else(
    start_scp: Any, sink: Any, raw_peer: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Any, __: Any) -> None:
        message = "SECRET^PATIENT"
        raise ValueError(message)

    scp = start_scp()
    with monkeypatch.context() as patch:
        patch.setattr("dicom_io.dispatch._response", broken)
        peer = raw_peer(scp)
        peer.associate(BOTH)
        peer.send_pdv(3, 0x03, peer.command(UNSERVED["C-FIND"]))
        assert peer.read_pdu()[0] == ABORT
        assert sink.only_summary().how == "aborted"
    assert [record.getMessage() for record in caplog.records] == ["association_broke"]
    other = raw_peer(scp)
    other.associate(BOTH)
    other.release()
