"""MLLP, the Minimal Lower Layer Protocol (HL7 v2.5.1 implementation guide, appendix C): <VT> message <FS><CR>.

Nothing here reads a socket: bytes go in as they come, frames come out. Not python-hl7's: its server side is asyncio's,
refuses what stands between frames and takes two halves for one message; its client waits for ever and reads once.
"""

from typing import Final

from agent.hl7.errors import FramingError

START: Final = b"\x0b"
END: Final = b"\x1c"
_KEEP_ALIVE: Final = b"\r\n \t\0"


def frame(message: bytes) -> bytes:
    """Return a message in its frame."""
    return START + message + END + b"\r"


class Deframer:
    """Takes bytes as they come off one connection, and gives back each frame's message once it is whole.

    A frame ends with FS; the CR after it may come late or never. What stands between frames is left out and counted.
    A second VT begins anew: its sender gave the first message up, and half of it must not become part of another.
    """

    def __init__(self, limit: int) -> None:
        """Refuse messages of more than `limit` bytes."""
        self._limit = limit
        self._pending: bytearray | None = None
        self.left_out = 0
        """How many bytes belonged to no whole frame; what may stand between frames is not counted."""

    @property
    def within(self) -> bool:
        """Whether a frame has begun that has not ended."""
        return self._pending is not None

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that end in `data`. Raises FramingError at one without end; nothing can follow it."""
        messages = []
        rest = data
        while rest:
            if self._pending is None:
                between, start, rest = rest.partition(START)
                self.left_out += len(between.translate(None, _KEEP_ALIVE))
                if start:
                    self._pending = bytearray()
                continue
            content, end, rest = rest.partition(END)
            *given_up, content = content.split(START)
            if given_up:
                self.left_out += len(self._pending) + sum(len(one) for one in given_up)
                self._pending.clear()
            self._pending += content
            if len(self._pending) > self._limit:
                message = f"expected a message of at most {self._limit} bytes. Received: more"
                raise FramingError(message)
            if end:
                messages.append(bytes(self._pending))
                self._pending = None
        return messages
