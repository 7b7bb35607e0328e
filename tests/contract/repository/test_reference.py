"""The pages of the reference are what the code says, to the letter."""

import re
from pathlib import Path

import pytest

from agent.reference.pages import PAGES
from db.metadata import metadata

REFERENCE = Path(__file__).parents[3] / "docs/reference"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_reference_is_what_the_code_says(name: str) -> None:
    written = (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name]()
    assert written, "python -m agent.reference docs/reference"


def test_the_reference_has_every_table_of_the_database() -> None:
    written = set(re.findall(r"^### (\w+)$", (REFERENCE / "database.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert written == set(metadata.tables)
