"""The configuration as it runs, described for people: no secret leaves this file."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from agent.config.file import Config
from agent.config.text import nested, settings_of
from agent.web.configuration import Setting, Table

HIDDEN: Final = "(hidden)"
_UNSET: Final = "unset"
_URL: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?:[^/?#@\s]*@)?(?P<rest>[^?#\s]*)(?:[?#]\S*)?", re.IGNORECASE
)


def described(config: Config) -> tuple[Table, ...]:
    """Return every table of the configuration, in the order of config.toml."""
    return tuple(_tables(config))


def _tables(config: Config) -> Iterator[Table]:
    for name in Config.model_fields:
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            yield from _table(f"[{name}]", name, value)
        elif isinstance(value, dict):
            for key, one in value.items():
                yield from _table(f"[{name}.{key}]", f"{name}.{key}", one)
        else:
            for one in value:
                called = getattr(one, "name", "") or getattr(one, "ae_title", "")
                yield from _table(f"[[{name}]] {called}".rstrip(), name, one)


def _table(head: str, path: str, section: BaseModel) -> Iterator[Table]:
    settings = (_setting(key, field, getattr(section, key)) for key, field in settings_of(type(section)))
    sentence = " ".join((type(section).__doc__ or "").split())
    yield Table(head=head, sentence=sentence, settings=tuple(settings))
    for key, field in type(section).model_fields.items():
        if nested(field.annotation) is not None and (value := getattr(section, key)) is not None:
            yield from _table(f"[{path}.{key}]", f"{path}.{key}", value)


def _setting(key: str, field: FieldInfo, value: Any) -> Setting:  # noqa: ANN401 - whatever a setting is
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    return Setting(
        key=key,
        value=value_text(value),
        default="" if field.is_required() else value_text(default),
        changed=field.is_required() or value != default,
        sentence=field.description or "",
    )


def set_text(section: BaseModel) -> str:
    """Return a table in one line, with what is set in it."""
    found = {key: getattr(section, key) for key in type(section).model_fields if key in section.model_fields_set}
    return value_text(found)


def value_text(value: Any) -> str:  # noqa: ANN401 - whatever a setting is
    """Return a value as config.toml has it; of an address of the web neither who signs in nor what it asks."""
    if value is None:
        return _UNSET
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, BaseModel):
        value = {key: getattr(value, key) for key in type(value).model_fields}
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {value_text(one)}' for key, one in value.items())} }}"
    if isinstance(value, tuple | list | set | frozenset):
        return f"[{', '.join(value_text(one) for one in value)}]"
    return json.dumps(value if isinstance(value, bool | int | float) else _without_secrets(value), ensure_ascii=False)


def _without_secrets(value: object) -> str:
    text = value.as_posix() if isinstance(value, Path) else str(value)
    return _URL.sub(lambda found: found["scheme"] + found["rest"], text)
