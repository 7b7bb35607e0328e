"""How many studies go through while so many are always on their way: the same for every system that is measured.

Studies are sent as fast as they are taken, each over an association of its own, until OUTSTANDING are on their way;
from then on the next one goes when one is through. Only then does the clock start, so nothing is counted that a system
does at leisure at the end, and no wait has to be subtracted.
"""

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from images import Study
from load import SCANNERS, Scanner
from pydicom import dcmread

OUTSTANDING = 150
"""Enough for both waits for more images of a study, 2 s here and 3 s there, at 50 studies a second."""
_FILLING_SECONDS = 20.0
"""The clock starts at the latest after so long, if a system is faster through than it takes."""
_LOOK_SECONDS = 0.1
_DIGITS = 5
_PIXELS = b"\xe0\x7f\x10\x00"


@dataclass(frozen=True, slots=True)
class Flow:
    """What went through in the time, and what each process spent on it."""

    sent: int
    through: int
    seconds: float
    spent: Mapping[str, float]

    @property
    def rate(self) -> float:
        """Studies a second."""
        return self.through / self.seconds


class Fresh:
    """Endless new studies that are made of a few: other UIDs and another patient, the same pixels."""

    def __init__(self, studies: Sequence[Study]) -> None:
        """Read them once."""
        self._originals = [_Original.read(study) for study in studies]
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def next(self) -> tuple[str, bytes]:
        """Return the SOP Instance UID and the dataset of a study that was never sent."""
        with self._lock:
            number = next(self._numbers)
        return self._originals[number % len(self._originals)].renewed(number)


@dataclass(frozen=True, slots=True)
class _Original:
    """A study's dataset in two parts, and what in the first is to be replaced, of the same length each time."""

    head: bytes
    pixels: bytes
    sop_instance_uid: bytes
    uids: tuple[bytes, ...]
    patient: bytes

    @classmethod
    def read(cls, study: Study) -> Self:
        found = dcmread(study.path, stop_before_pixels=True)
        head, tag, pixels = study.dataset().partition(_PIXELS)
        uids = (str(uid).encode() for uid in (found.StudyInstanceUID, found.SeriesInstanceUID, found.SOPInstanceUID))
        return cls(
            head,
            tag + pixels,
            str(found.SOPInstanceUID).encode(),
            tuple(uids),
            str(found.PatientID)[-_DIGITS:].encode(),
        )

    def renewed(self, number: int) -> tuple[str, bytes]:
        name, head = f"{number:0{_DIGITS}d}".encode(), self.head
        for before in (*self.uids, b"BENCH-" + self.patient, b"B" + self.patient):
            head = head.replace(before, before[:-_DIGITS] + name)
        return (self.sop_instance_uid[:-_DIGITS] + name).decode(), head + self.pixels


def measure(
    scanner: Scanner, fresh: Fresh, through: Callable[[], int], spent: Callable[[], dict[str, float]], seconds: float
) -> Flow:
    """Keep OUTSTANDING studies on their way, and count for `seconds` what goes through.

    `through` says how many studies have been answered in full since the system was started; `spent` what each process
    has taken of the processors.
    """
    sender = _Sender(scanner, fresh)
    at_first, full_by = through(), time.monotonic() + _FILLING_SECONDS
    with sender:
        while sender.on_their_way(through() - at_first) < OUTSTANDING and time.monotonic() < full_by:
            sender.allow(through() - at_first)
            time.sleep(_LOOK_SECONDS)
        begun, done_before, spent_before = time.monotonic(), through(), spent()
        while time.monotonic() < begun + seconds:
            sender.allow(through() - at_first)
            time.sleep(_LOOK_SECONDS)
        ended, done_after, spent_after = time.monotonic(), through(), spent()
    used = {name: taken - spent_before.get(name, 0.0) for name, taken in spent_after.items()}
    return Flow(sender.sent, done_after - done_before, ended - begun, used)


class _Sender:
    """Threads that send; a context manager at whose end no more is sent."""

    def __init__(self, scanner: Scanner, fresh: Fresh) -> None:
        self._scanner, self._fresh = scanner, fresh
        self._changed = threading.Condition()
        self._begun, self._most, self._stopped, self.sent = 0, OUTSTANDING, False, 0
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._work) for _ in range(SCANNERS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def on_their_way(self, through: int) -> int:
        return self.sent - through

    def allow(self, through: int) -> None:
        """Let so many more go as are through."""
        with self._changed:
            self._most = through + OUTSTANDING
            self._changed.notify_all()

    def _work(self) -> None:
        try:
            while self._may_go():
                uid, dataset = self._fresh.next()
                with self._scanner.open() as association:
                    association.store(uid, dataset)
                with self._changed:
                    self.sent += 1
        except BaseException as error:  # noqa: BLE001 - raised at the end
            self._failures.append(error)

    def _may_go(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._begun < self._most)
            self._begun += 1
            return not self._stopped
