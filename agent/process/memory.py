"""A process that has grown too large drains and ends, so that whoever started it starts it anew: nothing is lost.

What a process frees it keeps, within bounds, for its next image or report.
"""

import ctypes
import os
import threading
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

RECYCLED = 75
"""The exit status of a process that ended to be started anew (EX_TEMPFAIL)."""

SETTLED_SECONDS = 60.0
"""A process serves at least so long: one that is too large from the beginning still does some work."""

_LOOK_SECONDS = 1.0
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_FROM_THE_HEAP = 32 << 20  # the most that glibc takes; what is larger is the system's again at once
_KEPT = 128 << 20
_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Return how much memory this process takes (resident), without its decoding processes, which have a limit."""
    return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def keep_freed() -> None:
    """Let this process keep some of the memory that it frees for its next image or report, and not give it back.

    What the system gives it has to be made zero first, page by page. See mallopt(3); without glibc nothing is done.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _FROM_THE_HEAP)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)


class MemoryWatch:
    """Asks for a drain, once, when the process takes more than so many megabytes."""

    def __init__(
        self,
        megabytes: int,
        stop: threading.Event,
        *,
        settled_seconds: float = SETTLED_SECONDS,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        """Watch from now on, in a thread of its own."""
        self.exceeded = False
        self._limit = megabytes << 20
        self._stop = stop
        self._look_seconds = look_seconds
        threading.Thread(target=self._watch, args=(settled_seconds,), name="memory", daemon=True).start()

    def _watch(self, settled_seconds: float) -> None:
        pause = settled_seconds
        while not self._stop.wait(pause):
            pause = self._look_seconds
            if (taken := resident_bytes()) > self._limit:
                log.warning("process_too_large", megabytes=taken >> 20, limit_megabytes=self._limit >> 20)
                self.exceeded = True
                self._stop.set()
