"""Conditional requests (RFC 9110 13): a change says of which state of the study it was made.

A study's entity tag is made of its revision, of how many acts of readers there have been, and of the last thing that
happened to it. A reader's act compares the first two, in its own transaction: that a report was delivered meanwhile
takes nothing from what they saw. What else changes a study compares all three.
"""

import re
from typing import Annotated, Final, TypeAlias

from fastapi import Header
from starlette.exceptions import HTTPException

from db.database import Database
from db.reading_acts import Seen
from db.reading_record import reading_record
from db.unchanged import CHANGED, Whole
from db.worklist import StudyRecord

IfMatch: TypeAlias = Annotated[
    str | None,
    Header(
        description="The ETag of the study for which the change was decided, or * for any state. Needed: 428 without.",
        max_length=200,
        examples=['"1-0-7"'],
    ),
]
_TAG: Final = re.compile(r'"([0-9]{1,9})-([0-9]{1,9})-([0-9]{1,18})"')

NEEDED: Final = "Expected the header If-Match with the study's ETag, or *. Received: none."
NO_STUDY: Final = "No study of that Study Instance UID is here."


def tag_of(record: StudyRecord, seen: Seen | None) -> str:
    """Return a study's entity tag."""
    last = record.events[-1]["id"] if record.events else 0
    return f'"{record.study.revision}-{0 if seen is None else seen.version}-{last}"'


def seen_of(database: Database, study_instance_uid: str) -> Seen | None:
    """Return how many acts of readers there have been; None for a study that is not here any more."""
    record = reading_record(database, study_instance_uid)
    return None if record is None else record.seen


def whole(if_match: str | None) -> Whole | None:
    """Return the state for which a change was decided, None for any. HTTPException: 428 if none is said, 412: no tag.

    It is compared in the transaction of the change (`db.unchanged`).
    """
    said = _said(if_match)
    if said == "*":
        return None
    found = _TAG.fullmatch(said)
    if found is None:
        raise HTTPException(412, CHANGED)
    return Whole(int(found[1]), int(found[2]), int(found[3]))


def seen(database: Database, study_instance_uid: str, if_match: str | None) -> Seen:
    """Return what a reader who acts has seen. HTTPException: 404, 428 if they do not say, 412 for no tag."""
    now = seen_of(database, study_instance_uid)
    if now is None:
        raise HTTPException(404, NO_STUDY)
    said = _said(if_match)
    if said == "*":
        return now
    found = _TAG.fullmatch(said)
    if found is None:
        raise HTTPException(412, CHANGED)
    return Seen(study_instance_uid, int(found[1]), int(found[2]))


def _said(if_match: str | None) -> str:
    if if_match is None:
        raise HTTPException(428, NEEDED)
    return if_match.strip()
