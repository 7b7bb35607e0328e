"""The tables [retention], [scrub] and [backup] of config.toml: what is removed, read back and copied, and when."""

from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from agent.config.section import MOST_DAYS, Days, Hours, Minutes, Section
from agent.errors import ConfigError

Kind = Literal["flagged", "not_flagged", "not_analysed", "failed", "prior"]


class RetentionSection(Section):
    """What is removed when. Nothing is, until something is set here; see docs/keeping.md for what is never removed."""

    images_after_days: dict[Kind, Days] = Field(
        default={},
        description="After so many days without change the received objects of a study go, by its outcome; "
        "results and reports stay. Outcomes: flagged, not_flagged, not_analysed, failed; 'prior' are studies that were "
        "only fetched for comparison. What is not named stays. An inline table of TOML, see docs/keeping.md.",
    )
    results_after_days: dict[Kind, Days] = Field(
        default={},
        description="After so many days all of a study goes but its audit trail, which then names no patient.",
    )
    images_beyond_gigabytes: float | None = Field(
        default=None,
        gt=0,
        examples=[4000],
        description="While stored files take more than this, the received objects of the oldest studies go, of any "
        "outcome. Unset: no limit.",
    )
    least_days: Days = Field(
        default=30, description="What has changed within so many days does not go for lack of room."
    )
    keep_unread: bool = Field(
        default=True,
        description="Keep every study until somebody was seen to read it (HL7, UPS). false: only those that have been "
        "flagged; for sites where nothing tells.",
    )
    archive_folder: Path | None = Field(
        default=None,
        examples=["/mnt/archive/tibabu"],
        description="Files and the study's record are copied to this folder, and read back from it, before they go. "
        "It has to be there: where it is not, as its disk is away, nothing goes. Unset: they are deleted.",
    )
    records_after_days: Days | None = Field(
        default=None,
        examples=[400],
        description="After so many days go: HL7 messages answered, Storage Commitments reported, events of reading "
        "tasks told. Unset: they stay.",
    )
    every_minutes: Minutes = Field(default=60, description="How often retention looks.")

    @model_validator(mode="after")
    def _results_outlast_images(self) -> Self:
        for kind, days in self.results_after_days.items():
            if self.images_after_days.get(kind, days) > days:
                message = f"expected results to stay at least as long as images. Received: {kind} = {days:g}"
                raise ValueError(message)
        return self

    @property
    def is_on(self) -> bool:
        """Whether anything is to be removed."""
        removes = (self.images_after_days, self.results_after_days, self.images_beyond_gigabytes)
        return any(removes) or self.records_after_days is not None


class ScrubSection(Section):
    """Reading stored files back, one after another, to find what a disk has lost while it can still be mended."""

    every_days: float = Field(
        default=30, ge=0, le=MOST_DAYS, description="Every stored file is read back within so many days. 0: none is."
    )
    megabytes_per_second: float = Field(
        default=20,
        gt=0,
        description="Not faster than this, so that receiving goes on undisturbed; it may take longer then.",
    )

    @property
    def round(self) -> timedelta:
        """In what time everything is read."""
        return timedelta(days=self.every_days)


class BackupSection(Section):
    """Regular back-ups. The command `tibabu backup FOLDER` makes one at any time."""

    folder: Path | None = Field(
        default=None,
        examples=["/mnt/backup/tibabu"],
        description="Where back-ups are made: on another disk, and in none of the agent's own folders. Unset: none.",
    )
    every_hours: Hours = Field(default=24, description="How often.")
    keep: int = Field(default=7, ge=1, description="How many are kept; older ones go when a new one is whole.")
    pg_dump: str = Field(
        default="pg_dump", description="The program for PostgreSQL; of the server's version or a later one."
    )
    pg_restore: str = Field(default="pg_restore", description="The program that reads what it wrote.")


def check_copies_lie_apart(store: Path, retention: RetentionSection, backup: BackupSection) -> None:
    """Raise ConfigError for a folder of copies that lies in the store or has the store in it."""
    copies = {"retention.archive_folder": retention.archive_folder, "backup.folder": backup.folder}
    for key, folder in copies.items():
        if folder is not None and (folder.is_relative_to(store) or store.is_relative_to(folder)):
            message = f"{key}: expected a folder apart from store.folder, of which it has copies. Received: {folder}"
            raise ConfigError(message)
