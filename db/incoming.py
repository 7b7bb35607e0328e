"""An Instance on its way into the ledger."""

from dataclasses import dataclass, field
from datetime import datetime

from db.attributes import InstanceAttributes
from db.forwarding import Forward
from db.priority import Priority, Standing
from db.roles import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingInstance:
    """An Instance that lies durably in the store; attributes as in PS3.6, "" where the Instance does not say.

    `association_id` names the open association that brings it, "" where that is on record for its study already, and
    `peer_address` from where.
    With `asks_order`, the first of a study lets a job ask what was ordered.
    `performed_step_uid` is of the performed procedure step that it says made it (0008,1111).
    `is_prior`: it was fetched for comparison, and is not to be analysed.
    `misread_text`: some of these texts is not valid in its declared character set. `unknown_class`: its SOP Class is
    private, or none that is known.
    `rejects`: it is a rejection note of somebody who may send one; a job heeds it.
    `standing` is what its sender's studies stand for in the agent's own work.
    `forwards` is where it goes on to, if it is accepted as a new object of its study.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    sha256: str
    path: str
    size: int
    candidate: bool
    is_image: bool
    device_uids: tuple[str, ...]
    order_priority: Priority
    calling_ae_title: str
    received_at: datetime
    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    patient_birth_date: str
    patient_sex: str
    patient_age: str
    accession_number: str
    study_date: str
    study_time: str
    study_description: str
    study_id: str = ""
    referring_physician_name: str = ""
    attributes: InstanceAttributes
    association_id: str = ""
    peer_address: str = ""
    performed_step_uid: str = ""
    asks_order: bool = False
    is_prior: bool = False
    misread_text: bool = False
    unknown_class: bool = False
    rejects: bool = False
    forwards: tuple[Forward, ...] = ()
    standing: Standing = field(default_factory=Standing)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of an Instance. `known` means that these very bytes had been recorded before: nothing changed.

    `again`: retention had removed them. Its deletion of the file may have met the file that was stored anew, so whoever
    answers success looks whether it is there.
    """

    study_id: int
    instance_id: int
    role: Role
    known: bool
    again: bool = False
