"""What readers do with a study: open, read, agree or disagree with the AI, withdraw, priority, assign, take back."""

from typing import Annotated, Final

from fastapi import APIRouter, Body
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.reports.wording import plain
from agent.web import trail
from agent.web.api.conditions import NO_STUDY, IfMatch, seen, tag_of, whole
from agent.web.api.reading_model import (
    Assignment,
    Done,
    HolderTold,
    Lock,
    NoteGiven,
    OpinionGiven,
    PriorityGiven,
    ReadingTold,
    Reason,
    Take,
    Undo,
    Withdrawal,
    Withdrawn,
    told_reading,
)
from agent.web.api.security import Reader, Viewer
from agent.web.api.studies import StudyUid
from agent.web.objects import record_of
from agent.web.readers import check_reader
from agent.web.services import services_of
from agent.web.trail import acting, who_asks
from db import feedback, reading_lock, reading_marks
from db.causes import reason_of
from db.feedback import Opinion
from db.feedback_report import report_opinion
from db.priority import Priority
from db.reading_lock import Reader as LockReader
from db.reading_record import reading_record
from db.reading_undo import undo as take_back
from db.result_withdrawal import Why, withdraw_result

router: Final = APIRouter(tags=["Reading"])

_READING: Final = "/studies/{study_instance_uid}/reading"


@router.get(_READING, summary="Tell who reads a study, and what readers did with it")
def show_reading(request: Request, response: Response, _viewer: Viewer, study_instance_uid: StudyUid) -> ReadingTold:
    """Tell who has it, what was done and by whom, and what readers think of the AI's results."""
    services = services_of(request)
    record = reading_record(services.database, study_instance_uid)
    if record is None:
        raise HTTPException(404, NO_STUDY)
    trail.viewed(request, study_instance_uid, "reading by the API")
    response.headers["ETag"] = tag_of(record_of(request, study_instance_uid), record.seen)
    return told_reading(record, services.clock())


@router.put(f"{_READING}/lock", summary="Take a study up, or say that it is still open")
def take_up(request: Request, reader: Reader, study_instance_uid: StudyUid, take: Annotated[Take, Body()]) -> Lock:
    """Let who asks have the study before them for two minutes; of somebody else it is not taken without `take_over`.

    It is a soft lock: it warns others and stops nobody.
    """
    who = LockReader(who_asks(request), reader.display_name)
    at = services_of(request).clock()
    holder = reading_lock.take_up(
        services_of(request).database, _here(request, study_instance_uid), who, at=at, take_over=take.take_over
    )
    return Lock(mine=holder.name == reader.name, holder=HolderTold.model_validate(holder))


@router.delete(f"{_READING}/lock", status_code=204, summary="Put a study down")
def put_down(request: Request, reader: Reader, study_instance_uid: StudyUid) -> None:
    """Let who asks have the study before them no more, if they had."""
    who = LockReader(who_asks(request), reader.display_name)
    services = services_of(request)
    reading_lock.put_down(services.database, _here(request, study_instance_uid), who, at=services.clock())


@router.post(f"{_READING}/read", summary="Take a study off the worklist")
def mark_read(request: Request, _reader: Reader, study_instance_uid: StudyUid, if_match: IfMatch = None) -> Done:
    """Say that it has been read."""
    services = services_of(request)
    before = seen(services.database, study_instance_uid, if_match)
    return Done(act=reading_marks.mark_read(services.database, services.queue, before, acting(request)))


@router.post(f"{_READING}/unread", summary="Put a study back on the worklist")
def mark_unread(
    request: Request,
    _reader: Reader,
    study_instance_uid: StudyUid,
    why: Annotated[Reason, Body()],
    if_match: IfMatch = None,
) -> Done:
    """Say that it is still to be read."""
    services = services_of(request)
    before = seen(services.database, study_instance_uid, if_match)
    return Done(act=reading_marks.mark_unread(services.database, services.queue, before, acting(request), why.reason))


@router.post(f"{_READING}/feedback", summary="Agree or disagree with the AI's result")
def give_feedback(
    request: Request,
    _reader: Reader,
    study_instance_uid: StudyUid,
    given: Annotated[OpinionGiven, Body()],
    if_match: IfMatch = None,
) -> Done:
    """Record what a reader thinks of the current result, and sees. To agree is to see what the AI said."""
    services = services_of(request)
    before = seen(services.database, study_instance_uid, if_match)
    return Done(act=feedback.give(services.database, before, acting(request), Opinion(**given.model_dump())))


@router.post(f"{_READING}/priority", summary="Change a study's priority")
def set_priority(
    request: Request,
    _reader: Reader,
    study_instance_uid: StudyUid,
    given: Annotated[PriorityGiven, Body()],
    if_match: IfMatch = None,
) -> Done:
    """Let a person's priority count before the order's and the AI's; the study has its new place at once."""
    services = services_of(request)
    act = reading_marks.set_priority(
        services.database,
        services.queue,
        seen(services.database, study_instance_uid, if_match),
        acting(request),
        None if given.priority is None else Priority[given.priority.upper()],
        reason=given.reason,
        allowances=services.allowances,
    )
    return Done(act=act)


@router.post(f"{_READING}/assignment", summary="Say whose a study is to read")
def assign(
    request: Request,
    _reader: Reader,
    study_instance_uid: StudyUid,
    given: Annotated[Assignment, Body()],
    if_match: IfMatch = None,
) -> Done:
    """Let the study be somebody's to read, or nobody's in particular. 409 for a name that is no reader's account."""
    services = services_of(request)
    check_reader(services, given.person)
    before = seen(services.database, study_instance_uid, if_match)
    return Done(act=reading_marks.assign(services.database, before, acting(request), given.person))


@router.post(f"{_READING}/notes", summary="Write a note")
def add_note(
    request: Request,
    _reader: Reader,
    study_instance_uid: StudyUid,
    given: Annotated[NoteGiven, Body()],
    if_match: IfMatch = None,
) -> Done:
    """Write a note on the study. A repeat of the request writes it once: its If-Match is that of another state."""
    services = services_of(request)
    before, uid = whole(if_match), _here(request, study_instance_uid)
    act = reading_marks.add_note(services.database, uid, acting(request), given.note, only_if=before)
    return Done(act=act)


@router.post(f"{_READING}/undo", summary="Take an act back")
def undo(
    request: Request,
    _reader: Reader,
    study_instance_uid: StudyUid,
    given: Annotated[Undo, Body()],
    if_match: IfMatch = None,
) -> Done:
    """Put back what an act changed, unless it has changed again."""
    services = services_of(request)
    before = seen(services.database, study_instance_uid, if_match)
    act = take_back(
        services.database, services.queue, before, acting(request), given.act, allowances=services.allowances
    )
    return Done(act=act)


@router.post(f"{_READING}/amendment", summary="Let the reports say that a reader disagrees")
def amend(request: Request, _reader: Reader, study_instance_uid: StudyUid, if_match: IfMatch = None) -> Done:
    """Make the reports anew, with the AI's result as it was. 409 where the last word on it is not that it is wrong."""
    services = services_of(request)
    before = seen(services.database, study_instance_uid, if_match)
    return Done(act=report_opinion(services.database, services.queue, before, acting(request)))


@router.post(f"{_READING}/withdrawal", summary="Withdraw the AI's result")
def withdraw(
    request: Request,
    reader: Reader,
    study_instance_uid: StudyUid,
    given: Annotated[Withdrawal, Body()],
    if_match: IfMatch = None,
) -> Withdrawn:
    """Take back the current result, and with it what was sent because of it: rejection notes follow by themselves."""
    services, note = services_of(request), plain(given.note)
    before, uid = whole(if_match), _here(request, study_instance_uid)
    why = Why(cause=given.cause, reason=reason_of(given.cause, note), actor=reader.name)
    done = withdraw_result(
        services.database,
        services.queue,
        uid,
        why,
        at=services.clock(),
        allowances=services.allowances,
        only_if=before,
    )
    return Withdrawn.model_validate(done)


def _here(request: Request, study_instance_uid: str) -> str:
    """Return the UID of a study that is here. HTTPException, 404, for another."""
    return record_of(request, study_instance_uid).study.study_instance_uid
