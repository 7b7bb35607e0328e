"""Retention with real files: archived and read back, rows first, files after them, whatever is killed in between."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commands import QuickCommands

from agent.config.keeping import RetentionSection
from agent.keeping.reconcile import Reconciler, Reconciliation
from agent.keeping.retention import ClockAheadError, Retainer
from db.backup_record import begin_backup, end_backup
from db.database import Database
from db.file_deletion import waiting_files
from db.pruning import prune
from db.retention import stored_bytes
from db.worklist import study_record

PROGRAM = Path(__file__).with_name("retention_program.py")
AGE = {"not_flagged": 365.0}


def retainer(site: Any, **settings: Any) -> Retainer:
    return Retainer(site.database, site.queue, site.store, RetentionSection(**settings), site.clock)


def misfits(site: Any) -> list[Any]:
    return list(Reconciler(site.database, site.store, site.clock).compare(Reconciliation(), reads=lambda _: True))


def test_images_go_first_and_results_later_and_the_files_with_them(
    database: Database, site_of: Callable[..., Any], a_year: timedelta
) -> None:
    site = site_of(database)
    site.delivered()
    site.now += a_year
    keeping = retainer(site, images_after_days=AGE, results_after_days={"not_flagged": 700})
    assert len(site.files()) == 3
    assert keeping.run() is None
    record = study_record(database, "1.2.3")
    assert record is not None
    assert site.files() == site.rows() == {record.reports[0]["path"]}
    site.now += a_year
    assert keeping.run() is None
    assert site.files() == site.rows() == set()
    assert waiting_files(database) == (0, 0)


def test_what_goes_lies_whole_in_the_archive_with_the_studys_record(
    sqlite_database: Database, site_of: Callable[..., Any], a_year: timedelta, tmp_path: Path
) -> None:
    site = site_of(sqlite_database)
    site.delivered()
    before = {path[3:]: site.store.path(path).read_bytes() for path in site.files()}
    site.now += a_year
    retainer(site, results_after_days=AGE, archive_folder=tmp_path / "archive").run()
    assert len(site.files()) == 3, "expected nothing to go while the archive's disk is not there"
    (tmp_path / "archive").mkdir()
    retainer(site, results_after_days=AGE, archive_folder=tmp_path / "archive").run()
    assert site.files() == set()
    (folder,) = (tmp_path / "archive").glob("??/1.2.3")
    assert {path.name: path.read_bytes() for path in folder.glob("*.dcm")} == before
    (record,) = (json.loads(path.read_text()) for path in folder.glob("record-*.json"))
    assert record["study"]["patient_name"] == "Doe^John"
    assert (len(record["instances"]), len(record["results"]), len(record["reports"])) == (2, 1, 1)


def test_nothing_goes_that_the_archive_does_not_take(
    sqlite_database: Database, site_of: Callable[..., Any], a_year: timedelta, tmp_path: Path
) -> None:
    site = site_of(sqlite_database)
    site.delivered()
    site.now += a_year
    in_the_way = tmp_path / "archive"
    in_the_way.touch()
    retainer(site, results_after_days=AGE, archive_folder=in_the_way).run()
    assert len(site.files()) == 3
    broken = site.store.path(min(site.rows()))
    broken.write_bytes(b"changed on the disk")
    in_the_way.unlink()
    in_the_way.mkdir()
    retainer(site, results_after_days=AGE, archive_folder=in_the_way).run()
    assert len(site.files()) == 3


def test_a_back_up_is_outwaited_and_not_run_after_run_at_once(
    database: Database, site_of: Callable[..., Any], a_year: timedelta
) -> None:
    site = site_of(database)
    site.delivered()
    site.now += a_year
    keeping = retainer(site, results_after_days=AGE)
    number = begin_backup(database, "b", now=site.now)
    assert keeping.run() is None
    assert (len(site.files()), site.rows()) == (3, set())
    end_backup(database, number, whole=True, files=0, size=0, detail="", now=site.now)
    assert keeping.run() is None
    assert site.files() == set()


def test_for_room_the_oldest_go_until_there_is_enough(
    sqlite_database: Database, site_of: Callable[..., Any], a_year: timedelta
) -> None:
    site = site_of(sqlite_database)
    for number in range(3):
        site.delivered(f"1.2.{number}", outcome="flagged")
        site.now += timedelta(minutes=1)
    full = stored_bytes(sqlite_database)
    site.now += a_year
    limit = (full - 1) / 1e9
    assert retainer(site, images_beyond_gigabytes=limit).run() is None
    records = [study_record(sqlite_database, f"1.2.{number}") for number in range(3)]
    gone = [record is not None and record.instances[0]["removed_at"] is not None for record in records]
    assert gone == [True, False, False]
    site.delivered("1.2.9")
    assert retainer(site, images_beyond_gigabytes=limit / 1e6, least_days=1).run() is None
    record = study_record(sqlite_database, "1.2.9")
    assert record is not None
    assert record.instances[0]["removed_at"] is None, "too young"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_between_rows_and_files_nothing_is_missing_and_the_next_run_finishes(
    moment: str, database: Database, site_of: Callable[..., Any], a_year: timedelta, quick_commands: QuickCommands
) -> None:
    site = site_of(database)
    site.delivered()
    site.delivered("1.2.4")
    site.now += a_year
    url, folder = database.url.render_as_string(hide_password=False), str(site.config.store.folder)
    with quick_commands.program(PROGRAM, url, folder, site.now.isoformat(), moment) as dying:
        assert dying.wait(60) == -9
    assert site.rows() == set(), "the rows went first"
    assert len(site.files()) == (6 if moment == "before" else 5)
    assert misfits(site) == [], "what waits to be deleted is no orphan"
    assert retainer(site, results_after_days=AGE).run() is None
    assert site.files() == set()
    assert waiting_files(database) == (0, 0)


def test_records_go_by_age_but_none_that_is_owed(database: Database, site_of: Callable[..., Any]) -> None:
    site = site_of(database)
    from db.commitment import acknowledge_report, record_request  # noqa: PLC0415 - this test alone asks

    ae = {"calling_ae_title": "A", "called_ae_title": "B", "instances": [("1.2", "1.2.3")]}
    for number in (1, 2):
        at = {"now": site.now, "report_at": site.now}
        asked = record_request(database, site.queue, transaction_uid=f"1.{number}", **at, **ae)
        if number == 1:
            acknowledge_report(database, asked, at=site.now)
    done = prune(database, before=site.now + timedelta(days=1))
    assert (done.messages, done.commitments, done.events) == (0, 1, 0)
    assert prune(database, before=site.now + timedelta(days=1)).commitments == 0


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_nothing_goes_by_a_clock_that_the_databases_contradicts(
    database: Database, site_of: Callable[..., Any], a_year: timedelta
) -> None:
    site = site_of(database)
    site.now = datetime.now(UTC)
    site.delivered()
    site.now += a_year
    with pytest.raises(ClockAheadError, match="ahead by"):
        retainer(site, results_after_days=AGE).run_if_clock_is_right()
    assert len(site.files()) == 3
