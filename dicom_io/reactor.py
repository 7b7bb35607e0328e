"""pynetdicom's two loops for one association, whoever asked for it, woken by what happens: an idle one costs nothing.

pynetdicom looks every millisecond whether there is something to do, in the thread of the upper layer and in that of the
association: idle associations cost 3 % of a core each, and every answer waits for the next look. Its loops are kept;
only their waiting is exchanged: that of the upper layer for the connection or a bell, that of the association for a
message, and the queues between them ring. `tests/unit/dicom_io_network/test_upstream.py` notices when a release of
pynetdicom changes what is relied on here.
"""

import os
import queue
import select
import ssl
import threading
from collections.abc import Callable
from typing import Any, Final

from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.timer import Timer

_LONGEST_WAIT: Final = 1.0  # seconds: what nobody rings for is still seen
_CLOSING: Final = "Sta13"  # PS3.8 table 9-5
_DATA_TRANSFER: Final = "Sta6"
_CLOSED: Final = "Evt17"  # PS3.8 table 9-2


class Bell:
    """Wakes a thread that waits for a file descriptor. Safe for threads."""

    def __init__(self) -> None:
        """Begin silent."""
        self._lock = threading.Lock()
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    @property
    def descriptor(self) -> int:
        """What becomes readable when the bell rings; -1 once it is closed."""
        return self._descriptor

    def ring(self) -> None:
        """Wake whoever waits now or next."""
        with self._lock:
            if self._descriptor >= 0:
                os.eventfd_write(self._descriptor, 1)

    def silence(self) -> None:
        """Take note that it rang."""
        with self._lock:
            if self._descriptor >= 0:
                os.eventfd_read(self._descriptor)

    def close(self) -> None:
        """Give the descriptor back; ringing does nothing from now on."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class _RingingQueue(queue.Queue[Any]):
    """A queue whose reader does something else than wait for it."""

    def __init__(self, ring: Callable[[], None]) -> None:
        super().__init__()
        self._ring = ring

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ANN401, FBT001, FBT002  # queue.Queue's signature
        super().put(item, block, timeout)
        self._ring()


class _Checkpoint:
    """Where an association's loop pauses before each round: the event of pynetdicom's, that also waits for work."""

    def __init__(self, has_work: Callable[[], bool], patience: Callable[[], float]) -> None:
        self._has_work = has_work
        self._patience = patience
        self._is_set = True
        self._changed = threading.Condition()

    def set(self) -> None:
        """Let the loop run."""
        self._is_set = True
        self.ring()

    def clear(self) -> None:
        """Hold the loop up: somebody else waits for messages."""
        self._is_set = False

    def wait(self) -> None:
        """Wait until the loop may run and has something to do."""
        with self._changed:
            while not (self._is_set and self._has_work()):
                self._changed.wait(self._patience())

    def ring(self) -> None:
        """Let the loop look again."""
        with self._changed:
            self._changed.notify_all()


class _UpperLayer(DULServiceProvider):
    """The upper layer of one association."""

    def __init__(self, association: Association, before: DULServiceProvider) -> None:
        super().__init__(association)
        self.socket = before.socket
        self.event_queue = before.event_queue
        self.has_ended = False
        self.bell = Bell()
        self.to_provider_queue = _RingingQueue(self.bell.ring)
        self._run_loop_delay = 0
        self._ended: Callable[[], None] = lambda: None

    def tell(self, ended: Callable[[], None]) -> None:
        """Let `ended` be called when there is nothing more to expect of this thread."""
        self._ended = ended
        self.to_user_queue = _RingingQueue(ended)

    def run(self) -> None:
        """Run pynetdicom's loop."""
        try:
            super().run()
        finally:
            self.has_ended = True
            self._ended()

    def kill_dul(self) -> None:
        """End the loop."""
        super().kill_dul()
        self.bell.ring()

    def stop_dul(self) -> bool:
        """End the loop if the connection is closed, and tell whether it was."""
        if self.state_machine.current_state != "Sta1":
            return False
        self.kill_dul()
        self.join()
        return True

    def _is_transport_event(self) -> bool:
        """Wait for the connection or the bell; read a PDU if there is one."""
        if self.state_machine.current_state == _CLOSING:
            return super()._is_transport_event()
        if not self.event_queue.empty() or not self._wait(self._patience()):
            return False
        self._read_pdu_data()
        return True

    def _patience(self) -> float:
        return max(0.0, min(_LONGEST_WAIT, _left(self.artim_timer)))

    def _wait(self, seconds: float) -> bool:
        """Return whether there is something to read within the time, or earlier that there is not if the bell rings."""
        dimse: Any = self.assoc.dimse
        # Answers ring: the connection is looked at again when one has gone out.
        is_connected = self.socket is not None and self.socket._is_connected  # noqa: SLF001  # poll tells of none at once
        connection: Any = self.socket.socket if self.socket and is_connected and not dimse.has_enough else None
        if connection is not None and self._has_read_ahead(connection):
            return True
        poll = select.poll()
        poll.register(self.bell.descriptor, select.POLLIN)
        if connection is not None and (number := connection.fileno()) >= 0:
            poll.register(number, select.POLLIN)
        ready = dict(poll.poll(seconds * 1000))
        if ready.pop(self.bell.descriptor, 0):
            self.bell.silence()
        return bool(ready)

    def _has_read_ahead(self, connection: Any) -> bool:  # noqa: ANN401  # a socket, with TLS or without
        ahead: Any = getattr(self.socket, "ahead", None)
        is_here = ahead is not None and ahead.has_more
        return is_here or (isinstance(connection, ssl.SSLSocket) and connection.pending() > 0)

    def _read_pdu_data(self) -> None:
        """Read what there is: C-STORE requests at once and their datasets to a file, all else as pynetdicom does."""
        try:
            while self.state_machine.current_state == _DATA_TRANSFER and self._take_pdu():
                self._idle_timer.restart()
                if self._kill_thread or not self.to_provider_queue.empty() or not self._wait(self._patience()):
                    return
        except OSError:
            self.event_queue.put(_CLOSED)
            return
        super()._read_pdu_data()

    def _take_pdu(self) -> bool:
        """Take the next PDU if it is of a plain C-STORE request; leave it to be read again if it is not."""
        dimse: Any = self.assoc.dimse
        ahead: Any = getattr(self.socket, "ahead", None)
        body = None if ahead is None else ahead.peek()
        if body is None or not dimse.take(body):
            return False
        ahead.take(body)
        return True


def _left(timer: Timer) -> float:
    """Return the seconds that a timer has left; a timer that does not run has for ever."""
    return timer.remaining if timer._start_time is not None and timer._end_time is None else _LONGEST_WAIT  # noqa: SLF001


def run_on_events(association: Any) -> None:  # noqa: ANN401  # what is exchanged is not public
    """Exchange the waiting of an association that has not started.

    Messages that its provider of DIMSE keeps for another thread (`has_own_reader`) are nothing that its loop waits for.
    """
    association.dul = layer = _UpperLayer(association, association.dul)
    association.acse_timeout, association.network_timeout = association.acse_timeout, association.network_timeout
    idle: Timer = layer._idle_timer  # noqa: SLF001

    def has_work() -> bool:
        dimse = association.dimse
        queued = not (layer.to_user_queue.empty() and (dimse.has_own_reader or dimse.msg_queue.empty()))
        return queued or association._kill or layer.has_ended or idle.expired  # noqa: SLF001

    checkpoint = _Checkpoint(has_work, lambda: max(0.0, min(_LONGEST_WAIT, _left(idle))))
    association._reactor_checkpoint = checkpoint  # noqa: SLF001
    association.dimse.msg_queue = _RingingQueue(checkpoint.ring)
    layer.tell(checkpoint.ring)


def close_bell(association: Any) -> None:  # noqa: ANN401  # as above
    """Give back what `run_on_events` took, once the association's threads have ended."""
    association.dul.bell.close()
