"""The fourth line: a complete study gets its result and its deliveries, in one transaction, once per revision."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final, Self

import structlog

from agent.destinations import DestinationSettings
from agent.job_log import about
from agent.reports import Report
from agent.reports.document import DICOM, OUTCOMES, ModelIdentity, ReportSettings
from agent.reports.identity import device_uid
from db.amendment import amendment_to_record, record_amendment
from db.causes import CORRECTED, Cause
from db.conclusion import Conclusion, ReportOrder, StudyToConclude, TakenBack, record_conclusion, study_to_conclude
from db.database import Database
from db.judged import Judge, judge_anew
from db.outcome import Outcome, study_outcome
from db.queue import Done, Job, Queue, RetryAt, Settlement
from db.triage import triage_off
from db.withdrawal import record_withdrawal, withdrawal_to_record

log = structlog.get_logger(__name__)

NOTE: Final = "rejection"
"""The module of agent.reports that makes rejection notes."""
SWITCHED: Final = "triage was switched off or on meanwhile"
"""Why a conclusion is made anew."""
REPLACED: Final = "replaced by a later result"
"""Why the reports of a flagged result are taken back when the study is no longer flagged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A report that goes to a destination, if the study's outcome and calling AE title are among these.

    `calling_ae_titles` is empty where every one is. `possible` are the outcomes of which there can be such a report: a
    destination that has one gets the next one whatever the outcome, for what it was told may no longer hold.
    """

    report: str
    media_type: str
    destination: str
    outcomes: frozenset[str]
    possible: frozenset[str]
    calling_ae_titles: frozenset[str]

    @classmethod
    def of(cls, name: str, report: Report, settings: ReportSettings | None, destination: DestinationSettings) -> Self:
        """Return the route of the report called `name` to a destination, with what both of them leave out."""
        wanted = frozenset(destination.outcomes).intersection((settings or report.Settings()).outcomes)
        return cls(
            report=name,
            media_type=report.MEDIA_TYPE,
            destination=destination.name,
            outcomes=frozenset(filter(report.applies, wanted)),
            possible=frozenset(filter(report.applies, OUTCOMES)),
            calling_ae_titles=frozenset(destination.calling_ae_titles),
        )

    def takes(self, outcome: str) -> bool:
        """Tell whether a study with this outcome has the report sent there."""
        return outcome in self.outcomes

    def follows(self, outcome: str) -> bool:
        """Tell whether it goes there only as the next one of a study."""
        return outcome in self.possible - self.outcomes

    def serves(self, calling_ae_title: str) -> bool:
        """Tell whether studies that came from this AE title go there."""
        return not self.calling_ae_titles or calling_ae_title.strip() in self.calling_ae_titles


@dataclass(frozen=True, slots=True)
class Concluder:
    """Handlers of the jobs `conclude`, `withdraw` and `amend`."""

    database: Database
    queue: Queue
    installation: str
    model: ModelIdentity
    routes: Sequence[Route]
    note_takers: tuple[str, ...]
    """Destinations that get rejection notes, where they may have objects of ours."""
    clock: Callable[[], datetime]

    def conclude(self, job: Job) -> Settlement:
        """Conclude the study whose id is the job's key, if it is complete and settled. Safe to repeat."""
        study = study_to_conclude(self.database, int(job.key))
        if study is None:
            return Done()
        about(study.study_instance_uid)
        if study.switch is None and (others := self._judge_anew(study)):
            log.warning("images_judged_by_others", study_instance_uid=study.study_instance_uid, images=others)
            return Done()  # the last of them enqueues the conclusion
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
                **({} if study.course is None else study.course.seconds(conclusion.concluded_at)),
            )
            return Done()
        return self._again_if_switched(study)

    def withdraw(self, job: Job) -> Settlement:
        """Record what a concluded study, whose id is the job's key, is without its withdrawn images. Safe to repeat."""
        study = withdrawal_to_record(self.database, int(job.key))
        if study is None:
            return Done()
        about(study.study_instance_uid)
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
        return self._again_if_switched(study)

    def amend(self, job: Job) -> Settlement:
        """Report a concluded study, whose id is the job's key, anew, with the same result. Safe to repeat."""
        basis = amendment_to_record(self.database, int(job.key))
        if basis is None:
            return Done()
        about(basis.study_instance_uid)
        orders = () if basis.conflict else self._orders(basis.conclusion.outcome.outcome, basis.calling_ae_title)
        corrected = self._corrected(basis.conflict)
        amended = replace(basis.conclusion, concluded_at=self.clock(), reports=orders, corrected=corrected)
        if record_amendment(self.database, self.queue, amended):
            log.info(
                "study_amended",
                study_instance_uid=basis.study_instance_uid,
                revision=amended.revision + 1,
                outcome=str(amended.outcome.outcome),
                reason=basis.reason,
                reports=len(orders),
            )
        return Done()

    def _again_if_switched(self, study: StudyToConclude) -> Settlement:
        """Return whether to come back at once, as triage was switched off or on in the middle."""
        off = triage_off(self.database)
        if (None if off is None else off.id) == study.switch:
            return Done()
        return RetryAt(self.clock(), SWITCHED)

    def _conclusion(self, study: StudyToConclude) -> Conclusion:
        now = self.clock()
        outcome = study_outcome(study.images, conflict=study.conflict, withdrawn=study.withdrawn, missing=study.missing)
        return Conclusion(
            study_id=study.study_id,
            revision=study.revision,
            withdrawals=study.withdrawals,
            missing=study.missing,
            switch=study.switch,
            outcome=outcome,
            **asdict(study.judge or self._judge),
            analysed_at=study.analysed_at or now,
            concluded_at=now,
            reports=() if study.conflict else self._orders(outcome.outcome, study.calling_ae_title),
            taken_back=self._taken_back(study, outcome.outcome),
            corrected=self._corrected(study.conflict),
        )

    def _judge_anew(self, study: StudyToConclude) -> int:
        """Have the images analysed again that another model judged, or another operating point; return how many."""
        return judge_anew(self.database, self.queue, study.study_id, study.revision, self._judge, at=self.clock())

    @property
    def _judge(self) -> Judge:
        model = self.model
        return Judge(
            model_name=model.name,
            model_version=model.version,
            model_sha256=model.sha256,
            operating_point=model.operating_point_name,
            threshold=model.threshold,
            device_uid=device_uid(self.installation, model),
        )

    def _taken_back(self, study: StudyToConclude, outcome: Outcome) -> TakenBack | None:
        """Return what is taken back: a withdrawn result, or one that was flagged and, analysed anew, is not.

        Pictures and maps of a flagged study have no next version: left alone they would say FLAGGED for ever. Not while
        triage is off: what was flagged before stays told, as only a person says that it no longer holds.
        """
        if study.takes_back is not None:
            return self._take_back(study.takes_back, study.withdrawn)
        if study.switch is not None or study.conflict:
            return None
        if study.last is Outcome.FLAGGED and outcome is not Outcome.FLAGGED:
            return self._take_back(Cause.QUALITY, REPLACED)
        return None

    def _corrected(self, conflict: str) -> TakenBack | None:
        """Return what is taken back where the patient was corrected: pictures, maps and pages have no successor.

        (113037, DCM) is for objects whose use may harm the patient, as by improper labelling (PS3.16 CID 7010); 113038
        is for the wrong entry of a worklist, and what 113001 names may still be shown (IHE IOCM). The SR goes too: it
        names the patient as before, as they do.
        """
        return None if conflict else self._take_back(Cause.SAFETY, CORRECTED)

    def _take_back(self, cause: Cause, reason: str) -> TakenBack:
        note = ReportOrder(kind=NOTE, media_type=DICOM, destinations=self.note_takers, rejects=True)
        return TakenBack(cause=cause, reason=reason, note=note)

    def _orders(self, outcome: Outcome, calling_ae_title: str) -> tuple[ReportOrder, ...]:
        routes = [route for route in self.routes if route.serves(calling_ae_title) and outcome.value in route.possible]
        return tuple(
            ReportOrder(
                kind=name,
                media_type=media_type,
                destinations=tuple(
                    one.destination for one in routes if one.report == name and one.takes(outcome.value)
                ),
                followers=tuple(one.destination for one in routes if one.report == name and one.follows(outcome.value)),
            )
            for name, media_type in dict.fromkeys((route.report, route.media_type) for route in routes)
        )
