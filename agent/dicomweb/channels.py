"""The channels of UPS-RS (PS3.18 11.13 and 11.14): a subscriber's WebSocket, on which it hears of reading tasks.

An event is settled when the subscriber has it: one that is away gets what has gathered when it comes. Each channel is a
task of its own, and waits for nobody else's.
"""

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final
from uuid import uuid4

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from agent.dicomweb.access import Access
from agent.dicomweb.problems import ProblemError, problem
from agent.dicomweb.services import BASE, Services
from agent.dicomweb.subscriptions import receiver_of
from agent.line.announce import information, wanted_events
from agent.line.workitems import Workitems
from agent.tokens import UPS_READ
from db.errors import DatabaseError
from db.event_bell import EventBell
from db.event_channels import hold_channel, holds_channel
from db.tokens import is_active
from db.workitem_events import PendingEvent, settle_event
from dicom_io.errors import NetworkError
from dicom_io.negotiation import UPS_PUSH

log = structlog.get_logger(__name__)

_ADDRESS: Final = re.compile(rf"{BASE}/subscribers/([^/]+)")
_REPLACED, _REFUSED, _TRY_LATER = 4000, 1008, 1013  # RFC 6455 7.4
_GRACE_SECONDS: Final = 1.0  # to finish an event that is under way
_IDLE_SECONDS: Final = 20.0  # until a silent peer is asked whether it is still there
_LARGEST_MESSAGE_ID: Final = 0xFFFF

NOTHING_HERE: Final = "expected the address of an event channel. Received: another"
FOREIGN: Final = "expected a page of an origin in dicomweb.allowed_origins. Received: another"
TOO_MANY: Final = "expected fewer channels at once. Received: more than are served"


def message(event: PendingEvent, own_ae_title: str, number: int) -> str:
    """Return an event as JSON (PS3.18 11.14): the fields of N-EVENT-REPORT before what it says."""
    command = {
        "00000002": {"vr": "UI", "Value": [UPS_PUSH]},
        "00000110": {"vr": "US", "Value": [number]},
        "00001000": {"vr": "UI", "Value": [event.sop_instance_uid]},
        "00001002": {"vr": "US", "Value": [int(event.kind)]},
    }
    return json.dumps(command | information(event, own_ae_title), ensure_ascii=False)


class EventChannels:
    """The ASGI application of all WebSockets of this process."""

    def __init__(self, services: Services, *, allowed_origins: tuple[str, ...] = ()) -> None:
        """Serve pages of `allowed_origins`, and programs, which name none."""
        self._services = services
        self._origins = allowed_origins
        self._open: dict[str, _Channel] = {}
        self._count = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._access = Access(self._answer, database=services.database, clock=services.clock)

    def renew(self, services: Services) -> None:
        """Serve the channels that are opened from now on with these."""
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open a channel and serve it to its end, or refuse."""
        self._loop = asyncio.get_running_loop()
        origin = Headers(scope=scope).get("origin")
        try:
            if origin is not None and origin not in self._origins:
                await problem(403, FOREIGN)(scope, receive, send)
            else:
                await self._access(scope, receive, send)
        except DatabaseError as error:
            log.warning("dicomweb_database_unavailable", route=f"{BASE}/subscribers/{{subscriber}}", reason=str(error))
            await problem(503, "expected to reach the database. Received: nothing; try again")(scope, receive, send)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Wake the channels for which there are events, by a thread, for a block."""
        stop = threading.Event()
        thread = threading.Thread(target=self._listen, args=(stop,), name="event-bell")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _listen(self, stop: threading.Event) -> None:
        with closing(EventBell(self._services.database)) as bell:
            while not stop.is_set():
                try:
                    bell.wait(stop)
                    if self._loop is not None and (receivers := tuple(self._open)):
                        self._loop.call_soon_threadsafe(self._ring, bell.waiting(receivers))
                except (RuntimeError, DatabaseError) as error:  # RuntimeError: the loop has just ended
                    log.warning("event_bell_failed", error=type(error).__name__)
                    stop.wait(1)

    def _ring(self, receivers: frozenset[str]) -> None:
        for receiver in receivers & self._open.keys():
            self._open[receiver].news.set()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        found, workitems = _ADDRESS.fullmatch(scope["path"]), self._services.workitems
        token = scope["state"]["token"]
        if found is None or workitems is None:
            await problem(404, NOTHING_HERE)(scope, receive, send)
            return
        if self._count >= self._services.limits.channels:
            await problem(503, TOO_MANY, {"Retry-After": "5"})(scope, receive, send)
            return
        try:
            receiver = receiver_of(found[1], token.name)
        except ProblemError as refusal:
            await problem(refusal.status, refusal.detail)(scope, receive, send)
            return
        self._count += 1
        try:
            await self._serve(_Channel(self._services, workitems, receiver, scope, receive, send))
        finally:
            self._count -= 1

    async def _serve(self, channel: "_Channel") -> None:
        """Serve a channel; one that the subscriber opened before is over: it may hang without either end knowing."""
        before, self._open[channel.receiver] = self._open.get(channel.receiver), channel
        try:
            await channel.hold()
            if before is not None:
                await before.replace()
            await channel.run()
        finally:
            channel.ended.set()
            if self._open.get(channel.receiver) is channel:
                del self._open[channel.receiver]


class _Channel:
    """One subscriber's WebSocket."""

    def __init__(
        self, services: Services, workitems: Workitems, receiver: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.receiver = receiver
        self.news, self.ended = asyncio.Event(), asyncio.Event()
        self._replaced = asyncio.Event()
        self._services, self._workitems = services, workitems
        self._scope, self._receive, self._send = scope, receive, send
        self._holder = uuid4().hex
        self._told = 0
        self._is_over = False

    async def hold(self) -> None:
        """Be the subscriber's channel from now on, also for other processes. Raises DatabaseError."""
        await run_in_threadpool(
            hold_channel, self._services.database, self.receiver, self._holder, at=self._services.clock()
        )

    async def replace(self) -> None:
        """End this channel, and return when nothing more is sent by it."""
        self._replaced.set()
        await self.ended.wait()

    async def run(self) -> None:
        """Accept, tell until one of the two ends it, and log one line."""
        begun, how = time.monotonic(), "left"
        try:
            async with asyncio.timeout(self._services.limits.pause):
                await self._receive()  # websocket.connect
                await self._send({"type": "websocket.accept"})
            how = await self._first_end()
        except (OSError, TimeoutError):
            how = "silent"
        finally:
            await self._hang_up(how)
            log.info(
                "event_channel",
                receiving_ae=self.receiver,
                how=how,
                events=self._told,
                seconds=round(time.monotonic() - begun, 3),
            )

    async def _first_end(self) -> str:
        """Return what ends the channel. What the peer has acknowledged by then is settled."""
        tell = asyncio.create_task(self._tell())
        ends = [asyncio.create_task(self._until_left()), asyncio.create_task(self._until_replaced())]
        try:
            await asyncio.wait([tell, *ends], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._is_over = True
            self.news.set()
            if not (await asyncio.wait([tell], timeout=_GRACE_SECONDS))[0]:
                self._scope["state"]["abort"]()
                await asyncio.wait([tell])
            how = next((end.result() for end in ends if end.done()), None)
            for end in ends:
                end.cancel()
        failed = tell.exception()
        if how is None and failed is not None:
            raise failed
        return how or tell.result()

    async def _until_left(self) -> str:
        while (await self._receive())["type"] != "websocket.disconnect":
            pass  # whatever a subscriber says, nothing is expected of it
        return "left"

    async def _until_replaced(self) -> str:
        await self._replaced.wait()
        return "replaced"

    async def _tell(self) -> str:
        while not self._is_over:
            self.news.clear()
            try:
                if over := await run_in_threadpool(self._over):
                    return over
                while events := await run_in_threadpool(wanted_events, self._workitems, self.receiver):
                    for event in events:
                        if self._is_over:
                            return "left"
                        await self._tell_one(event)
            except (DatabaseError, NetworkError) as error:
                log.warning("dicomweb_channel_failed", receiving_ae=self.receiver, reason=str(error))
                return "failed"
            try:
                async with asyncio.timeout(_IDLE_SECONDS):
                    await self.news.wait()
            except TimeoutError:
                await self._acknowledged()
        return "left"

    async def _tell_one(self, event: PendingEvent) -> None:
        """Send an event, and settle it when the peer has it: cut off in between, it is sent again."""
        number = self._told % _LARGEST_MESSAGE_ID + 1
        text = message(event, self._workitems.ae_title, number)
        await self._send({"type": "websocket.send", "text": text})
        await self._acknowledged()
        await run_in_threadpool(settle_event, self._services.database, event.id, at=self._services.clock())
        self._told += 1
        facts = {"workitem": event.sop_instance_uid, "kind": event.kind, "attempt": event.attempts + 1, "detail": ""}
        log.info("workitem_event", receiving_ae=self.receiver, how="acknowledged", **facts)

    async def _acknowledged(self) -> None:
        """Return when the peer has all that was sent. OSError or TimeoutError if it has gone or stands still."""
        acknowledged: Callable[[], Coroutine[Any, Any, None]] = self._scope["state"]["acknowledged"]
        async with asyncio.timeout(self._services.limits.pause):
            await acknowledged()

    def _over(self) -> str:
        """Return why nothing more may be told here, "" while it may."""
        token, database = self._scope["state"]["token"], self._services.database
        if UPS_READ not in token.scopes or not is_active(database, token.id):
            return "revoked"
        return "" if holds_channel(database, self.receiver, self._holder) else "replaced"

    async def _hang_up(self, how: str) -> None:
        codes = {"replaced": _REPLACED, "revoked": _REFUSED, "failed": _TRY_LATER}
        if how in codes:
            try:
                async with asyncio.timeout(1):
                    await self._send({"type": "websocket.close", "code": codes[how]})
            except (OSError, RuntimeError, TimeoutError):
                self._scope["state"]["abort"]()
        elif how == "silent":
            self._scope["state"]["abort"]()
