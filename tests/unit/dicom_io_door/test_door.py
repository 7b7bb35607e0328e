"""Who may do what: by AE title and address together, verb by verb."""

import ipaddress

import pytest

from dicom_io.door import MODALITY_VERBS, STRANGER_VERBS, Door, KnownPeer, Network, Verb
from dicom_io.peer import Peer

PACS = Peer("PACS", "10.0.0.5", 104)


def networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


def test_strangers_may_do_what_modalities_do_and_never_read() -> None:
    assert Door().verbs("ANY", "192.0.2.1") == STRANGER_VERBS == {Verb.ECHO, Verb.STORE, Verb.COMMIT}
    assert not {Verb.FIND, Verb.MOVE, Verb.GET} & MODALITY_VERBS


def test_nothing_is_open_to_strangers_when_so_configured() -> None:
    door = Door([KnownPeer(ae_title="XRAY")], anyone_may=())
    assert door.verbs("ANY", "192.0.2.1") == frozenset()
    assert door.verbs("XRAY", "192.0.2.1") == MODALITY_VERBS


def test_a_listed_peer_may_only_what_its_entry_says_although_strangers_may_more() -> None:
    door = Door([KnownPeer(ae_title="READER", may=frozenset({Verb.FIND}))])
    assert door.may("READER", "192.0.2.1", Verb.FIND)
    assert not door.may("READER", "192.0.2.1", Verb.STORE)


@pytest.mark.parametrize(
    ("address", "is_open"),
    [
        ("10.0.0.5", True),
        ("10.0.7.9", True),
        ("10.0.7.16", False),
        ("10.0.0.6", False),
        ("::ffff:10.0.0.5", True),
        ("2001:db8::1", True),
        ("fe80::1%eth0", True),
        ("fe81::1%eth0", False),
    ],
)
def test_a_listed_ae_title_is_refused_from_any_address_that_is_not_listed(address: str, is_open: bool) -> None:  # noqa: FBT001
    listed = networks("10.0.0.5", "10.0.7.0/28", "2001:db8::/64", "fe80::/16")
    door = Door([KnownPeer(ae_title="XRAY", addresses=listed)])
    assert door.may("XRAY", address, Verb.STORE) is is_open
    assert door.may("OTHER", address, Verb.STORE)


def test_spaces_around_an_ae_title_do_not_count_and_its_case_does() -> None:
    door = Door([KnownPeer(ae_title=" XRAY ", listens=PACS)], anyone_may=())
    assert door.may("XRAY", "10.0.0.1", Verb.STORE)
    assert not door.may("xray", "10.0.0.1", Verb.STORE)
    assert door.peer_of("XRAY  ") == PACS


def test_a_peer_is_called_where_its_entry_says_that_it_listens() -> None:
    door = Door([KnownPeer(ae_title="PACS", listens=PACS), KnownPeer(ae_title="XRAY")])
    assert [door.peer_of(title) for title in ("PACS", "XRAY", "OTHER")] == [PACS, None, None]


def test_a_move_goes_only_where_the_caller_may_move_to_and_somebody_listens() -> None:
    mover = KnownPeer(
        ae_title="READER",
        addresses=networks("10.0.0.1"),
        may=frozenset({Verb.MOVE}),
        move_destinations=frozenset({"PACS", "DEAF"}),
    )
    idle = KnownPeer(ae_title="IDLE", move_destinations=frozenset({"PACS"}))
    listening = KnownPeer(ae_title="PACS", listens=PACS), KnownPeer(ae_title="WALL", listens=Peer("WALL", "w", 104))
    door = Door([mover, idle, KnownPeer(ae_title="DEAF"), *listening], anyone_may=[Verb.MOVE])
    assert door.move_destination("READER", "10.0.0.1", "PACS ") == PACS
    assert door.move_destination("READER", "10.0.0.2", "PACS") is None, "expected another address to be refused"
    assert door.move_destination("READER", "10.0.0.1", "WALL") is None, "expected only listed destinations"
    assert door.move_destination("READER", "10.0.0.1", "DEAF") is None, "expected a place to send to"
    assert door.move_destination("IDLE", "10.0.0.1", "PACS") is None, "expected the verb to be needed"
    assert door.move_destination("STRANGER", "10.0.0.1", "PACS") is None, "expected destinations to be listed"


def test_an_ae_title_stands_in_the_list_once() -> None:
    with pytest.raises(ValueError, match="Received twice: 'XRAY '"):
        Door([KnownPeer(ae_title="XRAY"), KnownPeer(ae_title="XRAY ")])


def test_what_is_no_ae_title_cannot_be_listed() -> None:
    with pytest.raises(ValueError, match="expected an AE title"):
        KnownPeer(ae_title="SEVENTEEN LETTERS")
