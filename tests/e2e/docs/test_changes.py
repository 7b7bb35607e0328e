"""The first change of CONTRIBUTING.md, and the examples of how to add something, in a copy of the repository."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[3]
LARGE = 1_000_000


def copied(source: str, target: str) -> None:
    """Copy a file, or lead to it where that takes long: nobody edits weights."""
    if Path(source).stat().st_size > LARGE:
        Path(target).symlink_to(source)
    else:
        shutil.copy2(source, target)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a working copy with an environment, as whoever follows CONTRIBUTING.md has it."""
    folder = tmp_path_factory.mktemp("tree")
    for name in ("agent", "db", "dicom_io", "model", "tests", "docs"):
        shutil.copytree(REPOSITORY / name, folder / name, copy_function=copied)
    if (
        sys.pycache_prefix
    ):  # as its user has it from the second time on; where there is none, it is copied with the rest
        compiled = Path(sys.pycache_prefix)
        for name in ("agent", "db", "dicom_io", "model", "tests"):
            if (made := compiled / (REPOSITORY / name).relative_to("/")).is_dir():
                shutil.copytree(made, compiled / (folder / name).relative_to("/"))
    for name in ("pyproject.toml", "config.toml"):
        shutil.copyfile(REPOSITORY / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.mark.parametrize(
    "page",
    [
        "CONTRIBUTING.md",
        "docs/how-to/add-a-destination.md",
        "docs/how-to/add-a-model.md",
        "docs/how-to/add-a-report.md",
    ],
)
def test_what_the_page_adds_passes_the_tests_that_it_names(
    page: str, tree: Path, newcomer: Callable[[Path], Any], snippets: Callable[[str], list[Any]]
) -> None:
    newcomer(tree).follow(snippets(page))
