"""What a form of the site sends: a few short texts, read whole before its endpoint is called in a thread."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

LONGEST_BODY: Final = 64 * 1024
"""Bytes of a form: what people write in one is far shorter."""
MOST_FIELDS: Final = 200
_TYPE: Final = "application/x-www-form-urlencoded"

TOO_LONG: Final = "This is more than a form of this site sends."
UNREADABLE: Final = "This is not what a form of this site sends."


async def read_form(request: Request) -> None:
    """Read a form's body into the request's state. HTTPException: 413 if it is too long, 400 if it is none."""
    received = bytearray()
    async for part in request.stream():
        received += part
        if len(received) > LONGEST_BODY:
            raise HTTPException(413, TOO_LONG)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if received and kind != _TYPE:
        raise HTTPException(400, UNREADABLE)
    try:
        pairs = parse_qsl(received.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:  # also of bytes that are no text
        raise HTTPException(400, UNREADABLE) from None
    if any("\0" in text for pair in pairs for text in pair):  # PostgreSQL has no such character
        raise HTTPException(400, UNREADABLE)
    request.state.form = pairs


def form_of(request: Request) -> Mapping[str, str]:
    """Return what the form says, without the blanks around each value; of a name given twice the last value."""
    return {name: value.strip() for name, value in request.state.form}


def exactly(request: Request, name: str) -> str:
    """Return a value with the blanks around it, as a password is compared; "" if there is none."""
    found: dict[str, str] = dict(request.state.form)
    return found.get(name, "")


def values_of(request: Request, name: str) -> tuple[str, ...]:
    """Return all values of one name, as of boxes that are ticked."""
    return tuple(value.strip() for given, value in request.state.form if given == name)


def number_in(values: Mapping[str, str], name: str) -> int | None:
    """Return a number that a form or an address gives, None if it gives none that an identifier could be."""
    found = re.fullmatch("[0-9]{1,9}", values.get(name, ""))
    return None if found is None else int(found[0])
