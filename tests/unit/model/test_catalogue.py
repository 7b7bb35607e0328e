"""`tibabu models` over a zoo of the test's own: sound, damaged, incomplete and broken models side by side."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from agent.cli.commands import tibabu
from model import weights, zoo
from model.card import ModelCard, write_card
from model.catalogue import catalogue

MODULE = 'SUMMARY = "one of the test\'s"\n\n\ndef build():\n    ...\n\n\ndef initialise(network):\n    ...\n'
NAMES = ("broken", "cardless", "damaged", "foreign", "sound", "untrained", "weightless")


@pytest.fixture
def folder(tmp_path: Path, card: ModelCard, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a zoo with one model of each kind."""
    found = tmp_path / "zoo"
    found.mkdir()
    for name in NAMES:
        (found / f"{name}.py").write_text("import nothing_of_the_kind\n" if name == "broken" else MODULE)
        digest = weights.save(found / f"{name}.npz", [{"a/kernel": np.full((2, 2), len(name), np.float16)}])
        write_card(replace(card, name=name, sha256=digest), found / f"{name}.json")
    with (found / "damaged.npz").open("ab") as file:
        file.write(b"x")
    (found / "foreign.json").write_text('{"name": "foreign"}')
    for absent in ("cardless.json", "weightless.npz", "untrained.json", "untrained.npz"):
        (found / absent).unlink()
    monkeypatch.setattr(zoo, "__path__", [str(found)])
    yield found
    for name in NAMES:
        sys.modules.pop(f"model.zoo.{name}", None)
        vars(zoo).pop(name, None)


@pytest.fixture
def models(folder: Path, tmp_path: Path) -> Callable[..., Result]:
    """Return `models(*arguments, name=..., shadow=...)`: what the command says with that configuration."""

    def run(*arguments: str, name: str = "sound", shadow: str = "") -> Result:
        config = tmp_path / "config.toml"
        config.write_text(f'[model]\nname = "{name}"\nshadow = "{shadow}"\n')
        return CliRunner().invoke(tibabu, ["models", *arguments, "--config", str(config)])

    assert folder.is_dir()
    return run


@pytest.mark.usefixtures("folder")
def test_every_module_is_listed_with_its_card_or_with_what_is_wrong() -> None:
    problems = {entry.name: entry.problem for entry in catalogue()}
    assert tuple(problems) == NAMES
    assert problems["sound"] == ""
    assert problems["broken"].endswith("build and initialise. Received: broken (ModuleNotFoundError)")
    assert problems["cardless"] == "the card is missing"
    assert problems["weightless"] == "the weights are missing"
    assert problems["untrained"] == "not trained: neither card nor weights are here"
    assert problems["damaged"].startswith("expected weights of damaged with sha256=")
    assert problems["foreign"].startswith("expected the fields of ModelCard at foreign")
    assert {entry.name for entry in catalogue() if entry.card is not None} == {"sound"}


def test_the_list_tells_what_a_model_is_and_which_one_is_used(models: Callable[..., Result], card: ModelCard) -> None:
    result = models(shadow="damaged")
    said = result.stdout
    assert f"sound {card.version}  [configured]" in said
    assert "damaged  [shadow]  DOES NOT LOAD: expected weights" in said
    for fact in ("2 members", "0.4000", "sensitivity 97.50%", "0.9000 (0.8500 to 0.9500)", "from 1 up to"):
        assert fact in said
    assert weights.sha256(Path(zoo.__path__[0]) / "sound.npz") in said


def test_the_list_for_scripts_has_the_same(models: Callable[..., Result]) -> None:
    result = models("--json")
    assert result.exit_code == 0
    found = {row["name"]: row for row in json.loads(result.stdout)}
    assert (found["sound"]["role"], found["sound"]["loads"], found["sound"]["members"]) == ("configured", True, 2)
    assert found["sound"]["operating_point"]["threshold"] == 0.4
    assert found["sound"]["age_range_years"] == [1.0, 6.0]
    assert found["sound"]["auc_out_of_fold"] == {"value": 0.9, "low": 0.85, "high": 0.95}
    assert (found["broken"]["loads"], "sha256" in found["broken"]) == (False, False)


@pytest.mark.parametrize(
    ("name", "shadow", "status"), [("sound", "", 0), ("damaged", "", 1), ("sound", "absent", 1), ("absent", "", 1)]
)
def test_the_exit_status_says_whether_what_is_configured_loads(
    name: str, shadow: str, status: int, models: Callable[..., Result]
) -> None:
    result = models(name=name, shadow=shadow)
    assert result.exit_code == status
    assert ("expected models that load" in result.stderr) == bool(status)
    assert "Traceback" not in result.output


def test_a_models_card_is_printed_for_people_and_for_scripts(models: Callable[..., Result], card: ModelCard) -> None:
    assert models("sound").stdout.startswith(f"## sound {card.version}")
    document = json.loads(models("sound", "--json").stdout)
    assert (document["name"], document["caveats"]) == ("sound", list(card.caveats))


@pytest.mark.parametrize("name", ["damaged", "weightless", "absent", "broken"])
def test_a_model_that_does_not_load_has_no_card_to_show(name: str, models: Callable[..., Result]) -> None:
    result = models(name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("tibabu: expected")
