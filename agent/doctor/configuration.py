"""The configuration: whether it can be read whole, and who else can read its secrets."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from agent.config.file import Config, load
from agent.doctor.finding import Finding, Patient, Remedy, Severity, facts_of
from agent.errors import ConfigError

CONFIG_WRONG: Final = Remedy(
    code="config-wrong",
    severity=Severity.ERROR,
    why="Nothing starts with it: a setting that would be passed over in silence could be the one that matters.",
    commands=("{python} -m agent.config.text",),
    words="Correct the keys named. The command prints every setting with its sentence and its default.",
)
SECRET_READABLE: Final = Remedy(
    code="secret-readable",
    severity=Severity.WARNING,
    why="Every account of this machine can read a password or a private key, and be this agent.",
    commands=("chmod 600 {file}",),
)

_OTHERS: Final = 0o044
_SECRETS: Final = ("key", "key_file", "secret_file", "password_file")
"""How the settings end that name a file with a private key, a password or a token."""


def read(path: Path | None, *, named: bool) -> Config | Finding:
    """Return the configuration, or what is wrong with it."""
    try:
        return load(path)
    except ConfigError as error:
        facts = facts_of(path, named=named)
        return Finding(check="config", detail=str(error), remedy=CONFIG_WRONG, facts=facts)


def look(patient: Patient) -> Iterator[Finding]:
    """Look at who can read what only the agent's account should."""
    found = list(_readable(patient))
    yield from found
    yield patient.fit("config", str(patient.path or "defaults"))


def _readable(patient: Patient) -> Iterator[Finding]:
    files = list(dict.fromkeys(_secret_files(patient.config)))
    if patient.path is not None:
        files += _of_database(patient.path)
    for file in files:
        if file.exists() and file.stat().st_mode & _OTHERS:
            seen = f"{file.stat().st_mode & 0o777:03o}"
            detail = f"expected a file that only its owner can read. Received: {file} with mode {seen}"
            yield patient.ill("config", SECRET_READABLE, detail, file=file)


def _secret_files(section: BaseModel) -> Iterator[Path]:
    """Yield the files below a table that hold a secret."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        several = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
        for one in several:
            if isinstance(one, BaseModel):
                yield from _secret_files(one)
            elif isinstance(one, Path) and name.endswith(_SECRETS):
                yield one


def _of_database(path: Path) -> list[Path]:
    """Return the file with the database's password: the one named, or the configuration itself where it stands."""
    table = tomllib.loads(path.read_text(encoding="utf-8")).get("database", {})
    if named := table.get("url_file"):
        return [path.resolve().parent / named]
    head, at, _ = str(table.get("url", "")).partition("@")
    return [path] if at and ":" in head.partition("://")[2] else []
