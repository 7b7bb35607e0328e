"""A version of the database is another one after any commit, and stays while there is none."""

from contextlib import closing
from datetime import UTC, datetime

from db.change_watch import ChangeWatch
from db.database import Database
from db.disks import Disk, disks, record_disks


def test_a_version_changes_with_each_commit_and_only_with_one(database: Database) -> None:
    seen = Disk(
        place="store",
        free_megabytes=9,
        low_megabytes=1,
        refused_megabytes=0,
        low_since=None,
        looked_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    with closing(ChangeWatch(database)) as watch:
        before = watch.version()
        assert disks(database) == ()
        assert watch.version() == before
        record_disks(database, (seen,))
        after = watch.version()
        assert after != before
        record_disks(database, ())
        assert watch.version() not in {before, after}
