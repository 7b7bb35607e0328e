"""Reports: one file per type of report, found by its name (`reports = ["sr"]` is `agent.reports.sr`).

A module of this folder that defines `render` is a report; the others serve them. Such a file defines `Settings`,
`MEDIA_TYPE`, `SOP_CLASS_UIDS` (what it may write, its default first), `applies` and `render`, which keep the contract
below.
"""

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

from agent.errors import ConfigError
from agent.reports.document import Document, ReportSettings, StudyResult


class Report(Protocol):
    """The contract of a report type's module."""

    MEDIA_TYPE: str
    SOP_CLASS_UIDS: tuple[str, ...]
    Settings: type[ReportSettings]

    def applies(self, outcome: str) -> bool:
        """Tell whether there is such a report of a study with this outcome."""

    def render(self, result: StudyResult, settings: Any) -> Document:  # noqa: ANN401 - each module's own Settings
        """Return the report; pure: the same result and settings give the same bytes.

        Raises ReportError where the store holds nothing to render it from.
        """


@cache
def names() -> tuple[str, ...]:
    """Return the types of report that exist, without importing them."""
    folder = Path(__path__[0])
    return tuple(
        sorted(module.name for module in pkgutil.iter_modules(__path__) if _renders(folder / f"{module.name}.py"))
    )


def load(name: str) -> Report:
    """Return the module of a type of report, importing only that one; ConfigError lists what exists."""
    if name not in names():
        message = f"expected a type of report: {', '.join(names())}. Received: report={name}"
        raise ConfigError(message)
    return cast("Report", importlib.import_module(f"{__name__}.{name}"))


def _renders(source: Path) -> bool:
    """Look for the definition as text: parsing in several threads at once fails in CPython 3.11 (SystemError)."""
    return any(line.startswith(b"def render(") for line in source.read_bytes().splitlines())
