"""A web service on Python's own HTTP server: it keeps what is rightly signed, by its webhook-id."""

import base64
import threading
from collections import defaultdict
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

MEDIA_TYPE = "application/json"
BEHAVIOURS = ("down", "slow", "busy", "refusing")  # a status is all that it says: none names another message

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


class Receiver:
    """Answers 204 to what Standard Webhooks' own library verifies."""

    def __init__(self, folder: Path) -> None:
        self.behaviour = "up"
        self._secret = folder / "secret"
        self._secret.write_text(SECRET, encoding="ascii")
        self._kept: dict[str, set[str]] = defaultdict(set)
        self._waiting = threading.Event()
        self._port = 0
        self._listen()

    def settings(self) -> dict[str, Any]:
        url = {"url": f"http://127.0.0.1:{self._port}/hook", "secret_file": self._secret}
        return url | {"connection_timeout_seconds": 0.4, "response_timeout_seconds": 0.4}

    def report(self, number: int) -> tuple[str, bytes]:
        return f"2.25.{number}", b'{"number": %d}' % number

    def be(self, behaviour: str) -> None:
        self._waiting.set()
        if behaviour == "down":
            self._stop()
        elif self.behaviour == "down":
            self._listen()
        self.behaviour = behaviour
        self._waiting = threading.Event()

    def kept(self) -> dict[str, set[str]]:
        return dict(self._kept)

    def close(self) -> None:
        self._waiting.set()
        if self.behaviour != "down":
            self._stop()

    def answer(self, headers: dict[str, str], body: bytes) -> int:
        if self.behaviour in {"busy", "refusing"}:
            return {"busy": 503, "refusing": 410}[self.behaviour]
        Webhook(SECRET).verify(body, headers)
        self._kept[headers["webhook-id"]].add(sha256(body).hexdigest())
        if self.behaviour == "slow":
            self._waiting.wait(10)
        return 204

    def _listen(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._say(receiver.answer({name.lower(): value for name, value in self.headers.items()}, body))

            def do_HEAD(self) -> None:
                self._say(200)

            def _say(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """Say nothing of a client that no longer waited."""

        self._server = Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def _stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
