"""Rows and stored files laid side by side, in the order of their names: what the one says and the other lacks."""

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from agent.keeping.scrub import damage_of
from db.database import Database
from db.needed_files import NeededFile, is_to_be_deleted, needed_files, needs, studies_of
from dicom_io.durable import digest_of, sync
from dicom_io.store import ListedFile, Store, name_of

YOUNG: Final = timedelta(hours=1)
"""A file without a row may belong to an Instance that is just being received."""
IN_FLIGHT: Final = 60.0
"""Seconds within which whoever has stored a file has committed its row, or has said that it did not."""


class Fault(StrEnum):
    """What does not fit."""

    ORPHAN = "file without row"
    LOST = "row without file"
    SIZE = "wrong size"
    DIGEST = "wrong digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """One file that does not fit its rows. `studies` need it; `collected` says where it lies now."""

    fault: Fault
    path: str
    studies: tuple[str, ...] = ()
    collected: str = ""


@dataclass(slots=True)
class Reconciliation:
    """What was seen. `young` and `being_deleted` are files without a row that are none to worry about."""

    files: int = 0
    bytes: int = 0
    digests: int = 0
    young: int = 0
    being_deleted: int = 0
    faults: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Compares; changes nothing but what `collect` asks for."""

    database: Database
    store: Store
    clock: Callable[[], datetime]

    def compare(
        self, seen: Reconciliation, *, reads: Callable[[NeededFile], bool], collect: Path | None = None
    ) -> Iterator[Misfit]:
        """Yield what does not fit, and count in `seen`. `reads` says which files to read back.

        Nothing is held in memory but the names of one of the store's folders. What changes meanwhile is looked at
        again before it is told.
        """
        taken = []
        for listed, needed in _paired(self.store.listed(), needed_files(self.database)):
            misfit = self._misfit(seen, listed, needed, reads)
            if misfit is None:
                continue
            if misfit.fault is Fault.ORPHAN and collect is not None:
                copy = self._collect(misfit.path, collect)
                taken += [Path(copy)] if copy else []
                yield Misfit(fault=misfit.fault, path=misfit.path, collected=copy)
            else:
                seen.faults[misfit.fault] = seen.faults.get(misfit.fault, 0) + 1
                yield misfit
        if taken:
            self._bring_back(taken)

    def _bring_back(self, taken: list[Path]) -> None:
        """Put back what an Instance needs that was stored again before its file was taken, and recorded after that."""
        threading.Event().wait(IN_FLIGHT)
        for copy in taken:
            if needs(self.database, NeededFile(copy.stem, name_of(copy.stem), 0)):
                self.store.put(copy.read_bytes())

    def _misfit(
        self,
        seen: Reconciliation,
        listed: ListedFile | None,
        needed: NeededFile | None,
        reads: Callable[[NeededFile], bool],
    ) -> Misfit | None:
        if listed is not None:
            seen.files, seen.bytes = seen.files + 1, seen.bytes + listed.size
        if needed is None:
            return None if listed is None else self._without_row(seen, listed)
        fault = None
        if listed is None:
            fault = Fault.LOST if damage_of(self.store, needed) is not None else None
        elif listed.size != needed.size:
            fault = Fault.SIZE
        elif reads(needed):
            seen.digests += 1
            fault = None if self.store.is_intact(needed.path, needed.sha256) else Fault.DIGEST
        if fault is None or not needs(self.database, needed):
            return None
        return Misfit(fault=fault, path=needed.path, studies=studies_of(self.database, needed.sha256))

    def _without_row(self, seen: Reconciliation, listed: ListedFile) -> Misfit | None:
        if is_to_be_deleted(self.database, listed.path):
            seen.being_deleted += 1
            return None
        if listed.written_at > self.clock() - YOUNG:
            seen.young += 1
            return None
        return None if needs(self.database, _as_needed(listed)) else Misfit(fault=Fault.ORPHAN, path=listed.path)

    def _collect(self, path: str, folder: Path) -> str:
        """Copy a file without a row aside, and take it out of the store once the copy was read back."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = folder / Path(path).name
        with self.store.local(path) as source:
            target.touch(mode=0o600)
            shutil.copyfile(source, target)
            sync(target)
            sync(folder)
            if digest_of(target) != digest_of(source):
                target.unlink()
                return ""
        if needs(self.database, NeededFile(target.stem, path, 0)):
            target.unlink()
            return ""
        self.store.delete(path)
        if needs(self.database, NeededFile(target.stem, path, 0)):  # it came in this very moment
            self.store.put(target.read_bytes())
        return str(target)


def _as_needed(listed: ListedFile) -> NeededFile:
    return NeededFile(Path(listed.path).stem, listed.path, listed.size)


def _paired(
    listed: Iterator[ListedFile], needed: Iterator[NeededFile]
) -> Iterator[tuple[ListedFile | None, NeededFile | None]]:
    """Merge two streams, both in the order of their names."""
    file, row = next(listed, None), next(needed, None)
    while file is not None or row is not None:
        if row is None or (file is not None and file.path < row.path):
            yield file, None
            file = next(listed, None)
        elif file is None or row.path < file.path:
            yield None, row
            row = next(needed, None)
        else:
            yield file, row
            file, row = next(listed, None), next(needed, None)
