"""A back-up comes back into an empty place: first the files, then the database, so that no row lacks its file."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from agent.keeping.backup_folder import DATABASE, BackupError, BackupFolder, ListedCopy
from db.database import Database
from db.dump import load, refuse_used
from db.sessions import end_every_session
from dicom_io.store import Store

log = structlog.get_logger(__name__)

_CHUNK: Final = 1 << 20


@dataclass(slots=True)
class Restored:
    """What came back. `lost` are files that the back-up lacks or that are damaged in it: the rest came back."""

    name: str
    made_at: datetime
    files: int = 0
    bytes: int = 0
    lost: list[str] = field(default_factory=list)


def restore(
    root: Path,
    name: str | None,
    database: Database,
    open_store: Callable[[], Store],
    *,
    pg_restore: str = "pg_restore",
) -> Restored:
    """Bring the back-up `name`, or the last one that is whole, into an empty database and store.

    Raises BackupError if there is none or the store is not empty, RefusedError if the database is not.
    """
    folder = BackupFolder(root)
    names = folder.names()
    wanted = name or next(iter(names), None)
    if wanted is None or wanted not in names:
        message = f"expected a folder with whole back-ups. Received: {', '.join(names) or 'none'}"
        raise BackupError(message)
    said = folder.manifest(wanted)
    if said["dialect"] != database.dialect:
        message = f"expected a back-up of {database.dialect}. Received: {said['dialect']}"
        raise BackupError(message)
    refuse_used(database)
    store = open_store()
    if next(store.listed(), None) is not None:
        message = "expected an empty store to restore into. Received: one with files"
        raise BackupError(message)
    restored = Restored(wanted, datetime.fromisoformat(said["made_at"]))
    for file in folder.listed(wanted):
        _bring(folder, file, store, restored)
    load(database, root / wanted / DATABASE, pg_restore=pg_restore)
    end_every_session(database)  # one that was ended since the back-up must not come back with it
    log.info("restored", backup=wanted, files=restored.files, bytes=restored.bytes, lost=len(restored.lost))
    return restored


def _bring(folder: BackupFolder, file: ListedCopy, store: Store, restored: Restored) -> None:
    try:
        with folder.copy_of(file.sha256).open("rb") as copy, store.spool() as spool:
            while piece := copy.read(_CHUNK):
                spool.write(piece)
            if spool.sha256 == file.sha256:
                store.keep(spool)
                restored.files, restored.bytes = restored.files + 1, restored.bytes + file.size
                return
    except OSError:
        pass
    restored.lost.append(file.sha256)
    log.error("file_not_restored", sha256=file.sha256)
