"""Accounts as the site uses them: who sends a request, by which cookie or token, and until when a session lasts."""

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response

from agent.tokens import digest
from agent.web.access import SCOPES_OF, Person, Role
from agent.web.oidc import Provider
from agent.web.passwords import Hasher
from db.accounts import AccountRecord
from db.database import Database
from db.errors import DatabaseError
from db.sessions import Limits, SessionRecord, Stage, note_seen, session_of
from db.tokens import active_token, note_use

log = structlog.get_logger(__name__)

_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_OPEN_PAGE: Final = re.compile("/studies/[^/]+/reading/keep")  # what a study's page says for as long as it is open
ASKED_BY_PAGES: Final = "/account/session"
"""Where an open page asks whether its session lasts: by GET that is no sign of its person, by POST it is."""
_FLOW_SECONDS: Final = 600
_BROWSER_SECONDS: Final = 400 * 24 * 3600  # as long as browsers keep any cookie


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the configuration says of accounts."""

    limits: Limits = field(default_factory=lambda: Limits(timedelta(minutes=30), timedelta(hours=12)))
    secure: bool = True
    """Whether browsers reach the site over TLS, and give its cookies to nobody else."""
    codes_of: frozenset[Role] = frozenset({Role.ADMIN})
    """The roles beside whose password a code is asked for."""
    proof_lasts: timedelta = timedelta(minutes=10)
    """For so long after a proof of who they are somebody may do what is dangerous."""
    hasher: Hasher = field(default_factory=Hasher)


class Accounts:
    """The accounts of one site. Safe for threads."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime], settings: Settings, provider: Provider | None = None
    ) -> None:
        """Nothing is read yet. `provider` is where people may sign in, too."""
        self.database = database
        self.clock = clock
        self.settings = settings
        self.provider = provider
        prefix = "__Host-" if settings.secure else ""
        self._session_cookie, self._browser_cookie = f"{prefix}tibabu", f"{prefix}tibabu-browser"
        self._flow_cookie = f"{prefix}tibabu-provider"

    def identify(self, request: Request) -> Person | None:
        """Return who sends a request: a program by its token, a person by the session of their cookie."""
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":  # and then no cookie counts: the edge lets it pass from any page
            return self._program(secret.strip())
        session = self.session(request)
        if session is None or session.stage is not Stage.OPEN:
            return None
        if _is_sign(request):
            self._note_seen(session)
        return _person(session)

    def session(self, request: Request) -> SessionRecord | None:
        """Return the session of a request's cookie, in whatever stage."""
        value = request.cookies.get(self._session_cookie, "")
        if _SECRET.fullmatch(value) is None:
            return None
        return session_of(self.database, sha256(value), limits=self.settings.limits, now=self.clock())

    def browser(self, request: Request) -> str | None:
        """Return the digest of the cookie by which a browser is known, None if it shows none."""
        value = request.cookies.get(self._browser_cookie, "")
        return sha256(value) if _SECRET.fullmatch(value) else None

    def keep_session(self, response: Response, secret: str) -> None:
        """Give the browser a session's cookie; it forgets it when it is closed."""
        self._set(response, self._session_cookie, secret, None)

    def keep_browser(self, response: Response, secret: str) -> None:
        """Give the browser the cookie by which it is known again."""
        self._set(response, self._browser_cookie, secret, _BROWSER_SECONDS)

    def keep_flow(self, response: Response, value: str) -> None:
        """Give the browser the cookie of a sign-in at the provider, "" to let it forget it."""
        self._set(response, self._flow_cookie, value, _FLOW_SECONDS if value else 0)

    def flow(self, request: Request) -> str:
        """Return the cookie of a sign-in at the provider."""
        return request.cookies.get(self._flow_cookie, "")

    def drop_session(self, response: Response) -> None:
        """Let the browser forget its session, and all that it keeps of this site's pages (HTML: Clear-Site-Data)."""
        self._set(response, self._session_cookie, "", 0)
        response.headers["Clear-Site-Data"] = '"cache", "storage"'

    def needs_codes(self, account: AccountRecord) -> bool:
        """Tell whether the account's roles ask for codes that it does not have yet."""
        return not account.has_codes and self.asks_codes_of(account)

    def asks_codes_of(self, account: AccountRecord) -> bool:
        """Tell whether the account's roles ask for codes."""
        return bool(roles_of(account) & self.settings.codes_of)

    def is_proved(self, session: SessionRecord) -> bool:
        """Tell whether somebody has just proved who they are."""
        return self.clock() < session.proved_at + self.settings.proof_lasts

    def _set(self, response: Response, name: str, value: str, seconds: int | None) -> None:
        response.set_cookie(
            name, value, max_age=seconds, path="/", secure=self.settings.secure, httponly=True, samesite="lax"
        )

    def _program(self, secret: str) -> Person | None:
        sha = digest(secret)
        record = None if sha is None else active_token(self.database, sha)
        if record is None:
            return None
        try:
            note_use(self.database, record, now=self.clock())
        except DatabaseError as error:
            log.warning("token_use_not_recorded", token=record.name, reason=str(error))
        return Person(f"token:{record.name}", f"Program {record.name}", record.scopes)

    def _note_seen(self, session: SessionRecord) -> None:
        try:
            note_seen(self.database, session, now=self.clock())
        except DatabaseError as error:
            log.warning("session_use_not_recorded", reason=str(error))


def _is_sign(request: Request) -> bool:
    """Tell whether a request shows that its person is there; what an open page asks or says by itself does not.

    Scripts look, rows that come bring their pictures, and a study's page says that it is open.
    """
    if request.method != "GET":
        return _OPEN_PAGE.fullmatch(request.scope["path"]) is None
    if request.scope["path"] == ASKED_BY_PAGES:  # also of a browser that does not say what it asks for
        return False
    return request.headers.get("sec-fetch-dest") not in {"empty", "image"}


def _person(session: SessionRecord) -> Person:
    """Return whose session it is, with what their roles allow."""
    account = session.account
    scopes = frozenset[str]().union(*(SCOPES_OF[role] for role in roles_of(account)))
    return Person(account.name, account.display_name, scopes, session)


def roles_of(account: AccountRecord) -> frozenset[Role]:
    """Return the roles of an account; one that is unknown to this version allows nothing."""
    return frozenset(Role(role) for role in account.roles if role in set(Role))


def new_cookie() -> str:
    """Return a cookie's value of 256 random bits."""
    return secrets.token_urlsafe(32)


def sha256(value: str) -> str:
    """Return what is kept of a cookie's value."""
    return hashlib.sha256(value.encode("ascii")).hexdigest()
