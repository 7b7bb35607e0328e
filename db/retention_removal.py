"""A study goes, in one transaction: its Instances, or all but its audit trail; each file is put on the list to delete.

The rows are committed first and the files deleted afterwards, so that no row ever needs a file that has gone. What
stays of a removed study: its UID, times, AE title, outcome and events, the UIDs and digests of its Instances, its
reading tasks without what their performers said, what readers did and thought of the AI without their own words.
Nothing that names or describes the patient.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from db import kinds
from db.advance import Position, lock, note
from db.database import Database
from db.legal_hold import KEEPING
from db.queue import Queue
from db.retention import Policy, may_go
from db.roles import Role
from db.schema.delivery import commitment_asked, delivery_attempt
from db.schema.domain import (
    INSTANCE_NUMBERS,
    INSTANCE_TEXTS,
    delivery,
    image_result,
    instance,
    report,
    result,
    study,
)
from db.schema.keeping import file_to_delete
from db.schema.model import shadow_score
from db.schema.pictures import thumbnail
from db.schema.reading import feedback, reading_act
from db.schema.triage import withheld_result
from db.schema.workitems import workitem, workitem_subscription
from db.search_index import learn_anew
from db.upsert import insert_into
from db.workitem_states import WorkitemState
from db.workitems import cancel_scheduled, latest_task

REMOVED = "Its study was removed by retention"
_OF_PATIENT = (
    *("patient_id", "issuer_of_patient_id", "patient_name", "patient_birth_date", "patient_sex", "patient_age"),
    *("accession_number", "study_date", "study_time", "study_description", "study_id", "referring_physician_name"),
    *("modality", "corrected", "doubt"),
)


@dataclass(frozen=True, slots=True)
class Gone:
    """What a removal came to: files to delete and their bytes."""

    files: int
    bytes: int


def remove_images(
    database: Database,
    queue: Queue,
    study_id: int,
    policy: Policy,
    *,
    why: str,
    now: datetime,
    archived: Collection[str] | None = None,
) -> Gone | None:
    """Commit that the study's received Instances go; its results and reports stay. None if it may not after all.

    Of a site with an archive, `archived` are the digests of what is in it: with anything else, the study stays for now.
    """
    with database.begin(lock=KEEPING) as connection:
        position = lock(connection, study_id)
        if not _may_go(connection, queue, study_id, policy, archived, wholly=False):
            return None
        gone = _let_go(connection, study_id, now, own=False)
        connection.execute(update(study).where(study.c.id == study_id).values(images_removed_at=now))
        _note(connection, position, "IMAGES_REMOVED", gone, why, now)
    return gone


def remove_study(
    database: Database,
    queue: Queue,
    study_id: int,
    policy: Policy,
    *,
    why: str,
    now: datetime,
    archived: Collection[str] | None = None,
) -> Gone | None:
    """Commit that all of the study goes but its audit trail. None if it may not after all; `archived` as above."""
    with database.begin(lock=KEEPING) as connection:
        position = lock(connection, study_id)
        if not _may_go(connection, queue, study_id, policy, archived, wholly=True):
            return None
        gone = _let_go(connection, study_id, now, own=True)
        _end_task(connection, queue, study_id, now)
        _forget(connection, study_id)
        _strip(connection, study_id, now)
        _note(connection, position, "REMOVED", gone, why, now)
        learn_anew(connection, study_id)
    return gone


def _may_go(
    connection: Connection,
    queue: Queue,
    study_id: int,
    policy: Policy,
    archived: Collection[str] | None,
    *,
    wholly: bool,
) -> bool:
    if not may_go(connection, study_id, policy, wholly=wholly) or _is_worked_on(connection, queue, study_id):
        return False
    return archived is None or {row.sha256 for row in _files(connection, study_id, own=wholly)} <= set(archived)


def _note(connection: Connection, position: Position, event: str, gone: Gone, why: str, now: datetime) -> None:
    detail = f"{gone.files} files, {gone.bytes} bytes: {why}"
    note(connection, position, event, position.state, at=now, detail=detail, actor="retention")


def _is_worked_on(connection: Connection, queue: Queue, study_id: int) -> bool:
    """Tell whether any job is about the study: one that waits, runs, or is parked."""
    instances = [str(one) for one in connection.scalars(select(instance.c.id).where(instance.c.study_id == study_id))]
    forwarded = connection.scalars(
        select(delivery.c.destination).distinct().join(instance).where(instance.c.study_id == study_id)
    )
    reports = connection.execute(
        select(delivery.c.id, delivery.c.destination)
        .select_from(delivery)
        .join(report)
        .join(result)
        .where(result.c.study_id == study_id)
    )
    jobs = [(kind, one) for kind in (kinds.SCORE, kinds.COMPARE, kinds.REJECT, kinds.SHADOW) for one in instances]
    jobs += [(kind, str(study_id)) for kind in (kinds.CONCLUDE, kinds.WITHDRAW, kinds.AMEND, kinds.ORDER)]
    jobs += [(kinds.forward(name), str(study_id)) for name in forwarded]
    jobs += [(kinds.deliver(row.destination), str(row.id)) for row in reports]
    return queue.has_any(connection, jobs)


def _files(connection: Connection, study_id: int, *, own: bool) -> list[Any]:
    """Return path, digest, SOP Instance UID and size of what is stored of the study, with `own` also its reports."""
    held = select(instance.c.path, instance.c.sha256, instance.c.sop_instance_uid, instance.c.size)
    held = held.where(*_held(study_id, own=own))
    rows: list[Any] = [*connection.execute(held)]
    if own:
        uid = func.coalesce(report.c.sop_instance_uid, "").label("sop_instance_uid")
        rows += connection.execute(
            select(report.c.path, report.c.sha256, uid, report.c.size)
            .select_from(report)
            .join(result)
            .where(result.c.study_id == study_id, report.c.path.is_not(None))
        )
    return rows


def _held(study_id: int, *, own: bool) -> list[ColumnElement[bool]]:
    """Return what is true of the Instances that go: all that is here, without `own` not those that the agent made."""
    here = [instance.c.study_id == study_id, instance.c.removed_at.is_(None)]
    return here if own else [*here, instance.c.role != Role.OWN]


def _let_go(connection: Connection, study_id: int, now: datetime, *, own: bool) -> Gone:
    """Mark the Instances as removed and list their files, and with `own` those of reports, for deletion."""
    rows = _files(connection, study_id, own=own)
    going = connection.scalars(select(instance.c.id).where(*_held(study_id, own=own))).all()
    connection.execute(update(instance).where(*_held(study_id, own=own)).values(removed_at=now))
    connection.execute(delete(thumbnail).where(thumbnail.c.instance_id.in_(going)))
    files = {row.path: row for row in rows}
    for row in files.values():
        values = {name: getattr(row, name) for name in ("path", "sha256", "sop_instance_uid", "size")}
        connection.execute(insert_into(connection, file_to_delete).values(at=now, **values).on_conflict_do_nothing())
    return Gone(len(files), sum(row.size for row in files.values()))


def _end_task(connection: Connection, queue: Queue, study_id: int, now: datetime) -> None:
    task = latest_task(connection, study_id)
    if task is not None and task.state == WorkitemState.SCHEDULED:
        cancel_scheduled(connection, queue, task, REMOVED, at=now)


def _forget(connection: Connection, study_id: int) -> None:
    """Remove what was found, said and sent of the study."""
    instances = select(instance.c.id).where(instance.c.study_id == study_id)
    results = select(result.c.id).where(result.c.study_id == study_id)
    reports = select(report.c.id).where(report.c.result_id.in_(results))
    tasks = select(workitem.c.id).where(workitem.c.study_id == study_id)
    for of_thing in (delivery.c.report_id.in_(reports), delivery.c.instance_id.in_(instances)):
        deliveries = select(delivery.c.id).where(of_thing)
        connection.execute(delete(delivery_attempt).where(delivery_attempt.c.delivery_id.in_(deliveries)))
        connection.execute(delete(commitment_asked).where(commitment_asked.c.delivery_id.in_(deliveries)))
        connection.execute(delete(delivery).where(of_thing))
    connection.execute(delete(report).where(report.c.result_id.in_(results)))
    connection.execute(delete(result).where(result.c.study_id == study_id))
    connection.execute(delete(image_result).where(image_result.c.instance_id.in_(instances)))
    connection.execute(delete(withheld_result).where(withheld_result.c.instance_id.in_(instances)))
    connection.execute(delete(shadow_score).where(shadow_score.c.instance_id.in_(instances)))
    connection.execute(delete(workitem_subscription).where(workitem_subscription.c.workitem_id.in_(tasks)))
    connection.execute(update(workitem).where(workitem.c.study_id == study_id).values(said="{}"))
    connection.execute(update(reading_act).where(reading_act.c.study_id == study_id).values(words=""))
    free = {"reason": "", "finding_text": ""}
    connection.execute(update(feedback).where(feedback.c.study_id == study_id).values(free))


def _strip(connection: Connection, study_id: int, now: datetime) -> None:
    """Take out of the rows that stay what names or describes the patient."""
    blank: dict[str, object] = dict.fromkeys(INSTANCE_TEXTS, "") | dict.fromkeys(INSTANCE_NUMBERS, 0)
    blank |= {"role": Role.REMOVED, "analysis_revision": None, "withdrawn": None, "withdrawn_how": None}
    connection.execute(
        update(instance).where(instance.c.study_id == study_id).values(blank | {"performed_step_uid": None})
    )
    gone: dict[str, object] = dict.fromkeys(_OF_PATIENT, "")
    gone |= {"probability": None, "steps": None, "rejections": None, "removed_at": now}
    gone["images_removed_at"] = func.coalesce(study.c.images_removed_at, now)
    connection.execute(update(study).where(study.c.id == study_id).values(gone))
