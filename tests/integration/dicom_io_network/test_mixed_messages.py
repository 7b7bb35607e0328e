"""C-STORE requests past pynetdicom, between messages that go through it: no byte gets into another message.

The plain request is taken by `SpoolingDimse.take`; everything else in the same association goes the long way.
"""

import struct
from typing import Any

import pytest

CT, VERIFICATION = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1"
EXPLICIT = "1.2.840.10008.1.2.1"
BOTH = [(1, CT, [EXPLICIT]), (3, VERIFICATION, [EXPLICIT]), (5, "1.2.840.10008.5.1.4.1.1.4", [EXPLICIT])]
ABORT, RELEASE_RESPONSE, HUNG_UP = 0x07, 0x06, 0x00
ECHO = {0x00000002: b"1.2.840.10008.1.1\0", 0x00000100: b"\x30\0", 0x00000110: b"\x09\0", 0x00000800: b"\1\1"}
CANCEL = {0x00000100: b"\xff\x0f", 0x00000120: b"\7\0", 0x00000800: b"\1\1"}


def p_data(*values: bytes) -> bytes:
    """Put the values of several PDUs into one."""
    body = b"".join(value[6:] for value in values)
    return struct.pack(">BBL", 0x04, 0, len(body)) + body


def said(peer: Any) -> tuple[int, int, int]:
    """Return command field, the message that was responded to, and status."""
    response = peer.read_response()
    return tuple(struct.unpack("<H", response[tag])[0] for tag in (0x00000100, 0x00000120, 0x00000900))  # type: ignore[return-value]


def test_requests_and_an_echo_and_a_cancel_in_one_segment_are_each_served_in_order(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any
) -> None:
    peer = raw_peer(start_scp())
    peer.associate(BOTH)
    one, other = sample().dataset, sample(pixels=b"other" * 9000).dataset
    peer.socket.sendall(
        peer.pdv(1, 0x03, peer.store_command(message=1))
        + peer.pdv(1, 0x02, one)
        + peer.pdv(3, 0x03, peer.command(ECHO))
        + peer.pdv(1, 0x03, peer.command(CANCEL))
        + peer.pdv(1, 0x03, peer.store_command(message=2))
        + peer.pdv(1, 0x00, other[:40_000])
        + peer.pdv(1, 0x02, other[40_000:])
    )
    assert [said(peer) for _ in range(3)] == [(0x8001, 1, 0), (0x8030, 9, 0), (0x8001, 2, 0)]
    peer.release()
    assert [instance.data.endswith(data) for instance, data in zip(sink.instances, (one, other), strict=True)] == [
        True,
        True,
    ]


@pytest.mark.parametrize("cut", [1, 20, 300])
def test_fragments_of_command_and_dataset_in_one_pdu_are_told_apart(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, cut: int
) -> None:
    """Also where the dataset's end and the next command are in one, and where the command comes in two pieces."""
    peer = raw_peer(start_scp())
    peer.associate(BOTH)
    dataset, command = sample().dataset, peer.store_command()
    mixed = [
        p_data(peer.pdv(1, 0x03, command), peer.pdv(1, 0x00, dataset[:cut])),
        p_data(
            peer.pdv(1, 0x00, dataset[cut : 2 * cut]),
            peer.pdv(1, 0x02, dataset[2 * cut :]),
            peer.pdv(1, 0x01, command[:30]),
        ),
        p_data(peer.pdv(1, 0x03, command[30:]), peer.pdv(1, 0x02, dataset)),
        p_data(peer.pdv(1, 0x03, command)),
        p_data(peer.pdv(1, 0x00, dataset[:cut]), peer.pdv(1, 0x00, b""), peer.pdv(1, 0x02, dataset[cut:])),
    ]
    peer.socket.sendall(b"".join(mixed))
    assert [said(peer)[2] for _ in range(3)] == [0, 0, 0]
    peer.release()
    assert [instance.data for instance in sink.instances] == [sink.instances[0].data] * 3
    assert sink.instances[0].data.endswith(dataset)


@pytest.mark.parametrize("first", [0x00, 0x02])
def test_a_fragment_under_another_context_than_its_command_ends_the_association(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, tmp_path: Any, first: int
) -> None:
    peer = raw_peer(start_scp())
    peer.associate(BOTH)
    peer.socket.sendall(peer.pdv(1, 0x03, peer.store_command()) + peer.pdv(5, first, sample().dataset))
    assert peer.read_pdu()[0] == ABORT
    assert sink.only_summary().how == "aborted"
    assert (sink.instances, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize(
    ("leave", "answer"),
    [
        (struct.pack(">BBLL", 0x05, 0, 4, 0), RELEASE_RESPONSE),
        (struct.pack(">BBLL", 0x07, 0, 4, 0), HUNG_UP),
        (struct.pack(">BBL", 0x04, 0, 0), ABORT),
        (struct.pack(">BBLLBB", 0x04, 0, 10, 400, 1, 0) + bytes(4), ABORT),
        (struct.pack(">BBLLBB", 0x04, 0, 6, 1, 1, 0), ABORT),
    ],
    ids=["release", "abort", "no fragment", "longer than its PDU", "shorter than its head"],
)
@pytest.mark.parametrize("begun", [0, 1, 200_000])
def test_what_was_begun_and_not_ended_is_no_instance_and_leaves_no_file(
    start_scp: Any, sink: Any, raw_peer: Any, tmp_path: Any, leave: bytes, answer: int, begun: int
) -> None:
    peer = raw_peer(start_scp(acse_timeout=60))
    peer.associate(BOTH)
    fragments = b"".join(peer.pdv(1, 0x00, bytes(size)) for size in (begun // 2, begun - begun // 2) if size)
    peer.socket.sendall(peer.pdv(1, 0x03, peer.store_command()) + fragments + leave)
    if answer == ABORT and leave[6:] == b"":  # it says nothing: only what comes next is out of turn
        peer.socket.sendall(peer.pdv(1, 0x03, peer.store_command()))
    assert peer.read_pdu()[0] == answer
    peer.close()
    assert sink.only_summary().how == ("released" if answer == RELEASE_RESPONSE else "aborted")
    assert (sink.instances, list(tmp_path.iterdir())) == ([], [])


def test_what_breaks_in_the_middle_of_reading_aborts_its_association_and_nothing_else(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ValueError

    scp = start_scp()
    with monkeypatch.context() as patch:
        patch.setattr("dicom_io.reception.encode_file_meta", broken)
        peer = raw_peer(scp)
        peer.associate()
        peer.send_pdv(1, 0x03, peer.store_command())
        assert peer.read_pdu()[0] == ABORT
        assert sink.only_summary().how == "aborted"
    other = raw_peer(scp)
    other.associate()
    assert status(other.store(sample().dataset)) == 0x0000
    other.release()
