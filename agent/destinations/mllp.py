"""A RIS, an interface engine or any other HL7 v2 receiver, over MLLP: one connection, one message in flight."""

from typing import Final, Literal

from pydantic import Field

from agent.config.section import Seconds
from agent.config.tls import CalledOverTls
from agent.destinations import NAME, DestinationSettings, Outgoing
from agent.errors import DeliveryError, DestinationDownError
from agent.hl7.client import Client, Receiver
from agent.hl7.errors import NoAnswerError, NotReachedError, WrongAnswerError
from agent.line.statuses import of_hl7, refusal

MEDIA_TYPES: Final = frozenset({"application/hl7-v2"})


class Settings(CalledOverTls, DestinationSettings):
    """An MLLP receiver."""

    name: str = Field(examples=["ris"], pattern=NAME, description="Its name in the ledger and on the pages.")
    type: Literal["mllp"] = Field(examples=["mllp"], description="An HL7 v2 receiver (MLLP), such as a RIS.")
    host: str = Field(examples=["10.0.0.7"], min_length=1, description="Its host name or address.")
    port: int = Field(examples=[2575], ge=1, le=65535, description="Its port.")
    reports: tuple[str, ...] = Field(default=("oru",), description="Which reports it gets.")
    connection_timeout_seconds: Seconds = Field(default=10, description="Longest wait for a connection.")
    response_timeout_seconds: Seconds = Field(default=30, description="Longest wait for an acknowledgement.")
    idle_seconds: float = Field(
        default=60, ge=0, description="A connection unused for longer is not used again; 0: each message has its own."
    )


class Destination:
    """Sends each message until the receiver acknowledges it by its control ID (MSA-2 = MSH-10)."""

    def __init__(self, settings: Settings, calling_ae_title: str) -> None:  # noqa: ARG002 - HL7 has no AE titles
        """Keep where it is; nothing is connected yet. Who sends stands in MSH-3 and MSH-4."""
        self._receiver = Receiver(
            host=settings.host,
            port=settings.port,
            tls=settings.client_tls,
            connection_timeout=settings.connection_timeout_seconds,
            response_timeout=settings.response_timeout_seconds,
            idle_seconds=settings.idle_seconds,
        )
        self._client = Client(self._receiver)

    def send(self, outgoing: Outgoing) -> str:
        """Send one message; return its acknowledgement's codes. Raises DeliveryError if the receiver does not have it.

        AA and CA say that it has: who commits (CA) to a message answers for it from then on (2.9.3.1).
        """
        try:
            answer = self._client.exchange(outgoing.data, outgoing.identifier)
        except NotReachedError as error:
            raise DestinationDownError(str(error)) from None
        except NoAnswerError as error:
            raise DestinationDownError(str(error), sent=True) from None
        except WrongAnswerError as error:
            raise DeliveryError(str(error), retry=True, sent=True) from None
        if not answer.accepted:
            message = f"expected {self._receiver} to accept the message. Received: {answer}"
            raise refusal(message, of_hl7(answer.code), status=answer.code)
        return str(answer)

    def ping(self) -> None:
        """Connect: HL7 has nothing to ask with. Raises DeliveryError if that fails."""
        try:
            self._client.connect()
        except NotReachedError as error:
            raise DestinationDownError(str(error)) from None
