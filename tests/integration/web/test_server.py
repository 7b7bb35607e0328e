"""The server listens on this machine only, leaves the process's signals alone, and ends when it is told to."""

import logging
import signal
import socket
import threading
from collections.abc import Callable

import httpx
import pytest

from agent.errors import ConfigError, InstallationError
from agent.net.http_server import listen
from agent.web.server import serve
from agent.web.services import Services
from db.database import Database

Make = Callable[[Database], Services]
Start = Callable[..., str]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "127.0.0.2", "hospital.example", "localhost."])  # noqa: S104 - refused
def test_an_address_that_others_can_reach_is_refused(sqlite_database: Database, services: Make, host: str) -> None:
    with pytest.raises(ConfigError, match=r"web\.host: expected one of 127\.0\.0\.1, ::1, localhost"):
        serve(services(sqlite_database), host=host, port=0, stop=threading.Event(), ready=lambda _: None)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_it_serves_on_every_loopback_address(sqlite_database: Database, start: Start, host: str) -> None:
    assert httpx.get(f"{start(sqlite_database, host)}/healthz", timeout=60, trust_env=False).json() == {
        "status": "alive"
    }


def test_what_asyncio_serves_on_is_known_to_be_tcp_so_that_no_answer_waits_for_an_acknowledgement() -> None:
    with listen("127.0.0.1", 0, setting="web.port") as listener, socket.create_connection(listener.getsockname()):
        served, _ = listener.accept()
        with served:
            assert served.proto == socket.IPPROTO_TCP  # asyncio sets TCP_NODELAY where it reads this


def test_a_port_that_is_taken_is_said(sqlite_database: Database, services: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InstallationError, match=f"web.port: .* Received: port={port}"):
            serve(services(sqlite_database), host="127.0.0.1", port=port, stop=threading.Event(), ready=lambda _: None)


def test_in_the_main_thread_it_leaves_the_handlers_of_signals_alone(sqlite_database: Database, services: Make) -> None:
    stop = threading.Event()
    during = []

    def ready(port: int) -> None:
        during.extend([signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT), port])
        stop.set()

    def mine(*_: object) -> None: ...

    before = [signal.signal(number, mine) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        serve(services(sqlite_database), host="127.0.0.1", port=0, stop=stop, ready=ready)
        after = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            signal.signal(number, handler)
    assert during[:2] == after == [mine, mine]
    assert during[2] > 0


def test_it_ends_although_a_browser_keeps_its_connection(sqlite_database: Database, services: Make) -> None:
    stop, serving, ports = threading.Event(), threading.Event(), list[int]()

    def ready(port: int) -> None:
        ports.append(port)
        serving.set()

    arguments = {"host": "127.0.0.1", "port": 0, "stop": stop, "ready": ready}
    thread = threading.Thread(target=serve, args=(services(sqlite_database),), kwargs=arguments)
    thread.start()
    assert serving.wait(60)
    with httpx.Client(base_url=f"http://127.0.0.1:{ports[0]}", timeout=60, trust_env=False) as client:
        assert client.get("/healthz").status_code == 200
        stop.set()
        thread.join(60)
        assert not thread.is_alive()
    with socket.create_server(("127.0.0.1", ports[0])) as again:
        assert again.getsockname()[1] == ports[0]


def test_what_was_asked_for_is_in_no_log_line(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client.get("/?page=1&patient=DOE-JOHN")
        client.get("/studies/DOE-JOHN")
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert not [record for record in ours if "DOE-JOHN" in record.getMessage()]
