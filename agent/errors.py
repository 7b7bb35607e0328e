"""The exceptions of this package; every message is for people.

AgentError
+-- ConfigError        config.toml is not what it should be (all problems at once)
+-- InstallationError  the four packages do not come from one place, or something the installation needs is missing
+-- NoRoomError        the system has no room for one more process
+-- DeliveryError      a destination does not have what it was sent; `retry` says whether trying again can help
|   +-- DestinationDownError   because it is away or not fit: nothing else would have better luck there now
+-- AuditError         whoever is to have the audit trail did not take it: it is given again
+-- TooManyError       more ask for the same at this moment than are let wait
+-- ProviderError      nobody can be let in by what a provider of single sign-on said
"""

from datetime import timedelta
from enum import StrEnum


class AgentError(Exception):
    """Something a person can mend; the message says what was expected, what came and what to do."""


class ConfigError(AgentError):
    """config.toml is not what it should be."""


class InstallationError(AgentError):
    """The installation cannot work as it stands."""


class NoRoomError(AgentError):
    """The system has no room for one more process."""


class Retry(StrEnum):
    """Whether sending the same bytes again can help, and how soon."""

    NEVER = "never"  # a person has to look: the delivery is parked
    SOON = "soon"  # it may pass by itself
    SLOWLY = "slowly"  # somebody has to mend something over there, or it needs rest


class DeliveryError(AgentError):
    """A destination does not have what it was sent, for all that is known."""

    def __init__(
        self,
        message: str,
        *,
        retry: bool | Retry,
        status: str = "",
        retry_after: timedelta | None = None,
        sent: bool = False,
        already_there: bool = False,
    ) -> None:
        """Keep what the ledger needs.

        `retry`: when another attempt can help; True stands for SOON, False for NEVER. `status`: the receiver's, as
        "A700", "AE", "HTTP 503"; empty if it gave none. `retry_after`: how long the receiver wants to be left alone.
        `sent`: the bytes went and no answer came that says what became of them, so the receiver may have them.
        `already_there`: the receiver says that it has something of that identifier.
        """
        super().__init__(message)
        self.patience = retry if isinstance(retry, Retry) else Retry.SOON if retry else Retry.NEVER
        self.status = status
        self.retry_after = retry_after
        self.sent = sent
        self.already_there = already_there

    @property
    def retry(self) -> bool:
        """Whether another attempt can help at all."""
        return self.patience is not Retry.NEVER


class DestinationDownError(DeliveryError):
    """A destination is away or not fit: nothing else would have better luck there now."""

    def __init__(
        self,
        message: str,
        *,
        retry: Retry = Retry.SOON,
        status: str = "",
        retry_after: timedelta | None = None,
        sent: bool = False,
    ) -> None:
        """Keep what the ledger needs (see `DeliveryError`); trying again later can help."""
        super().__init__(message, retry=retry, status=status, retry_after=retry_after, sent=sent)


class AuditError(AgentError):
    """Whoever is to have the audit trail did not take it, or nobody knows whether it did: it is given again."""


class ProviderError(AgentError):
    """Nobody can be let in by what a provider of single sign-on said; the message says why, without its words."""


class TooManyError(AgentError):
    """More ask for the same at this moment than are let wait."""
