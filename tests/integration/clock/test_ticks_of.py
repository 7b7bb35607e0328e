"""What the role `clock` does by a configuration: a site that sets nothing has no tick for what it did not ask for."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from agent.config.file import Config
from agent.process.clock import ticks_of
from agent.process.parts import parts_of
from db.database import Database

ALWAYS = {"close", "reap", "tidy", "words", "heal", "disk", "audit", "drift"}
OPS = {
    "name": "ops",
    "type": "email",
    "reports": [],
    "host": "127.0.0.1",
    "sender": "a@example.org",
    "recipients": ["b@example.org"],
}


@pytest.mark.parametrize(
    ("sections", "more"),
    [
        ({}, {"scrub"}),
        ({"scrub": {"every_days": 0}}, set()),
        ({"retention": {"images_after_days": {"not_flagged": 365}}}, {"scrub", "retention"}),
        ({"backup": {"folder": "elsewhere"}}, {"scrub", "backup"}),
        ({"alerts": {"to": ["ops"]}, "destinations": [OPS]}, {"scrub", "alert"}),
    ],
)
def test_each_thing_that_is_set_has_its_tick_and_nothing_else_has(
    sections: dict[str, Any], more: set[str], sqlite_database: Database, tmp_path: Path
) -> None:
    with parts_of(config := _config(sqlite_database, tmp_path, sections)) as parts:
        assert set(ticks_of(config, parts)) == ALWAYS | more


def test_the_audit_trail_is_handed_over_as_often_as_is_set_where_anybody_gets_it(
    sqlite_database: Database, tmp_path: Path
) -> None:
    nobody = _config(sqlite_database, tmp_path, {})
    syslog = _config(sqlite_database, tmp_path, {"audit": {"syslog": "127.0.0.1:6514", "every_seconds": 7}})
    with parts_of(nobody) as parts:
        assert [ticks_of(one, parts)["audit"].seconds for one in (nobody, syslog)] == [3600, 7]


def _config(database: Database, folder: Path, sections: dict[str, Any]) -> Config:
    raw: dict[str, Any] = {
        "database": {"url": SecretStr(database.url.render_as_string(hide_password=False))},
        "store": {"folder": folder / "store", "minimum_free_megabytes": 1},
    }
    return Config.model_validate(raw | sections)
