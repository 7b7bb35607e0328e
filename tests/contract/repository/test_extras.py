"""What an extra brings is imported when it is needed, never when a module is: the agent starts without any of them."""

import ast
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[3]
PACKAGES = ("agent", "db", "dicom_io", "model")
OF_EXTRAS = {"db.queue.announcements", "db.clock_session", "agent.tracing"}
"""They import what PostgreSQL and tracing need; nothing imports them at its start."""


def imported_at_the_start(file: Path) -> Iterator[str]:
    """Yield what a module imports while it is imported, with what it takes from there."""
    for node in ast.walk(ast.Module([_flat(one) for one in ast.parse(file.read_bytes()).body], [])):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _flat(node: ast.stmt) -> ast.stmt:
    """Return the statement, of a function nothing."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            inner.body = []
    return node


def starts() -> dict[str, set[str]]:
    """Return each module of the four packages with what its import imports."""
    files = (file for package in PACKAGES for file in (REPOSITORY / package).rglob("*.py"))
    return {
        ".".join(file.relative_to(REPOSITORY).with_suffix("").parts): set(imported_at_the_start(file)) for file in files
    }


def only_of_extras() -> set[str]:
    """Return the names under which distributions are imported that only an extra for users brings."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = {
        name: lines for name, lines in project["optional-dependencies"].items() if name not in ("test", "dev", "docs")
    }
    extra = {canonicalize_name(Requirement(line).name) for lines in extras.values() for line in lines}
    names = {
        name
        for name, brought in packages_distributions().items()
        if extra & {canonicalize_name(one) for one in brought}
    }
    assert {"psycopg", "procrastinate", "bidi", "arabic_reshaper", "openvino", "s3fs", "fsspec"} <= names
    return names


def test_no_module_is_imported_at_another_ones_start_that_needs_an_extra() -> None:
    names, found = only_of_extras(), starts()
    need = {module for module, imports in found.items() if {name.partition(".")[0] for name in imports} & names}
    assert need == OF_EXTRAS
    importers = {module for module, imports in found.items() if imports & OF_EXTRAS}
    assert importers == {"db.queue.procrastinate_engine"}, "it is PostgreSQL's own, loaded by name"
    assert not [module for module, imports in found.items() if imports & importers]
