"""Options that commands share, and how they print."""

import dataclasses
import getpass
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from agent.config.file import Config, load
from dicom_io.peer import Peer

DEFAULT_CONFIG = Path("config.toml")
PEER: Final = "AET@HOST:PORT"
T = TypeVar("T")


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --config to a command; it receives the loaded `Config` as `config`."""
    return click.option(
        "--config",
        "config",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=_load,
        help="Configuration file. Default: $TIBABU_CONFIG, else ./config.toml if there is one, else the defaults.",
    )(command)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --json to a command; it receives `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")(command)


def config_path(given: Path | None) -> Path | None:
    """Return which config file counts: the one given, else $TIBABU_CONFIG, else ./config.toml if it exists."""
    if given is not None:
        return given
    if named := os.environ.get("TIBABU_CONFIG"):
        return Path(named)
    return DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None


def _load(_context: click.Context, _parameter: click.Parameter, given: Path | None) -> Config:
    return load(config_path(given))


def to_peer(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Peer | None:
    """Read `PEER`: the callback of an option or an argument."""
    try:
        return None if text is None else Peer.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def user() -> str:
    """Return who runs the command, as the audit trail has it."""
    return f"user {getpass.getuser()}"


def dicom_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield files as they are named, and of each folder every DICOM file in it."""
    from dicom_io.image_files import sniff  # noqa: PLC0415 - most commands do not need it

    for path in paths:
        if path.is_dir():
            yield from (file for file in sorted(path.rglob("*")) if file.is_file() and sniff(file) == "dicom")
        else:
            yield path


def when(at: datetime) -> str:
    """Return a time for people, to the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def print_rows(
    rows: Sequence[T],
    *,
    document: Callable[[T], object],
    line: Callable[[T], str],
    none: str,
    as_json: bool,
) -> None:
    """Print a list: one JSON document, or a line for each, or that there is `none`."""
    if as_json:
        print_json([document(row) for row in rows])
    else:
        click.echo("\n".join(map(line, rows)) or none)


def print_json(document: object) -> None:
    """Print one JSON document; dataclasses become objects, times ISO 8601 in UTC, paths and enumerations text."""
    click.echo(json.dumps(document, default=_plain, indent=2, ensure_ascii=False))


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
