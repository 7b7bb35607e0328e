"""Every setting of config.toml, by its table: key, default, meaning."""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from agent import destinations, reports
from agent.config.file import Config
from agent.config.text import nested, settings_of, written
from agent.reference.markdown import code, table

_HEAD = """\
# Configuration

Written from the code by `python -m agent.reference docs/reference`; do not edit. The same as one commented file:
`config.toml` of the sources. A site's own file holds only what differs. Relative paths start at its folder; unknown
keys are errors; `tibabu check` says what is wrong with it. Tables in double brackets may be there any number of
times.
"""


def page() -> str:
    """Return the page."""
    return _HEAD + "".join(f"\n## `{head}`\n{says}\n\n{_settings(section)}" for head, says, section in _sections())


def _sections() -> Iterator[tuple[str, str, type[BaseModel]]]:
    for name, field in Config.model_fields.items():
        section: Any = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            yield f"[{name}]", section.__doc__ or "", section
            for key, inner in section.model_fields.items():
                if (within := nested(inner.annotation)) is not None:
                    yield f"[{name}.{key}]", within.__doc__ or "", within
        elif isinstance(repeated := next(iter(get_args(section)), None), type) and issubclass(repeated, BaseModel):
            yield f"[[{name}]]", repeated.__doc__ or "", repeated
    for kind in reports.names():
        settings = reports.load(kind).Settings
        yield f"[reports.{kind}]", settings.__doc__ or "", settings
    for type_ in destinations.names():
        settings = destinations.load(type_).Settings
        yield f'[[destinations]] type = "{type_}"', settings.__doc__ or "", settings


def _settings(section: type[BaseModel]) -> str:
    rows = [(code(name), *_default(field), field.description or "") for name, field in settings_of(section)]
    return table(("key", "default", "meaning"), rows) if rows else "It has no settings.\n"


def _default(field: FieldInfo) -> tuple[str]:
    if field.is_required():
        example = written((field.examples or [""])[0])
        return (f"has to be set, as {code(example)}",)
    default = field.get_default(call_default_factory=True)
    return ("unset",) if default is None else (code(written(default)),)
