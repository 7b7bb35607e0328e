"""Scanners at work: a plan is sent to an agent over real associations, and every answer goes into the ledger."""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Final, TypeAlias

from agent.simulation.bad_peers import BadPeer, misbehave
from agent.simulation.ledger import Sending, SendingLedger
from agent.simulation.plan import Habit, Object, Plan, Scanner, Send, Trouble
from dicom_io.errors import NetworkError
from dicom_io.peer import DEFAULT_TIMEOUTS, Peer, Timeouts
from dicom_io.scu import HeldAssociation, StoreStatus, sending
from dicom_io.simulated import made
from dicom_io.statuses import OUT_OF_RESOURCES

Source: TypeAlias = Callable[[Object], bytes]
"""Makes the file of a planned object: the same bytes each time."""

PAUSE: Final = 1.0


def synthesised(one: Object) -> bytes:
    """Make the file without a template."""
    return made(one.simulated, transfer_syntax_uid=one.transfer_syntax_uid)


class Sender:
    """All scanners of a plan, and the peers that misbehave; each scanner is a thread, and sends one thing at a time."""

    def __init__(
        self,
        agent: Peer,
        ledger: SendingLedger,
        *,
        source: Source = synthesised,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        on_sent: Callable[[Sending], None] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """Prepare to send to `agent`.

        `on_sent` hears of every line of the ledger, from any thread. `stop` lets `run` return soon: what is being sent
        is finished, nothing else is begun.
        """
        self._agent, self._ledger, self._source, self._timeouts = agent, ledger, source, timeouts
        self._on_sent = on_sent
        self._stop = stop or threading.Event()
        self._begun = 0.0
        self.troubles: Counter[tuple[BadPeer, str]] = Counter()
        """What peers that misbehaved did, and what the agent did about it."""

    def run(self, plan: Plan, *, speed: float | None = 1.0, tries: int | None = 3, pause: float = PAUSE) -> None:
        """Send all of the plan and return.

        A `speed` of 60 makes an hour a minute; None waits for nothing, and keeps only each scanner's order. What gets
        no answer, or A700, is sent again after `pause` seconds, `tries` times in all, or for ever if that is None: then
        every object ends acknowledged, or refused for good. Other failures are not repeated.
        """
        self._begun = time.monotonic()
        lanes: dict[Scanner, list[Send]] = {}
        for send in plan.sends:
            lanes.setdefault(send.scanner, []).append(send)
        troubles = [event for event in plan.events if isinstance(event, Trouble)]
        with ThreadPoolExecutor(len(lanes) + 1, "scanner") as pool:
            work = [pool.submit(self._lane, scanner, sends, speed, tries, pause) for scanner, sends in lanes.items()]
            work.append(pool.submit(self._trouble, troubles, speed))
            try:
                for one in work:
                    one.result()
            except BaseException:
                self._stop.set()  # the pool waits for the others
                raise

    def _lane(
        self, scanner: Scanner, sends: Iterable[Send], speed: float | None, tries: int | None, pause: float
    ) -> None:
        with ExitStack() as stack:
            held = None
            if scanner.habit is Habit.ALL_DAY:
                held = stack.enter_context(HeldAssociation(self._agent, scanner.ae_title, self._timeouts))
            for send in sends:
                if not self._wait_for(send.at, speed):
                    return
                groups = [[one] for one in send.objects] if scanner.habit is Habit.IMAGE else [list(send.objects)]
                for group in groups:
                    self._insist(scanner, group, held, tries, pause)

    def _insist(
        self, scanner: Scanner, objects: list[Object], held: HeldAssociation | None, tries: int | None, pause: float
    ) -> None:
        tried = 0
        while objects and not self._stop.is_set():
            objects = self._try(scanner, objects, held)
            tried += 1
            if objects and (tried == tries or self._stop.wait(pause)):
                return

    def _try(self, scanner: Scanner, objects: Sequence[Object], held: HeldAssociation | None) -> list[Object]:
        """Send over one association and return what is worth sending again."""
        files = [self._source(one) for one in objects]
        left, again, since = list(range(len(files))), [], time.monotonic()
        try:
            for index, answer in self._answers(scanner, files, held):
                left.remove(index)
                problem, took = "not sent" if answer.reason else "", time.monotonic() - since
                self._note(scanner, objects[index], files[index], answer.status, problem, took)
                since = time.monotonic()
                if answer.status == OUT_OF_RESOURCES and not answer.reason:
                    again.append(index)
        except NetworkError as error:
            if left:  # else only the release failed
                took = time.monotonic() - since
                self._note(scanner, objects[left[0]], files[left[0]], None, type(error).__name__, took)
        return [objects[index] for index in sorted(again + left)]

    def _answers(
        self, scanner: Scanner, files: list[bytes], held: HeldAssociation | None
    ) -> Iterator[tuple[int, StoreStatus]]:
        if held is not None:
            yield from enumerate(map(held.store, files))
            return
        for answer in sending(self._agent, files, calling_ae_title=scanner.ae_title, timeouts=self._timeouts):
            yield answer.index, answer

    def _note(
        self, scanner: Scanner, one: Object, data: bytes, status: int | None, problem: str, seconds: float
    ) -> None:
        line = Sending(
            at=datetime.now(UTC).isoformat(),
            study_instance_uid=one.simulated.study_instance_uid,
            sop_instance_uid=one.simulated.sop_instance_uid,
            sha256=hashlib.sha256(data).hexdigest(),
            kind=one.simulated.kind.value,
            why=one.why.value,
            scanner=scanner.ae_title,
            status=status,
            problem=problem,
            seconds=round(seconds, 3),
        )
        self._ledger.add(line)
        if self._on_sent is not None:
            self._on_sent(line)

    def _trouble(self, troubles: Sequence[Trouble], speed: float | None) -> None:
        for trouble in troubles:
            if not self._wait_for(trouble.at, speed):
                return
            did = misbehave(trouble.what, self._agent, seed=trouble.seed, stop=self._stop)
            self.troubles[trouble.what, did] += 1

    def _wait_for(self, at: float, speed: float | None) -> bool:
        """Wait until it is time; tell whether to go on."""
        if speed is not None:
            self._stop.wait(max(0.0, self._begun + at / speed - time.monotonic()))
        return not self._stop.is_set()
