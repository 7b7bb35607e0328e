"""`tibabu hold` and `tibabu retention`: what a person says and sees."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agent.cli.commands import tibabu
from db.database import Database

RULES = "images_after_days = { not_flagged = 365 }\nresults_after_days = { not_flagged = 3650 }\n"


@pytest.fixture
def run(tmp_path: Path, sqlite_database: Database) -> Callable[..., Any]:
    """Return `run(*arguments)`: the result of a command on the site, with `RULES` as its retention."""
    config = tmp_path / "config.toml"
    text = f'[database]\nurl = "{sqlite_database.url}"\n[store]\nfolder = "store"\n[retention]\n{RULES}'
    config.write_text(text, encoding="utf-8")

    def invoke(*arguments: str) -> Any:
        return CliRunner().invoke(tibabu, [*arguments, "--config", str(config)])

    return invoke


@pytest.fixture
def site(sqlite_database: Database, site_of: Callable[..., Any]) -> Any:
    found = site_of(sqlite_database)
    found.now = datetime.now(UTC) - timedelta(days=400)
    found.delivered()
    found.delivered("1.2.4")
    return found


def test_what_would_go_counts_what_goes_and_what_keeps_the_rest_and_removes_nothing(
    run: Callable[..., Any], site: Any
) -> None:
    assert run("hold", "1.2.4", "--reason", "claim 17").exit_code == 0
    said = run("retention", "--what-would-go").stdout
    assert "Received objects: would go: 1 studies, 2 objects" in said
    assert "Received objects: kept (legal hold): 1 studies, 2 objects" in said
    document = json.loads(run("retention", "--what-would-go", "--json").stdout)
    assert [(one["kept_by"], one["studies"], one["instances"]) for one in document["images"]] == [
        ("", 1, 2),
        ("legal hold", 1, 2),
    ]
    assert document["all"] == []
    assert len(site.files()) == 6


def test_now_removes_what_may_go(run: Callable[..., Any], site: Any) -> None:
    run("hold", "--patient", "P1", "--reason", "claim 17")
    assert run("retention", "--now").exit_code == 0
    assert len(site.files()) == 6, "all is of the patient who is held"
    assert run("hold", "--patient", "P1", "--release").stdout == "2 studies released.\n"
    assert run("retention", "--now").exit_code == 0
    assert len(site.files()) == 2, "the reports stay"


def test_holds_are_listed_with_who_and_why_and_their_end(run: Callable[..., Any], site: Any) -> None:
    assert run("hold").stdout == "Nothing is held.\n"
    assert run("hold", "1.2.3", "--reason", "claim 17").stdout == "1 study held.\n"
    assert "1.2.3: claim 17 (since " in run("hold").stdout
    assert run("hold", "1.2.3", "--release").exit_code == 0
    assert ", released " in run("hold").stdout
    assert json.loads(run("hold", "--json").stdout)[0]["reason"] == "claim 17"
    assert json.loads(run("hold", "1.2.4", "--reason", "claim 18", "--json").stdout) == {"held": True, "studies": 1}
    assert site.files()


def test_a_patient_is_held_once_and_released_under_the_issuer_that_was_named(
    run: Callable[..., Any], site: Any
) -> None:
    held = "hold", "--patient", "P1", "--issuer", "HOSPITAL"
    assert run(*held, "--reason", "claim 17").stdout == "2 studies held.\n", "their issuer is not known"
    assert "Received: one who is" in run(*held, "--reason", "claim 18").stderr
    assert "with this issuer. Received: another" in run("hold", "--patient", "P1", "--release").stderr
    assert run(*held, "--release").exit_code == 0
    assert len(site.files()) == 6


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["hold", "1.2.3"], 2),
        (["hold", "1.2.3", "--patient", "P1", "--reason", "x"], 2),
        (["hold", "1.2.3", "--reason", "x", "--release"], 2),
        (["hold", "9.9.9", "--reason", "x"], 1),
        (["hold", "1.2.3", "--release"], 1),
        (["retention"], 2),
        (["retention", "--now", "--what-would-go"], 2),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], status: int, run: Callable[..., Any], site: Any) -> None:
    assert run(*arguments).exit_code == status
    assert len(site.files()) == 6
