"""What a change brings along is short, comes in time, and is a form of text."""

import socket
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from agent.web import site
from agent.web.access import ANYBODY, Address
from agent.web.forms import form_of

FROM_HERE = {"Sec-Fetch-Site": "same-origin"}


def echo(request: Request) -> Response:
    return PlainTextResponse(f"{form_of(request).get('word', 'nothing')}")


@pytest.fixture(autouse=True)
def _address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "ADDRESSES", (*site.ADDRESSES, Address("POST", "/echo", echo, ANYBODY)))


def test_a_form_is_read_before_its_endpoint_runs_and_files_are_refused(client: httpx.Client) -> None:
    assert client.post("/echo", data={"word": "<b>"}, headers=FROM_HERE).text == "<b>"
    assert client.post("/echo", files={"word": ("name", b"x")}, headers=FROM_HERE).status_code == 400


def test_a_body_of_more_than_a_megabyte_is_refused_whether_or_not_it_says_so_before(client: httpx.Client) -> None:
    assert client.post("/echo", data={"word": "x" * 1_100_000}, headers=FROM_HERE).status_code == 413
    chunks = (b"word=" + b"x" * 100_000 for _ in range(12))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/echo", content=chunks, headers=FROM_HERE | form).status_code == 413


def test_a_body_that_does_not_come_is_given_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.web.edge.BODY_SECONDS", 0.2)
    there = urlsplit(url)
    head = f"POST /echo HTTP/1.1\r\nHost: {there.netloc}\r\nSec-Fetch-Site: same-origin\r\n"
    head += "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\nword"
    with socket.create_connection((there.hostname, there.port), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
