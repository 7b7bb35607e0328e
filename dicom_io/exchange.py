"""One DIMSE request that we serve ourselves: its responses, whether it was cancelled, whether the peer is still there.

pynetdicom's own handlers of queries decode and encode what passes through them and log its values; here the bytes stay
as they are.
"""

import time
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from pynetdicom.dimse_primitives import C_STORE

from dicom_io.hardening import unsent

_UNSENT_PDUS: Final = 64
_PAUSE: Final = 0.002  # seconds between two looks at whether the peer takes what we send


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks."""

    association_id: str
    calling_ae_title: str
    called_ae_title: str
    address: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Sub-operations of a retrieval (PS3.7 9.1.4.1): `remaining` is None in a final response."""

    remaining: int | None
    completed: int
    failed: int
    warning: int


class Exchange:
    """A request, the association it came on, and the presentation context it came in."""

    def __init__(self, association: Any, request: Any, context_id: int, caller: Caller) -> None:  # noqa: ANN401  # pynetdicom's types are not public
        """Begin to serve it: a C-CANCEL that came before is of no meaning."""
        association.dimse.cancel_req = {}
        self.request = request
        self.caller = caller
        self.association = association
        self.context_id = context_id
        context = association._accepted_cx[context_id]  # noqa: SLF001  # as pynetdicom looks it up
        self.transfer_syntax = str(context.transfer_syntax[0])

    @property
    def identifier(self) -> bytes:
        """The bytes of the request's Identifier."""
        return self.request.Identifier.getvalue() if self.request.Identifier is not None else b""

    @property
    def is_cancelled(self) -> bool:
        """Whether the peer sent a C-CANCEL for the request (PS3.7 9.3.2.3)."""
        return self.request.MessageID in self.association.dimse.cancel_req

    @property
    def is_over(self) -> bool:
        """Whether nobody waits for responses any more."""
        acse = self.association.acse
        return acse.is_aborted() or acse.is_release_requested() or not self.association.dul.is_alive()

    @property
    def is_given_up(self) -> bool:
        """Whether there is no need to go on."""
        return self.is_over or self.is_cancelled

    def respond(
        self, status: int, *, identifier: bytes | None = None, counts: Counts | None = None, comment: str = ""
    ) -> None:
        """Send a response, at the pace at which the peer takes them."""
        while unsent(self.association) > _UNSENT_PDUS and not self.is_over:
            time.sleep(_PAUSE)
        response = type(self.request)()
        response.MessageIDBeingRespondedTo = self.request.MessageID
        response.AffectedSOPClassUID = self.request.AffectedSOPClassUID
        response.Status = status
        if identifier is not None:
            response.Identifier = BytesIO(identifier)
        if comment:
            response.ErrorComment = comment[:64]
        if counts is not None:
            response.NumberOfRemainingSuboperations = counts.remaining
            response.NumberOfCompletedSuboperations = counts.completed
            response.NumberOfFailedSuboperations = counts.failed
            response.NumberOfWarningSuboperations = counts.warning
        self.association.dimse.send_msg(response, self.context_id)

    def store(self, request: C_STORE, context_id: int) -> int | None:
        """Send a C-STORE sub-operation over this association; return its status, None if no answer came."""
        self.association.dimse.send_msg(request, context_id)
        _, response = self.association.dimse.get_msg(block=True)
        if not isinstance(response, C_STORE) or response.MessageIDBeingRespondedTo != request.MessageID:
            return None
        status: int | None = response.Status
        return status
