"""The back-up: whether there is one, how old it is, and whether it lies apart from what it is a copy of."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from agent.doctor.finding import Finding, Patient, Remedy, Severity
from db.backup_record import backups
from db.checkup import server_version, used

BACKUP_NONE: Final = Remedy(
    code="backup-none",
    severity=Severity.WARNING,
    why="If this disk fails, what was received and found is gone.",
    commands=("tibabu backup FOLDER{config}",),
    keys=("backup.folder",),
)
BACKUP_OLD: Final = Remedy(
    code="backup-old",
    severity=Severity.ERROR,
    why="If this disk fails, all since then is gone.",
    commands=("tibabu backup {folder}{config}",),
    keys=("backup.folder", "backup.every_hours"),
)
BACKUP_BESIDE: Final = Remedy(
    code="backup-beside",
    severity=Severity.WARNING,
    why="The back-up lies on the disk that it is to be a copy of.",
    commands=("findmnt --target {folder}",),
    keys=("backup.folder",),
)
BACKUP_TOOL_MISSING: Final = Remedy(
    code="backup-tool-missing",
    severity=Severity.ERROR,
    why="Without it no back-up of PostgreSQL is made or brought back.",
    commands=("apt-get install postgresql-client-{version}",),
    keys=("backup.{setting}",),
    words="It has to be of the server's version or later; PostgreSQL's makers have it for older systems, too.",
)

_PATIENCE: Final = 10
"""Seconds for a program to say its version."""
_BY_HAND: Final = timedelta(days=8)
"""Where nothing is made regularly: so old may one be that a person makes every week."""


def look(patient: Patient) -> Iterator[Finding]:
    """Look at the back-ups on record; nothing before there is a study to lose."""
    section, database = patient.config.backup, patient.database
    times = None if database is None else used(database)
    if database is None or times is None:
        return
    found = []
    whole = next((one for one in backups(database) if one.is_whole and one.ended_at is not None), None)
    last = None if whole is None else whole.ended_at
    said = "none" if last is None else f"the last whole one is of {last:%Y-%m-%d %H:%M} UTC"
    oldest = _BY_HAND if section.folder is None else 2 * timedelta(hours=section.every_hours)
    if patient.now - (last or times[0]) > oldest or (last is None and section.folder is None):
        detail = f"expected a whole back-up of the last {oldest / timedelta(hours=1):g} hours. Received: {said}"
        remedy = BACKUP_NONE if section.folder is None else BACKUP_OLD
        found.append(patient.ill("back-up", remedy, detail, folder=section.folder or ""))
    if section.folder is not None:
        found += _place(patient, section.folder)
        found += _programs(patient, server_version(database))
    yield from found or [patient.fit("back-up", said)]


def _place(patient: Patient, folder: Path) -> Iterator[Finding]:
    store = patient.config.store
    if store.s3 is None and folder.exists() and store.folder.exists() and _disk(folder) == _disk(store.folder):
        detail = f"expected another disk than that of {store.folder}. Received: {folder} on the same"
        yield patient.ill("back-up", BACKUP_BESIDE, detail, folder=folder)


def _programs(patient: Patient, server: int) -> Iterator[Finding]:
    """Look at PostgreSQL's programs, where a server has rows: one that is older than it refuses to copy them."""
    for setting in ("pg_dump", "pg_restore") if server else ():
        program = getattr(patient.config.backup, setting)
        if shutil.which(program) is None:
            detail = f"expected the program {program}. Received: it is not there"
        elif (version := _version(program)) < server:
            detail = f"expected {program} of version {server}, which the server is of, or later. Received: {version}"
        else:
            continue
        yield patient.ill("back-up", BACKUP_TOOL_MISSING, detail, setting=setting, version=server)


def _version(program: str) -> int:
    """Return the major version that a program says it is of; 0 if it says none, or cannot be run."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=_PATIENCE, check=False)  # noqa: S603
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    return 0 if found is None else int(found[1])


def _disk(folder: Path) -> int:
    return folder.stat().st_dev
