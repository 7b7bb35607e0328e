"""A real browser."""

import base64
import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = (
    "/usr/bin/chromium",
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class Browser:
    """Chromium, driven by its DevTools protocol over a pair of pipes (its file descriptors 3 and 4)."""

    def __init__(self, folder: Path) -> None:
        """Start it with a profile of its own in `folder`."""
        reads, tells = os.pipe()
        hears, says = os.pipe()
        arguments = [*CHROMIUM, f"--user-data-dir={folder}", "--remote-debugging-pipe", "about:blank"]
        self._process = subprocess.Popen(  # noqa: S603 - a fixed command
            ["/bin/bash", "-c", f'exec "$@" 3<&{reads} 4>&{says}', "browser", *arguments],
            pass_fds=(reads, says),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reads)
        os.close(says)
        self._tells, self._hears = os.fdopen(tells, "wb", 0), os.fdopen(hears, "rb")
        self._numbers, self._session = itertools.count(1), ""
        self.events: list[dict[str, Any]] = []
        page = next(one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method of the protocol; events that come meanwhile are kept."""
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": number, "method": method, "params": parameters, **session}
        self._tells.write(json.dumps(message).encode() + b"\0")
        while True:
            heard = self._hear()
            if heard.get("id") == number:
                assert "error" not in heard, heard
                return dict(heard["result"])
            self.events.append(heard)

    def open(self, url: str, *, width: int = 1366, height: int = 768, scheme: str = "dark") -> None:
        """Open a page in a window of this size and wait until it has loaded."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._hear())

    def value(self, expression: str) -> Any:
        """Return what a script in the page comes to."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def complaints(self) -> list[str]:
        """Return what the page logged or threw, refusals of its Content-Security-Policy among them."""
        wrong = ("Log.entryAdded", "Runtime.exceptionThrown")
        return [json.dumps(event["params"]) for event in self.events if event["method"] in wrong]

    def picture(self, path: Path) -> None:
        """Save what is seen as a PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """End it."""
        self._session = ""
        self.call("Browser.close")
        self._process.wait(20)
        self._tells.close()
        self._hears.close()

    def _hear(self) -> dict[str, Any]:
        letters = bytearray()
        while (letter := self._hears.read(1)) != b"\0":
            assert letter, "the browser ended"
            letters += letter
        return dict(json.loads(letters))


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Give the browser that the tests share."""
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """Give a browser with no page open; tests that use it are marked `tools`."""
    yield chromium
    chromium.open("about:blank")  # or the page goes on asking a server that has ended
