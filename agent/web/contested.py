"""Objects in conflict of identity: whose their files say they are, and what a person decides of those they saw."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from agent.web import quarantine
from agent.web.services import Services
from db.errors import ChangedError, RefusedError
from db.identity import OF_PATIENT
from db.quarantine import ConflictInstance, Decision, Identified, Verdict, in_conflict, resolve
from db.reading_acts import Acting, Seen
from dicom_io.errors import HeaderError, StoreError
from dicom_io.header import is_candidate, read_header

log = structlog.get_logger(__name__)

UNREADABLE: Final = "The file of an object in conflict cannot be read just now, so nobody can say whose it is."
MORE_CAME: Final = "Other objects are in conflict than when you saw it. Nothing was written. Look at it again."
OTHERS_HIDDEN: Final = (
    "Objects in conflict that are not listed name yet another patient: they can only be kept apart, all of them."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What somebody decides, of which objects (`objects_of` of those that they were shown), and why."""

    decision: Decision
    objects: str
    reason: str


def objects_of(found: Sequence[ConflictInstance]) -> str:
    """Return what stands for just these objects: whoever decides sends it back."""
    return hashlib.sha256(" ".join(str(one.id) for one in found).encode()).hexdigest()[:32]


def identified(services: Services, one: ConflictInstance) -> Identified | None:
    """Return what the file of an object says; None if it cannot be read."""
    try:
        with services.store.local(one.path) as path, path.open("rb") as file:
            header = read_header(file)
    except (StoreError, HeaderError, OSError) as error:
        log.warning("conflict_not_read", sop_instance_uid=one.sop_instance_uid, reason=type(error).__name__)
        return None
    patient = {name: getattr(header, name) for name in OF_PATIENT}
    return Identified(instance_id=one.id, is_candidate=is_candidate(header), patient=patient)


def decide(services: Services, seen: Seen, acting: Acting, decided: Decided) -> int:
    """Record whose the objects in conflict are; return the act's id.

    ChangedError where they are not those that were shown, RefusedError where it cannot be said whose they are.
    """
    found = in_conflict(services.database, seen.study_instance_uid)
    if decided.objects != objects_of(found):  # the study's revision does not tell: only the first conflict changes it
        raise ChangedError(MORE_CAME)
    known = [identified(services, one) for one in found]
    if decided.decision is not Decision.KEEP_APART and None in known:
        raise RefusedError(UNREADABLE)
    if decided.decision is not Decision.KEEP_APART and quarantine.names_others([one.patient for one in known if one]):
        raise RefusedError(OTHERS_HIDDEN)
    nobody = dict.fromkeys(OF_PATIENT, "")
    verdict = Verdict(
        decision=decided.decision,
        identified=[
            who or Identified(instance_id=one.id, is_candidate=False, patient=nobody)
            for one, who in zip(found, known, strict=True)
        ],
        reason=decided.reason,
    )
    return resolve(services.database, services.queue, seen, acting, verdict, allowances=services.allowances)
