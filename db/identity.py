"""Whose Instance it is, and what it is to its study: the patient (PS3.3 C.7.1.1), known UIDs, our own reports."""

from sqlalchemy import Connection, Row

from db.incoming import IncomingInstance
from db.intake_statements import IS_OWN, TWINS
from db.roles import Role


def role_of(connection: Connection, owner: Row[tuple[object, ...]], incoming: IncomingInstance) -> Role:
    """Return what a new Instance is to its study `owner`."""
    if _is_own(connection, incoming):
        return Role.OWN
    if not _same_patient(owner, incoming):
        return Role.CONFLICT
    twins = connection.execute(TWINS, {"sop_instance_uid": incoming.sop_instance_uid}).all()
    if twins:
        elsewhere = any(twin.study_id != owner.id for twin in twins)
        return Role.CONFLICT if elsewhere else Role.UNVERIFIED
    return Role.CANDIDATE if incoming.candidate else Role.EVIDENCE


def _is_own(connection: Connection, incoming: IncomingInstance) -> bool:
    which = {"sop_instance_uid": incoming.sop_instance_uid, "device_uids": incoming.device_uids}
    return bool(connection.execute(IS_OWN, which).scalar_one())


def _same_patient(owner: Row[tuple[object, ...]], incoming: IncomingInstance) -> bool:
    """Tell whether an Instance names the study's patient: Patient ID with its Issuer (PS3.3 C.7.1.1).

    Where neither gives an ID (unidentified trauma patients have none) the name decides; an Issuer that one side leaves
    out does not contradict.
    """
    if owner.patient_id != incoming.patient_id:
        return False
    if not owner.patient_id:
        return bool(owner.patient_name == incoming.patient_name)
    issuers = {owner.issuer_of_patient_id, incoming.issuer_of_patient_id} - {""}
    return len(issuers) <= 1
