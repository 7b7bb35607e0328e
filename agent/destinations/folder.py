"""A folder: each report is a file of its own, there whole or not at all. Also where a destination on trial sends to."""

import hashlib
import io
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Final, Literal

from pydantic import Field

from agent.destinations import NAME, Alert, DestinationSettings, Outgoing, Progress
from agent.errors import DeliveryError, DestinationDownError
from dicom_io.durable import make_folder, sync

MEDIA_TYPES: Final[frozenset[str]] = frozenset()
"""Every one."""

_SUFFIXES: Final = {
    "application/dicom": ".dcm",
    "application/fhir+json": ".fhir.json",
    "application/json": ".json",
    "application/pdf": ".pdf",
    "application/hl7-v2": ".hl7",
    "x-application/hl7-v2+er7": ".hl7",
}
_READABLE: Final = 0o640
"""Reports name patients: they are not for everybody on this machine."""
_OTHER: Final = "EEXIST"
_SAFE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Settings(DestinationSettings):
    """A folder."""

    name: str = Field(examples=["folder"], pattern=NAME, description="Its name in the ledger and on the pages.")
    type: Literal["folder"] = Field(examples=["folder"], description="A folder of this machine's file system.")
    folder: Path = Field(
        examples=["/var/lib/tibabu/out"], description="Its path; a relative one starts at config.toml."
    )


class Destination:
    """Writes files named by the report's identifier, or by its digest; never over another, never half."""

    def __init__(self, settings: Settings, calling_ae_title: str) -> None:  # noqa: ARG002 - folders have no AE titles
        """Keep the settings; the folder is made with the first file."""
        self._folder = settings.folder

    def send(self, outgoing: Outgoing) -> str:
        """Write one report, synced to the disk, or find that it is there. Raises DeliveryError if it is not."""
        return self._put(_name(outgoing.identifier, outgoing.data, outgoing.media_type), outgoing.data)

    def forward(self, files: Sequence[Path], progress: Progress) -> None:
        """Write Instances as they are, named by their digests. See `Forwarding`."""
        for index, file in enumerate(files):
            progress.begins(index)
            try:
                said = self._put(f"{_digest(file)}.dcm", file)
            except DestinationDownError:
                raise
            except DeliveryError as error:
                progress.failed(index, error)
            except OSError as error:
                progress.failed(index, DeliveryError(f"not read: {error.strerror}", retry=True))
            else:
                progress.stored(index, said)

    def alert(self, alert: Alert) -> None:
        """Write an alert, unless a process that died has: its words may differ by a count. Raises DeliveryError."""
        try:
            self._put(f"{alert.identifier}.json", alert.data)
        except DeliveryError as error:
            if error.status != _OTHER:
                raise

    def ping(self) -> None:
        """Ask whether files can be made there; raises DeliveryError if not. Leaves nothing behind but the folder."""
        try:
            make_folder(self._folder)
            probe = self._folder / f".{token_hex(8)}.part"
            probe.touch(exist_ok=False)
            probe.unlink()
        except OSError as error:
            raise self._unusable(error) from None

    def _put(self, name: str, source: bytes | Path) -> str:
        path = self._folder / name
        try:
            make_folder(self._folder)
            if not path.exists():
                self._write(path, source)
                return name
            if _digest(path) == _digest(source):
                sync(path)
                sync(self._folder)
                return f"{name} was there"
        except OSError as error:
            raise self._unusable(error) from None
        message = f"expected no other file of that name. Received: {name}"
        raise DeliveryError(message, retry=False, status=_OTHER)

    def _write(self, path: Path, source: bytes | Path) -> None:
        """Write, sync, rename, sync the folder: a reader never sees half a file under its name."""
        part = self._folder / f".{token_hex(8)}.part"
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _READABLE)
            with os.fdopen(descriptor, "wb") as file, _opened(source) as whole:
                shutil.copyfileobj(whole, file)
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        sync(self._folder)

    def _unusable(self, error: OSError) -> DestinationDownError:
        return DestinationDownError(f"expected a writable folder. Received: {self._folder} ({error.strerror})")


class Trial(Destination):
    """Stands for a destination on trial: what would be sent there is written to its test folder instead."""

    def __init__(self, name: str, test_folder: Path) -> None:
        """Keep the folder; it is made with the first file."""
        super().__init__(Settings(name=name, type="folder", folder=test_folder), "")

    def send(self, outgoing: Outgoing) -> str:
        """Write one report as `Destination` does; what is returned, as the status of the ledger, says TEST."""
        return f"TEST: not sent, but written as {super().send(outgoing)}"

    def forward(self, files: Sequence[Path], progress: Progress) -> None:
        """Write Instances as `Destination` does, and say TEST of each."""
        super().forward(files, _Told(progress))


@dataclass(frozen=True, slots=True)
class _Told:
    progress: Progress

    def begins(self, index: int) -> None:
        self.progress.begins(index)

    def stored(self, index: int, detail: str) -> None:
        self.progress.stored(index, f"TEST: not sent, but written as {detail}")

    def failed(self, index: int, error: DeliveryError) -> None:
        self.progress.failed(index, error)


def _opened(source: bytes | Path) -> io.BytesIO | io.BufferedReader:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _digest(source: bytes | Path) -> str:
    with _opened(source) as whole:
        return hashlib.file_digest(whole, "sha256").hexdigest()


def _name(identifier: str, data: bytes, media_type: str) -> str:
    stem = identifier if _SAFE.fullmatch(identifier) else hashlib.sha256(data).hexdigest()
    return f"{stem}{_SUFFIXES.get(media_type, '.bin')}"
