"""Priors: studies fetched for comparison. They are kept, and are neither analysed nor on the worklist nor reported on.

Whatever another sender brings of such a study is work as any other: it may be the study of today.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, update

from db.incoming import IncomingInstance
from db.pace import place
from db.priority import Allowances
from db.roles import Role
from db.schema.domain import instance, study
from db.schema.pictures import thumbnail


def forget_prior(connection: Connection, instance_id: int) -> None:
    """Forget a prior whose very bytes have now come from another sender: they are recorded as what that one brings."""
    connection.execute(delete(thumbnail).where(thumbnail.c.instance_id == instance_id))
    connection.execute(delete(instance).where(instance.c.id == instance_id, instance.c.role == Role.PRIOR))


def renew_priors(connection: Connection, study_id: int, *, at: datetime) -> None:
    """Let the age of a study of which only priors are known count from now: somebody has fetched it, and compares."""
    connection.execute(update(study).where(study.c.id == study_id, study.c.prior_only).values(last_received_at=at))


def set_aside_priors(connection: Connection, study_id: int, sop_instance_uid: str) -> None:
    """Keep a prior apart when its SOP Instance UID comes from another sender in other bytes: those count."""
    connection.execute(
        update(instance)
        .where(
            instance.c.study_id == study_id,
            instance.c.sop_instance_uid == sop_instance_uid,
            instance.c.role == Role.PRIOR,
        )
        .values(role=Role.DUPLICATE)
    )


def begin_work(connection: Connection, owner: Row[Any], incoming: IncomingInstance, allowances: Allowances) -> Row[Any]:
    """Let a study of which only priors were known begin now; return its row."""
    at = incoming.received_at
    return connection.execute(
        update(study)
        .where(study.c.id == owner.id)
        .values(
            prior_only=False,
            calling_ae_title=incoming.calling_ae_title,
            received_at=at,
            last_received_at=at,
            started_at=at,
            **place(connection, incoming, allowances),
        )
        .returning(*study.c)
    ).one()
