"""Requests that no service can take are answered, not hung up on (PS3.7 annex C).

Such are the wrong operation for its presentation context, and a request without what it needs.

pynetdicom chooses a service by the SOP Class that the request names, whatever was negotiated for its context; it aborts
where it knows none, and says nothing at all to a request that lacks an element.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from pydicom.uid import UID
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import (
    C_ECHO,
    C_FIND,
    C_GET,
    C_MOVE,
    C_STORE,
    N_ACTION,
    N_CREATE,
    N_EVENT_REPORT,
    N_GET,
    N_SET,
)

from dicom_io.door import Verb
from dicom_io.negotiation import UPS_PUSH, verb_of
from dicom_io.reception import StoreRequest
from dicom_io.statuses import CANNOT_UNDERSTAND, MISTYPED_ARGUMENT, SOP_CLASS_NOT_SUPPORTED, UNRECOGNISED_OPERATION

_OPERATIONS: Final[dict[Verb, tuple[Any, ...]]] = {
    Verb.ECHO: (C_ECHO,),
    Verb.STORE: (C_STORE,),
    Verb.FIND: (C_FIND,),
    Verb.MOVE: (C_MOVE,),
    Verb.GET: (C_GET,),
    Verb.COMMIT: (N_ACTION, N_EVENT_REPORT),
    Verb.MPPS: (N_CREATE, N_SET),
    Verb.UPS_PULL: (C_FIND, N_ACTION, N_CREATE, N_GET, N_SET),
}
_IDS: Final = 0xFFFF
_QUERY_RETRIEVE: Final = (C_FIND, C_MOVE, C_GET)


Service: TypeAlias = Callable[[Any, int], None]
"""Serves a request that came in a presentation context of this ID."""


def offer(association: Any, services: Mapping[Verb, Service]) -> None:  # noqa: ANN401  # pynetdicom's types are not public
    """Serve requests of these verbs ourselves, for one association; the others are for pynetdicom and its events."""
    association.services_of_ours = services


def await_answer(association: Any, take: Callable[[int], None]) -> int:  # noqa: ANN401  # as above
    """Return the Message ID for an N-EVENT-REPORT over a peer's own association; its status goes to `take`."""
    awaited = _awaited(association)
    message_id = association.__dict__["reports_of_ours"] = association.__dict__.get("reports_of_ours", 0) % _IDS + 1
    awaited[message_id] = take
    return int(message_id)


def _awaited(association: Any) -> dict[int, Callable[[int], None]]:  # noqa: ANN401  # as above
    awaited: dict[int, Callable[[int], None]] = association.__dict__.setdefault("answers_of_ours", {})
    return awaited


def _nobody(_: int) -> None:
    """Take the answer to a report that was not sent."""


def answer_what_nobody_serves(association: Any) -> None:  # noqa: ANN401  # what is reached for is not public
    """Put this before pynetdicom's way of serving requests, for one association."""
    serve = association._serve_request  # noqa: SLF001

    def checked(request: Any, context_id: int) -> None:  # noqa: ANN401  # pynetdicom's primitives have no common name
        if isinstance(request, StoreRequest):
            association.services_of_ours[Verb.STORE](request, context_id)
            return
        if isinstance(request, N_EVENT_REPORT) and request.MessageIDBeingRespondedTo is not None:
            said = MISTYPED_ARGUMENT if request.Status is None else int(request.Status)
            _awaited(association).pop(request.MessageIDBeingRespondedTo, _nobody)(said)
            return
        status = _status(association, request, context_id)
        if status is None:
            (_service(association, request, context_id) or serve)(request, context_id)
        else:
            association.dimse.send_msg(_response(request, status), context_id)

    association._serve_request = checked  # noqa: SLF001


def _service(association: Any, request: Any, context_id: int) -> Service | None:  # noqa: ANN401  # as above
    """Return what of ours serves a valid request."""
    context = association._accepted_cx.get(context_id)  # noqa: SLF001  # as pynetdicom looks it up
    services: Mapping[Verb, Service] = getattr(association, "services_of_ours", {})
    if context is None or getattr(request, "MessageID", None) is None:
        return None
    if isinstance(request, C_STORE):  # refused there under a context that is for something else
        return services.get(Verb.STORE)
    verb = verb_of(UID(context.abstract_syntax or ""), accept_unknown=True)
    return services.get(verb) if verb is not None and isinstance(request, _OPERATIONS[verb]) else None


def _status(association: Association, request: Any, context_id: int) -> int | None:  # noqa: ANN401  # as above
    """Return the status of what cannot be served, None for what pynetdicom is to deal with."""
    context = association._accepted_cx.get(context_id)  # noqa: SLF001  # as pynetdicom looks it up
    if context is None or getattr(request, "MessageID", None) is None:
        return None  # no context of ours: an abort; a response, or a request that cannot be answered: ignored
    if isinstance(request, C_STORE):
        return None  # always answered, by the session
    verb = verb_of(UID(context.abstract_syntax or ""), accept_unknown=True)  # what was accepted is no longer a question
    if verb is None or not isinstance(request, _OPERATIONS[verb]):
        return SOP_CLASS_NOT_SUPPORTED if isinstance(request, C_ECHO) else UNRECOGNISED_OPERATION
    if not request.is_valid_request:
        return CANNOT_UNDERSTAND if isinstance(request, _QUERY_RETRIEVE) else MISTYPED_ARGUMENT
    named = getattr(request, "AffectedSOPClassUID", None) or getattr(request, "RequestedSOPClassUID", None)
    is_fitting = named == context.abstract_syntax or (verb is Verb.UPS_PULL and named == UPS_PUSH)  # PS3.4 CC.3.1
    return None if is_fitting else SOP_CLASS_NOT_SUPPORTED


def _response(request: Any, status: int) -> Any:  # noqa: ANN401  # as above
    """Make a response without a dataset (PS3.7 10.3 and 9.3)."""
    response = type(request)()
    response.MessageIDBeingRespondedTo = request.MessageID
    for keyword in ("AffectedSOPClassUID", "AffectedSOPInstanceUID"):
        named = getattr(request, keyword, None) or getattr(request, keyword.replace("Affected", "Requested"), None)
        if named is not None and hasattr(response, keyword):
            setattr(response, keyword, named)
    response.Status = status
    return response
