"""Secrets are references in config.toml, to a file or an environment variable, and are read when they are needed."""

import ipaddress
import os
from pathlib import Path

from pydantic import SecretStr

from agent.errors import DeliveryError


def read_secret(file: Path | None, variable: str) -> SecretStr:
    """Return the secret as it is now, so that it can be renewed while the agent runs.

    Raises DeliveryError, to be tried again, if it cannot be had or is not printable ASCII.
    """
    where = f"${variable}" if file is None else str(file)
    try:
        text = os.environ[variable] if file is None else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, KeyError) as error:
        message = f"expected the secret in {where}. Received: {type(error).__name__}"
        raise DeliveryError(message, retry=True) from None
    lines = [line.strip() for line in text.strip().splitlines()]
    if not lines or not all(line and line.isascii() and line.isprintable() for line in lines):
        message = f"expected a secret of printable ASCII characters in {where}. Received: something else"
        raise DeliveryError(message, retry=True)
    return SecretStr("\n".join(lines))


def is_this_machine(host: str) -> bool:
    """Tell whether a host is this machine, so that what is sent to it passes over no network."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
