"""A UPS SCP made with pynetdicom: it takes tasks by N-CREATE, once each."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import UnifiedProcedureStepPull, UnifiedProcedureStepPush, Verification
from receiving import PortReceiver, answer_another

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


class Receiver(PortReceiver):
    """Keeps tasks by their SOP Instance UIDs: their digest is that of the report which says the same."""

    def __init__(self, _folder: Path) -> None:
        self._entity = AE("RIS")
        self._entity.maximum_associations = 100
        for sop_class in (UnifiedProcedureStepPush, UnifiedProcedureStepPull, Verification):
            self._entity.add_supported_context(sop_class)
        super().__init__()

    def settings(self) -> dict[str, Any]:
        names = ("connection", "association", "response")
        place = {"ae_title": "RIS", "host": "127.0.0.1", "port": self._port}
        return place | {f"{name}_timeout_seconds": SECONDS for name in names}

    def report(self, number: int) -> tuple[str, bytes]:
        uid = f"1.2.3.9.{number}"
        return f"{uid}/1", document(uid, f"Read: number {number}")

    def _listen(self) -> int:
        handlers = [(evt.EVT_N_CREATE, self._create)]
        self._server: Any = self._entity.start_server(("127.0.0.1", self._port), block=False, evt_handlers=handlers)
        return int(self._server.server_address[1])

    def _stop(self) -> None:
        self._server.shutdown()

    def _create(self, event: Any) -> tuple[int, Dataset | None]:
        if self.behaviour in STATUSES:
            return STATUSES[self.behaviour], None
        task = event.attribute_list
        if self.behaviour == "lying":
            answer_another(event.assoc.dimse)
            return 0x0000, task
        uid = str(event.request.AffectedSOPInstanceUID)
        is_new = f"{uid}/1" not in self._kept
        if is_new:
            self._kept[f"{uid}/1"].add(sha256(document(uid, task.ProcedureStepLabel)).hexdigest())
        if self.behaviour == "slow":
            self._waiting.wait(10)
        return (0x0000, task) if is_new else (0x0111, None)
