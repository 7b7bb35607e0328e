"""What a look at an installation gives: fit, or a finding with its reason and what mends it."""

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from agent.config.file import Config
from db.database import Database


class Severity(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"  # it works, and somebody should know
    ERROR = "error"  # it does not do what it is there for, or soon will not


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """A row of the table: all that is to be said of one finding but what was seen.

    `commands` are for a shell, `keys` are settings of config.toml; both, and `words`, have the facts of a finding in
    braces. `{config}` is the option that names the configuration, where one was given; `{python}` the program's own.
    """

    code: str
    severity: Severity
    why: str
    commands: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at, and what was seen; `remedy` is None where it is fit."""

    check: str
    detail: str
    remedy: Remedy | None = None
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return Severity.OK if self.remedy is None else self.remedy.severity

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that mend it, or that show more of it, as they are to be typed."""
        return self._filled(() if self.remedy is None else self.remedy.commands)

    @property
    def keys(self) -> tuple[str, ...]:
        """The settings of config.toml that it depends on."""
        return self._filled(() if self.remedy is None else self.remedy.keys)

    @property
    def words(self) -> str:
        """What else is to be done."""
        return "" if self.remedy is None else self._filled((self.remedy.words,))[0]

    def document(self) -> dict[str, object]:
        """Return it for --json."""
        return {
            "check": self.check,
            "ok": self.severity is not Severity.ERROR,
            "severity": self.severity.value,
            "code": "" if self.remedy is None else self.remedy.code,
            "detail": self.detail,
            "why": "" if self.remedy is None else self.remedy.why,
            "commands": list(self.commands),
            "keys": list(self.keys),
            "words": self.words,
        }

    def _filled(self, templates: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(template.format_map(self.facts) for template in templates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """An installation that is looked at: its configuration, its database if that can be read, and the time."""

    config: Config
    path: Path | None
    """The configuration file; None for the defaults."""
    named: bool
    """Whether commands have to name it."""
    clock: Callable[[], datetime]
    database: Database | None = None

    @property
    def now(self) -> datetime:
        """The time."""
        return self.clock()

    def fit(self, check: str, detail: str) -> Finding:
        """Return that nothing is wrong."""
        return Finding(check=check, detail=detail)

    def ill(self, check: str, remedy: Remedy, detail: str, **facts: object) -> Finding:
        """Return what is wrong; a fact that is text is quoted for the shell where it needs that."""
        quoted = {
            name: shlex.quote(str(value)) if isinstance(value, str | Path) else value for name, value in facts.items()
        }
        given = facts_of(self.path, named=self.named)
        return Finding(check=check, detail=detail, remedy=remedy, facts={**given, **quoted})


Look: TypeAlias = Callable[[Patient], Iterator[Finding]]
"""A part of the examination."""


def facts_of(path: Path | None, *, named: bool) -> dict[str, object]:
    """Return what every command may need: how it is told which configuration counts, and which Python is ours."""
    option = f" --config {shlex.quote(str(path))}" if named and path is not None else ""
    return {"config": option, "python": shlex.quote(sys.executable)}
