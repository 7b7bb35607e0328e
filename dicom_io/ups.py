"""Unified Procedure Step as SCP (PS3.4 annex CC): the reading tasks that others pull, watch and change.

UPS Pull, Watch, Query and Push; who listens for events is told over associations of our own (`dicom_io.ups_events`).
What is known of a task is kept behind `Workitems`; here requests become calls, and their results responses.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final, Protocol

from pynetdicom.dimse_primitives import C_FIND, N_ACTION, N_CREATE, N_GET, N_SET

from dicom_io.errors import ArchiveError, MatchingError, UidError
from dicom_io.exchange import Caller, Exchange
from dicom_io.failure import edge
from dicom_io.header import check_uid
from dicom_io.json_message import Model, decode, encode, text_of
from dicom_io.negotiation import UPS_PULL, UPS_PUSH, UPS_QUERY, UPS_WATCH
from dicom_io.statuses import (
    ACTION_NOT_APPROPRIATE,
    CANCELLED,
    CANNOT_UNDERSTAND,
    DATA_SET_DOES_NOT_MATCH,
    INVALID_ARGUMENT,
    INVALID_ATTRIBUTE_VALUE,
    MEANINGS,
    MISSING_ATTRIBUTE,
    NO_SUCH_ACTION_TYPE,
    NO_SUCH_STEP,
    NOT_AUTHORISED,
    OUT_OF_RESOURCES,
    PENDING,
    PROCESSING_FAILURE,
    SUCCESS,
    UNRECOGNISED_OPERATION,
    WRONG_TRANSACTION_UID,
)
from dicom_io.ups_query import WorkitemQuery, answer, selected, workitem_query

GLOBAL: Final = "1.2.840.10008.5.1.4.34.5"
FILTERED: Final = "1.2.840.10008.5.1.4.34.5.1"
"""The well-known UIDs of global subscriptions (PS3.4 CC.2.3)."""

SCHEDULED, IN_PROGRESS = "SCHEDULED", "IN PROGRESS"
COMPLETED, CANCELED = "COMPLETED", "CANCELED"
STATES: Final = frozenset({SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED})
"""Procedure Step State (0074,1000)."""

STATE: Final = "00741000"
TRANSACTION_UID: Final = "00081195"
_RECEIVING_AE: Final = "00741234"
_DELETION_LOCK: Final = "00741230"
_CHANGE_STATE, _REQUEST_CANCEL, _SUBSCRIBE, _UNSUBSCRIBE, _SUSPEND = range(1, 6)
_OPERATIONS: Final = {
    UPS_PUSH: (N_CREATE, N_ACTION, N_GET),
    UPS_PULL: (C_FIND, N_GET, N_SET, N_ACTION),
    UPS_WATCH: (C_FIND, N_GET, N_ACTION),
    UPS_QUERY: (C_FIND,),
}
"""PS3.4 tables CC.2-1 to CC.2-5."""
_ACTIONS: Final = {
    UPS_PUSH: {_REQUEST_CANCEL},
    UPS_PULL: {_CHANGE_STATE},
    UPS_WATCH: {_REQUEST_CANCEL, _SUBSCRIBE, _UNSUBSCRIBE, _SUSPEND},
}

_log = logging.getLogger(__name__)


class Workitems(Protocol):
    """The reading tasks. Called from the thread of the association that asks.

    What changes something returns one of PS3.4 CC.2's statuses, success only once it is durable.
    """

    def find(self, query: WorkitemQuery, is_given_up: Callable[[], bool]) -> Iterator[Model]:
        """Yield the workitems that match, in the order in which they are due. Raises ArchiveError."""

    def get(self, sop_instance_uid: str) -> Model | None:
        """Return a workitem. Raises ArchiveError."""

    def change_state(self, sop_instance_uid: str, state: str, transaction_uid: str, caller: Caller) -> int:
        """Claim, complete or cancel a workitem (CC.2.1)."""

    def update(self, sop_instance_uid: str, attributes: Model, transaction_uid: str, caller: Caller) -> int:
        """Take what a performer says of a workitem (CC.2.6)."""

    def request_cancel(self, sop_instance_uid: str, information: Model, caller: Caller) -> int:
        """Ask that a workitem be cancelled (CC.2.2)."""

    def subscribe(self, sop_instance_uid: str, subscription: "Subscription", caller: Caller) -> int:
        """Let an AE have reports of one workitem, or of all (CC.2.3)."""

    def unsubscribe(self, sop_instance_uid: str, receiving_ae: str, caller: Caller) -> int:
        """Let an AE have no reports of one workitem any more, or of none."""

    def suspend(self, receiving_ae: str, caller: Caller) -> int:
        """Let an AE have no reports of workitems that are yet to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What somebody subscribes to: `keys` are the match keys of a filtered one (CC.2.3.3.1), None of others."""

    receiving_ae: str
    deletion_lock: bool
    keys: Model | None = None


class _Refused(Exception):  # noqa: N818 - it never leaves this module
    def __init__(self, status: int, comment: str = "") -> None:
        super().__init__(comment)
        self.status = status
        self.comment = comment


@dataclass(frozen=True, slots=True, kw_only=True)
class UpsService:
    """What serves the requests of one association. `may_change`: whether the caller may do more than read and watch."""

    workitems: Workitems
    caller: Caller
    may_change: bool
    maximum_answers: int = field(default=1000)

    def serve(self, association: Any, request: Any, context_id: int) -> None:  # noqa: ANN401  # pynetdicom's types are not public
        """Serve one request: whatever happens, the peer gets a status."""
        context = association._accepted_cx[context_id]  # noqa: SLF001  # as pynetdicom looks it up
        syntax, sop_class = str(context.transfer_syntax[0]), str(context.abstract_syntax)
        response = _response(request, CANNOT_UNDERSTAND if isinstance(request, C_FIND) else PROCESSING_FAILURE)
        with edge("ups_failed", self.caller.association_id):
            if not isinstance(request, _OPERATIONS[sop_class]):
                response = _response(request, UNRECOGNISED_OPERATION)
            elif isinstance(request, C_FIND):
                self._find(Exchange(association, request, context_id, self.caller))
                return
            else:
                response = self._answered(request, sop_class, syntax)
        association.dimse.send_msg(response, context_id)

    def _answered(self, request: Any, sop_class: str, syntax: str) -> Any:  # noqa: ANN401  # as above
        try:
            return self._answer(request, sop_class, syntax)
        except _Refused as refused:
            return _response(request, refused.status, refused.comment)

    def _find(self, exchange: Exchange) -> None:
        """Answer a C-FIND (CC.2.8): a pending response for each match, then the final one."""
        status, reason, answers = SUCCESS, "", 0
        try:
            keys = decode(exchange.identifier, exchange.transfer_syntax)
            for model in self.workitems.find(workitem_query(keys), lambda: exchange.is_given_up):
                if exchange.is_given_up:
                    break
                if answers == self.maximum_answers:
                    status, reason = OUT_OF_RESOURCES, f"more than {self.maximum_answers} answers"
                    break
                exchange.respond(PENDING, identifier=encode(answer(model, keys), exchange.transfer_syntax))
                answers += 1
            if exchange.is_given_up:
                status, reason = CANCELLED, ""
        except MatchingError as error:
            status, reason = DATA_SET_DOES_NOT_MATCH, str(error)
        except ArchiveError as error:
            status, reason = OUT_OF_RESOURCES, str(error)
        exchange.respond(status, comment=reason)
        facts = {"association_id": self.caller.association_id, "calling_ae_title": self.caller.calling_ae_title}
        _log.info("ups_find", extra={**facts, "status": f"{status:04X}", "answers": answers, "reason": reason})

    def _answer(self, request: Any, sop_class: str, syntax: str) -> Any:  # noqa: ANN401  # as above
        if isinstance(request, N_CREATE):
            raise _Refused(NOT_AUTHORISED, "tasks are made by this agent only")
        uid = _uid(request.RequestedSOPInstanceUID, NO_SUCH_STEP)
        if isinstance(request, N_GET):
            return self._get(request, uid, syntax)
        if isinstance(request, N_SET):
            self._needs_change()
            attributes = _decoded(request.ModificationList, syntax)
            transaction = text_of(attributes, TRANSACTION_UID)
            return _response(request, self.workitems.update(uid, attributes, transaction, self.caller))
        action = request.ActionTypeID
        if action not in _ACTIONS[sop_class]:
            raise _Refused(NO_SUCH_ACTION_TYPE)
        return _response(request, self._act(action, uid, _decoded(request.ActionInformation, syntax)))

    def _get(self, request: Any, uid: str, syntax: str) -> Any:  # noqa: ANN401  # as above
        try:
            model = self.workitems.get(uid)
        except ArchiveError as error:
            raise _Refused(PROCESSING_FAILURE, str(error)) from None
        if model is None:
            raise _Refused(NO_SUCH_STEP)
        named = request.AttributeIdentifierList
        tags = () if named is None else named if isinstance(named, list) else (named,)
        response = _response(request, SUCCESS)
        response.AttributeList = BytesIO(encode(selected(model, (int(tag) for tag in tags)), syntax))
        return response

    def _act(self, action: int, uid: str, information: Model) -> int:
        if action == _CHANGE_STATE:
            self._needs_change()
            state = text_of(information, STATE)
            if state not in STATES:
                raise _Refused(INVALID_ARGUMENT, "expected a state of PS3.4 CC.1.1")
            transaction = _uid(text_of(information, TRANSACTION_UID), WRONG_TRANSACTION_UID)
            return self.workitems.change_state(uid, state, transaction, self.caller)
        if action == _REQUEST_CANCEL:
            self._needs_change()
            return self.workitems.request_cancel(uid, information, self.caller)
        receiver = text_of(information, _RECEIVING_AE).strip()
        if not receiver:
            raise _Refused(INVALID_ARGUMENT, "expected (0074,1234)")
        if action == _UNSUBSCRIBE:
            return self.workitems.unsubscribe(uid, receiver, self.caller)
        if action == _SUSPEND:
            if uid not in (GLOBAL, FILTERED):
                raise _Refused(ACTION_NOT_APPROPRIATE)
            return self.workitems.suspend(receiver, self.caller)
        lock = text_of(information, _DELETION_LOCK).upper()
        if lock not in ("TRUE", "FALSE"):
            raise _Refused(INVALID_ARGUMENT, "expected (0074,1230) TRUE or FALSE")
        keys = {tag: element for tag, element in information.items() if tag not in (_RECEIVING_AE, _DELETION_LOCK)}
        wanted = Subscription(
            receiving_ae=receiver, deletion_lock=lock == "TRUE", keys=keys if uid == FILTERED else None
        )
        return self.workitems.subscribe(uid, wanted, self.caller)

    def _needs_change(self) -> None:
        if not self.may_change:
            raise _Refused(NOT_AUTHORISED, "expected a peer that may ups-change")


def _decoded(source: BytesIO | None, syntax: str) -> dict[str, Any]:
    if source is None:
        raise _Refused(MISSING_ATTRIBUTE, "expected a data set")
    try:
        return decode(source.getvalue(), syntax)
    except MatchingError:
        raise _Refused(INVALID_ATTRIBUTE_VALUE, "expected a data set") from None


def _uid(value: object, status: int) -> str:
    try:
        return check_uid(str(value or ""))
    except UidError:
        raise _Refused(status) from None


def _response(request: Any, status: int, comment: str = "") -> Any:  # noqa: ANN401  # as above
    """Make a response; a failure says in words what its status means."""
    response = type(request)()
    response.MessageIDBeingRespondedTo = request.MessageID
    if isinstance(request, C_FIND | N_CREATE):
        response.AffectedSOPClassUID = request.AffectedSOPClassUID
    else:
        response.AffectedSOPClassUID = request.RequestedSOPClassUID
        response.AffectedSOPInstanceUID = request.RequestedSOPInstanceUID
    if isinstance(request, N_CREATE) and request.AffectedSOPInstanceUID:
        response.AffectedSOPInstanceUID = request.AffectedSOPInstanceUID
    if isinstance(request, N_ACTION):
        response.ActionTypeID = request.ActionTypeID
    response.Status = status
    if status != SUCCESS:
        response.ErrorComment = (comment or MEANINGS[status])[:64]
    return response
