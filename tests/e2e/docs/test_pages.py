"""Every command of the public texts runs, a page's in their order, beside the agent and the archive of the tutorial."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.tools


def test_the_first_hour_is_as_the_tutorial_says(reader: Any) -> None:
    """The fixture has followed it to its end, and compared what was answered."""
    assert "DEMO" not in (reader.folder / "terminal-1.log").read_text(), "nor does the agent's log name a patient"


def test_every_command_of_a_page_runs(running_page: str, reader: Any, snippets: Callable[[str], list[Any]]) -> None:
    folder: Path = reader.folder / running_page.replace("/", "-")
    folder.mkdir()
    (folder / "demo").symlink_to(reader.folder / "demo")
    reader.follow(snippets(running_page), folder)
