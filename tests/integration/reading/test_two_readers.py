"""Two readers in any order: whoever acts on what they have seen succeeds, nobody overwrites what they have not seen."""

import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db import reading_marks
from db.audit import Who
from db.database import open_database
from db.errors import ChangedError, RefusedError
from db.outcome import Outcome
from db.priority import Allowances, Priority
from db.queue import open_queue
from db.reading_acts import Acting, Seen
from db.reading_record import ReadingRecord, reading_record
from db.reading_undo import undo
from db.worklist import WorklistRow, worklist_row

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALLOWANCES = Allowances()
STEPS = st.tuples(
    st.sampled_from(["ada", "bo"]), st.sampled_from(["look", "read", "unread", "high", "ordered", "mine", "undo"])
)


class Room:
    """One study, two readers, and what each of them saw last."""

    def __init__(self, folder: Path, template: Path, make_ledger: Callable[..., Any]) -> None:
        shutil.copy(template, folder / "tibabu.db")
        self.database = open_database(f"sqlite:///{folder / 'tibabu.db'}")
        self.queue = open_queue(self.database)
        ledger = make_ledger(self.database, self.queue)
        image = ledger.receive("2.25.1", at=NOON)
        ledger.score(image, Outcome.FLAGGED, at=NOON, probability=0.8)
        ledger.conclude(image.study_id, at=NOON + timedelta(minutes=1))
        self.saw = dict.fromkeys(("ada", "bo"), self.record())
        self.now = NOON + timedelta(minutes=2)

    def record(self) -> ReadingRecord:
        found = reading_record(self.database, "2.25.1")
        assert found is not None
        return found

    def row(self) -> WorklistRow:
        found = worklist_row(self.database, "2.25.1")
        assert found is not None
        return found

    def act(self, who: str, what: str) -> None:
        """Let a reader do something on what they saw last."""
        self.now += timedelta(minutes=1)
        seen, acting = self.saw[who].seen, Acting(Who(who), self.now)
        match what:
            case "read":
                reading_marks.mark_read(self.database, self.queue, seen, acting)
            case "unread":
                reading_marks.mark_unread(self.database, self.queue, seen, acting)
            case "mine":
                reading_marks.assign(self.database, seen, acting, who)
            case "undo":
                able = [act.id for act in self.saw[who].acts if act.can_be_undone]
                if able:
                    undo(self.database, self.queue, seen, acting, able[-1], allowances=ALLOWANCES)
            case _:
                self._prioritise(seen, acting, Priority.HIGH if what == "high" else None)

    def _prioritise(self, seen: Seen, acting: Acting, priority: Priority | None) -> None:
        reading_marks.set_priority(self.database, self.queue, seen, acting, priority, reason="x", allowances=ALLOWANCES)


def facts(room: Room) -> tuple[object, ...]:
    row = room.row()
    return row.read_at, row.read_how, row.person_priority, row.due_at, row.assigned_to


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=12))
def test_nobody_overwrites_what_they_have_not_seen_and_to_take_back_puts_back_what_stood_before(
    sqlite_template: Path, make_ledger: Callable[..., Any], steps: list[tuple[str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        room = Room(Path(folder), sqlite_template, make_ledger)
        history = [facts(room)]
        for who, what in steps:
            if what == "look":
                room.saw[who] = room.record()
                continue
            before, fresh = facts(room), room.saw[who].seen == room.record().seen
            try:
                room.act(who, what)
            except ChangedError:
                assert not fresh
                assert facts(room) == before
            except RefusedError:
                assert facts(room) == before
            else:
                assert fresh or facts(room) == before
                if what == "undo" and facts(room) != before:
                    assert facts(room) in history, "a state that there was before"
                history.append(facts(room))
        room.database.dispose()


def test_two_who_act_at_the_same_moment_on_the_same_sight_are_one_too_many(desk: Any) -> None:
    seen = desk.seen()
    reading_marks.mark_read(desk.database, desk.queue, seen, desk.acting("ada"))
    with pytest.raises(ChangedError, match="ada marked it read meanwhile"):
        reading_marks.assign(desk.database, seen, desk.acting("bo"), "bo")
