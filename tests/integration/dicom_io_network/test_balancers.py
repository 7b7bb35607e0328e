"""Behind a load balancer: who really calls is told by the PROXY protocol, and believed from listed balancers only."""

import ipaddress
import random
import socket
import struct
from contextlib import closing
from typing import Any

import pytest

from dicom_io.door import Door, KnownPeer
from dicom_io.errors import ProxyHeaderError
from dicom_io.proxy_protocol import read_header

HERE = (ipaddress.ip_network("127.0.0.0/8"),)
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
REJECTED, HUNG_UP = 0x03, 0
TROUBLE = "expected a PROXY header from a balancer. Received: "


def version_2(command: int, family: int, rest: bytes) -> bytes:
    return SIGNATURE + struct.pack(">BBH", command, family, len(rest)) + rest


def addresses(source: str, destination: str, more: bytes = b"") -> bytes:
    packed = b"".join(ipaddress.ip_address(one).packed for one in (source, destination))
    return packed + struct.pack(">HH", 40000, 104) + more


LOCAL = version_2(0x20, 0x00, b"")
HEADERS = {
    "10.1.2.3": [
        b"PROXY TCP4 10.1.2.3 10.0.0.1 40000 104\r\n",
        version_2(0x21, 0x11, addresses("10.1.2.3", "10.0.0.1")),
        version_2(0x21, 0x11, addresses("10.1.2.3", "10.0.0.1", b"\x03\x00\x04\x01\x02\x03\x04")),
    ],
    "2001:db8::7": [
        b"PROXY TCP6 2001:DB8::7 2001:db8::1 40000 104\r\n",
        version_2(0x21, 0x21, addresses("2001:db8::7", "2001:db8::1")),
    ],
    "127.0.0.1": [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff:: ffff:: 1 2\r\n", version_2(0x21, 0x00, b""), LOCAL],
}
HOSTILE = [
    b"\x01\x00\x00\x00\x00\xcd" + bytes(64),  # a request for an association without a header
    b"PROXY TCP4 10.1.2.3 10.0.0.1 40000 104\n" + b"x" * 80,
    b"PROXY TCP4 10.1.2.3 10.0.0.1 40000\r\n",
    b"PROXY TCP4 10.1.2.300 10.0.0.1 40000 104\r\n",
    b"PROXY TCP4 2001:db8::7 10.0.0.1 40000 104\r\n",
    b"PROXY TCP4 10.1.2.3 10.0.0.1 65536 104\r\n",
    b"PROXY TCP4 10.1.2.3 10.0.0.1 040 104\r\n",
    b"PROXY TCP5 10.1.2.3 10.0.0.1 40000 104\r\n",
    b"PROXY UDP4 PATIENT^NAME 10.0.0.1 40000 104\r\n",
    b"PROXY " + b"A" * 200,
    version_2(0x11, 0x11, addresses("10.1.2.3", "10.0.0.1")),
    version_2(0x22, 0x11, addresses("10.1.2.3", "10.0.0.1")),
    version_2(0x21, 0x12, addresses("10.1.2.3", "10.0.0.1")),
    version_2(0x21, 0x31, bytes(216)),
    version_2(0x21, 0x11, bytes(11)),
    version_2(0x21, 0x21, addresses("10.1.2.3", "10.0.0.1")),
    SIGNATURE + b"\x21\x11\xff\xff" + bytes(100),
]


@pytest.mark.parametrize(("address", "header"), [(who, one) for who, headers in HEADERS.items() for one in headers])
def test_the_address_that_a_balancer_tells_is_the_peers_in_the_allow_list_and_in_the_summary(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, address: str, header: bytes
) -> None:
    known = [
        KnownPeer(ae_title="THERE", addresses=(ipaddress.ip_network(address),)),
        KnownPeer(ae_title="ELSEWHERE", addresses=(ipaddress.ip_network("192.0.2.1"),)),
    ]
    scp = start_scp(balancers=HERE, door=Door(known, anyone_may=()))
    refused, peer = raw_peer(scp), raw_peer(scp)
    contexts = [(1, "1.2.840.10008.1.1", ["1.2.840.10008.1.2"])]
    refused.socket.sendall(header + refused.association_request(contexts, calling="ELSEWHERE"))
    assert refused.read_pdu()[0] == REJECTED
    for number in range(len(header)):
        peer.socket.sendall(header[number : number + 1])
    peer.associate(calling="THERE")
    peer.store(sample().dataset)
    peer.release()
    stored = sink.wait(instances=1).instances[0]
    assert stored.peer_address == address
    scp.stop(5)
    told = {summary.how: summary.peer_address for summary in sink.summaries}
    rejected = {} if address == "127.0.0.1" else {"rejected": address}  # of the balancer itself nobody is told
    assert told == {"released": address, **rejected}


@pytest.mark.parametrize("header", HOSTILE)
def test_whatever_else_a_balancer_sends_is_hung_up_on_with_one_summary_that_quotes_none_of_it(
    start_scp: Any, sink: Any, raw_peer: Any, header: bytes
) -> None:
    scp = start_scp(balancers=HERE)
    peer = raw_peer(scp)
    peer.socket.sendall(header)
    assert peer.read_pdu()[0] == HUNG_UP
    summary = sink.only_summary()
    assert (summary.how, summary.peer_address) == ("aborted", "127.0.0.1")
    assert summary.trouble.startswith(TROUBLE)
    assert "PATIENT" not in summary.trouble


def test_a_header_that_does_not_come_to_its_end_is_waited_for_no_longer_than_a_request(
    start_scp: Any, sink: Any, raw_peer: Any
) -> None:
    scp = start_scp(balancers=HERE, acse_timeout=0.2)
    silent, slow = raw_peer(scp), raw_peer(scp)
    slow.socket.sendall(SIGNATURE)
    assert (silent.read_pdu()[0], slow.read_pdu()[0]) == (HUNG_UP, HUNG_UP)
    assert {one.trouble for one in sink.wait(summaries=2).summaries} == {TROUBLE + "none in time"}


def test_nobody_but_a_listed_balancer_is_believed(start_scp: Any, sink: Any, raw_peer: Any) -> None:
    elsewhere = (ipaddress.ip_network("192.0.2.0/24"),)
    for scp in (start_scp(), start_scp(balancers=elsewhere)):
        peer = raw_peer(scp)
        peer.socket.sendall(HEADERS["10.1.2.3"][0] + peer.association_request([]))
        assert peer.read_pdu()[0] in (HUNG_UP, 0x07)
    assert {one.peer_address for one in sink.wait(summaries=2).summaries} == {"127.0.0.1"}
    peer = raw_peer(scp)
    peer.associate()  # who is no balancer needs no header
    peer.release()


def test_a_balancers_own_checks_are_told_to_nobody(start_scp: Any, sink: Any, raw_peer: Any) -> None:
    """Bare connections, also reset ones, headers without anything behind, and requests that it gives up."""
    scp = start_scp(balancers=HERE)
    for said in (b"", LOCAL, LOCAL + raw_peer(scp).association_request([], calling="HAPROXY")):
        with closing(socket.create_connection(("127.0.0.1", scp.port))) as peer:
            peer.sendall(said)
            if said.endswith(b"0"):
                peer.recv(1)
    with closing(socket.create_connection(("127.0.0.1", scp.port))) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    scp.stop(5)
    assert sink.summaries == []


def test_who_calls_through_a_balancer_and_says_nothing_is_told_of(start_scp: Any, sink: Any) -> None:
    scp = start_scp(balancers=HERE)
    with closing(socket.create_connection(("127.0.0.1", scp.port))) as peer:
        peer.sendall(HEADERS["10.1.2.3"][0])
    assert sink.only_summary().peer_address == "10.1.2.3"


def test_connections_without_a_request_are_counted_for_who_calls_and_not_for_the_balancer(
    start_scp: Any, sink: Any, raw_peer: Any
) -> None:
    scp = start_scp(balancers=HERE)
    waiting = [raw_peer(scp) for _ in range(129)]
    for peer in waiting:
        peer.socket.sendall(HEADERS["10.1.2.3"][0])
    assert sink.wait(summaries=1).summaries[0].trouble == "too many connections without a request"
    other = raw_peer(scp)
    other.socket.sendall(HEADERS["2001:db8::7"][0])
    other.associate()
    other.release()


def test_no_bytes_whatever_raise_anything_but_a_refusal() -> None:
    chance = random.Random(6)  # noqa: S311 - repeatable, not secret
    valid = [header for headers in HEADERS.values() for header in headers]
    for _ in range(2000):
        data = bytearray(chance.choice(valid) + chance.randbytes(chance.randrange(40)))
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(data[: chance.randrange(len(data) + 1)])
            theirs.shutdown(socket.SHUT_WR)
            try:
                address = read_header(ours, 5)
            except (EOFError, ProxyHeaderError):
                continue
            assert address is None or ipaddress.ip_address(address)
