"""Copies of stored files on this host's disk, at most so many bytes of them, for any number of its processes.

A copy that somebody reads has a second name (a hard link) of the reader's own until the end: whoever makes room
meanwhile takes away the first one. The copies are not synced to the disk: after this machine has started anew they are
thrown away.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import Final

from dicom_io.errors import StoreError
from dicom_io.folder_store import FOLDERS, INCOMING, make_folders
from dicom_io.spool import Spool, mapped
from dicom_io.store import is_name

_LOCK: Final = "cache.lock"
_BOOT: Final = "cache.boot"
_READERS: Final = "readers"
_OWNER: Final = "owner.lock"
_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_SHARE: Final = 32  # what is added between two looks at the whole: a 32th of the limit
_KEPT: Final = 7 / 8  # of the limit, after room was made

Fetch = Callable[[Spool], None]
"""Writes a stored file to a spool; raises StoreError if that does not hold its bytes afterwards."""


class Cache:
    """A folder of copies. Raises StoreError where the disk does not serve."""

    def __init__(self, folder: Path, *, limit: int, reserve: int, room: int = 0) -> None:
        """Make the folder, or take over the copies of an earlier run.

        `limit` is how many bytes of copies are kept, `room` how many of the disk they leave free, and `reserve` how
        many are left alone by all that comes. Raises StoreError for a folder that holds anything else: what is in a
        cache is thrown away.
        """
        self._folder = folder
        self._limit = limit
        self._reserve = reserve
        self._room = room
        self._since = limit  # bytes added since the last look at the whole: the first one is due
        with mapped("the folder of the cache"):
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            with self._locked():
                self._take_over()
                self._readers, self._owner = _own(folder / _READERS)

    def spool(self) -> Spool:
        """Return a new file for what is received."""
        return Spool(self._folder / INCOMING, reserve=self._reserve)

    def take(self, spool: Spool, relative: str) -> None:
        """Keep what is in a spool as the copy of a stored file. No error: a copy is never needed."""
        with contextlib.suppress(OSError, StoreError):
            spool.rename(f"{self._folder}/{relative}")
            self._added(spool.size)

    @contextlib.contextmanager
    def reading(self, relative: str, fetch: Fetch) -> Iterator[Path]:
        """Return a copy that stays for the block; it is fetched if there is none."""
        link = self._readers / f"{token_hex(16)}.dcm"
        try:
            if not self._link(relative, link):
                with self.spool() as spool:
                    fetch(spool)
                    spool.check()
                    with mapped("a copy of a stored file"):
                        os.link(spool.name, link)
                    self.take(spool, relative)
            yield link
        finally:
            link.unlink(missing_ok=True)

    def drop(self, relative: str) -> None:
        """Forget the copy of a file that is no more."""
        with mapped("a copy of a stored file"):
            (self._folder / relative).unlink(missing_ok=True)

    def _link(self, relative: str, link: Path) -> bool:
        with mapped("a copy of a stored file"):
            try:
                os.link(self._folder / relative, link)
            except (FileNotFoundError, PermissionError):  # or a copy of another account's: who links, has to own it
                return False
            os.utime(link)  # both names' time of last use
            return True

    def _added(self, size: int) -> None:
        self._since += size
        if self._since * _SHARE >= self._limit or self._lacks_room():
            self._since = 0
            self._make_room()

    def _lacks_room(self) -> bool:
        disk = os.statvfs(self._folder)
        return disk.f_bavail * disk.f_frsize < self._room

    def _make_room(self) -> None:
        """Remove the copies that were used longest ago, until enough are gone; unless another process is about it."""
        with contextlib.suppress(BlockingIOError), self._locked(wait=False):
            copies = sorted(self._copies())
            total = sum(size for _, size, _ in copies)
            wanted = self._limit * _KEPT if total > self._limit else total
            for _, size, path in copies:
                if total <= wanted and not self._lacks_room():
                    break
                path.unlink(missing_ok=True)
                total -= size

    def _copies(self) -> Iterator[tuple[int, int, Path]]:
        for name in FOLDERS:
            with os.scandir(self._folder / name) as entries:
                for entry in entries:
                    if is_name(f"{name}/{entry.name}"):
                        with contextlib.suppress(FileNotFoundError):
                            facts = entry.stat()
                            yield facts.st_mtime_ns, facts.st_size, Path(entry.path)

    def _take_over(self) -> None:
        """Make the folders; remove what cannot be trusted any more, and what readers that died have left."""
        boot, now = self._folder / _BOOT, _boot_id()
        known = boot.read_text(encoding="ascii") if boot.exists() else None
        if known is None and any(one.name != _LOCK for one in self._folder.iterdir()):
            message = (
                "expected an empty folder for the cache, or one that is a cache. Received: a folder with other files"
            )
            raise StoreError(message)
        make_folders(self._folder)
        (self._folder / _READERS).mkdir(mode=_FOLDER_MODE, exist_ok=True)
        if known is not None and (not now or known != now):
            for _, _, path in self._copies():
                path.unlink(missing_ok=True)
        boot.write_text(now, encoding="ascii")
        for readers in (self._folder / _READERS).iterdir():
            with contextlib.suppress(PermissionError):  # of a command that another account ran
                if _is_abandoned(readers / _OWNER):
                    shutil.rmtree(readers)

    @contextlib.contextmanager
    def _locked(self, *, wait: bool = True) -> Iterator[None]:
        descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(descriptor)


def _own(readers: Path) -> tuple[Path, int]:
    """Make a folder for the files that this process reads; it is held as long as the process lives."""
    folder = readers / token_hex(16)
    folder.mkdir(mode=_FOLDER_MODE)
    descriptor = os.open(folder / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return folder, descriptor


def _is_abandoned(owner: Path) -> bool:
    descriptor = os.open(owner, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _boot_id() -> str:
    """Return what is another after each start of this machine; "" where nobody says."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
