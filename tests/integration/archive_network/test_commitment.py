"""Storage Commitment over the wire: what is asked is on record, and what is committed was read back from disk."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import ComputedRadiographyImageStorage as Cr
from pydicom.uid import DigitalXRayImageStorageForPresentation as Dx
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.sop_class import StorageCommitmentPushModel as Push
from sqlalchemy import select

from agent.line.complete import Completer
from db.commitment import requeue_reports
from db.delivery_state import DeliveryState
from db.priority import Allowances
from db.queue import Done, Job, Park, RetryAt, open_queue
from db.schema.commitment import commitment

WELL_KNOWN = "1.2.840.10008.1.20.1.1"


class Modality:
    """An SCU of Storage Commitment, which also listens for reports."""

    def __init__(self, answer: int = 0x0000) -> None:
        self.reports: list[tuple[int, Dataset]] = []
        self.owed = self.answered = 0
        self.answer = answer
        self.changed = threading.Condition()
        self.entity = AE("STATION")
        self.entity.acse_timeout = self.entity.dimse_timeout = 10
        self.entity.add_requested_context(Push)
        self.entity.add_supported_context(Push, scu_role=True, scp_role=True)
        self.server: Any = self.entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=self.handlers)

    @property
    def handlers(self) -> list[Any]:
        return [(evt.EVT_N_EVENT_REPORT, self.take), (evt.EVT_PDU_SENT, self.sent)]

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def take(self, event: Any) -> tuple[int, None]:
        with self.changed:
            self.reports.append((event.event_type, event.event_information))
            self.owed += 1
            self.changed.notify_all()
        return self.answer, None

    def sent(self, event: Any) -> None:
        """Count the answers that have left: after a release none may be sent (PS3.8 9.2.3)."""
        with self.changed:
            if self.owed and isinstance(event.pdu, P_DATA_TF):
                self.owed, self.answered = self.owed - 1, self.answered + 1
                self.changed.notify_all()

    def ask(self, holder: Any, references: list[tuple[str, str]], *, uid: str = "", reports: int = 1) -> int:
        """Ask over an association that stays open until so many reports have come; return the status."""
        association = self.entity.associate("127.0.0.1", holder.scp.port, ae_title="TIBABU", evt_handlers=self.handlers)
        assert association.is_established
        status, _ = association.send_n_action(information(uid or generate_uid(), references), 1, Push, WELL_KNOWN)
        with self.changed:
            assert self.changed.wait_for(lambda: self.answered >= reports, 20)
        association.release()
        return int(status.Status)


def information(uid: str, references: list[tuple[str, str]]) -> Dataset:
    asked = Dataset()
    asked.TransactionUID = uid
    asked.ReferencedSOPSequence = []
    for sop_class, sop_instance in references:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, sop_instance
        asked.ReferencedSOPSequence.append(item)
    return asked


def states(holder: Any) -> list[str]:
    with holder.database.read() as connection:
        return list(connection.scalars(select(commitment.c.state).order_by(commitment.c.id)))


def job(key: int = 1, attempt: int = 1) -> Job:
    return Job(kind="commit", key=str(key), attempt=attempt, due_at=datetime.now(UTC))


@pytest.fixture
def modality() -> Iterator[Callable[..., Modality]]:
    """Return `modality(answer)`: one that answers reports so."""
    made: list[Modality] = []

    def make(answer: int = 0x0000) -> Modality:
        made.append(Modality(answer))
        return made[-1]

    yield make
    for one in made:
        one.server.shutdown()


def test_what_is_on_disk_is_committed_over_the_same_association(
    hold: Any, radiograph: Any, modality: Any, eventually: Any
) -> None:
    holder, station = hold(), modality()
    one, other, uid = radiograph(), radiograph(), generate_uid()
    holder.take(one, other)
    assert station.ask(holder, [(Cr, one.SOPInstanceUID), (Cr, other.SOPInstanceUID)], uid=uid) == 0x0000
    ((event, report),) = station.reports
    assert (event, report.TransactionUID, report.RetrieveAETitle) == (1, uid, "TIBABU")
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == [
        one.SOPInstanceUID,
        other.SOPInstanceUID,
    ]
    assert "FailedSOPSequence" not in report
    eventually(lambda: states(holder) == [DeliveryState.ACKNOWLEDGED])
    assert isinstance(holder.committer.send(job()), Done), "the job finds nothing left to do"
    assert len(station.reports) == 1


def test_what_is_missing_altered_or_of_another_class_is_not(hold: Any, radiograph: Any, modality: Any) -> None:
    holder, station = hold(), modality()
    whole, altered, gone, other = (radiograph() for _ in range(4))
    holder.take(whole, altered, gone, other)
    for path in Path(holder.store.path("00/" + "0" * 64 + ".dcm")).parents[1].glob("*/*.dcm"):
        data = path.read_bytes()
        if altered.SOPInstanceUID.encode() in data:
            path.write_bytes(data[:-1] + b"\x01")
        if gone.SOPInstanceUID.encode() in data:
            path.unlink()
    unknown = generate_uid()
    asked = [(Cr, whole.SOPInstanceUID), (Cr, altered.SOPInstanceUID), (Cr, gone.SOPInstanceUID)]
    station.ask(holder, [*asked, (Dx, other.SOPInstanceUID), (Cr, unknown)])
    ((event, report),) = station.reports
    assert event == 2
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == [whole.SOPInstanceUID]
    assert {item.ReferencedSOPInstanceUID: item.FailureReason for item in report.FailedSOPSequence} == {
        altered.SOPInstanceUID: 0x0110,
        gone.SOPInstanceUID: 0x0110,
        other.SOPInstanceUID: 0x0119,
        unknown: 0x0112,
    }


def test_a_peer_that_hangs_up_is_told_over_a_new_association_in_which_it_is_the_scu(
    hold: Any, radiograph: Any, modality: Any
) -> None:
    station = modality()
    holder = hold(station_port=station.port)
    one = radiograph()
    holder.take(one)
    association = station.entity.associate("127.0.0.1", holder.scp.port, ae_title="TIBABU")
    association.send_n_action(information("1.2.3", [(Cr, one.SOPInstanceUID)]), 1, Push, WELL_KNOWN)
    association.abort()
    assert isinstance(holder.committer.send(job()), Done)
    assert [report.TransactionUID for _, report in station.reports] == ["1.2.3"]
    assert states(holder) == [DeliveryState.ACKNOWLEDGED]


def test_a_report_that_is_refused_over_the_same_association_is_still_owed(
    hold: Any, radiograph: Any, modality: Any
) -> None:
    deaf, listening = modality(answer=0x0110), modality()
    holder = hold(station_port=listening.port)
    one = radiograph()
    holder.take(one)
    deaf.ask(holder, [(Cr, one.SOPInstanceUID)])
    assert states(holder) == [DeliveryState.QUEUED]
    assert requeue_reports(holder.database, open_queue(holder.database), now=datetime.now(UTC)) == 1
    assert isinstance(holder.committer.send(job()), Done)
    assert len(listening.reports) == 1
    assert requeue_reports(holder.database, open_queue(holder.database), now=datetime.now(UTC)) == 0


def test_a_peer_that_cannot_be_told_is_tried_again_and_then_parked(hold: Any, radiograph: Any, modality: Any) -> None:
    holder = hold(station_port=1)
    one = radiograph()
    holder.take(one)
    modality(answer=0x0110).ask(holder, [(Cr, one.SOPInstanceUID)])
    assert isinstance(holder.committer.send(job()), RetryAt)
    assert states(holder) == [DeliveryState.QUEUED]
    assert isinstance(holder.committer.send(job(attempt=3)), Done)
    assert states(holder) == [DeliveryState.PARKED]
    assert requeue_reports(holder.database, open_queue(holder.database), now=datetime.now(UTC)) == 1
    assert states(holder) == [DeliveryState.QUEUED]


def test_a_report_whose_job_was_given_up_is_parked_and_can_be_requeued(
    hold: Any, radiograph: Any, modality: Any
) -> None:
    holder, stop = hold(station_port=1), threading.Event()
    queue, clock = open_queue(holder.database), lambda: datetime.now(UTC) + timedelta(minutes=1)
    one = radiograph()
    holder.take(one)
    modality(answer=0x0110).ask(holder, [(Cr, one.SOPInstanceUID)])

    def give_up(_: Job) -> Park:
        stop.set()
        return Park("worker died")

    later = open_queue(holder.database, clock=clock)
    later.run({"commit": give_up}, stop=stop, concurrency=1)
    assert states(holder) == [DeliveryState.QUEUED]
    Completer(holder.database, queue, Allowances(), clock).reap()
    assert states(holder) == [DeliveryState.PARKED]
    assert requeue_reports(holder.database, queue, now=clock()) == 1


def test_the_same_transaction_again_is_one_and_is_reported_again(hold: Any, radiograph: Any, modality: Any) -> None:
    holder, station = hold(), modality()
    one, other = radiograph(), radiograph()
    holder.take(one)
    references = [(Cr, one.SOPInstanceUID)]
    assert station.ask(holder, references, uid="1.2.3") == 0x0000
    assert station.ask(holder, references, uid="1.2.3", reports=2) == 0x0000
    assert len(states(holder)) == 1
    assert station.ask(holder, [(Cr, other.SOPInstanceUID)], uid="1.2.3", reports=2) == 0x0115


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"action": 2}, 0x0123),
        ({"instance": "1.2.3"}, 0x0112),
        ({"references": []}, 0x0115),
        ({"references": [("", "1.2.3")]}, 0x0115),
        ({"uid": ""}, 0x0115),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_and_not_recorded(
    hold: Any, modality: Any, change: dict[str, Any], status: int
) -> None:
    holder, station = hold(), modality()
    association = station.entity.associate("127.0.0.1", holder.scp.port, ae_title="TIBABU")
    asked = information(change.get("uid", "1.2.3"), change.get("references", [(Cr, "1.2.3")]))
    answer, _ = association.send_n_action(asked, change.get("action", 1), Push, change.get("instance", WELL_KNOWN))
    association.release()
    assert answer.Status == status
    assert states(holder) == []


def test_a_request_for_more_than_can_be_reported_on_is_refused(
    hold: Any, modality: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_io.commitment.MOST_INSTANCES", 2)
    holder, station = hold(), modality()
    references = [(Cr, f"1.2.{number}") for number in range(3)]
    assert station.ask(holder, references, uid="1.2.3", reports=0) == 0x0213
    assert states(holder) == []


def test_whom_nobody_knows_where_to_tell_is_told_later_and_who_refuses_a_report_is_told_again(
    hold: Any, radiograph: Any, modality: Any
) -> None:
    unknown = hold()
    one = radiograph()
    unknown.take(one)
    modality(answer=0x0110).ask(unknown, [(Cr, one.SOPInstanceUID)])
    settlement = unknown.committer.send(job())
    assert isinstance(settlement, RetryAt)
    assert "in [[peers]]" in settlement.reason
    refusing = hold(station_port=modality(answer=0x0110).port)
    settlement = refusing.committer.send(job())
    assert isinstance(settlement, RetryAt)
    assert "status=0110" in settlement.reason


def test_commitment_that_nobody_stands_behind_is_not_accepted(hold: Any) -> None:
    holder = hold(commitment=None)
    entity = AE("STATION")
    entity.add_requested_context(Push)
    assert not entity.associate("127.0.0.1", holder.scp.port, ae_title="TIBABU").is_established
