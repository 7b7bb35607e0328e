"""A study that begins is asked for at the Modality Worklist: its priority, and its accession number."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import structlog

from agent.line.retry import Backoff
from db.database import Database
from db.identity import Patient
from db.orders import OrderedStudy, apply_order, study_to_ask_for
from db.priority import Allowances, ordered
from db.queue import Done, Job, Queue, RetryAt, Settlement
from dicom_io.errors import NetworkError
from dicom_io.peer import Peer
from dicom_io.worklist import Order, find_orders

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OrderAsker:
    """Handler of the jobs `order`."""

    database: Database
    queue: Queue
    peer: Peer
    ae_title: str
    allowances: Allowances
    backoff: Backoff
    clock: Callable[[], datetime]

    def ask(self, job: Job) -> Settlement:
        """Ask for the order of the study whose id is the job's key. Safe to repeat.

        An order may be entered after its images: who does not know it is asked again for a while.
        """
        study = study_to_ask_for(self.database, int(job.key))
        try:
            orders, others = self._find(study)
        except NetworkError as error:
            return self._again(study, job, str(error))
        if others:
            log.warning("order_of_another_patient", study_instance_uid=study.study_instance_uid, orders=len(others))
        if not orders:
            return Done() if others else self._again(study, job, "no order of this study")
        accessions = {order.accession_number for order in orders if order.accession_number}
        priority = max(ordered(order.priority) for order in orders)
        changed = apply_order(
            self.database,
            self.queue,
            study.study_id,
            priority=priority,
            accession_number=accessions.pop() if len(accessions) == 1 else "",
            at=self.clock(),
            allowances=self.allowances,
        )
        log.info(
            "order_found",
            study_instance_uid=study.study_instance_uid,
            priority=priority.name,
            orders=len(orders),
            changed=changed,
        )
        return Done()

    def _find(self, study: OrderedStudy) -> tuple[list[Order], list[Order]]:
        """Return the study's orders, and those which name it with another patient. Asks no more than it has to."""
        named = find_orders(
            self.peer, _questions(study), lambda order: _names(order, study), calling_ae_title=self.ae_title
        )
        return _divided(named, study)

    def _again(self, study: OrderedStudy, job: Job, reason: str) -> Settlement:
        wait = self.backoff.after(job.attempt)
        log.info("order_not_found", study_instance_uid=study.study_instance_uid, attempt=job.attempt, reason=reason)
        return Done() if wait is None else RetryAt(self.clock() + wait, reason)


def _questions(study: OrderedStudy) -> Iterable[dict[str, str]]:
    """Yield what to ask, the surest first. Many worklists match few keys, but every one a Patient ID (PS3.4 K.6)."""
    if study.accession_number:
        yield {"AccessionNumber": study.accession_number}
    yield {"StudyInstanceUID": study.study_instance_uid}
    if study.patient.patient_id:
        yield {"PatientID": study.patient.patient_id}


def _names(order: Order, study: OrderedStudy) -> bool:
    """Tell whether an order is of the study: a worklist that does not match a key returns others as well."""
    if order.study_instance_uid == study.study_instance_uid:
        return True
    return bool(study.accession_number) and order.accession_number == study.accession_number


def _divided(orders: list[Order], study: OrderedStudy) -> tuple[list[Order], list[Order]]:
    right: list[Order] = []
    wrong: list[Order] = []
    for order in orders:
        patient = Patient(order.patient_id, order.issuer_of_patient_id, order.patient_name)
        (right if study.patient.is_same(patient) else wrong).append(order)
    return right, wrong
