"""UPS-RS (PS3.18 11): reading tasks searched, retrieved, claimed, updated, completed; cancellations requested.

The rows and rules are those of UPS over DIMSE, and so are the answers: each status of PS3.4 CC.2 has its HTTP status.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from agent.dicomweb.media import accepts
from agent.dicomweb.problems import ProblemError, problem
from agent.dicomweb.search import MORE
from agent.dicomweb.services import Services, base_url, uid_of
from agent.dicomweb.store_answer import DICOM_JSON
from agent.line.workitems import Workitems
from dicom_io.errors import ArchiveError, MatchingError, UidError
from dicom_io.exchange import Caller
from dicom_io.header import check_uid
from dicom_io.json_message import LARGEST, Model, encode, text_of
from dicom_io.keywords import path_of
from dicom_io.statuses import (
    ALREADY_CANCELED,
    ALREADY_COMPLETED,
    INVALID_ARGUMENT,
    MEANINGS,
    NO_SUCH_STEP,
    OPTIONAL_ATTRIBUTES_NOT_SUPPORTED,
    PROCESSING_FAILURE,
    SCHEDULED_BY_CREATION_ONLY,
    SUCCESS,
)
from dicom_io.ups import STATE, STATES, TRANSACTION_UID
from dicom_io.ups_query import workitem_query

MOST: Final = 1000
"""More results are not given at once."""

_CONTROLS: Final = frozenset({"limit", "offset", "includefield", "fuzzymatching", "accept", "charset"})
_TRANSACTION: Final = ("transaction-uid", "transaction")
_EXPLICIT: Final = "1.2.840.10008.1.2.1"
_MAX_DIGITS: Final = 9
_GOOD: Final = frozenset({SUCCESS, OPTIONAL_ATTRIBUTES_NOT_SUPPORTED, ALREADY_CANCELED, ALREADY_COMPLETED})
_FAILURES: Final = {
    NO_SUCH_STEP: 404,
    INVALID_ARGUMENT: 400,
    SCHEDULED_BY_CREATION_ONLY: 400,
    PROCESSING_FAILURE: 503,
}
"""HTTP status by that of DIMSE; all others are 409: the request does not fit the task's state."""

OURS: Final = "expected to read and change tasks. Received: one to make; tasks are made by this agent only"
NO_TASK: Final = "expected the UID of a workitem that is here. Received: another"
NO_MODEL: Final = (
    "expected a dataset in the DICOM JSON Model, alone or as the only one of an array. Received: another body"
)
NO_STATE: Final = "expected a Procedure Step State (0074,1000) of PS3.4 CC.1.1. Received: another"
NO_TRANSACTION: Final = "expected a Transaction UID (0008,1195). Received: none"


def search(request: Request) -> Response:
    """Answer with the tasks that match, in the order in which they are due (PS3.18 11.9)."""
    workitems, base = workitems_of(request), base_url(request.app.state.services, request)
    accepts(request, DICOM_JSON)
    keys, limit, offset = _question(request)
    try:
        found = workitems.find(workitem_query(keys), lambda: False)
        listed = list(islice(found, offset, offset + limit + 1))
    except MatchingError as error:
        raise ProblemError(400, str(error)) from None
    except ArchiveError as error:
        raise ProblemError(503, str(error), Retry_After="5") from None
    answer = Response(json.dumps(listed[:limit], ensure_ascii=False), media_type=DICOM_JSON)
    if len(listed) > limit:
        answer.headers["Warning"] = f'299 {base} "{MORE}"'
    return answer


def retrieve(request: Request) -> Response:
    """Answer with one task (PS3.18 11.5)."""
    workitems = workitems_of(request)
    accepts(request, DICOM_JSON)
    try:
        model = workitems.get(uid_of(request, "workitem"))
    except ArchiveError as error:
        raise ProblemError(503, str(error), Retry_After="5") from None
    if model is None:
        raise ProblemError(404, NO_TASK)
    return Response(json.dumps([model], ensure_ascii=False), media_type=DICOM_JSON)


def create(request: Request) -> Response:  # noqa: ARG001 - an endpoint
    """Refuse: nobody else makes tasks here (PS3.18 11.4)."""
    raise ProblemError(403, OURS)


async def update(request: Request) -> Response:
    """Take what a performer says of its task (PS3.18 11.6)."""
    model = await _body(request)
    named = next((request.query_params[name] for name in _TRANSACTION if name in request.query_params), "")
    transaction = named or text_of(model, TRANSACTION_UID)
    workitems, uid, caller = workitems_of(request), uid_of(request, "workitem"), caller_of(request)
    return await answered(request, lambda: workitems.update(uid, model, transaction, caller), 200)


async def change_state(request: Request) -> Response:
    """Claim, complete or cancel a task (PS3.18 11.7)."""
    model = await _body(request)
    state = text_of(model, STATE)
    if state not in STATES:
        raise ProblemError(400, NO_STATE)
    try:
        transaction = check_uid(text_of(model, TRANSACTION_UID))
    except UidError:
        raise ProblemError(400, NO_TRANSACTION) from None
    workitems, uid, caller = workitems_of(request), uid_of(request, "workitem"), caller_of(request)
    return await answered(request, lambda: workitems.change_state(uid, state, transaction, caller), 200)


async def request_cancellation(request: Request) -> Response:
    """Ask that a task be cancelled (PS3.18 11.8)."""
    model = await _body(request, may_be_empty=True)
    workitems, uid, caller = workitems_of(request), uid_of(request, "workitem"), caller_of(request)
    return await answered(request, lambda: workitems.request_cancel(uid, model, caller), 202)


async def answered(request: Request, act: Callable[[], int], done: int, **headers: str) -> Response:
    """Act, and answer with the HTTP status for that of DIMSE; both a warning and a failure say which that was."""
    base = base_url(request.app.state.services, request)
    status = await run_in_threadpool(act)
    said = {} if status == SUCCESS else {"Warning": f'299 {base} "{status:04X}: {MEANINGS[status]}"'}
    if status in _GOOD:
        return Response(
            status_code=done, headers=said | {name.replace("_", "-"): value for name, value in headers.items()}
        )
    return problem(_FAILURES.get(status, 409), f"{status:04X}: {MEANINGS[status]}", said)


async def _body(request: Request, *, may_be_empty: bool = False) -> Model:
    """Return the dataset of a request's body. ProblemError, 400, for what is none; 413 for one that is too large."""
    services: Services = request.app.state.services
    data = bytearray()
    try:
        async with asyncio.timeout(services.limits.pause):
            async for chunk in request.stream():
                data += chunk
                if len(data) > LARGEST:
                    raise ProblemError(413, f"expected a body of at most {LARGEST} bytes. Received: a larger one")
    except TimeoutError:
        raise ProblemError(408, "expected the body in time. Received: a part of it", Connection="close") from None
    if not data and may_be_empty:
        return {}
    try:
        found = json.loads(data)
        model = found[0] if isinstance(found, list) and len(found) == 1 else found
        if not isinstance(model, dict):
            raise ProblemError(400, NO_MODEL)
        encode(model, _EXPLICIT)
    except (ValueError, RecursionError, MatchingError):
        raise ProblemError(400, NO_MODEL) from None
    return model


def _question(request: Request) -> tuple[dict[str, Any], int, int]:
    """Return the keys of a search, how many results are wanted and how many are left out before them."""
    keys: dict[str, Any] = {}
    controls: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name.lower() in _CONTROLS:
            controls[name.lower()] = value
        else:
            put_key(keys, name, value)
    return keys, min(_number(controls, "limit", MOST), MOST), _number(controls, "offset", 0)


def put_key(keys: dict[str, Any], name: str, value: str) -> None:
    """Add the key that a parameter names by a path of keywords or tags (PS3.18 8.3.4.1)."""
    path = path_of(name)
    if path is None:
        raise ProblemError(400, "expected attributes by keyword or tag. Received: another parameter")
    *sequences, (tag, vr) = path
    for sequence, _ in sequences:
        keys = keys.setdefault(sequence, {"vr": "SQ", "Value": [{}]})["Value"][0]
    if tag in keys or vr == "SQ":
        raise ProblemError(
            400, f"expected each attribute once, and a value of it. Received: {tag} twice, or a sequence"
        )
    values: list[Any] = [part for part in _values(vr, value) if part]
    keys[tag] = {"vr": vr, "Value": values} if values else {"vr": vr}


def _values(vr: str, value: str) -> Iterator[Any]:
    parts = value.replace(",", "\\").split("\\") if vr == "UI" else value.split("\\")
    yield from ({"Alphabetic": part} if vr == "PN" and part else part for part in parts)


def _number(controls: dict[str, str], name: str, default: int) -> int:
    text = controls.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise ProblemError(400, f"expected {name} to be a whole number from 0 on. Received: another")
    return int(text) if text else default


def workitems_of(request: Request) -> Workitems:
    """Return the tasks; 404 where this process has none."""
    services: Services = request.app.state.services
    if services.workitems is None:
        raise ProblemError(404, NO_TASK)
    return services.workitems


def caller_of(request: Request) -> Caller:
    """Return who asks: the name of its token stands for an AE title."""
    address = request.client.host if request.client else ""
    return Caller(association_id="", calling_ae_title=request.state.token.name, called_ae_title="", address=address)
