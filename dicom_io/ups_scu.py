"""Unified Procedure Step as SCU (PS3.4 CC): a task made at a worklist manager, changed, asked to be cancelled."""

from io import BytesIO
from types import TracebackType
from typing import Any, Final, Self

from pynetdicom.dimse_primitives import N_ACTION, N_CREATE, N_SET

from dicom_io.errors import AssociationRejectedError
from dicom_io.json_message import Model, encode
from dicom_io.negotiation import UPS_PULL, UPS_PUSH
from dicom_io.peer import DEFAULT_TIMEOUTS, Peer, Timeouts
from dicom_io.requestor import Requestor
from dicom_io.syntaxes import EITHER

_REQUEST_CANCEL: Final = 2


class UpsManager:
    """An association with a UPS SCP, as a context manager. Every method returns the peer's status.

    `has_begun`: whether anything was sent. All raise NetworkError.
    """

    def __init__(self, peer: Peer, *, calling_ae_title: str, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> None:
        """Prepare to propose UPS Push, and UPS Pull for changes."""
        pairs = [(sop_class, syntax) for sop_class in (UPS_PUSH, UPS_PULL) for syntax in EITHER]
        self.has_begun = False
        self._peer = peer
        self._requestor = Requestor(peer, pairs, calling_ae_title, timeouts)

    def __enter__(self) -> Self:
        """Ask for the association."""
        self._requestor.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release it, or abort it after an error."""
        self._requestor.__exit__(kind, error, trace)

    def create(self, sop_instance_uid: str, attributes: Model) -> int:
        """Make a task (CC.2.5)."""
        context_id, syntax = self._context(UPS_PUSH)
        request = N_CREATE()
        request.AffectedSOPClassUID = UPS_PUSH
        request.AffectedSOPInstanceUID = sop_instance_uid
        request.AttributeList = BytesIO(encode(attributes, syntax))
        return self._send(request, context_id)

    def update(self, sop_instance_uid: str, attributes: Model) -> int:
        """Change a task that nobody holds (CC.2.6)."""
        context_id, syntax = self._context(UPS_PULL)
        request = N_SET()
        request.RequestedSOPClassUID = UPS_PUSH
        request.RequestedSOPInstanceUID = sop_instance_uid
        request.ModificationList = BytesIO(encode(attributes, syntax))
        return self._send(request, context_id)

    def request_cancel(self, sop_instance_uid: str, information: Model) -> int:
        """Ask that a task be cancelled (CC.2.2)."""
        context_id, syntax = self._context(UPS_PUSH)
        request = N_ACTION()
        request.RequestedSOPClassUID = UPS_PUSH
        request.RequestedSOPInstanceUID = sop_instance_uid
        request.ActionTypeID = _REQUEST_CANCEL
        request.ActionInformation = BytesIO(encode(information, syntax))
        return self._send(request, context_id)

    @property
    def takes_changes(self) -> bool:
        """Whether the peer accepted UPS Pull, without which no task can be changed."""
        return any(sop_class == UPS_PULL for sop_class, _ in self._requestor.accepted)

    def _send(self, request: Any, context_id: int) -> int:  # noqa: ANN401  # pynetdicom's primitives have no common name
        self.has_begun = True
        status: int = self._requestor.exchange(request, context_id).Status
        return status

    def _context(self, sop_class: str) -> tuple[int, str]:
        for syntax in EITHER:
            if (context_id := self._requestor.accepted.get((sop_class, syntax))) is not None:
                return context_id, syntax
        message = (
            f"expected {self._peer} to accept Unified Procedure Step. Received: the presentation context was refused"
        )
        raise AssociationRejectedError(message)
