"""Slow, greedy and broken peers: each is answered or dropped in time, and the next one is served."""

import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset

import agent.net.http_server
from db.audit_search import AuditQuery, search
from db.audit_terms import EventId

Web = Any  # tests/integration/dicomweb/conftest.py
Make = Callable[..., Dataset]
Eventually = Callable[..., None]


@pytest.fixture
def connect() -> Iterator[Callable[..., socket.socket]]:
    """Return `connect(web)`: a bare connection that is closed with the test."""
    opened: list[socket.socket] = []

    def make(web: Web, receive_buffer: int = 0) -> socket.socket:
        url = httpx.URL(web.url)
        found = socket.socket()
        if receive_buffer:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        found.settimeout(60)
        found.connect((url.host, url.port))
        opened.append(found)
        return found

    yield make
    for one in opened:
        one.close()


def head(web: Web, method: str = "GET", path: str = "/studies", **headers: str) -> bytes:
    lines = [f"{method} /dicom-web{path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {web.token()}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def is_closed(connection: socket.socket) -> bool:
    """Tell whether the other end closed or reset the connection, without an answer."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_connection_on_which_no_request_comes_to_its_head_s_end_is_closed(
    serve: Callable[..., Web], connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent.net.http_server, "_HEAD_SECONDS", 0.5)
    web = serve()
    silent, begun, again = connect(web), connect(web), connect(web)
    begun.sendall(b"GET /dicom-web/studies HTTP/1.1\r\nHost: local")
    again.sendall(head(web))
    answer = b""
    while not answer.endswith(b"[]"):
        answer += again.recv(4096)
    again.sendall(b"GET /dicom-web/st")
    for one in (silent, begun, again):
        assert is_closed(one)
    assert web.client().get("/studies").status_code == 401


def test_a_body_that_stands_still_is_408(
    serve: Callable[..., Web], connect: Any, radiograph: Make, encode: Any, multipart: Any
) -> None:
    web = serve(pause_seconds=0.5)
    body, headers = multipart([encode(radiograph())])
    slow = connect(web)
    slow.sendall(head(web, "POST", Content_Type=headers["Content-Type"], Content_Length=str(len(body))) + body[:1000])
    answer = slow.recv(4096)
    assert answer.startswith(b"HTTP/1.1 408")
    assert list((web.store.path("00/" + "0" * 64 + ".dcm").parent.parent / "incoming").iterdir()) == []


def test_a_peer_that_goes_away_leaves_nothing_behind(
    serve: Callable[..., Web], connect: Any, radiograph: Make, encode: Any, multipart: Any, eventually: Eventually
) -> None:
    web = serve()
    incoming = web.store.path("00/" + "0" * 64 + ".dcm").parent.parent / "incoming"
    body, headers = multipart([encode(radiograph(PixelData=bytes(2_000_000)))])
    gone = connect(web)
    gone.sendall(head(web, "POST", Content_Type=headers["Content-Type"], Content_Length=str(len(body))))
    gone.sendall(body[:1_500_000])
    eventually(lambda: list(incoming.iterdir()))
    gone.close()
    eventually(lambda: not list(incoming.iterdir()))


def test_a_peer_that_does_not_read_is_dropped(
    serve: Callable[..., Web], connect: Any, radiograph: Make, eventually: Eventually
) -> None:
    web = serve(pause_seconds=0.5)
    sent = radiograph(PixelData=bytes(20_000_000))
    DICOMwebClient(web.url, headers={"Authorization": f"Bearer {web.token(name='stores')}"}).store_instances([sent])
    with structlog.testing.capture_logs() as logged:
        deaf = connect(web, receive_buffer=4096)
        deaf.sendall(head(web, path=f"/studies/{sent.StudyInstanceUID}"))
        eventually(lambda: [line for line in logged if line.get("status") == 499])
        (line,) = [line for line in logged if line.get("status") == 499]
    assert line["bytes"] < 20_000_000
    (seen,) = search(web.database, AuditQuery(event=EventId.INSTANCES_ACCESSED)).rows  # what came had been seen
    assert seen.event.study_instance_uid == sent.StudyInstanceUID
    assert web.client().get("/studies").status_code == 401


def test_more_requests_at_once_than_are_served_are_503(serve: Callable[..., Web], connect: Any, multipart: Any) -> None:
    web = serve(maximum_requests=1)
    _, headers = multipart([])
    held = connect(web)
    held.sendall(head(web, "POST", Content_Type=headers["Content-Type"], Content_Length="1000", Expect="100-continue"))
    assert held.recv(4096).startswith(b"HTTP/1.1 100")
    answer = web.client().get("/studies")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    held.close()


def test_who_may_not_is_told_so_before_the_body_is_sent(web: Web, connect: Any) -> None:
    stranger = connect(web)
    lines = ("POST /dicom-web/studies HTTP/1.1", "Host: localhost", "Expect: 100-continue", "Content-Length: 999999")
    stranger.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
    assert stranger.recv(4096).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize(
    "noise",
    [
        b"\x00\x01\x02\x03" * 50,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"A-ASSOCIATE" * 10 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100_000,
        b"POST /dicom-web/studies HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /dicom-web/studies HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz",
    ],
)
def test_what_is_no_request_is_refused_without_a_log_line_of_its_text(
    web: Web, connect: Any, noise: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    noisy = connect(web)
    noisy.sendall(noise)
    answer = noisy.recv(4096)
    assert answer == b"" or re.match(rb"HTTP/1\.1 (400|401)", answer)
    assert web.client().get("/studies").status_code == 401
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]


def test_a_database_that_does_not_answer_is_503(
    serve: Callable[..., Web], radiograph: Make, encode: Any, multipart: Any
) -> None:
    web = serve()
    client = web.client(web.token())
    body, headers = multipart([encode(radiograph())])
    for table in ("study", "api_token"):
        with web.database.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO away")
        found = client.get("/studies")
        assert (found.status_code, found.headers["content-type"]) == (503, "application/problem+json")
        stored = client.post("/studies", content=body, headers=headers)
        assert (stored.status_code, int(stored.headers["retry-after"]) > 0) == (503, True)
        with web.database.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE away RENAME TO {table}")
    assert client.get("/studies").status_code == 200
    assert client.post("/studies", content=body, headers=headers).status_code == 200


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 and its key."""
    chain, key = tmp_path / "a.pem", tmp_path / "a.key"
    openssl = shutil.which("openssl")
    assert openssl is not None
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *names, "-keyout", key, "-out", chain], check=True, capture_output=True)  # noqa: S603 - a fixed command
    return chain, key


def test_with_a_certificate_it_speaks_tls_of_today_only(
    serve: Callable[..., Web], certificate: tuple[Path, Path]
) -> None:
    chain, key = certificate
    web = serve(tls_certificate=chain, tls_key=key)
    assert web.url.startswith("https://127.0.0.1:")
    trusted = ssl.create_default_context(cafile=chain)
    answer = httpx.get(
        f"{web.url}/studies", headers={"Authorization": f"Bearer {web.token()}"}, verify=trusted, timeout=60
    )
    assert (answer.status_code, answer.json()) == (200, [])
    url = httpx.URL(web.url)
    weak = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    weak.load_verify_locations(chain)
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("AES128-SHA256:AES256-GCM-SHA384@SECLEVEL=0")  # no forward secrecy
    with socket.create_connection((url.host, url.port or 0), 10) as plain, pytest.raises(ssl.SSLError):
        weak.wrap_socket(plain, server_hostname="127.0.0.1")
    with pytest.raises(httpx.HTTPError):
        httpx.get(web.url.replace("https", "http"), timeout=60)
