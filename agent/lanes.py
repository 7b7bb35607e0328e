"""Lanes of the queue: each kind of job in a thread of its own, so that one that hangs holds back no other."""

import threading
from collections.abc import Callable, Mapping

from db.queue import Handler, Queue


def run_lanes(
    queue: Queue, handlers: Mapping[str, Handler], stop: threading.Event, *, started: Callable[[], None]
) -> None:
    """Run a lane for each handler, call `started`, and return once `stop` is set and all have drained."""
    lanes = [
        threading.Thread(target=queue.run, args=({kind: handler},), kwargs={"stop": stop, "concurrency": 1}, name=kind)
        for kind, handler in handlers.items()
    ]
    for lane in lanes:
        lane.start()
    started()
    stop.wait()
    for lane in lanes:
        lane.join()
