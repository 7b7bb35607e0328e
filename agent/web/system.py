"""The state of the system in words: what is done periodically, the disks. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from agent.web import times
from agent.web.forms import number_in
from agent.web.people import readable
from db.disks import Disk
from db.ticks import Health, TickRow

_HEALTH: Final = {
    Health.NEW: ("queued", "not run yet"),
    Health.OK: ("acknowledged", "ok"),
    Health.RUNNING: ("working", "running"),
    Health.FAILING: ("failed", "failing"),
    Health.OVERDUE: ("overdue", "overdue"),
}
"""The symbol and the word of each."""

_DONE: Final = {
    "retried": "The job runs again.",
    "gone": "Nothing was changed: it is not parked any more.",
    "requeued": "{} put back to be sent.",
    "tried": "It is tried now: {} due at once.",
    "answers": "It answers.",
    "silent": "It does not answer: see why below.",
    "off": "Triage is switched off.",
    "on": "Triage is switched on again. What was concluded meanwhile is still not analysed: see below.",
    "on_again": "Triage is switched on again, and {} analysed again.",
    "switched_already": "Nothing was changed: somebody has switched it already.",
    "reload_taken": "The file was read again, and what changed is taken over.",
    "reload_unchanged": "The file was read again: nothing in it has changed.",
    "reload_refused": "The file was refused, and nothing of it is taken over: see why below.",
    "silent_supervisor": "Nobody has said that the file was read: see the log of this host.",
    "analysed_again": "{} analysed again.",
}
"""What was just done, by the word in the address of the page that says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTick:
    """A tick in words."""

    name: str
    symbol: str
    health: str
    period: str
    last: times.Moment | None
    running: bool
    took: str
    next: times.Moment
    runs: int
    failures: str
    error: str
    failed: times.Moment | None
    process: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDisk:
    """A disk in words."""

    place: str
    symbol: str
    text: str
    since: times.Moment | None
    looked: times.Moment


def shown_tick(row: TickRow, now: datetime, zone: tzinfo | None = None) -> ShownTick:
    """Return a tick in words, as things stand at `now`."""
    symbol, health = _HEALTH[row.health(now)]
    return ShownTick(
        name=readable(row.name),
        symbol=symbol,
        health=health,
        period=f"{row.period_seconds:g} s",
        last=_exact(row.started_at, zone),
        running=row.running_since is not None,
        took="" if row.seconds is None else f"{row.seconds:.3f} s",
        next=times.exact(row.next_at, zone),
        runs=row.runs,
        failures=f"{row.failures_in_a_row} in a row, {row.failures} in all" if row.failures else "none",
        error=readable(row.error),
        failed=_exact(row.failed_at, zone),
        process=readable(row.process),
    )


def shown_disk(disk: Disk, zone: tzinfo | None = None) -> ShownDisk:
    """Return a disk in words."""
    return ShownDisk(
        place=readable(disk.place),
        symbol="acknowledged" if disk.low_since is None else "parked",
        text=_room(disk),
        since=_exact(disk.low_since, zone),
        looked=times.exact(disk.looked_at, zone),
    )


def warnings(rows: Sequence[TickRow], disks: Iterable[Disk], now: datetime) -> Iterator[str]:
    """Yield a sentence for each thing of the system itself that is not as it should be."""
    for health in (Health.OVERDUE, Health.FAILING):
        if names := [readable(row.name) for row in rows if row.health(now) is health]:
            none_runs = health is Health.OVERDUE and len(names) == len(rows)
            hint = "; no clock process runs, or it hangs" if none_runs else ""
            yield f"What is done periodically is {_HEALTH[health][1]}: {', '.join(names)}{hint}"
    for disk in disks:
        if disk.low_since is not None:
            yield f"Little room where the {readable(disk.place)} lies: {_room(disk)}"


def done_query(done: str, number: int | None = None) -> str:
    """Return the query of an address whose page says what was done."""
    return f"?done={done}" + ("" if number is None else f"&n={number}")


def done_text(query: Mapping[str, str]) -> str:
    """Return what was just done, "" if the address says nothing of that."""
    number = number_in(query, "n")
    done = query.get("done", "")
    one, many = ("study", "studies") if done in {"analysed_again", "on_again"} else ("delivery", "deliveries")
    return _DONE.get(done, "").format("what waits" if number is None else f"{number} {one if number == 1 else many}")


def _room(disk: Disk) -> str:
    if disk.refuses:
        return f"{disk.free_megabytes} MB free, so that new images are refused until there are {disk.refused_megabytes}"
    refused = f"; below {disk.refused_megabytes} MB new images are refused" if disk.refused_megabytes else ""
    return f"{disk.free_megabytes} MB free{refused}"


def _exact(at: datetime | None, zone: tzinfo | None) -> times.Moment | None:
    return None if at is None else times.exact(at, zone)
