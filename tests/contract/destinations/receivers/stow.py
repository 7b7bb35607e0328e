"""A STOW-RS server on Python's own HTTP server."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from receiving import HttpReceiver

from dicom_io.file_meta import encode_file_meta, read_file_meta

MEDIA_TYPE = "application/dicom"
BEHAVIOURS = ("down", "slow", "lying", "busy", "refusing")

SR, EXPLICIT = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.1.2.1"


class Receiver(HttpReceiver):
    """Keeps objects by their SOP Instance UIDs."""

    def __init__(self, _folder: Path) -> None:
        super().__init__()

    def settings(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._port}/dicom-web"
        return {"url": url, "connection_timeout_seconds": 1, "response_timeout_seconds": 1}

    def report(self, number: int) -> tuple[str, bytes]:
        uid = f"1.2.3.9.{number}"
        return uid, encode_file_meta(SR, uid, EXPLICIT) + b"\x08\0\x60\0CS\x02\0SR"

    def take(self, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        if self.behaviour in {"busy", "refusing"}:
            return {"busy": 503, "refusing": 415}[self.behaviour], b""
        boundary = headers["content-type"].partition("boundary=")[2]
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

    def tell(self, path: str) -> bytes:
        wanted = parse_qs(urlsplit(path).query).get("SOPInstanceUID", [""])[0]
        there = [{"00080018": {"vr": "UI", "Value": [wanted]}}] if wanted in self.kept() else []
        return json.dumps(there).encode()
