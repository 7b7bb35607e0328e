"""What the endpoints of DICOMweb work with."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.requests import Request

from agent.dicomweb.edge import Limits
from agent.dicomweb.problems import ProblemError
from agent.line.workitems import Workitems
from db.database import Database
from dicom_io.decoding import Decoder
from dicom_io.errors import UidError
from dicom_io.header import check_uid
from dicom_io.received import Sink
from dicom_io.store import Store

BASE: Final = "/dicom-web"
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The agent's parts, and what the configuration says. `public_url` is where a proxy in front is reached, or ""."""

    database: Database
    store: Store
    receiver: Sink
    decoder: Decoder
    clock: Callable[[], datetime]
    limits: Limits
    workitems: Workitems | None = None
    public_url: str = ""
    behind_proxy: bool = False
    accept_unknown_sop_classes: bool = False


def base_url(services: Services, request: Request) -> str:
    """Return the absolute address under which the peer reaches this service, without a slash at its end.

    Where no proxy is in between, the port is ours: some clients leave it out of the Host that they name.
    """
    if services.public_url:
        return services.public_url.rstrip("/")
    said = _HOST.fullmatch(request.headers.get("host", "").lower())
    if said is None:
        raise ProblemError(400, "expected a header Host. Received: another")
    if services.behind_proxy:
        return f"https://{said[0]}{BASE}"
    _, port = request.scope["server"]
    return f"{request.scope['scheme']}://{said[1]}:{port}{BASE}"


def uid_of(request: Request, name: str) -> str:
    """Return a UID out of the request's path; 400 if it is none (PS3.5 section 9)."""
    try:
        return check_uid(request.path_params[name])
    except UidError as error:
        raise ProblemError(400, f"{name}: {error}") from None
