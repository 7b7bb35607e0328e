"""The table [dicomweb] of config.toml."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from agent.config.http import Url
from agent.config.section import Processes, Seconds, Section
from agent.config.tls import ServedOverTls
from agent.secret import is_this_machine


def _check_origin(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    if scheme not in {"http", "https"} or not separator or not rest or "/" in rest:
        message = f"expected an origin such as https://viewer.example. Received: {value}"
        raise ValueError(message)
    return value


class DicomwebSection(ServedOverTls, Section):
    """DICOMweb: STOW-RS, QIDO-RS, WADO-RS and UPS-RS below /dicom-web, for whoever holds a token (`tibabu token`)."""

    enabled: bool = Field(default=False, description="Whether it is served.")
    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on. One that others can reach wants a certificate, or behind_proxy.",
    )
    port: int = Field(default=8042, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    processes: Processes = Field(
        default=1,
        description="Processes that share the port; each counts its own requests and channels.",
    )
    behind_proxy: bool = Field(
        default=False,
        description="A proxy in front ends TLS: tokens and images go unencrypted between it and this process.",
    )
    public_url: Url | Literal[""] = Field(
        default="",
        description="Where others reach /dicom-web through a proxy, as https://HOST/dicom-web; empty: at the Host that"
        " they name.",
    )
    allowed_origins: tuple[Annotated[str, AfterValidator(_check_origin)], ...] = Field(
        default=(), description="Origins of viewers' pages that may ask from browsers, as https://viewer.example."
    )
    maximum_requests: int = Field(default=32, ge=1, le=1024, description="Requests served at once.")
    maximum_channels: int = Field(
        default=32, ge=1, le=1024, description="WebSockets open at once, on which subscribers hear of reading tasks."
    )
    pause_seconds: Seconds = Field(default=30, description="Longest pause of a peer within a request or an answer.")
    maximum_body_megabytes: int = Field(default=4000, ge=1, description="Largest body of one STOW-RS request.")
    maximum_instance_megabytes: int = Field(default=1000, ge=1, description="Largest Instance taken by STOW-RS.")

    @model_validator(mode="after")
    def _is_protected(self) -> Self:
        if not is_this_machine(self.host) and self.tls_certificate is None and not self.behind_proxy:
            message = f"expected tls_certificate and tls_key, or behind_proxy = true. Received: host={self.host}"
            raise ValueError(message)
        return self
