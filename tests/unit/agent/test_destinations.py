"""Destinations: found by name, and what each answer of a PACS means for a delivery."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from agent import destinations
from agent.destinations import Outgoing, mapped
from agent.destinations import dicom as module
from agent.errors import ConfigError, DeliveryError, DestinationDownError, Retry
from dicom_io.errors import (
    AssociationAbortedError,
    AssociationRejectedError,
    NetworkError,
    PeerTimeoutError,
    PeerUnreachableError,
)
from dicom_io.scu import StoreStatus

REPORT = Outgoing("application/dicom", b"report", "1.2.3", "1.2")
SETTINGS = {"name": "pacs", "type": "dicom", "ae_title": "PACS", "host": "10.0.0.5", "port": 104}


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[..., module.Destination]:
    """Return `answering(*statuses or error)`: a destination whose PACS answers so, the last one for ever."""

    def answer(*what: int | Exception) -> module.Destination:
        answers = itertools.chain(what, itertools.repeat(what[-1]))

        def store(_held: object, source: bytes, **_: object) -> StoreStatus:
            assert source == REPORT.data
            found = next(answers)
            if isinstance(found, Exception):
                raise found
            uids = {"sop_class_uid": "1.2", "sop_instance_uid": "1.2.3", "transfer_syntax_uid": "1.2.4"}
            return StoreStatus(index=0, status=found, comment="Doe^Jane", **uids)

        monkeypatch.setattr(module.HeldAssociation, "store", store)
        monkeypatch.setattr(module, "IDLE_SECONDS", 0.01)
        return module.Destination(module.Settings(**SETTINGS), "TIBABU")

    return answer


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xB006, 0xB007])
def test_success_and_the_three_warnings_mean_that_it_is_stored(
    status: int, answering: Callable[..., module.Destination]
) -> None:
    assert answering(status).send(REPORT).startswith(f"{status:04X}")


@pytest.mark.parametrize(
    ("status", "retry"),
    [
        (0x0110, True),  # processing failure
        (0x0111, False),  # duplicate SOP Instance: stored only if we sent it before, which the caller knows
        (0x0117, True),  # invalid SOP Instance
        (0x0122, False),  # SOP Class not supported
        (0x0124, True),  # not authorised
        (0x0210, True),  # duplicate invocation
        (0x0211, True),  # unrecognised operation
        (0x0212, True),  # mistyped argument
        (0xA700, True),  # out of resources
        (0xA7FF, True),
        (0xA900, False),  # data set does not match SOP Class
        (0xA9FF, False),
        (0xAA00, True),
        (0xB001, True),  # no warning of C-STORE
        (0xBFFF, True),
        (0xC000, False),  # cannot understand
        (0xCFFF, False),
        (0xD000, True),
        (0xFE00, True),  # cancelled
        (0xFF00, True),  # pending
    ],
)
def test_every_other_status_is_tried_again_unless_the_same_bytes_cannot_have_better_luck(
    status: int, *, retry: bool, answering: Callable[..., module.Destination]
) -> None:
    with pytest.raises(DeliveryError) as caught:
        answering(status).send(REPORT)
    assert caught.value.retry is retry
    assert caught.value.already_there is (status == 0x0111)
    assert f"{status:04X}" in str(caught.value)
    assert "PACS@10.0.0.5:104" in str(caught.value)


def test_no_status_but_four_means_stored(answering: Callable[..., module.Destination]) -> None:
    destination, stored = answering(*range(0x10000)), []
    for status in range(0x10000):
        try:
            destination.send(REPORT)
        except DeliveryError:
            continue
        stored.append(status)
    assert stored == [0x0000, 0xB000, 0xB006, 0xB007]


@pytest.mark.parametrize("status", [0xA700, 0xB000])
def test_the_peers_comment_which_may_name_the_patient_is_passed_on_to_nobody(
    status: int, answering: Callable[..., module.Destination]
) -> None:
    try:
        said = answering(status).send(REPORT)
    except DeliveryError as error:
        said = str(error)
    assert "Doe" not in said


@pytest.mark.parametrize(
    "error", [PeerUnreachableError, AssociationRejectedError, AssociationAbortedError, PeerTimeoutError, NetworkError]
)
@pytest.mark.parametrize("act", ["send", "ping"])
def test_a_peer_that_does_not_do_its_part_is_tried_again(
    error: type[NetworkError],
    act: str,
    answering: Callable[..., module.Destination],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failure = error("expected a peer. Received: none")
    destination = answering(failure)

    def echo(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(module, "echo", echo)
    with pytest.raises(DeliveryError, match="expected a peer") as caught:
        destination.send(REPORT) if act == "send" else destination.ping()
    assert caught.value.retry


def test_the_settings_reach_the_association(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(module, "echo", lambda peer, **options: seen.update(peer=peer, **options))
    timeouts = {
        "connection_timeout_seconds": 1,
        "association_timeout_seconds": 2,
        "response_timeout_seconds": 3,
    }
    module.Destination(module.Settings(**SETTINGS, **timeouts), "OURS").ping()
    assert str(seen["peer"]) == "PACS@10.0.0.5:104"
    assert seen["calling_ae_title"] == "OURS"
    assert (seen["timeouts"].connection, seen["timeouts"].acse, seen["timeouts"].dimse) == (1, 2, 3)


def test_destinations_are_found_by_the_names_of_their_modules() -> None:
    assert "dicom" in destinations.names()
    assert destinations.load("dicom") is module


@pytest.mark.parametrize("name", ["telex", "", "dicom.py", "../errors", "__init__"])
def test_a_name_that_is_no_module_here_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(ConfigError, match="expected a type of destination: dicom"):
        destinations.load(name)


@pytest.mark.parametrize("name", destinations.names())
def test_every_destination_defines_what_it_must(name: str) -> None:
    found = destinations.load(name)
    assert issubclass(found.Settings, destinations.DestinationSettings)
    assert found.MEDIA_TYPES or name == "folder"  # which takes every one
    assert callable(found.Destination.send)
    assert callable(found.Destination.ping)


@pytest.mark.parametrize("name", ["", "Pacs", "pacs one", "-pacs", "p" * 33, "päcs"])
def test_a_destinations_name_is_fit_for_ledger_queue_and_page(name: str) -> None:
    with pytest.raises(ValidationError):
        module.Settings(**(SETTINGS | {"name": name}))


@pytest.mark.parametrize(
    ("raised", "kind", "patience"),
    [
        (OSError(24, "Too many open files"), DestinationDownError, Retry.SOON),
        (KeyError("x"), DeliveryError, Retry.NEVER),
    ],
)
def test_what_nobody_foresaw_of_a_destination_is_told_as_a_delivery_that_may_have_arrived(
    raised: Exception, kind: type[DeliveryError], patience: Retry
) -> None:
    with pytest.raises(DeliveryError) as caught, mapped("own"):
        raise raised
    assert (type(caught.value), caught.value.patience, caught.value.sent) == (kind, patience, True)


def test_what_a_destination_says_itself_is_handed_on_as_it_is() -> None:
    said = DeliveryError("expected. Received: no", retry=True, status="A700")
    with pytest.raises(DeliveryError) as caught, mapped("own"):
        raise said
    assert caught.value is said
