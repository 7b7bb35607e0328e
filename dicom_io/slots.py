"""Places that are limited in number across processes: each is a lock on one byte, which the kernel releases.

Locks of an open file description (OFD locks, fcntl(2)): they belong to this process's opening of the file and end with
it, also after kill -9. The file stays empty: a byte need not exist to be locked. In a process the places that it holds
itself are in a set, since its own locks never stand in its way.
"""

import fcntl
import hashlib
import os
import struct
import threading
from pathlib import Path
from typing import Final, TypeAlias

from dicom_io.errors import StoreError

Slot: TypeAlias = int
"""A place: the offset of its byte."""

EVERYBODY: Final = ""
"""The group that all belong to."""

_GROUP_BYTES: Final = 1 << 16  # more than any limit
_GROUPS: Final = 1 << 40
_MODE: Final = 0o600


class Slots:
    """Places in groups of any name. Safe for threads; with a path, shared with every process that has the same."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the file, made if needed; without a path the places are this object's own. Raises StoreError."""
        try:
            if path is None:
                self._descriptor = os.memfd_create("slots", os.MFD_CLOEXEC)
            else:
                self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        except OSError as error:
            message = f"expected a file to count associations in. Received: {path} ({error.strerror})"
            raise StoreError(message) from error
        self._lock = threading.Lock()
        self._held: set[Slot] = set()

    def take(self, group: str, maximum: int) -> Slot | None:
        """Take one of `maximum` places of a group; None when all are taken."""
        first = _first(group)
        with self._lock:
            for slot in range(first, first + maximum):
                if slot not in self._held and self._set(fcntl.F_WRLCK, slot):
                    self._held.add(slot)
                    return slot
        return None

    def release(self, slot: Slot) -> None:
        """Give a place back."""
        with self._lock:
            self._held.discard(slot)
            self._set(fcntl.F_UNLCK, slot)

    def close(self) -> None:
        """Give all places back."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
            self._held.clear()
        if descriptor >= 0:
            os.close(descriptor)

    def _set(self, kind: int, slot: Slot) -> bool:
        """Lock or unlock one byte; tell whether that was possible."""
        if self._descriptor < 0:
            return False
        lock = struct.pack("hhqqi4x", kind, os.SEEK_SET, slot, 1, 0)  # struct flock of fcntl(2) on 64 bits
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, lock)
        except BlockingIOError:
            return False
        return True


def _first(group: str) -> Slot:
    """Return the first place of a group: everybody's are at the file's beginning."""
    if group == EVERYBODY:
        return 0
    digest = hashlib.sha256(group.encode()).digest()
    return (1 + int.from_bytes(digest[:8], "big") % _GROUPS) * _GROUP_BYTES
