"""Ledgers that outlive their process: one line of JSON for each thing that happened, flushed before going on.

No patient data: UIDs, digests, AE titles, statuses and times. A last line that was cut off by the end of its writer is
left out when it is read.
"""

import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from dicom_io.statuses import STORED_WITH_WARNING, SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One attempt to store an Instance at the agent, written once its end is known.

    `status` is the agent's answer, None if there was none: then it may have the Instance or not, and `problem` says
    what went wrong (the class of the error). `at`: ISO 8601, UTC. `seconds`: for how long it was waited for that.
    """

    at: str
    study_instance_uid: str
    sop_instance_uid: str
    sha256: str
    kind: str
    why: str
    scanner: str
    status: int | None
    problem: str = ""
    seconds: float = 0.0

    @property
    def acknowledged(self) -> bool:
        """Whether the agent took responsibility: success, or one of the warnings of PS3.4 table B.2-1."""
        return self.status == SUCCESS or self.status in STORED_WITH_WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One C-STORE request that reached the PACS, written before it is answered with `status`."""

    at: str
    sop_class_uid: str
    sop_instance_uid: str
    sha256: str
    calling_ae_title: str
    mood: str
    status: int

    @property
    def acknowledged(self) -> bool:
        """Whether the PACS took it."""
        return self.status == SUCCESS or self.status in STORED_WITH_WARNING


Line = TypeVar("Line", Sending, Receipt)


class _Line(Protocol):
    @property
    def acknowledged(self) -> bool: ...
    @property
    def sop_instance_uid(self) -> str: ...
    @property
    def sha256(self) -> str: ...


class Ledger(Generic[Line]):
    """A file that lines are appended to, from any thread."""

    def __init__(self, path: Path) -> None:
        """Open it, behind what it already holds."""
        self._file = path.open("ab")
        self._lock = threading.Lock()
        if path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            self._file.write(b"\n")  # behind a line that was cut off

    def __enter__(self) -> Self:
        """Return the ledger."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def add(self, line: Line) -> None:
        """Append a line; it is the operating system's when this returns, and outlives this process."""
        data = json.dumps(asdict(line), separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._file.write(data)
            self._file.flush()

    def close(self) -> None:
        """Close the file. May be repeated."""
        with self._lock:
            self._file.close()


SendingLedger = Ledger[Sending]
"""What a sender did."""
ReceiptLedger = Ledger[Receipt]
"""What a PACS received."""


def read_sendings(path: Path) -> Iterator[Sending]:
    """Yield what was sent, in the order in which it ended."""
    return (Sending(**line) for line in _lines(path))


def read_receipts(path: Path) -> Iterator[Receipt]:
    """Yield what the PACS received, in its order."""
    return (Receipt(**line) for line in _lines(path))


def acknowledged(lines: Iterable[_Line]) -> dict[str, set[str]]:
    """Return the digests with which each SOP Instance UID was taken: more than one where it came in several forms."""
    taken: dict[str, set[str]] = {}
    for line in lines:
        if line.acknowledged:
            taken.setdefault(line.sop_instance_uid, set()).add(line.sha256)
    return taken


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:  # cut off
                continue
