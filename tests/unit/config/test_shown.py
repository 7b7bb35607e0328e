"""The configuration as people see it: every setting with its sentence, what differs marked, and no secret."""

from pathlib import Path

import pytest

from agent.config.file import Config
from agent.config.shown import HIDDEN, described

RAW = {
    "database": {"url": "postgresql://tibabu:geheim@db.example/tibabu"},
    "receive": {"ae_title": "TRIAGE"},
    "peers": [{"ae_title": "XRAY1", "host": "10.0.0.5", "port": 104}],
    "destinations": [
        {
            "name": "hook",
            "type": "webhook",
            "url": "https://ris.example/hooks",
            "secret_file": "/run/secrets/hook",
        },
    ],
}


@pytest.fixture(scope="module")
def tables() -> dict[str, dict[str, tuple[str, str, bool]]]:
    return {
        table.head: {one.key: (one.value, one.default, one.changed) for one in table.settings}
        for table in described(Config.model_validate(RAW))
    }


def test_a_secret_is_never_shown_wherever_it_stands() -> None:
    text = repr(described(Config.model_validate(RAW)))
    assert "geheim" not in text
    assert "/run/secrets/hook" in text


def test_what_differs_from_the_default_is_marked(tables: dict[str, dict[str, tuple[str, str, bool]]]) -> None:
    assert tables["[receive]"]["ae_title"] == ('"TRIAGE"', '"TIBABU"', True)
    assert tables["[complete]"]["quiet_seconds"] == ("30", "30", False)
    assert tables["[database]"]["url"] == (HIDDEN, HIDDEN, True)
    assert tables["[[peers]] XRAY1"]["port"] == ("104", "unset", True)
    assert tables["[[destinations]] hook"]["url"][0] == '"https://ris.example/hooks"'


def test_with_the_defaults_nothing_differs() -> None:
    assert [table.head for table in described(Config()) if table.changed] == []


def test_every_setting_of_every_table_has_its_sentence() -> None:
    found = [
        (table.head, one.key)
        for table in described(Config.model_validate(RAW))
        for one in table.settings
        if not one.sentence
    ]
    assert found == []


@pytest.mark.parametrize("given", ["https://me:geheim@host/x", "postgresql://u:geheim@h/db", "https://h/?key=geheim"])
def test_of_addresses_neither_who_signs_in_nor_what_is_asked_is_shown(given: str, tmp_path: Path) -> None:
    raw = {"peers": [{"ae_title": "XRAY1", "host": given, "port": 104}], "store": {"folder": str(tmp_path)}}
    assert "geheim" not in repr(described(Config.model_validate(raw)))
