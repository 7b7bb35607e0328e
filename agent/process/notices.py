"""What a supervisor posts for the processes that it has forked, in memory that all of them share."""

import os
from typing import Final

_LENGTH: Final = 8
"""Bytes in front of each text, which say how many follow."""


class Notices:
    """Texts, the latest at the end; what was posted stays. Each process reads what came after it was forked."""

    def __init__(self) -> None:
        """Make the memory (memfd_create), which processes that are forked from now on have as well."""
        self._memory = os.memfd_create("notices")
        self._end = 0

    def post(self, text: str) -> None:
        """Post a text."""
        data = text.encode()
        self._end += os.pwrite(self._memory, len(data).to_bytes(_LENGTH) + data, self._end)

    def news(self) -> tuple[str, ...]:
        """Return what was posted since this process was forked or has asked last."""
        found = []
        while length := os.pread(self._memory, _LENGTH, self._end):
            size = int.from_bytes(length)
            found.append(os.pread(self._memory, size, self._end + _LENGTH).decode())
            self._end += _LENGTH + size
        return tuple(found)
