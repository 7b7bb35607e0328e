"""What an agent sends to its database all day is answered by index, and takes no more steps with more studies."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from commands import QuickCommands
from sqlalchemy import event

from db.advance import Position, advance
from db.database import Database
from db.lifecycle import Event, State

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
STUDIES = 2000  # with fewer, PostgreSQL may rightly read a whole table
FEW, MANY = 1000, 4000  # SQLite does not ask how many there are
LEEWAY = 1.5


def explained(commands: QuickCommands, url: str, studies: int) -> dict[str, Any]:
    """Return what `growth_plans.py` says of a generated database."""
    for script, *options in (("growth_population.py", "--studies", str(studies)), ("growth_plans.py",)):
        program = commands.program(BENCHMARKS / script, url, *options)
        said, _ = program.communicate(600)
        assert program.returncode == 0, said
    return dict(json.loads(said))


def test_no_statement_of_the_day_s_work_reads_a_whole_table_on_postgresql(
    postgresql_url: str, quick_commands: QuickCommands
) -> None:
    document = explained(quick_commands, postgresql_url, STUDIES)
    assert document["scans"] == []
    assert document["statements"] > 80


def test_a_study_named_by_its_number_is_never_looked_for_by_its_state(postgresql_database: Database) -> None:
    """Not even where nothing else is to be had: a million studies that are over make it seem as quick."""
    sent: list[tuple[str, Any]] = []
    event.listen(postgresql_database.engine, "before_cursor_execute", lambda *given: sent.append((given[2], given[3])))
    with postgresql_database.engine.connect() as connection:
        advance(connection, Position(1, State.RECEIVING, 1), Event.CANDIDATE_STORED, at=datetime.now(UTC))
        statement, parameters = sent[-1]
        connection.exec_driver_sql("ALTER TABLE study DROP CONSTRAINT pk_study CASCADE")
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
        connection.rollback()
    assert statement.startswith("UPDATE study SET state")
    assert "on study" in plan
    assert "ix_study_state_closes_at" not in plan


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory, quick_commands: QuickCommands) -> dict[int, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("growth")
    return {studies: explained(quick_commands, f"sqlite:///{folder}/{studies}.db", studies) for studies in (FEW, MANY)}


def test_no_statement_of_the_day_s_work_reads_a_whole_table_on_sqlite(on_sqlite: dict[int, dict[str, Any]]) -> None:
    document = on_sqlite[MANY]
    assert document["scans"] == []
    assert document["statements"] > 80


def test_four_times_the_studies_take_no_more_steps(on_sqlite: dict[int, dict[str, Any]]) -> None:
    """SQLite counts them; only what is asked of all of them may take more."""
    few, many = on_sqlite[FEW], on_sqlite[MANY]
    bounded = few["steps"].keys() - set(few["walks"])
    grown = {
        name: (few["steps"][name], many["steps"][name])
        for name in bounded
        if many["steps"][name] > LEEWAY * few["steps"][name] + 100
    }
    assert len(bounded) > 30
    assert grown == {}
