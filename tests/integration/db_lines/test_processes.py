"""Several receiving processes on one database: the same Instances at once, and each other's open associations."""

import pickle
from datetime import timedelta
from pathlib import Path
from typing import Any

from commands import QuickCommands

from db.arrival import note_association_ended
from db.completion import close_due
from db.worklist import worklist_row

PROGRAM = Path(__file__).with_name("receiving_program.py")
_IMAGES = 12


def test_processes_that_receive_the_same_instances_at_once_record_each_once(
    ledger: Any, quick_commands: QuickCommands
) -> None:
    processes = []
    for association in "abc":
        # All bring the same images, of two studies, in different orders.
        incoming = [
            ledger.incoming(
                study_instance_uid=f"1.2.{number % 2}",
                sop_instance_uid=f"1.2.9.{number}",
                sha256=f"{number:064x}",
                association_id=association if number < 2 else "",
            )
            for number in (range(_IMAGES) if association != "b" else reversed(range(_IMAGES)))
        ]
        process = quick_commands.program(PROGRAM)
        process.stdin.write(pickle.dumps((ledger.database, incoming, ledger.timing, ledger.allowances)))
        processes.append(process)
    for process in processes:
        process.stdin.close()  # now it begins
    for process in processes:
        process.communicate(60)
        assert process.returncode == 0
    for number in range(2):
        found = worklist_row(ledger.database, f"1.2.{number}")
        assert found is not None
        assert (found.instances, found.revision) == (_IMAGES // 2, 1)
    assert ledger.waiting() == {"score": _IMAGES}
    for association in "abc":
        assert close_due(ledger.database, ledger.queue, now=ledger.now + timedelta(seconds=5)) == 0
        note_association_ended(ledger.database, association, closes_at=ledger.now + timedelta(seconds=2))
    assert close_due(ledger.database, ledger.queue, now=ledger.now + timedelta(seconds=5)) == 2
