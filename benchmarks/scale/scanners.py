"""Scanners that send all the time, by DCMTK's storescu, and what became of every study that they sent."""

import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cluster import tool

from dicom_io.errors import NetworkError
from dicom_io.scu import HeldAssociation, Peer
from dicom_io.simulated import Kind, Simulated, made

_HEIGHT = 480
SLOW_IMAGES, SLOW_PAUSE = 20, 0.5
"""The slow modality's study: so many images over one association, one in each pause."""


@dataclass(slots=True)
class Ledger:
    """What was sent: SOP Instance UIDs that were answered with success, studies that were not, and why."""

    stored: set[str] = field(default_factory=set)
    studies: int = 0
    refused: list[str] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)
    longest: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, uid: str, seconds: float, trouble: str) -> None:
        """Note a study of one image; `trouble` is what storescu said where it failed."""
        with self._lock:
            self.studies += 1
            self.longest = max(self.longest, seconds)
            if trouble:
                self.refused.append(trouble)
            else:
                self.stored.add(uid)

    def note_slow(self, uids: list[str], trouble: str) -> None:
        """Note a study of many images, which ended early if there was trouble; `uids` were answered with success."""
        with self._lock:
            self.studies += 1
            self.stored.update(uids)
            if trouble:
                (self.interrupted if uids else self.refused).append(trouble)


@contextmanager
def sending(ledger: Ledger, port: int, address: str, *, scanners: int, pause: float) -> Iterator[None]:
    """Send from so many scanners, each a study, a pause, and the next one, and from a slow modality; for a block."""
    stop = threading.Event()
    run = datetime.now(UTC).isoformat()
    with tempfile.TemporaryDirectory(prefix="tibabu-scanners-") as name:
        threads = [
            threading.Thread(target=_scan, args=(ledger, stop, address, port, Path(name), f"{run} {number}", pause))
            for number in range(scanners)
        ]
        threads.append(threading.Thread(target=_scan_slowly, args=(ledger, stop, address, port, run)))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def _scan(ledger: Ledger, stop: threading.Event, address: str, port: int, folder: Path, run: str, pause: float) -> None:
    command = [tool("storescu"), "-aet", "SCANNER", "-aec", "TIBABU", address, str(port)]
    study = 0
    while not stop.wait(pause):
        study += 1
        one = _image(run, study, 1)
        (file := folder / f"{run.replace(' ', '-')}.dcm").write_bytes(made(one))
        begun = time.perf_counter()
        done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)  # noqa: S603 - ours
        said = " / ".join(done.stderr.split("\n")[:2]) or str(done.returncode)
        ledger.note(one.sop_instance_uid, time.perf_counter() - begun, said if done.returncode else "")


def _scan_slowly(ledger: Ledger, stop: threading.Event, address: str, port: int, run: str) -> None:
    peer, study = Peer("TIBABU", address, port), 0
    while not stop.is_set():
        study += 1
        stored: list[str] = []
        trouble = ""
        try:
            with HeldAssociation(peer, "SLOW") as held:
                for image in range(1, SLOW_IMAGES + 1):
                    one = _image(f"{run} slow", study, image)
                    if image > 1 and not held.is_open:
                        trouble = f"its association was ended after {len(stored)} images"
                        break
                    if held.store(made(one)).stored:
                        stored.append(one.sop_instance_uid)
                    stop.wait(SLOW_PAUSE)
        except NetworkError as error:
            trouble = str(error)
        ledger.note_slow(stored, trouble)


def _image(run: str, study: int, image: int) -> Simulated:
    return Simulated(run=run, study=study, image=image, kind=Kind.DX, made_at=datetime.now(UTC), height=_HEIGHT)
