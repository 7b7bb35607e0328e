"""A mail server made with aiosmtpd: it keeps letters by their Message-ID."""

import asyncio
import email.policy
import json
import threading
from collections import defaultdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope

MEDIA_TYPE = "application/json"
BEHAVIOURS = ("down", "slow", "busy", "refusing")  # a code is all that it says: none names another message

SAYS = {"busy": "451 no room now", "refusing": "554 not here"}


def letter(number: int) -> bytes:
    data = {
        "outcome": "failed",
        "sentences": [f"This is report {number}."],
        "priority": {"effective": "LOW", "order": "LOW"},
        "model": None,
        "concluded_at": "2026-03-01T21:00:01+00:00",
        "study_instance_uid": "1.2.3",
        "links": {},
    }
    return json.dumps({"timestamp": "2026-03-01T21:00:01+00:00", "data": data}).encode()


class Receiver:
    """What it kept has the digest of the report whose words the letter has."""

    def __init__(self, _folder: Path) -> None:
        self._behaviour = "up"
        self._kept: dict[str, set[str]] = defaultdict(set)
        self._port = 0
        self._listen()

    def settings(self) -> dict[str, Any]:
        place = {"host": "127.0.0.1", "port": self._port, "encryption": "none"}
        people = {"sender": "tibabu@hospital.example", "recipients": ["reading@hospital.example"]}
        return place | people | {"connection_timeout_seconds": 0.4, "response_timeout_seconds": 0.4}

    def report(self, number: int) -> tuple[str, bytes]:
        return f"2.25.{number}", letter(number)

    def be(self, behaviour: str) -> None:
        if self._behaviour != "down":
            self._loop.call_soon_threadsafe(self._waiting.set)
        if behaviour == "down":
            self._stop()
        elif self._behaviour == "down":
            self._listen()
        self._behaviour = behaviour

    def kept(self) -> dict[str, set[str]]:
        return dict(self._kept)

    def close(self) -> None:
        if self._behaviour != "down":
            self._stop()

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self._behaviour in SAYS:
            return SAYS[self._behaviour]
        assert isinstance(envelope.content, bytes)
        message: Any = email.message_from_bytes(envelope.content, policy=email.policy.default)
        first = message.get_content().splitlines()[0]
        number = int(first.removeprefix("This is report ").rstrip("."))
        identifier = message["Message-ID"].removeprefix("<").partition("@")[0]
        self._kept[identifier].add(sha256(letter(number)).hexdigest())
        if self._behaviour == "slow":
            self._waiting.clear()
            await self._waiting.wait()
        return "250 OK"

    def _listen(self) -> None:
        ready = threading.Event()

        async def serve() -> None:
            self._loop, self._waiting, self._ended = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
            connections: list[asyncio.BaseTransport] = []

            class Remembering(SMTP):
                def connection_made(self, transport: asyncio.BaseTransport) -> None:
                    connections.append(transport)
                    super().connection_made(transport)

            def made() -> SMTP:
                return Remembering(self, hostname="mail", loop=asyncio.get_running_loop())

            server = await self._loop.create_server(made, "127.0.0.1", self._port)
            self._port = server.sockets[0].getsockname()[1]
            ready.set()
            await self._ended.wait()
            server.close()
            talks = asyncio.all_tasks() - {asyncio.current_task()}
            for talk in talks:
                talk.cancel()
            await asyncio.gather(*talks, return_exceptions=True)
            for connection in connections:
                connection.close()
            await server.wait_closed()

        self._thread = threading.Thread(target=asyncio.run, args=(serve(),))
        self._thread.start()
        assert ready.wait(60)

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
