"""A study's files and record in a folder of the site, read back from there before anything of it is removed here.

`<two digits of a digest>/<Study Instance UID>/<sha256>.dcm`, and beside them `record-<time>.json` with all rows.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from agent.errors import AgentError
from db.worklist import StudyRecord
from dicom_io.durable import digest_of, sync
from dicom_io.errors import UidError
from dicom_io.header import check_uid
from dicom_io.store import Store

_CHUNK: Final = 1 << 20


class ArchiveError(AgentError):
    """The archive does not have what it was given, for all that is known."""


@dataclass(frozen=True, slots=True)
class ArchiveFolder:
    """Where studies are copied before they go."""

    folder: Path
    store: Store

    def take(self, record: StudyRecord, files: Iterable[tuple[str, str]], *, at: datetime) -> int:
        """Copy the files, (path in the store, SHA-256), and the record; return their bytes once they were read back.

        Raises ArchiveError, StoreError.
        """
        uid = record.study.study_instance_uid
        try:
            name = check_uid(uid)
        except UidError:
            name = hashlib.sha256(uid.encode()).hexdigest()
        if not self.folder.is_dir():  # never made here: where a disk is to be mounted, the copies would lie hidden
            message = "expected the archive's folder, which is made once by hand. Received: none"
            raise ArchiveError(message)
        folder = self.folder / hashlib.sha256(uid.encode()).hexdigest()[:2] / name
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            total = sum(self._copy(path, sha256, folder / f"{sha256}.dcm") for path, sha256 in files)
            document = json.dumps(asdict(record), default=_text, indent=1, ensure_ascii=False).encode()
            total += _write(folder / f"record-{at:%Y%m%dT%H%M%SZ}.json", [document])
            for each in (folder, *folder.parents):
                sync(each)
                if each == self.folder:
                    break
        except OSError as error:
            message = f"expected an archive that can be written. Received: errno={error.errno}"
            raise ArchiveError(message) from None
        return total

    def _copy(self, path: str, sha256: str, target: Path) -> int:
        if target.exists() and digest_of(target) == sha256:
            return target.stat().st_size
        with self.store.local(path) as source, source.open("rb") as file:
            size = _write(target, iter(lambda: file.read(_CHUNK), b""))
        if digest_of(target) != sha256:
            message = f"expected the archive to hold what was copied. Received: another digest than sha256={sha256}"
            raise ArchiveError(message)
        return size


def _write(target: Path, pieces: Iterable[bytes]) -> int:
    """Write a file durably, whole or not at all under its name; return its size."""
    temporary = target.with_suffix(".part")
    size = 0
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        for piece in pieces:
            size += file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(target)
    return size


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
