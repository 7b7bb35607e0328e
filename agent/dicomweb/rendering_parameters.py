"""How a picture is asked for (PS3.18 8.3.5): window, viewport and quality. Annotations are never drawn."""

import math
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import QueryParams
from starlette.requests import Request

from agent.dicomweb.problems import ProblemError
from dicom_io.rendering import Viewport
from dicom_io.voi import Window, WindowFunction

_FUNCTIONS: Final[dict[str, WindowFunction]] = {
    "linear": "LINEAR",
    "linear-exact": "LINEAR_EXACT",
    "sigmoid": "SIGMOID",
}
_MOST_PIXELS: Final = 8192  # of a viewport, each way
_LARGEST: Final = 1e9
_BEST: Final = 100

NO_WINDOW: Final = "expected window=CENTER,WIDTH,FUNCTION with linear, linear-exact or sigmoid. Received: another"
NO_VIEWPORT: Final = (
    f"expected viewport=WIDTH,HEIGHT[,X,Y,WIDTH,HEIGHT], at most {_MOST_PIXELS} pixels. Received: another"
)
NO_QUALITY: Final = f"expected quality to be 1 to {_BEST}. Received: another"


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a picture is wanted; None for what the image itself says."""

    window: Window | None
    viewport: Viewport | None
    quality: int


def rendering(request: Request) -> Rendering:
    """Return what is asked; ProblemError, 400, for what cannot be understood."""
    parameters = request.query_params
    return Rendering(_window(parameters), _viewport(parameters), _quality(parameters))


def _window(parameters: QueryParams) -> Window | None:
    text = parameters.get("window")
    if not text:
        return None
    center, width, function = (*text.split(","), "linear")[:3] if text.count(",") in (1, 2) else ("", "", "")
    numbers = [_number(center), _number(width)]
    name = _FUNCTIONS.get(function.strip().lower())
    least = 1.0 if name == "LINEAR" else math.ulp(0.0)
    if name is None or numbers[0] is None or numbers[1] is None or numbers[1] < least:
        raise ProblemError(400, NO_WINDOW)
    return Window(numbers[0], numbers[1], name)


def _viewport(parameters: QueryParams) -> Viewport | None:
    text = parameters.get("viewport")
    if not text:
        return None
    values = [_number(part) if part.strip() else 0.0 for part in text.split(",")]
    if len(values) not in (2, 4, 6) or any(value is None for value in values):
        raise ProblemError(400, NO_VIEWPORT)
    width, height, *source = [value or 0.0 for value in values]
    if not (1 <= width <= _MOST_PIXELS and 1 <= height <= _MOST_PIXELS):
        raise ProblemError(400, NO_VIEWPORT)
    x, y, source_width, source_height = (*source, 0.0, 0.0, 0.0, 0.0)[:4]
    return Viewport(
        width=int(width),
        height=int(height),
        source_x=x,
        source_y=y,
        source_width=source_width or None,
        source_height=source_height or None,
    )


def _quality(parameters: QueryParams) -> int:
    text = parameters.get("quality") or "90"
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_BEST)) and 1 <= int(text) <= _BEST):
        raise ProblemError(400, NO_QUALITY)
    return int(text)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) <= _LARGEST else None
