"""Who subscribes hears of what becomes of the tasks: by N-EVENT-REPORT, in order, later if it was away."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import UnifiedProcedureStepEvent as Event
from pynetdicom.sop_class import UnifiedProcedureStepPush as Push
from pynetdicom.sop_class import UnifiedProcedureStepWatch as Watch

from agent.line.announce import Announcer
from agent.line.retry import Backoff
from agent.line.workitems import Workitems
from db.outcome import Outcome
from db.queue import Done, Job, RetryAt, open_queue
from db.workitem_changes import WorkitemLedger
from db.workitem_events import requeue_events
from dicom_io.door import Door, KnownPeer
from dicom_io.peer import Peer

GLOBAL, FILTERED = "1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1"


class Listener:
    """A subscriber built on pynetdicom alone."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int, Dataset]] = []
        self.answer = 0x0000
        entity = AE("RIS")
        entity.add_supported_context(Event, scu_role=True, scp_role=True)
        self.server: Any = entity.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, self._hear)]
        )

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def _hear(self, event: Any) -> tuple[int, None]:
        assert event.request.AffectedSOPClassUID == Push
        self.heard.append((str(event.request.AffectedSOPInstanceUID), event.event_type, event.event_information))
        return self.answer, None

    @property
    def states(self) -> list[str]:
        return [said.ProcedureStepState for _, kind, said in self.heard if kind == 1]


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.server.shutdown()


@pytest.fixture
def announcer() -> Callable[[Any, int], Announcer]:
    """Return `announcer(hospital, port)`: who tells RIS of the events, at that port."""

    def make(hospital: Any, port: int) -> Announcer:
        door = Door([KnownPeer(ae_title="RIS", listens=Peer("RIS", "127.0.0.1", port))])
        ledger = WorkitemLedger(hospital.database, hospital.queue)
        workitems = Workitems(ledger, door, "TIBABU", lambda: hospital.now)
        return Announcer(
            hospital.database, workitems, door.peer_of, "TIBABU", Backoff(attempts=2), lambda: hospital.now
        )

    return make


def tell(announcer: Announcer, hospital: Any) -> Any:
    return announcer.tell(Job(kind="ups-event:RIS", key="RIS", attempt=1, due_at=hospital.now))


def subscription(*, lock: str = "FALSE", receiver: str = "RIS", **keys: Any) -> Dataset:
    information = Dataset()
    information.ReceivingAE, information.DeletionLock = receiver, lock
    for keyword, value in keys.items():
        setattr(information, keyword, value)
    return information


def test_a_global_subscriber_hears_of_every_task_from_its_making_to_its_end(
    hospital: Any, serve: Any, listener: Any, announcer: Any
) -> None:
    client = serve(hospital, subscribers={"RIS": listener.port})
    hospital.study("1.2.1")
    assert client.act(GLOBAL, 3, subscription(lock="TRUE"), Watch) == 0x0000
    hospital.study("1.2.2", Outcome.FLAGGED)
    teller = announcer(hospital, listener.port)
    assert isinstance(tell(teller, hospital), Done)
    assert set(listener.states) == {"SCHEDULED"}
    assert len({uid for uid, _, _ in listener.heard}) == 2
    assert {said.InputReadinessState for _, _, said in listener.heard} == {"READY"}
    listener.heard.clear()
    uid = client.listed()[0].SOPInstanceUID
    client.complete(uid)
    assert isinstance(tell(teller, hospital), Done)
    assert [(one, kind) for one, kind, _ in listener.heard] == [(uid, 1)] * 2
    assert listener.states == ["IN PROGRESS", "COMPLETED"]
    assert isinstance(tell(teller, hospital), Done)
    assert len(listener.heard) == 2, "nothing is told twice"


def test_one_that_was_away_hears_all_of_it_in_order_when_it_is_back(
    hospital: Any, serve: Any, listener: Any, announcer: Any
) -> None:
    client = serve(hospital, subscribers={"RIS": listener.port})
    client.act(GLOBAL, 3, subscription(), Watch)
    hospital.study()
    away = announcer(hospital, 1)
    assert isinstance(tell(away, hospital), RetryAt)
    uid = client.listed()[0].SOPInstanceUID
    client.complete(uid)
    listener.answer = 0x0110
    assert isinstance(tell(announcer(hospital, listener.port), hospital), Done), "parked after the last attempt"
    listener.answer = 0x0000
    listener.heard.clear()
    assert isinstance(tell(announcer(hospital, listener.port), hospital), Done)
    assert listener.heard == []
    assert requeue_events(hospital.database, hospital.queue, now=hospital.now) >= 3
    assert isinstance(tell(announcer(hospital, listener.port), hospital), Done)
    assert listener.states[-2:] == ["IN PROGRESS", "COMPLETED"]


def test_the_reader_hears_that_somebody_wants_its_task_cancelled_and_what_it_says_is_told(
    hospital: Any, serve: Any, listener: Any, announcer: Any
) -> None:
    client = serve(hospital, subscribers={"RIS": listener.port})
    hospital.study()
    uid = client.listed()[0].SOPInstanceUID
    assert client.act(uid, 3, subscription(), Watch) == 0x0000
    transaction = client.claim(uid)
    assert client.request_cancel(uid, ReasonForCancellation="Wrong patient", ContactURI="tel:4711") == 0x0000
    progress = Dataset()
    progress.ProcedureStepProgress = "50"
    modification = Dataset()
    modification.TransactionUID, modification.ProcedureStepProgressInformationSequence = transaction, [progress]
    assert client.set(uid, modification) == 0x0000
    assert client.change(uid, "CANCELED", transaction) == 0x0000
    tell(announcer(hospital, listener.port), hospital)
    assert [kind for _, kind, _ in listener.heard] == [1, 1, 2, 3, 1]
    (_, _, request), (_, _, told) = listener.heard[2:4]
    assert (request.RequestingAE, request.ReasonForCancellation) == ("RIS", "Wrong patient")
    assert (request.ContactURI, request.ContactDisplayName) == ("tel:4711", "Reading room")
    assert told.ProcedureStepProgressInformationSequence[0].ProcedureStepProgress == 50
    assert client.listed("SCHEDULED") == [], "it was cancelled on request: no new task"


def test_a_scheduled_task_is_cancelled_by_way_of_in_progress(
    sqlite_hospital: Any, serve: Any, listener: Any, announcer: Any
) -> None:
    client = serve(sqlite_hospital, subscribers={"RIS": listener.port})
    client.act(GLOBAL, 3, subscription(), Watch)
    sqlite_hospital.study()
    tell(announcer(sqlite_hospital, listener.port), sqlite_hospital)
    listener.heard.clear()
    client.request_cancel(client.listed()[0].SOPInstanceUID, ReasonForCancellation="Reported elsewhere")
    tell(announcer(sqlite_hospital, listener.port), sqlite_hospital)
    assert listener.states == ["IN PROGRESS", "CANCELED"]
    assert listener.heard[-1][2].ReasonForCancellation == "Reported elsewhere"


def test_a_filtered_subscriber_hears_of_what_matches(
    sqlite_hospital: Any, serve: Any, listener: Any, announcer: Any
) -> None:
    client = serve(sqlite_hospital, subscribers={"RIS": listener.port})
    keys = subscription(ScheduledProcedureStepPriority="MEDIUM")
    assert client.act(FILTERED, 3, keys, Watch) == 0x0000
    sqlite_hospital.study("1.2.1")
    sqlite_hospital.study("1.2.2", Outcome.FLAGGED)
    tell(announcer(sqlite_hospital, listener.port), sqlite_hospital)
    (flagged,) = {uid for uid, _, _ in listener.heard}
    assert client.get(flagged)[1].StudyInstanceUID == "1.2.2"


def test_who_unsubscribes_or_suspends_hears_no_more(hospital: Any, serve: Any, listener: Any, announcer: Any) -> None:
    client, teller = serve(hospital, subscribers={"RIS": listener.port}), announcer(hospital, listener.port)
    hospital.study("1.2.1")
    hospital.study("1.2.2")
    client.act(GLOBAL, 3, subscription(), Watch)
    one, other = (task.SOPInstanceUID for task in client.listed())
    receiver = Dataset()
    receiver.ReceivingAE = "RIS"
    assert client.act(one, 4, receiver, Watch) == 0x0000
    hospital.now += timedelta(minutes=1)
    assert client.act(GLOBAL, 5, receiver, Watch) == 0x0000
    tell(teller, hospital)
    listener.heard.clear()
    hospital.study("1.2.3")
    for uid in (one, other):
        client.claim(uid)
    tell(teller, hospital)
    assert [uid for uid, _, _ in listener.heard] == [other]
    assert client.act(GLOBAL, 4, receiver, Watch) == 0x0000
    hospital.study("1.2.4")
    tell(teller, hospital)
    assert len(listener.heard) == 1


def test_a_subscriber_that_cannot_be_called_or_asks_for_nonsense_is_refused(sqlite_hospital: Any, serve: Any) -> None:
    client = serve(sqlite_hospital)
    assert client.act(GLOBAL, 3, subscription(), Watch) == 0xC308
    assert client.act(GLOBAL, 3, subscription(lock="PERHAPS"), Watch) == 0x0115
    receiver = Dataset()
    receiver.ReceivingAE = "RIS"
    assert client.act("1.2.3", 4, receiver, Watch) == 0xC307
    assert client.act("1.2.3", 5, receiver, Watch) == 0xC314


def test_the_event_of_a_change_comes_although_its_process_died_right_after(
    hospital: Any, serve: Any, listener: Any, announcer: Any, eventually: Any, quick_commands: Any
) -> None:
    """The change, its event and the job that sends it are one transaction: another process finds the job."""
    client = serve(hospital, subscribers={"RIS": listener.port})
    client.act(GLOBAL, 3, subscription(), Watch)
    hospital.study()
    client.claim(client.listed()[0].SOPInstanceUID)
    script = "import sys; from db.database import open_database; from db.queue import open_queue, utc_now\n"
    script += "print([one.kind for one in open_queue(open_database(sys.argv[1])).depth(utc_now())])"
    url = hospital.database.url.render_as_string(hide_password=False)
    assert "ups-event:RIS" in quick_commands.program("-c", script, url).communicate(60)[0]
    stop, teller = threading.Event(), announcer(hospital, listener.port)
    other = open_queue(hospital.database)
    worker = threading.Thread(
        target=other.run, args=({"ups-event:RIS": teller.tell},), kwargs={"stop": stop, "concurrency": 1}
    )
    worker.start()
    eventually(lambda: "IN PROGRESS" in listener.states)
    stop.set()
    worker.join()


def test_of_two_that_claim_a_task_at_once_exactly_one_has_it(hospital: Any, serve: Any) -> None:
    clients = [serve(hospital) for _ in range(2)]
    hospital.study()
    uid = clients[0].listed()[0].SOPInstanceUID
    start, answers = threading.Barrier(8), []

    def claim(number: int) -> None:
        start.wait(60)
        answers.append(clients[number % 2].change(uid, "IN PROGRESS", f"1.2.3.{number}"))

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [0x0000, *[0xC301] * 7]
