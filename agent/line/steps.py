"""What modalities say of their performed procedure steps becomes rows, answered when these are synced to disk."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from db.errors import DatabaseError
from db.performed import StepState
from db.steps import NewStep, StepChange, StepLedger, Taken
from dicom_io import mpps
from dicom_io.statuses import (
    DUPLICATE_SOP_INSTANCE,
    MAY_NO_LONGER_BE_UPDATED,
    NO_SUCH_SOP_INSTANCE,
    PROCESSING_FAILURE,
    SUCCESS,
)

log = structlog.get_logger(__name__)

_STATUSES = {
    Taken.RECORDED: SUCCESS,
    Taken.DUPLICATE: DUPLICATE_SOP_INSTANCE,
    Taken.UNKNOWN: NO_SUCH_SOP_INSTANCE,
    Taken.FINAL: MAY_NO_LONGER_BE_UPDATED,
}


@dataclass(frozen=True, slots=True)
class StepTaker:
    """Behind the MPPS SCP. Called from many threads at once."""

    ledger: StepLedger
    clock: Callable[[], datetime]

    def begun(self, step: mpps.BegunStep) -> int:
        """Record a step that begins; return the status of N-CREATE."""
        new = NewStep(
            sop_instance_uid=step.sop_instance_uid,
            study_instance_uids=step.study_instance_uids,
            named=step.named,
            radiographs=step.radiographs,
            calling_ae_title=step.calling_ae_title,
            at=self.clock(),
        )
        return self._taken(step, StepState.IN_PROGRESS, lambda: self.ledger.create(new))

    def changed(self, step: mpps.ChangedStep) -> int:
        """Record what is new of a step; return the status of N-SET."""
        state = StepState(step.state) if step.state else None
        change = StepChange(
            sop_instance_uid=step.sop_instance_uid,
            state=state,
            reason_code=step.reason_code,
            named=step.named,
            radiographs=step.radiographs,
            at=self.clock(),
        )
        return self._taken(step, state or StepState.IN_PROGRESS, lambda: self.ledger.change(change))

    def _taken(self, step: mpps.BegunStep | mpps.ChangedStep, state: StepState, take: Callable[[], Taken]) -> int:
        try:
            status, reason = _STATUSES[take()], ""
        except DatabaseError as error:
            status, reason = PROCESSING_FAILURE, str(error)
        facts = {
            "association_id": step.association_id,
            "calling_ae_title": step.calling_ae_title,
            "sop_instance_uid": step.sop_instance_uid,
            "state": str(state),
            "named": len(step.named or ()),
        }
        if status == SUCCESS:
            log.info("performed_step", **facts)
        else:
            log.warning("performed_step_refused", status=f"{status:04X}", reason=reason, **facts)
        return status
