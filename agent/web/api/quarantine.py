"""Studies in conflict of identity, or whose patient is in doubt: both identities, and what a person decides."""

from typing import Annotated, Final

from fastapi import APIRouter, Body
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.web import contested, trail
from agent.web.api.conditions import NO_STUDY, IfMatch, seen, tag_of
from agent.web.api.model import Model, Moment
from agent.web.api.reading_model import Done, Words
from agent.web.api.security import Reader, Viewer
from agent.web.api.studies import StudyUid
from agent.web.objects import record_of
from agent.web.quarantine import SHOWN
from agent.web.services import services_of
from agent.web.trail import acting
from db.quarantine import ConflictInstance, Decision, in_conflict, quarantined, settle_doubt
from db.reading_record import reading_record

router: Final = APIRouter(tags=["Quarantine"])

_OF_STUDY: Final = "/quarantine/{study_instance_uid}"


class QuarantinedTold(Model):
    """A study that waits for a person to say whose it is."""

    study_instance_uid: str
    patient_id: str = Field(description="On record.")
    patient_name: str = Field(description="On record (PS3.5 6.2.1).")
    received_at: Moment
    conflict: str = Field(description="What contradicts what, or empty.")
    doubt: str = Field(description="Why its patient is in doubt, or empty.")
    instances: int = Field(ge=0, description="Objects in conflict on which nobody has decided.")


class Quarantine(Model):
    """Those that wait, the first to be due at the top: 200 at most."""

    items: tuple[QuarantinedTold, ...]


class PatientTold(Model):
    """Whose something is said to be."""

    patient_id: str
    issuer_of_patient_id: str = Field(description="A patient is a Patient ID of one issuer; empty where none is said.")
    patient_name: str
    patient_birth_date: str = Field(examples=["19700101"])
    patient_sex: str


_OF_ROW: Final = ("patient_id", "patient_name", "patient_birth_date", "patient_sex")


class ObjectTold(Model):
    """An object in conflict."""

    sop_instance_uid: str
    calling_ae_title: str = Field(description="Who sent it.")
    received_at: Moment
    has_twin: bool = Field(description="Whether its UID is another object's, too: then it can only be kept apart.")
    patient: PatientTold | None = Field(description="Whose its file says it is; null: it cannot be read just now.")


class ConflictTold(Model):
    """Both identities of a study."""

    conflict: str = Field(description="What contradicts what, or empty.")
    doubt: str = Field(description="Why its patient is in doubt, or empty.")
    patient: PatientTold = Field(description="On record.")
    in_conflict: tuple[ObjectTold, ...] = Field(description=f"The first {SHOWN} of them.")
    more: int = Field(ge=0, description="How many are not listed. A decision is about all.")
    objects: str = Field(description="What stands for just these objects: a decision sends it back.")


class DecisionGiven(Model):
    """Whose the objects in conflict are."""

    decision: Decision = Field(
        description=(
            "accept: the patient's on record, and of this study. assign: the study is of the patient whom they name. "
            "keep_apart: not of this study."
        )
    )
    objects: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]*$")] = Field(
        description="As the conflict was told: 412 where other objects are in conflict by now."
    )
    reason: Words = Field(description="Needed.", examples=["The ward says so."])


class Settlement(Model):
    """Why the patient on record is right."""

    reason: Words = Field(description="Needed.", examples=["The ward says so."])


@router.get("/quarantine", summary="List the studies that wait for a person to say whose they are")
def list_quarantine(request: Request, _viewer: Viewer) -> Quarantine:
    """List studies in conflict of identity, and those whose patient is in doubt."""
    trail.searched(request, "quarantine by the API")
    rows = quarantined(services_of(request).database)
    return Quarantine(items=tuple(QuarantinedTold.model_validate(row) for row in rows))


@router.get(_OF_STUDY, summary="Tell both identities of a study in conflict")
def show_conflict(request: Request, response: Response, _viewer: Viewer, study_instance_uid: StudyUid) -> ConflictTold:
    """Tell whose it is on record, and whose the files of the objects in conflict say they are."""
    services, record = services_of(request), record_of(request, study_instance_uid)
    reading = reading_record(services.database, study_instance_uid)
    if reading is None:
        raise HTTPException(404, NO_STUDY)
    trail.viewed(request, study_instance_uid, "conflict of identity by the API")
    found = in_conflict(services.database, study_instance_uid)
    listed = tuple(_object(request, one) for one in found[:SHOWN])
    others = {one.patient.patient_id for one in listed if one.patient is not None} - {record.study.patient_id}
    trail.viewed_too(request, study_instance_uid, others, "conflict of identity by the API: another patient")
    response.headers["ETag"] = tag_of(record, reading.seen)
    return ConflictTold(
        conflict=reading.conflict,
        doubt=reading.doubt,
        patient=PatientTold(
            issuer_of_patient_id=reading.issuer_of_patient_id,
            **{name: getattr(record.study, name) for name in _OF_ROW},
        ),
        in_conflict=listed,
        more=len(found) - len(listed),
        objects=contested.objects_of(found),
    )


@router.post(f"{_OF_STUDY}/decision", summary="Decide whose the objects in conflict are")
def decide(
    request: Request,
    _reader: Reader,
    study_instance_uid: StudyUid,
    given: Annotated[DecisionGiven, Body()],
    if_match: IfMatch = None,
) -> Done:
    """Record it; the study is analysed and concluded anew, and what was sent of another patient is taken back."""
    services = services_of(request)
    before = seen(services.database, study_instance_uid, if_match)
    decided = contested.Decided(decision=given.decision, objects=given.objects, reason=given.reason)
    return Done(act=contested.decide(services, before, acting(request), decided))


@router.post(f"{_OF_STUDY}/settlement", summary="Settle the doubt about a study's patient")
def settle(
    request: Request,
    _reader: Reader,
    study_instance_uid: StudyUid,
    given: Annotated[Settlement, Body()],
    if_match: IfMatch = None,
) -> Done:
    """Record that the patient on record is right. 409 where there is no doubt."""
    services = services_of(request)
    before = seen(services.database, study_instance_uid, if_match)
    return Done(act=settle_doubt(services.database, before, acting(request), reason=given.reason))


def _object(request: Request, one: ConflictInstance) -> ObjectTold:
    who = contested.identified(services_of(request), one)
    said = None if who is None else {name: who.patient[name] for name in PatientTold.model_fields}
    names = [name for name in ObjectTold.model_fields if name != "patient"]
    return ObjectTold.model_validate({name: getattr(one, name) for name in names} | {"patient": said})
