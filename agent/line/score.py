"""The second line: a candidate image gets its one result, and a flagged one raises its study at once.

At once is before its heat map is made, which takes many times as long as the score.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from agent.job_log import about
from agent.line.pipeline import ImageAnalysis, Pipeline
from agent.watch.traits import decline_group
from db.analysis import ImageResult, ScoreTask, raise_flagged, record_image_result, score_task
from db.comparison import compare_task, record_comparison
from db.database import Database
from db.outcome import Outcome
from db.priority import Allowances
from db.queue import Done, Job, Queue, Settlement
from dicom_io.content import same_content
from dicom_io.errors import LostError
from dicom_io.reasons import LOST
from dicom_io.store import Store
from model.heat_map import to_png

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Scorer:
    """Handlers of the jobs `score` and `compare`.

    `shadowed`: a second model is to score the same images. `same_content` compares two files: in this process, or a
    decoder's in another.
    """

    database: Database
    queue: Queue
    store: Store
    pipeline: Pipeline
    allowances: Allowances
    clock: Callable[[], datetime]
    shadowed: bool = False
    same_content: Callable[[Path, Path, frozenset[str]], bool] = same_content

    def score(self, job: Job) -> Settlement:
        """Analyse the candidate image whose instance id is the job's key. Safe to repeat."""
        task = score_task(self.database, int(job.key))
        if task is None:
            return Done()
        about(task.study_instance_uid)
        started_at = self.clock()
        try:
            with self.store.local(task.path) as path:
                analysis = self.pipeline.analyse(path, calling_ae_title=task.calling_ae_title)
        except LostError:
            analysis = ImageAnalysis(outcome=Outcome.FAILED, reason=LOST)
        if analysis.flagged is not None:
            raise_flagged(self.database, self.queue, task, at=self.clock(), allowances=self.allowances)
        result = self._result(analysis, started_at)
        record_image_result(self.database, self.queue, task, result, allowances=self.allowances, shadowed=self.shadowed)
        _log(task, result)
        return Done()

    def compare(self, job: Job) -> Settlement:
        """Find out whether an Instance under a known SOP Instance UID is the same one in other bytes, or another."""
        task = compare_task(self.database, int(job.key))
        if task is None:
            return Done()
        try:
            with self.store.local(task.first_path) as first, self.store.local(task.path) as second:
                same = self.same_content(first, second, task.corrected)
        except LostError:  # nobody can tell, so it is not the same
            same = False
        record_comparison(self.database, self.queue, task, same=same, at=self.clock())
        log.info("instance_compared", sop_instance_uid=task.sop_instance_uid, same=same)
        return Done()

    def _result(self, analysis: ImageAnalysis, started_at: datetime) -> ImageResult:
        card, heat_map = self.pipeline.card, self.pipeline.heat_map(analysis)
        return ImageResult(
            outcome=analysis.outcome,
            reason=analysis.reason,
            lateral=analysis.lateral,
            score=analysis.score,
            probability=analysis.probability,
            heat_map=None if heat_map is None else to_png(heat_map),
            thumbnail=analysis.thumbnail,
            traits=analysis.traits,
            decline_group="" if analysis.outcome is not Outcome.NOT_ANALYSED else decline_group(analysis.reason),
            model_name=card.name,
            model_version=card.version,
            model_sha256=card.sha256,
            threshold=card.operating_point.threshold,
            started_at=started_at,
            finished_at=self.clock(),
        )


def _log(task: ScoreTask, result: ImageResult) -> None:
    """Write the image's line, which is counted too; `waited` is of an image that was never analysed before."""
    since = task.waits_since
    waited = {} if since is None else {"waited": round((result.started_at - since).total_seconds(), 3)}
    log.info(
        "image_scored",
        study_instance_uid=task.study_instance_uid,
        revision=task.revision,
        sop_instance_uid=task.sop_instance_uid,
        outcome=str(result.outcome),
        reason=result.reason,
        probability=None if result.probability is None else round(result.probability, 4),
        seconds=round((result.finished_at - result.started_at).total_seconds(), 3),
        **waited,
    )
