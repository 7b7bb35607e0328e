"""WADO-RS (PS3.18 10.4): Instances as they lie in the store, byte for byte, one after another.

Nothing is converted: an Instance that is asked for in another transfer syntax than its own is not there for who asks.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from agent.dicomweb.conditional import etag_of, not_modified
from agent.dicomweb.held import address, found
from agent.dicomweb.media import ANY, Accepted, accepted
from agent.dicomweb.multipart import BodyPart, multipart
from agent.dicomweb.parts import DICOM
from agent.dicomweb.problems import ProblemError
from agent.dicomweb.services import Services, base_url
from db.archive import HeldInstance
from dicom_io.store import Store, pieces

OTHER_MEDIA_TYPE: Final = 'expected to be asked for multipart/related; type="application/dicom". Received: another'
OTHER_SYNTAX: Final = "expected to be asked for the transfer syntax that is stored, or for any (*). Received: another"


def retrieve(request: Request) -> Response:
    """Answer with the Instances of a Study or a Series, or with one."""
    services: Services = request.app.state.services
    instances = found(request)
    wanted = accepted(request)
    single = next((one for one in wanted if one.covers(DICOM) or one.covers_part(DICOM)), None)
    if single is None:
        raise ProblemError(406, OTHER_MEDIA_TYPE)
    fitting = [one for one in instances if any(_fits(one, range_) for range_ in wanted)]
    if not fitting:
        raise ProblemError(406, OTHER_SYNTAX)
    one = instances[0]
    if len(instances) == 1 and (unchanged := not_modified(request, etag_of(one))):
        return unchanged
    headers = {"ETag": etag_of(one)} if len(instances) == 1 else {}
    if len(instances) == 1 and single.name == DICOM:
        media_type = f"{DICOM}; transfer-syntax={one.transfer_syntax_uid}"
        headers["Content-Length"] = str(one.size)
        body = _bytes_of(services.store, one)
        first = next(body, b"")  # while there can be another answer
        return StreamingResponse(chain((first,), body), media_type=media_type, headers=headers)
    base = base_url(services, request)
    parts = (_part(services, base, one) for one in fitting)
    return multipart(parts, DICOM, status=200 if len(fitting) == len(instances) else 206, headers=headers)


def _bytes_of(store: Store, instance: HeldInstance) -> Iterator[bytes]:
    """Yield an Instance's file piece by piece. Raises StoreError."""
    with store.local(instance.path) as path:
        yield from pieces(path)


def _fits(instance: HeldInstance, accepted_range: Accepted) -> bool:
    if not (accepted_range.covers(DICOM) or accepted_range.covers_part(DICOM)):
        return False
    return accepted_range.transfer_syntax in ("", "*", instance.transfer_syntax_uid) or accepted_range.name == ANY


def _part(services: Services, base: str, instance: HeldInstance) -> BodyPart:
    media_type = f"{DICOM}; transfer-syntax={instance.transfer_syntax_uid}"
    return BodyPart(media_type, address(base, instance), _bytes_of(services.store, instance))
