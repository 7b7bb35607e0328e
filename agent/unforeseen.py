"""The agent's named edge: what nobody foresaw ends here, in the log, and who waits for an answer gets one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger


@dataclass(slots=True)
class Ended:
    """How a block ended: what it raised, if that was nothing that its caller knows."""

    by: Exception | None = None


@contextmanager
def unforeseen(
    log: FilteringBoundLogger, event: str, *, but: tuple[type[Exception], ...] = (), **facts: object
) -> Iterator[Ended]:
    """Let nothing leave the block except `but`: anything else is logged under `event`, and told to who looks at it.

    Only for work of which one part may fail and the rest must go on: a message, a delivery, a tick, a reload.
    """
    ended = Ended()
    try:
        yield ended
    except but:
        raise
    except Exception as error:
        log.exception(event, **facts)
        ended.by = error
