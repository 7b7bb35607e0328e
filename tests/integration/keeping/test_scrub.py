"""Stored files are read back in rounds; what a disk has damaged is told, and mended by the same image coming again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.config.keeping import ScrubSection
from agent.keeping.scrub import Scrubber
from db.database import Database
from db.scrub import Damage, damaged_files, scrub_round
from dicom_io.errors import StoreError


def scrubber(site: Any, **settings: Any) -> Scrubber:
    return Scrubber(site.database, site.store, ScrubSection(every_days=10, **settings), site.clock)


def test_within_its_time_a_round_reads_every_file_once_and_no_sooner_than_due(
    database: Database, site_of: Callable[..., Any]
) -> None:
    site = site_of(database)
    site.delivered(images=9)
    scrubbing = scrubber(site)
    read = []
    for _ in range(11):
        scrubbing.run()
        stands = scrub_round(database)
        assert stands is not None
        read.append(stands.files)
        site.now += timedelta(days=1)
    assert read[0] == 0
    assert read == [*sorted(read[:-1]), 0], "the last run ends the round and begins another"
    assert stands.rounded_at is not None
    assert max(read[:-1]) <= 10


def test_not_more_is_read_at_once_than_the_rate_allows(sqlite_database: Database, site_of: Callable[..., Any]) -> None:
    site = site_of(sqlite_database)
    site.delivered(images=9)
    scrubbing = scrubber(site, megabytes_per_second=1e-7)
    scrubbing.run()
    site.now += timedelta(days=20)
    for number in range(1, 11):
        scrubbing.run()
        stands = scrub_round(sqlite_database)
        assert stands is not None
        assert stands.files == number


@pytest.mark.parametrize("damage", Damage)
def test_a_damaged_file_is_told_once_and_is_mended_when_the_same_image_comes_again(
    damage: Damage, database: Database, site_of: Callable[..., Any]
) -> None:
    site = site_of(database)
    recorded = site.receive(sop_instance_uid="1.2.3.7.7")
    site.receive()
    (path,) = [one for one in site.files() if b"1.2.3.7.7\0" in site.store.path(one).read_bytes()]
    if damage is Damage.MISSING:
        site.store.path(path).unlink()
    else:
        site.store.path(path).write_bytes(b"x")
    scrubbing = scrubber(site)
    scrubbing.run()
    site.now += timedelta(days=20)
    with capture_logs() as logs:
        scrubbing.run()
        scrubbing.run()
        site.now += timedelta(days=20)
        scrubbing.run()
    told = [line for line in logs if line["event"] == "stored_file_damaged"]
    assert [(line["damage"], line["studies"]) for line in told] == [(damage.value, ["1.2.3"])]
    assert [(one.path, one.damage) for one in damaged_files(database)] == [(path, damage)]
    again = site.receive(sop_instance_uid="1.2.3.7.7")
    assert (again.instance_id, again.known) == (recorded.instance_id, True)
    site.now += timedelta(hours=2)
    scrubbing.run()
    assert damaged_files(database) == ()


def test_a_store_that_is_away_has_lost_nothing(sqlite_database: Database, site_of: Callable[..., Any]) -> None:
    site = site_of(sqlite_database)
    site.delivered()
    scrubbing = scrubber(site)
    scrubbing.run()
    for path in site.files():
        site.store.path(path).unlink()
    site.now += timedelta(days=20)
    with pytest.raises(StoreError, match="empty"):
        scrubbing.run()
    assert damaged_files(sqlite_database) == ()
