"""JSON to frozen dataclasses and back, strictly: every field must be there, none unknown, each of its type."""

import math
from dataclasses import asdict, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from model.errors import CardError


def plain(record: Any) -> Any:  # noqa: ANN401 (any dataclass; any JSON value)
    """Return a dataclass as JSON values; a number that is undefined is null."""
    return _plain(asdict(record))


def _plain(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case float():
            return value if math.isfinite(value) else None
    return value


def parse(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401 (a type and a JSON value; one return a kind)
    """Turn a JSON value into `kind`, or say where it does not fit.

    Raises:
        CardError: a field is missing, unknown or of another type.

    """
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        return _parse_fields(kind, value, where)
    if origin is tuple and isinstance(value, list):
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
        if len(kinds) == len(value):
            return tuple(parse(k, item, f"{where}[{i}]") for i, (k, item) in enumerate(zip(kinds, value, strict=True)))
    if origin is Literal and value in arguments:
        return value
    if kind is float and value is None:
        return math.nan
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    bare = origin if origin is not None and not isinstance(origin, UnionType) else kind
    if bare in {int, str, dict, bool} and isinstance(value, bare) and isinstance(value, bool) == (bare is bool):
        return value
    msg = f"expected {getattr(kind, '__name__', kind)} at {where}. Received: {type(value).__name__}"
    raise CardError(msg)


def _parse_fields(kind: Any, value: dict[str, Any], where: str) -> Any:  # noqa: ANN401 (a dataclass)
    hints = get_type_hints(kind)
    expected = [field.name for field in fields(kind)]
    if set(value) != set(expected):
        missing, unknown = sorted(set(expected) - set(value)), sorted(set(value) - set(expected))
        msg = f"expected the fields of {kind.__name__} at {where}. Received: missing={missing} unknown={unknown}"
        raise CardError(msg)
    return kind(**{name: parse(hints[name], value[name], f"{where}.{name}") for name in expected})
