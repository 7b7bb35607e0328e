"""The table [audit] of config.toml: where the audit trail is handed over to, and how long it is kept."""

from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from agent.config.section import MOST_PORT, Days, Seconds, Section
from agent.config.tls import TlsTrust


class AuditSection(TlsTrust, Section):
    """The audit trail as DICOM audit messages (PS3.15 A.5), to a file and to syslog over TLS; see docs/audit.md.

    It is always kept in the database. The settings tls_... are those of the syslog receiver.
    """

    file: Path | None = Field(
        default=None,
        examples=["/var/log/tibabu/audit.xml"],
        description="A file that gets each message as a line. Unset: none.",
    )
    syslog: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_.:\[\]-]+:[0-9]{1,5}$",
        examples=["audit.hospital.example:6514"],
        description="HOST:PORT of a syslog receiver over TLS (RFC 5424, RFC 5425). Unset: none.",
    )
    source: str = Field(
        default="Tibabu", min_length=1, description="What this installation is called in messages (AuditSourceID)."
    )
    site: str = Field(default="", description="What the hospital is called in messages (AuditEnterpriseSiteID).")
    keep_days: Days | None = Field(
        default=None,
        ge=30,
        examples=[3650],
        description="After so many days events go from the database, once they were handed over. Unset: they stay.",
    )
    every_seconds: Seconds = Field(default=5, description="How often what has happened is handed over.")

    @field_validator("syslog")
    @classmethod
    def _port_exists(cls, value: str | None) -> str | None:
        if value is not None and not 0 < int(value.rpartition(":")[2]) <= MOST_PORT:
            message = f"expected HOST:PORT with a port of 1 to {MOST_PORT}. Received: {value}"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _tls_is_for_syslog(self) -> Self:
        if self.syslog is None and (self.tls_ca_file is not None or self.tls_certificate is not None):
            message = "expected syslog with TLS files. Received: no syslog"
            raise ValueError(message)
        return self

    @property
    def keep(self) -> timedelta | None:
        """How long events stay in the database."""
        return None if self.keep_days is None else timedelta(days=self.keep_days)

    @property
    def receiver(self) -> tuple[str, int] | None:
        """Host and port of the syslog receiver."""
        if self.syslog is None:
            return None
        host, _, port = self.syslog.rpartition(":")
        return host.strip("[]"), int(port)
