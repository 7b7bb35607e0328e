"""Two processes deliver to one receiver: what it gets of a study comes one at a time, and none after a later one.

Each has a database of its own, a queue and a destination, as two processes have; the receiver is a real one behind a
socket. While it holds a report, the study's next revision is concluded, and the other process has tried to send that.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from arriving import incoming
from sqlalchemy import select

from agent.destinations import mllp
from agent.line.breaker import Breaker
from agent.line.confirm import Confirmer
from agent.line.deliver import Deliverer
from agent.line.retry import Backoff
from db import kinds
from db.closing import Timing
from db.completion import close_due
from db.conclusion import Conclusion, ReportOrder, record_conclusion
from db.database import Database, open_database
from db.intake import record_instance
from db.outcome import Outcome, StudyOutcome
from db.priority import Allowances
from db.queue import Job, RetryAt, Settlement, open_queue, utc_now
from db.requeue import requeue_study
from db.schema.domain import report, result
from db.worklist import worklist_row
from dicom_io.folder_store import FolderStore

STUDY, RIS, REVISIONS = "1.2.3", "ris", 3
BACKOFF = Backoff(first=timedelta(milliseconds=20), longest=timedelta(milliseconds=50), attempts=99)
VT, FS_CR = b"\x0b", b"\x1c\r"
ANSWERS = ("AA", "")
"""To a message that a later revision follows: that it has it, or none, and who sent it does not know whether it has."""


class Ris:
    """A receiver over MLLP. `meanwhile` is called while it holds a message, `also` if another one comes then."""

    def __init__(self, meanwhile: Callable[[int], None], also: Callable[[], None], answer: str) -> None:
        self.port, self.at_once = 0, 0
        self.got: list[str] = []
        self._meanwhile, self._also, self._answer = meanwhile, also, answer
        self._guard = threading.Lock()

    @contextmanager
    def listening(self) -> Iterator[None]:
        with ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
            accepting = threading.Thread(target=self._accept, args=(server, stack))
            accepting.start()
            yield
            server.shutdown(socket.SHUT_RDWR)
            accepting.join()

    def _accept(self, server: socket.socket, stack: ExitStack) -> None:
        with suppress(OSError):
            while True:
                stream = server.accept()[0]
                thread = threading.Thread(target=self._talk, args=(stream,))
                thread.start()
                stack.callback(thread.join)
                stack.callback(hang_up, stream)

    def _talk(self, stream: socket.socket) -> None:
        pending = b""
        with stream, suppress(OSError):
            while data := stream.recv(65536):
                pending += data
                if FS_CR in pending:
                    self._take(stream, pending.split(b"|")[9].decode())
                    pending = b""

    def _take(self, stream: socket.socket, control_id: str) -> None:
        if not self._guard.acquire(blocking=False):
            self.at_once += 1
            self._also()
            stream.shutdown(socket.SHUT_RDWR)
            return
        with suppress(OSError):
            again = control_id in self.got
            self.got.append(control_id)
            if not again:
                self._meanwhile(len(set(self.got)))
            code = "AA" if len(set(self.got)) == REVISIONS else self._answer
            if code:
                answer = f"MSH|^~\\&|RIS||TIBABU||20260301||ACK^R01|1|P|2.5.1\rMSA|{code}|{control_id}\r"
                stream.sendall(VT + answer.encode() + FS_CR)
            else:
                stream.shutdown(socket.SHUT_RDWR)
        self._guard.release()


def hang_up(stream: socket.socket) -> None:
    with suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)


class Hand:
    """A delivering process: with a database of its own, and one lane."""

    def __init__(self, url: str, store: FolderStore, port: int, held: Callable[[], None]) -> None:
        self._held = held
        self._database = open_database(url)
        self._queue = open_queue(self._database)
        made = {RIS: mllp.Destination(mllp.Settings(name=RIS, type="mllp", host="127.0.0.1", port=port), "TIBABU")}
        breaker = Breaker(self._database, self._queue, BACKOFF, 99, utc_now)
        self._deliverer = Deliverer(
            database=self._database,
            queue=self._queue,
            store=store,
            installation="00000000-0000-4000-8000-000000000000",
            destinations=made,
            report_settings={},
            breaker=breaker,
            confirmer=Confirmer(self._database, made, breaker, BACKOFF, utc_now),
            backoff=BACKOFF,
            clock=utc_now,
        )

    def run(self, stop: threading.Event) -> None:
        self._queue.run({kinds.deliver(RIS): self._deliver}, stop=stop, concurrency=1)
        self._database.dispose()

    def _deliver(self, job: Job) -> Settlement:
        settlement = self._deliverer.deliver(job)
        if isinstance(settlement, RetryAt) and "earlier version" in settlement.reason:
            self._held()
        return settlement


def conclude(database: Database, revision: int) -> None:
    """Conclude the study's next revision, with one report."""
    queue, now = open_queue(database), utc_now()
    if revision == 1:
        image = incoming(STUDY, 1, candidate=False, received_at=now - timedelta(days=1))
        record_instance(database, queue, image, timing=Timing(), allowances=Allowances())
        close_due(database, queue, now=now)
    else:
        assert requeue_study(database, queue, STUDY, actor="test", now=now) == revision
    facts = dict.fromkeys(("model_name", "model_version", "model_sha256", "operating_point"), "x")
    conclusion = Conclusion(
        study_id=1,
        revision=revision,
        outcome=StudyOutcome(outcome=Outcome.NOT_ANALYSED, reason="no candidate"),
        threshold=0.5,
        device_uid="2.25.7",
        analysed_at=now,
        concluded_at=now,
        reports=(ReportOrder(kind="oru", media_type="application/hl7-v2", destinations=(RIS,)),),
        **facts,
    )
    assert record_conclusion(database, queue, conclusion)


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_report_waits_for_the_one_before_and_none_comes_after_a_later_one(
    database: Database, tmp_path: Path, answer: str, eventually: Callable[[Callable[[], object]], None]
) -> None:
    url = database.url.render_as_string(hide_password=False)
    stop, held = threading.Event(), threading.Semaphore(0)

    def meanwhile(number: int) -> None:
        if number < REVISIONS:
            conclude(database, number + 1)
            assert held.acquire(timeout=60), "the other process has not tried"

    ris = Ris(meanwhile, held.release, answer)
    with ris.listening():
        hands = [Hand(url, FolderStore(tmp_path / "store", reserve=0), ris.port, held.release) for _ in range(2)]
        threads = [threading.Thread(target=hand.run, args=(stop,)) for hand in hands]
        for thread in threads:
            thread.start()
        conclude(database, 1)
        eventually(lambda: is_delivered(database))
        stop.set()
        for thread in threads:
            thread.join()
    with database.read() as connection:
        joined = select(report.c.identifier, result.c.revision).join(result, result.c.id == report.c.result_id)
        revisions: dict[str, int] = dict(map(tuple, connection.execute(joined)))
    came = [revisions[control_id] for control_id in ris.got]
    assert came == list(range(1, REVISIONS + 1))
    assert ris.at_once == 0


def is_delivered(database: Database) -> bool:
    row = worklist_row(database, STUDY)
    return row is not None and (row.state, row.revision) == ("DELIVERED", REVISIONS)
