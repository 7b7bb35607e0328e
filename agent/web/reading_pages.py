"""What readers do with a study: plain forms of its page that POST and come back to it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from agent.reports.wording import plain
from agent.tokens import WORKLIST_WRITE
from agent.web.access import Address, person_of
from agent.web.forms import form_of, number_in
from agent.web.readers import check_reader, readers_of
from agent.web.reading import Asked, ReadingPage, reading_page
from agent.web.services import services_of
from agent.web.trail import acting, who_asks
from db import feedback, reading_lock, reading_marks
from db.causes import Cause, reason_of
from db.errors import ChangedError, RefusedError
from db.feedback import Also, Finding, Opinion
from db.feedback_report import report_opinion
from db.priority import Priority
from db.reading_acts import Seen
from db.reading_lock import Reader
from db.reading_record import reading_record
from db.reading_undo import undo as take_back
from db.result_withdrawal import Why, withdraw_result
from db.worklist import WorklistRow

_LONGEST_NOTE: Final = 200
WRONG_FORM: Final = "This form is not one of the page. Open the study anew."


def reading_of(request: Request, row: WorklistRow) -> ReadingPage | None:
    """Return the reading of a study for its page; None for a study that is not here any more."""
    services, person = services_of(request), person_of(request)
    record = reading_record(services.database, row.study_instance_uid)
    if record is None:
        return None
    asked = Asked(
        may_act=person.may(WORKLIST_WRITE), done=request.query_params.get("done", ""), readers=readers_of(services)
    )
    # What the page shows is the row's revision: one that came while it was made has not been seen.
    record = replace(record, seen=replace(record.seen, revision=row.revision))
    return reading_page(record, row, person, services.clock(), asked, services.zone)


def take_up(request: Request) -> Response:
    """Let who asks have the study before them."""
    services, wanted = services_of(request), form_of(request).get("take_over") == "yes"
    reader = _reader(request)
    holder = reading_lock.take_up(services.database, _uid(request), reader, at=services.clock(), take_over=wanted)
    return _back(request, "open" if holder.name == reader.who.name else "busy")


def keep_up(request: Request) -> Response:
    """Say that the page of who asks is still open, or has just been opened; tell the script whether it is theirs."""
    services, reader = services_of(request), _reader(request)
    if form_of(request).get("begin") == "yes":
        holder = reading_lock.take_up(services.database, _uid(request), reader, at=services.clock())
        return JSONResponse({"mine": holder.name == reader.who.name})
    mine = reading_lock.keep_up(services.database, _uid(request), reader, at=services.clock())
    return JSONResponse({"mine": mine})


def put_down(request: Request) -> Response:
    """Let who asks have the study before them no more."""
    services = services_of(request)
    reading_lock.put_down(services.database, _uid(request), _reader(request), at=services.clock())
    return _back(request, "")


def mark_read(request: Request) -> Response:
    """Take the study off the worklist."""
    services = services_of(request)
    reading_marks.mark_read(services.database, services.queue, seen(request), acting(request))
    return _back(request, "read")


def mark_unread(request: Request) -> Response:
    """Put the study back on the worklist."""
    services, reason = services_of(request), words(request, "reason")
    reading_marks.mark_unread(services.database, services.queue, seen(request), acting(request), reason)
    return _back(request, "unread")


def give_feedback(request: Request) -> Response:
    """Record what a reader thinks of the AI's result, and sees."""
    form = form_of(request)
    if (
        form.get("opinion") not in {"agree", "disagree"}
        or form.get("finding") not in set(Finding)
        or form.get("also", "") not in set(Also)
    ):
        raise RefusedError(WRONG_FORM)
    opinion = Opinion(
        agrees=form["opinion"] == "agree",
        finding=Finding(form["finding"]),
        reason=words(request, "reason"),
        finding_text=words(request, "finding_text"),
        also=Also(form.get("also", "")),
    )
    feedback.give(services_of(request).database, seen(request), acting(request), opinion)
    return _back(request, "feedback")


def set_priority(request: Request) -> Response:
    """Let a person's priority count, or the order's and the AI's again."""
    services, name = services_of(request), form_of(request).get("priority", "")
    if name and name not in Priority.__members__:
        raise RefusedError(WRONG_FORM)
    reading_marks.set_priority(
        services.database,
        services.queue,
        seen(request),
        acting(request),
        Priority[name] if name else None,
        reason=words(request, "reason"),
        allowances=services.allowances,
    )
    return _back(request, "priority")


def assign(request: Request) -> Response:
    """Let the study be somebody's to read."""
    services, person = services_of(request), words(request, "person", longest=200)
    check_reader(services, person)
    reading_marks.assign(services.database, seen(request), acting(request), person)
    return _back(request, "assigned")


def add_note(request: Request) -> Response:
    """Write a note."""
    reading_marks.add_note(services_of(request).database, _uid(request), acting(request), words(request, "note"))
    return _back(request, "note")


def undo(request: Request) -> Response:
    """Take back an act."""
    services, act = services_of(request), number_in(form_of(request), "act")
    if act is None:
        raise RefusedError(WRONG_FORM)
    take_back(services.database, services.queue, seen(request), acting(request), act, allowances=services.allowances)
    return _back(request, "undone")


def amend(request: Request) -> Response:
    """Let the reports say that a reader disagrees."""
    services = services_of(request)
    report_opinion(services.database, services.queue, seen(request), acting(request))
    return _back(request, "reported")


def withdraw(request: Request) -> Response:
    """Take back the result with which the reader disagrees, and with it what was sent because of it."""
    services, note, cause = services_of(request), plain(words(request, "note")), form_of(request).get("cause", "")
    if cause not in set(Cause) or len(note) > _LONGEST_NOTE:
        raise RefusedError(WRONG_FORM)
    why = Why(cause=Cause(cause), reason=reason_of(Cause(cause), note), actor=person_of(request).name)
    withdraw_result(
        services.database,
        services.queue,
        _uid(request),
        why,
        at=services.clock(),
        allowances=services.allowances,
        revision=seen(request).revision,
    )
    return _back(request, "withdrawn")


def told(endpoint: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Return the endpoint; what is on record against it is told in its own words."""

    def telling(request: Request) -> Response:
        try:
            return endpoint(request)
        except ChangedError as error:
            raise HTTPException(409, str(error)) from None
        except RefusedError as error:
            sentence = str(error)
            raise HTTPException(422, sentence if sentence.endswith(".") else f"{sentence}.") from None

    telling.__name__ = endpoint.__name__
    return telling


def _uid(request: Request) -> str:
    return str(request.path_params["study_instance_uid"])


def seen(request: Request) -> Seen:
    """Return what a form says that its reader had before them."""
    form = form_of(request)
    revision, version = number_in(form, "revision"), number_in(form, "version")
    if revision is None or version is None:
        raise RefusedError(WRONG_FORM)
    return Seen(_uid(request), revision, version)


def _reader(request: Request) -> Reader:
    return Reader(who_asks(request), person_of(request).display_name)


def words(request: Request, name: str, longest: int = reading_marks.LONGEST) -> str:
    """Return what somebody wrote. RefusedError if it is too long."""
    written = form_of(request).get(name, "")
    if len(written) > longest:
        message = f"Write at most {longest} characters."
        raise RefusedError(message)
    return written


def _back(request: Request, done: str) -> Response:
    query = f"?done={done}" if done else ""
    return RedirectResponse(f"/studies/{_uid(request)}{query}#reading", 303)


_DOES: Final = {
    "open": take_up,
    "keep": keep_up,
    "close": put_down,
    "read": mark_read,
    "unread": mark_unread,
    "feedback": give_feedback,
    "priority": set_priority,
    "assign": assign,
    "note": add_note,
    "undo": undo,
    "amend": amend,
    "withdraw": withdraw,
}

ADDRESSES: Final = tuple(
    Address("POST", f"/studies/{{study_instance_uid}}/reading/{name}", told(endpoint), WORKLIST_WRITE)
    for name, endpoint in _DOES.items()
)
