"""Deliveries: one report to one destination, rendered once, sent until acknowledged, parked or superseded."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, select, update

from db import kinds
from db.advance import lock
from db.conclusion import DeliveryState, settle_delivered
from db.database import Database
from db.intake import Role
from db.outcome import Outcome
from db.queue import Queue
from db.schema import delivery, image_result, instance, report, result, study


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReport:
    """A rendered report: its bytes in the store, their digest, its identity. The same UID is the same bytes."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    sha256: str
    path: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTask:
    """A delivery to attempt. `stored` is None until the report has been rendered."""

    delivery_id: int
    destination: str
    report_id: int
    kind: str
    media_type: str
    study_instance_uid: str
    stored: StoredReport | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcludedImage:
    """A candidate image of a concluded revision with what came of it."""

    sop_instance_uid: str
    sop_class_uid: str
    path: str
    outcome: Outcome
    reason: str
    probability: float | None
    heat_map: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcludedStudy:
    """Everything a report says: a revision's result, images, evidence (paths in the store) and predecessors."""

    study_instance_uid: str
    revision: int
    version: int
    outcome: Outcome
    reason: str
    probability: float | None
    model_name: str
    model_version: str
    model_sha256: str
    operating_point: str
    threshold: float
    analysed_at: datetime
    concluded_at: datetime
    images: tuple[ConcludedImage, ...]
    evidence: tuple[str, ...]
    predecessors: tuple[tuple[str, str, str], ...]  # (SOP Class UID, SOP Instance UID, Series Instance UID)


def delivery_task(database: Database, delivery_id: int) -> DeliveryTask | None:
    """Return the delivery to attempt, or None: acknowledged, parked, superseded, or its study is in conflict."""
    with database.read() as connection:
        row = connection.execute(
            select(
                delivery,
                report.c.kind,
                report.c.media_type,
                report.c.sop_class_uid,
                report.c.sop_instance_uid,
                report.c.series_instance_uid,
                report.c.sha256,
                report.c.path,
                report.c.size,
                study.c.study_instance_uid,
            )
            .select_from(delivery)
            .join(report)
            .join(result)
            .join(study, study.c.id == result.c.study_id)
            .where(delivery.c.id == delivery_id, delivery.c.state == DeliveryState.QUEUED, study.c.conflict == "")
        ).one_or_none()
    if row is None:
        return None
    return DeliveryTask(
        delivery_id=row.id,
        destination=row.destination,
        report_id=row.report_id,
        kind=row.kind,
        media_type=row.media_type,
        study_instance_uid=row.study_instance_uid,
        stored=None if row.sha256 is None else _stored(row),
    )


def _stored(row: Row[tuple[object, ...]]) -> StoredReport:
    return StoredReport(
        sop_class_uid=row.sop_class_uid,
        sop_instance_uid=row.sop_instance_uid,
        series_instance_uid=row.series_instance_uid,
        sha256=row.sha256,
        path=row.path,
        size=row.size,
    )


def concluded_study(database: Database, report_id: int) -> ConcludedStudy:
    """Return what the report has to say: the images and evidence as they stood when its revision was concluded."""
    with database.read() as connection:
        row = connection.execute(
            select(result, report.c.kind, report.c.version, study.c.study_instance_uid)
            .select_from(report)
            .join(result)
            .join(study, study.c.id == result.c.study_id)
            .where(report.c.id == report_id)
        ).one()
        images = _images(connection, row)
        evidence = connection.scalars(
            select(instance.c.path)
            .where(
                instance.c.study_id == row.study_id,
                instance.c.role.in_((Role.CANDIDATE, Role.EVIDENCE)),
                instance.c.received_at <= row.concluded_at,
            )
            .order_by(instance.c.is_image.desc(), instance.c.id)
        ).all()
        predecessors = connection.execute(
            select(report.c.sop_class_uid, report.c.sop_instance_uid, report.c.series_instance_uid)
            .join(result)
            .where(
                result.c.study_id == row.study_id,
                result.c.revision < row.revision,
                report.c.kind == row.kind,
                report.c.sop_instance_uid.is_not(None),
            )
            .order_by(result.c.revision)
        ).all()
    return ConcludedStudy(
        study_instance_uid=row.study_instance_uid,
        revision=row.revision,
        version=row.version,
        outcome=Outcome(row.outcome),
        reason=row.reason,
        probability=row.probability,
        model_name=row.model_name,
        model_version=row.model_version,
        model_sha256=row.model_sha256,
        operating_point=row.operating_point,
        threshold=row.threshold,
        analysed_at=row.analysed_at,
        concluded_at=row.concluded_at,
        images=images,
        evidence=tuple(evidence),
        predecessors=tuple(
            (earlier.sop_class_uid, earlier.sop_instance_uid, earlier.series_instance_uid) for earlier in predecessors
        ),
    )


def _images(connection: Connection, row: Row[tuple[object, ...]]) -> tuple[ConcludedImage, ...]:
    """Return each image's latest result up to the row's revision."""
    found = connection.execute(
        select(image_result, instance.c.sop_instance_uid, instance.c.sop_class_uid, instance.c.path)
        .join(instance)
        .where(instance.c.study_id == row.study_id, image_result.c.revision <= row.revision)
        .order_by(instance.c.id, image_result.c.revision)
    ).all()
    latest = {image.instance_id: image for image in found}
    return tuple(
        ConcludedImage(
            sop_instance_uid=image.sop_instance_uid,
            sop_class_uid=image.sop_class_uid,
            path=image.path,
            outcome=Outcome(image.outcome),
            reason=image.reason,
            probability=image.probability,
            heat_map=image.heat_map,
        )
        for image in latest.values()
    )


def record_rendered(database: Database, report_id: int, stored: StoredReport, *, at: datetime) -> StoredReport:
    """Commit a report's bytes before their first send; the first writer wins and everybody sends the winner's bytes."""
    with database.begin() as connection:
        connection.execute(
            update(report)
            .where(report.c.id == report_id, report.c.sha256.is_(None))
            .values(
                sop_class_uid=stored.sop_class_uid,
                sop_instance_uid=stored.sop_instance_uid,
                series_instance_uid=stored.series_instance_uid,
                sha256=stored.sha256,
                path=stored.path,
                size=stored.size,
                rendered_at=at,
            )
        )
        row = connection.execute(select(report).where(report.c.id == report_id)).one()
    return _stored(row)


def begin_attempt(database: Database, delivery_id: int, *, at: datetime) -> int:
    """Commit, before anything is sent, that an attempt begins; return its number, 1 for the first.

    A process that dies in the middle of sending leaves this behind: the next attempt knows that the destination may
    have the report already.
    """
    with database.begin() as connection:
        attempts: int = connection.execute(
            update(delivery)
            .where(delivery.c.id == delivery_id)
            .values(attempts=delivery.c.attempts + 1, updated_at=at)
            .returning(delivery.c.attempts)
        ).scalar_one()
    return attempts


def acknowledge(database: Database, delivery_id: int, *, detail: str, at: datetime) -> None:
    """Commit that the destination has the report; a revision's last acknowledgement moves its study to DELIVERED."""
    with database.begin() as connection:
        position = lock(connection, _study_of(connection, delivery_id))
        connection.execute(
            update(delivery)
            .where(delivery.c.id == delivery_id)
            .values(
                state=DeliveryState.ACKNOWLEDGED,
                reason=detail,
                updated_at=at,
                acknowledged_at=at,
            )
        )
        settle_delivered(connection, position, at=at)


def record_failed_attempt(database: Database, delivery_id: int, *, reason: str, parked: bool, at: datetime) -> None:
    """Commit a failed attempt and its reason; a parked delivery waits, visibly, for a person to requeue it."""
    values: dict[str, object] = {"reason": reason, "updated_at": at}
    if parked:
        values["state"] = DeliveryState.PARKED
    with database.begin() as connection:
        connection.execute(
            update(delivery)
            .where(delivery.c.id == delivery_id, delivery.c.state == DeliveryState.QUEUED)
            .values(values)
        )


def requeue_deliveries(
    database: Database, queue: Queue, *, now: datetime, study_instance_uid: str = "", destination: str = ""
) -> int:
    """Queue parked deliveries again, all or those of one study or destination; return how many."""
    query = (
        select(delivery.c.id, delivery.c.destination, study.c.due_at)
        .select_from(delivery)
        .join(report)
        .join(result)
        .join(study, study.c.id == result.c.study_id)
        .where(delivery.c.state == DeliveryState.PARKED)
    )
    if study_instance_uid:
        query = query.where(study.c.study_instance_uid == study_instance_uid)
    if destination:
        query = query.where(delivery.c.destination == destination)
    with database.begin() as connection:
        rows = connection.execute(query).all()
        for row in rows:
            connection.execute(
                update(delivery)
                .where(delivery.c.id == row.id)
                .values(state=DeliveryState.QUEUED, attempts=0, updated_at=now)
            )
            queue.enqueue(connection, kinds.deliver(row.destination), str(row.id), due_at=row.due_at, run_at=now)
    return len(rows)


def _study_of(connection: Connection, delivery_id: int) -> int:
    study_id: int = connection.execute(
        select(result.c.study_id).select_from(delivery).join(report).join(result).where(delivery.c.id == delivery_id)
    ).scalar_one()
    return study_id
