"""The order of a message's fragments: a command, then its dataset, all under one context, one message after another.

pynetdicom joins whatever comes (PS3.8 E.1): of two messages that are mixed up it makes one Instance out of the bytes of
both, and stores it. So the order is looked at before, and what is out of order ends the association.
"""

from collections.abc import Iterable
from enum import Enum, auto
from typing import Final

_COMMAND: Final = 0x01
_LAST: Final = 0x02


class FragmentOrderError(Exception):
    """A fragment that does not belong where it came."""


class _Phase(Enum):
    BETWEEN = auto()  # the dataset of the last message has ended
    COMMAND = auto()  # within a command set
    COMMANDED = auto()  # a command set has ended; whether a dataset follows, it says itself
    DATASET = auto()  # within a dataset


_NEXT: Final = {
    _COMMAND: _Phase.COMMAND,
    _COMMAND | _LAST: _Phase.COMMANDED,
    0: _Phase.DATASET,
    _LAST: _Phase.BETWEEN,
}
_MAY_BEGIN_A_COMMAND: Final = frozenset({_Phase.BETWEEN, _Phase.COMMANDED})
_MAY_GO_ON: Final = {_COMMAND: frozenset({_Phase.COMMAND}), 0: frozenset({_Phase.COMMANDED, _Phase.DATASET})}

_GOING_ON: Final = frozenset({_Phase.COMMAND, _Phase.DATASET})
_MOST_HELD: Final = 16 << 20
"""Bytes of a command set, or of a dataset that does not go to a file: a query's keys, a step's attributes."""


class FragmentOrder:
    """What may come next in one association."""

    def __init__(self) -> None:
        """Begin before the first message."""
        self._phase = _Phase.BETWEEN
        self._context_id = 0
        self._held = 0

    @property
    def may_begin(self) -> bool:
        """Whether a command may come next, if the last message has no dataset that is still due."""
        return self._phase in _MAY_BEGIN_A_COMMAND

    def took(self, context_id: int, header: int) -> None:
        """Take note of a fragment that somebody else has found to be in order."""
        self._context_id, self._held = context_id, 0
        self._phase = _NEXT[header & (_COMMAND | _LAST)]

    def check(self, fragments: Iterable[tuple[int, int, int]], *, dataset_is_due: bool, is_spooled: bool) -> None:
        """Take context ID, message control header and size of each fragment of a PDU.

        `dataset_is_due`: the last command set has announced a dataset that has not ended; `is_spooled`: it goes to a
        file. Raises FragmentOrderError.
        """
        for context_id, header, size in fragments:
            kind = header & _COMMAND
            if kind and self._phase in _MAY_BEGIN_A_COMMAND and not dataset_is_due:
                self._context_id = context_id
            elif self._phase not in _MAY_GO_ON[kind] or context_id != self._context_id:
                message = f"expected another fragment. Received: phase={self._phase.name} header={header:02x}"
                raise FragmentOrderError(message)
            self._held = size + (self._held if self._phase in _GOING_ON else 0)
            if self._held > _MOST_HELD and not is_spooled:
                message = f"expected a message of at most {_MOST_HELD} bytes in memory. Received: more"
                raise FragmentOrderError(message)
            self._phase = _NEXT[header & (_COMMAND | _LAST)]
            dataset_is_due = False  # known of the message before this PDU only
