"""Where reports go: one file per type of destination, found by its name (`type = "dicom"` is its `dicom.py`).

Such a file defines `Settings` (a frozen pydantic model with `name`, `type`, `reports`), `MEDIA_TYPES` (what it accepts)
and `Destination`, made from its settings, which keeps the contract below.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A rendered report: its bytes, what they are, and its SOP Instance UID as identifier."""

    media_type: str
    data: bytes
    sop_instance_uid: str


class Destination(Protocol):
    """The contract of a destination."""

    def send(self, outgoing: Outgoing) -> str:
        """Send the bytes; return what the receiver said when it has them.

        Raises agent.errors.DeliveryError in every other case, within the destination's time-outs.
        """

    def ping(self) -> None:
        """Ask whether the destination is there; raises agent.errors.DeliveryError when it is not."""


class DestinationSettings(BaseModel):
    """What every destination has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        examples=["pacs"], pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", description="Its name in the ledger and on the pages."
    )
    type: str = Field(description="What it is: the name of a module in agent.destinations.")
    reports: tuple[str, ...] = Field(
        default=("sr", "picture"), description="Which reports it gets: names of modules in agent.reports."
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
