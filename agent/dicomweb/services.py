"""What the endpoints of DICOMweb work with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from agent.dicomweb.edge import Limits
from agent.dicomweb.problems import ProblemError
from db.database import Database
from dicom_io.errors import UidError
from dicom_io.header import check_uid
from dicom_io.received import Sink
from dicom_io.store import Store

BASE = "/dicom-web"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The agent's parts, and what the configuration says. `public_url` is where a proxy in front is reached, or ""."""

    database: Database
    store: Store
    receiver: Sink
    clock: Callable[[], datetime]
    limits: Limits
    public_url: str = ""
    accept_unknown_sop_classes: bool = False


def base_url(services: Services, request: Request) -> str:
    """Return the absolute address under which the peer reaches this service, without a slash at its end."""
    return services.public_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}{BASE}"


def uid_of(request: Request, name: str) -> str:
    """Return a UID out of the request's path; 400 if it is none (PS3.5 section 9)."""
    try:
        return check_uid(request.path_params[name])
    except UidError as error:
        raise ProblemError(400, f"{name}: {error}") from None
