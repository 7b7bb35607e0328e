"""The models of the zoo and their cards."""

from typing import Annotated, Final

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request

from agent.web.api.model import Model
from agent.web.api.security import Watcher
from agent.web.models_pages import zoo
from agent.web.services import services_of
from model.card_markdown import render

router: Final = APIRouter(tags=["Models"])

NO_CARD: Final = "There is no model of that name whose card can be read."
Name = Annotated[str, Path(max_length=64, pattern=r"^[a-z0-9_]+$", examples=["efficientnet_lite0"])]


class ModelTold(Model):
    """A model."""

    name: str = Field(examples=["efficientnet_lite0"])
    summary: str
    used: str = Field(description="triage, shadow, or empty: it is not in use.")
    problem: str = Field(description="Why it does not load, or empty.")


class Models(Model):
    """All models of the zoo."""

    items: tuple[ModelTold, ...]


class CardTold(Model):
    """A model's card."""

    name: str
    markdown: str = Field(description="What it was made of and measured on, for whom, and what it cannot do.")


@router.get("/models", summary="List the models, and which is in use")
def list_models(request: Request, _watcher: Watcher) -> Models:
    """List the zoo; the weights of each were compared with their digest."""
    use = services_of(request).models
    used = {use.model: "triage"} | ({use.shadow: "shadow"} if use.shadow else {})
    return Models(
        items=tuple(
            ModelTold(
                name=entry.name, summary=entry.summary, used=used.get(entry.name, ""), problem=entry.problem or ""
            )
            for entry in zoo()
        )
    )


@router.get("/models/{name}", summary="Tell a model's card")
def show_card(request: Request, _watcher: Watcher, name: Name) -> CardTold:
    """Tell it as Markdown."""
    del request
    card = next((entry.card for entry in zoo() if entry.name == name), None)
    if card is None:
        raise HTTPException(404, NO_CARD)
    return CardTold(name=name, markdown=render(card))
