"""Options that commands share, and how they print."""

import dataclasses
import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from agent.config import Config, load

DEFAULT_CONFIG = Path("config.toml")


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --config to a command; it receives the loaded `Config` as `config`."""
    return click.option(
        "--config",
        "config",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=_load,
        is_eager=False,
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


def print_json(document: object) -> None:
    """Print one JSON document; dataclasses become objects, times ISO 8601 in UTC, paths and enumerations text."""
    click.echo(json.dumps(document, default=_plain, indent=2, ensure_ascii=False))


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
