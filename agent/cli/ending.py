"""How a process of this program ends: without taking apart what it has loaded, object by object.

The interpreter does that for a tenth of a second in each process of a site; those that are copies of their supervisor
even copy the memory first that they then give back. The system takes it all at once. What is to be done at an end is
done before: what was opened is closed, threads have ended, and what was registered for the end (`atexit`) was called.
"""

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_statuses: list[int] = []


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Let the process that leaves this block by SystemExit end at once, when all that is to be done before is done."""
    try:
        yield
    except SystemExit as leaving:
        if isinstance(leaving.code, int | None):
            _statuses.append(leaving.code or 0)
        raise


@atexit.register  # before whatever is imported later registers something: the first to come is the last to be called
def _end() -> None:
    if not _statuses:
        return  # not our own command line: the tests have imported it
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except (AttributeError, OSError, ValueError):
        return  # nobody reads what is left to be said: the interpreter has its own status for that
    os._exit(_statuses[-1])
