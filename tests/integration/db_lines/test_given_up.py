"""A job that was given up has its consequence: what must happen is tried again."""

import threading
from datetime import timedelta
from typing import Any

from agent.complete import Completer
from db import kinds
from db.queue import Done, Job, Park


def test_a_rejection_note_that_could_not_be_heeded_is_tried_again(ledger: Any) -> None:
    with ledger.database.begin() as connection:
        ledger.queue.enqueue(connection, kinds.REJECT, "7", due_at=ledger.now, run_at=ledger.now)
    stop = threading.Event()

    def give_up(_job: Job) -> Park:
        stop.set()
        return Park("OSError")

    ledger.queue.run({kinds.REJECT: give_up}, stop=stop, concurrency=1)
    assert [(parked.kind, parked.key) for parked in ledger.queue.parked()] == [("reject", "7")]
    Completer(ledger.database, ledger.queue, ledger.allowances, lambda: ledger.now).reap()
    assert ledger.queue.parked() == ()
    assert ledger.waiting() == {"reject": 1}


def test_an_image_of_a_complete_study_whose_job_is_lost_gets_another_one_once(ledger: Any) -> None:
    """Its study would wait for ever, and say "being analysed"."""
    ledger.receive()
    stop = threading.Event()

    def lose(_job: Job) -> Done:
        stop.set()
        return Done()

    ledger.queue.run({kinds.SCORE: lose}, stop=stop, concurrency=1)
    completer = Completer(ledger.database, ledger.queue, ledger.allowances, lambda: ledger.now + timedelta(hours=1))
    completer.heal()
    assert ledger.waiting() == {}, "it is still being received"
    completer.close()
    completer.heal()
    assert ledger.waiting() == {"score": 1}
    completer.heal()
    assert ledger.waiting() == {"score": 1}
