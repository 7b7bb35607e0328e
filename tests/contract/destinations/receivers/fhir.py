"""A FHIR server on Python's own HTTP server: it keeps Bundles by their identifiers."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from receiving import HttpReceiver

MEDIA_TYPE = "application/fhir+json"
BEHAVIOURS = ("down", "slow", "lying", "busy", "refusing")


class Receiver(HttpReceiver):
    """Answers transactions entry by entry; a lying one leaves one out."""

    def __init__(self, _folder: Path) -> None:
        super().__init__()

    def settings(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._port}/r4"
        return {"url": url, "connection_timeout_seconds": 0.4, "response_timeout_seconds": 0.4}

    def report(self, number: int) -> tuple[str, bytes]:
        entry = {"resource": {"resourceType": "Task"}, "request": {"method": "PUT", "url": f"Task/{number}"}}
        bundle = {"resourceType": "Bundle", "type": "transaction", "identifier": {"value": f"b{number}"}}
        return f"b{number}", json.dumps(bundle | {"entry": [entry, entry]}).encode()

    def take(self, _headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
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

    def tell(self, _path: str) -> bytes:
        return b'{"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}'
