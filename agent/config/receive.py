"""The table [receive] of config.toml."""

from typing import Self

from pydantic import Field, model_validator

from agent.config.peers import STRANGERS_DEFAULT, ProxyText
from agent.config.section import AeTitle, Seconds, Section
from agent.config.tls import ReceiveTlsSection
from dicom_io.door import Limits, Verb


class ReceiveSection(Section):
    """The Storage SCP."""

    ae_title: AeTitle = Field(default="TIBABU", description="This agent's AE title, as SCP and as SCU.")
    host: str = Field(default="0.0.0.0", description="Address to listen on.")  # noqa: S104 - scanners are on the network
    plain: bool = Field(default=True, description="Whether to listen without TLS; false needs [receive.tls].")
    port: int = Field(default=11112, ge=0, le=65535, description="Port to listen on without TLS; 0 picks a free one.")
    processes: int = Field(
        default=1,
        ge=1,
        le=16,
        description="Receiving processes that share the port, for many associations at once; two need a fixed port.",
    )
    balancers: tuple[ProxyText, ...] = Field(
        default=(),
        description="Addresses and networks of load balancers in front, as 10.0.0.9 or 10.0.9.0/28: each connection "
        "from there must begin with a header of the PROXY protocol (version 1 or 2), which says who calls.",
    )
    tls: ReceiveTlsSection | None = None
    anyone_may: tuple[Verb, ...] = Field(
        default=STRANGERS_DEFAULT,
        description="What a peer without a table in [[peers]] may ask for; empty: its associations are rejected.",
    )
    require_called_ae_title: bool = Field(
        default=True, description="Reject peers that call another AE title than ours."
    )
    accept_unknown_sop_classes: bool = Field(
        default=False, description="Also store objects of private and otherwise unknown SOP Classes."
    )
    maximum_associations: int = Field(default=64, ge=1, le=1024, description="Associations open at once.")
    maximum_answers: int = Field(
        default=1000, ge=1, description="Matches that a C-FIND is answered with at most; then status A700."
    )
    maximum_associations_per_peer: int | None = Field(
        default=None,
        ge=1,
        examples=[16],
        description="Associations open at once of one peer: an AE title in [[peers]], or all others at one address.",
    )
    maximum_pdu_bytes: int = Field(
        default=131072, ge=4096, le=1048576, description="Largest PDU that a peer is told it may send."
    )
    maximum_instance_megabytes: int = Field(
        default=4000, ge=1, description="Larger Instances are refused with 0xA701 and not kept."
    )
    acse_timeout_seconds: Seconds = Field(
        default=30, description="Longest wait for a TLS handshake and an association message."
    )
    dimse_timeout_seconds: Seconds = Field(default=60, description="Longest time for a PDU.")
    network_timeout_seconds: Seconds = Field(default=120, description="Longest silence of an open association.")

    message_timeout_seconds: Seconds = Field(
        default=300, description="Longest time for a whole message, and a second more for each 10 kB of it."
    )

    @property
    def limits(self) -> Limits:
        """What a peer may take up that has no limits of its own."""
        return Limits(
            associations=self.maximum_associations_per_peer,
            instance_bytes=self.maximum_instance_megabytes * 1_000_000,
            pdu_bytes=self.maximum_pdu_bytes,
        )

    @model_validator(mode="after")
    def _listens_somewhere(self) -> Self:
        if not self.plain and self.tls is None:
            message = "expected plain = true or a table [receive.tls]. Received: neither"
            raise ValueError(message)
        return self
