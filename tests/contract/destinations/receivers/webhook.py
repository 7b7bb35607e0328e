"""A web service on Python's own HTTP server: it keeps what is rightly signed, by its webhook-id."""

import base64
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from receiving import HttpReceiver
from standardwebhooks import Webhook

MEDIA_TYPE = "application/json"
BEHAVIOURS = ("down", "slow", "busy", "refusing")  # a status is all that it says: none names another message

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


class Receiver(HttpReceiver):
    """Answers 204 to what Standard Webhooks' own library verifies."""

    def __init__(self, folder: Path) -> None:
        self._secret = folder / "secret"
        self._secret.write_text(SECRET, encoding="ascii")
        super().__init__()

    def settings(self) -> dict[str, Any]:
        url = {"url": f"http://127.0.0.1:{self._port}/hook", "secret_file": self._secret}
        return url | {"connection_timeout_seconds": 0.4, "response_timeout_seconds": 0.4}

    def report(self, number: int) -> tuple[str, bytes]:
        return f"2.25.{number}", b'{"number": %d}' % number

    def take(self, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        if self.behaviour in {"busy", "refusing"}:
            return {"busy": 503, "refusing": 410}[self.behaviour], b""
        Webhook(SECRET).verify(body, dict(headers))
        self._kept[headers["webhook-id"]].add(sha256(body).hexdigest())
        if self.behaviour == "slow":
            self._waiting.wait(10)
        return 204, b""
