"""WADO-RS metadata and bulk data (PS3.18 10.4.1.1.2, 10.4.1.1.5): what Instances say, without their pixels."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Final

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from agent.dicomweb.conditional import etag_of, not_modified
from agent.dicomweb.frames import OCTETS, frames_of, is_encapsulated
from agent.dicomweb.held import address, found
from agent.dicomweb.media import accepted, accepts
from agent.dicomweb.multipart import BodyPart, multipart
from agent.dicomweb.problems import ProblemError
from agent.dicomweb.services import Services, base_url
from agent.dicomweb.store_answer import DICOM_JSON
from db.archive import HeldInstance
from dicom_io.errors import HeaderError, LostError
from dicom_io.json_model import json_model
from dicom_io.opened import open_dataset
from dicom_io.raw_frames import bulk_value
from dicom_io.scan import MAX_INFLATED

log = structlog.get_logger(__name__)

_WHERE: Final = re.compile(r"[0-9A-F]{8}(/[1-9][0-9]{0,5}/[0-9A-F]{8}){0,16}")
_AVAILABLE_TRANSFER_SYNTAX_UID: Final = "00083002"
_PIXEL_DATA: Final = "7FE00010"

NO_SUCH_VALUE: Final = "expected the address of a binary value, as metadata give it. Received: another"
OTHER_MEDIA_TYPE: Final = f"expected to be asked for {OCTETS}. Received: another media type"


def metadata(request: Request) -> Response:
    """Answer with what the Instances of a Study, a Series, or one say."""
    services: Services = request.app.state.services
    accepts(request, DICOM_JSON)
    instances = found(request)
    headers = {}
    if len(instances) == 1:
        headers["ETag"] = etag_of(instances[0])
        if unchanged := not_modified(request, etag_of(instances[0])):
            return unchanged
    body = _json(services, base_url(services, request), instances)
    return StreamingResponse(body, headers=headers, media_type=DICOM_JSON)


def _json(services: Services, base: str, instances: list[HeldInstance]) -> Iterator[bytes]:
    yield b"["
    for number, instance in enumerate(instances):
        yield (b"," if number else b"") + json.dumps(_model(services, base, instance)).encode()
    yield b"]"


def _model(services: Services, base: str, instance: HeldInstance) -> dict[str, Any]:
    where = address(base, instance)
    found: dict[str, Any] = {}
    try:
        with services.store.local(instance.path) as path, open_dataset(path, max_inflated=MAX_INFLATED) as opened:
            found = json_model(opened, lambda path: f"{where}/bulkdata/{path}")
    except (HeaderError, LostError) as error:  # what the rows know of it is said all the same
        log.warning("dicomweb_metadata_unreadable", sop_instance_uid=instance.sop_instance_uid, reason=str(error))
    known = {
        "00080016": instance.sop_class_uid,
        "00080018": instance.sop_instance_uid,
        "0020000D": instance.study_instance_uid,
        "0020000E": instance.series_instance_uid,
        _AVAILABLE_TRANSFER_SYNTAX_UID: instance.transfer_syntax_uid,
    }
    return found | {tag: {"vr": "UI", "Value": [uid]} for tag, uid in known.items() if uid}


def bulkdata(request: Request) -> Response:
    """Answer with a binary value, by the address that the metadata give; compressed pixel data as their frames."""
    services: Services = request.app.state.services
    where = request.path_params["where"].upper()
    if _WHERE.fullmatch(where) is None:
        raise ProblemError(404, NO_SUCH_VALUE)
    (instance, *_) = found(request)
    if where == _PIXEL_DATA and is_encapsulated(instance.transfer_syntax_uid):
        return frames_of(request, instance)
    wanted = next((one for one in accepted(request) if one.covers(OCTETS) or one.covers_part(OCTETS)), None)
    if wanted is None:
        raise ProblemError(406, OTHER_MEDIA_TYPE)
    numbers = [int(part, 16 if len(part) == 8 else 10) for part in where.split("/")]  # noqa: PLR2004 - digits of a tag
    value = _value(services, instance, numbers)
    try:
        first = next(value, b"")
    except HeaderError:
        raise ProblemError(404, NO_SUCH_VALUE) from None
    if wanted.covers(OCTETS):
        return StreamingResponse(chain((first,), value), media_type=OCTETS)
    where_it_is = f"{address(base_url(services, request), instance)}/bulkdata/{where}"
    return multipart([BodyPart(OCTETS, where_it_is, chain((first,), value))], OCTETS)


def _value(services: Services, instance: HeldInstance, numbers: Sequence[int]) -> Iterator[bytes]:
    with services.store.local(instance.path) as path:
        yield from bulk_value(path, numbers)
