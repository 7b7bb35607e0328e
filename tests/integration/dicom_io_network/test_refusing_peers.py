"""A peer that accepts an association and nothing of what it is for is an error for people; a worklist has limits."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage, ModalityWorklistInformationFind

from dicom_io import worklist
from dicom_io.commitment import CommitmentReport, send_report
from dicom_io.commitment_scu import read_report
from dicom_io.errors import AssociationRejectedError, CommitmentError, NetworkError
from dicom_io.peer import DEFAULT_TIMEOUTS, Peer
from dicom_io.query_keys import Level
from dicom_io.query_scu import find
from dicom_io.scu import echo
from dicom_io.ups_events import UpsListener

REPORT = CommitmentReport(
    transaction_uid="1.2.3", instances=(("1.2", "1.2.4"),), failures={}, retrieve_ae_title="TIBABU"
)


class Entity:
    """A peer made with pynetdicom, and what it was asked for as it was written."""

    def __init__(self, sop_class: Any, *answers: Dataset, status: int = 0x0000) -> None:
        self.asked: list[Dataset] = []
        self.answers, self.status = answers, status
        self.entity = AE("PEER")
        self.entity.add_supported_context(sop_class)
        handlers: list[Any] = [(evt.EVT_C_FIND, self.found)]
        self.server: Any = self.entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.peer = Peer("PEER", "127.0.0.1", self.server.server_address[1])

    def found(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        self.asked.append(event.identifier)
        for one in self.answers:
            yield 0xFF00, one
        if self.status:
            yield self.status, None


@pytest.fixture
def entity() -> Iterator[Callable[..., Entity]]:
    """Return `entity(sop_class, *answers, status=0)`: a peer that accepts this class alone."""
    made: list[Entity] = []

    def make(sop_class: Any, *answers: Dataset, status: int = 0x0000) -> Entity:
        made.append(Entity(sop_class, *answers, status=status))
        return made[-1]

    yield make
    for one in made:
        one.server.shutdown()


def _told(peer: Peer) -> None:
    with UpsListener(peer, calling_ae_title="TIBABU") as listener:
        listener.report(1, "1.2.3", {})


ASKED: dict[str, Callable[[Peer], object]] = {
    "Verification": echo,
    "1.2.840.10008.5.1.4.1.2.2.1": lambda peer: list(
        find(peer, Level.STUDY, {"patient_id": "P1"}, calling_ae_title="TIBABU")
    ),
    "Modality Worklist": lambda peer: worklist.find_orders(peer, [{"PatientID": "P1"}], lambda _: True),
    "Storage Commitment": lambda peer: send_report(peer, REPORT, calling_ae_title="TIBABU", timeouts=DEFAULT_TIMEOUTS),
    "UPS Event": _told,
}


def test_whoever_accepts_nothing_of_what_we_ask_for_has_refused_it(entity: Callable[..., Entity]) -> None:
    peer = entity(CTImageStorage).peer
    for what, ask in ASKED.items():
        with pytest.raises(AssociationRejectedError, match=f"to accept {what}. Received: .* refused"):
            ask(peer)


def _order(number: int) -> Dataset:
    found = Dataset()
    found.AccessionNumber, found.PatientID, found.StudyInstanceUID = f"A{number}", "P1", f"1.2.{number}"
    return found


def test_a_worklist_that_answers_without_end_is_given_up(
    entity: Callable[..., Entity], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worklist, "_MOST_ANSWERS", 2)
    found = entity(ModalityWorklistInformationFind, *map(_order, range(4)))
    with pytest.raises(NetworkError, match="at most 2 answers"):
        worklist.find_orders(found.peer, [{"PatientID": "P1"}], lambda _: True)
    few = entity(ModalityWorklistInformationFind, *map(_order, range(2)))
    assert len(worklist.find_orders(few.peer, [{"PatientID": "P1"}], lambda _: True)) == 2


def test_a_worklist_is_asked_in_unicode_where_the_question_is_not_ascii(entity: Callable[..., Entity]) -> None:
    found = entity(ModalityWorklistInformationFind)
    assert worklist.find_orders(found.peer, [{"PatientID": "P1"}, {"PatientID": "Ä1"}], lambda _: True) == []
    plain, unicode = found.asked
    assert "SpecificCharacterSet" not in plain
    assert (unicode.SpecificCharacterSet, unicode.PatientID) == ("ISO_IR 192", "Ä1")


def test_a_query_that_a_peer_fails_is_an_error_with_its_status(entity: Callable[..., Entity]) -> None:
    found = entity(ModalityWorklistInformationFind, status=0xC001)
    with pytest.raises(NetworkError, match="status=C001"):
        worklist.find_orders(found.peer, [{"PatientID": "P1"}], lambda _: True)


def test_what_is_no_report_on_a_commitment_is_refused_as_such() -> None:
    with pytest.raises(CommitmentError) as refused:
        read_report(object(), "1.2.840.10008.1.2")
    assert refused.value.status == 0x0115
