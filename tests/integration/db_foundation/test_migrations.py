"""The schema on disk is the schema in the code, whichever way it came about."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, inspect, literal_column, select, table, text

from db.database import Database, open_database
from db.errors import ConstraintError, DatabaseBusyError, SchemaError
from db.metadata import metadata
from db.migrate import _config, upgrade
from db.migrations import procrastinate_schema
from db.migrations.scope import configuration
from db.queue import open_queue, utc_now
from db.revision import WORKS_FROM, current, needs_upgrade, newest
from db.schema.model import operating_point

# Everything that PostgreSQL knows about the tables of the default schema, in its own words.
POSTGRESQL_DEFINITIONS = """
    SELECT 'column', c.table_name || '.' || c.column_name,
        concat_ws(' ', c.data_type, c.character_maximum_length, c.is_nullable, c.column_default)
    FROM information_schema.columns c WHERE c.table_schema = 'public'
    UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT 'constraint', conname, conrelid::regclass || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
"""
SQLITE_DEFINITIONS = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"

ROWS_OF_THE_FIRST_SCHEMA = (
    "INSERT INTO installation VALUES (1, '00000000-0000-0000-0000-000000000000', '2026-01-01 12:00:00+00')",
    """INSERT INTO study (id, study_instance_uid, patient_id, issuer_of_patient_id, patient_name, patient_birth_date,
        patient_sex, patient_age, accession_number, study_date, study_time, study_description, modality,
        calling_ae_title, state, revision, received_at, last_received_at, started_at, closes_at, conflict,
        order_priority, due_at, reason)
    VALUES (1, '1.2.3', 'P', '', 'N', '', '', '', '', '', '', '', 'CR', 'A', 'CONCLUDED', 1, '2026-01-01 12:00:00+00',
        '2026-01-01 12:00:00+00', '2026-01-01 12:00:00+00', '2026-01-01 12:00:00+00', '', 0, '2026-01-01 12:00:00+00',
        '')""",
    """INSERT INTO instance (study_id, series_instance_uid, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
        sha256, path, size, role, is_image, calling_ae_title, received_at)
    VALUES (1, '1.2.4', '1.2.5', '1.2.6', '1.2.7', 'd', 'p', 10, 'candidate', true, 'A',
        '2026-01-01 12:00:00+00')""",
    """INSERT INTO image_result (id, instance_id, revision, outcome, reason, is_lateral, model_name, model_version,
        model_sha256, started_at, finished_at)
    VALUES (1, 1, 1, 'failed', 'r', false, 'm', '1', 'd', '2026-01-01 12:00:00+00', '2026-01-01 12:00:00+00')""",
    """INSERT INTO result (id, study_id, revision, outcome, reason, model_name, model_version, model_sha256,
        operating_point, threshold, device_uid, analysed_at, concluded_at)
    VALUES (1, 1, 1, 'failed', 'r', 'm', '1', 'd', 'o', 0.5, '1.2', '2026-01-01 12:00:00+00',
        '2026-01-01 12:00:00+00')""",
    """INSERT INTO report (id, result_id, kind, version, media_type, sop_class_uid, sop_instance_uid,
        series_instance_uid, sha256, path, size, rendered_at)
    VALUES (1, 1, 'sr', 1, 'application/dicom', '1.2.6', '1.2.8', '1.2.9', 'e', 'q', 20, '2026-01-01 12:00:00+00'),
        (2, 1, 'picture', 1, 'application/dicom', NULL, NULL, NULL, NULL, NULL, NULL, NULL)""",
)

USE_SQLITE = """
import sys, threading
from db.database import open_database
from db.migrate import upgrade
from db.queue import open_queue
database = open_database(sys.argv[1])
upgrade(database)
stop = threading.Event()
stop.set()
open_queue(database).run({"a": print}, stop=stop, concurrency=1)
print(*sys.modules)
"""


def definitions(connection: Connection) -> set[tuple[str, str, str]]:
    query = SQLITE_DEFINITIONS if connection.dialect.name == "sqlite" else POSTGRESQL_DEFINITIONS
    rows = {(kind, name, in_order(sql)) for kind, name, sql in connection.execute(text(query))}
    return {row for row in rows if "alembic_version" not in row[1] + row[2]}


def in_order(sql: str) -> str:
    """Sort the parts of a definition: the order of columns and constraints is of no consequence, nor are quotes.

    SQLite quotes the name of a table that a migration had to copy.
    """
    parts = (part.strip(" \t()") for part in re.split(r"[\n,]", sql.replace('"', "")))
    return "\n".join(sorted(part for part in parts if part))


@pytest.fixture
def created(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Give a database of the same kind whose tables come from the models and not from the migrations."""
    sqlite = database.dialect == "sqlite"
    url = f"sqlite:///{tmp_path / 'created.db'}" if sqlite else request.getfixturevalue("postgresql_url")
    fresh = open_database(url)
    tables = [table for table in metadata.sorted_tables if table.info.get("dialect", fresh.dialect) == fresh.dialect]
    with fresh.begin() as connection:
        metadata.create_all(connection, tables)
    yield fresh
    fresh.dispose()


def test_alembic_finds_no_difference_between_head_and_the_models(database: Database) -> None:
    options = configuration(database.dialect)
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, options["target_metadata"]) == []


def test_the_database_finds_no_difference_between_head_and_the_models(database: Database, created: Database) -> None:
    """Alembic does not compare CHECKs, predicates of partial indices and AUTOINCREMENT; the databases' own words do."""
    with database.read() as migrated, created.read() as modelled:
        assert definitions(migrated) == definitions(modelled)
        assert len(definitions(migrated)) > 20


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    with database.read() as connection:
        before = definitions(connection)
    assert not needs_upgrade(database)
    upgrade(database)
    with database.read() as connection:
        assert definitions(connection) == before


def test_an_empty_database_says_that_it_needs_an_upgrade(empty_database: Database) -> None:
    assert current(empty_database) is None
    assert needs_upgrade(empty_database)
    with pytest.raises(SchemaError, match="tibabu migrate"):
        open_queue(empty_database).parked()
    upgrade(empty_database)
    assert current(empty_database) == newest() == ScriptDirectory.from_config(_config()).get_current_head()
    assert not needs_upgrade(empty_database)
    assert open_queue(empty_database).parked() == ()


def test_two_processes_that_upgrade_at_once_both_succeed(empty_database: Database) -> None:
    failures: list[Exception] = []

    def run() -> None:
        try:
            upgrade(empty_database)
        except Exception as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert not needs_upgrade(empty_database)


def test_a_database_of_the_first_schema_comes_up_with_its_rows(empty_database: Database) -> None:
    """An installation of the first version is brought to this one with everything that it has on record."""
    with empty_database.begin() as connection:
        command.upgrade(_config(connection), "0001")
        for statement in ROWS_OF_THE_FIRST_SCHEMA:
            connection.execute(text(statement))
    assert (current(empty_database), needs_upgrade(empty_database)) == ("0001", True)
    before = rows(empty_database)
    upgrade(empty_database)
    after = rows(empty_database)
    for name, kept in before.items():
        shortened = [{column: row[column] for column in kept[0]} for row in after[name]] if kept else after[name]
        assert [row for row in shortened if row in kept] == kept
        assert len(shortened) == len(kept) + (name == "instance")  # the report
    learned = {"study_word", "word_part"}  # of the studies' names
    assert {name for name in after.keys() - before.keys() if after[name]} == learned
    assert [row["word"] for row in after["study_word"]] == ["n"]
    assert {"shadow_score", "operating_point", "api_token"} <= after.keys() - before.keys()
    assert not needs_upgrade(empty_database)


def test_a_report_that_was_rendered_before_is_among_the_instances_afterwards(empty_database: Database) -> None:
    with empty_database.begin() as connection:
        command.upgrade(_config(connection), "0002")
        for statement in ROWS_OF_THE_FIRST_SCHEMA:
            connection.execute(text(statement))
    upgrade(empty_database)
    (own,) = [row for row in rows(empty_database)["instance"] if row["role"] == "own"]
    assert (own["study_id"], own["sop_instance_uid"], own["series_instance_uid"]) == (1, "1.2.8", "1.2.9")
    assert (own["sha256"], own["path"], own["size"], own["is_image"], own["modality"]) == ("e", "q", 20, False, "")


def rows(database: Database) -> dict[str, list[dict[str, object]]]:
    """Return every row of every table, but for the schema's revision."""
    with database.read() as connection:
        names = set(inspect(connection).get_table_names()) - {"alembic_version"}
        return {
            name: sorted(
                (
                    dict(row._mapping)
                    for row in connection.execute(select(literal_column("*")).select_from(table(name)))
                ),
                key=repr,
            )
            for name in names
        }


def test_at_most_one_operating_point_of_a_models_weights_is_active(database: Database) -> None:
    row = {
        "model_name": "m", "model_version": "1", "model_sha256": "1" * 64, "content": "{}", "activated_by": "A",
        "activated_at": utc_now(),
    }  # fmt: skip
    ended = {"deactivated_by": "B", "deactivated_at": utc_now()}
    with database.begin() as connection:
        connection.execute(insert(operating_point), [row | ended, row | ended])
        connection.execute(insert(operating_point), [row, row | {"model_sha256": "2" * 64}])
    with pytest.raises(ConstraintError), database.begin() as connection:
        connection.execute(insert(operating_point), row)
    with pytest.raises(ConstraintError), database.begin() as connection:
        connection.execute(insert(operating_point), row | {"deactivated_at": utc_now(), "deactivated_by": None})


def test_a_failed_upgrade_leaves_nothing_behind(empty_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        msg = "the power went"
        raise RuntimeError(msg)

    with monkeypatch.context() as patched:
        patched.setattr("alembic.runtime.migration.HeadMaintainer.update_to_step", fail)
        with pytest.raises(RuntimeError):
            upgrade(empty_database)
    with empty_database.read() as connection:
        assert definitions(connection) == set()
    upgrade(empty_database)


@pytest.mark.parametrize(("works_from", "fit"), [("0037", True), ("9998", False), (None, False)])
def test_a_schema_of_a_later_version_is_worked_on_if_that_says_that_this_one_may(
    database: Database, works_from: str | None, *, fit: bool
) -> None:
    """So a role of a host that is not upgraded yet starts again while others have migrated the database."""
    with database.begin() as connection:
        statement = text("UPDATE alembic_version SET version_num = '9999', works_from = :works_from")
        connection.execute(statement, {"works_from": works_from})
    assert needs_upgrade(database) is not fit
    with nullcontext() if fit else pytest.raises(SchemaError, match="9999"):
        upgrade(database)
    assert current(database) == "9999"


def test_an_upgrade_says_which_earlier_versions_go_on_working(database: Database) -> None:
    with database.read() as connection:
        assert connection.execute(text("SELECT works_from FROM alembic_version")).scalar_one() == WORKS_FROM


def test_a_migration_does_not_wait_long_for_a_table(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.migrate.LOCK_TIMEOUT", 1)
    with postgresql_database.begin() as connection:
        connection.execute(text("LOCK TABLE alembic_version"))
        with pytest.raises(DatabaseBusyError):
            upgrade(postgresql_database)


def test_foreign_keys_hold_again_after_an_upgrade_on_sqlite(sqlite_database: Database) -> None:
    upgrade(sqlite_database)
    for _ in range(3):
        with sqlite_database.begin() as connection:
            assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1


def test_the_embedded_queue_s_table_is_on_sqlite_only(database: Database) -> None:
    with database.read() as connection:
        names = {name for _, name, _ in definitions(connection)}
    assert ("uq_job_waiting" in names) == (database.dialect == "sqlite")


class TestProcrastinate:
    """Its tables stand in a schema of their own and follow the installed package."""

    def test_its_functions_find_their_tables_with_any_search_path(self, postgresql_database: Database) -> None:
        queue, now = open_queue(postgresql_database), utc_now()
        with postgresql_database.begin() as connection:
            connection.execute(text("SET LOCAL search_path = pg_catalog"))
            queue.enqueue(connection, "a", "1", due_at=now, run_at=now)
            connection.execute(text("SELECT procrastinate.procrastinate_fetch_job_v2(NULL, NULL)"))

    def test_an_older_one_is_brought_up_by_its_own_migrations(
        self, postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        newest = procrastinate_schema.migrations()[-1]
        scripts: list[str] = []
        monkeypatch.setattr(
            procrastinate_schema, "migrations", lambda: [newest, "99.00.00_01_x.sql", "99.01.00_01_y.sql"]
        )
        monkeypatch.setattr(procrastinate_schema, "_sql", lambda name: scripts.append(name) or "SELECT 1")
        assert needs_upgrade(postgresql_database)
        upgrade(postgresql_database)
        assert scripts == ["migrations/99.00.00_01_x.sql", "migrations/99.01.00_01_y.sql"]
        assert not needs_upgrade(postgresql_database)

    def test_one_of_a_newer_package_is_left_alone(
        self, postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(procrastinate_schema, "migrations", lambda: ["00.00.00_01_initial.sql"])
        monkeypatch.setattr(procrastinate_schema, "_sql", pytest.fail)
        assert not needs_upgrade(postgresql_database)
        upgrade(postgresql_database)

    def test_it_leaves_the_search_path_as_it_was(self, postgresql_url: str) -> None:
        database = open_database(postgresql_url)
        upgrade(database)
        with database.begin() as connection:
            procrastinate_schema.upgrade(connection)
            assert connection.execute(text("SELECT current_schema()")).scalar_one() == "public"
        database.dispose()


def test_nothing_of_procrastinate_is_imported_for_sqlite(tmp_path: Path, run_python: Callable[..., str]) -> None:
    modules = run_python(USE_SQLITE, f"sqlite:///{tmp_path / 'x.db'}").split()
    assert "db.queue.embedded" in modules
    assert not {"procrastinate", "psycopg", "db.queue.procrastinate_engine"} & set(modules)
