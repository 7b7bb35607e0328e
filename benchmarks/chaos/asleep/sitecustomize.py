"""Loaded by Python itself in the processes under libfaketime, whose clock_nanosleep (0.9.10) refuses monotonic time."""

import select
import time


def _sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


time.sleep = _sleep
