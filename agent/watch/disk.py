"""Whether there is room where store and database lie: people are told before Instances are refused."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from db.database import Database
from db.disks import Disk, disks, record_disks

log = structlog.get_logger(__name__)

STORE: Final = "store"
DATABASE: Final = "database"

_MEGABYTE: Final = 1_000_000
_AGAIN: Final = 1.1
"""There is room again when there is that many times what is low, so that what wavers is told once."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """Looks at the disks of the folders in `places`. Of a database that is a server's, its own host has to look."""

    database: Database
    places: Mapping[str, Path]
    low_megabytes: int
    refused_megabytes: int
    clock: Callable[[], datetime]

    def look(self) -> None:
        """Log a disk that becomes low or has room again, and leave a row of each. What is seen is logged first."""
        before = {one.place: one for one in disks(self.database)}
        seen = tuple(self._seen(place, folder, before.get(place)) for place, folder in self.places.items())
        for one in seen:
            _tell(before.get(one.place), one)
        record_disks(self.database, seen)

    def _seen(self, place: str, folder: Path, before: Disk | None) -> Disk:
        now, free = self.clock(), free_bytes(folder) // _MEGABYTE
        refused = self.refused_megabytes if place == STORE else 0
        low = max(self.low_megabytes, refused)
        since = None if before is None else before.low_since
        is_low = free < (low if since is None else low * _AGAIN)
        return Disk(
            place=place,
            free_megabytes=free,
            low_megabytes=low,
            refused_megabytes=refused,
            low_since=(since or now) if is_low else None,
            looked_at=now,
        )


def free_bytes(folder: Path) -> int:
    """Return how many bytes are free where a folder lies, or will lie. Raises OSError."""
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    disk = os.statvfs(nearest)
    return disk.f_bavail * disk.f_frsize


def _tell(before: Disk | None, now: Disk) -> None:
    facts = {"place": now.place, "free_megabytes": now.free_megabytes}
    if now.refuses and not (before is not None and before.refuses):
        log.error("disk_full", refused_below=now.refused_megabytes, **facts)
    elif now.low_since is not None and (before is None or before.low_since is None):
        log.warning("disk_low", refused_below=now.refused_megabytes, **facts)
    elif now.low_since is None and before is not None and before.low_since is not None:
        log.info("disk_has_room", **facts)
