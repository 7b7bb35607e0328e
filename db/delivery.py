"""Deliveries: one report to one destination, rendered once, sent until acknowledged, parked or superseded."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, insert, or_, select, update

from db.attributes import InstanceAttributes
from db.database import Database
from db.delivery_state import DeliveryState
from db.prepared import Prepared
from db.roles import Role
from db.schema.domain import delivery, instance, report, result, study
from db.still import still


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReport:
    """A rendered report: its bytes in the store, their digest, its identity. The same identifier is the same bytes.

    `identifier` is a DICOM object's SOP Instance UID, whose two other UIDs are "" for anything else.
    """

    identifier: str
    sop_class_uid: str
    series_instance_uid: str
    sha256: str
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class RenderedInstance:
    """What a rendered report that is a DICOM Instance says of itself."""

    transfer_syntax_uid: str
    is_image: bool
    attributes: InstanceAttributes


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTask:
    """A delivery to attempt. `stored` is None until the report has been rendered."""

    delivery_id: int
    destination: str
    report_id: int
    kind: str
    media_type: str
    study_instance_uid: str
    revision: int  # of the study, whose result it tells
    stored: StoredReport | None
    fall_back: int  # how many forms of the report its destination refused already
    tries: int
    created_at: datetime
    stored_at: datetime | None  # since when its destination says that it has it, which is to be confirmed; else None


def delivery_task(database: Database, delivery_id: int) -> DeliveryTask | None:
    """Return the delivery to attempt or to confirm.

    None where it is acknowledged, parked, superseded, or not to be sent because its study is in conflict or amended.
    """
    with database.read() as connection:
        row = _TASK.one_or_none(connection, {"which": delivery_id})
    if row is None:
        return None
    return DeliveryTask(
        delivery_id=row.id,
        destination=row.destination,
        report_id=row.report_id,
        kind=row.kind,
        media_type=row.media_type,
        study_instance_uid=row.study_instance_uid,
        revision=row.revision,
        stored=None if row.sha256 is None else _stored(row),
        fall_back=row.fall_back,
        tries=row.attempts,
        created_at=row.created_at,
        stored_at=row.stored_at if row.state == DeliveryState.STORED else None,
    )


def may_be_sent() -> ColumnElement[bool]:
    """Tell whether a report may leave: none of a study in conflict, nor one whose identity was corrected since.

    The next version says the corrected one. A note that takes earlier ones back always may.
    """
    return or_(and_(study.c.conflict == "", study.c.amending.is_(None)), report.c.rejects)


_TASK = Prepared(
    select(
        delivery,
        report.c.kind,
        report.c.media_type,
        report.c.fall_back,
        report.c.identifier,
        report.c.sop_class_uid,
        report.c.series_instance_uid,
        report.c.sha256,
        report.c.path,
        report.c.size,
        result.c.revision,
        study.c.study_instance_uid,
    )
    .select_from(delivery)
    .join(report)
    .join(result)
    .join(study, study.c.id == result.c.study_id)
    .where(
        delivery.c.id == bindparam("which"),
        or_(
            still(delivery.c.state) == DeliveryState.STORED,
            and_(still(delivery.c.state) == DeliveryState.QUEUED, may_be_sent()),
        ),
    )
)
_RECORD = Prepared(update(report).where(report.c.id == bindparam("which"), report.c.sha256.is_(None)))
_RECORDED = Prepared(
    select(report, result.c.study_id).select_from(report).join(result).where(report.c.id == bindparam("which"))
)
_HOLD = Prepared(insert(instance))


def _stored(row: Any) -> StoredReport:  # noqa: ANN401 - a row
    return StoredReport(
        identifier=row.identifier,
        sop_class_uid=row.sop_class_uid or "",
        series_instance_uid=row.series_instance_uid or "",
        sha256=row.sha256,
        path=row.path,
        size=row.size,
    )


def record_rendered(
    database: Database, report_id: int, stored: StoredReport, rendered: RenderedInstance | None = None, *, at: datetime
) -> StoredReport:
    """Commit a report's bytes before their first send; the first writer wins and everybody sends the winner's bytes.

    A report that is a DICOM Instance, as `rendered` says, is from then on one of those that the agent holds.
    """
    with database.begin() as connection:
        won = _RECORD.run(
            connection,
            {
                "which": report_id,
                "identifier": stored.identifier,
                "sop_class_uid": stored.sop_class_uid or None,
                "sop_instance_uid": stored.identifier if stored.sop_class_uid else None,
                "series_instance_uid": stored.series_instance_uid or None,
                "sha256": stored.sha256,
                "path": stored.path,
                "size": stored.size,
                "rendered_at": at,
            },
        )
        (row,) = _RECORDED.rows(connection, {"which": report_id})
        if won and rendered is not None:
            _hold(connection, row.study_id, stored, rendered, at)
    return _stored(row)


def _hold(
    connection: Connection, study_id: int, stored: StoredReport, rendered: RenderedInstance, at: datetime
) -> None:
    _HOLD.run(
        connection,
        {
            "study_id": study_id,
            "sop_class_uid": stored.sop_class_uid,
            "sop_instance_uid": stored.identifier,
            "series_instance_uid": stored.series_instance_uid,
            "sha256": stored.sha256,
            "path": stored.path,
            "size": stored.size,
            "transfer_syntax_uid": rendered.transfer_syntax_uid,
            "role": Role.OWN,
            "is_image": rendered.is_image,
            "calling_ae_title": "",
            "received_at": at,
            **asdict(rendered.attributes),
        },
    )
