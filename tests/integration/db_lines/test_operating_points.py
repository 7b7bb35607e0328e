"""Sites' own operating points on record: one active, the history complete, a person's name to everything."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from db.database import Database
from db.errors import ConstraintError, RefusedError
from db.operating_point import (
    OperatingPointRecord,
    activate_operating_point,
    active_operating_points,
    deactivate_operating_points,
    operating_points,
)
from db.schema.model import operating_point

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LITE, NEWER = ("lite", "1", "aa" * 32), ("lite", "2", "bb" * 32)


def activate(database: Database, content: str, **given: Any) -> OperatingPointRecord:
    values: dict[str, Any] = {"model": LITE, "by": "A Physicist", "now": NOON} | given
    return activate_operating_point(database, content=content, **values)


def test_the_later_one_ends_the_earlier_and_both_stay_on_record(database: Database) -> None:
    first = activate(database, "one")
    second = activate(database, "two", by="B Physicist", now=NOON + timedelta(hours=1))
    assert active_operating_points(database, "lite") == (second,)
    ended, _ = operating_points(database)
    assert (ended.id, ended.content, ended.activated_by) == (first.id, "one", "A Physicist")
    assert (ended.deactivated_by, ended.deactivated_at) == ("B Physicist", NOON + timedelta(hours=1))


def test_after_an_upgrade_the_old_one_is_still_active_until_a_person_decides(database: Database) -> None:
    old = activate(database, "one")
    assert [record.model_sha256 for record in active_operating_points(database, "lite")] == [old.model_sha256]
    new = activate(database, "two", model=NEWER)
    assert active_operating_points(database, "lite") == (new,)


def test_deactivating_ends_all_of_a_model_and_none_of_another(database: Database) -> None:
    activate(database, "one")
    other = activate(database, "two", model=("small", "1", "cc" * 32))
    assert deactivate_operating_points(database, "lite", by="B", now=NOON) == 1
    assert deactivate_operating_points(database, "lite", by="B", now=NOON) == 0
    assert active_operating_points(database, "lite") == ()
    assert active_operating_points(database, "small") == (other,)


def test_what_is_active_is_not_activated_again(database: Database) -> None:
    activate(database, "one")
    with pytest.raises(RefusedError, match="not active yet"):
        activate(database, "one", by="B")
    assert len(operating_points(database)) == 1
    deactivate_operating_points(database, "lite", by="B", now=NOON)
    assert activate(database, "one").deactivated_at is None


@pytest.mark.parametrize("by", ["", "  ", "\n", "\x00"])
def test_nobody_decides_nothing(database: Database, by: str) -> None:
    with pytest.raises(RefusedError, match="name of the person"):
        activate(database, "one", by=by)
    activate(database, "one")
    with pytest.raises(RefusedError, match="name of the person"):
        deactivate_operating_points(database, "lite", by=by, now=NOON)
    assert len(active_operating_points(database, "lite")) == 1


def test_the_database_itself_holds_one_active_row_for_the_same_weights(database: Database) -> None:
    activate(database, "one")
    row = {"model_name": "lite", "model_version": "1", "model_sha256": "aa" * 32, "content": "two"}
    with pytest.raises(ConstraintError), database.begin() as connection:
        connection.execute(insert(operating_point).values(**row, activated_by="B", activated_at=NOON))
