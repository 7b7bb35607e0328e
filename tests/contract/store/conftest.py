"""Two stores, one contract: a folder, and a bucket of a real S3 server over HTTP, also by way of a proxy."""

import http.client
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
import pytest

from dicom_io.cache import Cache
from dicom_io.folder_store import FolderStore
from dicom_io.object_store import ObjectStore
from dicom_io.s3 import Credentials, S3Settings
from dicom_io.store import Store

SECONDS = 120


@dataclass
class Proxy:
    """In between: `trouble` sees each request before it is passed on, and may answer it instead."""

    upstream: str
    trouble: Callable[[Any], None] = lambda _: None
    seen: list[str] = field(default_factory=list)
    endpoint: str = ""


class Request(BaseHTTPRequestHandler):
    """One request: `answer` says it is answered; `shown` and `hidden` change the headers of the answer."""

    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def serve(self) -> None:
        self.answered, self.shown, self.hidden = False, dict[str, str](), set[str]()
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.proxy.seen.append(f"{self.command} {self.path}")
        self.proxy.trouble(self)
        if not self.answered:
            self.pass_on()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = serve  # noqa: N815 - the library's names

    def answer(self, status: int, code: str) -> None:
        self.answered = True
        body = f"<Error><Code>{code}</Code><Message>Doe^John</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def hang_up(self, after: bytes = b"") -> None:
        self.answered = self.close_connection = True
        self.wfile.write(after)

    def pass_on(self) -> None:
        connection = http.client.HTTPConnection(urlsplit(self.proxy.upstream).netloc, timeout=SECONDS)
        try:
            connection.request(self.command, self.path, self.body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
        except OSError:
            return self.hang_up()
        self.send_response(answer.status)
        dropped = {"connection", "server", "date", *self.hidden}
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in dropped}
        for name, value in {**headers, **self.shown}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        return None

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def proxied(s3_server: Any) -> Iterator[Callable[..., Proxy]]:
    running = []

    def start(upstream: Any = s3_server) -> Proxy:
        proxy = Proxy(upstream.endpoint)
        listener = ThreadingHTTPServer(("127.0.0.1", 0), type("Proxied", (Request,), {"proxy": proxy}))
        listener.daemon_threads = True
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        running.append((listener, thread))
        proxy.endpoint = f"http://127.0.0.1:{listener.server_address[1]}"
        return proxy

    yield start
    for listener, thread in running:
        listener.shutdown()
        listener.server_close()
        thread.join(SECONDS)


class Place(Protocol):
    """Where a store is: it can be opened any number of times, and looked at from behind."""

    def open(self) -> Store: ...

    def names(self) -> list[str]: ...

    def replace(self, relative: str, data: bytes) -> None: ...

    def victim(self) -> dict[str, Any]: ...


@dataclass
class Folder:
    root: Path

    def open(self) -> FolderStore:
        return FolderStore(self.root)

    def names(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.glob("??/*") if path.is_file())

    def replace(self, relative: str, data: bytes) -> None:
        (self.root / relative).write_bytes(data)

    def victim(self) -> dict[str, Any]:
        return {"folder": str(self.root)}


@dataclass
class Objects:
    endpoint: str
    cache: Path
    behind: str
    bucket: str = field(default_factory=lambda: f"bucket-{uuid4().hex}")
    seconds: float = SECONDS

    def __post_init__(self) -> None:
        self.client = boto3.client(
            "s3",
            endpoint_url=self.behind,
            region_name="us-east-1",
            aws_access_key_id="k",
            aws_secret_access_key="s",  # noqa: S106 - anything will do
        )
        self.client.create_bucket(Bucket=self.bucket)

    def settings(self) -> S3Settings:
        return S3Settings(
            bucket=self.bucket,
            prefix="site/",
            endpoint=self.endpoint,
            region="us-east-1",
            connect_seconds=min(self.seconds, 5),
            answer_seconds=self.seconds,
            credentials=lambda: Credentials("key", "secret"),
        )

    def open(self) -> ObjectStore:
        return ObjectStore(self.settings(), Cache(self.cache / uuid4().hex, limit=1 << 30, reserve=0))

    def names(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [one["Key"].removeprefix("site/") for one in found]

    def unfinished(self) -> int:
        return len(self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", []))

    def replace(self, relative: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"site/{relative}", Body=data)

    def victim(self) -> dict[str, Any]:
        return {"endpoint": self.endpoint, "bucket": self.bucket, "cache": str(self.cache / "victim")}


@pytest.fixture
def objects(s3_server: Any, tmp_path: Path) -> Callable[..., Objects]:
    def make(endpoint: str = "", behind: str = "", seconds: float = SECONDS) -> Objects:
        return Objects(
            endpoint or s3_server.endpoint, tmp_path / "caches", behind or s3_server.endpoint, seconds=seconds
        )

    return make


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return Folder(tmp_path / "store")
    made: Objects = request.getfixturevalue("objects")()
    return made


@pytest.fixture
def die() -> Callable[[Place, int, str], None]:
    """Put so many bytes in a process that is killed (SIGKILL) at a step of it."""

    def run(place: Place, size: int, step: str) -> None:
        program = [
            sys.executable,
            str(Path(__file__).with_name("victim.py")),
            json.dumps(place.victim()),
            str(size),
            step,
        ]
        done = subprocess.run(program, timeout=4 * SECONDS, check=False)  # noqa: S603 - ours
        assert done.returncode == -signal.SIGKILL, "expected the process to be killed at that step"

    return run
