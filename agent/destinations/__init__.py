"""Where reports and Instances go: one file per type of destination, found by its name (`type = "dicom"`: `dicom.py`).

Such a file defines `Settings` (a frozen pydantic model with `name`, `type`, `reports`), `MEDIA_TYPES` (what it accepts)
and `Destination`, made from its settings, which keeps the contract below; one that takes received Instances too has a
`forward` (contract: `Forwarding`), one that can tell people what stands wrong an `alert` (`Alerting`).
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Annotated, Final, Literal, Protocol, runtime_checkable

import structlog
from pydantic import Field, StringConstraints

from agent.config.section import Section
from agent.errors import ConfigError, DeliveryError, DestinationDownError
from agent.unforeseen import unforeseen
from dicom_io.commitment_scu import Answer, Question, Way

log = structlog.get_logger(__name__)

NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,31}$"
"""What a destination's name looks like: it is part of the names of its jobs and threads."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A rendered report: its bytes, what they are, what names it, and whose it is."""

    media_type: str
    data: bytes
    identifier: str
    """A DICOM object's SOP Instance UID; for the others see their modules in agent.reports."""
    study_instance_uid: str

    @property
    def sha256(self) -> str:
        """The digest of its bytes."""
        return sha256(self.data).hexdigest()


class Destination(Protocol):
    """The contract of a destination."""

    def send(self, outgoing: Outgoing) -> str:
        """Send the bytes; return what the receiver said when it has them: its status, then what it adds after ": ".

        Raises agent.errors.DeliveryError in every other case, within the destination's time-outs, with what
        agent.line.statuses says of the answer. No word of it may come from the report or name the patient.
        """

    def ping(self) -> None:
        """Ask whether the destination is there; raises agent.errors.DeliveryError when it is not."""


class Progress(Protocol):
    """What becomes of the files of one `forward`, each by its index."""

    def begins(self, index: int) -> None:
        """Be called before a file's first byte goes: the destination may have it from now on."""

    def stored(self, index: int, detail: str) -> None:
        """Be called when the destination has it."""

    def failed(self, index: int, error: DeliveryError) -> None:
        """Be called when the destination has answered that it does not have it, or it could not be offered."""


@runtime_checkable
class Forwarding(Protocol):
    """The contract of a destination that takes received Instances."""

    def forward(self, files: Sequence[Path], progress: Progress) -> None:
        """Send files as they are, in order, over as few connections as it takes; none is held whole in memory.

        Raises DestinationDownError when it cannot be reached or is lost, or could take nothing else either: what had
        not ended has not been stored for all that is known.
        """


@runtime_checkable
class Holding(Protocol):
    """The contract of a destination that keeps a connection for the next report."""

    def release(self) -> None:
        """Let go of it: no report follows for now."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What stands wrong, or does no more: counts, names of destinations, reasons. Nothing of a patient or study."""

    identifier: str
    """The same in every attempt: a file name, too."""
    at: datetime
    subject: str
    lines: tuple[str, ...]
    data: bytes
    """The same as JSON."""


@runtime_checkable
class Alerting(Protocol):
    """The contract of a destination that can tell people what stands wrong."""

    def alert(self, alert: Alert) -> None:
        """Tell it. Raises agent.errors.DeliveryError when it is not told, for all that is known."""


@runtime_checkable
class Confirming(Protocol):
    """The contract of a destination that can be asked whether it has a DICOM report that it said it stored."""

    ways: tuple[Way, ...]
    """How it may be asked, the better way first; empty: not at all."""
    may_be_unable: bool
    """Whether a report counts as delivered where it offers no way to ask."""
    patience: timedelta
    """How long it may take to report on a commitment, or to find by a query what it has stored."""

    def confirm(self, question: Question, ways: tuple[Way, ...]) -> Answer:
        """Ask in the first of `ways` that it offers. Raises DeliveryError when it does not answer."""


@contextmanager
def mapped(name: str) -> Iterator[None]:
    """Let nothing but DeliveryError leave what the destination of that name is asked for in the block.

    A named edge: a destination may be a site's own module. Whatever nobody foresaw is logged here. An error of the
    system would meet anything else, too, and may pass; any other is a defect, which the same bytes would meet again.
    """
    with unforeseen(log, "destination_broke", but=(DeliveryError,), destination=name) as ended:
        yield
    if ended.by is not None:
        message = f"expected an answer. Received: error={type(ended.by).__name__}"
        if isinstance(ended.by, OSError):
            raise DestinationDownError(message, sent=True) from ended.by
        raise DeliveryError(message, retry=False, sent=True) from ended.by


def patience_of(made: Mapping[str, Destination]) -> dict[str, timedelta | None]:
    """Return how long each destination may take to confirm what it has; None: it is not asked."""
    return {name: one.patience if isinstance(one, Confirming) and one.ways else None for name, one in made.items()}


class DestinationSettings(Section):
    """What every destination has."""

    name: str = Field(examples=["pacs"], pattern=NAME, description="Its name in the ledger and on the pages.")
    type: str = Field(description="What it is: the name of a module in agent.destinations.")
    reports: tuple[str, ...] = Field(
        default=("sr", "picture"),
        description="Which reports it gets: types, or names of [reports.NAME] tables; [] for none.",
    )
    outcomes: tuple[Literal["flagged", "not_flagged", "not_analysed", "failed"], ...] = Field(
        default=("flagged", "not_flagged", "not_analysed", "failed"),
        min_length=1,
        description="It gets the reports of studies with these outcomes only, and what later corrects one that it has.",
    )
    calling_ae_titles: tuple[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)], ...] = Field(
        default=(), examples=[["CR_1"]], description="It gets the reports of studies that came from these; [] for all."
    )
    rejection_notes: bool = Field(
        default=True,
        description="It gets a rejection note (IHE IOCM) for reports in DICOM that it may have and that are withdrawn.",
    )
    ae_title: str = Field(default="", examples=["PACS"], description="The AE title under which it sends to this agent.")

    test_folder: Path | None = Field(
        default=None,
        examples=["/var/lib/tibabu/trial"],
        description="On trial: all that would be sent there is written to this folder instead, and nothing is sent.",
    )


def names() -> tuple[str, ...]:
    """Return the types of destination that exist."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def load(type_: str) -> ModuleType:
    """Return the module of a type of destination, importing only that one; ConfigError lists what exists."""
    if type_ not in names():
        message = f"expected a type of destination: {', '.join(names())}. Received: type={type_}"
        raise ConfigError(message)
    return importlib.import_module(f"{__name__}.{type_}")
