"""A key of config.toml that does not exist: which one was meant."""

from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel


def meant(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """Return the existing key of the same table that is most alike; empty where none is."""
    *tables, wrong = location
    section: type[BaseModel] | None = model
    for name in tables:
        if isinstance(name, str) and section is not None:
            field = section.model_fields.get(name)
            section = None if field is None else _table(field.annotation)
    found = [] if section is None else get_close_matches(str(wrong), section.model_fields, 1)
    return found[0] if found else ""


def _table(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - whatever a field is declared as
    """Return the class of a table, or of each of several, that a field holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_table, get_args(annotation))), None)
