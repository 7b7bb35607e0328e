"""WADO-RS rendered frames and thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.4): PNG or JPEG for people's eyes.

What is decoded is decoded in a process of its own: a file that crashes a decoder costs one answer.
"""

import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from agent.dicomweb.held import found
from agent.dicomweb.media import accepted
from agent.dicomweb.problems import ProblemError
from agent.dicomweb.rendering_parameters import NO_VIEWPORT, Rendering, rendering
from agent.dicomweb.services import Services
from db.archive import HeldInstance
from dicom_io.errors import DecoderError, PixelError
from dicom_io.rendering import MEDIA_TYPES, Viewport, picture

_THUMBNAIL: Final = Viewport(width=128, height=128)
_TRIED: Final = 10  # Instances of a Study or a Series of which one stands for it

OTHER_MEDIA_TYPE: Final = f"expected to be asked for {' or '.join(MEDIA_TYPES)}. Received: another media type"
NO_PICTURE: Final = "expected an Instance that can be shown. Received: one with {}"
NO_PICTURES: Final = "expected an Instance that can be shown among the first. Received: none"
NO_NUMBER: Final = "expected the number of one frame, from 1 on. Received: another"
NO_DECODER: Final = "expected a process that decodes. Received: none; try again"
_MAX_DIGITS: Final = 6
PICTURES: Final = threading.BoundedSemaphore(2)
"""Pictures that are made at once; the largest takes half a gigabyte meanwhile."""


def rendered(request: Request) -> Response:
    """Answer with a frame of an Instance as a picture; of several frames with the first, unless one is named."""
    wanted = rendering(request)
    media_type = _media_type(request)
    (instance, *_) = found(request)
    with PICTURES:
        try:
            frame = _frame(request, instance, wanted)
        except PixelError as error:
            raise ProblemError(406, NO_PICTURE.format(error)) from None
        return _picture(frame, media_type, wanted)


def thumbnail(request: Request) -> Response:
    """Answer with a small picture that stands for a Study, a Series, an Instance, or a frame."""
    wanted = rendering(request)
    wanted = replace(wanted, viewport=wanted.viewport or _THUMBNAIL)
    media_type = _media_type(request)
    with PICTURES:
        for frame in _frames(request, wanted):
            return _picture(frame, media_type, wanted)
    raise ProblemError(404, NO_PICTURES)


def _frames(request: Request, wanted: Rendering) -> Iterator[NDArray[np.uint8]]:
    for instance in islice(found(request), _TRIED):
        try:
            yield _frame(request, instance, wanted)
        except PixelError:
            continue


def _frame(request: Request, instance: HeldInstance, wanted: Rendering) -> NDArray[np.uint8]:
    services: Services = request.app.state.services
    text = request.path_params.get("frames", "1")
    if not (text.isascii() and text.isdigit() and 0 < len(text) <= _MAX_DIGITS and int(text) > 0):
        raise ProblemError(400, NO_NUMBER)
    try:
        with services.store.local(instance.path) as path:
            return services.decoder.read_view(path, int(text) - 1, wanted.window)
    except DecoderError:
        raise ProblemError(503, NO_DECODER, Retry_After="5") from None


def _media_type(request: Request) -> str:
    for one in accepted(request):
        for media_type in MEDIA_TYPES:
            if one.covers(media_type):
                return media_type
    raise ProblemError(406, OTHER_MEDIA_TYPE)


def _picture(frame: NDArray[np.uint8], media_type: str, wanted: Rendering) -> Response:
    try:
        content = picture(frame, media_type, viewport=wanted.viewport, quality=wanted.quality)
    except ValueError:
        raise ProblemError(400, NO_VIEWPORT) from None
    return Response(content, media_type=media_type)
