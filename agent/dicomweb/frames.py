"""WADO-RS frames (PS3.18 10.4.1.1.6): as they are stored, one part for each, in the order in which they were asked for.

Nothing is decoded: uncompressed frames come in little endian, compressed ones as the bit streams that they are.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from agent.dicomweb.conditional import etag_of, not_modified
from agent.dicomweb.held import address, found
from agent.dicomweb.media import Accepted, accepted
from agent.dicomweb.multipart import BodyPart, multipart
from agent.dicomweb.problems import ProblemError
from agent.dicomweb.services import Services, base_url
from db.archive import HeldInstance
from dicom_io.errors import PixelError
from dicom_io.raw_frames import RawFrames, raw_frames

OCTETS: Final = "application/octet-stream"
_EXPLICIT_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
_NATIVE: Final = frozenset({"1.2.840.10008.1.2", _EXPLICIT_LITTLE_ENDIAN, "1.2.840.10008.1.2.2"})
_DEFLATED: Final = frozenset({"1.2.840.10008.1.2.1.99"})
_COMPRESSED: Final = {
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    **{f"1.2.840.10008.1.2.4.{number}": "image/jpeg" for number in (50, 51, 57, 70)},
    **{f"1.2.840.10008.1.2.4.{number}": "image/jls" for number in (80, 81)},
    **{f"1.2.840.10008.1.2.4.{number}": "image/jp2" for number in (90, 91)},
    **{f"1.2.840.10008.1.2.4.{number}": "image/jpx" for number in (92, 93)},
    **{f"1.2.840.10008.1.2.4.{number}": "image/jxl" for number in (110, 111, 112)},
    **{f"1.2.840.10008.1.2.4.{number}": "image/jphc" for number in (201, 202, 203)},
}
"""The media types of compressed frames (PS3.18 tables 8.7.3-2 and 8.7.3-5)."""
_NUMBERS: Final = re.compile(r"[1-9][0-9]{0,8}(,[1-9][0-9]{0,8}){0,999}")

NO_NUMBERS: Final = "expected numbers of frames, from 1 on, with commas between them. Received: another"
NO_SUCH_FRAME: Final = "expected frames from 1 to {}. Received: another"
NO_FRAMES: Final = "expected an Instance whose frames can be handed out. Received: one with {}"
OTHER_MEDIA_TYPE: Final = "expected to be asked for multipart/related with parts of {}. Received: another media type"


def frames(request: Request) -> Response:
    """Answer with frames of an Instance."""
    text = request.path_params["frames"]
    if _NUMBERS.fullmatch(text) is None:
        raise ProblemError(400, NO_NUMBERS)
    (instance, *_) = found(request)
    return frames_of(request, instance, [int(number) for number in text.split(",")])


def is_encapsulated(transfer_syntax_uid: str) -> bool:
    """Tell whether pixel data of that transfer syntax stand in fragments (PS3.5 A.4)."""
    return transfer_syntax_uid not in _NATIVE | _DEFLATED


def frames_of(request: Request, instance: HeldInstance, numbers: Sequence[int] = ()) -> Response:
    """Answer with these frames, or with all, in the most wanted of the media types that they can have."""
    services: Services = request.app.state.services
    etag = etag_of(instance)
    media_type, syntax = _media_type(accepted(request), instance.transfer_syntax_uid)
    if unchanged := not_modified(request, etag):
        return unchanged
    parts = _parts(services, instance, numbers, f"{media_type}; transfer-syntax={syntax}", base_url(services, request))
    return multipart(parts, media_type, headers={"ETag": etag})


def _media_type(wanted: Sequence[Accepted], syntax: str) -> tuple[str, str]:
    """Return the media type of the parts and the transfer syntax that they have. ProblemError, 406, if there is none.

    Compressed frames are `application/octet-stream` too for who accepts every transfer syntax, as viewers do.
    """
    if not is_encapsulated(syntax):
        if any(one.covers_part(OCTETS) for one in wanted):
            return OCTETS, _EXPLICIT_LITTLE_ENDIAN
        raise ProblemError(406, OTHER_MEDIA_TYPE.format(OCTETS))
    own = _COMPRESSED.get(syntax, OCTETS)
    for one in wanted:
        if one.covers_part(own) and one.transfer_syntax in ("", "*", syntax):
            return own, syntax
        if one.part == OCTETS and one.covers_part(OCTETS) and one.transfer_syntax in ("*", syntax):
            return OCTETS, syntax
    raise ProblemError(406, OTHER_MEDIA_TYPE.format(own))


def _parts(
    services: Services, instance: HeldInstance, numbers: Sequence[int], media_type: str, base: str
) -> Iterator[BodyPart]:
    """Return the parts, once it is known that the first frame is there.

    ProblemError, 406, where it is not, 404 for a number that is too high. A later frame that is not there ends the
    connection: half an answer is not taken for a whole one.
    """
    where = f"{address(base, instance)}/frames"
    with ExitStack() as stack:
        try:
            source = _opened(services, instance, stack)
            wanted = numbers or range(1, source.count + 1)
            if numbers and max(numbers) > source.count:
                raise ProblemError(404, NO_SUCH_FRAME.format(source.count))
            first = source.frame(wanted[0])
        except PixelError as error:
            raise ProblemError(406, NO_FRAMES.format(error)) from None
        still_open = stack.pop_all()

    def parts() -> Iterator[BodyPart]:
        with still_open:
            yield BodyPart(media_type, f"{where}/{wanted[0]}", (first,))
            for number in wanted[1:]:
                yield BodyPart(media_type, f"{where}/{number}", (source.frame(number),))

    return parts()


def _opened(services: Services, instance: HeldInstance, stack: ExitStack) -> RawFrames:
    path = stack.enter_context(services.store.local(instance.path))
    return stack.enter_context(raw_frames(path, encapsulated=is_encapsulated(instance.transfer_syntax_uid)))
