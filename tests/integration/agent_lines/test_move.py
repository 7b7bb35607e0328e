"""A site moves from SQLite to PostgreSQL with studies in every state, and goes on there: nothing lost or doubled."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydicom import Dataset
from sqlalchemy import func, insert, select, text, update

from agent.config.file import Config
from agent.errors import InstallationError
from agent.process.app import run_role
from agent.process.parts import opened
from db import kinds
from db.completion import close_due
from db.database import Database, open_database
from db.errors import DatabaseBusyError, RefusedError, SchemaError
from db.installation import installation_uuid
from db.migrate import upgrade
from db.move import Moved, move
from db.outcome import Outcome
from db.queue import open_queue, utc_now
from db.queue.job_table import LEASED, PARKED, job
from db.requeue import requeue_deliveries
from db.revision import current
from db.schema.domain import instance, study
from db.schema.tokens import api_token
from db.worklist import worklist_row
from dicom_io.scu import Peer, send

Make = Callable[..., Dataset]


@pytest.fixture
def database(postgresql_url: str) -> Iterator[Database]:
    """Give the new database, in which there is nothing yet."""
    found = open_database(postgresql_url)
    yield found
    found.dispose()


@pytest.fixture
def old_config(sqlite_database: Database, tmp_path: Path, pacs_port: int) -> Config:
    return Config.model_validate(
        {
            "database": {"url": SecretStr(sqlite_database.url.render_as_string(hide_password=False))},
            "store": {"folder": tmp_path / "store", "minimum_free_megabytes": 1},
            "receive": {"host": "127.0.0.1", "port": 0},
            "complete": {"after_release_seconds": 0.2, "quiet_seconds": 5},
            "destinations": [
                {"name": "pacs", "type": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": pacs_port}
            ],
        }
    )


@contextmanager
def serving(config: Config, *roles: str) -> Iterator[Callable[[Dataset], None]]:
    """Run some roles for a block; what it gives sends a study to them."""
    stop, ports, up = threading.Event(), [], threading.Semaphore(0)

    def ready(_role: str, **facts: object) -> None:
        ports.extend([facts["port"]] if "port" in facts else [])
        up.release()

    def scan(dataset: Dataset) -> None:
        with Path(config.store.folder).with_name("sent.dcm").open("wb") as file:
            dataset.save_as(file, enforce_file_format=True)
        (status,) = send(Peer("TIBABU", "127.0.0.1", ports[0]), [Path(file.name)], calling_ae_title="SCANNER")
        assert status.stored

    threads = [threading.Thread(target=run_role, args=(role, config, stop, ready)) for role in roles]
    for thread in threads:
        thread.start()
    try:
        assert all(up.acquire(timeout=60) for _ in roles)
        yield scan
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def moved(source: Database, target: Database) -> Moved:
    return move(source, target, now=utc_now(), told=lambda _: None)


def job_of(database: Database, study_instance_uid: str, **values: Any) -> None:
    """Change the waiting `score` job of a study's only image."""
    with database.begin() as connection:
        of_study = select(instance.c.id).join(study).where(study.c.study_instance_uid == study_instance_uid)
        key = str(connection.execute(of_study).scalar_one())
        changed = connection.execute(update(job).where(job.c.kind == kinds.SCORE, job.c.key == key).values(values))
    assert changed.rowcount == 1


def test_a_site_with_studies_in_every_state_moves_and_the_agent_goes_on_to_the_end(
    start: Any,
    database: Database,
    old_config: Config,
    sqlite_database: Database,
    radiograph: Make,
    pacs: Any,
    eventually: Any,
) -> None:
    every = [radiograph(250 - number) for number in range(6)]
    delivered, refused, complete, lost, given_up, arriving = every

    def states(name: Dataset) -> dict[str, int]:
        row = worklist_row(sqlite_database, name.StudyInstanceUID)
        return {} if row is None else {row.state: 1, **row.deliveries}

    with serving(old_config, "receive", "work", "deliver", "clock") as scan:
        scan(delivered)
        eventually(lambda: "DELIVERED" in states(delivered))
        pacs.answer = lambda _: 0xA900
        scan(refused)
        eventually(lambda: states(refused).get("PARKED") == states(delivered)["ACKNOWLEDGED"])
        with pytest.raises(DatabaseBusyError, match="in use"):
            moved(sqlite_database, database)
    with serving(old_config, "receive") as scan:
        for one in (complete, lost, given_up):
            scan(one)
        now = datetime.now(UTC)
        assert close_due(sqlite_database, open_queue(sqlite_database), now=now + timedelta(hours=1)) == 3
        scan(arriving)
    job_of(sqlite_database, lost.StudyInstanceUID, state=LEASED, owner="dead", leased_until=now, attempt=1)
    job_of(sqlite_database, given_up.StudyInstanceUID, state=PARKED, parked_at=now, attempt=5, reason="RuntimeError")

    done = moved(sqlite_database, database)
    assert (done.jobs.waiting, done.jobs.parked) == (3, 1)
    assert {table.name: table.rows for table in done.tables}["study"] == 6
    with pytest.raises(SchemaError, match="moved to another"):
        upgrade(sqlite_database)
    with (
        pytest.raises(InstallationError, match="moved to another"),
        opened(old_config),
    ):  # as any command does, also `move`
        pass

    pacs.answer = lambda _: 0x0000
    agent = start()
    parked = {one.key: (one.reason, one.attempts) for one in open_queue(agent.database).parked()}
    assert set(parked.values()) <= {("RuntimeError", 5)}
    for one in (complete, lost, given_up, arriving):
        eventually(lambda one=one: agent.is_in(one, "DELIVERED"))
    assert agent.row(given_up).outcome is Outcome.FAILED
    assert {agent.row(one).outcome for one in (complete, lost, arriving)} == {Outcome.FLAGGED}
    assert agent.is_in(refused, "CONCLUDED"), "what was parked waits for a person"
    assert requeue_deliveries(agent.database, open_queue(agent.database), now=utc_now())
    eventually(lambda: agent.is_in(refused, "DELIVERED"))

    reports = [report.StudyInstanceUID for report in pacs.reports("SR")]
    assert sorted(set(reports)) == sorted(one.StudyInstanceUID for one in every)
    assert all(reports.count(one.StudyInstanceUID) == 1 for one in every if one is not refused)
    assert all(len(digests) == 1 for digests in pacs.digests().values()), "the same bytes under the same UID"


def test_a_move_that_is_interrupted_changes_nothing_and_one_to_a_used_database_is_refused(
    sqlite_database: Database, database: Database
) -> None:
    uuid = installation_uuid(sqlite_database, now=utc_now())
    with sqlite_database.begin() as connection:
        values = {"name": "PACS", "sha256": "0" * 64, "scopes": "read", "created_by": "a\0b", "created_at": utc_now()}
        connection.execute(insert(api_token).values(values))

    def interrupted(_: object) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        move(sqlite_database, database, now=utc_now(), told=interrupted)
    first = moved(sqlite_database, database)
    with sqlite_database.engine.begin() as connection:  # killed before this was said
        connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": current(database)})
    assert moved(sqlite_database, database) == first, "everything is there already"
    with pytest.raises(SchemaError, match="moved to another"):
        upgrade(sqlite_database)
    with database.begin() as connection:
        assert connection.execute(select(api_token.c.created_by)).scalar_one() == "ab", "PostgreSQL holds no NUL"
        inserted = insert(api_token).values(values | {"name": "RIS", "sha256": "1" * 64, "created_by": ""})
        assert connection.execute(inserted.returning(api_token.c.id)).scalar_one() == 2, "ids go on"
        assert connection.execute(select(func.count()).select_from(api_token)).scalar_one() == 2
    assert installation_uuid(database, now=utc_now()) == uuid, "it is the same installation"


def test_a_used_database_is_not_moved_to(sqlite_database: Database, postgresql_database: Database) -> None:
    installation_uuid(postgresql_database, now=utc_now())
    with pytest.raises(RefusedError, match="rows in installation"):
        moved(sqlite_database, postgresql_database)
    upgrade(sqlite_database)  # it may still be used
    with pytest.raises(RefusedError, match="postgresql to sqlite"):
        moved(postgresql_database, sqlite_database)
