"""The store: room, rights, and whether its files are those that the database speaks of."""

import os
import pwd
import secrets
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from agent.doctor.finding import Finding, Patient, Remedy, Severity
from agent.keeping.reconcile import YOUNG
from agent.process.parts import sqlite_file
from agent.watch.disk import free_bytes
from db.database import Database
from db.needed_files import NeededFile, needed_files, needs
from dicom_io.errors import DicomIoError

OTHER_ACCOUNT: Final = Remedy(
    code="other-account",
    severity=Severity.WARNING,
    why="Rights were tried for the account that runs this command, which is not the one that owns the store.",
    commands=("sudo -u {owner} tibabu check{config}",),
)
STORE_NOT_WRITABLE: Final = Remedy(
    code="store-not-writable",
    severity=Severity.ERROR,
    why="No Instance can be stored: each is refused with A700, and scanners keep their images.",
    commands=("ls -ld {folder}", "chown -R tibabu: {folder}"),
    keys=("store.folder",),
    words="A disk that is mounted read-only: mount it anew. Under systemd the folder has to stand in ReadWritePaths.",
)
STORE_OPEN: Final = Remedy(
    code="store-open",
    severity=Severity.WARNING,
    why="Every account of this machine can read patient data.",
    commands=("chmod go-rwx {file}",),
)
STORE_FILES_MISSING: Final = Remedy(
    code="store-files-missing",
    severity=Severity.ERROR,
    why="Received images are not where the database says: nobody can analyse, send or read them.",
    commands=("findmnt --target {folder}", "tibabu verify{config}"),
    keys=("store.folder",),
    words="Most often the disk is not mounted. What is lost indeed is in the back-up.",
)
STORE_OF_ANOTHER: Final = Remedy(
    code="store-of-another",
    severity=Severity.ERROR,
    why="The database knows none of the files looked at: another agent stores there, or this is another database.",
    commands=("tibabu verify{config}",),
    keys=("store.folder", "database.url"),
    words="Two agents on copies of one database write different reports under the same UIDs: stop one of them.",
)
DISK_FULL: Final = Remedy(
    code="disk-full",
    severity=Severity.ERROR,
    why="New Instances are refused with A700 until there is room.",
    commands=("df -h {folder}", "tibabu retention{config}"),
    keys=("store.minimum_free_megabytes", "retention.images_after_days"),
)
DISK_LOW: Final = Remedy(
    code="disk-low",
    severity=Severity.WARNING,
    why="At less than store.minimum_free_megabytes new Instances are refused.",
    commands=("df -h {folder}", "tibabu retention{config}"),
    keys=("store.low_megabytes", "retention.images_after_days"),
)
OBJECT_STORE_FAILS: Final = Remedy(
    code="object-store-fails",
    severity=Severity.ERROR,
    why="No Instance can be stored: each is refused with A700, and scanners keep their images.",
    keys=("store.s3.url", "store.s3.endpoint", "store.s3.access_key_file"),
)

_MEGABYTE: Final = 1_000_000
_OTHERS: Final = 0o077
_LOOKED_AT: Final = 5


def look_at_room(patient: Patient) -> Iterator[Finding]:
    """Look at the disks of store and database."""
    section, file = patient.config.store, sqlite_file(patient.config)
    places = [section.local_folder] + ([] if file is None else [file.parent])
    for folder in dict.fromkeys(places):
        check = "disk" if folder == section.local_folder else "disk of the database"
        free = free_bytes(folder) // _MEGABYTE
        least = section.minimum_free_megabytes if check == "disk" else 0
        if free < least:
            detail = f"expected {least} MB free at {folder}. Received: {free} MB; new Instances are refused"
            yield patient.ill(check, DISK_FULL, detail, folder=folder)
        elif free < section.low_megabytes:
            detail = f"expected {section.low_megabytes} MB free at {folder}. Received: {free} MB"
            yield patient.ill(check, DISK_LOW, detail, folder=folder)
        else:
            yield patient.fit(check, f"{free} MB free at {folder}")


def look_at_rights(patient: Patient) -> Iterator[Finding]:
    """Look whether this account may write, and whether others may read."""
    folder = patient.config.store.local_folder
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(nearest, os.W_OK | os.X_OK, effective_ids=True) or not nearest.is_dir():
        detail = f"expected a folder that {_name(os.geteuid())} can write. Received: {nearest}"
        yield patient.ill("store", STORE_NOT_WRITABLE, detail, folder=nearest)
        return
    file = sqlite_file(patient.config)
    for private in (folder, *(() if file is None else (file,))):
        if private.exists() and (mode := private.stat().st_mode & 0o777) & _OTHERS:
            detail = f"expected {private} to be its owner's only. Received: mode {mode:03o}"
            yield patient.ill("store", STORE_OPEN, detail, file=private)
    if folder.exists() and (owner := folder.stat().st_uid) != os.geteuid():
        detail = f"expected to be run by {_name(owner)}, whose the store is. Received: {_name(os.geteuid())}"
        yield patient.ill("store", OTHER_ACCOUNT, detail, owner=_name(owner))
    yield patient.fit("store", f"{folder}" if folder.exists() else f"none yet; `tibabu run` makes {folder}")


def look_at_files(patient: Patient) -> Iterator[Finding]:
    """Look at a few files, from places taken at random: those that the rows need, and those that lie there."""
    folder, database = patient.config.store.folder, patient.database
    if patient.config.store.s3 is not None or database is None:
        return
    wanted = _some_needed(database)
    if missing := [one for one in wanted if not (folder / one.path).exists()]:
        detail = (
            f"expected {len(wanted)} files of the database in {folder}. Received: {len(missing)} of them are not there"
        )
        yield patient.ill("stored files", STORE_FILES_MISSING, detail, folder=folder)
    there = list(islice(_some_stored(folder, patient.now.timestamp() - YOUNG.total_seconds()), _LOOKED_AT))
    if there and not any(needs(database, one) for one in there):
        detail = f"expected files in {folder} that the database needs. Received: {len(there)} looked at, none is"
        yield patient.ill("stored files", STORE_OF_ANOTHER, detail)
    if not missing:
        yield patient.fit("stored files", f"{len(wanted)} of the database looked at, all there")


def look_at_objects(patient: Patient) -> Iterator[Finding]:
    """Put a small object into the object store, and have it proved."""
    section = patient.config.store.s3
    if section is None:
        return
    from dicom_io.object_store import probe  # noqa: PLC0415 - the other checks do not need it

    try:
        probe(section.settings)
    except (DicomIoError, OSError) as error:
        yield patient.ill("object store", OBJECT_STORE_FAILS, str(error))
    else:
        yield patient.fit("object store", f"takes and proves objects at {section.url}")


def _some_needed(database: Database) -> list[NeededFile]:
    start = secrets.token_hex(32)
    found = list(islice(needed_files(database, after=start), _LOOKED_AT))
    return found or list(islice(needed_files(database), _LOOKED_AT))


def _some_stored(folder: Path, before: float) -> Iterator[NeededFile]:
    """Yield files, one of each folder, that are older than one that is just being received."""
    places = list(folder.glob("[0-9a-f][0-9a-f]"))
    for place in secrets.SystemRandom().sample(places, len(places)):
        for file in islice(place.glob("*.dcm"), _LOOKED_AT):
            if (status := file.stat()).st_mtime < before:
                yield NeededFile(sha256=file.stem, path=f"{place.name}/{file.name}", size=status.st_size)
                break


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
