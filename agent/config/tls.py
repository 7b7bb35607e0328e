"""TLS in config.toml: the table [receive.tls], and what whoever is called over TLS has among its settings."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field, model_validator

from agent.config.section import Section
from dicom_io.tls import TlsClientSettings, TlsServerSettings


def _check_key(certificate: Path | None, key: Path | None) -> None:
    """Raise ValueError for a certificate without its key, and for a key alone."""
    if (certificate is None) != (key is None):
        message = "expected tls_certificate and tls_key together. Received: one of them"
        raise ValueError(message)


class ServedOverTls(BaseModel):
    """What whoever serves, over TLS or not, has among its settings."""

    tls_certificate: Path | None = Field(
        default=None,
        examples=["/etc/tibabu/tibabu.pem"],
        description="PEM file with our certificate and what leads to its root; unset: no TLS. New files are taken up "
        "without a restart.",
    )
    tls_key: Path | None = Field(
        default=None, examples=["/etc/tibabu/tibabu.key"], description="PEM file with the certificate's key."
    )

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Self:
        _check_key(self.tls_certificate, self.tls_key)
        return self


class ReceiveTlsSection(Section):
    """DICOM over TLS, on a port of its own. New certificate files are taken up without a restart."""

    port: int = Field(default=2762, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    certificate: Path = Field(
        examples=["/etc/tibabu/tibabu.pem"],
        description="PEM file with our certificate and what leads to its root; a relative one starts at config.toml.",
    )
    key: Path = Field(examples=["/etc/tibabu/tibabu.key"], description="PEM file with the certificate's key.")
    client_ca: Path | None = Field(
        default=None,
        examples=["/etc/tibabu/peers.pem"],
        description="PEM file with the authorities of peers' certificates; unset: peers show none.",
    )
    require_client_certificate: bool = Field(
        default=True, description="With client_ca: whether a peer without a certificate is refused."
    )

    @property
    def settings(self) -> TlsServerSettings:
        """What the SCP needs of it."""
        return TlsServerSettings(
            certificate=self.certificate,
            key=self.key,
            client_ca=self.client_ca,
            required=self.require_client_certificate,
        )


class TlsTrust(BaseModel):
    """Whom a server must prove to be, and what we show it: what every call over TLS has among its settings."""

    tls_ca_file: Path | None = Field(
        default=None,
        examples=["/etc/tibabu/ca.pem"],
        description="PEM file with the authorities that its certificate is checked by; unset: the system's.",
    )
    tls_certificate: Path | None = Field(
        default=None,
        examples=["/etc/tibabu/tibabu.pem"],
        description="PEM file with our certificate, if it asks for one.",
    )
    tls_key: Path | None = Field(
        default=None, examples=["/etc/tibabu/tibabu.key"], description="PEM file with the key of our certificate."
    )
    tls_verify_host_name: bool = Field(
        default=True, description="Whether its certificate must be that of its host name or address."
    )

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Self:
        _check_key(self.tls_certificate, self.tls_key)
        return self

    @property
    def trust(self) -> TlsClientSettings:
        """How to call it over TLS."""
        return TlsClientSettings(
            ca_file=self.tls_ca_file,
            certificate=self.tls_certificate,
            key=self.tls_key,
            verify_host_name=self.tls_verify_host_name,
        )


class CalledOverTls(TlsTrust):
    """The settings of a peer that may be called over TLS."""

    tls: bool | None = Field(
        default=None, examples=[True], description="Whether to call it over TLS; unset: it is not."
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if not self.tls and (self.tls_ca_file is not None or self.tls_certificate is not None):
            message = "expected tls = true with TLS files. Received: no tls"
            raise ValueError(message)
        return self

    @property
    def client_tls(self) -> TlsClientSettings | None:
        """How to call it over TLS, None for not at all."""
        return self.trust if self.tls else None
