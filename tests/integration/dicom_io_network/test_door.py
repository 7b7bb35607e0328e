"""The door on the wire: who is rejected, which contexts are refused, and what a denied request is answered."""

import ipaddress
from typing import Any

import pytest

from dicom_io.door import Door, KnownPeer, Verb

CT, VERIFICATION = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1"
EXPLICIT = "1.2.840.10008.1.2.1"
REJECTED = 0x03
PERMANENT_USER_CALLING_AE_TITLE = (1, 1, 3)
NOT_SUPPORTED = 3
BOTH = [(1, VERIFICATION, [EXPLICIT]), (3, CT, [EXPLICIT])]
HERE, ELSEWHERE = ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("10.0.0.0/8")


def rejection(peer: Any, calling: str) -> tuple[int, ...]:
    """Ask for an association and return result, source and reason of the rejection (PS3.8 9.3.4)."""
    peer.socket.sendall(peer.association_request(BOTH, calling=calling))
    kind, body = peer.read_pdu()
    assert kind == REJECTED
    return tuple(body[1:4])


def test_only_listed_peers_are_accepted_where_nothing_is_open_to_others(
    start_scp: Any, sink: Any, raw_peer: Any
) -> None:
    scp = start_scp(door=Door([KnownPeer(ae_title="SCANNER"), KnownPeer(ae_title="PACS")], anyone_may=()))
    assert rejection(raw_peer(scp), "STRANGER") == PERMANENT_USER_CALLING_AE_TITLE
    peer = raw_peer(scp)
    assert peer.associate(calling="PACS") == {1: EXPLICIT}
    peer.release()
    assert [summary.how for summary in sink.wait(summaries=2).summaries] == ["rejected", "released"]


def test_a_listed_ae_title_is_rejected_from_an_address_that_is_not_listed(start_scp: Any, raw_peer: Any) -> None:
    known = KnownPeer(ae_title="HERE", addresses=(ELSEWHERE, HERE)), KnownPeer(ae_title="AWAY", addresses=(ELSEWHERE,))
    scp = start_scp(door=Door(known))
    assert rejection(raw_peer(scp), "AWAY") == PERMANENT_USER_CALLING_AE_TITLE
    for title in ("HERE", "STRANGER"):
        peer = raw_peer(scp)
        assert peer.associate(BOTH, calling=title) == {1: EXPLICIT, 3: EXPLICIT}
        peer.release()


def test_a_rejected_caller_takes_no_place_of_an_association(start_scp: Any, raw_peer: Any) -> None:
    scp = start_scp(door=Door([KnownPeer(ae_title="XRAY")], anyone_may=()), maximum_associations=1)
    for _ in range(3):
        assert rejection(raw_peer(scp), "STRANGER") == PERMANENT_USER_CALLING_AE_TITLE
    peer = raw_peer(scp)
    assert peer.associate(calling="XRAY") == {1: EXPLICIT}
    peer.release()


@pytest.mark.parametrize(
    ("verb", "accepted"),
    [
        (Verb.ECHO, {1: EXPLICIT, 3: NOT_SUPPORTED}),
        (Verb.STORE, {1: NOT_SUPPORTED, 3: EXPLICIT}),
        (Verb.FIND, {1: NOT_SUPPORTED, 3: NOT_SUPPORTED}),
    ],
)
def test_the_context_of_a_service_that_is_not_open_to_the_peer_is_refused(
    start_scp: Any, raw_peer: Any, verb: Verb, accepted: dict[int, str | int]
) -> None:
    peer = raw_peer(start_scp(door=Door(anyone_may=[verb])))
    assert peer.associate(BOTH) == accepted
    peer.release()


def test_a_store_that_comes_all_the_same_is_not_authorised(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Storage context may have been accepted for something else, such as a C-GET."""
    monkeypatch.setattr("dicom_io.negotiation.verb_of", lambda *_, **__: Verb.ECHO)
    peer = raw_peer(start_scp(door=Door(anyone_may=[Verb.ECHO])))
    assert peer.associate() == {1: EXPLICIT}
    assert status(peer.store(sample().dataset)) == 0x0124
    peer.release()
    assert sink.instances == []
    assert sink.only_summary().refused == 1
