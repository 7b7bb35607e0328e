"""The table [web] of config.toml: the pages for people, and who may see them."""

import ipaddress
import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from agent.config.oidc import OidcSection, RoleName
from agent.config.peers import ProxyText
from agent.config.section import Processes, Section
from agent.config.tls import ServedOverTls
from agent.secret import is_this_machine


def _check_name(value: str) -> str:
    if re.fullmatch(r"[a-z0-9.-]+|\[[0-9a-f:.]+\]", value) is None:
        message = f"expected a name in small letters as browsers send it, without a port. Received: {value}"
        raise ValueError(message)
    return value


class WebSection(ServedOverTls, Section):
    """The web application."""

    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on. One that others can reach wants accounts, and a certificate or behind_proxy"
        ".",
    )
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    processes: Processes = Field(default=1, description="Processes that share the port.")
    accounts: bool = Field(
        default=False,
        description="Whether people sign in. Without, whoever reaches this machine may do everything, and nobody else "
        "reaches it. The first account is made by `tibabu account create NAME --role admin`.",
    )
    names: tuple[Annotated[str, AfterValidator(_check_name)], ...] = Field(
        default=(),
        description='Names under which browsers ask, as "tibabu.hospital.example"; those of this machine always count.',
    )
    behind_proxy: bool = Field(
        default=False,
        description="A proxy in front ends TLS: pages and cookies go unencrypted between it and this process.",
    )
    trusted_proxies: tuple[ProxyText, ...] = Field(
        default=("127.0.0.1", "::1"),
        description="With behind_proxy: addresses or networks of proxies whose X-Forwarded-For is believed.",
    )
    idle_minutes: float = Field(
        default=30, gt=0, le=24 * 60, description="A session ends so long after its person last did anything."
    )
    longest_hours: float = Field(default=12, gt=0, le=24 * 7, description="A session ends so long after the sign-in.")
    codes_of: tuple[RoleName, ...] = Field(
        default=("admin",),
        description="Roles that need a code of an authenticator app beside the password; others may have one.",
    )

    oidc: OidcSection | None = None

    @property
    def is_encrypted(self) -> bool:
        """Whether browsers reach the site over TLS."""
        return self.tls_certificate is not None or self.behind_proxy

    @property
    def networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """The proxies whose word counts."""
        return tuple(map(ipaddress.ip_network, self.trusted_proxies)) if self.behind_proxy else ()

    @model_validator(mode="after")
    def _is_protected(self) -> Self:
        if is_this_machine(self.host):
            return self
        if not self.accounts:
            message = f"expected accounts = true where others reach the pages. Received: host={self.host}"
            raise ValueError(message)
        if not self.is_encrypted:
            message = f"expected tls_certificate and tls_key, or behind_proxy = true. Received: host={self.host}"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _says_where_it_is(self) -> Self:
        if not self.names and (self.behind_proxy or not is_this_machine(self.host)):
            message = 'expected names under which browsers ask, as names = ["tibabu.hospital.example"]. Received: none'
            raise ValueError(message)
        if self.oidc is not None and not self.accounts:
            message = "expected accounts = true with [web.oidc], else nobody has to sign in. Received: accounts = false"
            raise ValueError(message)
        if self.behind_proxy and not self.accounts:
            message = "expected accounts = true behind a proxy, which others reach. Received: behind_proxy = true"
            raise ValueError(message)
        return self
