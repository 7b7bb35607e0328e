"""Who has a study before them: a soft lock that warns, ends by itself, and can be taken over."""

from datetime import timedelta
from typing import Any

import pytest

from db.errors import RefusedError
from db.queue import open_queue
from db.reading_lock import LASTS, keep_up, put_down, take_up
from db.workitem_changes import WorkitemLedger
from db.workitem_reading import TaskCriteria, reading_tasks
from db.workitem_states import Answer, WorkitemState
from db.worklist import study_record


def test_the_worklist_says_who_reads_a_study_until_the_page_was_not_heard_of_for_two_minutes(desk: Any) -> None:
    take_up(desk.database, desk.uid, desk.reader("ada"), at=desk.now)
    assert desk.row().reader_at(desk.now) == "Ada"
    (task,) = reading_tasks(desk.database, TaskCriteria())
    assert task.state == WorkitemState.SCHEDULED, "who looks keeps no system from claiming the task"
    later = desk.now + LASTS - timedelta(seconds=1)
    assert keep_up(desk.database, desk.uid, desk.reader("ada"), at=later)
    assert desk.row().reader_at(desk.now + LASTS) == "Ada"
    assert desk.row().reader_at(later + LASTS) == ""
    assert not keep_up(desk.database, desk.uid, desk.reader("ada"), at=later + LASTS)


def test_somebody_else_is_warned_and_gets_it_only_by_taking_over(desk: Any) -> None:
    take_up(desk.database, desk.uid, desk.reader("ada"), at=desk.now)
    assert take_up(desk.database, desk.uid, desk.reader("bo"), at=desk.now).name == "ada"
    assert take_up(desk.database, desk.uid, desk.reader("bo"), at=desk.now, take_over=True).name == "bo"
    assert not keep_up(desk.database, desk.uid, desk.reader("ada"), at=desk.now)
    record = study_record(desk.database, desk.uid)
    assert record is not None
    told = [(row["event"], row["actor"], row["detail"]) for row in record.events][-2:]
    assert told == [("OPENED", "ada", ""), ("TAKEN_OVER", "bo", "from ada")]


def test_a_reader_who_leaves_lets_others_have_it_and_nobody_ends_another_s_reading(desk: Any) -> None:
    take_up(desk.database, desk.uid, desk.reader("ada"), at=desk.now)
    assert not put_down(desk.database, desk.uid, desk.reader("bo"), at=desk.now)
    assert put_down(desk.database, desk.uid, desk.reader("ada"), at=desk.now)
    assert desk.row().reader_at(desk.now) == ""


def test_a_task_that_a_peer_has_claimed_is_the_same_truth(desk: Any) -> None:
    (task,) = reading_tasks(desk.database, TaskCriteria())
    ledger = WorkitemLedger(desk.database, open_queue(desk.database))
    claimed = ledger.change_state(
        task.sop_instance_uid,
        WorkitemState.IN_PROGRESS,
        "2.25.77",
        by="STATION-4",
        complete=lambda _state, said: said,
        at=desk.now,
    )
    assert claimed is Answer.DONE
    holder = take_up(desk.database, desk.uid, desk.reader("ada"), at=desk.now)
    assert (holder.name, holder.is_peer) == ("STATION-4", True)
    take_up(desk.database, desk.uid, desk.reader("ada"), at=desk.now, take_over=True)
    assert desk.row().reader_at(desk.now) == "STATION-4", "the peer goes on holding its task"


def test_a_study_that_is_not_here_cannot_be_opened(desk: Any) -> None:
    with pytest.raises(RefusedError):
        take_up(desk.database, "2.25.404", desk.reader("ada"), at=desk.now)
