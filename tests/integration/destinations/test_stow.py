"""The STOW-RS destination against a real HTTP server that answers as it is told, and forgets nothing it was sent."""

import gzip
import hashlib
import json
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent.destinations import Outgoing, stow
from agent.errors import DeliveryError, DestinationDownError
from dicom_io.file_meta import encode_file_meta

CR = "1.2.840.10008.5.1.4.1.1.1"
EXPLICIT = "1.2.840.10008.1.2.1"


@dataclass
class Server:
    """What was asked of it, and what it answers: status and Instances it says it stored, or a way to break off."""

    port: int = 0
    status: int = 200
    silent: bool = False
    location: str = ""
    folded: bytes = b""
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/dicom-web"

    def objects(self) -> list[bytes]:
        """Return the objects in the bodies of the POSTs."""
        found = []
        for method, _, headers, body in self.requests:
            if method == "POST":
                boundary = headers["content-type"].partition("boundary=")[2].encode()
                head, _, rest = body.partition(b"\r\n\r\n")
                assert head == b"--" + boundary + b"\r\nContent-Type: application/dicom"
                data, _, tail = rest.rpartition(b"\r\n--" + boundary)
                assert tail == b"--\r\n"
                found.append(data)
        return found


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.connections.add(self.client_address[1])
            server.requests.append((self.command, self.path, headers, body))
            if server.silent:
                self.close_connection = True
                return
            answer = json.dumps({"00081199": {"vr": "SQ", "Value": [
                {"00081155": {"vr": "UI", "Value": [uid]}} for uid in UIDS
            ]}}).encode() if server.status == 200 else b""  # fmt: skip
            self.send_response(server.status)
            if server.location:
                self.send_header("Location", server.location)
            if server.folded:
                self.send_header("Content-Encoding", "gzip, gzip")
                answer = server.folded
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            server.requests.append((self.command, self.path, dict(self.headers), b""))
            self.send_response(server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


UIDS = [f"1.2.3.{number}" for number in range(4)]


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(made)) as running:
        made.port = running.server_address[1]
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield made
        running.shutdown()
        thread.join()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Write Part 10 files whose datasets are a SOP Class, a SOP Instance UID and some bytes of private data."""

    def write(uid: str) -> Path:
        def element(tag: bytes, value: str) -> bytes:
            padded = value.encode() + b"\0" * (len(value) % 2)
            return tag + b"UI" + len(padded).to_bytes(2, "little") + padded

        data = encode_file_meta(CR, uid, EXPLICIT) + element(b"\x08\0\x16\0", CR) + element(b"\x08\0\x18\0", uid)
        (file := tmp_path / f"{uid}.dcm").write_bytes(data + bytes(range(256)) * 10)
        return file

    return [write(uid) for uid in UIDS]


Make = Callable[..., stow.Destination]


@pytest.fixture
def make(server: Server) -> Make:
    def destination(**settings: Any) -> stow.Destination:
        given = {"name": "web", "type": "stow", "url": server.url} | settings
        return stow.Destination(stow.Settings(**given), "TIBABU")

    return destination


@dataclass
class Said:
    """`Progress` that remembers."""

    calls: list[tuple[str, int]] = field(default_factory=list)

    def begins(self, index: int) -> None:
        self.calls.append(("begins", index))

    def stored(self, index: int, _: str) -> None:
        self.calls.append(("stored", index))

    def failed(self, index: int, error: DeliveryError) -> None:
        self.calls.append(("retry" if error.retry else "park", index))


def report(file: Path) -> Outgoing:
    return Outgoing("application/dicom", file.read_bytes(), file.stem, "1.2")


def test_a_report_arrives_as_it_is(server: Server, make: Make, files: list[Path]) -> None:
    assert make().send(report(files[0])) == "HTTP 200"
    assert server.objects() == [files[0].read_bytes()]
    ((method, path, headers, _),) = server.requests
    assert (method, path) == ("POST", "/dicom-web/studies")
    assert headers["accept"] == "application/dicom+json"
    assert headers["content-type"].startswith('multipart/related; type="application/dicom"; boundary=')


def test_files_arrive_as_they_are_in_order_over_one_connection_each_answered_on_its_own(
    server: Server, make: Make, files: list[Path]
) -> None:
    make().forward(files, said := Said())
    assert server.objects() == [file.read_bytes() for file in files]
    assert said.calls == [(what, index) for index in range(4) for what in ("begins", "stored")]
    assert len(server.connections) == 1


def test_a_response_that_is_lost_is_tried_again_with_the_same_bytes(
    server: Server, make: Make, files: list[Path]
) -> None:
    server.silent = True
    with pytest.raises(DestinationDownError):
        make().forward(files, said := Said())
    assert said.calls == [("begins", 0)]
    server.silent = False
    make().forward(files[:1], said := Said())
    assert said.calls == [("begins", 0), ("stored", 0)]
    first, *_, last = server.objects()
    assert first == last == files[0].read_bytes()


def test_one_that_displeases_is_parked_and_the_next_ones_are_sent(
    server: Server, make: Make, files: list[Path]
) -> None:
    server.status = 415
    make().forward(files[:2], said := Said())
    assert said.calls == [("begins", 0), ("park", 0), ("begins", 1), ("park", 1)]


def test_a_server_that_is_not_fit_is_not_asked_for_every_one(server: Server, make: Make, files: list[Path]) -> None:
    server.status = 503
    with pytest.raises(DestinationDownError, match="status=503"):
        make().forward(files, said := Said())
    assert said.calls == [("begins", 0)]


def test_what_is_no_dicom_file_is_parked_and_never_offered(server: Server, make: Make, tmp_path: Path) -> None:
    (odd := tmp_path / "odd").write_bytes(b"no DICOM")
    make().forward([odd], said := Said())
    assert (said.calls, server.requests) == ([("park", 0)], [])


def test_no_redirection_is_followed(server: Server, make: Make, files: list[Path]) -> None:
    """Neither to another host nor to this one: patients' data and the token go only where the configuration says."""
    server.status, server.location = 307, f"http://127.0.0.1:{server.port}/elsewhere/studies"
    with pytest.raises(DestinationDownError, match="redirections are not followed"):
        make().send(report(files[0]))
    assert [path for _, path, _, _ in server.requests] == ["/dicom-web/studies"]


def test_no_proxy_of_the_environment_is_asked(
    server: Server, make: Make, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert make().send(report(files[0])) == "HTTP 200"
    assert len(server.requests) == 1


def test_no_answer_unfolds_in_memory_or_is_believed(server: Server, make: Make, files: list[Path]) -> None:
    server.folded = gzip.compress(gzip.compress(bytes(64 << 20)))
    tracemalloc.start()
    try:
        with pytest.raises(DeliveryError, match="does not name it"):
            make().send(report(files[0]))
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_port_that_nobody_listens_on_and_one_that_says_nothing_are_tried_again(
    make: Make, files: list[Path], closed_port: int
) -> None:
    with pytest.raises(DestinationDownError, match="ConnectError, Connection refused"):
        make(url=f"http://127.0.0.1:{closed_port}/x").send(report(files[0]))


@pytest.fixture
def closed_port() -> int:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as gone:
        return int(gone.server_address[1])


def test_the_secret_is_read_anew_for_each_sending_and_shown_nowhere(
    server: Server, make: Make, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secret := tmp_path / "token").write_text("first-token\n")
    destination = make(secret_file=secret)
    destination.send(report(files[0]))
    secret.write_text("second-token")
    server.status = 401
    with pytest.raises(DestinationDownError) as caught:
        destination.send(report(files[0]))
    sent = [headers["authorization"] for _, _, headers, _ in server.requests]
    assert sent == ["Bearer first-token", "Bearer second-token"]
    assert "token" not in f"{caught.value}{destination}{destination._settings.secret()!r}"
    monkeypatch.setenv("PACS_LOGIN", "user:password")
    server.status = 200
    make(authorization="basic", secret_variable="PACS_LOGIN").send(report(files[0]))  # noqa: S106 - a variable's name
    assert server.requests[-1][2]["authorization"] == "Basic dXNlcjpwYXNzd29yZA=="


def test_a_secret_that_is_not_there_is_a_reason_to_try_again_and_nothing_is_sent(
    server: Server, make: Make, files: list[Path], tmp_path: Path
) -> None:
    for settings in ({"secret_file": tmp_path / "absent"}, {"secret_variable": "ABSENT_VARIABLE"}):
        with pytest.raises(DeliveryError, match="expected the secret in") as caught:
            make(**settings).forward(files, Said())
        assert caught.value.retry
    assert server.requests == []


@pytest.mark.parametrize(
    ("status", "there"), [(200, True), (204, True), (403, True), (401, False), (404, False), (503, False)]
)
def test_a_ping_asks_for_no_data(server: Server, make: Make, status: int, *, there: bool) -> None:
    server.status = status
    if there:
        make().ping()
    else:
        with pytest.raises(DeliveryError):
            make().ping()
    assert [(method, path) for method, path, *_ in server.requests] == [
        ("GET", "/dicom-web/studies?StudyInstanceUID=2.25.0&limit=1")
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "ftp://pacs/dicom-web"},
        {"url": "pacs/dicom-web"},
        {"url": "http://user:password@pacs/dicom-web"},
        {"url": "http://pacs/dicom-web?key=1"},
        {"authorization": "digest"},
        {"secret_variable": "TOKEN", "secret_file": "/token"},
        {"url": "http://pacs.example/dicom-web", "secret_variable": "TOKEN"},
    ],
)
def test_settings_that_make_no_sense_or_would_give_the_secret_away_are_refused(settings: dict[str, Any]) -> None:
    stow.Settings(name="web", type="stow", url="https://pacs/dicom-web")
    with pytest.raises(ValidationError):
        stow.Settings(**{"name": "web", "type": "stow", "url": "https://pacs/dicom-web"} | settings)


def test_a_large_file_takes_little_memory(server: Server, make: Make, files: list[Path]) -> None:
    """The server here holds what it gets; so what the client allocates is measured by its own body alone."""
    large = files[0]
    with large.open("ab") as file:
        file.truncate(64 << 20)
    body = stow._body(b"head", large, b"tail")
    tracemalloc.start()
    digest = hashlib.sha256()
    for chunk in body:
        digest.update(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20
    make().forward([large], said := Said())
    assert said.calls == [("begins", 0), ("stored", 0)]
    (sent,) = server.objects()
    assert hashlib.sha256(b"head" + sent + b"tail").hexdigest() == digest.hexdigest()
