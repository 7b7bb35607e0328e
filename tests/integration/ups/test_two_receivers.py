"""Two receiving processes share one list: who claims first holds the task, whichever process was asked."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from commands import QuickCommands
from pydicom.uid import generate_uid

TASKS = 6

RECEIVER = """
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from agent.line.workitems import Workitems
from db.database import open_database
from db.queue import open_queue
from db.workitem_changes import WorkitemLedger
from dicom_io.door import Door, KnownPeer, Verb
from dicom_io.scp import ScpSettings, StorageScp
from dicom_io.services import Services
from dicom_io.spool import Spool

class Sink:
    def received(self, _): return 0
    def association_ended(self, _): ...

database = open_database(sys.argv[1])
door = Door([KnownPeer(ae_title="RIS", may=frozenset({Verb.UPS_PULL, Verb.UPS_CHANGE}))])
ledger = WorkitemLedger(database, open_queue(database))
services = Services(workitems=Workitems(ledger, door, "TIBABU", lambda: datetime.now(UTC)))
settings = ScpSettings(host="127.0.0.1", port=0, door=door, dimse_timeout=60)
scp = StorageScp(settings, Sink(), partial(Spool, Path(sys.argv[2])), services=services)
scp.start()
print(scp.port, flush=True)
sys.stdin.read()
scp.stop(1)
"""


@pytest.fixture
def receiver(tmp_path: Path, quick_commands: QuickCommands) -> Iterator[Callable[[str], int]]:
    """Return `receiver(url)`: the port of an SCP in a process of its own."""
    with ExitStack() as stack:

        def start(url: str) -> int:
            process = stack.enter_context(quick_commands.program("-c", RECEIVER, url, tmp_path))
            return int(process.stdout.readline())

        yield start


def test_of_two_claims_at_once_in_two_processes_exactly_one_wins(
    hospital: Any, serve: Callable[..., Any], receiver: Callable[[str], int]
) -> None:
    for number in range(TASKS):
        hospital.study(f"1.2.{number}")
    listing = serve(hospital)
    uids = [task.SOPInstanceUID for task in listing.listed("SCHEDULED")]
    url = hospital.database.url.render_as_string(hide_password=False)
    clients = [type(listing)(receiver(url)) for _ in range(2)]
    start = Barrier(2)

    def claim(client: Any, uid: str) -> int:
        start.wait(60)
        return int(client.change(uid, "IN PROGRESS", str(generate_uid())))

    with ThreadPoolExecutor(2) as pool:
        answers = [sorted(pool.map(lambda client, uid=uid: claim(client, uid), clients)) for uid in uids]
    assert len(answers) == TASKS
    for won, lost in answers:
        assert won == 0x0000
        assert lost in (0xC301, 0xC302)  # somebody else's Transaction UID
    assert len(listing.listed("IN PROGRESS")) == TASKS
