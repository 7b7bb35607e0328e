"""What is installed by default is permissive; docs/licences.md says what has which licence, and the SBOM names all."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return `scripts(name)`: a module of the folder .ci."""
    monkeypatch.syspath_prepend(str(REPOSITORY / ".ci"))
    return importlib.import_module


def test_by_default_every_licence_is_permissive_and_the_page_is_what_the_packages_say(scripts: Any) -> None:
    licences, found = scripts("licences"), scripts("installed").installed()
    assert licences.wrong(found) == []
    assert licences.page(found) == (REPOSITORY / "docs" / "licences.md").read_text()


@pytest.mark.parametrize(
    ("licence", "permissive"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-2.0-only OR BSD-3-Clause", True),
        ("BSD-3-Clause AND LGPL-3.0-only", False),
        ("LGPL-3.0-only", False),
        ("", False),
    ],
)
def test_a_licence_is_permissive_if_one_may_choose_permissive_ones_alone(
    scripts: Any, licence: str, *, permissive: bool
) -> None:
    assert scripts("licences").is_permissive(licence) is permissive


def test_what_is_not_permissive_may_be_brought_by_an_extra_alone(scripts: Any) -> None:
    found = {one.name: one for one in scripts("installed").installed()}
    assert found["psycopg"].extras == {"postgresql"}
    found["psycopg"].extras.add("")
    assert scripts("licences").wrong([found["psycopg"]]) == [
        "psycopg: LGPL-3.0-only is not permissive, so it has to be an extra"
    ]


def test_the_bill_of_materials_is_valid_the_same_each_time_and_names_packages_viewer_weights_and_font(
    scripts: Any,
) -> None:
    sbom, found = scripts("sbom"), scripts("installed").installed()
    text = sbom.document(sbom.bill(found, REPOSITORY))
    assert text == sbom.document(sbom.bill(found, REPOSITORY))
    named = {component["name"]: component for component in json.loads(text)["components"]}
    lock = json.loads((REPOSITORY / "viewer" / "package-lock.json").read_text())["packages"]
    core = named["@cornerstonejs/core"]
    assert core["version"] == lock["node_modules/@cornerstonejs/core"]["version"]
    assert core["purl"] == f"pkg:npm/%40cornerstonejs/core@{core['version']}"
    assert {one.name for one in found} <= set(named)
    assert all(component["licenses"] for component in named.values())
    for card in (REPOSITORY / "model" / "zoo").glob("*.json"):
        assert named[card.stem]["hashes"] == [{"alg": "SHA-256", "content": json.loads(card.read_text())["sha256"]}]
    assert named["DejaVuSans.ttf"]["type"] == "file"
