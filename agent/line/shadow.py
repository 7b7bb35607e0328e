"""Shadow mode: a second model scores what the first one scored, later and elsewhere, and nobody is told.

The job comes with the first model's committed result and is run by a process of its own, the role `shadow`, which gives
way to all others. So the second model can be slow, missing, damaged or killed, and nothing of the study changes: not
its outcome, its place on the worklist, its reports or when they leave.
"""

import math
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import structlog

from agent.errors import AgentError
from agent.job_log import about
from agent.line.pipeline import Classifier, Pixels, Scored
from db import kinds
from db.database import Database
from db.queue import Done, Job, Park, Queue, Settlement
from db.shadow import ShadowScore, ShadowTask, record_shadow_score, shadow_task
from dicom_io.errors import LostError, PixelError
from dicom_io.frames import read_frames
from dicom_io.reasons import LOST
from dicom_io.store import Store
from model.errors import ModelError
from model.preprocess import to_input

log = structlog.get_logger(__name__)

NOT_LOADED = "the shadow model does not load"
"""How the reason of a job begins that waits for a person to mend the model."""

_LOWEST_PRIORITY = 19
_FIRST_TO_GO = "1000"


def step_back() -> None:
    """Let every other process go first: the lowest priority for the processor, and the first to end without memory."""
    os.nice(_LOWEST_PRIORITY)
    with suppress(OSError):  # proc(5): raising it needs no privilege, but a sandbox may have no /proc
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")


def forget(_job: Job) -> Settlement:
    """Handle a job that was left from when there was a shadow model and is of no use now."""
    return Done()


@dataclass(slots=True)
class ShadowScorer:
    """Handler of the job `shadow`. `load` makes the second model, when there is something to score for the first time.

    `load` raises ModelError or AgentError where that cannot be done: the job is parked, and the next one tries again.
    `frames` reads an image: in this process, or a decoder's in another.
    """

    database: Database
    queue: Queue
    store: Store
    load: Callable[[], Classifier]
    clock: Callable[[], datetime]
    frames: Callable[[Path], Sequence[Pixels]] = read_frames
    _classifier: Classifier | None = field(default=None, init=False)
    _loading: threading.Lock = field(default_factory=threading.Lock, init=False)

    def score(self, job: Job) -> Settlement:
        """Score the image whose instance id is the job's key with the second model. Safe to repeat."""
        try:
            classifier = self._loaded()
        except (ModelError, AgentError) as error:
            log.error("shadow_not_loaded", reason=str(error))  # noqa: TRY400 - the message says it all
            return Park(f"{NOT_LOADED}: {error}")
        task = shadow_task(self.database, int(job.key), model_sha256=classifier.card.sha256)
        if task is None:
            return Done()
        about(task.study_instance_uid)
        found = self._score(task, classifier)
        record_shadow_score(self.database, task, found)
        log.info(
            "shadow_scored",
            study_instance_uid=task.study_instance_uid,
            sop_instance_uid=task.sop_instance_uid,
            model=found.model_name,
            reason=found.reason,
            seconds=round((found.finished_at - found.started_at).total_seconds(), 3),
        )
        return Done()

    def resume(self) -> int:
        """Let the jobs wait again that were parked because the model did not load; return how many."""
        stuck = [job for job in self.queue.parked() if job.kind == kinds.SHADOW and job.reason.startswith(NOT_LOADED)]
        return sum(self.queue.requeue(job.kind, job.key, self.clock()) for job in stuck)

    def _loaded(self) -> Classifier:
        with self._loading:
            if self._classifier is None:
                self._classifier = self.load()
                card = self._classifier.card
                log.info("shadow_loaded", model=card.name, version=card.version, sha256=card.sha256)
            return self._classifier

    def _score(self, task: ShadowTask, classifier: Classifier) -> ShadowScore:
        card, started_at = classifier.card, self.clock()
        threshold, worst, reason = card.operating_point.threshold, None, ""
        try:
            with self.store.local(task.path) as path:
                worst = _worst(classifier, self.frames(path))
        except LostError:
            reason = LOST
        except PixelError as error:
            reason = error.reason
        except ModelError as error:  # pixels that are no input, or a network that gives no number
            reason = str(error)
        return ShadowScore(
            model_name=card.name,
            model_version=card.version,
            model_sha256=card.sha256,
            threshold=threshold,
            score=None if worst is None else worst.score,
            probability=None if worst is None else worst.probability,
            flagged=None if worst is None else worst.probability >= threshold,
            reason=reason if worst is not None or reason else "the model gave no number",
            started_at=started_at,
            finished_at=self.clock(),
        )


def _worst(classifier: Classifier, frames: Sequence[Pixels]) -> Scored | None:
    """Score every frame and return the most suspicious one's, as the first model's pipeline does; None for no number.

    The gate has spoken: only images that the first model scored come here.
    """
    scored = classifier.score(np.stack([to_input(frame) for frame in frames]))
    if not all(math.isfinite(one.probability) for one in scored):
        return None
    return max(scored, key=lambda one: one.probability)
