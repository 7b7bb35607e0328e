"""Images for the viewer: a frame's values as the server decodes them, and the frame as a picture.

Nothing is decoded in the browser: the viewer gets the stored values and the gray that they are shown with.
"""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from agent.reports.drawing import overlay
from agent.tokens import WORKLIST_READ
from agent.web import trail
from agent.web.access import Address
from agent.web.decoding import Decoding
from agent.web.objects import AS_IT_IS, NO_INSTANCE, instance_of, stored_file, uid_of
from agent.web.services import services_of
from db.pictures import Thumbnail, heat_map_of, keep_made_thumbnail, thumbnail_of
from dicom_io.decoding import Decoder
from dicom_io.errors import DecoderError, PixelError
from dicom_io.rendering import picture, thumbnail
from dicom_io.values import FrameValues
from model.heat_map import from_png

VALUES: Final = "application/vnd.tibabu.frame"
_LENGTH: Final = struct.Struct("<L")
_ALIGNED: Final = 4
_MAX_DIGITS: Final = 6

_OVERLAY_SIDE: Final = 1024  # pixels: a map of 156 has no finer detail

NO_HEAT_MAP: Final = "There is no heat map of this image: it was not flagged, or counts no more."
NO_DECODER: Final = "No process for decoding could be started. Try again in a moment."
CANNOT_SHOW: Final = "This image cannot be shown: {}."
T = TypeVar("T")


def show_values(request: Request) -> Response:
    """Answer with a frame for the viewer: see `packed`. What cannot be shown is a reason in JSON."""
    try:
        index, instance = _frame_index(request), instance_of(request)
        trail.viewed(request, instance.study_instance_uid, f"image {instance.sop_instance_uid}")
        found = _decoded(request, instance.path, lambda decoder, path: decoder.read_values(path, index))
    except HTTPException as error:
        return JSONResponse({"reason": error.detail}, error.status_code)
    return Response(packed(found), media_type=VALUES, headers=AS_IT_IS)


def show_picture(request: Request) -> Response:
    """Answer with a frame as it is displayed, as PNG."""
    index, instance = _frame_index(request), instance_of(request)
    trail.viewed(request, instance.study_instance_uid, f"image {instance.sop_instance_uid}")
    frame = _decoded(request, instance.path, lambda decoder, path: decoder.read_view(path, index))
    return Response(picture(frame, "image/png"), media_type="image/png", headers=AS_IT_IS)


def show_heat_map(request: Request) -> Response:
    """Answer with the heat map of a flagged image as an overlay, PNG with transparency, of the image's shape."""
    study, instance = (uid_of(request, name, NO_INSTANCE) for name in ("study_instance_uid", "sop_instance_uid"))
    found = heat_map_of(services_of(request).database, study, instance)
    if found is None:
        raise HTTPException(404, NO_HEAT_MAP)
    trail.viewed(request, study, f"heat map of image {instance}")
    longest = max(found.rows, found.columns) or 1
    height, width = (max(1, round((side or 1) * _OVERLAY_SIDE / longest)) for side in (found.rows, found.columns))
    laid = picture(overlay(from_png(found.png), width, height), "image/png")
    return Response(laid, media_type="image/png", headers=AS_IT_IS)


def show_thumbnail(request: Request) -> Response:
    """Answer with the small picture of an image, or of the image that stands for a study; one is made if need be.

    As a part of a page that this site shows it is no view of its own: the page is. Of a program it always is one.
    """
    study = uid_of(request, "study_instance_uid")
    instance = uid_of(request, "sop_instance_uid", NO_INSTANCE) if "sop_instance_uid" in request.path_params else ""
    found = thumbnail_of(services_of(request).database, study, instance)
    if found is None:
        raise HTTPException(404, NO_INSTANCE)
    if not _is_part_of_a_page(request):
        trail.viewed(request, study, "thumbnail")
    return Response(found.jpeg or _made(request, found), media_type="image/jpeg", headers=AS_IT_IS)


def _is_part_of_a_page(request: Request) -> bool:
    """Tell whether a page of this site shows the picture: programs can say so, too, and are known by their token."""
    said = request.headers.get("sec-fetch-site"), request.headers.get("sec-fetch-dest", "image")
    return said == ("same-origin", "image") and "authorization" not in request.headers


def _made(request: Request, found: Thumbnail) -> bytes:
    """Make the small picture of an image and keep it."""
    frame = _decoded(request, found.path, lambda decoder, path: decoder.read_view(path, 0))
    jpeg = thumbnail(frame, *frame.shape[:2])
    keep_made_thumbnail(services_of(request).database, found.instance_id, jpeg)
    return jpeg


def packed(found: FrameValues) -> bytes:
    """Return a frame as its viewer reads it, numbers in little endian.

    The length of the JSON in four bytes; the JSON, which says what the values are; as many bytes of gray as it says
    (`levels`), for each value from `least` on; the values by row. Each part ends at a multiple of four bytes.
    """
    says = json.dumps({**found.says, "levels": len(found.levels)}).encode()
    says += b" " * (-len(says) % _ALIGNED)
    levels = found.levels.tobytes()
    levels += b"\0" * (-len(levels) % _ALIGNED)
    return b"".join((_LENGTH.pack(len(says)), says, levels, found.pixels.tobytes()))


def _frame_index(request: Request) -> int:
    text = request.path_params["frame"]
    if not (text.isascii() and text.isdigit() and 0 < len(text) <= _MAX_DIGITS and int(text) > 0):
        raise HTTPException(404, NO_INSTANCE)
    return int(text) - 1


def _decoded(request: Request, stored: str, read: Callable[[Decoder, Path], T]) -> T:
    """Return what a decoding process reads of an Instance. HTTPException where it cannot: 410, 422 or 503."""
    decoding: Decoding | None = services_of(request).decoding
    if decoding is None:
        raise HTTPException(503, NO_DECODER)
    try:
        with stored_file(request, stored) as path, decoding.decoder() as decoder:
            return read(decoder, path)
    except PixelError as error:
        raise HTTPException(422, CANNOT_SHOW.format(error.reason)) from None
    except DecoderError:
        raise HTTPException(503, NO_DECODER) from None


_INSTANCE: Final = "/studies/{study_instance_uid}/instances/{sop_instance_uid}"
_FRAME: Final = f"{_INSTANCE}/frames/{{frame}}"

ADDRESSES: Final = (
    Address("GET", f"{_FRAME}/values", show_values, WORKLIST_READ),
    Address("GET", f"{_FRAME}/picture", show_picture, WORKLIST_READ),
    Address("GET", f"{_INSTANCE}/heat-map", show_heat_map, WORKLIST_READ),
    Address("GET", f"{_INSTANCE}/thumbnail", show_thumbnail, WORKLIST_READ),
    Address("GET", "/studies/{study_instance_uid}/thumbnail", show_thumbnail, WORKLIST_READ),
)
