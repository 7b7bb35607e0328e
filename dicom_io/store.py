"""The store of received bytes: each file once, under the digest of its content, durable before `put` returns.

The order that a C-STORE success rests on is fsync(file) -> rename -> fsync(folder); the caller's commit and the answer
come after it. Names are made of digests only: no UID and no name out of a dataset ever becomes part of a path.
"""

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dicom_io.errors import NoSpaceError, StoreError

_FOLDERS: Final = tuple(f"{number:02x}" for number in range(256))
_RELATIVE: Final = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{62}\.dcm")
_FOLDER_MODE: Final = 0o700  # patient data: for the agent's account only
_FILE_MODE: Final = 0o600
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_TEMPORARY: Final = ".tmp"
_STALE_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A durable file: its path relative to the store's root, the SHA-256 of its content in hex, its size in bytes."""

    path: str
    sha256: str
    size: int


class Store:
    """Content-addressed files below one folder: `<first two digits>/<sha256>.dcm`.

    Any number of threads and processes may use the same root.
    """

    def __init__(self, root: Path) -> None:
        """Make the folders and remove what writers that died left behind more than an hour ago. Raises StoreError."""
        self._root = root
        with _mapped("the store's folders"):
            is_new = not root.is_dir()
            root.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            for name in _FOLDERS:
                (root / name).mkdir(mode=_FOLDER_MODE, exist_ok=True)
                _remove_stale(root / name)
            _sync_folder(root)
            if is_new:
                _sync_folder(root.parent)

    def put(self, data: bytes) -> StoredFile:
        """Make `data` durable and say where. Raises NoSpaceError when the disk or quota is full, else StoreError.

        A file that is there already is not written again. After an error nothing new stands under the final name.
        """
        digest = hashlib.sha256(data).hexdigest()
        relative = f"{digest[:2]}/{digest}.dcm"
        final = self._root / relative
        with _mapped(f"{len(data)} bytes on disk"):
            if not _is_whole(final, len(data)):
                _write(data, final)
            _sync_folder(final.parent)  # also for a file that is there: who renamed it may not have got this far
        return StoredFile(relative, digest, len(data))

    def require_free(self, size: int) -> None:
        """Raise NoSpaceError when less than `size` bytes are free: an Instance is refused before the disk is full."""
        with _mapped("the free space of the store"):
            free = shutil.disk_usage(self._root).free
        if free < size:
            message = f"expected at least {size} bytes free in the store. Received: free={free}"
            raise NoSpaceError(message)

    def path(self, relative: str) -> Path:
        """Return where the file lies that `put` named `relative`. Raises StoreError if it is no such name."""
        if _RELATIVE.fullmatch(relative) is None:
            message = f"expected a path that the store gave. Received: length={len(relative)}"
            raise StoreError(message)
        return self._root / relative


@contextlib.contextmanager
def _mapped(expected: str) -> Iterator[None]:
    """Map what the operating system raises to this package's errors."""
    try:
        yield
    except OSError as error:
        kind = NoSpaceError if error.errno in _NO_SPACE else StoreError
        name = errno.errorcode.get(error.errno or 0, "unknown")
        message = f"expected {expected}. Received: errno={name}"
        raise kind(message) from error


def _is_whole(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _write(data: bytes, final: Path) -> None:
    """Write to a temporary file beside `final`, sync it, then give it its name."""
    temporary = final.with_name(f"{final.stem}.{secrets.token_hex(8)}{_TEMPORARY}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
    try:
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.rename(final)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable: a rename is not, until its folder is synced."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale(folder: Path) -> None:
    """Remove temporary files that no living writer can still be writing."""
    for path in folder.glob(f"*{_TEMPORARY}"):
        with contextlib.suppress(FileNotFoundError):  # another process may be tidying up too
            if path.stat().st_mtime < time.time() - _STALE_SECONDS:
                path.unlink()
