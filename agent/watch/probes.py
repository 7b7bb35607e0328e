"""Connections that come to nothing, told in one line for each peer and minute: a port scan is no log storm."""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dicom_io.received import AssociationSummary

_EVERY = timedelta(minutes=1)
_MOST_PEERS = 1000
_OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Line:
    """How often a peer came in vain since the last line about it, and why the last time."""

    peer_address: str
    calling_ae_title: str
    how: str
    trouble: str
    count: int


@dataclass(slots=True)
class _Seen:
    told_at: datetime
    last: AssociationSummary
    untold: int = 0


@dataclass(slots=True)
class Probes:
    """Counts; safe for threads. Of so many peers at once that they are an attack, the last are counted together."""

    _seen: dict[tuple[str, str, str], _Seen] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, summary: AssociationSummary, now: datetime) -> list[Line]:
        """Take note of one that came in vain; return the lines that are due: of a new peer at once."""
        key = summary.peer_address, summary.calling_ae_title, summary.how
        with self._lock:
            if key not in self._seen and len(self._seen) >= _MOST_PEERS:
                key = _OTHERS, "", summary.how
            if key not in self._seen:
                self._seen[key] = _Seen(now, summary)
                return [_line(key, summary, 1), *self._due(now)]
            seen = self._seen[key]
            seen.last, seen.untold = summary, seen.untold + 1
            return self._due(now)

    def due(self, now: datetime) -> list[Line]:
        """Return the lines of what has been counted for a minute, and forget peers that stay away."""
        with self._lock:
            return self._due(now)

    def _due(self, now: datetime) -> list[Line]:
        lines = []
        for key, seen in list(self._seen.items()):
            if now - seen.told_at < _EVERY:
                continue
            if seen.untold:
                lines.append(_line(key, seen.last, seen.untold))
                seen.told_at, seen.untold = now, 0
            else:
                del self._seen[key]
        return lines


def is_probe(summary: AssociationSummary) -> bool:
    """Tell whether nobody could be served: no association was asked for, or it was rejected."""
    return not summary.calling_ae_title or summary.how == "rejected"


def _line(key: tuple[str, str, str], last: AssociationSummary, count: int) -> Line:
    return Line(key[0], key[1], key[2], last.trouble, count)
