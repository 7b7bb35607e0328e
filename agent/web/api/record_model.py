"""What is on record of a study: events, Instances with the outcomes of images, results, reports and deliveries."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from pydantic import Field

from agent.web import words
from agent.web.api.model import Model, Moment, Uid
from agent.web.api.study_model import OutcomeTold, Study, told_outcome, told_study
from db.worklist import StudyRecord


class EventTold(Model):
    """Something that happened to the study; the audit trail of its lifecycle."""

    at: Moment
    event: str = Field(examples=["CONCLUDED"])
    from_state: str
    to_state: str
    revision: int = Field(ge=0, description="After the event.")
    actor: str = Field(description="Who did it.", examples=["agent"])
    detail: str


class ImageResultTold(Model):
    """What came of an image in one revision."""

    revision: int = Field(ge=1)
    outcome: OutcomeTold
    is_lateral: bool = Field(description="Whether it is no frontal view: such images do not count.")
    model_name: str
    model_version: str
    model_sha256: str
    finished_at: Moment


class InstanceTold(Model):
    """An object of the study."""

    sop_instance_uid: Uid
    series_instance_uid: Uid
    sop_class_uid: Uid
    transfer_syntax_uid: Uid
    sha256: str = Field(description="SHA-256 of the file, in hex; also its ETag.")
    size: int = Field(ge=0, description="Bytes.")
    role: str = Field(description="What it is to its study.", examples=["candidate"])
    received_at: Moment
    withdrawn: str | None = Field(description="Why this image does not count; null: it does.")
    removed_at: Moment | None = Field(description="When retention removed its file; null: it is here.")
    results: tuple[ImageResultTold, ...] = Field(description="Oldest first; the heat map is of the last.")


class ResultTold(Model):
    """What one revision came to, and by which model. Triage aid, not a diagnosis."""

    revision: int = Field(ge=1)
    outcome: OutcomeTold
    model_name: str
    model_version: str
    model_sha256: str
    operating_point: str
    threshold: float = Field(description="From this score on an image is flagged.")
    analysed_at: Moment
    concluded_at: Moment
    withdrawal_reason: str | None = Field(description="Why earlier results were taken back with this one, or null.")


class ReportTold(Model):
    """A rendered report."""

    id: int
    revision: int = Field(ge=1, description="Of the result that it tells.")
    kind: str = Field(examples=["sr"])
    version: int = Field(ge=1)
    media_type: str = Field(examples=["application/dicom"])
    sop_instance_uid: Uid | None = Field(description="Of a DICOM object that has been rendered.")
    sha256: str | None
    size: int | None
    rendered_at: Moment | None = Field(description="Null: nobody has been sent it yet, and there is no file.")


class AttemptTold(Model):
    """One time that a report was sent, and how it ended."""

    number: int = Field(ge=1)
    started_at: Moment
    ended_at: Moment | None = Field(description="Null: it is under way, or its process died.")
    ending: str | None = Field(examples=["acknowledged"])
    status: str = Field(description="The receiver's, as 0000, B000, AA or HTTP 409.", examples=["0000"])
    reply: str = Field(description="What the receiver added, or what went wrong.")


class DeliveryTold(Model):
    """One report on its way to one destination."""

    id: int
    report_id: int
    destination: str
    state: str = Field(examples=["ACKNOWLEDGED"])
    reason: str
    confirmation: str = Field(description="How the destination was seen to have it.")
    updated_at: Moment
    acknowledged_at: Moment | None
    attempts: tuple[AttemptTold, ...]


class StudyTold(Model):
    """Everything on record of a study, oldest first."""

    study: Study
    events: tuple[EventTold, ...]
    instances: tuple[InstanceTold, ...]
    results: tuple[ResultTold, ...]
    reports: tuple[ReportTold, ...]
    deliveries: tuple[DeliveryTold, ...]


Row = Mapping[str, Any]
Made = TypeVar("Made", bound=Model)


def told_record(record: StudyRecord, now: datetime) -> StudyTold:
    """Return everything on record of a study."""
    revisions = {row["id"]: row["revision"] for row in record.results}
    return StudyTold(
        study=told_study(record.study, now),
        events=tuple(_made(EventTold, row) for row in record.events),
        instances=tuple(_instance(row, record) for row in record.instances),
        results=tuple(_made(ResultTold, row, outcome=_outcome(row)) for row in record.results),
        reports=tuple(_made(ReportTold, row, revision=revisions[row["result_id"]]) for row in record.reports),
        deliveries=tuple(_delivery(row, record) for row in record.deliveries),
    )


def _instance(row: Row, record: StudyRecord) -> InstanceTold:
    own = (one for one in record.image_results if one["instance_id"] == row["id"])
    return _made(InstanceTold, row, results=tuple(_made(ImageResultTold, one, outcome=_outcome(one)) for one in own))


def _delivery(row: Row, record: StudyRecord) -> DeliveryTold:
    own = (one for one in record.attempts if one["delivery_id"] == row["id"])
    return _made(DeliveryTold, row, attempts=tuple(_made(AttemptTold, one) for one in own))


def _outcome(row: Row) -> OutcomeTold:
    found = words.concluded(row["outcome"], row["reason"], row["probability"])
    return told_outcome(found, row["probability"])


def _made(kind: type[Made], row: Row, **more: object) -> Made:
    """Return the part of a row that a document tells."""
    values = {name: row[name] for name in kind.model_fields if name not in more}
    return kind.model_validate(values | more)
