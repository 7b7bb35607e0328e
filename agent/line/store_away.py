"""Jobs while the store cannot be reached, is full or refuses: they wait for it, however long, and none is parked.

So they do where the system has no room for a process that decodes: that says nothing about an image, either.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from db.queue import Handler, Job, RetryAt, Settlement
from dicom_io.errors import DecoderError, LostError, StoreError

log = structlog.get_logger(__name__)

PAUSE: Final = timedelta(seconds=5)
"""Between two tries of a job that was kept from its work so."""


def patient(handlers: Mapping[str, Handler], clock: Callable[[], datetime]) -> dict[str, Handler]:
    """Return the handlers; a job whose handler raises either error waits, but for a lost file (LostError)."""
    return {kind: partial(_run, handler, clock) for kind, handler in handlers.items()}


def _run(handler: Handler, clock: Callable[[], datetime], job: Job) -> Settlement:
    try:
        return handler(job)
    except LostError:
        raise
    except StoreError as error:
        log.warning("store_away", kind=job.kind, key=job.key, attempt=job.attempt, reason=str(error))
        return RetryAt(clock() + PAUSE, "the store is away")
    except DecoderError as error:
        log.warning("decoder_away", kind=job.kind, key=job.key, attempt=job.attempt, reason=str(error))
        return RetryAt(clock() + PAUSE, "no process can be started that decodes")
