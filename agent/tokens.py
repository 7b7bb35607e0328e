"""What a token is: a name for people and logs, 256 random bits for the program that holds it, and scopes.

The scopes are also what the roles of people consist of (`agent.web.access`).
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final

DICOMWEB_READ: Final = "dicomweb:read"
DICOMWEB_STORE: Final = "dicomweb:store"
UPS_READ: Final = "ups:read"
UPS_WRITE: Final = "ups:write"
WORKLIST_READ: Final = "worklist:read"
WORKLIST_WRITE: Final = "worklist:write"
SYSTEM_READ: Final = "system:read"
SYSTEM_WRITE: Final = "system:write"
AUDIT_READ: Final = "audit:read"
ACCOUNTS_WRITE: Final = "accounts:write"
SCOPES: Final = {
    DICOMWEB_READ: "search and retrieve (QIDO-RS, WADO-RS)",
    DICOMWEB_STORE: "store (STOW-RS)",
    UPS_READ: "list reading tasks (UPS-RS)",
    UPS_WRITE: "claim, update, complete and cancel reading tasks (UPS-RS)",
    WORKLIST_READ: "see the worklist, studies, images and results",
    WORKLIST_WRITE: "read studies: open, mark read, agree or disagree, set priorities, resolve conflicts",
    SYSTEM_READ: "see the state of the system, which names no patient",
    SYSTEM_WRITE: "run the system: requeue, ask peers, switch triage off and on",
    AUDIT_READ: "search the audit trail",
    ACCOUNTS_WRITE: "make and change accounts and tokens",
}
"""Each scope with what it allows."""

_PREFIX: Final = "tibabu_"  # so that people and scanners of repositories recognise one that got astray
_BITS: Final = 256
_TOKEN: Final = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}")


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token as it is shown once, and the digest that is kept of it."""

    secret: str
    sha256: str

    def __repr__(self) -> str:
        """Hide the token."""
        return f"NewToken(sha256={self.sha256})"


def new_token() -> NewToken:
    """Return a token of 256 random bits."""
    secret = _PREFIX + secrets.token_urlsafe(_BITS // 8)
    return NewToken(secret, digest(secret) or "")


def digest(secret: str) -> str | None:
    """Return the digest under which a token is on record; None for what cannot be a token."""
    return hashlib.sha256(secret.encode("ascii")).hexdigest() if _TOKEN.fullmatch(secret) else None
