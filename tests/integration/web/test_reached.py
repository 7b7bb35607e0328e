"""How others reach the pages: over TLS, whose certificate may be replaced meanwhile, or through a proxy."""

import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from agent.config.web import WebSection
from agent.net.http_server import certificate_of
from agent.web.callers import Reach, caller, network_of
from agent.web.server import reach_of, serve
from db.database import Database
from db.schema.audit import audit_event

MakeCertificate = Callable[..., tuple[Path, Path]]  # tests/fixtures/openid.py


@pytest.fixture
def files(tmp_path: Path, make_certificate: MakeCertificate) -> WebSection:
    """Give a configuration with a certificate."""
    chain, key = make_certificate(tmp_path, "old")
    return WebSection(accounts=True, port=0, names=("tibabu.example",), tls_certificate=chain, tls_key=key)


@pytest.fixture
def port(sqlite_database: Database, services: Any, make_accounts: Any, files: WebSection) -> Iterator[int]:
    """Serve over TLS with accounts; the port."""
    stop, serving, ports = threading.Event(), threading.Event(), list[int]()

    def ready(port: int) -> None:
        ports.append(port)
        serving.set()

    made = services(sqlite_database)
    accounts = make_accounts(sqlite_database, lambda: datetime.now(UTC), secure=True)
    made = replace(made, accounts=accounts, reach=reach_of(files))
    certificate = certificate_of(files.tls_certificate, files.tls_key)
    thread = threading.Thread(
        target=serve,
        args=(made,),
        kwargs={"host": "0.0.0.0", "port": 0, "stop": stop, "ready": ready, "certificate": certificate},  # noqa: S104 - with accounts and TLS
    )
    thread.start()
    assert serving.wait(60)
    yield ports[0]
    stop.set()
    thread.join(60)


def shown(port: int) -> bytes:
    """Return the certificate that a new connection is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain, context.wrap_socket(plain) as connection:
        found = connection.getpeercert(binary_form=True)
    assert found is not None
    return found


def der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def test_a_new_certificate_is_shown_without_a_restart_and_a_broken_one_is_not(
    port: int, files: WebSection, tmp_path: Path, make_certificate: MakeCertificate
) -> None:
    assert files.tls_certificate is not None
    assert files.tls_key is not None
    assert shown(port) == der(files.tls_certificate)
    chain, key = make_certificate(tmp_path, "new")
    with capture_logs() as logged:
        shutil.copy(key, files.tls_key)  # for a moment they do not belong together
        old = der(files.tls_certificate)
        assert shown(port) == old
        shutil.copy(chain, files.tls_certificate)
        assert shown(port) == der(chain) != old
    assert [line["event"] for line in logged] == ["http_certificate_not_loaded", "http_certificate_loaded"]


def test_the_pages_are_reached_over_tls_under_their_names_only(port: int, files: WebSection) -> None:
    context = ssl.create_default_context(cafile=str(files.tls_certificate))
    with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=context, timeout=60, trust_env=False) as client:
        named = client.get("/sign-in", headers={"Host": "tibabu.example"})
        assert named.status_code == 200
        assert named.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
        assert client.get("/sign-in", headers={"Host": "evil.example"}).status_code == 400
        assert client.get("/", headers={"Accept": "text/html"}).headers["location"] == "/sign-in?next=/"


def test_who_takes_no_answer_is_not_waited_for(
    start: Callable[..., str], sqlite_database: Database, ledger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.web.edge.SEND_SECONDS", 0.1)
    for number in range(60):
        ledger.receive(f"2.25.{number}", at=datetime.now(UTC), patient_name="D" * 150)
    url = httpx.URL(start(sqlite_database))
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.settimeout(60)
        connection.connect((url.host, url.port))
        ask = f"GET / HTTP/1.1\r\nHost: {url.netloc.decode()}\r\n\r\n".encode()

        def flood() -> None:
            while True:
                connection.sendall(ask * 50)

        with pytest.raises(ConnectionError):  # the server has ended it
            flood()


def test_a_proxy_that_is_trusted_says_for_whom_it_asks_and_nobody_else_does() -> None:
    networks = WebSection(
        accounts=True, behind_proxy=True, names=("a",), trusted_proxies=("10.0.0.0/24", "::1")
    ).networks
    assert caller("192.0.2.1", "198.51.100.7", networks) == "192.0.2.1"
    assert caller("10.0.0.1", "198.51.100.7", networks) == "198.51.100.7"
    assert caller("10.0.0.1", "evil, 203.0.113.9, 198.51.100.7, 10.0.0.2", networks) == "198.51.100.7"
    assert caller("10.0.0.1", "", networks) == "10.0.0.1"
    assert caller("10.0.0.1", "not an address", networks) == "10.0.0.1"
    assert caller("::1", "::ffff:198.51.100.7", networks) == "198.51.100.7"
    assert caller("10.0.0.1", "198.51.100.7", ()) == "10.0.0.1"
    assert network_of("2001:db8::1") == network_of("2001:db8::2") == "2001:db8::/64"


def test_whom_a_proxy_asks_for_stands_in_the_audit_trail(
    sqlite_database: Database, visit: Callable[..., Any], make_person: Any
) -> None:
    make_person(sqlite_database, "jane")
    networks = WebSection(accounts=True, behind_proxy=True, names=("a",)).networks
    browser = visit(sqlite_database, "127.0.0.1", proxies=networks)
    browser.post("/sign-in", data={"name": "jane", "password": "x"}, headers={"X-Forwarded-For": "198.51.100.7"})
    with sqlite_database.read() as connection:
        last = connection.execute(select(audit_event).order_by(audit_event.c.id.desc())).first()
    assert last is not None
    assert (last.person, last.source) == ("jane", "198.51.100.7")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"host": "0.0.0.0"}, "expected accounts = true"),  # noqa: S104 - refused
        ({"host": "0.0.0.0", "accounts": True}, "expected tls_certificate and tls_key, or behind_proxy"),  # noqa: S104
        ({"host": "0.0.0.0", "accounts": True, "behind_proxy": True}, "expected names"),  # noqa: S104
        ({"behind_proxy": True, "names": ["a"]}, "expected accounts = true behind a proxy"),
        ({"tls_certificate": "a"}, "tls_certificate and tls_key together"),
        ({"names": ["Tibabu.Example"]}, "small letters"),
        ({"trusted_proxies": ["proxy"]}, "an address, or a network"),
        ({"idle_minutes": 0}, "greater than 0"),
    ],
)
def test_a_configuration_that_lets_others_in_unprotected_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        WebSection(**wrong)


def test_by_default_only_this_machine_reaches_the_pages() -> None:
    assert reach_of(WebSection()) == Reach()
