"""The table [web.oidc] of config.toml: single sign-on at a provider of OpenID Connect."""

from pathlib import Path
from typing import Literal, Self

import httpx
from pydantic import Field, SecretStr, model_validator

from agent.config.http import CalledOverHttp, Url
from agent.config.section import Section
from agent.secret import is_this_machine, read_secret

RoleName = Literal["reader", "technologist", "operator", "admin", "service"]
"""The names of `agent.web.access.Role`."""


class OidcSection(CalledOverHttp, Section):
    """Single sign-on at a provider of OpenID Connect. It has to know us by /sign-in/provider/callback below our URL."""

    issuer: Url = Field(
        examples=["https://login.hospital.example"],
        description="The provider's issuer identifier; what it offers is found below it (OpenID Connect Discovery).",
    )
    client_id: str = Field(examples=["tibabu"], description="As whom the provider knows us.")
    secret_file: Path | None = Field(
        default=None,
        examples=["/etc/tibabu/oidc.secret"],
        description="File with the secret that we show it; read each time. Without one, PKCE stands alone.",
    )
    secret_variable: str = Field(default="", description="Or the environment variable that holds it.")
    scopes: tuple[str, ...] = Field(default=("openid", "profile"), description="What we ask it for.")
    name_claim: str = Field(
        default="preferred_username", description="The claim that becomes an account's name, at the first sign-in."
    )
    roles_claim: str = Field(default="groups", description="The claim, a text or a list, that says what somebody is.")
    roles: dict[str, RoleName] = Field(
        min_length=1,
        examples=[{"radiologists": "reader"}],
        description="The role for each of its values. Who has none of them is not let in.",
    )

    @property
    def secret(self) -> SecretStr | None:
        """Our secret, as it is now. DeliveryError if it cannot be had."""
        if self.secret_file is None and not self.secret_variable:
            return None
        return read_secret(self.secret_file, self.secret_variable)

    @model_validator(mode="after")
    def _is_encrypted(self) -> Self:
        url = httpx.URL(self.issuer)
        if url.scheme != "https" and not is_this_machine(url.host):
            message = f"expected an issuer of https. Received: {self.issuer}"
            raise ValueError(message)
        if "openid" not in self.scopes:
            message = "expected the scope openid among scopes. Received: others"
            raise ValueError(message)
        return self
