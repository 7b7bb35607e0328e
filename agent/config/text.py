"""config.toml as text, every setting with its sentence and default: `python -m agent.config.text > config.toml`."""

import json
import sys
import textwrap
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from agent import destinations, reports
from agent.config.file import Config

_WIDTH = 110
_HEAD = """\
# Tibabu's configuration: every setting, with its default. `tibabu check` says what is wrong with it.
# Relative paths start at this file's folder. Settings that are unset by default, and tables that are yours
# to add, stand behind # with an example. Unknown keys are errors.
"""


def config_text() -> str:
    """Return the commented config.toml that the repository ships."""
    parts = [_HEAD]
    for name, field in Config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            parts.append(f"{_comment(section.__doc__ or '')}[{name}]\n{_settings(section)}")
            for key, inner in section.model_fields.items():
                if (table := nested(inner.annotation)) is not None:
                    parts.append(_commented(table.__doc__ or "", f"[{name}.{key}]", table))
        elif (table := _repeated(section)) is not None:
            parts.append(_commented(f"{table.__doc__ or ''} Repeat the table for each one.", f"[[{name}]]", table))
    for kind in reports.names():
        module = reports.load(kind)
        parts.append(f"{_comment(module.Settings.__doc__ or '')}[reports.{kind}]\n{_settings(module.Settings)}")
    for type_ in destinations.names():
        sentence = f'A destination of type "{type_}"; repeat the table for each one.'
        parts.append(_commented(sentence, "[[destinations]]", destinations.load(type_).Settings))
    return "\n".join(parts)


def _repeated(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - whatever a field's type is
    """Return the table of which a setting holds any number, None if it does not."""
    inner = next(iter(get_args(annotation)), None)
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def nested(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - whatever a field's type is
    """Return the table that a setting is, if it is there; None if the setting is a value."""
    inner, *rest = [*get_args(annotation), None]
    is_optional_table = isinstance(inner, type) and issubclass(inner, BaseModel) and rest == [type(None), None]
    return inner if is_optional_table else None


def settings_of(section: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    """Return a table's settings without the tables in it, those of TLS last, in the order in which people read them."""
    found = [(name, field) for name, field in section.model_fields.items() if nested(field.annotation) is None]
    return sorted(found, key=lambda pair: (pair[0].startswith("tls"), pair[0].startswith("tls_")))


def _commented(sentence: str, head: str, table: type[BaseModel]) -> str:
    """Return a table to add, every line behind a number sign."""
    lines = (line if line.startswith("#") else f"# {line}" for line in _settings(table).splitlines())
    return f"{_comment(sentence)}# {head}\n" + "\n".join(lines) + "\n"


def _settings(section: type[BaseModel]) -> str:
    return "".join(f"{_comment(field.description or '')}{_line(name, field)}\n" for name, field in settings_of(section))


def _comment(text: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(text, _WIDTH))


def _line(name: str, field: FieldInfo) -> str:
    default: Any = None if field.is_required() else field.get_default(call_default_factory=True)
    if default is None:
        return f"# {name} = {written((field.examples or [''])[0])}"
    return f"{name} = {written(default)}"


def written(value: Any) -> str:  # noqa: ANN401 - whatever a setting's default is
    """Return a value as TOML."""
    if isinstance(value, SecretStr):
        return json.dumps(value.get_secret_value())
    if isinstance(value, BaseModel | dict):
        found = value if isinstance(value, dict) else value.model_dump()
        return f"{{ {', '.join(f'{key} = {json.dumps(inner)}' for key, inner in found.items())} }}" if found else "{}"
    return json.dumps(list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value)


if __name__ == "__main__":
    sys.stdout.write(config_text())
