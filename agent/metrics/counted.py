"""Counts what happens where it is told already: each canonical line of the log is counted as it passes."""

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, values

from agent.logs import Event
from agent.metrics import definitions as of
from agent.metrics.definitions import OTHER, Counted
from agent.metrics.joining import take_place
from agent.watch.traits import decline_group
from db.outcome import Outcome

_MOST: Final = 200
"""Label sets of one metric in one process; more would be somebody else's choice, not ours."""

_LONGEST: Final = 64
_NAME: Final = re.compile(r"[a-z][a-z_0-9]{0,63}")
_TOLD: Final = frozenset({"warning", "error", "critical"})


class Counts:
    """The counts of this process, kept in a folder that all processes of the host share.

    There is one in a process: prometheus_client knows one folder and one name of who counts.
    """

    def __init__(self, folder: Path, role: str, *, peers: Collection[str] = ()) -> None:
        """Take a place in the folder. AE titles other than those of `peers` are one label. Raises OSError."""
        place = take_place(folder, role)
        values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]
        self.folder = folder
        self._peers = frozenset[str]()
        self.know(peers)
        self._seen: dict[str, set[tuple[str, ...]]] = {one.name: set() for one in of.ALL}
        registry = CollectorRegistry()
        self._metrics: dict[str, Counter | Histogram] = {
            one.name: Histogram(one.name, one.says, one.labels, buckets=one.buckets, registry=registry)
            if one.buckets
            else Counter(one.name, one.says, one.labels, registry=registry)
            for one in of.ALL
        }
        for one in of.ALL:
            for labels in one.known:
                self._metrics[one.name].labels(*labels)

    def know(self, peers: Collection[str]) -> None:
        """Take these AE titles as the listed ones from now on."""
        self._peers = frozenset(title.strip() for title in peers)

    def note(self, _logger: object, _method: str, event: Event) -> Event:
        """Count what an event of the log tells (structlog processor); the event goes on as it is."""
        name, level = event.get("event"), event.get("level")
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            return event
        with suppress(Exception):  # counting is worth nobody's work
            if level in _TOLD:
                self.add(of.EVENTS, 1, name, str(level))
            if (count := _COUNTED.get(name)) is not None:
                self._count(count, event)
        return event

    def _count(self, count: Callable[["Counts", Event], None], event: Event) -> None:
        try:
            count(self, event)
        except (KeyError, TypeError, ValueError, OSError):
            self.add(of.EVENTS, 1, "event_not_counted", "error")

    def add(self, metric: Counted, amount: float, *labels: str) -> None:
        """Count so many; a histogram observes the amount once."""
        one = self._metrics[metric.name]
        child = one.labels(*self._bounded(metric, labels)) if labels else one
        if isinstance(child, Histogram):
            child.observe(amount)
        else:
            child.inc(amount)

    def peer(self, event: Mapping[str, Any]) -> str:
        """Return who calls, if it is listed: anybody can call under any name."""
        title = str(event.get("calling_ae_title", "")).strip()
        return title if title in self._peers else OTHER

    def _bounded(self, metric: Counted, labels: tuple[str, ...]) -> tuple[str, ...]:
        seen = self._seen[metric.name]
        wanted = tuple(label[:_LONGEST] for label in labels)
        if wanted not in seen:
            if len(seen) >= _MOST:
                return (OTHER,) * len(labels)
            seen.add(wanted)
        return wanted


def _association(counts: Counts, event: Event) -> None:
    peer = counts.peer(event)
    counts.add(of.ASSOCIATIONS, 1, peer, str(event["how"]))
    for how in ("stored", "refused"):
        if event[how]:
            counts.add(of.INSTANCES, event[how], peer, how)
    if event["bytes"]:
        counts.add(of.BYTES, event["bytes"], peer)


def _image(counts: Counts, event: Event) -> None:
    counts.add(of.IMAGES, 1, str(event["outcome"]))
    counts.add(of.STAGES, event["seconds"], "score")
    if (waited := event.get("waited")) is not None:
        counts.add(of.STAGES, waited, "wait")
    if (probability := event.get("probability")) is not None:
        counts.add(of.PROBABILITIES, probability)
    if event["outcome"] == Outcome.NOT_ANALYSED:
        counts.add(of.DECLINED, 1, decline_group(str(event["reason"])))


def _result(how: str) -> Callable[[Counts, Event], None]:
    def count(counts: Counts, event: Event) -> None:
        counts.add(of.STUDIES, 1, how, str(event.get("outcome", "")))
        for stage in ("receive", "complete", "conclude"):
            if (seconds := event.get(f"{stage}_seconds")) is not None:
                counts.add(of.STAGES, seconds, stage)
        if (seconds := event.get("seconds")) is not None:
            counts.add(of.RESULTS, seconds)

    return count


def _delivery(counts: Counts, event: Event) -> None:
    counts.add(of.DELIVERIES, 1, str(event["destination"]), str(event["how"]))
    if event["how"] in {"acknowledged", "stored"}:
        counts.add(of.STAGES, event["seconds"], "deliver")


def _forwarded(counts: Counts, event: Event) -> None:
    for how in ("acknowledged", "failed", "parked"):
        if event[how]:
            counts.add(of.FORWARDED, event[how], str(event["destination"]), how)


def _ended(how: str) -> Callable[[Counts, Event], None]:
    return lambda counts, event: counts.add(of.PROCESSES, 1, str(event["role"]), how)


_COUNTED: Final[Mapping[str, Callable[[Counts, Event], None]]] = {
    "association": _association,
    "connections_in_vain": lambda counts, event: counts.add(of.IN_VAIN, event["count"]),
    "instance_refused": lambda counts, event: counts.add(of.REFUSED, 1, str(event["status"])),
    "image_scored": _image,
    "study_concluded": _result("concluded"),
    "study_withdrawn": _result("withdrawn"),
    "study_amended": _result("amended"),
    "delivery": _delivery,
    "forwarded": _forwarded,
    "hl7_message": lambda counts, event: counts.add(of.MESSAGES, 1, str(event["answer"])),
    "dicomweb_request": lambda counts, event: counts.add(of.REQUESTS, 1, str(event["route"]), str(event["status"])),
    "process_died": _ended("died"),
    "process_recycled": _ended("recycled"),
    "process_killed": _ended("killed"),
}
"""The canonical lines, each with what it counts."""
