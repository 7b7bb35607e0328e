"""Whose a study is, side by side: what is on record, and what the objects in conflict say. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from agent.web import people, times
from db.quarantine import ConflictInstance, QuarantinedStudy
from db.worklist import WorklistRow

SHOWN = 20
"""So many objects in conflict are listed; a decision is about all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityWords:
    """A patient in words."""

    name: people.PersonName
    patient_id: str
    issuer: str
    born: str
    sex: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictLine:
    """An object in conflict in words."""

    received: times.Moment
    sender: str
    sop_instance_uid: str
    identity: IdentityWords | None  # None: its file cannot be read
    has_twin: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineLine:
    """A study that waits for a decision."""

    study_instance_uid: str
    name: people.PersonName
    patient_id: str
    received: times.Moment
    why: str


def identity_of_study(row: WorklistRow, issuer: str) -> IdentityWords:
    """Return whom the study is of, as it is on record."""
    said = {
        "issuer_of_patient_id": issuer,
        "patient_name": row.patient_name,
        "patient_id": row.patient_id,
        "patient_birth_date": row.patient_birth_date,
        "patient_sex": row.patient_sex,
    }
    return identity(said)


def identity(said: Mapping[str, str]) -> IdentityWords:
    """Return a patient in words."""
    return IdentityWords(
        name=people.person_name(said["patient_name"]),
        patient_id=people.patient_id(said["patient_id"]),
        issuer=people.readable(said["issuer_of_patient_id"]) or "not given",
        born=people.dicom_date(said["patient_birth_date"]) or "not given",
        sex=people.sex(said["patient_sex"]),
    )


def conflict_lines(
    found: Sequence[tuple[ConflictInstance, Mapping[str, str] | None]], zone: tzinfo | None = None
) -> tuple[ConflictLine, ...]:
    """Return the first objects in conflict in words, each with what its file says."""
    return tuple(
        ConflictLine(
            received=times.exact(one.received_at, zone),
            sender=people.readable(one.calling_ae_title),
            sop_instance_uid=one.sop_instance_uid,
            identity=None if said is None else identity(said),
            has_twin=one.has_twin,
        )
        for one, said in found[:SHOWN]
    )


def names_others(said: Sequence[Mapping[str, str]]) -> bool:
    """Tell whether objects that are not listed name somebody whom none of those listed names."""
    listed = {identity(one) for one in said[:SHOWN]}
    return any(identity(one) not in listed for one in said[SHOWN:])


def quarantine_line(row: QuarantinedStudy, now: datetime, zone: tzinfo | None = None) -> QuarantineLine:
    """Return a study that waits for a decision in words."""
    conflict = f"{people.readable(row.conflict)}, {row.instances} objects in conflict" if row.conflict else ""
    return QuarantineLine(
        study_instance_uid=row.study_instance_uid,
        name=people.person_name(row.patient_name),
        patient_id=people.patient_id(row.patient_id),
        received=times.moment(row.received_at, now, zone),
        why="; ".join(part for part in (conflict, people.readable(row.doubt)) if part),
    )
