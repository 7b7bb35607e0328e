"""The queue and what it delivers, in words for the operator. Pure; studies go by their UIDs, no patient is named."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from agent.web import times, words
from agent.web.people import readable
from db import kinds
from db.breaker import Rest
from db.delivery_list import OpenDeliveries, ParkedDelivery
from db.delivery_state import DeliveryState
from db.queue import KindDepth, ParkedJob, RunningJob

_MEANINGS: Final = {
    kinds.SCORE: "an image is analysed",
    kinds.COMPARE: "an Instance under a known UID is compared with the first",
    kinds.CONCLUDE: "a study gets its result",
    kinds.WITHDRAW: "a result is taken back",
    kinds.REJECT: "a rejection note is carried out",
    kinds.AMEND: "a study is reported anew",
    kinds.ORDER: "a study's order is asked for",
    kinds.SHADOW: "the second model scores an image",
    kinds.COMMIT: "storage is committed to a peer",
}
_LANES: Final = (
    (kinds.deliver(""), "a report is sent there"),
    (kinds.forward(""), "a study's Instances are sent on there"),
    (kinds.ups_event(""), "it is told of reading tasks"),
)
_STATES: Final = {
    DeliveryState.PARKED: "parked",
    DeliveryState.QUEUED: "queued",
    DeliveryState.STORED: "stored, to be confirmed",
    DeliveryState.HELD: "held for the outcome",
}
NO_STUDY: Final = "no study on record"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownKind:
    """How many jobs of a kind there are, and how late the latest of them is."""

    name: str
    meaning: str
    waiting: int
    later: int
    running: int
    parked: int
    waits: str
    due: times.Due | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRunning:
    """A job that runs."""

    kind: str
    subject: str
    attempt: int
    due: times.Due
    worker: str
    until: times.Moment
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownParked:
    """A job that waits for a person."""

    kind: str
    key: str
    subject: str
    reason: str
    attempts: int
    at: times.Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRest:
    """Since when and why nothing is sent to a destination, and when it is asked next."""

    since: times.Moment
    reason: str
    failures: str
    probe: times.Moment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPart:
    """So many deliveries in one state."""

    kind: str
    text: str
    since: times.Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDestination:
    """A destination with what is under way to it."""

    name: str
    rest: ShownRest | None
    parts: tuple[ShownPart, ...]
    waits: bool
    parked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDelivery:
    """A parked delivery."""

    id: int
    destination: str
    what: str
    study_instance_uid: str
    reason: str
    attempts: int
    at: times.Moment


def shown_kind(depth: KindDepth, now: datetime) -> ShownKind:
    """Return how many jobs of a kind there are."""
    return ShownKind(
        name=depth.kind,
        meaning=_MEANINGS.get(depth.kind) or next((text for lane, text in _LANES if depth.kind.startswith(lane)), ""),
        waiting=depth.waiting,
        later=depth.later,
        running=depth.running,
        parked=depth.parked,
        waits="-" if depth.oldest_run_at is None else times.duration(now - depth.oldest_run_at),
        due=None if depth.first_due_at is None else times.due(depth.first_due_at, now),
    )


def shown_running(
    job: RunningJob, studies: Mapping[tuple[str, str], str], now: datetime, zone: tzinfo | None
) -> ShownRunning:
    """Return a job that runs."""
    return ShownRunning(
        kind=job.kind,
        subject=studies.get((job.kind, job.key), NO_STUDY),
        attempt=job.attempt,
        due=times.due(job.due_at, now),
        worker=job.worker,
        until=times.exact(job.claimed_until, zone),
        expired=job.claimed_until < now,
    )


def shown_parked(job: ParkedJob, studies: Mapping[tuple[str, str], str], zone: tzinfo | None) -> ShownParked:
    """Return a parked job."""
    return ShownParked(
        kind=job.kind,
        key=job.key,
        subject=studies.get((job.kind, job.key), NO_STUDY),
        reason=readable(job.reason),
        attempts=job.attempts,
        at=times.exact(job.parked_at, zone),
    )


def shown_destinations(
    under_way: Iterable[OpenDeliveries], rests: Iterable[Rest], zone: tzinfo | None
) -> tuple[ShownDestination, ...]:
    """Return the destinations to which something is under way or that rest, by name."""
    parts: dict[str, list[OpenDeliveries]] = {}
    for one in under_way:
        parts.setdefault(one.destination, []).append(one)
    resting = {rest.destination: rest for rest in rests}
    return tuple(
        ShownDestination(
            name=name,
            rest=None if name not in resting else _rest(resting[name], zone),
            parts=tuple(_part(one, zone) for one in parts.get(name, ())),
            waits=any(one.state in {DeliveryState.QUEUED, DeliveryState.STORED} for one in parts.get(name, ())),
            parked=any(one.state == DeliveryState.PARKED for one in parts.get(name, ())),
        )
        for name in sorted({*parts, *resting})
    )


def _rest(rest: Rest, zone: tzinfo | None) -> ShownRest:
    return ShownRest(
        since=times.exact(rest.opened_at or rest.updated_at, zone),
        reason=readable(rest.reason),
        failures=counted(rest.failures, "failure"),
        probe=None if rest.probe_at is None else times.exact(rest.probe_at, zone),
    )


def _part(one: OpenDeliveries, zone: tzinfo | None) -> ShownPart:
    things = " and ".join(
        counted(number, word) for number, word in ((one.reports, "report"), (one.instances, "Instance")) if number
    )
    state = words.delivery_state(one.state)
    return ShownPart(
        kind=state.kind, text=f"{things} {_STATES[one.state]}", since=times.exact(one.oldest_created_at, zone)
    )


def shown_delivery(one: ParkedDelivery, zone: tzinfo | None) -> ShownDelivery:
    """Return a parked delivery."""
    return ShownDelivery(
        id=one.id,
        destination=readable(one.destination),
        what=f"{words.report(one.report)}, version {one.version}" if one.report else "an Instance, sent on",
        study_instance_uid=one.study_instance_uid,
        reason=readable(one.reason),
        attempts=one.attempts,
        at=times.exact(one.parked_at, zone),
    )


def counted(number: int, one: str) -> str:
    """Return "1 report", "2 reports"."""
    return f"{number} {one}{'' if number == 1 else 's'}"
