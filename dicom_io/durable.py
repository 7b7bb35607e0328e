"""Files on a disk, past what the system caches of them."""

import hashlib
import os
from pathlib import Path
from typing import Final

_CHUNK: Final = 1 << 20


def sync(path: Path | str) -> None:
    """Make a file, or the names in a folder, durable: a rename is not, until its folder is synced. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder and those above it that are missing, each durable as a name. Raises OSError.

    A file that is synced in a folder whose own name is not on the disk is gone with it.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode, exist_ok=True)  # another process may be making it, too
    sync(folder.parent)


def digest_of(path: Path) -> str:
    """Return the SHA-256 in hex of what lies on the disk: what is cached proves nothing. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
