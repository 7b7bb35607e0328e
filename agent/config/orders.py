"""The table [orders] of config.toml: who is asked what was ordered."""

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from agent.config.section import AeTitle, Seconds, Section
from agent.config.tls import CalledOverTls
from agent.line.retry import Backoff
from dicom_io.peer import Peer


class OrdersSection(CalledOverTls, Section):
    """The Modality Worklist that is asked, once for each study, for its order's priority and accession number."""

    ae_title: AeTitle | None = Field(
        default=None, examples=["RIS"], description="AE title of the worklist; unset: nobody is asked."
    )
    host: str = Field(default="", examples=["10.0.0.7"], description="Its host name or address.")
    port: int = Field(default=104, ge=1, le=65535, description="Its port.")
    first_retry_seconds: Seconds = Field(
        default=5, description="Wait after a failure, or after an answer that does not know the study yet."
    )
    attempts: int = Field(default=8, ge=1, description="Questions about one study, each after twice the wait.")

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if self.ae_title is not None and not self.host:
            message = "expected a host where ae_title is set. Received: host=''"
            raise ValueError(message)
        if self.ae_title is None and self.host:
            message = f"expected an ae_title where host is set: without, nobody is asked. Received: host={self.host}"
            raise ValueError(message)
        return self

    @property
    def peer(self) -> Peer | None:
        """Who is asked, None for nobody."""
        return None if self.ae_title is None else Peer(self.ae_title, self.host, self.port, self.client_tls)

    @property
    def backoff(self) -> Backoff:
        """The waiting times as a value."""
        return Backoff(first=timedelta(seconds=self.first_retry_seconds), attempts=self.attempts)
