"""The edge of DICOMweb by itself: whatever goes wrong inside, the peer gets a problem of its status, or no more."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agent.dicomweb.edge import BROKEN, DATABASE_AWAY, LOST, NO_TEXT, STORE_AWAY, Edge, Limits
from agent.dicomweb.problems import ProblemError
from db.errors import DatabaseUnavailableError
from dicom_io.errors import LostError, StoreError

SEEN = SimpleNamespace(aborted=0)


def answer(fail: Callable[[], None] = lambda: None, path: str = "/studies", *, late: bool = False) -> httpx.Response:
    """Ask an application that fails, before its answer has begun or `late`, in it."""
    SEEN.aborted = 0

    def abort() -> None:
        SEEN.aborted += 1

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if late:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        fail()
        await Response(b"served")(scope, receive, send)

    edge = Edge(app, limits=Limits())

    async def stateful(scope: Scope, receive: Receive, send: Send) -> None:
        await edge({**scope, "state": {"abort": abort}}, receive, send)
        if late:  # what the server would have cut off
            await send({"type": "http.response.body"})

    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(stateful)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path)

    return asyncio.run(once())


def raising(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (ProblemError(410, "gone"), 410, "gone"),
        (DatabaseUnavailableError("Doe^John"), 503, DATABASE_AWAY),
        (LostError("Doe^John"), 500, LOST),
        (StoreError("Doe^John"), 503, STORE_AWAY),
        (KeyError("Doe^John"), 500, BROKEN),
    ],
)
def test_an_error_is_answered_with_its_status_and_none_of_its_words(error: Exception, status: int, detail: str) -> None:
    found = answer(raising(error))
    assert (found.status_code, found.json()["detail"]) == (status, detail)
    assert (found.headers.get("Retry-After") is not None) is (status == 503)
    assert found.headers["Cache-Control"] == "no-store"
    assert SEEN.aborted == 0


def test_an_error_in_the_middle_of_an_answer_ends_the_connection_so_that_nobody_takes_it_for_whole() -> None:
    answer(raising(KeyError("Doe^John")), late=True)
    assert SEEN.aborted == 1


@pytest.mark.parametrize("path", ["/studies/1%00", "/studies?PatientID=1%00"])
def test_an_address_with_a_character_that_no_text_has_is_400_and_asks_nobody(path: str) -> None:
    found = answer(raising(AssertionError()), path)
    assert (found.status_code, found.json()["detail"]) == (400, NO_TEXT)
