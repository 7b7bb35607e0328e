"""What STOW-RS answers: what became of each Instance (PS3.18 10.5.3, table I.2-1), as application/dicom+json."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import JSONResponse

from dicom_io.statuses import OUT_OF_RESOURCES

DICOM_JSON: Final = "application/dicom+json"

_FAILURE_REASON: Final = "00081197"
_FAILED_SOP_SEQUENCE: Final = "00081198"
_REFERENCED_SOP_SEQUENCE: Final = "00081199"
_OTHER_FAILURES_SEQUENCE: Final = "0008119A"
_RETRIEVE_URL: Final = "00081190"
_REFERENCED_SOP_CLASS_UID: Final = "00081150"
_REFERENCED_SOP_INSTANCE_UID: Final = "00081155"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One Instance of a request; its UIDs are "" where it could not be read. `failure` is 0 for one that is stored."""

    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    failure: int = 0


def answer(outcomes: Sequence[Outcome], base: str) -> JSONResponse:
    """Return the answer: 200 all stored, 202 some, 409 none, 503 none for want of room; `base` begins the addresses."""
    stored = [outcome for outcome in outcomes if not outcome.failure]
    named = [outcome for outcome in outcomes if outcome.failure and outcome.sop_instance_uid]
    others = [outcome for outcome in outcomes if outcome.failure and not outcome.sop_instance_uid]
    content: dict[str, Any] = {}
    if len({outcome.study_instance_uid for outcome in stored}) == 1:
        content[_RETRIEVE_URL] = _element("UR", f"{base}/studies/{stored[0].study_instance_uid}")
    if named:
        content[_FAILED_SOP_SEQUENCE] = _element("SQ", *(_reference(one) | _reason(one) for one in named))
    if stored:
        content[_REFERENCED_SOP_SEQUENCE] = _element("SQ", *(_reference(one) | _address(one, base) for one in stored))
    if others:
        content[_OTHER_FAILURES_SEQUENCE] = _element("SQ", *(_reason(one) for one in others))
    status = _status(outcomes, stored=len(stored))
    headers = {"Retry-After": "60"} if status == 503 else None  # noqa: PLR2004 - an HTTP status
    return JSONResponse(content, status, headers, media_type=DICOM_JSON)


def _status(outcomes: Sequence[Outcome], *, stored: int) -> int:
    if stored == len(outcomes):
        return 200
    if stored:
        return 202
    return 503 if any(outcome.failure == OUT_OF_RESOURCES for outcome in outcomes) else 409


def _element(vr: str, *values: object) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}


def _reference(outcome: Outcome) -> dict[str, Any]:
    return {
        _REFERENCED_SOP_CLASS_UID: _element("UI", outcome.sop_class_uid),
        _REFERENCED_SOP_INSTANCE_UID: _element("UI", outcome.sop_instance_uid),
    }


def _reason(outcome: Outcome) -> dict[str, Any]:
    return {_FAILURE_REASON: _element("US", outcome.failure)}


def _address(outcome: Outcome, base: str) -> dict[str, Any]:
    if not outcome.series_instance_uid:  # an Instance that does not say has no address of its own
        return {}
    series = f"{base}/studies/{outcome.study_instance_uid}/series/{outcome.series_instance_uid}"
    return {_RETRIEVE_URL: _element("UR", f"{series}/instances/{outcome.sop_instance_uid}")}
