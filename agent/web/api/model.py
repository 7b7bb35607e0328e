"""What documents of the API are made of, and the times and texts in them."""

import re
from datetime import UTC, datetime
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field


class Model(BaseModel):
    """A document, or a part of one: read from rows, never changed, and with nothing in it that is not described."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


UID_PATTERN = r"^[0-9]+(\.[0-9]+)*$"
Uid: TypeAlias = Annotated[str, Field(max_length=64, pattern=UID_PATTERN, examples=["1.2.826.0.1.3680043.10.1505.1"])]
Line: TypeAlias = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A short text of one line that a program sends."""
_WRITTEN = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})", re.IGNORECASE
)


def _written(value: object) -> object:
    """Return a time as it was written; a number is none, though it could be seconds since 1970."""
    if not isinstance(value, str) or _WRITTEN.fullmatch(value) is None:
        message = "expected a date and time with its offset (RFC 3339). Received: another"
        raise ValueError(message)
    return value


def _in_utc(value: datetime) -> datetime:
    """Return a time in UTC; the first and the last hours that there are have none in every zone."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        message = "expected a time that there is in UTC. Received: another"
        raise ValueError(message) from None


Instant: TypeAlias = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]
"""A time that a program sends."""
Moment: TypeAlias = Annotated[datetime, Field(examples=["2026-03-01T12:00:00Z"])]
"""An aware time in UTC (RFC 3339)."""
