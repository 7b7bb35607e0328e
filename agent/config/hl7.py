"""The table [hl7] of config.toml: who may say what over HL7 v2, and how this site writes it."""

import ipaddress
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from agent.config.peers import NetworkText
from agent.config.section import Days, Processes, Seconds, Section
from agent.config.tls import ServedOverTls
from agent.hl7 import charsets
from agent.hl7.incoming import IncomingSettings
from agent.hl7.listener import ListenerSettings
from agent.hl7.meaning import MeaningSettings
from agent.secret import is_this_machine
from dicom_io.tls import TlsServerSettings

_PLACE = re.compile(r"([A-Z][A-Z0-9]{2})-(\d{1,2})")


def _check_place(value: str) -> str:
    if _PLACE.fullmatch(value) is None:
        message = f"expected a field such as OBR-18. Received: {value}"
        raise ValueError(message)
    return value


def _check_character_set(value: str) -> str:
    if not charsets.codec_of(value):
        message = f"expected a term of HL7 table 0211, such as UNICODE UTF-8 or 8859/1. Received: {value}"
        raise ValueError(message)
    return value


class Hl7Section(ServedOverTls, Section):
    """What hospital systems say over HL7 v2 (MLLP): corrected and merged patients, orders, final reports."""

    enabled: bool = Field(default=False, description="Whether there is a listener.")
    host: str = Field(
        default="127.0.0.1", description="Address to listen on. One that others can reach wants `senders`."
    )
    port: int = Field(default=2575, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    processes: Processes = Field(
        default=1,
        description="Listening processes that share the port; each counts its own connections.",
    )
    senders: tuple[NetworkText, ...] = Field(
        default=(),
        description="Addresses and networks that may connect, as 10.0.0.7 or 10.0.0.0/24; empty: all on this machine.",
    )
    application: str = Field(
        default="TIBABU",
        min_length=1,
        description="Our name in answers (MSH-3). Results that come under this name change nothing.",
    )
    facility: str = Field(default="", description="Our facility in answers (MSH-4).")
    character_set: Annotated[str, AfterValidator(_check_character_set)] = Field(
        default=charsets.ASCII,
        description="Character set (HL7 table 0211) of messages that declare none in MSH-18. What is not valid in it "
        "is read as UTF-8 if it is that, else as Latin-1.",
    )
    processing_ids: tuple[str, ...] = Field(
        default=("P",),
        min_length=1,
        description="Processing IDs (MSH-11) that are served: P production, T training, D debugging.",
    )
    assigning_authority: str = Field(
        default="",
        description="Whose Patient IDs are those that come without an issuer or assigning authority, in images and in "
        "messages. Empty: unknown; such an ID then counts only where nothing contradicts.",
    )
    identifier_types: tuple[str, ...] = Field(
        default=("MR", "PI", "PT"),
        description="Types (CX.5) of the identifiers in PID-3 and MRG-1 that are Patient IDs in images; one without a "
        "type always is.",
    )
    accession_fields: tuple[Annotated[str, AfterValidator(_check_place)], ...] = Field(
        default=("IPC-1", "OBR-18", "ORC-3"),
        description="Where this site puts the accession number: the first field that has a value.",
    )
    high_priorities: tuple[str, ...] = Field(
        default=("S", "STAT"), description="What in TQ1-9, OBR-27.6, ORC-7.6 or OBR-5 means HIGH."
    )
    medium_priorities: tuple[str, ...] = Field(
        default=("A", "ASAP", "P", "C", "T"), description="What there means MEDIUM; all else is ROUTINE."
    )
    orders_days: Days = Field(default=30, description="How long an order is kept for images that are to come.")
    completed_orders_are_read: bool = Field(
        default=True,
        description="Whether an order's status Completed (ORC-1 SC, ORC-5 CM) takes its study off the worklist. Set it "
        "to false where that says only that the images were taken.",
    )
    unknown_messages: Literal["refuse", "accept"] = Field(
        default="refuse",
        description="Messages of kinds that are not used here: refused (AR), or accepted (AA) and left.",
    )
    maximum_connections: int = Field(default=32, ge=1, le=1024, description="Connections open at once.")
    maximum_message_kilobytes: int = Field(default=1024, ge=1, description="Largest message.")
    idle_seconds: Seconds = Field(
        default=3600, description="Longest pause between two messages before a connection is closed."
    )
    message_seconds: Seconds = Field(
        default=30, description="Time for a message to come whole, and for its answer to be taken."
    )
    tls_client_ca: Path | None = Field(
        default=None,
        examples=["/etc/tibabu/peers.pem"],
        description="PEM file with the authorities of senders' certificates, which they must show then.",
    )

    @model_validator(mode="after")
    def _is_protected(self) -> Self:
        if self.tls_client_ca is not None and self.tls_certificate is None:
            message = "expected tls_certificate and tls_key with tls_client_ca. Received: none"
            raise ValueError(message)
        if not is_this_machine(self.host) and not self.senders:
            message = f"expected senders, the addresses that may connect, where others can. Received: host={self.host}"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _a_priority_means_one_thing(self) -> Self:
        if both := self.meaning.high & self.meaning.medium:
            message = f"expected different terms in high_priorities and medium_priorities. Received: {sorted(both)}"
            raise ValueError(message)
        return self

    @property
    def listener(self) -> ListenerSettings:
        """What the listener needs of it."""
        return ListenerSettings(
            host=self.host,
            port=self.port,
            senders=tuple(ipaddress.ip_network(sender) for sender in self.senders),
            tls=self._tls,
            share_port=self.processes > 1,
            maximum_connections=self.maximum_connections,
            maximum_message_bytes=self.maximum_message_kilobytes * 1000,
            idle_seconds=self.idle_seconds,
            message_seconds=self.message_seconds,
        )

    @property
    def _tls(self) -> TlsServerSettings | None:
        if self.tls_certificate is None or self.tls_key is None:
            return None
        return TlsServerSettings(certificate=self.tls_certificate, key=self.tls_key, client_ca=self.tls_client_ca)

    @property
    def incoming(self) -> IncomingSettings:
        """What is said of us in answers, and what is served."""
        return IncomingSettings(
            application=self.application,
            facility=self.facility,
            character_set=self.character_set,
            processing_ids=frozenset({*self.processing_ids, ""}),
        )

    @property
    def meaning(self) -> MeaningSettings:
        """What sites do differently."""
        return MeaningSettings(
            ours=frozenset({self.application}),
            identifier_types=frozenset(kind.upper() for kind in self.identifier_types),
            accession_places=tuple(_place(value) for value in self.accession_fields),
            high=frozenset(term.upper() for term in self.high_priorities),
            medium=frozenset(term.upper() for term in self.medium_priorities),
            completed_orders_are_read=self.completed_orders_are_read,
            accepts_unknown=self.unknown_messages == "accept",
        )

    @property
    def orders_last(self) -> timedelta:
        """How long an order is kept."""
        return timedelta(days=self.orders_days)


def _place(value: str) -> tuple[str, int]:
    name, _, number = value.partition("-")
    return name, int(number)
