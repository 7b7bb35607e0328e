"""The table [metrics] of config.toml: who may read figures about the running system, and where."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from agent.config.http import Url
from agent.config.section import Section
from agent.config.tls import ServedOverTls
from agent.secret import is_this_machine


class MetricsSection(ServedOverTls, Section):
    """Metrics for Prometheus, /healthz and /readyz of a host; see docs/metrics.md. The pages answer them, too."""

    port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        examples=[9464],
        description="Port of a process of its own that answers them, for a host without pages; 0 picks a free one. "
        "Unset: none.",
    )
    host: str = Field(default="127.0.0.1", description="Address that it listens on.")
    token: bool = Field(
        default=False,
        description="Whether /metrics wants a token with the scope system:read there. An address that others can reach "
        "wants it.",
    )
    folder: Path | None = Field(
        default=None,
        examples=["/run/tibabu"],
        description="Folder of this host alone where its processes put their counts together. Unset: one that `run` "
        "makes and removes; processes that are started apart, by `run --only`, want one that they share.",
    )
    traces: Url | None = Field(
        default=None,
        examples=["http://127.0.0.1:4318/v1/traces"],
        description="Where a collector of OpenTelemetry takes traces, by OTLP over HTTP: one for each study. They name "
        "no patient, study or image. Wants `pip install tibabu[otel]`. Unset: none are made.",
    )

    @model_validator(mode="after")
    def _is_protected(self) -> Self:
        if not is_this_machine(self.host) and not self.token:
            message = f"expected token = true. Received: host={self.host}"
            raise ValueError(message)
        return self
