"""Every Storage SOP Class in every transfer syntax is accepted, in our order of preference, whatever the peer's."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.uid import UID_dictionary

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
PRIVATE_CLASS, PRIVATE_SYNTAX = "1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.99999.2"
FUTURE_CLASS = "1.2.840.10008.5.1.4.1.1.9999.1"
VERIFICATION = "1.2.840.10008.1.1"
EXPLICIT, IMPLICIT, DEFLATED, BIG_ENDIAN = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
)
JPEG, JPEG_LOSSLESS, J2K, J2K_LOSSLESS, JPIP, UNKNOWN = (
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.94",
    "1.2.840.10008.1.2.999",
)
ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
TRANSFER_SYNTAXES_NOT_SUPPORTED = 4
TOO_LONG = "1.2." + "1" * 61
_SERVICES = {"1.2.840.10008.1.3.10", "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.2"}
STORAGE = sorted(
    uid
    for uid, (name, kind, *_) in UID_dictionary.items()
    if kind == "SOP Class" and "Storage" in name and uid not in _SERVICES
)
SYNTAXES = sorted(uid for uid, (_, kind, *_) in UID_dictionary.items() if kind == "Transfer Syntax")


def _proposals(values: Any) -> Iterator[Any]:
    """Part into associations of at most 128 contexts."""
    for start in range(0, len(values), 128):
        yield values[start : start + 128]


def test_every_storage_sop_class_is_accepted_retired_ones_too(start_scp: Any, raw_peer: Any) -> None:
    assert len(STORAGE) > 200
    assert "1.2.840.10008.5.1.4.1.1.6" in STORAGE, "expected retired classes in pydicom's dictionary"
    scp = start_scp()
    for part in _proposals([*STORAGE, FUTURE_CLASS]):
        peer = raw_peer(scp)
        answers = peer.associate([(2 * place + 1, uid, [J2K]) for place, uid in enumerate(part)])
        assert answers == {2 * place + 1: J2K for place in range(len(part))}
        peer.release()


def test_every_transfer_syntax_is_accepted_unknown_and_private_ones_too(start_scp: Any, raw_peer: Any) -> None:
    peer = raw_peer(start_scp())
    syntaxes = [*SYNTAXES, UNKNOWN, PRIVATE_SYNTAX]
    answers = peer.associate([(2 * place + 1, CT, [syntax]) for place, syntax in enumerate(syntaxes)])
    assert answers == {2 * place + 1: syntax for place, syntax in enumerate(syntaxes)}
    peer.release()


@pytest.mark.parametrize(
    ("wanted", "others"),
    [
        (EXPLICIT, [IMPLICIT, DEFLATED, BIG_ENDIAN, JPEG_LOSSLESS, JPEG, UNKNOWN]),
        (IMPLICIT, [DEFLATED, BIG_ENDIAN, J2K_LOSSLESS, J2K, PRIVATE_SYNTAX]),
        (DEFLATED, [BIG_ENDIAN, JPEG_LOSSLESS, JPEG, JPIP]),
        (BIG_ENDIAN, [JPEG_LOSSLESS, JPEG]),
        (JPEG_LOSSLESS, [JPEG, J2K, PRIVATE_SYNTAX, UNKNOWN, JPIP]),
        (J2K_LOSSLESS, [J2K, JPEG]),
        (JPEG, [UNKNOWN, PRIVATE_SYNTAX, JPIP]),
    ],
)
def test_the_most_useful_offered_transfer_syntax_is_taken_whatever_the_peers_order(
    start_scp: Any, raw_peer: Any, wanted: str, others: list[str]
) -> None:
    scp = start_scp()
    for order in ([*others, wanted], [wanted, *others], [*reversed(others), wanted]):
        peer = raw_peer(scp)
        assert peer.associate([(1, CT, order)]) == {1: wanted}
        peer.release()


def test_each_context_is_settled_by_what_is_offered_in_it(start_scp: Any, raw_peer: Any) -> None:
    peer = raw_peer(start_scp())
    answers = peer.associate([(1, CT, [JPEG]), (3, CT, [IMPLICIT, EXPLICIT]), (5, CT, [UNKNOWN, J2K_LOSSLESS])])
    assert answers == {1: JPEG, 3: EXPLICIT, 5: J2K_LOSSLESS}
    peer.release()


@pytest.mark.parametrize("sop_class", [PRIVATE_CLASS, "1.2.840.10008.9.9.9"])
def test_unknown_sop_classes_are_accepted_if_configured_and_what_is_sent_is_stored(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any, sop_class: str
) -> None:
    peer = raw_peer(start_scp())
    assert peer.associate([(1, sop_class, [EXPLICIT]), (3, CT, [EXPLICIT])]) == {1: 3, 3: EXPLICIT}
    peer.release()
    peer = raw_peer(start_scp(accept_unknown_sop_classes=True))
    assert peer.associate([(1, sop_class, [PRIVATE_SYNTAX])]) == {1: PRIVATE_SYNTAX}
    command = peer.store_command(sop_class=sop_class.encode())
    assert status(peer.store(sample().dataset, command)) == 0x0000
    assert (sink.instances[0].affected_sop_class_uid, sink.instances[0].transfer_syntax_uid) == (
        sop_class,
        PRIVATE_SYNTAX,
    )
    peer.release()


@pytest.mark.parametrize(
    "sop_class",
    [
        "1.2.840.10008.5.1.4.1.2.1.1",  # Patient Root FIND
        "1.2.840.10008.1.20.1",  # Storage Commitment
        "1.2.840.10008.1.3.10",  # Media Storage Directory Storage
        "1.2.840.10008.5.1.4.1.1.201.2",  # Inventory FIND
        "1.2.840.10008.4.2",  # a Service Class
        EXPLICIT,
    ],
)
def test_what_is_not_storage_is_refused_as_an_abstract_syntax(start_scp: Any, raw_peer: Any, sop_class: str) -> None:
    peer = raw_peer(start_scp(accept_unknown_sop_classes=True))
    assert peer.associate([(1, sop_class, [EXPLICIT])]) == {1: 3}
    peer.release()


def test_retired_and_private_objects_are_stored_and_answered(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any
) -> None:
    """Negotiating a class is one thing; pynetdicom aborts on a request of a class that it does not know."""
    classes = ["1.2.840.10008.5.1.4.1.1.6", "1.2.840.10008.5.1.1.27", "1.2.840.10008.5.1.4.38.1", FUTURE_CLASS]
    peer = raw_peer(start_scp())
    peer.associate([(2 * place + 1, uid, [UNKNOWN]) for place, uid in enumerate(classes)])
    for place, uid in enumerate(classes):
        command = peer.store_command(sop_class=uid.encode())
        assert status(peer.store(sample().dataset, command, context=2 * place + 1)) == 0x0000
    assert [instance.affected_sop_class_uid for instance in sink.instances] == classes
    assert {instance.transfer_syntax_uid for instance in sink.instances} == {UNKNOWN}
    peer.release()


def test_odd_uids_in_a_proposal_disturb_nothing(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any
) -> None:
    peer = raw_peer(start_scp())
    odd = [(3, "1.02.3", [EXPLICIT]), (5, CT, ["1.2.840.10008.01.2", "nonsense"]), (7, CT, [])]
    long = [
        (9, TOO_LONG, [EXPLICIT]),
        (11, CT, [TOO_LONG]),
        (13, CT, [TOO_LONG, EXPLICIT]),
        (15, "", [EXPLICIT]),
        (17, "\xff\xfe", [EXPLICIT]),
    ]
    answers = peer.associate([(1, CT, [EXPLICIT]), *odd, *long])
    refused = dict.fromkeys((3, 7, 9, 11, 15, 17), ABSTRACT_SYNTAX_NOT_SUPPORTED)
    assert answers == {1: EXPLICIT, 5: "1.2.840.10008.01.2", 13: EXPLICIT} | refused
    assert status(peer.store(sample().dataset)) == 0x0000
    peer.release()
    assert sink.only_summary().how == "released"


def test_a_transfer_syntax_that_is_no_uid_is_never_agreed_on(start_scp: Any, raw_peer: Any) -> None:
    """It would be handed on: in file meta information, and in the headers of DICOMweb's answers."""
    peer = raw_peer(start_scp())
    smuggled = "1.2\r\nX-Smuggled: 1"
    answers = peer.associate([(1, CT, [EXPLICIT]), (3, CT, [smuggled]), (5, CT, [smuggled, EXPLICIT]), (7, MR, ["no"])])
    assert answers == {
        1: EXPLICIT,
        3: TRANSFER_SYNTAXES_NOT_SUPPORTED,
        5: EXPLICIT,
        7: ABSTRACT_SYNTAX_NOT_SUPPORTED,
    }
    peer.release()


@pytest.mark.parametrize(
    "context",
    [(2, CT, [EXPLICIT]), (0, CT, [EXPLICIT])],
    ids=["even context ID", "context ID 0"],
)
def test_a_proposal_against_the_rules_ends_its_own_association_only(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any, context: Any
) -> None:
    scp = start_scp()
    neighbour = raw_peer(scp)
    neighbour.associate()
    peer = raw_peer(scp)
    peer.socket.sendall(peer.association_request([context]))
    assert peer.read_pdu()[0] in (0x00, 0x07)
    assert sink.wait(summaries=1).summaries[0].how == "aborted"
    assert status(neighbour.store(sample().dataset)) == 0x0000
    neighbour.release()


def test_ae_titles_that_are_padded_with_nul_are_those_without(
    start_scp: Any, sink: Any, raw_peer: Any, sample: Any, status: Any
) -> None:
    """Old devices do so; the titles are compared with those of the configuration, and kept with the Instance."""
    peer = raw_peer(start_scp(require_called_ae_title=True))
    peer.associate(called="TIBABU".ljust(16, "\0"), calling="MODALITY".ljust(12, "\0"))
    assert status(peer.store(sample().dataset)) == 0x0000
    (instance,) = sink.instances
    assert (instance.calling_ae_title.strip(), instance.called_ae_title.strip()) == ("MODALITY", "TIBABU")
