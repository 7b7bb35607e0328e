"""Lanes of the queue: each kind of job in a thread of its own, so that one that hangs holds back no other."""

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta

from db.queue import Handler, Queue


def run_lanes(
    queue: Queue,
    handlers: Mapping[str, Handler],
    stop: threading.Event,
    *,
    started: Callable[[], None],
    longest: Callable[[str], timedelta | None] = lambda _kind: None,
) -> None:
    """Run a lane for each handler, call `started`, and return once `stop` is set and all have drained.

    `longest` says of a kind how long one job may run before it hangs: see `Queue.run`.

    What leaves a lane, which is a defect, stops the others and is raised here: a process without one of its lanes would
    look well, and what waits there would wait for ever.
    """
    defects: list[BaseException] = []

    def run(kind: str, handler: Handler) -> None:
        try:
            queue.run({kind: handler}, stop=stop, concurrency=1, longest=longest(kind))
        except BaseException as error:  # noqa: BLE001 - raised below
            defects.append(error)
            stop.set()

    lanes = [threading.Thread(target=run, args=lane, name=lane[0]) for lane in handlers.items()]
    for lane in lanes:
        lane.start()
    try:
        started()
        stop.wait()
    finally:  # though whoever is told of the start has gone: a process whose main thread has ended would work on unseen
        stop.set()
        for lane in lanes:
            lane.join()
    if defects:
        raise defects[0]
