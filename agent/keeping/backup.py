"""A back-up while everything runs: the database as of one moment, then the files that its rows need and are new.

Files never change and none is deleted while a back-up is made (`db.file_deletion`), so the later copy of the files
holds all that the earlier copy of the database speaks of.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from agent import VERSION
from agent.keeping.backup_folder import (
    DATABASE,
    FORMAT,
    LIST,
    MANIFEST,
    PART,
    BackupError,
    BackupFolder,
    ListedCopy,
    digest_of_manifest,
)
from db.backup_record import begin_backup, end_backup, still_alive
from db.database import Database
from db.dump import dump
from db.errors import DatabaseError
from db.needed_files import NeededFile
from db.revision import current
from dicom_io.durable import digest_of, sync
from dicom_io.errors import LostError, StoreError
from dicom_io.store import Store, name_of

log = structlog.get_logger(__name__)

LONGEST: Final = 24 * 3600.0
"""Seconds: a back-up that takes longer hangs."""
_CHUNK: Final = 1 << 20
_SIGN_OF_LIFE: Final = 60.0  # seconds
_SHOWN: Final = 100


@dataclass(slots=True)
class Made:
    """A back-up: its files and their bytes, what of it was new, and stored files that are lost or changed."""

    name: str
    files: int = 0
    bytes: int = 0
    new_files: int = 0
    new_bytes: int = 0
    digest: str = ""
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BackupMaker:
    """Makes back-ups in a folder. What is killed in the middle leaves no back-up, and the next one goes on from it."""

    database: Database
    store: Store
    installation: str
    clock: Callable[[], datetime]
    pg_dump: str = "pg_dump"

    def make(self, root: Path, *, keep: int | None = None) -> Made:
        """Make a back-up, and remove all but the last `keep`. Raises BackupError, DatabaseError, StoreError."""
        folder = BackupFolder(root)
        try:
            with folder.alone():
                made = Made(folder.free_name(self.clock()))
                number = begin_backup(self.database, made.name, now=self.clock())
                failed: str | None = "it was broken off"
                try:
                    self._make(folder, made, number)
                    failed = None
                except (DatabaseError, StoreError) as error:
                    failed = str(error)
                    raise
                except OSError as error:
                    failed = error.strerror
                    raise
                finally:
                    self._end(number, made, failed)
                if keep is not None:
                    folder.keep(keep)
        except OSError as error:
            message = f"expected a folder in which a back-up can be made. Received: {error.strerror}"
            raise BackupError(message) from None
        return made

    def make_regularly(self, root: Path, keep: int) -> None:
        """Make a back-up as the tick `backup`. Raises BackupError too if a stored file is lost or changed."""
        made = self.make(root, keep=keep)
        if made.lost:
            message = f"expected every stored file to be whole. Received: lost or changed={len(made.lost)}"
            raise BackupError(message)

    def _end(self, number: int, made: Made, failed: str | None) -> None:
        """Say how it ended; `failed`: why there is none."""
        whole = failed is None
        detail = failed or (f"{len(made.lost)} stored files are lost or changed" if made.lost else "")
        end_backup(
            self.database,
            number,
            whole=whole,
            files=made.files,
            size=made.bytes,
            detail=detail,
            now=self.clock(),
        )
        facts = {"files": made.files, "bytes": made.bytes, "new_files": made.new_files, "lost": len(made.lost)}
        if whole and not made.lost:
            log.info("backup_made", backup=made.name, **facts)
        elif whole:
            log.error("backup_made", backup=made.name, **facts)
        else:
            log.error("backup_failed", backup=made.name, reason=failed, **facts)

    def _make(self, folder: BackupFolder, made: Made, number: int) -> None:
        part = folder.root / f"{made.name}{PART}"
        part.mkdir(mode=0o700)
        made_at = self.clock()
        with self._alive(number):
            dump(self.database, part / DATABASE, lambda files: _write_list(part / LIST, files), pg_dump=self.pg_dump)
            self._copy_files(folder, part.name, made)
        said = {
            "format": FORMAT,
            "name": made.name,
            "made_at": made_at.isoformat(),
            "version": VERSION,
            "dialect": self.database.dialect,
            "revision": current(self.database),
            "installation": self.installation,
            "database_sha256": digest_of(part / DATABASE),
            "list_sha256": digest_of(part / LIST),
            "files": made.files,
            "bytes": made.bytes,
            "lost": made.lost[:_SHOWN],
        }
        made.digest = digest_of_manifest(said)
        (part / MANIFEST).write_text(json.dumps(said | {"digest": made.digest}, indent=1), encoding="utf-8")
        for name in (DATABASE, LIST, MANIFEST):
            sync(part / name)
        sync(part)
        part.rename(folder.root / made.name)
        sync(folder.root)

    @contextmanager
    def _alive(self, number: int) -> Iterator[None]:
        """Say while the block runs that the back-up does: also while the database is copied, which may take hours."""
        done = threading.Event()

        def tell() -> None:
            while not done.wait(_SIGN_OF_LIFE):
                try:
                    still_alive(self.database, number, now=self.clock())
                except DatabaseError as error:  # the next one may get through
                    log.warning("backup_not_told", error=type(error).__name__)

        teller = threading.Thread(target=tell, name="backup-alive", daemon=True)
        teller.start()
        try:
            yield
        finally:
            done.set()
            teller.join()

    def _copy_files(self, folder: BackupFolder, name: str, made: Made) -> None:
        for file in folder.listed(name):
            self._copy(folder, file, made)
        for each in folder.files.iterdir():
            sync(each)
        sync(folder.files)

    def _copy(self, folder: BackupFolder, file: ListedCopy, made: Made) -> None:
        made.files, made.bytes = made.files + 1, made.bytes + file.size
        target = folder.copy_of(file.sha256)
        if target.exists() and target.stat().st_size == file.size:
            return
        target.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            with self.store.local(name_of(file.sha256)) as source, source.open("rb") as stream:
                digest = _copy_durably(iter(lambda: stream.read(_CHUNK), b""), target.with_suffix(PART))
        except LostError:
            digest = ""
        if digest != file.sha256:
            target.with_suffix(PART).unlink(missing_ok=True)
            made.lost.append(file.sha256)
            log.error("stored_file_not_copied", sha256=file.sha256)
            return
        target.with_suffix(PART).rename(target)
        made.new_files, made.new_bytes = made.new_files + 1, made.new_bytes + file.size


def _copy_durably(pieces: Iterator[bytes], target: Path) -> str:
    digest = hashlib.sha256()
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        for piece in pieces:
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _write_list(path: Path, files: Iterator[NeededFile]) -> None:
    with path.open("w", encoding="ascii") as lines:
        lines.writelines(f"{file.sha256} {file.size}\n" for file in files)
