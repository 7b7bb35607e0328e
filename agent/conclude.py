"""The fourth line: a complete study gets its result and its deliveries, in one transaction, once per revision."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from agent import reports
from agent.reports.document import ModelIdentity
from agent.reports.identity import device_uid
from db.conclusion import Conclusion, ReportOrder, StudyToConclude, record_conclusion, study_to_conclude
from db.database import Database
from db.outcome import Outcome, study_outcome
from db.queue import Done, Job, Queue, Settlement
from db.withdrawal import record_withdrawal, withdrawal_to_record

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Concluder:
    """Handlers of the jobs `conclude` and `withdraw`. `recipients`: the destinations that get each type of report."""

    database: Database
    queue: Queue
    installation: str
    model: ModelIdentity
    recipients: Mapping[str, tuple[str, ...]]
    clock: Callable[[], datetime]

    def conclude(self, job: Job) -> Settlement:
        """Conclude the study whose id is the job's key, if it is complete and settled. Safe to repeat."""
        study = study_to_conclude(self.database, int(job.key))
        if study is None:
            return Done()
        conclusion = self._conclusion(study)
        if record_conclusion(self.database, self.queue, conclusion):
            log.info(
                "study_concluded",
                study_instance_uid=study.study_instance_uid,
                revision=study.revision,
                outcome=str(conclusion.outcome.outcome),
                reason=conclusion.outcome.reason,
                images=len(study.images),
                reports=len(conclusion.reports),
            )
        return Done()

    def withdraw(self, job: Job) -> Settlement:
        """Record what a concluded study, whose id is the job's key, is without its withdrawn images. Safe to repeat."""
        study = withdrawal_to_record(self.database, int(job.key))
        if study is None:
            return Done()
        conclusion = self._conclusion(study)
        if record_withdrawal(self.database, self.queue, conclusion):
            log.warning(
                "study_withdrawn",
                study_instance_uid=study.study_instance_uid,
                revision=study.revision + 1,
                outcome=str(conclusion.outcome.outcome),
                reason=conclusion.outcome.reason,
                images=len(study.images),
                withdrawn=study.withdrawals,
                reports=len(conclusion.reports),
            )
        return Done()

    def _conclusion(self, study: StudyToConclude) -> Conclusion:
        now = self.clock()
        outcome = study_outcome(study.images, conflict=study.conflict, withdrawn=study.withdrawn)
        return Conclusion(
            study_id=study.study_id,
            revision=study.revision,
            withdrawals=study.withdrawals,
            outcome=outcome,
            model_name=self.model.name,
            model_version=self.model.version,
            model_sha256=self.model.sha256,
            operating_point=self.model.operating_point_name,
            threshold=self.model.threshold,
            device_uid=device_uid(self.installation, self.model),
            analysed_at=study.analysed_at or now,
            concluded_at=now,
            reports=() if study.conflict else self._orders(outcome.outcome),
        )

    def _orders(self, outcome: Outcome) -> tuple[ReportOrder, ...]:
        modules = {kind: reports.load(kind) for kind in self.recipients}
        return tuple(
            ReportOrder(kind=kind, media_type=module.MEDIA_TYPE, destinations=self.recipients[kind])
            for kind, module in modules.items()
            if module.applies(outcome.value)
        )
