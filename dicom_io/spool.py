"""An Instance on its way into the store: its bytes go to a file as they arrive, so that none is held in memory.

The file has a name of its own until `Store.keep` makes it durable and gives it its final one. Whoever makes a spool
uses it as a context manager, or closes it: what was not kept is removed.
"""

import contextlib
import ctypes
import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self, TypeAlias

from dicom_io.errors import NoSpaceError, StoreError, TooLargeError

Buffer: TypeAlias = bytes | bytearray | memoryview

TEMPORARY: Final = ".tmp"

_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_MODE: Final = 0o600  # patient data: for the agent's account only
_STEP: Final = 1 << 19  # bytes after which the disk is set to work, so that the sync has less to wait for
_START_WRITING: Final = 2  # SYNC_FILE_RANGE_WRITE, see sync_file_range(2): it waits for nothing and promises nothing
_sync_file_range: Final = ctypes.CDLL(None).sync_file_range
_sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


@contextlib.contextmanager
def mapped(expected: str) -> Iterator[None]:
    """Map what the operating system raises to this package's errors."""
    try:
        yield
    except OSError as error:
        kind = NoSpaceError if error.errno in _NO_SPACE else StoreError
        name = errno.errorcode.get(error.errno or 0, "unknown")
        message = f"expected {expected}. Received: errno={name}"
        raise kind(message) from error


class Spool:
    """A file that is being written below `folder`, and the SHA-256 of what has been written.

    Beyond `longest` bytes, where that is set, nothing is kept.

    `write` does not raise: a peer's message is read to its end whatever the disk says. What went wrong is kept and
    raised by whoever asks for the file (`check`, `open_file`, `Store.keep`).
    """

    def __init__(self, folder: Path, *, reserve: int = 0) -> None:
        """Make the file; it takes nothing more once only `reserve` bytes are free on its disk."""
        self.name = f"{folder}/{secrets.token_hex(16)}{TEMPORARY}"
        self.size = 0
        self.longest: int | None = None
        self._hash = hashlib.sha256()
        self._failure: StoreError | None = None
        self._descriptor = -1
        self._is_kept = False
        self._reserve = reserve
        self._looked_after = 0
        with self._noted():
            self._require_room(folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._descriptor = os.open(self.name, flags, _MODE)

    def __enter__(self) -> Self:
        """Return the spool."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    @property
    def path(self) -> Path:
        """Where the file is, until it is kept."""
        return Path(self.name)

    @property
    def is_closed(self) -> bool:
        """Whether there is nothing left to close."""
        return self._descriptor < 0

    @property
    def sha256(self) -> str:
        """The SHA-256 in hex of what has been written."""
        return self._hash.hexdigest()

    def write(self, data: Buffer) -> None:
        """Append to the file, or remember why that cannot be."""
        self.size += len(data)
        if self._failure is not None:
            return
        self._hash.update(data)
        try:
            self._append(data)
        except (OSError, StoreError):
            with self._noted():
                raise

    def _append(self, data: Buffer) -> None:
        if self.longest is not None and self.size > self.longest:
            message = f"expected an Instance of at most {self.longest} bytes. Received: more"
            raise TooLargeError(message)
        _write_all(self._descriptor, data)
        if self.size - self._looked_after >= _STEP:
            self._looked_after = self.size
            self._require_room(self._descriptor)
            self.write_back()

    def write_back(self) -> None:
        """Let the disk begin with what has been written. Nothing is promised: that is for `sync`."""
        _sync_file_range(self._descriptor, 0, 0, _START_WRITING)

    def check(self) -> None:
        """Raise StoreError (NoSpaceError) if the file does not hold all that was written."""
        if self._failure is not None:
            raise self._failure

    def open_file(self) -> BinaryIO:
        """Open the file for reading, from its beginning. Raises StoreError."""
        self.check()
        with mapped("the file that was just written"):
            return open(self.name, "rb")  # noqa: PTH123  # pathlib's takes longer, for each Instance

    def sync(self) -> None:
        """Wait until what has been written is on the disk. Raises StoreError."""
        self.check()
        with self._noted():
            os.fsync(self._descriptor)
        self.check()

    def rename(self, final: str) -> None:
        """Give the file its final name, under which it stays. Raises OSError."""
        os.rename(self.name, final)  # noqa: PTH104  # as above
        self._is_kept = True

    def close(self) -> None:
        """Let go of the file; what has not been given its final name is removed. May be repeated."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
            if not self._is_kept:
                with contextlib.suppress(OSError):
                    os.unlink(self.name)  # noqa: PTH108  # as above

    def _require_room(self, where: Path | int) -> None:
        if self._reserve == 0:
            return
        disk = os.statvfs(where)
        if (free := disk.f_bavail * disk.f_frsize) < self._reserve:
            message = f"expected at least {self._reserve} bytes free in the store. Received: free={free}"
            raise NoSpaceError(message)

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        """Keep the first failure; the room that a file takes up which will not be kept is given back."""
        try:
            with mapped(f"{self.size} bytes on disk"):
                yield
        except StoreError as error:
            self._failure = error
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)


def _write_all(descriptor: int, data: Buffer) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
