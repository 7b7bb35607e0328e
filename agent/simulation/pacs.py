"""A PACS with moods: a Storage SCP that keeps a ledger of all that reached it.

`python -m agent.simulation.pacs FOLDER` is one in a process of its own: it says on standard output where it listens,
takes the name of a mood from each line of standard input, and ends when that does.
"""

import argparse
import json
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from agent.simulation.ledger import Receipt, ReceiptLedger
from agent.simulation.moods import Mood, Spell, follow
from dicom_io.door import Door, Verb
from dicom_io.errors import HeaderError
from dicom_io.header import check_uid
from dicom_io.scp import AssociationSummary, ReceivedInstance, ScpSettings, StorageScp
from dicom_io.spool import Spool
from dicom_io.statuses import CANNOT_UNDERSTAND, COERCED, OUT_OF_RESOURCES, SUCCESS

AE_TITLE: Final = "SIMPACS"
LEDGER: Final = "received.jsonl"
_STOP_SECONDS: Final = 5.0
_STATUSES: Final = {Mood.WARNS: COERCED, Mood.REFUSES: OUT_OF_RESOURCES}


class _MoodyDoor(Door):
    """Lets everybody in unless the mood is to reject."""

    def __init__(self, mood: Callable[[], Mood]) -> None:
        super().__init__()
        self._mood = mood

    def verbs(self, calling_ae_title: str, address: str) -> frozenset[Verb]:
        return frozenset() if self._mood() is Mood.REJECTS else super().verbs(calling_ae_title, address)


class MoodyPacs:
    """Listens on a port that stays the same through all moods, on loopback unless told otherwise; a context manager.

    `folder` gets the ledger `received.jsonl` and, with `keep`, what was taken as `<SOP Instance UID>.dcm`. Associations
    that are open when a mood comes that accepts none are aborted. `slow_seconds`: how long SLOW takes for an Instance.
    """

    def __init__(
        self,
        folder: Path,
        *,
        ae_title: str = AE_TITLE,
        host: str = "127.0.0.1",
        port: int = 0,
        keep: bool = True,
        slow_seconds: float = 2.0,
    ) -> None:
        """Prepare to listen; 0 picks a free port."""
        self._folder, self._keep, self._slow_seconds = folder, keep, slow_seconds
        self._ae_title, self._host, self._port = ae_title, host, port
        self._mood = Mood.ACCEPTS
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._scp: StorageScp | None = None
        self._follower: threading.Thread | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._ledger = ReceiptLedger(folder / LEDGER)

    def __enter__(self) -> Self:
        """Listen. Raises NetworkError if the port is taken."""
        self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, and close the ledger."""
        self._over.set()
        if self._follower is not None:
            self._follower.join()
        with self._changed:
            self._hang_up(_STOP_SECONDS)
        self._ledger.close()

    @property
    def port(self) -> int:
        """Where it listens, or would."""
        return self._port

    @property
    def mood(self) -> Mood:
        """The mood it is in."""
        return self._mood

    def be(self, mood: Mood) -> None:
        """Change the mood; what is under way is still answered in the old one, or aborted."""
        with self._changed:
            before, self._mood = self._mood, mood
            if mood in {Mood.DOWN, Mood.REJECTS} and before is not mood:
                self._hang_up(0)
            if mood is not Mood.DOWN and self._scp is None:
                self._listen()

    def follow(self, spells: Iterable[Spell], *, speed: float = 1.0) -> None:
        """Keep to a schedule from now on, in a thread of its own, `speed` times as fast as it says."""
        plan = partial(follow, self.be, tuple(spells), speed=speed, stop=self._over)
        self._follower = threading.Thread(target=plan, daemon=True)
        self._follower.start()

    def received(self, instance: ReceivedInstance) -> int:
        """Take an Instance, as the mood is (`Sink.received`)."""
        mood = self._mood
        if mood is Mood.SLOW:
            self._over.wait(self._slow_seconds)
        status = self._take(instance, mood)
        self._ledger.add(
            Receipt(
                at=datetime.now(UTC).isoformat(),
                sop_class_uid=instance.affected_sop_class_uid,
                sop_instance_uid=instance.affected_sop_instance_uid,
                sha256=instance.spool.sha256,
                calling_ae_title=instance.calling_ae_title,
                mood=mood.value,
                status=status,
            )
        )
        return status

    def association_ended(self, summary: AssociationSummary) -> None:
        """Do nothing: Instances are counted one by one (`Sink.association_ended`)."""

    def _take(self, instance: ReceivedInstance, mood: Mood) -> int:
        status = _STATUSES.get(mood, SUCCESS)
        try:
            name = check_uid(instance.affected_sop_instance_uid)
        except HeaderError:
            return CANNOT_UNDERSTAND
        if self._keep and status != OUT_OF_RESOURCES:
            with instance.spool.open_file() as file:
                (self._folder / f"{name}.dcm").write_bytes(file.read())
        return status

    def _listen(self) -> None:
        settings = ScpSettings(
            ae_title=self._ae_title, host=self._host, port=self._port, door=_MoodyDoor(lambda: self._mood)
        )
        self._scp = StorageScp(settings, self, partial(Spool, self._folder))
        self._scp.start()
        self._port = self._scp.port

    def _hang_up(self, seconds: float) -> None:
        if self._scp is not None:
            self._scp.stop(seconds)
            self._scp = None


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m agent.simulation.pacs")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ae-title", default=AE_TITLE)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--forget", action="store_true", help="keep the ledger, not the Instances")
    given = parser.parse_args()
    with MoodyPacs(given.folder, ae_title=given.ae_title, port=given.port, keep=not given.forget) as pacs:
        sys.stdout.write(json.dumps({"ready": "pacs", "port": pacs.port}) + "\n")
        sys.stdout.flush()
        for line in sys.stdin:
            pacs.be(Mood(line.strip()))


if __name__ == "__main__":
    main()
