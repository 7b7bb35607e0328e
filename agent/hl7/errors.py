"""What can go wrong with HL7; no message quotes what was sent or received.

AgentError
+-- Hl7Error
    +-- MessageError    these bytes are no HL7 v2 message
    +-- FramingError    a peer sends no frames of MLLP, or one without end
    +-- ConnectionLostError  a receiver is away, or went away before it answered
    |   +-- NoAnswerError    it is there, and did not answer in time
    +-- WrongAnswerError     it answered with something else than an acknowledgement of this message
"""

from agent.errors import AgentError


class Hl7Error(AgentError):
    """Anything that has to do with HL7."""


class MessageError(Hl7Error):
    """Bytes are no HL7 v2 message."""


class FramingError(Hl7Error):
    """A peer sends no frames of MLLP, or one without end."""


class ConnectionLostError(Hl7Error):
    """A receiver is away, or went away before it answered."""


class NoAnswerError(ConnectionLostError):
    """A receiver did not answer in time."""


class WrongAnswerError(Hl7Error):
    """A receiver answered with something else than an acknowledgement of the message that it was sent."""
