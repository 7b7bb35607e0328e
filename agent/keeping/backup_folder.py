"""A folder of back-ups: `files/` holds every stored file once, and each back-up a copy of the database with its list.

    files/ab/<sha256>.dcm
    20260101T120000Z/database, files.txt, manifest.json

A back-up is whole if its folder has its final name, which it gets last, and its manifest's digests fit.
"""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from agent.errors import AgentError
from dicom_io.durable import digest_of
from dicom_io.store import name_of

FORMAT: Final = 1
DATABASE: Final = "database"
LIST: Final = "files.txt"
MANIFEST: Final = "manifest.json"
PART: Final = ".part"


class BackupError(AgentError):
    """A back-up cannot be made or is not whole; the message says why."""


@dataclass(frozen=True, slots=True, order=True)
class ListedCopy:
    """A line of a back-up's list."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class BackupFolder:
    """Where back-ups lie."""

    root: Path

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Make the folder, and be the only one that writes in it. Raises BackupError if somebody is."""
        self.files.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                message = "expected a folder in which no other back-up is being made. Received: one in which one is"
                raise BackupError(message) from None
            for left in self.root.glob(
                f"{'[0-9]' * 8}T{'[0-9]' * 6}Z{PART}"
            ):  # of ours, of whatever else lies here none
                shutil.rmtree(left)
            yield

    def free_name(self, now: datetime) -> str:
        """Return the name of a back-up that begins now: the second, or the first one after it that none has yet."""
        while (self.root / (name := f"{now:%Y%m%dT%H%M%SZ}")).exists():
            now += timedelta(seconds=1)
        return name

    @property
    def files(self) -> Path:
        """Where the copies of stored files lie."""
        return self.root / "files"

    def copy_of(self, sha256: str) -> Path:
        """Return where the copy of a stored file lies."""
        return self.files / name_of(sha256)

    def names(self) -> list[str]:
        """Return the back-ups that have been finished, the last one first."""
        found = (path.parent.name for path in self.root.glob(f"*/{MANIFEST}"))
        return sorted((name for name in found if not name.endswith(PART)), reverse=True)

    def manifest(self, name: str) -> dict[str, Any]:
        """Return a back-up's manifest once its digests fit. Raises BackupError."""
        folder = self.root / name
        try:
            said: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
            fits = said.pop("digest") == digest_of_manifest(said) and said["format"] == FORMAT
            fits = fits and digest_of(folder / DATABASE) == said["database_sha256"]
            fits = fits and digest_of(folder / LIST) == said["list_sha256"]
        except (OSError, ValueError, KeyError):
            fits = False
        if not fits:
            message = f"expected a whole back-up. Received: name={name}, whose digests do not fit"
            raise BackupError(message)
        return said

    def listed(self, name: str) -> Iterator[ListedCopy]:
        """Yield the files that a back-up needs, in the order of their digests."""
        with (self.root / name / LIST).open(encoding="ascii") as lines:
            for line in lines:
                sha256, _, size = line.strip().partition(" ")
                yield ListedCopy(sha256, int(size))

    def keep(self, number: int) -> int:
        """Remove all but the last `number` back-ups, and copies that none of these needs; return how many copies."""
        for name in self.names()[number:]:
            (self.root / name).rename(self.root / f"{name}{PART}")
            shutil.rmtree(self.root / f"{name}{PART}")
        needed = (one for one, _ in groupby(merge(*(self.listed(name) for name in self.names()))))
        following = next(needed, None)
        removed = 0
        for folder in sorted(path for path in self.files.iterdir() if path.is_dir()):
            for copy in sorted(folder.iterdir()):
                while following is not None and following.sha256 < copy.stem:
                    following = next(needed, None)
                if following is None or following.sha256 != copy.stem:
                    with suppress(FileNotFoundError):
                        copy.unlink()
                        removed += 1
        return removed


def digest_of_manifest(said: dict[str, Any]) -> str:
    """Return the digest of a manifest without its digest."""
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
