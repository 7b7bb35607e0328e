"""The client of docs/api.md works as it stands there."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.tokens import SYSTEM_READ, WORKLIST_READ

Site = Any  # conftest.py
TEXT = (Path(__file__).parents[3] / "docs" / "api.md").read_text()


@pytest.fixture
def client() -> dict[str, Any]:
    """Return what the example of the documentation defines."""
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    found: dict[str, Any] = {}
    exec(code, found)  # noqa: S102 - our own text
    return found


def test_the_example_lists_the_worklist(site: Site, client: dict[str, Any]) -> None:
    listed = list(client["worklist"](site.url, site.token(WORKLIST_READ)))
    assert tuple(one["study_instance_uid"] for one in listed) == site.studies
    assert "medium: flagged (Suspected pneumonia" in client["told"](listed[0])
    assert client["told"](listed[2]).endswith("routine: not_analysed (burned-in text)")


def test_the_example_says_why_it_was_refused(site: Site, client: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match="does not allow this"):
        list(client["worklist"](site.url, site.token(SYSTEM_READ)))


def test_the_scopes_of_the_documentation_are_those_of_the_document(site: Site) -> None:
    paths = httpx.get(f"{site.url}/api/v1/openapi.json", timeout=60, trust_env=False).json()["paths"].values()
    needed = {
        scope for path in paths for operation in path.values() for scope in operation["security"][0].get("token", ())
    }
    assert needed <= set(re.findall(r"^\| `([a-z:]+)` \|", TEXT, re.MULTILINE))
