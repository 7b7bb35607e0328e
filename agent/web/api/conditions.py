"""Conditional requests (RFC 9110 13): a change says of which state of the study it was made."""

from typing import Annotated, Final, TypeAlias

from fastapi import Header
from starlette.exceptions import HTTPException

from db.worklist import StudyRecord

IfMatch: TypeAlias = Annotated[
    str | None,
    Header(
        description="The ETag of the study for which the change was decided, or * for any state. Needed: 428 without.",
        max_length=200,
        examples=['"1-7"'],
    ),
]

NEEDED: Final = "Expected the header If-Match with the study's ETag, or *. Received: none."
CHANGED: Final = "Something has happened to the study meanwhile: get it again, look, and decide anew."


def tag_of(record: StudyRecord) -> str:
    """Return a study's entity tag: its revision, and the last thing that happened to it."""
    last = record.events[-1]["id"] if record.events else 0
    return f'"{record.study.revision}-{last}"'


def check(record: StudyRecord, if_match: str | None) -> None:
    """Pass if the study is as whoever changes it saw it. HTTPException: 428 if they do not say, 412 if it is not."""
    if if_match is None:
        raise HTTPException(428, NEEDED)
    named = {one.strip() for one in if_match.split(",")}
    if not named & {"*", tag_of(record)}:
        raise HTTPException(412, CHANGED)
