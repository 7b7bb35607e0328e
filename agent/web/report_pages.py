"""A structured report as a page: its content tree as text, whoever wrote it and whatever stands in it."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.tokens import WORKLIST_READ
from agent.web import people, trail
from agent.web.access import Address
from agent.web.objects import instance_of, stored_file
from agent.web.services import page, services_of
from db.worklist import worklist_row
from dicom_io.errors import HeaderError
from dicom_io.structured import SR_CLASSES, StructuredReport, read_structured

NO_REPORT: Final = "This object is no structured report."
UNREADABLE: Final = "This report cannot be read: its file makes no sense. It can still be downloaded as it is."


def show_report(request: Request) -> Response:
    """Show a structured report of a study, one of the agent's or one that was received."""
    services, found = services_of(request), instance_of(request)
    if not found.sop_class_uid.startswith(SR_CLASSES):
        raise HTTPException(404, NO_REPORT)
    trail.viewed(request, found.study_instance_uid, f"report {found.sop_instance_uid}")
    try:
        with stored_file(request, found.path) as path:
            report = read_structured(path)
    except HeaderError:
        raise HTTPException(422, UNREADABLE) from None
    row = worklist_row(services.database, found.study_instance_uid)
    return page(
        request,
        "report.html",
        study_instance_uid=found.study_instance_uid,
        sop_instance_uid=found.sop_instance_uid,
        patient=None if row is None else people.person_name(row.patient_name),
        patient_id="" if row is None else people.patient_id(row.patient_id),
        report=report,
        state=_state(report),
        written=" ".join(part for part in (people.dicom_date(report.content_date), _time(report.content_time)) if part),
        readable=lambda text: people.readable(text, _LONGEST),
    )


_LONGEST: Final = 4000
_HMS: Final = 6


def _state(report: StructuredReport) -> str:
    said = (report.completion, report.verification)
    return ", ".join(people.readable(part).lower() for part in said if part)


def _time(value: str) -> str:
    digits = value[:_HMS]
    return f"{digits[:2]}:{digits[2:4]}" if len(digits) == _HMS and digits.isascii() and digits.isdigit() else ""


ADDRESSES: Final = (
    Address(
        "GET",
        "/studies/{study_instance_uid}/instances/{sop_instance_uid}/report",
        show_report,
        WORKLIST_READ,
    ),
)
