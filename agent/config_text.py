"""config.toml as text, with every setting, its sentence and its default: `python -m agent.config_text > config.toml`."""

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from agent import destinations, reports
from agent.config import Config

_WIDTH = 110
_HEAD = """\
# Tibabu's configuration. Every setting stands here with its default; those that start with # are set to it already.
# `tibabu check` says what is wrong with it. Relative paths start at this file's folder. Unknown keys are errors.
"""


def config_text() -> str:
    """Return the commented config.toml that the repository ships."""
    parts = [_HEAD]
    for name, field in Config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            parts.append(f"{_comment(section.__doc__ or '')}[{name}]\n{_settings(section)}")
    for kind in reports.names():
        module = reports.load(kind)
        parts.append(f"# Report \"{kind}\".\n# [reports.{kind}]\n{_settings(module.Settings)}")
    for type_ in destinations.names():
        module = destinations.load(type_)
        text = f"# A destination of type \"{type_}\"; repeat the table for each one.\n# [[destinations]]\n"
        parts.append(text + _settings(module.Settings))
    return "\n".join(parts)


def _settings(section: type[BaseModel]) -> str:
    return "".join(
        f"{_comment(field.description or '')}# {name} = {_value(field)}\n" for name, field in section.model_fields.items()
    )


def _comment(text: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(text, _WIDTH))


def _value(field: FieldInfo) -> str:
    if field.is_required():
        return '""' if field.annotation is str else "(required)"
    default: Any = field.get_default(call_default_factory=True)
    if default is None:
        return '""' if "str" in str(field.annotation) or "Path" in str(field.annotation) else "0"
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, BaseModel):
        return "{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in default.model_dump().items()) + " }"
    if isinstance(default, Path):
        default = str(default)
    return json.dumps(list(default) if isinstance(default, tuple) else default)


if __name__ == "__main__":
    sys.stdout.write(config_text())
