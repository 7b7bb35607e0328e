"""A UPS SCP made with pynetdicom: it takes tasks by N-CREATE, once each."""

import json
import threading
from collections import defaultdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import UnifiedProcedureStepPull, UnifiedProcedureStepPush, Verification

MEDIA_TYPE = "application/dicom+json"
BEHAVIOURS = ("down", "slow", "lying", "busy", "refusing")

STATUSES = {"busy": 0xA700, "refusing": 0xC000}
SECONDS = 0.4


def document(uid: str, label: str) -> bytes:
    """Return a task as small as can be told apart."""
    model = {
        "00080018": {"vr": "UI", "Value": [uid]},
        "00741000": {"vr": "CS", "Value": ["SCHEDULED"]},
        "00741204": {"vr": "LO", "Value": [label]},
    }
    return json.dumps([model]).encode()


class Receiver:
    """Keeps tasks by their SOP Instance UIDs: their digest is that of the report which says the same."""

    def __init__(self, _folder: Path) -> None:
        self._behaviour = "up"
        self._kept: dict[str, set[str]] = defaultdict(set)
        self._entity = AE("RIS")
        self._entity.maximum_associations = 100
        for sop_class in (UnifiedProcedureStepPush, UnifiedProcedureStepPull, Verification):
            self._entity.add_supported_context(sop_class)
        self._waiting = threading.Event()
        self._server: Any = None
        self._port = 0
        self._listen()

    def settings(self) -> dict[str, Any]:
        names = ("connection", "association", "response")
        place = {"ae_title": "RIS", "host": "127.0.0.1", "port": self._port}
        return place | {f"{name}_timeout_seconds": SECONDS for name in names}

    def report(self, number: int) -> tuple[str, bytes]:
        uid = f"1.2.3.9.{number}"
        return f"{uid}/1", document(uid, f"Read: number {number}")

    def be(self, behaviour: str) -> None:
        self._waiting.set()
        if behaviour == "down":
            self._server.shutdown()
        elif self._behaviour == "down":
            self._listen()
        self._behaviour = behaviour
        self._waiting = threading.Event()

    def kept(self) -> dict[str, set[str]]:
        return dict(self._kept)

    def close(self) -> None:
        self._waiting.set()
        if self._behaviour != "down":
            self._server.shutdown()

    def _listen(self) -> None:
        handlers = [(evt.EVT_N_CREATE, self._create)]
        self._server = self._entity.start_server(("127.0.0.1", self._port), block=False, evt_handlers=handlers)
        self._port = self._server.server_address[1]

    def _create(self, event: Any) -> tuple[int, Dataset | None]:
        if self._behaviour in STATUSES:
            return STATUSES[self._behaviour], None
        task = event.attribute_list
        if self._behaviour == "lying":
            self._answer_another(event.assoc.dimse)
            return 0x0000, task
        uid = str(event.request.AffectedSOPInstanceUID)
        is_new = f"{uid}/1" not in self._kept
        if is_new:
            self._kept[f"{uid}/1"].add(sha256(document(uid, task.ProcedureStepLabel)).hexdigest())
        if self._behaviour == "slow":
            self._waiting.wait(10)
        return (0x0000, task) if is_new else (0x0111, None)

    def _answer_another(self, dimse: Any) -> None:
        send = dimse.send_msg

        def lie(response: Any, context_id: int) -> None:
            response.MessageIDBeingRespondedTo += 1
            send(response, context_id)

        dimse.send_msg = lie
