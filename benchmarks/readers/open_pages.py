"""Readers with the worklist open: each is told by server-sent events, asks for the part, and takes it over.

What live.js does, without drawing: the part is fetched compressed, unpacked, and its rows looked at.
"""

import asyncio
import json
import re
import time
from dataclasses import dataclass, field

import httpx

_ROW = re.compile(r'<tr role="row" class="(\w*)[^"]*" data-key="([^"]+)"')
_LIVE = re.compile(r'data-live-from="([^"]+)" data-live-part="([^"]+)"')
_DONE = ("flagged", "not_flagged")


@dataclass(slots=True)
class Reader:
    """One open page, and when it first showed what of each study (seconds since 1970)."""

    arrived: dict[str, float] = field(default_factory=dict)
    concluded: dict[str, float] = field(default_factory=dict)
    parts: int = 0
    received: int = 0

    def take(self, html: str) -> None:
        """Take a part over."""
        now = time.time()
        self.parts += 1
        for kind, study in _ROW.findall(html):
            self.arrived.setdefault(study, now)
            if kind in _DONE:
                self.concluded.setdefault(study, now)


async def read(client: httpx.AsyncClient, reader: Reader, stop: asyncio.Event) -> None:
    """Keep a page open until `stop`."""
    found = _LIVE.search((await client.get("/", timeout=60)).raise_for_status().text)
    if found is None:
        message = "expected a page that says where it is live. Received: another"
        raise RuntimeError(message)
    live_from, part = (address.replace("&amp;", "&") for address in found.groups())
    shown = ""
    while not stop.is_set():
        async with client.stream("GET", live_from, timeout=60) as stream:
            async for line in stream.aiter_lines():
                if stop.is_set():
                    return
                if not line.startswith("data: "):
                    continue
                version = json.loads(line.removeprefix("data: "))["version"]
                if version != shown:
                    answer = await client.get(f"{part}&wanted={version}", timeout=60)
                    reader.take(answer.raise_for_status().text)
                    reader.received += answer.num_bytes_downloaded
                    shown = answer.headers["x-version"]
