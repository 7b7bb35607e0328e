"""Lists come in pages: each names the place after its last row, and nothing is skipped or told twice when rows come.

A place is a time and a row's number, or a number alone. Programs need not understand it: `next` is the next address.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Generic, TypeAlias, TypeVar

from fastapi import Query
from pydantic import Field
from starlette.requests import Request

from agent.web.api.model import Model

MOST: Final = 200
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

Item = TypeVar("Item")

Limit: TypeAlias = Annotated[int, Query(ge=1, le=MOST, description="How many to return at most.")]
Place: TypeAlias = Annotated[
    str | None,
    Field(
        pattern=r"^[0-9]{1,16}\.[0-9]{1,18}$",
        description="A place out of `next`: what comes after it.",
        examples=["1772366400000000.42"],
    ),
]
After: TypeAlias = Annotated[Place, Query()]


class Found(Model, Generic[Item]):
    """A part of what was searched for by a body."""

    items: tuple[Item, ...]
    next: Place = Field(description="The place to send as `after` for the next page; null: this is the last one.")


class Page(Model, Generic[Item]):
    """A part of a list."""

    items: tuple[Item, ...]
    next: str | None = Field(
        description="The address of the next page; null: this is the last one.",
        examples=["/api/v1/worklist?limit=50&after=1772366400000000.42"],
    )


def place(at: datetime, number: int) -> str:
    """Return the place of a row that lies at a time."""
    return f"{(at - _EPOCH) // _MICROSECOND}.{number}"


def placed(after: str | None) -> tuple[datetime, int] | None:
    """Return the time and number of a place that `After` describes."""
    if after is None:
        return None
    at, _, number = after.partition(".")
    return _EPOCH + int(at) * _MICROSECOND, int(number)


def next_page(request: Request, rows: Sequence[object], limit: int, after: str) -> str | None:
    """Return the address of what comes after `after`; None if these `rows`, one more than fit, are all there are."""
    return None if len(rows) <= limit else next_address(request, after)


def next_address(request: Request, after: str) -> str:
    """Return the address of what comes after `after`."""
    query = request.url.include_query_params(after=after).query
    return f"{request.scope['root_path']}{request.scope['path'].removeprefix(request.scope['root_path'])}?{query}"
