"""The database and the work on record: each thing is broken for real, found, and gone once it is mended."""

import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agent.config.file import load
from agent.doctor import backups, models, rows, work
from agent.doctor.finding import Remedy
from agent.process.parts import open_rows, utc_now
from db.backup_record import begin_backup, end_backup
from db.queue import Park, open_queue
from db.ticks import take_over
from db.trouble import Standing, Trouble

HOUR = timedelta(hours=1)


def execute(installation: Any, statement: str) -> None:
    database = open_rows(load(installation.config))
    with database.begin() as connection:
        connection.exec_driver_sql(statement)
    database.dispose()


def test_a_server_that_is_away_is_told_from_one_that_lets_nobody_in(
    installation: Any, on_postgresql: Any, free_port: Callable[[], int]
) -> None:
    installation.set("database", url=f"postgresql://nobody@127.0.0.1:{(port := free_port())}/x")
    found = installation.examined()["database-away"]
    assert "Connection refused" in found["detail"]
    assert found["commands"] == [f"pg_isready --host 127.0.0.1 --port {port}"]
    assert "database-away" not in on_postgresql.examined()


def test_a_damaged_file_and_a_url_that_names_no_database_are_found(installation: Any, tmp_path: Path) -> None:
    (file := tmp_path / "var/tibabu.db").rename(tmp_path / "good.db")
    file.write_bytes(b"no database" * 1000)
    assert "SQLITE_NOTADB" in installation.examined()["database-file-fails"]["detail"]
    (tmp_path / "good.db").rename(file)
    installation.set("database", url="mysql://x")
    assert "database-url-wrong" in installation.examined()
    del installation.sections["database"]
    installation.write()
    assert not {"database-file-fails", "database-url-wrong"} & installation.examined().keys()


def test_an_earlier_schema_is_migrated_by_the_command_that_is_told(installation: Any, tmp_path: Path) -> None:
    file = tmp_path / "var/tibabu.db"
    file.unlink()
    file.touch(0o600)
    installation.run(installation.examined()["database-behind"]["commands"][0])
    assert "database-behind" not in installation.examined()


def test_a_later_schema_and_a_database_that_was_moved_are_found(installation: Any) -> None:
    for revision, code in (("9999", "database-ahead"), ("moved", "database-moved")):
        execute(installation, f"UPDATE alembic_version SET version_num = '{revision}'")  # noqa: S608 - our own words
        assert code in installation.examined()


def test_sqlite_on_a_networks_file_system_is_found(
    installation: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mounts := tmp_path / "mounts").write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/x {tmp_path}/var nfs4 rw 0 0\n")
    with monkeypatch.context() as patch:
        patch.setattr(rows, "_MOUNTS", mounts)
        assert installation.found(rows.look).keys() == {"database-on-network-disk"}
    assert installation.found(rows.look) == {}
    assert rows.file_system(Path("/var/lib"), "a / ext4 rw 0 0\nb /var nfs rw 0 0\nc /v nfs rw 0 0\n") == "nfs"


def test_a_server_that_does_not_sync_is_found_until_the_commands_told_are_given(
    on_postgresql: Any, postgresql_server: str, eventually: Callable[..., None]
) -> None:
    found = on_postgresql.found(rows.look)["database-not-durable"]
    with closing(psycopg.connect(postgresql_server, autocommit=True)) as connection:
        try:
            for command in found.commands:
                connection.execute(command.partition('"')[2].rstrip('"').encode())
            eventually(lambda: on_postgresql.found(rows.look) == {})
        finally:
            connection.execute("ALTER SYSTEM SET fsync = off")  # as the other tests have it
            connection.execute("SELECT pg_reload_conf()")


def test_a_clock_that_is_not_the_servers_is_found(on_postgresql: Any) -> None:
    assert "3600.0 s ahead" in on_postgresql.found(rows.look, lambda: utc_now() + HOUR)["clock-off"].detail
    assert "clock-off" not in on_postgresql.found(rows.look)


def test_a_clock_that_went_back_is_found_by_the_rows_of_the_future(installation: Any) -> None:
    installation.receive()
    assert installation.found(rows.look) == {}
    assert installation.found(rows.look, lambda: utc_now() - HOUR).keys() == {"clock-went-back"}


def test_a_database_that_fails_while_it_is_looked_at_is_a_finding(installation: Any) -> None:
    execute(installation, "DROP TABLE api_token")
    installation.set("dicomweb", enabled=True, port=0)
    assert "database-fails" in installation.examined()


def test_an_operating_point_of_other_weights_is_found_until_a_person_lets_it_go(installation: Any) -> None:
    values = f"'efficientnet_lite0', '1', '{'e' * 64}', '{{}}', 'A', '{utc_now():%Y-%m-%d %H:%M:%S.%f}'"
    columns = "model_name, model_version, model_sha256, content, activated_by, activated_at"
    execute(installation, f"INSERT INTO operating_point ({columns}) VALUES ({values})")  # noqa: S608 - our own words
    found = installation.found(models.look)["operating-point-of-another"]
    installation.run(found.commands[1], NAME="Somebody")
    assert installation.found(models.look) == {}


def test_an_agent_that_stopped_is_found_and_one_that_never_ran_is_not(installation: Any) -> None:
    assert installation.found(work.look) == {}
    with installation.patient() as patient:
        take_over(patient.database, {"close": (0.5, 60), "reap": (5, 60)}, process="host:1", now=utc_now() - HOUR)
    assert installation.found(work.look).keys() == {"not-running"}


def test_a_tick_that_alone_is_overdue_is_found(installation: Any) -> None:
    wanted = {"backup": (3600, 60), "close": (0.5, 60)}
    with installation.patient() as patient:
        take_over(patient.database, wanted, process="host:1", now=utc_now())
    late = f"{utc_now() - 9 * HOUR:%Y-%m-%d %H:%M:%S.%f}"
    execute(installation, f"UPDATE tick SET next_at = '{late}' WHERE name = 'backup'")  # noqa: S608 - our own words
    found = installation.found(work.look)
    assert (found.keys(), found["tick-fails"].check) == ({"tick-fails"}, "tick backup")


def test_triage_that_is_off_is_found_until_the_command_that_is_told_switches_it_on(installation: Any) -> None:
    installation.run(f"tibabu triage --off --reason drill --config {installation.config}")
    installation.run(installation.found(work.look)["triage-off"].commands[1], REASON="over")
    assert installation.found(work.look) == {}


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (Trouble.PARKED, "parked"),
        (Trouble.RESTS, "rests"),
        (Trouble.TO_NOBODY, "to-nobody"),
        (Trouble.UNCONFIRMED, "unconfirmed"),
        (Trouble.TICK_FAILS, "tick-fails"),
        (Trouble.TICK_OVERDUE, "tick-fails"),
        (Trouble.FILES_DAMAGED, "files-damaged"),
        (Trouble.TRIAGE_OFF, "triage-off"),
        (Trouble.DRIFT, "drift"),
    ],
)
def test_every_trouble_that_people_are_told_of_has_its_row(installation: Any, trouble: Trouble, code: str) -> None:
    stands = Standing(trouble=trouble, destination="ris", since=utc_now(), reports=2, status="A700", reason="why")
    with installation.patient() as patient:
        found = work.of_trouble(patient, stands)
    assert isinstance(found.remedy, Remedy)
    assert found.remedy.code == code
    assert "A700; why" in found.detail
    assert all("{" not in command for command in found.commands)


def test_jobs_that_wait_for_long_or_are_parked_are_found(installation: Any) -> None:
    installation.receive(at=utc_now() - HOUR)
    assert installation.found(work.look).keys() == {"jobs-wait"}
    stop = threading.Event()

    def park(_job: Any) -> Park:
        stop.set()
        return Park("for the test")

    with installation.patient() as patient:
        open_queue(patient.database).run({"score": park}, stop=stop, concurrency=1)
    found = installation.found(work.look)
    assert found.keys() == {"jobs-parked"}
    assert found["jobs-parked"].commands[0] == f"tibabu requeue 1.2.3 --config {installation.config}"


def test_a_study_in_quarantine_is_found(installation: Any) -> None:
    installation.receive()
    installation.receive(patient="P2", instance="2")
    found = installation.found(work.look)["quarantined"]
    assert "1.2.3" in installation.run(found.commands[0])


def test_what_no_back_up_has_is_found_until_there_is_one(installation: Any, tmp_path: Path) -> None:
    assert installation.found(backups.look) == {}, "there is nothing to lose yet"
    installation.receive()
    found = installation.found(backups.look)["backup-none"]
    installation.run(found.commands[0], FOLDER=str(tmp_path / "copy"))
    assert installation.found(backups.look) == {}
    installation.set("backup", folder=str(tmp_path / "copy"))
    later = installation.found(backups.look, lambda: utc_now() + 49 * HOUR)
    assert later.keys() == {"backup-old", "backup-beside"}
    with installation.patient() as patient:
        end_backup(
            patient.database,
            begin_backup(patient.database, "x", now=utc_now() + 48 * HOUR),
            whole=True,
            files=1,
            size=1,
            detail="",
            now=utc_now() + 48 * HOUR,
        )
    assert "backup-old" not in installation.found(backups.look, lambda: utc_now() + 49 * HOUR)


def test_a_program_without_which_no_back_up_of_postgresql_is_made_is_found(on_postgresql: Any, tmp_path: Path) -> None:
    old, fit = tmp_path / "old", tmp_path / "fit"
    for program, version in ((old, 9), (fit, 99)):
        program.write_text(f'#!/bin/sh\necho "pg_dump (PostgreSQL) {version}.1 (Debian)"\n')
        program.chmod(0o700)
    on_postgresql.set("backup", folder="copy", pg_dump="no-such-program", pg_restore=str(fit))
    on_postgresql.receive()
    found = on_postgresql.found(backups.look)["backup-tool-missing"]
    assert found.keys == ("backup.pg_dump",)
    on_postgresql.set("backup", pg_dump=str(old))
    found = on_postgresql.found(backups.look)["backup-tool-missing"]
    assert found.detail.endswith("or later. Received: 9"), "pg_dump refuses a server that is newer than itself"
    (no_program := tmp_path / "broken").write_bytes(b"\x7fELF")
    no_program.chmod(0o700)
    on_postgresql.set("backup", pg_dump=str(no_program))
    assert on_postgresql.found(backups.look)["backup-tool-missing"].detail.endswith("or later. Received: 0")
    on_postgresql.set("backup", pg_dump=str(fit))
    assert "backup-tool-missing" not in on_postgresql.found(backups.look)
