"""One association as the SCP serves it: who is admitted, what each request is answered, and the summary at its end."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal

from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext

from dicom_io.dispatch import offer
from dicom_io.door import Door, Verb
from dicom_io.exchange import Caller
from dicom_io.failure import edge
from dicom_io.hardening import wake
from dicom_io.negotiation import NOTHING_HELD, STUDY_ROOT_FIND, STUDY_ROOT_GET, supported_contexts, verb_of
from dicom_io.pdu_reader import protocol_of
from dicom_io.proxy_protocol import Balancers
from dicom_io.received import AssociationSummary, ReceivedInstance, Sink
from dicom_io.reception import NewSpool, SpoolingDimse, StoreRequest, begin
from dicom_io.services import Services, extended_negotiation
from dicom_io.statuses import NOT_AUTHORISED, SOP_CLASS_NOT_SUPPORTED, STORED_WITH_WARNING, SUCCESS, UNEXPECTED

_REJECTED_PERMANENT: Final = 0x01
_REJECTED_TRANSIENT: Final = 0x02
_BY_USER: Final = 0x01
_BY_PRESENTATION: Final = 0x03
_NO_REASON_GIVEN: Final = 0x01
_CALLING_AE_TITLE_NOT_RECOGNISED: Final = 0x03
_SMALLEST_PDU: Final = 8  # bytes: into a smaller one no answer fits (PS3.8 D.1, 9.3.5)
TEMPORARY_CONGESTION: Final = 0x01
LOCAL_LIMIT_EXCEEDED: Final = 0x02

_ANOTHER_PROTOCOL: Final = {
    "http": "HTTP to the DICOM port",
    "tls": "TLS to the port without it",
    "other": "no DICOM",
}

_NO_BALANCERS: Final = Balancers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What sessions have in common.

    `door` says who may do what, `admit` why an association is refused now (PS3.8 table 9-21), or None.
    """

    sink: Sink
    door: Door
    new_spool: NewSpool
    admit: Callable[["Session"], int | None]
    clock: Callable[[], datetime]
    accept_unknown_sop_classes: bool
    services: Services
    balancers: Balancers = _NO_BALANCERS


class Session:
    """The state of one association, and the handlers of its events."""

    def __init__(self, terms: Terms, peer_address: str) -> None:
        """Begin when the TCP connection is open and nothing is known of the peer but its address."""
        self.association_id = uuid.uuid4().hex
        self.is_requested = False
        self._terms = terms
        self._peer_address = peer_address
        self.is_balancers = peer_address in terms.balancers
        self._trouble = ""
        self._opened_at = terms.clock()
        self._calling_ae_title = ""
        self._called_ae_title = ""
        self._may: frozenset[Verb] = frozenset()
        self._dimse: SpoolingDimse | None = None
        self._stored = self._refused = self._bytes = 0

    @property
    def place(self) -> tuple[str, int | None]:
        """With whose associations this one is counted, and how many of them there may be."""
        door = self._terms.door
        group = door.group(self._calling_ae_title, self._peer_address)
        return group, door.limits(self._calling_ae_title).associations

    def serve(self, association: Association) -> None:
        """Take part in an association that has not started: what is received goes to files, requests come here."""
        association.dimse = self._dimse = SpoolingDimse(association, self._terms.new_spool)
        for event, handler in self._handlers:
            association.bind(event, handler)

    @property
    def _handlers(self) -> tuple[tuple[Any, Callable[[Event], Any]], ...]:
        """The pynetdicom events that the session takes part in, with their handlers."""
        return (
            (evt.EVT_REQUESTED, self._on_requested),
            (evt.EVT_CONN_CLOSE, self._on_closed),
            (evt.EVT_SOP_EXTENDED, self._on_extended_negotiation),
        )

    def _on_requested(self, event: Event) -> None:
        """Note who asks, and settle what may be sent or that it is refused, before pynetdicom negotiates."""
        self.is_requested = True
        request: Any = event.assoc.requestor.primitive
        self._calling_ae_title, self._called_ae_title = request.calling_ae_title, request.called_ae_title
        self._may = self._terms.door.verbs(self._calling_ae_title, self._peer_address)
        rejection = self._rejection(event.assoc.requestor.maximum_length or 0)
        if rejection is not None:
            event.assoc.acse.send_reject(*rejection)
            event.assoc.kill()  # returns when the answer is on its way
            return
        limits = self._terms.door.limits(self._calling_ae_title)
        if limits.pdu_bytes is not None:
            event.assoc.acceptor.maximum_length = limits.pdu_bytes
        if self._dimse is not None:
            self._dimse.longest = limits.instance_bytes
        self._negotiate(event.assoc, request.presentation_context_definition_list)

    def _negotiate(self, association: Any, proposed: list[PresentationContext]) -> None:  # noqa: ANN401  # as pynetdicom's
        """Say what of the proposed contexts is supported, and what serves their requests."""
        services, may = self._terms.services, self._may - self._terms.services.not_offered
        is_getting = Verb.GET in may and any(context.abstract_syntax == STUDY_ROOT_GET for context in proposed)
        association.acceptor.supported_contexts = supported_contexts(
            proposed,
            may=may,
            accept_unknown=self._terms.accept_unknown_sop_classes,
            held=services.held_syntaxes() if is_getting else NOTHING_HELD,
        )
        caller = Caller(
            association_id=self.association_id,
            calling_ae_title=self._calling_ae_title,
            called_ae_title=self._called_ae_title,
            address=self._peer_address,
        )
        asked = association.requestor.sop_class_extended
        combined = any(any(flags) for flags in extended_negotiation(asked, STUDY_ROOT_FIND).values())
        serving = services.bind(association, caller, self._terms.door, combined=combined)
        offer(association, {**serving, Verb.STORE: partial(self._store, association)})

    def _on_extended_negotiation(self, event: Any) -> dict[Any, bytes]:  # noqa: ANN401  # its attributes are dynamic
        return extended_negotiation(event.app_info, STUDY_ROOT_FIND)

    def _rejection(self, peers_maximum_pdu: int) -> tuple[int, int, int] | None:
        """Return result, source and reason of an association's rejection (PS3.8 table 9-21), None to admit it."""
        if not self._may:
            return _REJECTED_PERMANENT, _BY_USER, _CALLING_AE_TITLE_NOT_RECOGNISED
        if 0 < peers_maximum_pdu < _SMALLEST_PDU:
            return _REJECTED_PERMANENT, _BY_USER, _NO_REASON_GIVEN
        reason = self._terms.admit(self)
        return None if reason is None else (_REJECTED_TRANSIENT, _BY_PRESENTATION, reason)

    def _on_closed(self, event: Event) -> None:
        if not self.is_requested:
            wake(event.assoc)

    def _store(self, association: Any, request: Any, context_id: int) -> None:  # noqa: ANN401  # as pynetdicom's
        """Answer a C-STORE request, whatever happens, with a status."""
        dimse: SpoolingDimse = association.dimse
        if not isinstance(request, StoreRequest):
            request = dimse.request_of(request, context_id)
        status = UNEXPECTED
        with edge("store_failed", self.association_id):
            context = association._accepted_cx[context_id]  # noqa: SLF001  # as pynetdicom looks it up
            instance = self._instance(request, str(context.transfer_syntax[0]))
            with instance.spool:
                self._bytes += instance.spool.size
                refusal = self._refusal(context.abstract_syntax)
                status = self._terms.sink.received(instance) if refusal is None else refusal
        self._count(status)
        if association.is_established:
            dimse.answer(request, status)

    def _refusal(self, abstract_syntax: str) -> int | None:
        """Return the status of a request that must not be served (PS3.7 9.1.1.1.9), None for one that may."""
        if verb_of(UID(abstract_syntax), accept_unknown=True) is not Verb.STORE:
            return SOP_CLASS_NOT_SUPPORTED
        return None if Verb.STORE in self._may else NOT_AUTHORISED

    def _instance(self, request: StoreRequest, transfer_syntax: str) -> ReceivedInstance:
        spool = request.spool
        if spool is None:
            spool = self._terms.new_spool()
            begin(spool, request.affected, transfer_syntax)
        return ReceivedInstance(
            spool=spool,
            affected_sop_class_uid=request.affected.sop_class_uid,
            affected_sop_instance_uid=request.affected.sop_instance_uid,
            transfer_syntax_uid=transfer_syntax,
            calling_ae_title=self._calling_ae_title,
            called_ae_title=self._called_ae_title,
            peer_address=self._peer_address,
            association_id=self.association_id,
        )

    def _count(self, status: int) -> None:
        if status == SUCCESS or status in STORED_WITH_WARNING:
            self._stored += 1
        else:
            self._refused += 1

    @property
    def peer_address(self) -> str:
        """The address from which the peer calls."""
        return self._peer_address

    def calls_from(self, address: str) -> None:
        """Take the word of the balancer that connected for who the peer is."""
        self._peer_address = address
        self.is_balancers = address in self._terms.balancers

    def note_trouble(self, trouble: str) -> None:
        """Keep why the association is being ended, for the summary."""
        self._trouble = trouble

    def failed(self, trouble: str) -> None:
        """Tell the sink that the connection ended before an association could be asked for."""
        self._tell("aborted", trouble=trouble)

    def ended(self, association: Association) -> None:
        """Tell the sink how it went, once the association's threads have ended."""
        if self._dimse is not None:
            self._dimse.close()
        how: Final = "released" if association.is_released else "rejected" if association.is_rejected else "aborted"
        self._tell(how, trouble=self._trouble or _ANOTHER_PROTOCOL.get(protocol_of(association), ""))

    def _tell(self, how: Literal["released", "aborted", "rejected"], *, trouble: str) -> None:
        if self.is_balancers and not (trouble or self._stored or self._refused):
            return  # it checks every few seconds whether we are well
        summary = AssociationSummary(
            association_id=self.association_id,
            calling_ae_title=self._calling_ae_title,
            called_ae_title=self._called_ae_title,
            peer_address=self._peer_address,
            opened_at=self._opened_at,
            closed_at=self._terms.clock(),
            how=how,
            stored=self._stored,
            refused=self._refused,
            bytes=self._bytes,
            trouble=trouble,
        )
        with edge("association_end_failed", self.association_id):
            self._terms.sink.association_ended(summary)
