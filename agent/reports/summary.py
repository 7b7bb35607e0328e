"""A study's result as a small JSON document, for web services and mail (docs/summary.schema.json).

Shaped as the payloads of Standard Webhooks: `type`, `timestamp`, `data`. It names no patient unless a site asks for it.
"""

import json
from datetime import datetime
from typing import Any, Final

from pydantic import Field, field_validator

from agent.reports import wording
from agent.reports.document import FLAGGED, Document, ImageOutcome, ReportSettings, StudyResult, zone
from agent.reports.identity import derived_uid, device_uid

MEDIA_TYPE: Final = "application/json"
SOP_CLASS_UIDS: Final[tuple[str, ...]] = ()
SCHEMA: Final = "tibabu-summary-1"
"""Changes when a receiver written for an earlier one could misread it; new members alone do not change it."""

_TYPE: Final = "tibabu.study.result"
_PLACE: Final = "{study_instance_uid}"
_PATIENT: Final = (
    *("patient_id", "issuer_of_patient_id", "patient_name", "patient_birth_date", "patient_sex"),
    *("accession_number", "study_id", "study_date", "study_time", "study_description", "referring_physician_name"),
)
"""What tells, alone or together, whose study it is."""


class Settings(ReportSettings):
    """How the summary is made."""

    patient_data: bool = Field(
        default=False,
        description="Also say whose study it is: Patient ID and name, birth date, sex, accession number, date and the "
        "like. Only for receivers that may know.",
    )
    probability_when_not_flagged: bool = Field(
        default=False, description="Also give the probability of analysed images that are not flagged."
    )
    link: str = Field(
        default="",
        examples=["https://tibabu.example/studies/{study_instance_uid}"],
        description="Where people find the study, with {study_instance_uid} in it; empty: no link is given.",
    )

    @field_validator("link")
    @classmethod
    def _link_leads_somewhere(cls, value: str) -> str:
        if value and not (value.startswith(("https://", "http://")) and value.isascii() and value.isprintable()):
            message = f"expected a link that begins with https:// or http://. Received: link={value}"
            raise ValueError(message)
        return value


def applies(outcome: str) -> bool:  # noqa: ARG001 - part of the contract
    """Every concluded study has a summary: flagged, not flagged, not analysed and failed alike."""
    return True


def render(result: StudyResult, settings: Settings) -> Document:
    """Return the summary. It rests on the result alone and needs no file of the store."""
    identifier = derived_uid(
        "summary",
        result.installation,
        result.study_instance_uid,
        str(result.revision),
        str(result.version),
        result.variant,
    )
    payload = {
        "schema": SCHEMA,
        "type": _TYPE,
        "timestamp": _moment(result.concluded_at, settings),
        "data": _data(result, settings),
    }
    return Document(
        media_type=MEDIA_TYPE, data=json.dumps(payload, ensure_ascii=False, indent=1).encode(), identifier=identifier
    )


def _data(result: StudyResult, settings: Settings) -> dict[str, Any]:
    data: dict[str, Any] = {
        "study_instance_uid": result.study_instance_uid,
        "revision": result.revision,
        "version": result.version,
        "outcome": result.outcome,
        "reason": wording.plain(result.reason),
        "withdrawn": result.withdrawn,
        **_probability(result.outcome, result.probability, settings),
        "priority": {"order": result.study.order_priority, "effective": result.study.priority},
        "calling_ae_title": result.study.calling_ae_title,
        "received_at": _moment(result.study.received_at, settings),
        "analysed_at": _moment(result.analysed_at, settings),
        "concluded_at": _moment(result.concluded_at, settings),
        "images": [_image(image, settings) for image in result.images],
        "model": _model(result),
        "sentences": list(wording.summary(result)),
        "links": {"study": settings.link.replace(_PLACE, result.study_instance_uid)} if settings.link else {},
    }
    if settings.patient_data:
        data["patient"] = {name: getattr(result.study, name) for name in _PATIENT}
    return data


def _image(image: ImageOutcome, settings: Settings) -> dict[str, Any]:
    return {
        "sop_instance_uid": image.sop_instance_uid,
        "outcome": image.outcome,
        "reason": wording.plain(image.reason),
        **_probability(image.outcome, image.probability, settings),
    }


def _model(result: StudyResult) -> dict[str, Any]:
    model = result.model
    return {
        "name": model.name,
        "version": model.version,
        "sha256": model.sha256,
        "operating_point": model.operating_point_name,
        "threshold": model.threshold,
        "device_uid": device_uid(result.installation, model),
        "software_version": result.software_version,
    }


def _probability(outcome: str, probability: float | None, settings: Settings) -> dict[str, float]:
    """Return the number where one may be given: of a flagged image, of others only if a site asks for it."""
    if probability is None or not (outcome == FLAGGED or settings.probability_when_not_flagged):
        return {}
    return {"probability": wording.measured(probability)}


def _moment(moment: datetime, settings: Settings) -> str:
    return moment.astimezone(zone(settings.timezone)).isoformat()
