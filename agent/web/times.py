"""Times and waiting, written for people. Pure: now and the time zone are arguments."""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant as people read it, and as machines do (ISO 8601 with its offset from UTC)."""

    text: str
    machine: str


@dataclass(frozen=True, slots=True)
class Due:
    """When a study should have been read, seen from now."""

    text: str
    overdue: bool


def moment(at: datetime, now: datetime, zone: tzinfo | None = None) -> Moment:
    """Return an instant in `zone` (None: the machine's own): today's by its time, another day's with its date."""
    here, today = at.astimezone(zone), now.astimezone(zone).date()
    text = f"{here:%H:%M}" if here.date() == today else f"{here:%Y-%m-%d %H:%M}"
    return Moment(text, here.isoformat(timespec="seconds"))


def exact(at: datetime, zone: tzinfo | None = None) -> Moment:
    """Return an instant in `zone` (None: the machine's own) with its date and seconds, as a timeline needs it."""
    here = at.astimezone(zone)
    return Moment(f"{here:%Y-%m-%d %H:%M:%S}", here.isoformat())


def duration(length: timedelta) -> str:
    """Return a length of time to the precision that matters when reading a list; a negative one is none at all."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < _MINUTE:
        return "under 1 min"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        hours, rest = divmod(seconds, _HOUR)
        return f"{hours} h {rest // _MINUTE:02d} min"
    days, rest = divmod(seconds, _DAY)
    return f"{days} d {rest // _HOUR} h"


def due(at: datetime, now: datetime) -> Due:
    """Return how far the due time is off; overdue from the moment it has passed."""
    if at < now:
        return Due(f"overdue {duration(now - at)}", overdue=True)
    return Due(f"in {duration(at - now)}", overdue=False)
