"""What can go wrong with HL7; no message quotes what was sent or received.

AgentError
+-- Hl7Error
    +-- MessageError    these bytes are no HL7 v2 message
    +-- FramingError    a peer sends no frames of MLLP, or one without end
    +-- NotReachedError  a receiver is away: nothing was sent
    +-- NoAnswerError    it was sent the message, and did not answer: it may have it or not
    +-- WrongAnswerError     it answered with something else than an acknowledgement of this message
"""

from agent.errors import AgentError


class Hl7Error(AgentError):
    """Anything that has to do with HL7."""


class MessageError(Hl7Error):
    """Bytes are no HL7 v2 message."""


class FramingError(Hl7Error):
    """A peer sends no frames of MLLP, or one without end."""


class NotReachedError(Hl7Error):
    """A receiver is away: nothing was sent."""


class NoAnswerError(Hl7Error):
    """A receiver was sent a message and did not answer; `late` if the connection held and the time ran out."""

    def __init__(self, message: str, *, late: bool = False) -> None:
        """Keep whether the time ran out."""
        super().__init__(message)
        self.late = late


class WrongAnswerError(Hl7Error):
    """A receiver answered with something else than an acknowledgement of the message that it was sent."""
