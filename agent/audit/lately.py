"""What was put on record lately, so that what goes on for long or comes again and again is not recorded each time."""

import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

AGAIN: Final = timedelta(minutes=5)
_REMEMBERED: Final = 10_000


class Memory:
    """What was noted within `AGAIN`, of a bounded number of things. Safe for threads."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._noted: OrderedDict[object, datetime] = OrderedDict()
        self._guard = threading.Lock()

    def forget(self, thing: object) -> None:
        """Take a thing as one that was not noted."""
        with self._guard:
            self._noted.pop(thing, None)

    def is_new(self, thing: object, at: datetime) -> bool:
        """Tell whether a thing is to be noted, and remember that it was."""
        with self._guard:
            before = self._noted.get(thing)
            if before is not None and timedelta() <= at - before < AGAIN:
                return False
            self._noted[thing] = at
            self._noted.move_to_end(thing)
            while len(self._noted) > _REMEMBERED:
                self._noted.popitem(last=False)
            return True
