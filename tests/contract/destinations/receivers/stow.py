"""A STOW-RS server on Python's own HTTP server."""

import json
import socket
import threading
from collections import defaultdict
from contextlib import ExitStack
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dicom_io.file_meta import encode_file_meta, read_file_meta

MEDIA_TYPE = "application/dicom"
BEHAVIOURS = ("down", "slow", "lying", "busy", "refusing")

SR, EXPLICIT = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.1.2.1"


class Receiver:
    """Keeps objects by their SOP Instance UIDs."""

    def __init__(self, _folder: Path) -> None:
        self.behaviour = "up"
        self._kept: dict[str, set[str]] = defaultdict(set)
        self._waiting = threading.Event()
        self._port = 0
        self._held = ExitStack()
        self._listen()

    def settings(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._port}/dicom-web"
        return {"url": url, "connection_timeout_seconds": 1, "response_timeout_seconds": 1}

    def report(self, number: int) -> tuple[str, bytes]:
        uid = f"1.2.3.9.{number}"
        return uid, encode_file_meta(SR, uid, EXPLICIT) + b"\x08\0\x60\0CS\x02\0SR"

    def be(self, behaviour: str) -> None:
        self._waiting.set()
        if behaviour == "down":
            self._stop()
            self._hold()
        elif self.behaviour == "down":
            self._held.close()
            self._listen()
        self.behaviour = behaviour
        self._waiting = threading.Event()

    def kept(self) -> dict[str, set[str]]:
        return dict(self._kept)

    def close(self) -> None:
        self._waiting.set()
        self._held.close()
        if self.behaviour != "down":
            self._stop()

    def _hold(self) -> None:
        """Bind the port without listening, so that nobody else gets it."""
        held = self._held.enter_context(socket.socket())
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", self._port))

    def answer(self, body: bytes, boundary: str) -> tuple[int, bytes]:
        if self.behaviour in {"busy", "refusing"}:
            return {"busy": 503, "refusing": 415}[self.behaviour], b""
        data = body.partition(b"\r\n\r\n")[2].rpartition(f"\r\n--{boundary}--".encode())[0]
        uid = read_file_meta(data).sop_instance_uid
        if self.behaviour == "lying":
            uid = "1.2.3.9.0"
        else:
            self._kept[uid].add(sha256(data).hexdigest())
        if self.behaviour == "slow":
            self._waiting.wait(10)
        item = {"00081155": {"vr": "UI", "Value": [uid]}}
        return 200, json.dumps({"00081199": {"vr": "SQ", "Value": [item]}}).encode()

    def _listen(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = receiver.answer(body, self.headers["Content-Type"].partition("boundary=")[2])
                self._say(status, answer)

            def do_GET(self) -> None:
                wanted = parse_qs(urlsplit(self.path).query).get("SOPInstanceUID", [""])[0]
                there = [{"00080018": {"vr": "UI", "Value": [wanted]}}] if wanted in receiver.kept() else []
                self._say(200, json.dumps(there).encode())

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
