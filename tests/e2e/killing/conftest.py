"""Scanners that insist, and a killer who keeps to a seeded plan."""

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydicom import Dataset

from db.worklist import StudyRecord, study_record
from dicom_io.errors import NetworkError
from dicom_io.scu import StoreStatus, send

ASSOCIATIONS = 4
SEED = 20261123
BETWEEN_TRIES = 0.2  # seconds
LONGEST = 600.0  # seconds that sending, or the rest of the work, may take on a busy machine


@dataclass
class Scanners:
    """Send studies over four associations at a time, again and again until every Instance has been taken."""

    agent: Any
    files: Mapping[str, bytes]  # by SOP Instance UID
    taken: set[str] = field(default_factory=set)
    given_up: threading.Event = field(default_factory=threading.Event)

    def send(self, studies: Sequence[Sequence[str]]) -> None:
        """Return when all are taken."""
        lanes = [studies[number::ASSOCIATIONS] for number in range(ASSOCIATIONS)]
        clock = threading.Timer(LONGEST, self.given_up.set)
        clock.start()
        with ThreadPoolExecutor(ASSOCIATIONS) as pool:
            for lane in [pool.submit(self._send, lane, number) for number, lane in enumerate(lanes)]:
                lane.result()
        clock.cancel()

    def _send(self, studies: Sequence[Sequence[str]], number: int) -> None:
        for study in studies:
            while rest := [uid for uid in study if uid not in self.taken]:
                self._try(rest, number)
                assert not self.given_up.is_set(), f"{len(self.files) - len(self.taken)} Instances were never taken"

    def _try(self, uids: Sequence[str], number: int) -> None:
        """Send over one association. What gets no answer, or another than 0000H, is sent again after a moment."""
        files = [self.files[uid] for uid in uids]
        try:
            send(self.agent.peer, files, calling_ae_title=f"SCANNER{number}", on_status=self._note)
        except NetworkError:
            self.given_up.wait(BETWEEN_TRIES)

    def _note(self, status: StoreStatus) -> None:
        if status.stored:
            self.taken.add(status.sop_instance_uid)


@dataclass
class Killer:
    """Kills processes at planned moments, which are counted in what has been done and not in seconds."""

    agent: Any
    done: Callable[[], int]
    plan: Sequence[tuple[int, str]]
    killed: Counter[str] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        for moment, role in self.plan:
            while self.done() < moment and not self.stop.wait(0.02):
                pass
            if role == "supervisor":
                self.agent.process.kill()
                self.agent.process.wait()
                self.agent.start()
            elif (pid := self._wait_for(role)) is not None:
                os.kill(pid, signal.SIGKILL)
            self.killed[role] += not self.stop.is_set()

    def _wait_for(self, role: str) -> int | None:
        while (pid := self.agent.pid(role)) is None and not self.stop.wait(0.05):
            pass
        return None if pid is None else int(pid)


def planned(victims: Sequence[str], units: int) -> list[tuple[int, str]]:
    """Spread the kills over the first nine tenths of the work, in a random order, the supervisor's in the middle."""
    chance, others = random.Random(SEED), list(victims)  # noqa: S311 - a repeatable order, not a secret
    chance.shuffle(others)
    others.insert(len(others) // 2, "supervisor")
    return list(zip(sorted(chance.sample(range(1, units * 9 // 10), len(others))), others, strict=True))


@dataclass
class Survivors:
    """What is left when everything has been sent, and everybody killed who was to be."""

    agent: Any
    pacs: Any
    scanners: Scanners
    killer: Killer
    records: Sequence[StudyRecord]


@pytest.fixture
def survive(eventually: Callable[..., None]) -> Callable[..., Survivors]:
    """Return `survive(agent, pacs, datasets, victims)`: sends, kills, and waits until every study is delivered."""

    def run(agent: Any, pacs: Any, datasets: Sequence[Dataset], victims: Sequence[str]) -> Survivors:
        studies: dict[str, list[str]] = {}
        for dataset in datasets:
            studies.setdefault(str(dataset.StudyInstanceUID), []).append(str(dataset.SOPInstanceUID))
        scanners = Scanners(agent, {str(dataset.SOPInstanceUID): agent.encode(dataset) for dataset in datasets})
        # An Instance taken is a unit of work, and a report at the PACS, of which each study has at least one.
        units = len(datasets) + len(studies)
        killer = Killer(agent, lambda: len(scanners.taken) + len(pacs.instances), planned(victims, units))
        with ThreadPoolExecutor(1) as pool:
            killing = pool.submit(killer.run)
            try:
                scanners.send(list(studies.values()))
                eventually(lambda: killing.done() and agent.has_delivered(len(studies)), LONGEST)
            finally:
                killer.stop.set()
            killing.result()
        records = [study_record(agent.database, study) for study in studies]
        return Survivors(agent, pacs, scanners, killer, [record for record in records if record is not None])

    return run
