"""What the documentation says about safety, privacy and speed is held by what there is: tests, tables, measurements."""

import re
from pathlib import Path

import pytest

from agent.config.file import Config
from agent.process.roles import ROLES
from agent.reference import configuration
from agent.reference.picture import LINES, homes, picture
from db import kinds
from db.metadata import metadata
from db.schema import text as schema_text

REPOSITORY = Path(__file__).parents[3]


def page(name: str) -> str:
    return (REPOSITORY / "docs/explanation" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["safety.md", "threats.md"])
def test_every_control_of_a_hazard_or_threat_is_shown_by_a_test_that_exists(name: str) -> None:
    controls = re.findall(r"^\|.* \| `([^`]+)` \|$", page(name), re.MULTILINE)
    assert len(controls) > 20
    for control in controls:
        file, _, name = control.partition("::")
        assert re.search(rf"^def {name}\(", (REPOSITORY / file).read_text(encoding="utf-8"), re.MULTILINE), control


def test_every_hazard_says_what_harm_may_come_how_likely_before_and_after_its_controls() -> None:
    _, *hazards = re.split(r"^### ", page("safety.md").partition("## What is left")[0], flags=re.MULTILINE)
    assert [hazard.split(".")[0] for hazard in hazards] == [f"H{number}" for number in range(1, len(hazards) + 1)]
    for hazard in hazards:
        assert "**Harm**: " in hazard
        assert "| control | shown by |" in hazard
        assert re.search(r"\*\*Before:\s+S [1-4], P [A-E]\.\*\*", hazard), hazard
        assert re.search(r"\*\*After: S [1-4], P [A-E]\.?\*\*", hazard), hazard


def test_what_is_above_the_line_of_what_is_acceptable_stands_under_what_is_left() -> None:
    """Acceptable: severity 1 with any probability, 2 up to C, 3 up to B, 4 up to A."""
    before, _, left = page("safety.md").partition("## What is left")
    for hazard in re.split(r"^### ", before, flags=re.MULTILINE)[1:]:
        severity, probability = re.findall(r"\*\*After: S ([1-4]), P ([A-E])", hazard)[-1]
        if probability > {"1": "E", "2": "C", "3": "B", "4": "A"}[severity]:
            assert f"**{hazard.split('.')[0]}.**" in left


def test_every_table_of_the_database_is_said_to_keep_something_of_somebody_or_of_nobody() -> None:
    table = page("privacy.md").partition("## In the database")[2].partition("\n## ")[0]
    cells = [row.split("|")[2] for row in table.splitlines() if row.startswith("| ")][1:]
    named = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert schema_text.page()  # has imported what defines tables
    assert sorted(named) == sorted(metadata.tables)


def test_every_setting_that_says_how_long_something_is_kept_exists() -> None:
    written = configuration.page()
    sections = "|".join(Config.model_fields)
    named = re.findall(rf"`((?:{sections})(?:\.\w+)+)`", page("privacy.md"))
    assert len(named) > 10
    for setting in named:
        table, _, key = setting.rpartition(".")
        section = written.partition(f"\n## `[{table}]`\n")[2].partition("\n## ")[0]
        assert f"| `{key}` |" in section, setting


def test_every_figure_of_performance_is_one_that_was_measured() -> None:
    measured = set((REPOSITORY / "benchmarks/README.md").read_text(encoding="utf-8").splitlines())
    rows = [line for line in page("performance.md").splitlines() if line.startswith("|")]
    assert rows
    assert [row for row in rows if row not in measured] == []


def test_each_line_of_the_picture_stands_where_it_says_and_its_job_has_who_runs_it() -> None:
    """That it is drawn anew when contracts or lines change, the test of the pages of the reference holds."""
    runs = (REPOSITORY / "agent/process/app.py").read_text(encoding="utf-8")
    for line in LINES:
        assert (REPOSITORY / line.module).is_file(), line
        assert line.process in ROLES
        source = (REPOSITORY / line.in_module).read_text(encoding="utf-8")
        if line.job:
            name = next(name for name in ("SCORE", "CONCLUDE", "deliver") if kind_of(name) == line.job)
            assert re.search(rf"\b{name}\b", source), line
            assert f"kinds.{name}" in runs, line


def kind_of(name: str) -> str:
    """Return the kind of job that a name of `db.kinds` stands for."""
    kind = getattr(kinds, name)
    return str(kind("") if callable(kind) else kind)


def test_a_library_is_drawn_where_the_contracts_let_it_be_imported() -> None:
    """A home is what no contract forbids; one that is narrower is named with it."""
    forbidden = {"type": "forbidden", "source_modules": ["model", "db", "agent"], "forbidden_modules": ["pydicom"]}
    narrow = forbidden | {"ignore_imports": ["agent.reports.** -> pydicom"]}
    assert homes([narrow]) == {"agent": ["pydicom (agent.reports)"], "dicom_io": ["pydicom"], "model": [], "db": []}
    assert "home of sqlalchemy" in picture()
