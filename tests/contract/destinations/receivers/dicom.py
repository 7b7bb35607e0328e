"""A Storage SCP made with pynetdicom."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.sop_class import Comprehensive3DSRStorage, Verification
from receiving import PortReceiver, answer_another

from dicom_io.file_meta import encode_file_meta

MEDIA_TYPE = "application/dicom"
BEHAVIOURS = ("down", "slow", "lying", "busy", "refusing")

SR, EXPLICIT = str(Comprehensive3DSRStorage), "1.2.840.10008.1.2.1"
STATUSES = {"busy": 0xA700, "refusing": 0xC000}
SECONDS = 1


def element(tag: bytes, value: str) -> bytes:
    padded = value.encode() + b"\0" * (len(value) % 2)
    return tag + b"UI" + len(padded).to_bytes(2, "little") + padded


class Receiver(PortReceiver):
    """Keeps datasets by their SOP Instance UIDs."""

    def __init__(self, _folder: Path) -> None:
        self._entity = AE("PACS")
        self._entity.maximum_associations = 100
        for sop_class in (Comprehensive3DSRStorage, Verification):
            self._entity.add_supported_context(sop_class, EXPLICIT)
            self._entity.add_supported_context(sop_class)
        super().__init__()

    def settings(self) -> dict[str, Any]:
        names = ("connection", "association", "response")
        place = {"ae_title": "PACS", "host": "127.0.0.1", "port": self._port}
        return place | {f"{name}_timeout_seconds": SECONDS for name in names}

    def report(self, number: int) -> tuple[str, bytes]:
        uid = f"1.2.3.9.{number}"
        dataset = element(b"\x08\0\x16\0", SR) + element(b"\x08\0\x18\0", uid)
        return uid, encode_file_meta(SR, uid, EXPLICIT) + dataset

    def _listen(self) -> int:
        handlers = [(evt.EVT_C_STORE, self._store)]
        self._server: Any = self._entity.start_server(("127.0.0.1", self._port), block=False, evt_handlers=handlers)
        return int(self._server.server_address[1])

    def _stop(self) -> None:
        self._server.shutdown()

    def _store(self, event: Any) -> int:
        if self.behaviour in STATUSES:
            return STATUSES[self.behaviour]
        if self.behaviour == "lying":
            answer_another(event.assoc.dimse)
            return 0x0000
        request = event.request
        uid = str(request.AffectedSOPInstanceUID)
        whole = encode_file_meta(str(request.AffectedSOPClassUID), uid, str(event.context.transfer_syntax))
        self._kept[uid].add(sha256(whole + request.DataSet.getvalue()).hexdigest())
        if self.behaviour == "slow":
            self._waiting.wait(10)
        return 0x0000
