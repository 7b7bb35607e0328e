"""Live pages: server-sent events (WHATWG HTML 9.2) tell an open page the version of what it shows.

A page that shows another version asks for its part again. One task for each web process looks, for all who listen:
while something is committed, at each view as often as it costs at most a tenth of one core.
"""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from agent.web import times
from agent.web.shared import LONGEST_SECONDS, SharedParts
from db.change_watch import ChangeWatch
from db.database import Database
from db.errors import DatabaseError

log = structlog.get_logger(__name__)

_PERIOD: Final = 0.2  # seconds between two looks at the database
_LEAST: Final = 0.3  # seconds between two looks at a view
_SHARE: Final = 10  # a view is left alone for so many times as long as a look at it kept the processor
_BEAT: Final = 5.0  # seconds after which a page is told that nothing has changed
_LONGEST: Final = 600.0  # seconds of a stream: then it is asked anew whether who listens may
_RETRY: Final = "retry: 5000\n\n"  # milliseconds until a browser asks again

Look = Callable[[], str]
"""Tells the version of a view."""


@dataclass(slots=True)
class _Topic:
    """A view that somebody has open."""

    look: Look
    listeners: int = 0
    version: str = ""
    looked_at: float = float("-inf")
    took: float = 0.0
    seen: str = ""
    gone: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def is_due(self, seen: str, now: float) -> bool:
        """Tell whether to look again: something was committed, or time has passed."""
        rest = max(_LEAST, _SHARE * self.took) if seen != self.seen else LONGEST_SECONDS
        return now - self.looked_at >= rest

    def wake(self) -> None:
        """Let those who listen look at what is here."""
        self.changed.set()
        self.changed = asyncio.Event()


class Live:
    """The shared parts and the streams of one web process. What is private runs in its event loop."""

    def __init__(
        self, database: Database, stop: threading.Event, clock: Callable[[], datetime], zone: tzinfo | None = None
    ) -> None:
        """End all streams when `stop` is set. Pages are told the time of `clock` as people in `zone` read it."""
        self._watch = ChangeWatch(database)
        self._stop = stop
        self._clock = clock
        self._zone = zone
        self._topics: dict[str, _Topic] = {}
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "live")  # of its own: it waits for nobody's images or passwords
        self.parts = SharedParts(self._watch)

    def stream(self, view: str, make: Callable[[], str]) -> Response:
        """Return the answer to who listens to a view: its version now, whenever it changes, and every few seconds."""
        events = self._events(view, lambda: self.parts.get(view, make).version)
        return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    def part(self, request: Request, view: str, make: Callable[[], str]) -> Response:
        """Return the shared part of a view, of the version that is wanted if it is still here."""
        found = self.parts.get(view, make, wanted=request.query_params.get("wanted", ""))
        headers = {"X-Version": found.version, "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(found.packed, headers=headers | {"Content-Encoding": "gzip"}, media_type="text/html")
        return Response(found.html, headers=headers, media_type="text/html")

    def close(self) -> None:
        """Give back what was taken of the database; to be called when nothing is served any more."""
        self._thread.shutdown()
        self._watch.close()

    async def _events(self, view: str, look: Look) -> AsyncIterator[str]:
        topic = self._topics.setdefault(view, _Topic(look))
        topic.listeners += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        ends = time.monotonic() + _LONGEST
        try:
            yield _RETRY
            while not topic.gone and time.monotonic() < ends:
                changed = topic.changed  # before the version is read: what comes while that is sent is not missed
                if topic.version:
                    yield self._event(topic.version)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), _BEAT)
        finally:
            topic.listeners -= 1
            if not topic.listeners and self._topics.get(view) is topic:
                del self._topics[view]

    def _event(self, version: str) -> str:
        as_of = times.exact(self._clock(), self._zone)
        return f"data: {json.dumps({'version': version, 'as_of': as_of.text, 'at': as_of.machine})}\n\n"

    async def _run(self) -> None:
        try:
            while self._topics and not self._stop.is_set():
                seen = await asyncio.get_running_loop().run_in_executor(self._thread, self._watch.version)
                for topic in [one for one in self._topics.values() if one.is_due(seen, time.monotonic())]:
                    await self._look(topic, seen)
                await asyncio.sleep(_PERIOD)
        except DatabaseError as error:  # pages say that they are not live, and their browsers ask again
            log.warning("live_pages_ended", reason=str(error))
        finally:
            for topic in self._topics.values():
                topic.gone = True
                topic.wake()
            self._topics.clear()

    async def _look(self, topic: _Topic, seen: str) -> None:
        began = time.monotonic()
        version, took = await asyncio.get_running_loop().run_in_executor(self._thread, _measured, topic.look)
        topic.seen, topic.looked_at, topic.took = seen, began, took
        if version != topic.version:
            topic.version = version
            topic.wake()


def live_of(request: Request) -> Live:
    """Return what keeps this site's pages up to date."""
    live: Live = request.app.state.live
    return live


def _measured(look: Look) -> tuple[str, float]:
    """Return a view's version and the processor's time that it cost: waiting for others costs nobody anything."""
    began = time.thread_time()
    return look(), time.thread_time() - began
