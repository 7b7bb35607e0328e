"""Rejection notes that arrive (IHE IOCM): what they take back counts no more, and our results that rest on it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

import structlog

from agent.job_log import about
from db.causes import Cause
from db.database import Database
from db.priority import Allowances
from db.queue import Done, Job, Queue, Settlement
from db.rejected import heed, note_task
from dicom_io.errors import HeaderError, LostError
from dicom_io.rejection import PATIENT_SAFETY, QUALITY, WRONG_WORKLIST_ENTRY, read_rejection_note
from dicom_io.store import Store

log = structlog.get_logger(__name__)

CAUSES: Final = {
    QUALITY: Cause.QUALITY,
    PATIENT_SAFETY: Cause.SAFETY,
    WRONG_WORKLIST_ENTRY: Cause.WORKLIST_ENTRY,
}
"""By title. That objects are removed because they are old says nothing against what was said of them."""


@dataclass(frozen=True, slots=True)
class Rejecter:
    """Handler of the jobs `reject`."""

    database: Database
    queue: Queue
    store: Store
    allowances: Allowances
    clock: Callable[[], datetime]

    def reject(self, job: Job) -> Settlement:
        """Heed the rejection note whose Instance's id is the job's key. Safe to repeat."""
        task = note_task(self.database, int(job.key))
        about(task.study_instance_uid)
        facts = {
            "study_instance_uid": task.study_instance_uid,
            "sop_instance_uid": task.sop_instance_uid,
            "calling_ae_title": task.calling_ae_title,
        }
        try:
            with self.store.local(task.path) as path:
                note = read_rejection_note(path)
        except (HeaderError, LostError) as error:
            log.warning("rejection_note_ignored", reason=str(error), **facts)
            return Done()
        cause = None if note is None else CAUSES.get(note.title)
        if note is None or cause is None:
            log.info("rejection_note_ignored", reason="no title that says something against the objects", **facts)
            return Done()
        heeded = heed(
            self.database, self.queue, task, cause, note.rejected, at=self.clock(), allowances=self.allowances
        )
        log.warning("rejection_note", cause=str(cause), elsewhere=note.elsewhere, **asdict(heeded), **facts)
        return Done()
