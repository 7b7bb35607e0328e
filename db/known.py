"""Bytes that have come before: nothing new, unless they were a prior, or retention has removed them."""

from dataclasses import replace

from sqlalchemy import Connection, select, update

from db.advance import lock
from db.arrival import bring
from db.closing import Steps, Timing, close_time
from db.incoming import IncomingInstance, Recorded
from db.intake_statements import KNOWN_BYTES
from db.lifecycle import State
from db.prior import forget_prior, renew_priors
from db.removed import forget_removed, put_back
from db.roles import NO_WORK, Role
from db.schema.domain import study


def settled(connection: Connection, incoming: IncomingInstance, timing: Timing) -> Recorded | None:
    """Return what became of these bytes if they are known and stay what they are; None if they are to be recorded.

    Role REMOVED: they are to be recorded, and the file may have gone since it was stored anew (see `Recorded.again`).
    """
    row = KNOWN_BYTES.one_or_none(connection, {"sha256": incoming.sha256})
    if row is None:
        return None
    known = Recorded(row.study_id, row.id, Role(row.role), known=True)
    if known.role is Role.REMOVED:
        forget_removed(connection, incoming.sha256)
        return known
    if known.role is Role.PRIOR and not incoming.is_prior:
        forget_prior(connection, known.instance_id)
        return None if row.removed_at is None else replace(known, role=Role.REMOVED)
    if row.removed_at is not None:
        put_back(connection, lock(connection, known.study_id), known.instance_id, incoming)
        known = replace(known, again=True)
    if known.role is Role.PRIOR:
        renew_priors(connection, known.study_id, at=incoming.received_at)
    _bring_again(connection, known, incoming, timing)
    return known


def _bring_again(connection: Connection, known: Recorded, incoming: IncomingInstance, timing: Timing) -> None:
    """Keep a study open for an association that begins with what is known: a peer that was cut off starts again so."""
    if not incoming.association_id or known.role in NO_WORK:
        return
    lock(connection, known.study_id)
    bring(connection, known.study_id, incoming.association_id, at=incoming.received_at)
    row = connection.execute(select(study).where(study.c.id == known.study_id)).one()
    closes_at = close_time(
        timing,
        revision=row.revision,
        started_at=row.started_at,
        last_at=incoming.received_at,
        steps=Steps(row.steps or ""),
        now=row.closes_at,
    )
    if row.state == State.RECEIVING and closes_at > row.closes_at:
        connection.execute(update(study).where(study.c.id == known.study_id).values(closes_at=closes_at))
