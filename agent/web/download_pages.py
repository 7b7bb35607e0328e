"""Downloads: each received Instance, each report as it was sent, and the whole study as one ZIP, which is streamed.

Each is an export in the audit trail (PS3.15 A.5.3.6). File names are made of UIDs and kinds, and name no patient.
"""

from collections.abc import Iterator
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from agent.tokens import WORKLIST_READ
from agent.web import trail
from agent.web.access import Address
from agent.web.objects import AS_IT_IS, instance_of, record_of, stored_file, uid_of
from agent.web.sending import StoredFile, sent
from agent.web.services import services_of
from agent.web.study import HANDED_OUT, Row, report_file
from agent.web.zipped import Entry, zipped
from db.roles import Role
from db.worklist import StudyRecord
from dicom_io.encapsulated import PDF_CLASS, read_pdf
from dicom_io.errors import HeaderError

DICOM: Final = "application/dicom"
NO_PDF: Final = "This object holds no PDF."
NO_REPORT: Final = "There is no such report of this study here."
_MAX_DIGITS: Final = 12


def download_instance(request: Request) -> Response:
    """Answer with an Instance as it lies in the store, byte for byte."""
    found = instance_of(request)
    trail.exported(request, found.study_instance_uid, f"object {found.sop_instance_uid}")
    file = StoredFile(path=found.path, sha256=found.sha256, size=found.size, media_type=DICOM)
    return sent(request, file, headers=_headers(f"{found.sop_instance_uid}.dcm"))


def download_report(request: Request) -> Response:
    """Answer with a report as it was rendered, and sent."""
    record, text = record_of(request, uid_of(request, "study_instance_uid")), request.path_params["report"]
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else 0
    report = next((one for one in record.reports if one["id"] == number), None)
    if report is None or not (name := report_file(report)):
        raise HTTPException(404, NO_REPORT)
    trail.exported(request, record.study.study_instance_uid, f"report {report['kind']}, {report['id']}")
    file = StoredFile(**{name: report[name] for name in ("path", "sha256", "size", "media_type")})
    return sent(request, file, headers=_headers(name))


def download_pdf(request: Request) -> Response:
    """Answer with the PDF that an object holds."""
    found = instance_of(request)
    if found.sop_class_uid != PDF_CLASS:
        raise HTTPException(404, NO_PDF)
    trail.exported(request, found.study_instance_uid, f"PDF of object {found.sop_instance_uid}")
    try:
        with stored_file(request, found.path) as path:
            document = read_pdf(path)
    except HeaderError:
        raise HTTPException(422, NO_PDF) from None
    return Response(document, media_type="application/pdf", headers=_headers(f"{found.sop_instance_uid}.pdf"))


def download_study(request: Request) -> Response:
    """Answer with all that is held of a study as one ZIP: its Instances and its reports, and a list of them."""
    record = record_of(request, uid_of(request, "study_instance_uid"))
    uid = record.study.study_instance_uid
    trail.exported(request, uid, "whole study")
    body = zipped(services_of(request).store, _entries(record), _contents(record))
    return StreamingResponse(body, media_type="application/zip", headers=_headers(f"{uid}.zip"))


def _headers(name: str) -> dict[str, str]:
    return {**AS_IT_IS, "Content-Disposition": f'attachment; filename="{name}"'}


def _held(record: StudyRecord) -> list[Row]:
    return [row for row in record.instances if row["removed_at"] is None and Role(row["role"]) in HANDED_OUT]


def _entries(record: StudyRecord) -> Iterator[Entry]:
    for row in _held(record):
        yield Entry(f"objects/{row['sop_instance_uid']}.dcm", row["path"])
    for report in record.reports:
        if (name := report_file(report)) and not report["sop_instance_uid"]:  # those in DICOM are among the Instances
            yield Entry(f"reports/{name}", report["path"])


def _contents(record: StudyRecord) -> str:
    """Return the list of what is in the ZIP and what is not; it names no patient."""
    held = {row["id"] for row in _held(record)}
    lines = [f"Study {record.study.study_instance_uid}", ""]
    for row in record.instances:
        why = "removed by retention" if row["removed_at"] is not None else "kept apart until a person has decided"
        state = f"sha256 {row['sha256']}" if row["id"] in held else f"not in here: {why}"
        lines.append(f"objects/{row['sop_instance_uid']}.dcm  {state}")
    lines += [
        f"reports/{name}  sha256 {report['sha256']}"
        for report in record.reports
        if (name := report_file(report)) and not report["sop_instance_uid"]
    ]
    return "\n".join([*lines, ""])


ADDRESSES: Final = (
    Address("GET", "/studies/{study_instance_uid}/download", download_study, WORKLIST_READ),
    Address("GET", "/studies/{study_instance_uid}/reports/{report}", download_report, WORKLIST_READ),
    Address(
        "GET",
        "/studies/{study_instance_uid}/instances/{sop_instance_uid}/file",
        download_instance,
        WORKLIST_READ,
    ),
    Address("GET", "/studies/{study_instance_uid}/instances/{sop_instance_uid}/pdf", download_pdf, WORKLIST_READ),
)
