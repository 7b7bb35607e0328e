"""The open connections of the Storage SCP: counted, bounded, and drained at the end."""

import logging
import socket
import threading
import time
from typing import Final

from pynetdicom.association import Association

from dicom_io.hardening import cut
from dicom_io.session import LOCAL_LIMIT_EXCEEDED, TEMPORARY_CONGESTION, Session
from dicom_io.slots import EVERYBODY, Slot, Slots

_GRACE_SECONDS: Final = 1.0
_MOST_WAITING: Final = 256
_MOST_WAITING_OF_ONE: Final = 128
_ASKING_SECONDS: Final = 2.0
"""So long who was connected before the port was closed may take to ask for its association."""

_log = logging.getLogger(__name__)


class Connections:
    """The open connections and those of them that were admitted as associations. Safe for threads."""

    def __init__(self, maximum_associations: int, slots: Slots) -> None:
        """Start with none; `slots` counts the associations of all processes together."""
        self._maximum = maximum_associations
        self._slots = slots
        self._changed = threading.Condition()
        self._open: dict[Session, tuple[Association | None, socket.socket]] = {}
        self._admitted: dict[Session, list[Slot]] = {}
        self._closing = False

    def opened(self, session: Session, association: Association | None, connection: socket.socket) -> None:
        """Count a connection, or know its association as well from now on."""
        with self._changed:
            self._open[session] = association, connection

    def admit(self, session: Session) -> int | None:
        """Count an association, or return why it is refused for now (PS3.8 table 9-21)."""
        with self._changed:
            if self._closing:
                return TEMPORARY_CONGESTION
            group, maximum = session.place
            taken = [self._slots.take(EVERYBODY, self._maximum)]
            if maximum is not None and taken[0] is not None:
                taken.append(self._slots.take(group, maximum))
            slots = [slot for slot in taken if slot is not None]
            if len(slots) < len(taken):
                for slot in slots:
                    self._slots.release(slot)
                return LOCAL_LIMIT_EXCEEDED
            self._admitted[session] = slots
            self._changed.notify_all()
            return None

    def has_room(self, session: Session) -> bool:
        """Tell whether one more connection may wait for its request, of all and of its address."""
        with self._changed:
            waiting = [one.peer_address for one in self._open if not one.is_requested and one is not session]
        of_one = 0 if session.is_balancers else waiting.count(session.peer_address)
        return len(waiting) < _MOST_WAITING and of_one < _MOST_WAITING_OF_ONE

    def closed(self, session: Session) -> None:
        """Count a connection no longer."""
        with self._changed:
            del self._open[session]
            for slot in self._admitted.pop(session, []):
                self._slots.release(slot)
            self._changed.notify_all()

    def _all_have_asked(self) -> bool:
        return all(session.is_requested for session in self._open)

    def _close(self) -> None:
        """Admit nobody from now on, and hang up on those who have not asked yet."""
        with self._changed:
            self._closing = True
            idle = [connection for session, (_, connection) in self._open.items() if not session.is_requested]
        for connection in idle:
            cut(connection)

    def drain(self, timeout: float) -> None:
        """Let open associations finish for `timeout` seconds, then abort, then hang up.

        Who is connected already may still ask for an association, if it does so at once.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            self._changed.wait_for(self._all_have_asked, min(timeout, _ASKING_SECONDS))
        self._close()
        if self._wait_until_none(deadline - time.monotonic()):
            return
        for association, _ in self._snapshot():
            if association is not None:
                association.abort(block=False)
        if self._wait_until_none(_GRACE_SECONDS):
            return
        for _, connection in self._snapshot():
            cut(connection)
        if not self._wait_until_none(_GRACE_SECONDS):
            _log.warning("scp_stopped_with_open_associations")

    def _wait_until_none(self, seconds: float) -> bool:
        """Wait until no connection is open; tell whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, seconds)

    def _snapshot(self) -> list[tuple[Association | None, socket.socket]]:
        with self._changed:
            return list(self._open.values())
