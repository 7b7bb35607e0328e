"""A Storage SCP made with pynetdicom."""

import socket
import threading
from collections import defaultdict
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.sop_class import Comprehensive3DSRStorage, Verification

from dicom_io.file_meta import encode_file_meta

MEDIA_TYPE = "application/dicom"
BEHAVIOURS = ("down", "slow", "lying", "busy", "refusing")

SR, EXPLICIT = str(Comprehensive3DSRStorage), "1.2.840.10008.1.2.1"
STATUSES = {"busy": 0xA700, "refusing": 0xC000}
SECONDS = 1


def element(tag: bytes, value: str) -> bytes:
    padded = value.encode() + b"\0" * (len(value) % 2)
    return tag + b"UI" + len(padded).to_bytes(2, "little") + padded


class Receiver:
    """Keeps datasets by their SOP Instance UIDs."""

    def __init__(self, _folder: Path) -> None:
        self._behaviour = "up"
        self._kept: dict[str, set[str]] = defaultdict(set)
        self._entity = AE("PACS")
        self._entity.maximum_associations = 100
        for sop_class in (Comprehensive3DSRStorage, Verification):
            self._entity.add_supported_context(sop_class, EXPLICIT)
            self._entity.add_supported_context(sop_class)
        self._waiting = threading.Event()
        self._server: Any = None
        self._held = ExitStack()
        self._port = 0
        self._listen()

    def settings(self) -> dict[str, Any]:
        names = ("connection", "association", "response")
        place = {"ae_title": "PACS", "host": "127.0.0.1", "port": self._port}
        return place | {f"{name}_timeout_seconds": SECONDS for name in names}

    def report(self, number: int) -> tuple[str, bytes]:
        uid = f"1.2.3.9.{number}"
        dataset = element(b"\x08\0\x16\0", SR) + element(b"\x08\0\x18\0", uid)
        return uid, encode_file_meta(SR, uid, EXPLICIT) + dataset

    def be(self, behaviour: str) -> None:
        self._waiting.set()
        if behaviour == "down":
            self._server.shutdown()
            self._hold()
        elif self._behaviour == "down":
            self._held.close()
            self._listen()
        self._behaviour = behaviour
        self._waiting = threading.Event()

    def kept(self) -> dict[str, set[str]]:
        return dict(self._kept)

    def close(self) -> None:
        self._waiting.set()
        self._held.close()
        if self._behaviour != "down":
            self._server.shutdown()

    def _hold(self) -> None:
        """Bind the port without listening, so that nobody else gets it."""
        held = self._held.enter_context(socket.socket())
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", self._port))

    def _listen(self) -> None:
        handlers = [(evt.EVT_C_STORE, self._store)]
        self._server = self._entity.start_server(("127.0.0.1", self._port), block=False, evt_handlers=handlers)
        self._port = self._server.server_address[1]

    def _store(self, event: Any) -> int:
        if self._behaviour in STATUSES:
            return STATUSES[self._behaviour]
        if self._behaviour == "lying":
            self._answer_another(event.assoc.dimse)
            return 0x0000
        request = event.request
        uid = str(request.AffectedSOPInstanceUID)
        whole = encode_file_meta(str(request.AffectedSOPClassUID), uid, str(event.context.transfer_syntax))
        self._kept[uid].add(sha256(whole + request.DataSet.getvalue()).hexdigest())
        if self._behaviour == "slow":
            self._waiting.wait(10)
        return 0x0000

    def _answer_another(self, dimse: Any) -> None:
        send = dimse.send_msg

        def lie(response: Any, context_id: int) -> None:
            response.MessageIDBeingRespondedTo += 1
            send(response, context_id)

        dimse.send_msg = lie
