"""A FHIR server on Python's own HTTP server: it keeps Bundles by their identifiers."""

import json
import threading
from collections import defaultdict
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MEDIA_TYPE = "application/fhir+json"
BEHAVIOURS = ("down", "slow", "lying", "busy", "refusing")


class Receiver:
    """Answers transactions entry by entry; a lying one leaves one out."""

    def __init__(self, _folder: Path) -> None:
        self.behaviour = "up"
        self._kept: dict[str, set[str]] = defaultdict(set)
        self._waiting = threading.Event()
        self._port = 0
        self._listen()

    def settings(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._port}/r4"
        return {"url": url, "connection_timeout_seconds": 0.4, "response_timeout_seconds": 0.4}

    def report(self, number: int) -> tuple[str, bytes]:
        entry = {"resource": {"resourceType": "Task"}, "request": {"method": "PUT", "url": f"Task/{number}"}}
        bundle = {"resourceType": "Bundle", "type": "transaction", "identifier": {"value": f"b{number}"}}
        return f"b{number}", json.dumps(bundle | {"entry": [entry, entry]}).encode()

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

    def answer(self, body: bytes) -> tuple[int, bytes]:
        if self.behaviour in {"busy", "refusing"}:
            return {"busy": 503, "refusing": 422}[self.behaviour], b""
        bundle = json.loads(body)
        entries = [{"response": {"status": "200", "location": one["request"]["url"]}} for one in bundle["entry"]]
        if self.behaviour == "lying":
            entries.pop()
        else:
            self._kept[bundle["identifier"]["value"]].add(sha256(body).hexdigest())
        if self.behaviour == "slow":
            self._waiting.wait(10)
        said = {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}
        return 200, json.dumps(said).encode()

    def _listen(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self._say(*receiver.answer(self.rfile.read(int(self.headers["Content-Length"]))))

            def do_GET(self) -> None:
                self._say(200, b'{"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}')

            def _say(self, status: int, answer: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

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
