"""Whoever asks, whatever is asked and whatever breaks: the edge answers, says no more than it should, and is logged."""

import asyncio

import httpx
import pytest
import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.web import edge
from agent.web.access import LOCAL
from agent.web.callers import Reach
from agent.web.edge import Edge
from db.errors import DatabaseBusyError, DatabaseFullError, DatabaseUnavailableError, QueryError, SchemaError

HOSTS_OF_THIS_MACHINE = ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]", "LOCALHOST"]
OTHER_HOSTS = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.2",
    "[::2]:8080",
    "[::1",
    "::1",
    "localhost:port",
    "user@localhost",
    "localhost/evil",
    "",
]
METHODS = ["OPTIONS", "TRACE", "PROPFIND"]
CHANGING = ["POST", "PUT", "PATCH", "DELETE"]


async def fine(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("fine")(scope, receive, send)


def breaking(error: Exception) -> ASGIApp:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise error

    return app


def problem(_scope: Scope, status: int, sentence: str) -> Response:
    return PlainTextResponse(sentence, status)


def ask(app: ASGIApp, method: str = "GET", host: str = "localhost", **headers: str) -> httpx.Response:
    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(Edge(app, problem=problem, identify=lambda _: LOCAL, reach=Reach()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, "/", headers={"Host": host, **headers})

    return asyncio.run(once())


@pytest.mark.parametrize("host", HOSTS_OF_THIS_MACHINE)
def test_the_names_of_this_machine_are_answered(host: str) -> None:
    assert ask(fine, host=host).text == "fine"


@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_no_other_name_is_answered(host: str) -> None:
    answer = ask(fine, host=host)
    assert (answer.status_code, answer.text) == (400, edge.OTHER_HOST)


@pytest.mark.parametrize("method", METHODS)
def test_no_other_method_is_answered(method: str) -> None:
    answer = ask(fine, method)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, POST, PUT, PATCH, DELETE"


@pytest.mark.parametrize("method", CHANGING)
@pytest.mark.parametrize(
    "said",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_change_that_another_site_asks_for_is_refused(method: str, said: dict[str, str]) -> None:
    answer = ask(fine, method, **said)
    assert (answer.status_code, answer.text) == (403, edge.OTHER_SITE)


@pytest.mark.parametrize("method", CHANGING)
@pytest.mark.parametrize(
    "said", [{"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}, {"Authorization": "Bearer tibabu_x"}]
)
def test_a_change_of_a_page_of_this_site_or_of_a_program_with_a_token_is_taken(
    method: str, said: dict[str, str]
) -> None:
    assert ask(fine, method, **said).text == "fine"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (DatabaseUnavailableError("gone"), edge.DATABASE_DOWN),
        (DatabaseFullError("full"), edge.DATABASE_DOWN),
        (DatabaseBusyError("busy"), edge.DATABASE_BUSY),
        (SchemaError("old"), edge.DATABASE_OTHER),
    ],
)
def test_a_database_that_is_down_is_said(error: Exception, sentence: str) -> None:
    with structlog.testing.capture_logs() as logged:
        answer = ask(breaking(error))
    assert (answer.status_code, answer.text) == (503, sentence)
    assert [line["event"] for line in logged] == ["web_database_unavailable"]


def test_a_page_that_was_closed_while_it_asked_is_no_failure() -> None:
    async def once() -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost")]
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers, "state": {}}
        edge_of = Edge(breaking(ClientDisconnect()), problem=problem, identify=lambda _: LOCAL, reach=Reach())
        await edge_of(scope, gone, send)
        return sent

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    with structlog.testing.capture_logs() as logged:
        assert asyncio.run(once()) == []
    assert logged == []


@pytest.mark.parametrize("error", [ValueError("DOE^John"), QueryError("DOE^John"), RuntimeError()])
def test_anything_else_that_breaks_is_a_plain_page_and_one_log_line(error: Exception) -> None:
    with structlog.testing.capture_logs() as logged:
        answer = ask(breaking(error))
    assert (answer.status_code, answer.text) == (500, edge.BROKEN)
    assert [line["event"] for line in logged] == ["web_page_failed"]
    assert logged[0]["exc_info"] is error


def test_what_breaks_after_it_began_to_answer_is_logged_and_not_answered_twice() -> None:
    async def half(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": False})
        raise ValueError

    with structlog.testing.capture_logs() as logged:
        answer = ask(half)
    assert (answer.status_code, answer.text) == (200, "half")
    assert [line["event"] for line in logged] == ["web_page_failed"]


@pytest.mark.parametrize("app", [fine, breaking(ValueError()), breaking(DatabaseBusyError())])
@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_every_answer_is_guarded(app: ASGIApp, host: str) -> None:
    headers = ask(app, host=host).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["style-src"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in headers
