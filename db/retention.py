"""Retention: which studies may go, and their removal from the rows; the files follow (`db.file_deletion`).

Nothing goes that somebody still waits for: `blocks` is the list. Everything is looked at again in the transaction that
removes, with the study's row locked. The audit trail stays, of a removed study too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, or_, select

from db.database import Database
from db.delivery_state import DeliveryState
from db.legal_hold import is_held
from db.lifecycle import State
from db.outcome import Outcome
from db.roles import Role
from db.schema.arrival import association_study
from db.schema.commitment import commitment, commitment_instance
from db.schema.domain import delivery, instance, report, result, study
from db.schema.workitems import workitem, workitem_event
from db.workitem_states import WorkitemState

PRIOR: Final = "prior"
"""Beside the outcomes: a study that was only fetched for comparison."""
_SETTLED = (DeliveryState.ACKNOWLEDGED, DeliveryState.SUPERSEDED)
_OWED = (DeliveryState.QUEUED, DeliveryState.PARKED)
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may go: by outcome, what has not changed since a moment. `keep_unread`: only what was seen to be read."""

    images_before: Mapping[str, datetime] = field(default_factory=dict)
    results_before: Mapping[str, datetime] = field(default_factory=dict)
    keep_unread: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Studies that are old enough: how many, their Instances and bytes, and what keeps them ("": nothing)."""

    kept_by: str
    studies: int
    instances: int
    bytes: int


def may_go_images(database: Database, policy: Policy, *, after: int, limit: int) -> tuple[int, ...]:
    """Return ids of studies whose Instances may go now, beyond the id `after`, the oldest first."""
    return _candidates(database, policy, _images_due(policy.images_before), after, limit)


def may_go_wholly(database: Database, policy: Policy, *, after: int, limit: int) -> tuple[int, ...]:
    """Return ids of studies of which all but the audit trail may go now, beyond the id `after`, the oldest first."""
    return _candidates(database, policy, _results_due(policy.results_before), after, limit)


def may_go(connection: Connection, study_id: int, policy: Policy, *, wholly: bool) -> bool:
    """Tell whether a study may go after all; its row is locked."""
    due = _results_due(policy.results_before) if wholly else _images_due(policy.images_before)
    query = select(study.c.id).where(study.c.id == study_id, due, *_nothing_keeps(connection, policy))
    return connection.execute(query).one_or_none() is not None


def shares(database: Database, policy: Policy, *, wholly: bool) -> tuple[Share, ...]:
    """Return what is old enough, by what keeps it: the first reason that there is, in the order of `blocks`."""
    due = _results_due(policy.results_before) if wholly else _images_due(policy.images_before)
    with database.read() as connection:
        reasons = blocks(connection, keep_unread=policy.keep_unread)
        kept_by = case(*((is_so, name) for name, is_so in reasons.items()), else_="")
        old = select(study.c.id, kept_by.label("kept_by")).where(due).subquery()
        going = and_(instance.c.study_id == old.c.id, instance.c.removed_at.is_(None))
        if not wholly:
            going = and_(going, instance.c.role != Role.OWN)
        rows = connection.execute(
            select(
                old.c.kept_by,
                func.count(old.c.id.distinct()).label("studies"),
                func.count(instance.c.id).label("instances"),
                func.coalesce(func.sum(instance.c.size), 0).label("bytes"),
            )
            .select_from(old)
            .outerjoin(instance, going)
            .group_by(old.c.kept_by)
            .order_by(old.c.kept_by)
        ).all()
    return tuple(
        Share(kept_by=row.kept_by, studies=row.studies, instances=row.instances, bytes=int(row.bytes)) for row in rows
    )


def blocks(connection: Connection, *, keep_unread: bool) -> dict[str, ColumnElement[bool]]:
    """Return the conditions of which each keeps a study, as of now, by what it is called."""
    of_study = instance.c.study_id == study.c.id
    in_results = (
        select(report.c.id).select_from(report).join(result).where(result.c.study_id == study.c.id).correlate(study)
    )
    open_delivery = delivery.c.state.not_in(_SETTLED)
    tasks = select(workitem.c.id).where(workitem.c.study_id == study.c.id).correlate(study)
    owed = (
        select(instance.c.study_id)
        .join(commitment_instance, commitment_instance.c.sop_instance_uid == instance.c.sop_instance_uid)
        .join(commitment, commitment.c.id == commitment_instance.c.commitment_id)
        .where(commitment.c.state.in_(_OWED))
    )
    return {
        "legal hold": is_held(connection),
        "quarantine": study.c.conflict != "",
        "not delivered": and_(study.c.state != State.DELIVERED, ~study.c.prior_only),
        "still arriving": exists().where(association_study.c.study_id == study.c.id),
        "to be withdrawn or amended": or_(study.c.withdrawing.is_not(None), study.c.amending.is_not(None)),
        "deliveries of reports": exists().where(delivery.c.report_id.in_(in_results), open_delivery),
        "deliveries of images": exists().where(of_study, delivery.c.instance_id == instance.c.id, open_delivery),
        "storage commitment owed": study.c.id.in_(owed),
        "comparison under way": exists().where(of_study, instance.c.role == Role.UNVERIFIED),
        "reading task in progress": exists().where(
            workitem.c.study_id == study.c.id, workitem.c.state == WorkitemState.IN_PROGRESS
        ),
        "events to be told": exists().where(workitem_event.c.workitem_id.in_(tasks), workitem_event.c.state.in_(_OWED)),
        "not read": and_(study.c.read_at.is_(None), ~study.c.prior_only, _unread(keep=keep_unread)),
    }


def _unread(*, keep: bool) -> ColumnElement[bool]:
    """Return which unread studies stay: all, or those that have been flagged."""
    if keep:
        return study.c.state.is_not(None)
    flagged = exists().where(result.c.study_id == study.c.id, result.c.outcome == Outcome.FLAGGED)
    return or_(study.c.outcome == Outcome.FLAGGED, flagged)


def _nothing_keeps(connection: Connection, policy: Policy) -> list[ColumnElement[bool]]:
    return [~is_so for is_so in blocks(connection, keep_unread=policy.keep_unread).values()]


def _candidates(
    database: Database, policy: Policy, due: ColumnElement[bool], after: int, limit: int
) -> tuple[int, ...]:
    with database.read() as connection:
        query = select(study.c.id).where(study.c.id > after, due, *_nothing_keeps(connection, policy))
        return tuple(connection.scalars(query.order_by(study.c.id).limit(limit)))


def _images_due(before: Mapping[str, datetime]) -> ColumnElement[bool]:
    return and_(study.c.images_removed_at.is_(None), _due(before))


def _results_due(before: Mapping[str, datetime]) -> ColumnElement[bool]:
    return and_(study.c.removed_at.is_(None), _due(before))


def _due(before: Mapping[str, datetime]) -> ColumnElement[bool]:
    """Return whether nothing has come of a study, and it has not been concluded, since the moment of its outcome."""
    of_kind = [
        and_(
            study.c.prior_only if kind == PRIOR else and_(study.c.outcome == kind, ~study.c.prior_only),
            study.c.last_received_at < moment,
            or_(study.c.concluded_at.is_(None), study.c.concluded_at < moment),
        )
        for kind, moment in before.items()
    ]
    return or_(study.c.id < 0, *of_kind)


def stored_bytes(database: Database) -> int:
    """Return how much the stored files take up, as their rows say."""
    received = select(func.coalesce(func.sum(instance.c.size), 0)).where(instance.c.removed_at.is_(None))
    other = select(func.coalesce(func.sum(report.c.size), 0)).where(report.c.sop_instance_uid.is_(None))
    with database.read() as connection:
        return int(connection.execute(received).scalar_one()) + int(connection.execute(other).scalar_one())


def study_uid(database: Database, study_id: int) -> str:
    """Return a study's Study Instance UID."""
    with database.read() as connection:
        return str(connection.execute(select(study.c.study_instance_uid).where(study.c.id == study_id)).scalar_one())
