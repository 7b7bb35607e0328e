"""What whoever is called over DIMSE has among its settings."""

from pydantic import Field

from agent.config.section import AeTitle, Seconds
from agent.config.tls import CalledOverTls
from dicom_io.peer import Peer, Timeouts


class CalledOverDimse(CalledOverTls):
    """The settings of a DICOM peer that is called: who and where it is, and how long it may take."""

    ae_title: AeTitle = Field(examples=["PACS"], description="Its AE title.")
    host: str = Field(examples=["10.0.0.5"], min_length=1, description="Its host name or address.")
    port: int = Field(examples=[104], ge=1, le=65535, description="Its port.")
    connection_timeout_seconds: Seconds = Field(default=10, description="Longest wait for a connection.")
    association_timeout_seconds: Seconds = Field(default=30, description="Longest wait for an association.")
    response_timeout_seconds: Seconds = Field(default=60, description="Longest wait for an answer.")

    @property
    def peer(self) -> Peer:
        """Whom to call."""
        return Peer(self.ae_title, self.host, self.port, self.client_tls)

    @property
    def timeouts(self) -> Timeouts:
        """How long it may take."""
        return Timeouts(
            connection=self.connection_timeout_seconds,
            acse=self.association_timeout_seconds,
            dimse=self.response_timeout_seconds,
        )
