"""What whoever is called over HTTP has among its settings."""

from typing import Annotated

import httpx
from pydantic import AfterValidator, BaseModel, Field

from agent.config.section import Seconds
from agent.config.tls import TlsTrust


def check_url(text: str) -> str:
    """Return a URL without the slash at its end; ValueError if it is none, or holds what belongs elsewhere."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query or url.fragment:
        message = "expected a URL of http or https without user, query and fragment, such as https://host/path"
        raise ValueError(message)
    return text.rstrip("/")


Url = Annotated[str, AfterValidator(check_url)]


class TimeOuts(BaseModel):
    """How long an answer is waited for."""

    connection_timeout_seconds: Seconds = Field(default=10, description="Longest wait for a connection.")
    response_timeout_seconds: Seconds = Field(
        default=60, description="Longest wait for an answer, and for the server to take or give the next bytes."
    )


class CalledOverHttp(TlsTrust, TimeOuts):
    """The settings of a server that is called over HTTP, with TLS where its URL begins with https."""
