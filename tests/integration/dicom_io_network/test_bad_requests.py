"""Whatever stands in a C-STORE request, it is answered with a status and the association stays up."""

import struct
from pathlib import Path
from typing import Any

import pytest

SOP_CLASS, INSTANCE, MESSAGE_RESPONDED = 0x00000002, 0x00001000, 0x00000120
EXPLICIT = "1.2.840.10008.1.2.1"
VERIFICATION = "1.2.840.10008.1.1"
LONG_UID = b"1.2." + b"1" * 61


@pytest.mark.parametrize(
    "uid",
    [LONG_UID, b"../../etc", b"", b"1.2.3\\4.5", b"1.02.3", b"\xff\xfe", b"1" * 1000, b"SECRET^PATIENT"],
    ids=["65 characters", "path", "empty", "two values", "leading zero", "no ASCII", "1000 characters", "text"],
)
def test_any_affected_sop_instance_uid_gets_a_status_and_the_association_stays_up(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any, uid: bytes
) -> None:
    sink.answer = lambda _: 0xC000
    peer = raw_peer(start_scp())
    peer.associate()
    response = peer.store(sample().dataset, peer.store_command(uid))
    assert status(response) == 0xC000
    assert response[INSTANCE].rstrip(b"\0") == uid
    assert struct.unpack("<H", response[MESSAGE_RESPONDED]) == (7,)
    assert sink.instances[0].affected_sop_instance_uid == uid.decode("latin-1")
    sink.answer = lambda _: 0x0000
    assert status(peer.store(sample().dataset)) == 0x0000
    peer.release()
    summary = sink.only_summary()
    assert (summary.how, summary.stored, summary.refused) == ("released", 1, 1)


@pytest.mark.parametrize("uid", [LONG_UID, b"../../etc", b"", b"1.2.840.10008.5.1.4.1.1.4", b"1.2.840.10008.1.1"])
def test_any_affected_sop_class_uid_gets_a_status_and_is_handed_on_as_it_came(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any, uid: bytes
) -> None:
    peer = raw_peer(start_scp())
    peer.associate()
    response = peer.store(sample().dataset, peer.store_command(sop_class=uid))
    assert status(response) == 0x0000
    assert response[SOP_CLASS].rstrip(b"\0") == uid
    assert sink.instances[0].affected_sop_class_uid == uid.decode()
    peer.release()


@pytest.mark.parametrize(
    "change",
    [
        {"_00000700": b"\7\0"},
        {"_00000700": b"absent"},
        {"_00000110": b"absent"},
        {"_00000110": b"\1"},
        {"_00000002": b"absent"},
        {"_00001000": b"absent"},
        {"_00001030": b"AN AE TITLE THAT IS FAR TOO LONG", "_00001031": b"\1\0\2\0"},
        {"_00009999": b"\0\1\2\3"},
    ],
    ids=lambda change: " ".join(f"{name}={value[:8]!r}" for name, value in change.items()),
)
def test_odd_and_missing_command_elements_get_a_status(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any, change: Any
) -> None:
    peer = raw_peer(start_scp())
    peer.associate()
    assert status(peer.store(sample().dataset, peer.store_command(**change))) == 0x0000
    peer.release()
    assert sink.only_summary().how == "released"


def test_uids_of_the_dataset_are_not_looked_at(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any
) -> None:
    """The SCP stores bytes; what they say is for the sink to judge."""
    peer = raw_peer(start_scp())
    peer.associate()
    odd = sample(LONG_UID.decode(), sop_class_uid="../../etc").dataset
    assert status(peer.store(odd)) == 0x0000
    assert sink.instances[0].data.endswith(odd)
    peer.release()


@pytest.mark.parametrize("dataset", [b"", b"\1", b"\xff" * 33, b"GET / HTTP/1.1\r\n\r\n"])
def test_a_dataset_that_is_none_is_handed_on_byte_by_byte(
    start_scp: Any, sink: Any, raw_peer: Any, status: Any, dataset: bytes
) -> None:
    peer = raw_peer(start_scp())
    peer.associate()
    assert status(peer.store(dataset)) == 0x0000
    assert sink.instances[0].data.endswith(b"TIBABU" + dataset)
    peer.release()


def test_a_request_without_a_dataset_gets_a_status(start_scp: Any, sink: Any, raw_peer: Any, status: Any) -> None:
    peer = raw_peer(start_scp())
    peer.associate()
    peer.send_pdv(1, 0x03, peer.store_command(_00000800=b"\1\1"))
    assert status(peer.read_response()) == 0x0000
    assert sink.instances[0].data.endswith(b"TIBABU")
    peer.release()


def test_requests_that_do_not_wait_for_their_answers_are_all_answered_with_their_own_uids(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any
) -> None:
    peer = raw_peer(start_scp())
    peer.associate()
    uids = [f"1.2.{number}".encode() for number in range(20)] + [LONG_UID]
    for uid in uids:
        peer.send_pdv(1, 0x03, peer.store_command(uid))
        peer.send_pdv(1, 0x02, sample().dataset)
    assert [peer.read_response()[INSTANCE].rstrip(b"\0") for _ in uids] == uids
    peer.release()
    assert sink.only_summary().stored == len(uids)


@pytest.mark.parametrize("way", ["plain", "command in two fragments", "no dataset"])
def test_a_store_under_the_verification_context_is_refused_by_a_c_store_response(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any, tmp_path: Path, way: str
) -> None:
    """The library would answer it with a C-ECHO response that says success, or with a status that nobody documents."""
    peer = raw_peer(start_scp())
    peer.associate([(1, VERIFICATION, [EXPLICIT])])
    command = peer.store_command(**({"_00000800": b"\1\1"} if way == "no dataset" else {}))
    head = 30 if way == "command in two fragments" else 0
    if head:
        peer.send_pdv(1, 0x01, command[:head])
    peer.send_pdv(1, 0x03, command[head:])
    if way != "no dataset":
        peer.send_pdv(1, 0x02, sample().dataset)
    response = peer.read_response()
    assert status(response) == 0x0122
    assert response[0x00000100] == b"\x01\x80"
    assert (sink.instances, list(tmp_path.iterdir())) == ([], [])
    assert status(peer.echo()) == 0x0000
    peer.release()
