"""What is on record of one report of a study's current result: for people who want to look at it."""

from dataclasses import dataclass, replace

from sqlalchemy import select

from db.database import Database
from db.outcome import Outcome
from db.schema.domain import delivery, report, result, study


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRecord:
    """The newest version of a report, as far as there is one.

    `report_id` is None where no destination had it ordered with this result; `path`, in the store, and `sha256` are ""
    until it has been rendered. `deliveries` are destinations with their states.
    """

    result_id: int
    revision: int
    outcome: Outcome
    conflict: str
    report_id: int | None = None
    version: int = 0
    path: str = ""
    sha256: str = ""
    deliveries: tuple[tuple[str, str], ...] = ()


def report_record(database: Database, study_instance_uid: str, kind: str) -> ReportRecord | None:
    """Return what is on record of the report called `kind`, or None where the study is unknown or has no result."""
    with database.read() as connection:
        found = connection.execute(
            select(result, study.c.conflict)
            .join(study, study.c.id == result.c.study_id)
            .where(study.c.study_instance_uid == study_instance_uid)
            .order_by(result.c.revision.desc())
            .limit(1)
        ).one_or_none()
        if found is None:
            return None
        row = connection.execute(
            select(report)
            .where(report.c.result_id == found.id, report.c.kind == kind)
            .order_by(report.c.version.desc())
            .limit(1)
        ).one_or_none()
        record = ReportRecord(
            result_id=found.id, revision=found.revision, outcome=Outcome(found.outcome), conflict=found.conflict
        )
        if row is None:
            return record
        deliveries = connection.execute(
            select(delivery.c.destination, delivery.c.state)
            .where(delivery.c.report_id == row.id)
            .order_by(delivery.c.destination)
        )
        return replace(
            record,
            report_id=row.id,
            version=row.version,
            path=row.path or "",
            sha256=row.sha256 or "",
            deliveries=tuple((one.destination, one.state) for one in deliveries),
        )
