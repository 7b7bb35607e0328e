"""A ZIP file that is sent while it is made: never more than a piece of it is in memory, and none of it on disk."""

import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from dicom_io.errors import LostError

_CHUNK: Final = 1 << 18
_MADE: Final = (1980, 1, 1, 0, 0, 0)  # of every entry: the file says nothing of when somebody looked


class Files(Protocol):
    """The part of a store that is needed."""

    def local(self, relative: str) -> AbstractContextManager[Path]: ...  # noqa: D102 - see dicom_io.store.Store


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the ZIP: its name there, and in the store."""

    name: str
    stored: str


class _Pipe:
    """What zipfile writes to: it cannot go back, and is emptied by who sends."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: what was written is taken from here."""

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def zipped(files: Files, entries: Iterator[Entry], contents: str) -> Iterator[bytes]:
    """Yield a ZIP of the entries, uncompressed; of a file that is lost there is a note instead, and `contents` last."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]  # a sink is enough
        for entry in entries:
            try:
                with files.local(entry.stored) as path:
                    yield from _copied(archive, entry.name, path, pipe)
            except LostError:
                archive.writestr(_info(f"{entry.name}.missing.txt"), "The stored file is gone or damaged.\n")
            yield pipe.taken()
        archive.writestr(_info("contents.txt"), contents)
    yield pipe.taken()


def _copied(archive: zipfile.ZipFile, name: str, path: Path, pipe: _Pipe) -> Iterator[bytes]:
    info = _info(name)
    info.file_size = path.stat().st_size
    with path.open("rb") as source, archive.open(info, "w") as target:
        while chunk := source.read(_CHUNK):
            target.write(chunk)
            yield pipe.taken()


def _info(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, _MADE)
