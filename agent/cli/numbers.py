"""Numbers for scripts: JSON knows no NaN."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any


def finite(value: Any) -> Any:  # noqa: ANN401 - whatever becomes JSON
    """Return a document, dataclasses as objects, in which every number that is not finite is None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: finite(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
