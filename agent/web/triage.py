"""The switch that ends triage, in words. Pure."""

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from agent.web import times
from agent.web.people import readable
from db.triage import Switch

NO_REASON: Final = "Give a reason: it stands at the head of every page and in the audit trail."
LONGEST_REASON: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """What stands at the head of every page while triage is off."""

    since: times.Moment
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSwitch:
    """One time that triage was off."""

    off: times.Moment
    off_by: str
    off_reason: str
    on: times.Moment | None
    on_by: str
    on_reason: str
    lasted: str


def banner(off: Switch, zone: tzinfo | None = None) -> Banner:
    """Return what stands at the head of every page."""
    return Banner(since=times.exact(off.off_at, zone), by=readable(off.off_by), reason=readable(off.off_reason))


def shown_switch(one: Switch, now: datetime, zone: tzinfo | None = None) -> ShownSwitch:
    """Return one time that triage was off."""
    return ShownSwitch(
        off=times.exact(one.off_at, zone),
        off_by=readable(one.off_by),
        off_reason=readable(one.off_reason),
        on=None if one.on_at is None else times.exact(one.on_at, zone),
        on_by=readable(one.on_by or ""),
        on_reason=readable(one.on_reason or ""),
        lasted=times.duration((one.on_at or now) - one.off_at),
    )
