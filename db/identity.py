"""Whose Instance it is, and what it is to its study: the patient (PS3.3 C.7.1.1), known UIDs, our own reports."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from db.aliases import is_merged_into
from db.incoming import IncomingInstance
from db.intake_statements import DEVICES, IS_OWN, TWINS
from db.patient_match import Identifier
from db.prior import set_aside_priors
from db.roles import Role

OF_PATIENT = ("patient_id", "issuer_of_patient_id", "patient_name", "patient_birth_date", "patient_sex", "patient_age")
"""What an Instance says of its patient (PS3.3 C.7.1.1 and C.7.2.2)."""


def role_of(connection: Connection, owner: Row[Any], incoming: IncomingInstance) -> Role:
    """Return what a new Instance is to its study `owner`."""
    if _is_own(connection, incoming):
        return Role.OWN
    if not patient_of(owner).is_same(patient_of(incoming)) and not _was(connection, incoming, owner):
        return Role.CONFLICT
    twins = TWINS.rows(connection, {"sop_instance_uid": incoming.sop_instance_uid})
    # What retention removed cannot be compared with: such an image is taken as a new one, beside the old one's result.
    twins = [twin for twin in twins if twin.removed_at is None or twin.study_id != owner.id]
    if incoming.is_prior:
        return Role.DUPLICATE if twins else Role.PRIOR
    if any(twin.role == Role.PRIOR for twin in twins):
        set_aside_priors(connection, owner.id, incoming.sop_instance_uid)
        twins = [twin for twin in twins if twin.role != Role.PRIOR or twin.study_id != owner.id]
    if twins:
        elsewhere = any(twin.study_id != owner.id for twin in twins)
        return Role.CONFLICT if elsewhere else Role.UNVERIFIED
    return Role.CANDIDATE if incoming.candidate else Role.EVIDENCE


def _was(connection: Connection, incoming: IncomingInstance, owner: Row[Any]) -> bool:
    """Tell whether the Instance comes under an identifier that has been merged into that of its study's patient."""
    prior = Identifier(incoming.patient_id, incoming.issuer_of_patient_id)
    return is_merged_into(connection, prior, owner.patient_id, owner.issuer_of_patient_id)


def _is_own(connection: Connection, incoming: IncomingInstance) -> bool:
    uids = incoming.device_uids
    for start in range(0, max(len(uids), 1), len(DEVICES)):
        devices = dict.fromkeys(DEVICES, "") | dict(zip(DEVICES, uids[start:], strict=False))
        which = {"sop_instance_uid": incoming.sop_instance_uid, **devices}
        if IS_OWN.rows(connection, which)[0].is_own:
            return True
    return False


@dataclass(frozen=True, slots=True)
class Patient:
    """Whom something is said of: Patient ID with its Issuer (PS3.3 C.7.1.1), and the name."""

    patient_id: str
    issuer_of_patient_id: str
    patient_name: str

    def is_same(self, other: "Patient") -> bool:
        """Tell whether both are one person.

        Where neither gives an ID (unidentified trauma patients have none) the name decides; an Issuer that one side
        leaves out does not contradict.
        """
        if self.patient_id != other.patient_id:
            return False
        if not self.patient_id:
            return self.patient_name == other.patient_name
        issuers = {self.issuer_of_patient_id, other.issuer_of_patient_id} - {""}
        return len(issuers) <= 1


def patient_of(row: Row[Any] | IncomingInstance) -> Patient:
    """Return whom a study's row, or an Instance, speaks of."""
    return Patient(row.patient_id, row.issuer_of_patient_id, row.patient_name)
