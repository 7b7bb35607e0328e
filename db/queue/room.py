"""Who runs in this process: a job that may have killed its worker gets its last chance with nothing beside it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Room:
    """Many jobs run in it side by side, or one alone. All runners of a process share one.

    Whoever asks to be alone lets nobody new in, and waits for those who are in.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._changed = threading.Condition()
        self._inside = 0
        self._asking = 0
        self._taken = False

    def enter(self, timeout: float) -> bool:
        """Come in beside the others; False if that is not to be had within `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._asking, timeout):
                return False
            self._inside += 1
            return True

    def leave(self) -> None:
        """Go out again."""
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    @contextmanager
    def alone(self, stop: threading.Event, poll: float) -> Iterator[bool]:
        """Be alone for a block; it gets False, and is not alone, if `stop` was set before that was to be had."""
        with self._changed:
            self._asking += 1
            while not (is_alone := not self._inside and not self._taken) and not stop.is_set():
                self._changed.wait(poll)
            self._taken |= is_alone
        try:
            yield is_alone
        finally:
            with self._changed:
                self._asking -= 1
                self._taken &= not is_alone
                self._changed.notify_all()
