"""The store of received bytes: each file once, under the digest of its content, durable before `put` returns.

Names are made of digests only: no UID and no name out of a dataset ever becomes part of a path. They are the same in
every store, so that moving from one to another is copying.
"""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from dicom_io.errors import StoreError
from dicom_io.spool import Spool

_PIECE: Final = 1 << 18
_RELATIVE: Final = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{62}\.dcm")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A durable file: its path relative to the store's root, the SHA-256 of its content in hex, its size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file that lies in the store, whatever rows say of it; `written_at` is aware UTC."""

    path: str
    size: int
    written_at: datetime


def pieces(path: Path, start: int = 0, length: int | None = None) -> Iterator[bytes]:
    """Yield a stored file piece by piece, or so many bytes of it."""
    with path.open("rb") as file:
        file.seek(start)
        while piece := file.read(_PIECE if length is None else min(_PIECE, length)):
            length = None if length is None else length - len(piece)
            yield piece


class Store(Protocol):
    """Content-addressed files, `<first two digits>/<sha256>.dcm`, in a folder or an object store.

    Any number of threads, processes and hosts may use the same one. Everything raises StoreError where the store is
    away, full or refuses, and for a name that no store gave; what is said of `put` holds whichever process dies when.
    """

    def spool(self) -> Spool:
        """Return a new file for what is received, to be kept by `keep`."""

    def put(self, data: bytes) -> StoredFile:
        """Make `data` durable and say where. Raises NoSpaceError when the disk or quota is full, else StoreError."""

    def keep(self, spool: Spool) -> StoredFile:
        """Make what was written to `spool` durable under its digest. Raises as `put` does.

        A file that is there already is replaced by what has just come: it may have been damaged since, and who sends
        it again is told that it is safe. After an error nothing new stands under the final name.
        """

    def local(self, relative: str) -> AbstractContextManager[Path]:
        """Return a file on this host's disk to read, with the bytes of `relative`; it stays for the block.

        Raises LostError, at once, if there is no such file, or what is there is not what was put.
        """

    def is_intact(self, relative: str, sha256: str) -> bool:
        """Read a file back, past all caches; tell whether it is there, can be read, and has this digest."""

    def delete(self, relative: str) -> bool:
        """Remove a file durably; tell whether it was there. Who reads it meanwhile reads on."""

    def listed(self) -> Iterator[ListedFile]:
        """Yield what lies in the store, in the order of the names.

        What is put meanwhile may be missing, and a file that was put a moment ago may not have its row yet:
        `written_at` tells.
        """


def name_of(sha256: str) -> str:
    """Return the name, relative to any store's root, of what has this SHA-256 in hex."""
    return f"{sha256[:2]}/{sha256}.dcm"


def is_name(relative: str) -> bool:
    """Tell whether a store may have given this name."""
    return _RELATIVE.fullmatch(relative) is not None


def checked(relative: str) -> str:
    """Return a name that a store gave. Raises StoreError for any other text."""
    if not is_name(relative):
        message = f"expected a path that the store gave. Received: length={len(relative)}"
        raise StoreError(message)
    return relative
