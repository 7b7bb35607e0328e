"""Jobs while the store cannot be reached, is full or refuses: they wait for it, however long, and none is parked."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from db.queue import Handler, Job, RetryAt, Settlement
from dicom_io.errors import LostError, StoreError

log = structlog.get_logger(__name__)

PAUSE: Final = timedelta(seconds=5)
"""Between two tries of a job that the store kept from its work."""


def patient(handlers: Mapping[str, Handler], clock: Callable[[], datetime]) -> dict[str, Handler]:
    """Return the handlers; a job whose handler raises StoreError waits, but for a file that is lost (LostError)."""
    return {kind: partial(_run, handler, clock) for kind, handler in handlers.items()}


def _run(handler: Handler, clock: Callable[[], datetime], job: Job) -> Settlement:
    try:
        return handler(job)
    except LostError:
        raise
    except StoreError as error:
        log.warning("store_away", kind=job.kind, key=job.key, attempt=job.attempt, reason=str(error))
        return RetryAt(clock() + PAUSE, "the store is away")
