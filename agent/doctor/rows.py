"""The database: whether it is there, of this version, and safe to write to; and the clock against its rows."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from agent.doctor.finding import Finding, Patient, Remedy, Severity
from agent.doctor.reach import reached
from agent.process.parts import clock_is_off, open_rows, sqlite_file
from db.checkup import not_durable, used
from db.database import Database
from db.errors import DatabaseError, QueryError
from db.revision import MOVED, current, needs_upgrade, newest

DATABASE_AWAY: Final = Remedy(
    code="database-away",
    severity=Severity.ERROR,
    why="Nothing can be recorded: C-STORE is answered A700, and no role starts.",
    commands=("pg_isready --host {host} --port {port}",),
    keys=("database.url", "database.url_file"),
)
DATABASE_FILE_FAILS: Final = Remedy(
    code="database-file-fails",
    severity=Severity.ERROR,
    why="The database's file cannot be opened or is damaged: nothing can be recorded, and no role starts.",
    commands=("ls -l {file}", "tibabu restore FOLDER{config}"),
    keys=("database.url",),
    words="Put a damaged file aside, never away, before a back-up is brought back.",
)
DATABASE_URL_WRONG: Final = Remedy(
    code="database-url-wrong",
    severity=Severity.ERROR,
    why="It names no database that can be used: no role starts.",
    keys=("database.url", "database.url_file"),
)
DATABASE_BEHIND: Final = Remedy(
    code="database-behind",
    severity=Severity.ERROR,
    why="The database is that of an earlier version: commands refuse it. `tibabu run` does the same at its start.",
    commands=("tibabu migrate{config}",),
)
DATABASE_AHEAD: Final = Remedy(
    code="database-ahead",
    severity=Severity.ERROR,
    why="A later version has changed the database: this one would misread it, and refuses it.",
    commands=("tibabu --version",),
    words="Install that later version again; or bring the back-up from before it to an empty database.",
)
DATABASE_MOVED: Final = Remedy(
    code="database-moved",
    severity=Severity.ERROR,
    why="Its rows were moved to another database: what is written here would be lost there.",
    keys=("database.url", "database.url_file"),
    words="Name the database that it was moved to.",
)
DATABASE_ON_NETWORK_DISK: Final = Remedy(
    code="database-on-network-disk",
    severity=Severity.ERROR,
    why="The locks of SQLite do not hold on a network's file system: the database will be damaged.",
    commands=("findmnt --target {folder}",),
    keys=("database.url",),
    words="Put the file on a disk of this machine, or use PostgreSQL.",
)
DATABASE_NOT_DURABLE: Final = Remedy(
    code="database-not-durable",
    severity=Severity.ERROR,
    why="After a power failure Instances may be missing that were answered with success.",
    commands=('psql --command "ALTER SYSTEM SET {setting} = on"', 'psql --command "SELECT pg_reload_conf()"'),
)
DATABASE_FAILS: Final = Remedy(
    code="database-fails",
    severity=Severity.ERROR,
    why="The database went away, or cannot answer, while it was being looked at.",
    commands=("tibabu check{config}",),
)
CLOCK_OFF: Final = Remedy(
    code="clock-off",
    severity=Severity.ERROR,
    why="A study's end is planned by one clock and found due by another: studies close early or late by as much.",
    commands=("timedatectl set-ntp true",),
    words="Do the same on the database's server.",
)
CLOCK_WENT_BACK: Final = Remedy(
    code="clock-went-back",
    severity=Severity.ERROR,
    why="What was written has times that are still to come: jobs, retries and sessions wait until then.",
    commands=("timedatectl set-ntp true",),
    words="If the clock was wrong before and is right now, it passes when the time that is written has come.",
)

_MOUNTS: Final = Path("/proc/mounts")
_NETWORK: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "glusterfs", "ceph"})
_UNKNOWN: Final = "something listens there; user, password or name of the database may be wrong"
_AHEAD: Final = timedelta(seconds=5)


@contextmanager
def opened_if_fit(patient: Patient) -> Iterator[tuple[Database | None, list[Finding]]]:
    """Give the database, if it can be read by this version, and what was found; closes it."""
    file = sqlite_file(patient.config)
    if file is not None and not file.exists():
        yield None, [patient.fit("database", f"none yet; `tibabu run` or `tibabu migrate` makes {file}")]
        return
    database = None
    try:
        database = open_rows(patient.config)
        found = list(_read(patient, database, file))
        yield (None if any(one.remedy for one in found) else database), found
    except DatabaseError as error:
        if database is not None and file is None:
            host, port = database.url.host or "localhost", database.url.port or 5432
            seen = reached(host, port) or _UNKNOWN
            detail = f"expected the server at {host}:{port} to let us in. Received: {seen} ({error})"
            yield None, [patient.ill("database", DATABASE_AWAY, detail, host=host, port=port)]
        elif file is not None and not isinstance(error, QueryError):
            yield None, [patient.ill("database", DATABASE_FILE_FAILS, f"{error}, {file}", file=file)]
        else:
            yield None, [patient.ill("database", DATABASE_URL_WRONG, str(error))]
    finally:
        if database is not None:
            database.dispose()


def look(patient: Patient) -> Iterator[Finding]:
    """Look at a database that can be read: whether it is safe to write to, and whether the clocks agree."""
    database = patient.database
    if database is None:
        return
    ill = list(_ill(patient, database))
    yield from ill or [patient.fit("database", f"{database.dialect}, revision {current(database)}")]


def _read(patient: Patient, database: Database, file: Path | None) -> Iterator[Finding]:
    if file is not None and not os.access(file, os.R_OK | os.W_OK, effective_ids=True):
        detail = f"expected a file that this account can write. Received: {file}"
        yield patient.ill("database", DATABASE_FILE_FAILS, detail, file=file)
    revision, wanted = current(database), newest()
    if revision == MOVED:
        detail = "expected a database that an agent runs on. Received: one whose rows have been moved to another"
        yield patient.ill("database", DATABASE_MOVED, detail)
    elif revision is not None and revision.isdecimal() and int(revision) > int(wanted):
        detail = f"expected revision {wanted} or an earlier one. Received: {revision}"
        yield patient.ill("database", DATABASE_AHEAD, detail)
    elif needs_upgrade(database):
        detail = f"expected an up-to-date database, revision {wanted}. Received: {revision or 'an empty one'}"
        yield patient.ill("database", DATABASE_BEHIND, f"{detail}; run `tibabu migrate`")


def _ill(patient: Patient, database: Database) -> Iterator[Finding]:
    file = sqlite_file(patient.config)
    if file is not None and (kind := file_system(file.resolve(), _MOUNTS.read_text(encoding="utf-8"))) in _NETWORK:
        detail = f"expected a disk of this machine for {file}. Received: {kind}"
        yield patient.ill("database", DATABASE_ON_NETWORK_DISK, detail, folder=file.parent)
    for setting in not_durable(database):
        detail = f"expected {setting} to be on at the server. Received: off"
        yield patient.ill("database", DATABASE_NOT_DURABLE, detail, setting=setting)
    if (seconds := clock_is_off(database, patient.clock)) is not None:
        detail = f"expected this host's clock to be the database server's. Received: {seconds:.1f} s ahead"
        yield patient.ill("clock", CLOCK_OFF, detail)
    if (times := used(database)) is not None and times[1] > patient.now + _AHEAD:
        seconds = (times[1] - patient.now).total_seconds()
        detail = f"expected the newest row to be of the past. Received: {seconds:.0f} s in the future"
        yield patient.ill("clock", CLOCK_WENT_BACK, detail)


def file_system(path: Path, mounts: str) -> str:
    """Return the kind of file system that a path lies on, by the text of /proc/mounts."""
    found = "", Path("/")
    for line in mounts.splitlines():
        _, place, kind, *_ = line.split(" ")
        mounted = Path(place.replace("\\040", " "))
        if path.is_relative_to(mounted) and len(mounted.parts) >= len(found[1].parts):
            found = kind, mounted
    return found[0]
