"""The tokens of programs: made, shown once, revoked."""

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent.tokens import ACCOUNTS_WRITE, SCOPES, new_token
from agent.web import times
from agent.web.access import Address, Role, person_of
from agent.web.forms import form_of, values_of
from agent.web.proof import proof_wanted
from agent.web.services import page, services_of
from agent.web.trail import who_asks
from db.accounts import accounts
from db.errors import RefusedError
from db.tokens import TokenRecord, create_token, revoke_token, tokens

NO_SCOPE: Final = "Say what it may do."


def show_tokens(request: Request) -> Response:
    """Show all tokens, and ask for what a new one needs."""
    return _tokens(request)


def create(request: Request) -> Response:
    """Make a token, and show it this once."""
    if (elsewhere := _proof_wanted(request)) is not None:
        return elsewhere
    services, form = services_of(request), form_of(request)
    scopes = set(values_of(request, "scope")) & set(SCOPES)
    if not scopes:
        return _tokens(request, 422, NO_SCOPE)
    made, who = new_token(), who_asks(request)
    try:
        record = create_token(
            services.database,
            form.get("name", ""),
            sha256=made.sha256,
            scopes=scopes,
            by=who.name,
            now=services.clock(),
            account_name=form.get("account") or None,
            source=who.source,
        )
    except RefusedError as error:
        return _tokens(request, 422, str(error))
    return page(request, "token.html", token=record, secret=made.secret)


def revoke(request: Request) -> Response:
    """Let a token in no more."""
    if (elsewhere := _proof_wanted(request)) is not None:
        return elsewhere
    services, who = services_of(request), who_asks(request)
    try:
        name = form_of(request).get("name", "")
        revoke_token(services.database, name, by=who.name, now=services.clock(), source=who.source)
    except RefusedError as error:
        return _tokens(request, 409, str(error))
    return RedirectResponse("/tokens", 303)


def _proof_wanted(request: Request) -> Response | None:
    """Return where somebody who has signed in proves who they are first."""
    return None if person_of(request).session is None else proof_wanted(request, "/tokens")


def _tokens(request: Request, status: int = 200, sentence: str = "") -> Response:
    services, now = services_of(request), services_of(request).clock()
    found = [one for one in accounts(services.database) if Role.SERVICE in one.roles and one.disabled_at is None]

    def shown(record: TokenRecord) -> dict[str, object]:
        used = None if record.last_used_at is None else times.moment(record.last_used_at, now, services.zone)
        made = times.moment(record.created_at, now, services.zone)
        return {"record": record, "scopes": ", ".join(sorted(record.scopes)), "made": made, "used": used}

    return page(
        request,
        "tokens.html",
        status,
        sentence=sentence,
        tokens=[shown(one) for one in reversed(tokens(services.database))],
        scopes=SCOPES,
        programs=[one.name for one in found],
    )


ADDRESSES: Final = (
    Address("GET", "/tokens", show_tokens, ACCOUNTS_WRITE),
    Address("POST", "/tokens", create, ACCOUNTS_WRITE),
    Address("POST", "/tokens/revoke", revoke, ACCOUNTS_WRITE),
)
