"""UPS Event as SCP (PS3.4 CC.2.4): N-EVENT-REPORT to a subscriber, over associations of our own."""

from io import BytesIO
from types import TracebackType
from typing import Self

from pynetdicom.dimse_primitives import N_EVENT_REPORT

from dicom_io.errors import AssociationRejectedError
from dicom_io.json_message import Model, encode
from dicom_io.negotiation import UPS_EVENT, UPS_PUSH
from dicom_io.peer import DEFAULT_TIMEOUTS, Peer, Timeouts
from dicom_io.requestor import Requestor
from dicom_io.syntaxes import EITHER


class UpsListener:
    """An association with a subscriber, in which we are the SCP (PS3.7 D.3.3.4); a context manager.

    All raise NetworkError.
    """

    def __init__(self, peer: Peer, *, calling_ae_title: str, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> None:
        """Prepare to propose UPS Event."""
        pairs = [(UPS_EVENT, syntax) for syntax in EITHER]
        self._peer = peer
        self._requestor = Requestor(peer, pairs, calling_ae_title, timeouts, as_scp=(UPS_EVENT,))

    def __enter__(self) -> Self:
        """Ask for the association."""
        self._requestor.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release it, or abort it after an error."""
        self._requestor.__exit__(kind, error, trace)

    def report(self, event_type: int, sop_instance_uid: str, information: Model) -> int:
        """Send an event of a workitem; return the subscriber's status."""
        for pair, context_id in self._requestor.accepted.items():
            event = N_EVENT_REPORT()
            event.AffectedSOPClassUID = UPS_PUSH
            event.AffectedSOPInstanceUID = sop_instance_uid
            event.EventTypeID = event_type
            event.EventInformation = BytesIO(encode(information, pair[1]))
            status: int = self._requestor.exchange(event, context_id).Status
            return status
        message = f"expected {self._peer} to accept UPS Event. Received: the presentation contexts were refused"
        raise AssociationRejectedError(message)
