"""Who runs in this process: a job may have to be alone in it, and one that hangs is noticed and the process ended."""

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePath
from time import monotonic
from typing import Generic, TypeVar

HUNG = 70
"""The exit status of a process that ended because one of its jobs hung (EX_SOFTWARE)."""

T = TypeVar("T")


def end_process() -> None:
    """End this process as it is: a thread that hangs cannot be ended alone, and would hold up an orderly end."""
    os._exit(HUNG)


@dataclass(frozen=True, slots=True, eq=False)
class Guest(Generic[T]):
    """A job that runs: what it is, how many seconds it may take, since when, and in which thread."""

    job: T
    longest: float
    since: float = field(default_factory=monotonic)
    thread: int = field(default_factory=threading.get_ident)

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return monotonic() - self.since

    @property
    def hangs(self) -> bool:
        """Whether it takes longer than it may."""
        return self.seconds > self.longest

    @property
    def place(self) -> str:
        """Where in the program it is: the innermost frames as file:line, without values."""
        frame = sys._current_frames().get(self.thread)  # noqa: SLF001 - its documented name
        frames = traceback.extract_stack(frame)[-4:] if frame is not None else ()
        return " < ".join(f"{PurePath(one.filename).name}:{one.lineno} {one.name}" for one in reversed(frames))


class Room(Generic[T]):
    """Many jobs run in it side by side, or one alone. All runners of a process share one.

    Whoever asks to be alone lets nobody new in, and waits for those who are in.
    """

    def __init__(self, end: Callable[[], None] = end_process) -> None:
        """Begin empty. `end` is called when a job hangs."""
        self.end = end
        self._changed = threading.Condition()
        self._inside = 0
        self._asking = 0
        self._taken = False
        self._closed = False
        self._guests: set[Guest[T]] = set()

    def enter(self, timeout: float) -> bool:
        """Come in beside the others; False if that is not to be had within `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._asking and not self._closed, timeout):
                return False
            self._inside += 1
            return True

    def leave(self) -> None:
        """Go out again."""
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    @contextmanager
    def alone(self, stop: threading.Event, *, poll: float, patience: float) -> Iterator[bool]:
        """Be alone for a block; it gets False, and is not alone, if that is not to be had.

        Not before `stop` is set, or in `patience` seconds: nobody new comes in for so long.
        """
        end = monotonic() + patience
        with self._changed:
            self._asking += 1
            while not (is_alone := not (self._inside or self._taken or self._closed)):
                if stop.is_set() or monotonic() > end:
                    break
                self._changed.wait(poll)
            self._taken |= is_alone
        try:
            yield is_alone
        finally:
            with self._changed:
                self._asking -= 1
                self._taken &= not is_alone
                self._changed.notify_all()

    @contextmanager
    def running(self, job: T, longest: float) -> Iterator[None]:
        """Run a job in this thread for a block, of which it is known how long it may take at most, in seconds."""
        guest = Guest(job, longest)
        with self._changed:
            self._guests.add(guest)
        try:
            yield
        finally:
            with self._changed:
                self._guests.discard(guest)
                self._changed.notify_all()

    def close_on_hung(self) -> Guest[T] | None:
        """Return the job that has hung for longest, once, and let nobody in from then on; None if none hangs."""
        with self._changed:
            hung = [guest for guest in self._guests if guest.hangs]
            if not hung or self._closed:
                return None
            self._closed = True
            return max(hung, key=lambda guest: guest.seconds - guest.longest)

    def left(self, timeout: float) -> Sequence[Guest[T]]:
        """Return who is still in after `timeout` seconds, or at once when nobody is who does not hang."""
        with self._changed:
            self._changed.wait_for(lambda: all(guest.hangs for guest in self._guests), timeout)
            return tuple(self._guests)
