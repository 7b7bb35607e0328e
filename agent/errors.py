"""The exceptions of this package; every message is for people.

AgentError
+-- ConfigError        config.toml is not what it should be (all problems at once)
+-- InstallationError  the four packages do not come from one place, or something the installation needs is missing
+-- DeliveryError      a destination does not have what it was sent; `retry` says whether trying again can help
    +-- DestinationDownError   because it is away or not fit: nothing else would have better luck there now
"""


class AgentError(Exception):
    """Something a person can mend; the message says what was expected, what came and what to do."""


class ConfigError(AgentError):
    """config.toml is not what it should be."""


class InstallationError(AgentError):
    """The installation cannot work as it stands."""


class DeliveryError(AgentError):
    """A destination does not have what it was sent. `retry` is False where sending the same bytes again cannot help."""

    def __init__(self, message: str, *, retry: bool, already_there: bool = False) -> None:
        """Keep whether another attempt can help; `already_there` if the receiver says that it has one of that UID."""
        super().__init__(message)
        self.retry = retry
        self.already_there = already_there


class DestinationDownError(DeliveryError):
    """A destination is away or not fit: nothing else would have better luck there now."""

    def __init__(self, message: str) -> None:
        """Keep the message; trying again later can help."""
        super().__init__(message, retry=True)
