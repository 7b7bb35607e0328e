"""Forms: what they say is read whole, within bounds, and nothing else is taken for one."""

import asyncio

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from agent.web.forms import LONGEST_BODY, form_of, read_form, values_of

FORM = "application/x-www-form-urlencoded"


def sent(body: bytes, kind: str = FORM) -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", kind.encode())], "state": {}}
    request = Request(scope, receive)
    asyncio.run(read_form(request))
    return request


def test_a_form_is_read_without_blanks_around_its_values() -> None:
    request = sent(b"reason=+network+replaced+&destination=PACS&box=a&box=b&caf%C3%A9=%26", f"{FORM};charset=x")
    found = form_of(request)
    assert found == {"reason": "network replaced", "destination": "PACS", "box": "b", "café": "&"}
    assert values_of(request, "box") == ("a", "b")
    assert values_of(request, "nothing") == ()


def test_a_form_without_a_field_is_empty_whatever_its_type() -> None:
    assert form_of(sent(b"", "")) == {}


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"a" * (LONGEST_BODY + 1), FORM, 413),
        (b'{"a": 1}', "application/json", 400),
        (b"a=%FF", FORM, 400),
        (b"a=%00", FORM, 400),
        (b"\xff=1", FORM, 400),
        (b"a=1&" * 201, FORM, 400),
    ],
)
def test_what_is_no_form_of_this_site_is_refused(body: bytes, kind: str, status: int) -> None:
    with pytest.raises(HTTPException) as refused:
        sent(body, kind)
    assert refused.value.status_code == status
