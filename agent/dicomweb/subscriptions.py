"""UPS-RS: who hears of reading tasks (PS3.18 11.10 to 11.13). What it hears comes by its channel (`channels`)."""

import re
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from agent.dicomweb.problems import ProblemError
from agent.dicomweb.services import base_url, uid_of
from agent.dicomweb.workitems import answered, caller_of, put_key, workitems_of
from db.subscriptions import Channel
from dicom_io.ups import FILTERED, GLOBAL, Subscription

_TITLE: Final = re.compile(r"[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?")
_NEXT: Final = re.compile(r",(?=[A-Za-z0-9.]+=)")
_LOCKS: Final = {"": False, "true": True, "false": False}
_CONTROLS: Final = frozenset({"deletionlock", "filter"})

NO_TITLE: Final = "expected an AE title (PS3.5 6.2) as subscriber. Received: another"
NO_LOCK: Final = "expected deletionlock to be true or false. Received: another"
NO_FILTER: Final = (
    "expected filter=ATTRIBUTE=VALUE,... for a filtered subscription, and for no other. Received: another"
)
NOT_OF_ALL: Final = "expected a well-known UID: only subscriptions to all tasks are suspended. Received: another"
UPGRADE: Final = "expected the handshake of a WebSocket (RFC 6455). Received: another request"


def receiver_of(title: str, token: str) -> str:
    """Return the name under which a subscriber is on record; ProblemError, 400, for what is no AE title.

    The title is the token's own: no other token, and nobody by DIMSE, hears of its events or ends its subscriptions.
    """
    if _TITLE.fullmatch(title) is None:
        raise ProblemError(400, NO_TITLE)
    return f"{title}\\{token}"  # no AE title has a backslash


async def subscribe(request: Request) -> Response:
    """Let a subscriber hear of one task, or by a well-known UID of all, or of those that match (PS3.18 11.10)."""
    uid, receiver = uid_of(request, "workitem"), _receiver(request)
    lock = _LOCKS.get(request.query_params.get("deletionlock", "").lower())
    if lock is None:
        raise ProblemError(400, NO_LOCK)
    keys = _keys(request)
    if (uid == FILTERED) != bool(keys):
        raise ProblemError(400, NO_FILTER)
    wanted = Subscription(receiving_ae=receiver, deletion_lock=lock, keys=keys or None)
    workitems, caller = workitems_of(request), caller_of(request)
    base = base_url(request.app.state.services, request)
    where = f"ws{base.removeprefix('http')}/subscribers/{request.path_params['subscriber']}"
    return await answered(
        request, lambda: workitems.subscribe(uid, wanted, caller, channel=Channel.WEB), 201, Content_Location=where
    )


async def unsubscribe(request: Request) -> Response:
    """Let a subscriber hear of one task no more, or by a well-known UID of none (PS3.18 11.11)."""
    uid, receiver = uid_of(request, "workitem"), _receiver(request)
    workitems, caller = workitems_of(request), caller_of(request)
    return await answered(request, lambda: workitems.unsubscribe(uid, receiver, caller), 200)


async def suspend(request: Request) -> Response:
    """Let a subscriber hear of no tasks that are yet to come (PS3.18 11.12)."""
    uid, receiver = uid_of(request, "workitem"), _receiver(request)
    if uid not in (GLOBAL, FILTERED):
        raise ProblemError(400, NOT_OF_ALL)
    workitems, caller = workitems_of(request), caller_of(request)
    return await answered(request, lambda: workitems.suspend(receiver, caller), 200)


def no_upgrade(request: Request) -> Response:  # noqa: ARG001 - an endpoint
    """Say what is expected here (PS3.18 11.13)."""
    raise ProblemError(426, UPGRADE, Upgrade="websocket", Connection="Upgrade")


def _receiver(request: Request) -> str:
    return receiver_of(request.path_params["subscriber"], request.state.token.name)


def _keys(request: Request) -> dict[str, Any]:
    """Return the match keys of a filtered subscription: in `filter`, or each as a parameter."""
    keys: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name not in _CONTROLS:
            put_key(keys, name, value)
    for part in filter(None, _NEXT.split(request.query_params.get("filter", ""))):
        name, _, value = part.partition("=")
        put_key(keys, name, value)
    return keys
