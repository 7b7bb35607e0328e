"""Which study or Instance an address speaks of, and why it may not be there: removed, kept apart, or never here."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

from agent.web.services import services_of
from db.archive import HeldInstance, held_instances, is_kept_apart, was_removed
from db.archive_columns import AnyOf, Criteria
from db.worklist import StudyRecord, study_record
from dicom_io.errors import LostError, StoreError, UidError
from dicom_io.header import check_uid

AS_IT_IS: Final = {"Content-Encoding": "identity"}
"""Headers of what is not to be compressed: radiographs take longer than they save, pictures are already."""

NO_STUDY: Final = "No study of that Study Instance UID has been received here."
NO_INSTANCE: Final = "No object of that SOP Instance UID is held here in this study."
REMOVED: Final = "This object was removed here by retention. The archive may still have it."
KEPT_APART: Final = "This object is kept apart: another one came under the same UID. A person has to decide."
LOST: Final = "The stored file of this object is gone or damaged. The archive may still have it."
STORE_AWAY: Final = "The stored files cannot be reached just now. Nothing is lost; try again."


def uid_of(request: Request, name: str, unknown: str = NO_STUDY) -> str:
    """Return a UID of the request's path. HTTPException, 404, if it is none."""
    try:
        return check_uid(request.path_params[name])
    except UidError:
        raise HTTPException(404, unknown) from None


def record_of(request: Request, study_instance_uid: str) -> StudyRecord:
    """Return what is on record about a study. HTTPException, 404, if there is none."""
    record = study_record(services_of(request).database, study_instance_uid)
    if record is None:
        raise HTTPException(404, NO_STUDY)
    return record


def instance_of(request: Request) -> HeldInstance:
    """Return the Instance of the request's path. HTTPException, 404 or 410, if it is not handed out."""
    criteria: Criteria = {
        name: AnyOf((uid_of(request, name, NO_INSTANCE),)) for name in ("study_instance_uid", "sop_instance_uid")
    }
    database = services_of(request).database
    found = next(held_instances(database, criteria), None)
    if found is not None:
        return found
    if is_kept_apart(database, criteria):
        raise HTTPException(404, KEPT_APART)
    if was_removed(database, criteria):
        raise HTTPException(410, REMOVED)
    raise HTTPException(404, NO_INSTANCE)


@contextmanager
def stored_file(request: Request, relative: str) -> Iterator[Path]:
    """Give a stored file for a block. HTTPException: 410 if it is gone, 503 if nobody can know that just now."""
    try:
        with services_of(request).store.local(relative) as path:
            yield path
    except LostError:
        raise HTTPException(410, LOST) from None
    except StoreError:
        raise HTTPException(503, STORE_AWAY, {"Retry-After": "5"}) from None
