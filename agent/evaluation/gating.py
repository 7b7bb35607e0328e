"""Both gates of the agent asked about one image, and their reasons made fit for a table."""

import re
from collections.abc import Sequence
from typing import Final, Protocol

from agent.evaluation.reading import Declined, Pixels
from agent.line.gate import GateSettings, decide
from dicom_io.header import Header

_PREFIX: Final = "pixels: "
_AGE: Final = re.compile(r"age (contradictory|\d).*", re.DOTALL)


class Refusal(Protocol):
    """What a pixel gate says of a frame that it does not let pass."""

    @property
    def reason(self) -> str: ...  # noqa: D102 - see the class


class PixelGate(Protocol):
    """The part of model.pixel_gate.PixelGate that is needed here."""

    def check(self, frame: Pixels, *, square: Pixels | None = None) -> Refusal | None: ...  # noqa: D102 - see the class

    def may_readmit(self, frame: Pixels, *, square: Pixels | None = None) -> bool: ...  # noqa: D102 - see the class


class Gates:
    """The header gate and the pixel gate with a site's settings, put together as agent.line.pipeline does."""

    def __init__(self, settings: GateSettings, pixels: PixelGate) -> None:
        """Keep the settings of the header gate, and the pixel gate."""
        self._settings, self._pixels = settings, pixels

    def declined(self, header: Header | None, frames: Sequence[Pixels], squares: Sequence[Pixels]) -> Declined | None:
        """Return why the image would not be analysed, the header's reason first, or None."""
        decline = None if header is None else decide(header, self._settings, calling_ae_title="")
        both = list(zip(frames, squares, strict=True))
        if decline is not None and not (
            decline.readmissible and all(self._pixels.may_readmit(frame, square=square) for frame, square in both)
        ):
            return Declined("header", grouped(decline.reason))
        refusals = (self._pixels.check(frame, square=square) for frame, square in both)
        refusal = next((found for found in refusals if found is not None), None)
        return None if refusal is None else Declined("pixels", refusal.reason.removeprefix(_PREFIX))


def grouped(reason: str) -> str:
    """Return a reason without the patient's age: a table counts reasons, and tells nobody's age."""
    if (match := _AGE.fullmatch(reason)) is None:
        return reason
    return "age contradictory" if match[1] == "contradictory" else "age outside the validated range"
