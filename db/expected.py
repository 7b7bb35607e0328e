"""What is known of a study before its first image: its order, and that its patient has another ID by now.

Orders are kept until they expire. Whoever keeps one and whoever begins a study hold the patient's lock, so one of them
sees what the other did.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, exists, insert, or_, select, update

from db.advance import Position, note
from db.aliases import successors
from db.database import take
from db.lifecycle import State
from db.orders import added_by, ordered_detail
from db.patient_match import Demographics, Identifier, agree, packed, speaks_of, unpacked
from db.patients import patient_lock
from db.prepared import Prepared
from db.priority import Allowances, Priority
from db.schema.domain import study
from db.schema.hl7 import ordered, patient_alias

_ANYTHING = Prepared(
    select(
        or_(
            exists().where(ordered.c.study_instance_uid == bindparam("study_instance_uid")),
            exists().where(
                ordered.c.accession_number == bindparam("accession_number"), ordered.c.accession_number != ""
            ),
            exists().where(patient_alias.c.prior_patient_id == bindparam("patient_id")),
        ).label("known")
    )
)
"""Whether anything may be known of a study: nearly always nothing is, and nothing more is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedOrder:
    """An order for a study that may not have begun. Its priority counts unless it was cancelled."""

    study_instance_uid: str
    accession_number: str
    identifiers: tuple[Identifier, ...]
    patient_name: str
    priority: Priority
    cancelled: bool = False

    @property
    def key(self) -> str:
        """What makes it another order."""
        parts = (self.study_instance_uid, self.accession_number, packed(self.identifiers), self.patient_name)
        return sha256("\x1f".join(parts).encode()).hexdigest()


def keep_order(connection: Connection, order: ExpectedOrder, *, at: datetime, expires_at: datetime) -> None:
    """Keep an order, or what changed of one; in the patient's lock. What has expired is forgotten."""
    connection.execute(delete(ordered).where(ordered.c.expires_at < at))
    values = {
        "priority": order.priority,
        "cancelled": order.cancelled,
        "received_at": at,
        "expires_at": expires_at,
    }
    if connection.execute(update(ordered).where(ordered.c.key == order.key).values(values)).rowcount:
        return
    connection.execute(
        insert(ordered).values(
            key=order.key,
            study_instance_uid=order.study_instance_uid,
            accession_number=order.accession_number,
            identifiers=packed(order.identifiers),
            patient_name=order.patient_name,
            **values,
        )
    )


def begin_as_expected(connection: Connection, owner: Row[Any], *, at: datetime, allowances: Allowances) -> Row[Any]:
    """Apply to a study that begins what is known of it already; return its row. The study's row is locked."""
    take(connection, patient_lock(owner.patient_id))
    which = {name: getattr(owner, name) for name in ("study_instance_uid", "accession_number", "patient_id")}
    if not _ANYTHING.rows(connection, which)[0].known:
        return owner
    row = _under_its_present_id(connection, owner, at=at)
    return _as_ordered(connection, row, at=at, allowances=allowances)


def _under_its_present_id(connection: Connection, owner: Row[Any], *, at: datetime) -> Row[Any]:
    """Let a study under a merged ID begin under the surviving one, if name or birth date say that it is the patient.

    An ID may have been given to somebody else since: then the study keeps it, and is marked.
    """
    merges = successors(connection, Identifier(owner.patient_id, owner.issuer_of_patient_id))
    if not merges:
        return owner
    position = Position(owner.id, State(owner.state), owner.revision)
    target = merges[-1][0]
    if not any(_is_shown_to_be(said, owner) for _, said in merges):
        doubt = "its Patient ID was merged into another one, and nothing else says that it is that patient"
        note(connection, position, "IDENTITY_IN_DOUBT", position.state, at=at, detail=doubt, actor="hl7")
        return _changed(connection, owner, {"doubt": doubt})
    values = {"patient_id": target.patient_id}
    if target.issuer and owner.issuer_of_patient_id:
        values["issuer_of_patient_id"] = target.issuer
    names = sorted(name for name, value in values.items() if value != getattr(owner, name))
    detail = f"{' '.join(names)} (merged before the study began)"
    note(connection, position, "IDENTITY_CORRECTED", position.state, at=at, detail=detail, actor="hl7")
    return _changed(connection, owner, {**values, "corrected": " ".join(names)})


def _is_shown_to_be(said: Demographics, owner: Row[Any]) -> bool:
    something = (said.patient_name and owner.patient_name) or (said.patient_birth_date and owner.patient_birth_date)
    return bool(something) and agree(said, owner)


def _as_ordered(connection: Connection, row: Row[Any], *, at: datetime, allowances: Allowances) -> Row[Any]:
    found = connection.execute(
        select(ordered).where(_names(row), ordered.c.expires_at >= at).order_by(ordered.c.id)
    ).all()
    mine = [one for one in found if speaks_of(unpacked(one.identifiers), one.patient_name, row)]
    mine = [one for one in mine if one.study_instance_uid == row.study_instance_uid] or mine
    live = [one for one in mine if not one.cancelled]
    position = Position(row.id, State(row.state), row.revision)
    if len(live) < len(mine):
        detail = "cancelled before its images came; they are analysed all the same"
        note(connection, position, "ORDER_CANCELLED", position.state, at=at, detail=detail, actor="hl7")
    if not live:
        return row
    priority = Priority(max(one.priority for one in live))
    accessions = {one.accession_number for one in live if one.accession_number}
    accession = accessions.pop() if len(accessions) == 1 else ""
    values = added_by(row, priority=priority, accession_number=accession, allowances=allowances)
    if not values:
        return row
    note(connection, position, "ORDERED", position.state, at=at, detail=ordered_detail(row, priority), actor="hl7")
    return _changed(connection, row, values)


def _names(row: Row[Any]) -> ColumnElement[bool]:
    """Tell orders that name the study, by its UID or by its accession number."""
    by_uid = ordered.c.study_instance_uid == row.study_instance_uid
    by_accession = ordered.c.accession_number == row.accession_number
    return or_(by_uid, by_accession) if row.accession_number else by_uid


def _changed(connection: Connection, row: Row[Any], values: dict[str, Any]) -> Row[Any]:
    return connection.execute(update(study).where(study.c.id == row.id).values(values).returning(*study.c)).one()
