"""An HL7 v2 receiver over MLLP that keeps messages by their control ID (MSH-10, by counting)."""

import socket
import threading
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

MEDIA_TYPE = "application/hl7-v2"
BEHAVIOURS = ("down", "slow", "lying", "busy", "refusing")
CODES = {"up": "AA", "lying": "AA", "busy": "AE", "refusing": "AR"}
VT, FS_CR = b"\x0b", b"\x1c\r"
LATEST = "Z" * 20


class Receiver:
    """One receiver, whose port stays its own; each connection has a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._behaviour = "up"
        self._kept: dict[str, set[str]] = {}
        self._streams: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listen(0)
        self._port = self._server.getsockname()[1]

    def settings(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self._port, "response_timeout_seconds": 0.3}

    def report(self, number: int) -> tuple[str, bytes]:
        control_id = f"{number:A>20}".translate(str.maketrans("01", "AB"))
        text = f"MSH|^~\\&|TIBABU||RIS||20260301||ORU^R01^ORU_R01|{control_id}|P|2.5.1\rPID|1||{number}\r"
        return control_id, text.encode()

    def be(self, behaviour: str) -> None:
        if behaviour == "down":
            self._end()
        elif self._behaviour == "down":
            self._listen(self._port)
        self._behaviour = behaviour

    def kept(self) -> dict[str, set[str]]:
        return self._kept

    def close(self) -> None:
        if self._behaviour != "down":
            self._end()

    def _listen(self, port: int) -> None:
        self._server = socket.create_server(("127.0.0.1", port))
        thread = threading.Thread(target=self._accept, args=(self._server,))
        thread.start()
        self._threads.append(thread)

    def _end(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for stream in self._streams:
            with suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
        for thread in [*self._threads]:
            thread.join(60)

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                stream, _ = server.accept()
                thread = threading.Thread(target=self._talk, args=(stream,))
                thread.start()
                self._streams.append(stream)
                self._threads.append(thread)

    def _talk(self, stream: socket.socket) -> None:
        pending = b""
        with stream, suppress(OSError):
            while data := stream.recv(65536):
                pending += data
                while FS_CR in pending:
                    frame, _, pending = pending.partition(FS_CR)
                    self._take(stream, frame.removeprefix(VT))

    def _take(self, stream: socket.socket, message: bytes) -> None:
        how = self._behaviour
        control_id = message.split(b"|")[9].decode()
        if how in {"up", "slow"}:
            self._kept.setdefault(control_id, set()).add(sha256(message).hexdigest())
        if how != "slow":
            named = LATEST if how == "lying" else control_id
            answer = f"MSH|^~\\&|RIS||TIBABU||20260301||ACK^R01|1|P|2.5.1\rMSA|{CODES[how]}|{named}\r"
            stream.sendall(VT + answer.encode() + FS_CR)
