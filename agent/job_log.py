"""One line for each run of a job, and the job's name in every line that is written meanwhile."""

import time
from collections.abc import Mapping
from functools import partial

import structlog

from db.queue import Done, Handler, Job, RetryAt, Settlement

log = structlog.get_logger(__name__)


def told(handlers: Mapping[str, Handler]) -> dict[str, Handler]:
    """Return the handlers, each run of which is told: which job, of which study, how it ended and what it took."""
    return {kind: partial(_run, handler) for kind, handler in handlers.items()}


def about(study_instance_uid: str) -> None:
    """Put a study into every line that this job still writes."""
    structlog.contextvars.bind_contextvars(study_instance_uid=study_instance_uid)


def _run(handler: Handler, job: Job) -> Settlement:
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(job=f"{job.kind} {job.key}")
    facts = {"kind": job.kind, "key": job.key, "attempt": job.attempt}
    began, how, reason = time.monotonic(), "raised", ""
    try:
        settlement = handler(job)
        how, reason = _ended(settlement)
    except BaseException as error:
        reason = type(error).__name__
        raise
    else:
        return settlement
    finally:
        log.info("job", how=how, reason=reason, seconds=round(time.monotonic() - began, 3), **facts)
        structlog.contextvars.clear_contextvars()


def _ended(settlement: Settlement) -> tuple[str, str]:
    match settlement:
        case Done():
            return "done", ""
        case RetryAt(reason=reason):
            return "later", reason
    return "parked", settlement.reason
