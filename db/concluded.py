"""A concluded revision of a study: what its reports are made of."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, literal, select

from db.causes import CORRECTED, Cause
from db.database import Database
from db.outcome import Outcome
from db.prepared import Prepared
from db.priority import Priority, effective, ups_term
from db.rejection import ObjectThere, objects_there
from db.roles import Role
from db.schema.domain import delivery, image_result, instance, report, result, study
from db.workitems import latest_task, tasks_before


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcludedImage:
    """A candidate image of a concluded revision with what came of it."""

    sop_instance_uid: str
    sop_class_uid: str
    path: str | None  # None: retention has removed it
    outcome: Outcome
    reason: str
    probability: float | None
    heat_map: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Whose study it is and what was asked for, as it is on record now; priorities as `db.priority.ups_term`.

    `corrected` names those that are no longer what the Instances say.
    """

    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    patient_birth_date: str
    patient_sex: str
    accession_number: str
    study_date: str
    study_time: str
    study_description: str
    study_id: str
    modality: str
    referring_physician_name: str
    calling_ae_title: str
    received_at: datetime
    order_priority: str
    priority: str
    corrected: frozenset[str]
    due_at: datetime
    reading_task_uid: str
    reading_task_cancelled: str
    reading_tasks_before: tuple[str, ...]


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
    facts: Facts
    withdrawal_cause: Cause | None  # why earlier results were taken back with this one
    withdrawal_reason: str
    reader_finding: str  # what a reader sees who disagrees; "" where nothing is to be said of that
    rejected: tuple[ObjectThere, ...]  # of a rejection note: what it takes back
    fall_back: int  # how many forms of the report its destination refused
    companions: tuple[tuple[str, int], ...]  # names and versions of those that go wherever this report goes
    predecessors: tuple[tuple[str, str, str], ...]  # (SOP Class UID, SOP Instance UID, Series Instance UID)


def concluded_study(database: Database, report_id: int) -> ConcludedStudy:
    """Return what the report has to say: the images and evidence as they stood when its revision was concluded."""
    with database.read() as connection:
        (row,) = _REPORT.rows(connection, {"which": report_id})
        rejected = _rejected(connection, report_id, row) if row.rejects else ()
        return _said(connection, row, rejected, _companions(connection, report_id, row.id))


def concluded_unordered(database: Database, result_id: int, kind: str) -> ConcludedStudy:
    """Return what a report of that name would have to say of a result, if a destination had it ordered."""
    with database.read() as connection:
        study_id = select(result.c.study_id).where(result.c.id == result_id).scalar_subquery()
        versions = select(report.c.version).join(result).where(result.c.study_id == study_id, report.c.kind == kind)
        version = max(connection.scalars(versions), default=0) + 1
        row = connection.execute(
            select(
                result,
                literal(kind).label("kind"),
                literal(version).label("version"),
                literal(0).label("fall_back"),
                study.c.study_instance_uid,
            )
            .join(study, study.c.id == result.c.study_id)
            .where(result.c.id == result_id)
        ).one()
        return _said(connection, row, (), ())


_REPORT = Prepared(
    select(
        result,
        report.c.kind,
        report.c.version,
        report.c.rejects,
        report.c.fall_back,
        study.c.study_instance_uid,
    )
    .select_from(report)
    .join(result)
    .join(study, study.c.id == result.c.study_id)
    .where(report.c.id == bindparam("which"))
)
_SENT_TOO = Prepared(
    select(report.c.id, report.c.kind, report.c.version, delivery.c.destination)
    .join(delivery, delivery.c.report_id == report.c.id)
    .where(report.c.result_id == bindparam("result_id"), report.c.rejects.is_(False))
    .order_by(report.c.id)
)
_OWNER = Prepared(select(study).where(study.c.id == bindparam("study_id")))
_EVIDENCE = Prepared(
    select(instance.c.path)
    .where(
        instance.c.study_id == bindparam("study_id"),
        instance.c.role.in_((Role.CANDIDATE, Role.EVIDENCE)),
        instance.c.removed_at.is_(None),
        instance.c.received_at <= bindparam("concluded_at"),
    )
    .order_by(instance.c.is_image.desc(), instance.c.id)
)
_PREDECESSORS = Prepared(
    select(report.c.sop_class_uid, report.c.sop_instance_uid, report.c.series_instance_uid)
    .join(result)
    .where(
        result.c.study_id == bindparam("study_id"),
        result.c.revision < bindparam("revision"),
        report.c.kind == bindparam("kind"),
        report.c.sop_instance_uid.is_not(None),
    )
    .order_by(result.c.revision)
)
_RESULTS = Prepared(
    select(
        image_result,
        instance.c.sop_instance_uid,
        instance.c.sop_class_uid,
        case((instance.c.removed_at.is_(None), instance.c.path)).label("path"),
    )
    .join(instance)
    .where(
        instance.c.study_id == bindparam("study_id"),
        instance.c.withdrawn.is_(None),
        image_result.c.revision <= bindparam("revision"),
    )
    .order_by(instance.c.id, image_result.c.revision)
)
_WITHDRAWN = Prepared(
    select(instance)
    .where(
        instance.c.study_id == bindparam("study_id"),
        instance.c.withdrawn.is_not(None),
        instance.c.role != Role.CONFLICT,  # kept apart: they are somebody else's
        instance.c.received_at <= bindparam("concluded_at"),
    )
    .order_by(instance.c.id)
)


def _companions(connection: Connection, report_id: int, result_id: int) -> tuple[tuple[str, int], ...]:
    rows = _SENT_TOO.rows(connection, {"result_id": result_id})
    destinations: dict[int, set[str]] = {}
    for row in rows:
        destinations.setdefault(row.id, set()).add(row.destination)
    mine = destinations.pop(report_id, set())
    versions = {row.id: (row.kind, row.version) for row in rows}
    return tuple(versions[other] for other, theirs in destinations.items() if mine and mine <= theirs)


def _said(
    connection: Connection,
    row: Row[Any],
    rejected: tuple[ObjectThere, ...],
    companions: tuple[tuple[str, int], ...],
) -> ConcludedStudy:
    (owner,) = _OWNER.rows(connection, {"study_id": row.study_id})
    task = latest_task(connection, row.study_id)
    before = () if task is None else tasks_before(connection, task)
    images = _images(connection, row)
    concluded = {"study_id": row.study_id, "concluded_at": row.concluded_at}
    evidence = [one.path for one in _EVIDENCE.rows(connection, concluded)]
    of_kind = {"study_id": row.study_id, "revision": row.revision, "kind": row.kind}
    predecessors = _PREDECESSORS.rows(connection, of_kind)
    stands = row.withdrawal_reason == CORRECTED and not row.rejects  # only who the patient is has changed
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
        facts=_facts(owner, task, before),
        withdrawal_cause=None if row.withdrawal_cause is None or stands else Cause(row.withdrawal_cause),
        withdrawal_reason="" if stands else row.withdrawal_reason or "",
        reader_finding=row.reader_finding or "",
        rejected=rejected,
        fall_back=row.fall_back,
        companions=companions,
        predecessors=tuple(
            (earlier.sop_class_uid, earlier.sop_instance_uid, earlier.series_instance_uid) for earlier in predecessors
        ),
    )


def _rejected(connection: Connection, report_id: int, row: Row[Any]) -> tuple[ObjectThere, ...]:
    """Return what a rejection note takes back: it has one delivery, and names what is at that destination."""
    query = select(delivery.c.destination).where(delivery.c.report_id == report_id)
    return objects_there(connection, row.study_id, connection.execute(query).scalar_one(), before=row.revision)


def _facts(owner: Row[Any], task: Row[Any] | None, before: tuple[str, ...]) -> Facts:
    made = {"order_priority", "priority", "corrected"}
    stored = [field.name for field in fields(Facts) if field.name not in made and not field.name.startswith("reading_")]
    order = Priority(owner.order_priority)
    ai, person = (None if one is None else Priority(one) for one in (owner.ai_priority, owner.person_priority))
    return Facts(
        **{name: getattr(owner, name) for name in stored},
        order_priority=ups_term(order),
        priority=ups_term(effective(order, ai, person)),
        corrected=frozenset(owner.corrected.split()),
        reading_task_uid="" if task is None else task.sop_instance_uid,
        reading_task_cancelled="" if task is None else task.reason,
        reading_tasks_before=before,
    )


def _images(connection: Connection, row: Row[tuple[object, ...]]) -> tuple[ConcludedImage, ...]:
    """Return each image's latest result up to the row's revision, and then those that their modality withdrew."""
    found = _RESULTS.rows(connection, {"study_id": row.study_id, "revision": row.revision})
    latest = {image.instance_id: image for image in found}
    counted = tuple(
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
    return counted + _withdrawn(connection, row)


def _withdrawn(connection: Connection, row: Row[tuple[object, ...]]) -> tuple[ConcludedImage, ...]:
    found = _WITHDRAWN.rows(connection, {"study_id": row.study_id, "concluded_at": row.concluded_at})
    return tuple(
        ConcludedImage(
            sop_instance_uid=image.sop_instance_uid,
            sop_class_uid=image.sop_class_uid,
            path=None if image.removed_at is not None else image.path,
            outcome=Outcome.NOT_ANALYSED,
            reason=image.withdrawn,
            probability=None,
            heat_map=None,
        )
        for image in found
    )
