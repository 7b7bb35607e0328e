"""Peers that send a message so slowly that they only hold a place: each PDU comes in time, and the message never."""

from typing import Any, Final

from dicom_io.pdu_reader import received_of

_BYTES_PER_SECOND: Final = 10_000
"""What no network of a hospital stays below over minutes."""


class MessageWatch:
    """Looks at one association now and then, from another thread; costs the one that receives nothing."""

    def __init__(self, association: Any, seconds: float) -> None:  # noqa: ANN401  # what is looked at is not public
        """Allow `seconds` for a message, and one more for each 10 kB of it."""
        self._association = association
        self._seconds = seconds
        self._message: object = None
        self._began = 0.0
        self._received = 0

    def is_overdue(self, now: float) -> bool:
        """Tell whether the message that is being received takes too long."""
        message, received = self._association.dimse.message, received_of(self._association)
        if message is None or message is not self._message:
            self._message, self._began, self._received = message, now, received
            return False
        return now - self._began > self._seconds + (received - self._received) / _BYTES_PER_SECOND
