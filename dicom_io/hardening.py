"""What pynetdicom's associations need to outlive any peer; what reaches behind its documented interface stands here.

Written against pynetdicom 3.0; `tests/integration/dicom_io_network` shows each promise, and fails when a release breaks
one.
"""

import contextlib
import logging
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Final, cast

from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.fsm import StateMachine
from pynetdicom.pdu import A_ABORT_RQ
from pynetdicom.pdu_primitives import A_P_ABORT
from pynetdicom.transport import AssociationSocket, RequestHandler

from dicom_io.dispatch import answer_what_nobody_serves
from dicom_io.fragments import FragmentOrder
from dicom_io.pdu_reader import PduReader
from dicom_io.proposals import mend_request
from dicom_io.reactor import run_on_events

_SERVICE_PROVIDER: Final = 0x02
_AWAITING_CLOSE: Final = "Sta13"  # PS3.8 table 9-5: the association is over, the connection is still there
_DATA_TRANSFER: Final = "Sta6"
_DATA_RECEIVED: Final = "Evt10"  # PS3.8 table 9-2: a P-DATA-TF PDU
_CLOSING_SECONDS: Final = 0.5
LONGEST_SENT_PDU: Final = 131072
_MOST_UNSENT: Final = 32  # PDUs
_PAUSE: Final = 0.001  # seconds

_log = logging.getLogger(__name__)


class _SurvivingStateMachine(StateMachine):
    """A state machine that ends its association, and not its thread with a traceback, over what it cannot digest.

    What a peer can break it with: a command set that is no dataset, an even context ID, a PDU or fragment out of turn.
    """

    def __init__(self, dul: Any) -> None:  # noqa: ANN401  # what is reached for is not public
        super().__init__(dul)
        self.order = FragmentOrder()
        self._sending = threading.RLock()

    def do_action(self, event: str) -> None:
        with _ended_by_abort(self.dul.assoc):
            if event == _DATA_RECEIVED:
                self._check_order()
            with self._sending:
                super().do_action(event)
            connection = tcp_socket(self.dul.assoc)
            if self.current_state == _AWAITING_CLOSE and connection is not None:
                connection.settimeout(_CLOSING_SECONDS)  # what is still being sent here is no business of ours

    def send_at_once(self, pdu: bytes) -> bool:
        """Send a P-DATA-TF PDU from the association's thread, unless something else is to go before it.

        Returns whether it was sent. (A TLS connection cannot be written to while another thread reads from it.)
        """
        connection = tcp_socket(self.dul.assoc)
        if connection is None or isinstance(connection, ssl.SSLSocket):
            return False
        with self._sending:
            if self.current_state != _DATA_TRANSFER or not self.dul.to_provider_queue.empty():
                return False
            cast("AssociationSocket", self.dul.socket).send(pdu)
            return True

    def _check_order(self) -> None:
        """Look at the fragments that have come. Raises FragmentOrderError."""
        pdu: Any = self.dul._recv_pdu.queue[0]  # noqa: SLF001  # there is no public place for it
        message: Any = self.dul.assoc.dimse.message
        values = pdu.presentation_data_value_items
        self.order.check(
            (
                (value.presentation_context_id, value.presentation_data_value[0], len(value.presentation_data_value))
                for value in values
            ),
            dataset_is_due=message is not None and message.context_id is not None,
            is_spooled=isinstance(message, C_STORE_RQ),
        )


def harden(association: Association) -> None:
    """Prepare an association that has not started to negotiate."""
    association.dul.state_machine = _SurvivingStateMachine(association.dul)
    PduReader(association, seconds=association.dimse_timeout, give_up=partial(wake, association))
    for event in association.get_events():
        for handler in _notified(association, event):
            if handler.__module__.startswith("pynetdicom."):  # they print what they see, and cost time
                association.unbind(event, handler)


def _notified(association: Association, event: Any) -> list[Any]:  # noqa: ANN401  # pynetdicom's event types are private
    handlers: Any = association.get_handlers(event)
    return [] if event.is_intervention else [handler for handler, _ in handlers]


@contextlib.contextmanager
def _ended_by_abort(association: Association, event: str = "") -> Iterator[None]:
    """Let whatever the peer's bytes cause in the block end its association by an abort, and nothing else.

    A named edge. `event` is logged; of what breaks the state machine the association's own line says enough.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - see above
        if event:
            _log.warning(event, extra={"error": type(error).__name__})
        association.dul.kill_dul()
        _send_abort(association)
        wake(association)


def _send_abort(association: Association) -> None:
    """Tell the peer, past the state machine, that it is over (PS3.8 9.3.8)."""
    pdu = A_ABORT_RQ()
    pdu.source = _SERVICE_PROVIDER
    pdu.reason_diagnostic = 0x00
    if association.dul.socket is not None and association.dul.socket.socket is not None:
        association.dul.socket.send(pdu.encode())


def wake(association: Association) -> None:
    """Let the threads that wait for this association's peer see that there is nothing more to wait for.

    Without it an acceptor whose peer hangs up before its request (a load balancer's probe) waits out the ACSE
    time-out, and counts as an open association all the while.
    """
    is_waiting_for_request = association.is_acceptor and association.requestor.primitive is None
    association.dul.to_user_queue.put(None if is_waiting_for_request else A_P_ABORT())
    association.dimse.msg_queue.put((None, None))


class HardenedHandler(RequestHandler):
    """A handler of accepted connections; `handle` is for a subclass to write."""

    def open_association(self) -> Association:
        """Return the association of this connection, with its handlers and settings, not yet started."""
        association = self._create_association()
        run_on_events(association)
        harden(association)
        mend_request(association)
        answer_what_nobody_serves(association)
        _end_instead_of_dying(association)
        return association


def _end_instead_of_dying(association: Any) -> None:  # noqa: ANN401  # what is exchanged is not public
    """Let what breaks the association's own thread end it by an abort: no traceback, nobody who waits for it."""
    run = association.run

    def surviving() -> None:
        with _ended_by_abort(association, "association_broke"):
            run()

    association.run = surviving


class PatientDimse(DIMSEServiceProvider):
    """A requestor's DIMSE provider that keeps responses for the thread that asked.

    pynetdicom's own reactor polls for messages too, and would throw a response away; and it serves an N-EVENT-REPORT
    itself, in a thread of its own, which is here kept for the thread that asked as well.
    """

    has_own_reader = True
    has_enough = False  # whoever asks takes all that comes

    def __init__(self, association: Any) -> None:  # noqa: ANN401  # pynetdicom's types are not public
        """Take the place of the association's own provider."""
        super().__init__(association)
        association._serve_request = lambda request, context_id: self.msg_queue.put((context_id, request))  # noqa: SLF001

    def take(self, body: memoryview) -> bool:  # noqa: ARG002  # a provider's signature
        """Leave every PDU to pynetdicom."""
        return False

    @property
    def maximum_pdu_size(self) -> int:
        """The peer's, but no more than this: a peer without a limit (0) would be sent a file in one PDU."""
        return min(int(super().maximum_pdu_size) or LONGEST_SENT_PDU, LONGEST_SENT_PDU)

    def get_msg(self, block: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002  # pynetdicom's signature
        """Return the next message if asked to wait for it, (None, None) to who only polls."""
        return super().get_msg(block=True) if block else (None, None)

    def await_message(self, seconds: float) -> Any:  # noqa: ANN401  # pynetdicom's message types have no common name
        """Return the next message's context and itself, None for it once the connection is gone.

        Raises TimeoutError after `seconds`.
        """
        try:
            return self.msg_queue.get(timeout=seconds)
        except queue.Empty:
            message = f"expected a message. Received: none in {seconds} s"
            raise TimeoutError(message) from None


def tcp_socket(association: Association) -> socket.socket | None:
    """Return the association's TCP socket, None if pynetdicom has let go of it."""
    return association.dul.socket.socket if association.dul.socket is not None else None


def unsent(association: Association) -> int:
    """Count the PDUs that wait for the peer to take those before them."""
    return association.dul.to_provider_queue.qsize()


def pace(association: Association) -> None:
    """Let who sends wait for the connection once some PDUs are under way: a file of any size takes little memory.

    A connection that ends, as one does whose peer takes nothing for the time-out of its socket, ends the waiting too.
    """
    dul: Any = association.dul
    send = dul.send_pdu

    def paced(primitive: Any) -> None:  # noqa: ANN401  # pynetdicom's primitives have no common name
        while dul.to_provider_queue.qsize() >= _MOST_UNSENT and dul.is_alive():
            time.sleep(_PAUSE)
        send(primitive)

    dul.send_pdu = paced


def cut(connection: socket.socket) -> None:
    """End both directions of a connection: who reads or writes it in another thread sees its end at once."""
    with contextlib.suppress(OSError):  # the peer was faster
        connection.shutdown(socket.SHUT_RDWR)


def finish(association: Association, connection: socket.socket, *, seconds: float) -> None:
    """Leave nothing of an association that is over: neither thread nor socket.

    pynetdicom does not close a socket whose peer hung up first, and leaves its upper-layer thread alone when the
    association's own thread failed.
    """
    association.dul.kill_dul()
    cut(connection)
    for thread in (association, association.dul):
        if thread.ident is not None:
            thread.join(seconds)
    connection.close()
