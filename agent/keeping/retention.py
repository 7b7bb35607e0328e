"""Retention: what a site lets go is archived if it says so, its rows are removed, and then its files."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

import structlog

from agent.config.keeping import RetentionSection
from agent.errors import AgentError
from agent.keeping.archiving import ArchiveError, ArchiveFolder
from db.database import Database
from db.file_deletion import delete_file, doomed, waiting_files
from db.outcome import Outcome
from db.pruning import prune
from db.queue import Queue
from db.retention import PRIOR, Policy, may_go_images, may_go_wholly, stored_bytes, study_uid
from db.retention_removal import Gone, remove_images, remove_study
from db.roles import Role
from db.server_clock import ahead
from db.worklist import study_record
from dicom_io.errors import StoreError
from dicom_io.store import Store

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 100
_BUDGET: Final = 240.0
"""Seconds after which a run ends; the next one goes on."""
_MOST_AHEAD: Final = timedelta(hours=1)
_GIGABYTE: Final = 1_000_000_000


class ClockAheadError(AgentError):
    """Nothing is removed by its age while this host's clock is wrong."""


@dataclass(frozen=True, slots=True)
class Retainer:
    """The tick `retention`. Safe to run twice, to kill at any moment, and to miss."""

    database: Database
    queue: Queue
    store: Store
    settings: RetentionSection
    clock: Callable[[], datetime]

    def run_if_clock_is_right(self) -> datetime | None:
        """Do what `run` does. Raises ClockAheadError where this host's clock is far ahead of the database server's."""
        if (off := ahead(self.database, self.clock)) > _MOST_AHEAD:
            message = f"expected a clock that the database's bears out, before anything goes. Received: ahead by {off}"
            raise ClockAheadError(message)
        return self.run()

    def run(self) -> datetime | None:
        """Remove what may go; return when to go on if there was more than fits into one run."""
        deadline = monotonic() + _BUDGET
        self._delete_files(deadline)
        by_age = self.policy()
        done = self._each(may_go_wholly, remove_study, by_age, "age", deadline, wholly=True)
        done = done and self._each(may_go_images, remove_images, by_age, "age", deadline, wholly=False)
        done = done and self._make_room(deadline)
        done = self._delete_files(deadline) and done
        if self.settings.records_after_days is not None:
            pruned = prune(self.database, before=self.clock() - timedelta(days=self.settings.records_after_days))
            if pruned.messages or pruned.commitments or pruned.events:
                log.info(
                    "records_removed",
                    messages=pruned.messages,
                    commitments=pruned.commitments,
                    events=pruned.events,
                )
        return None if done else self.clock() + timedelta(seconds=5)

    def policy(self) -> Policy:
        """Return what may go by its age, as of now."""
        now, settings = self.clock(), self.settings
        return Policy(
            images_before={str(kind): now - timedelta(days=days) for kind, days in settings.images_after_days.items()},
            results_before={
                str(kind): now - timedelta(days=days) for kind, days in settings.results_after_days.items()
            },
            keep_unread=settings.keep_unread,
        )

    def policy_for_room(self) -> Policy:
        """Return whose images may go for lack of room, as of now."""
        before = self.clock() - timedelta(days=self.settings.least_days)
        return Policy(images_before=dict.fromkeys((*Outcome, PRIOR), before), keep_unread=self.settings.keep_unread)

    def excess(self) -> int:
        """Return by how many bytes the stored files are too much."""
        limit = self.settings.images_beyond_gigabytes
        return 0 if limit is None else max(0, stored_bytes(self.database) - int(limit * _GIGABYTE))

    def _make_room(self, deadline: float) -> bool:
        if not (excess := self.excess()):
            return True
        return self._each(
            may_go_images, remove_images, self.policy_for_room(), "room", deadline, wholly=False, enough=excess
        )

    def _each(
        self,
        candidates: Callable[..., tuple[int, ...]],
        remove: Callable[..., Gone | None],
        policy: Policy,
        why: str,
        deadline: float,
        *,
        wholly: bool,
        enough: int | None = None,
    ) -> bool:
        """Remove one study after another; False when the time is up."""
        after, freed = 0, 0
        while ids := candidates(self.database, policy, after=after, limit=_AT_ONCE):
            for study_id in ids:
                if monotonic() > deadline:
                    return False
                gone = self._one(study_id, remove, policy, why, wholly=wholly)
                freed += 0 if gone is None else gone.bytes
                if enough is not None and freed >= enough:
                    return True
            after = ids[-1]
        return True

    def _one(
        self, study_id: int, remove: Callable[..., Gone | None], policy: Policy, why: str, *, wholly: bool
    ) -> Gone | None:
        uid = study_uid(self.database, study_id)
        try:
            archived = self._archive(uid, wholly=wholly)
        except (ArchiveError, StoreError) as error:
            log.error(  # noqa: TRY400 - the reason says it; a traceback helps nobody here
                "study_not_archived", study_instance_uid=uid, reason=str(error)
            )
            return None
        reason = f"{why}, {'not archived' if archived is None else 'archived'}"
        gone = remove(self.database, self.queue, study_id, policy, why=reason, now=self.clock(), archived=archived)
        if gone is not None:
            what = "all" if wholly else "images"
            log.info(
                "study_removed", study_instance_uid=uid, what=what, files=gone.files, bytes=gone.bytes, reason=reason
            )
        return gone

    def _archive(self, uid: str, *, wholly: bool) -> frozenset[str] | None:
        """Copy what is about to go and read it back; return its digests, None where the site wants no archive."""
        folder = self.settings.archive_folder
        record = study_record(self.database, uid)
        if folder is None:
            return None
        if record is None:
            return frozenset()
        files = {
            one["path"]: one["sha256"]
            for one in record.instances
            if one["removed_at"] is None and (wholly or one["role"] != Role.OWN)
        }
        if wholly:
            files |= {one["path"]: one["sha256"] for one in record.reports if one["path"] is not None}
        ArchiveFolder(folder, self.store).take(record, files.items(), at=self.clock())
        return frozenset(files.values())

    def _delete_files(self, deadline: float) -> bool:
        """Delete the files that no row needs any more; False when the time is up. They outwait a back-up."""
        after, deleted, size = 0, 0, 0
        done, backed_up = True, False
        while done and not backed_up and (files := doomed(self.database, after=after)):
            for file in files:
                try:
                    gone = delete_file(self.database, file, self.store.delete, now=self.clock())
                except StoreError as error:
                    log.warning("file_not_deleted", sha256=file.sha256, reason=str(error))
                    continue
                done, backed_up = monotonic() < deadline, gone is None
                deleted, size = deleted + bool(gone), size + (file.size if gone else 0)
                if backed_up or not done:
                    break
            after = files[-1].id
        if deleted:
            log.info("files_deleted", files=deleted, bytes=size, waiting=waiting_files(self.database)[0])
        return done
