"""Stored files are read back, all of them in a round of some days, and those that a disk has damaged are told of."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

import structlog

from agent.config.keeping import ScrubSection
from db.database import Database
from db.needed_files import NeededFile, needed_files, needs, studies_of
from db.scrub import (
    Damage,
    Round,
    damaged_files,
    record_damage,
    record_mended,
    record_round,
    scrub_round,
)
from dicom_io.errors import LostError, StoreError
from dicom_io.store import Store

log = structlog.get_logger(__name__)

PERIOD: Final = 60.0
"""Seconds between two runs."""
_LONGEST: Final = 45.0
"""Seconds after which a run ends, however slow the store is: the next one goes on."""
_AGAIN: Final = timedelta(hours=1)
_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Scrubber:
    """The tick `scrub`. Digests are spread evenly, so the share of a round's time is the share of the files."""

    database: Database
    store: Store
    settings: ScrubSection
    clock: Callable[[], datetime]

    def run(self) -> None:
        """Read the files that are due, and look again at those that were damaged."""
        now = self.clock()
        self._look_again(now)
        stands = scrub_round(self.database) or Round(
            after="", began_at=now, files=0, bytes=0, rounded_at=None, looked_at=now
        )
        end = self._due(stands.began_at, now)
        deadline = monotonic() + _LONGEST
        room = int(self.settings.megabytes_per_second * 1_000_000 * PERIOD)
        for file in needed_files(self.database, after=stands.after, before=end):
            self.check(file)
            stands = replace(
                stands, after=file.sha256, files=stands.files + 1, bytes=stands.bytes + file.size, looked_at=now
            )
            room -= file.size
            if room <= 0 or monotonic() > deadline:
                break
        else:
            if now >= stands.began_at + self.settings.round:
                log.info("stored_files_read_back", files=stands.files, bytes=stands.bytes)
                stands = Round(after="", began_at=now, files=0, bytes=0, rounded_at=now, looked_at=now)
        record_round(self.database, stands)

    def check(self, file: NeededFile) -> bool:
        """Read one file back; commit and tell if it is damaged. Raises StoreError while the store is away."""
        damage = damage_of(self.store, file)
        if damage is None or not needs(self.database, file):  # removed meanwhile
            return True
        news = record_damage(self.database, path=file.path, sha256=file.sha256, damage=damage, at=self.clock())
        if news:
            studies = studies_of(self.database, file.sha256)
            log.error("stored_file_damaged", damage=str(damage), sha256=file.sha256, studies=list(studies))
        return False

    def _due(self, began_at: datetime, now: datetime) -> str:
        """Return the digest up to which files are to be read by now."""
        share = (now - began_at) / self.settings.round
        if share >= 1:
            return "g"
        return f"{int(max(share, 0) * 16**_DIGITS):0{_DIGITS}x}"

    def _look_again(self, now: datetime) -> None:
        for one in damaged_files(self.database):
            if one.looked_at > now - _AGAIN:
                continue
            file = NeededFile(one.sha256, one.path, 0)
            if not needs(self.database, file) or damage_of(self.store, file) is None:
                record_mended(self.database, one.path, at=now)
                log.info("stored_file_mended", sha256=one.sha256)
            else:
                record_damage(self.database, path=one.path, sha256=one.sha256, damage=one.damage, at=now)


def damage_of(store: Store, file: NeededFile) -> Damage | None:
    """Return what is wrong with a stored file, None if nothing. Raises StoreError if the store is away."""
    if store.is_intact(file.path, file.sha256):
        return None
    try:
        with store.local(file.path):
            return Damage.CHANGED
    except LostError:
        if next(store.listed(), None) is None:  # not mounted: nothing is lost
            message = "expected a store that holds files. Received: an empty one"
            raise StoreError(message) from None
        return Damage.MISSING
