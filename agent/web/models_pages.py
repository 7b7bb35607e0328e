"""The pages of the models: which there are, which is in use, their cards, and the second one against the first."""

from datetime import timedelta
from functools import cache
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.errors import AgentError
from agent.tokens import SYSTEM_READ
from agent.watch.comparison import on_record
from agent.watch.comparison_text import text_of
from agent.web import models
from agent.web.access import Address
from agent.web.forms import number_in
from agent.web.markdown import pieces
from agent.web.services import services_of
from agent.web.system_pages import system_page
from db.operating_point import operating_points
from model.card_markdown import render
from model.catalogue import Entry, catalogue

_DAYS: Final = 7
_MOST_DAYS: Final = 90
NO_SECOND: Final = "No second model is configured (model.shadow)."


@cache
def zoo() -> tuple[Entry, ...]:
    """Return the zoo, whose weights are compared with their digests once: they come with the program."""
    return catalogue()


def show_models(request: Request) -> Response:
    """Show the models of the zoo."""
    services = services_of(request)
    active = [one for one in operating_points(services.database) if one.deactivated_at is None]
    listed = [models.shown(entry, services.models, active) for entry in zoo()]
    return system_page(request, "models.html", models=listed, use=services.models, days=_DAYS)


def show_card(request: Request) -> Response:
    """Show the card of one model."""
    name = request.path_params["name"]
    card = next((entry.card for entry in zoo() if entry.name == name), None)
    if card is None:
        raise HTTPException(404)
    return system_page(request, "card.html", name=name, pieces=list(pieces(render(card))))


def show_comparison(request: Request) -> Response:
    """Compare the second model with the first, on the images of the last days. It takes seconds."""
    services, use = services_of(request), services_of(request).models
    days = min(number_in(request.query_params, "days") or _DAYS, _MOST_DAYS)
    now = services.clock()
    said = NO_SECOND
    if use.shadow:
        try:
            since = now - timedelta(days=days)
            said = text_of(on_record(services.database, use.model, use.shadow, now=now, since=since))
        except AgentError as error:
            said = str(error)
    return system_page(request, "comparison.html", said=said, days=days)


ADDRESSES: Final = (
    Address("GET", "/system/models", show_models, SYSTEM_READ),
    Address("GET", "/system/models/compare", show_comparison, SYSTEM_READ),
    Address("GET", "/system/models/{name}", show_card, SYSTEM_READ),
)
