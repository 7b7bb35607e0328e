"""The store in a folder, of a disk of this machine or one that several machines share.

The order that a C-STORE success rests on is fsync(file) -> rename -> fsync(folder); the caller's commit and the answer
come after it.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from dicom_io.durable import digest_of, make_folder, sync
from dicom_io.errors import LostError, StoreError
from dicom_io.spool import TEMPORARY, Spool, mapped
from dicom_io.store import ListedFile, StoredFile, checked, is_name, name_of

INCOMING: Final = "incoming"
FOLDERS: Final = tuple(f"{number:02x}" for number in range(256))
_FOLDER_MODE: Final = 0o700  # patient data: for the agent's account only
_STALE_SECONDS: Final = 3600.0


class FolderStore:
    """Content-addressed files below one folder: `<first two digits>/<sha256>.dcm`.

    Any number of threads and processes may use the same root.
    """

    def __init__(self, root: Path, *, reserve: int = 0) -> None:
        """Make the folders and remove what writers that died left behind more than an hour ago. Raises StoreError.

        `reserve` bytes of the disk are left alone by what comes from outside.
        """
        self._reserve = reserve
        self._root = root
        with mapped("the store's folders"):
            make_folder(root, _FOLDER_MODE)
            make_folders(root)
            sync(root)

    def spool(self) -> Spool:
        """Return a new file for what is received, to be kept by `keep`."""
        return Spool(self._root / INCOMING, reserve=self._reserve)

    def put(self, data: bytes) -> StoredFile:
        """Make `data` durable and say where. Raises NoSpaceError when the disk or quota is full, else StoreError."""
        with Spool(self._root / INCOMING) as spool:
            spool.write(data)
            return self.keep(spool)

    def keep(self, spool: Spool) -> StoredFile:
        """Make what was written to `spool` durable under its digest. Raises as `put` does.

        A file that is there already is replaced by what has just come: it may have been damaged on the disk since, and
        who sends it again is told that it is safe. After an error nothing new stands under the final name.
        """
        spool.check()
        digest = spool.sha256
        relative = name_of(digest)
        with mapped(f"{spool.size} bytes on disk"):
            spool.sync()
            spool.rename(f"{self._root}/{relative}")
            sync(f"{self._root}/{digest[:2]}")
        return StoredFile(relative, digest, spool.size)

    def path(self, relative: str) -> Path:
        """Return where the file lies that `put` named `relative`. Raises StoreError if it is no such name."""
        return self._root / checked(relative)

    def local(self, relative: str) -> AbstractContextManager[Path]:
        """See `Store`: the file itself."""
        path = self.path(relative)
        with mapped("a stored file to be read"):
            if not path.is_file():
                if not path.parent.is_dir():  # the folders were made when the store was opened: its disk is away
                    message = "expected the store's folders. Received: none, as where a disk is not mounted"
                    raise StoreError(message)
                message = "expected a stored file. Received: none of its name"
                raise LostError(message)
        return contextlib.nullcontext(path)

    def is_intact(self, relative: str, sha256: str) -> bool:
        """Read a file back from disk; tell whether it is there, can be read, and has this digest.

        Raises StoreError if `relative` is no name that `put` gave.
        """
        path = self.path(relative)
        try:
            return digest_of(path) == sha256
        except OSError:
            return False

    def delete(self, relative: str) -> bool:
        """Remove a file durably; tell whether it was there. Raises StoreError. Who reads it meanwhile reads on."""
        path = self.path(relative)
        with mapped("a stored file to be removed"):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            sync(path.parent)
        return True

    def listed(self) -> Iterator[ListedFile]:
        """Yield what lies in the store, in the order of the names. Raises StoreError.

        What is put meanwhile may be missing, and a file that was put a moment ago may not have its row yet:
        `written_at` tells.
        """
        for name in FOLDERS:
            with mapped("the store's folders"), os.scandir(self._root / name) as entries:
                found = sorted(f"{name}/{one.name}" for one in entries)
            for relative in filter(is_name, found):
                with mapped("a stored file"):
                    try:
                        facts = (self._root / relative).stat()
                    except FileNotFoundError:
                        continue
                yield ListedFile(relative, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC))


def make_folders(root: Path) -> None:
    """Make the folders of stored files and of those that arrive, and remove what writers that died have left there.

    They write into that one only; the others hold millions of files, and each process of a site would list them all.
    """
    with os.scandir(root) as entries:
        there = {entry.name for entry in entries if entry.is_dir()}
    for name in (INCOMING, *FOLDERS):
        if name not in there:
            (root / name).mkdir(_FOLDER_MODE, exist_ok=True)  # another process may be making them too
    _remove_stale(root / INCOMING)


def _remove_stale(folder: Path) -> None:
    """Remove temporary files that no living writer can still be writing."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(TEMPORARY):
                with contextlib.suppress(FileNotFoundError):  # another process may be tidying up too
                    if entry.stat().st_mtime < time.time() - _STALE_SECONDS:
                        Path(entry.path).unlink()
