"""Saved views of the worklist: those of who asks, and nobody else's."""

from typing import Annotated, Final

from fastapi import APIRouter, Body, Path
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request

from agent.web import views
from agent.web.api.model import Line, Model
from agent.web.api.security import Viewer
from agent.web.people import readable
from agent.web.services import services_of
from agent.web.trail import who_asks
from agent.web.worklist_pages import LONGEST_NAME, NO_NAME
from db.errors import RefusedError
from db.saved_views import forget_view, save_view, saved_views

router: Final = APIRouter(tags=["Worklist"])

NO_VIEW: Final = "You have no saved view of that number."
Number = Annotated[int, Path(ge=1, le=2_000_000_000, description="Of the view.", examples=[1])]


class ViewTold(Model):
    """A view that somebody saved."""

    id: int
    name: str
    query: str = Field(
        description="Its filters, as GET /worklist takes them; empty: what is to be read.",
        examples=["outcome=flagged&modality=CR"],
    )


class Views(Model):
    """All of them, in the order in which they were saved."""

    items: tuple[ViewTold, ...]


class ViewWanted(Model):
    """A view to save."""

    name: Annotated[Line, Field(min_length=1, max_length=LONGEST_NAME, examples=["Flagged CR"])]
    query: Annotated[str, Field(max_length=1000, pattern=r"^[!-~]*$")] = Field(
        "",
        description="Filters, as GET /worklist takes them; what means nothing is left out.",
        examples=["outcome=flagged&modality=CR"],
    )


@router.get("/worklist/views", summary="List the saved views of who asks")
def list_views(request: Request, viewer: Viewer) -> Views:
    """List the views of the worklist that who asks has saved."""
    return Views(items=_own(request, viewer.name))


@router.post("/worklist/views", status_code=201, summary="Save a view of the worklist")
def keep_view(request: Request, viewer: Viewer, wanted: Annotated[ViewWanted, Body()]) -> ViewTold:
    """Save filters under a name, in place of those of the same name. 409 for more views than one may have."""
    services, name = services_of(request), readable(wanted.name, LONGEST_NAME)
    if not name:
        raise RefusedError(NO_NAME)
    save_view(services.database, who_asks(request), name, views.filters_of(wanted.query), at=services.clock())
    found = next((one for one in _own(request, viewer.name) if one.name == name), None)
    if found is None:
        raise HTTPException(404, NO_VIEW)  # forgotten again meanwhile
    return found


@router.delete("/worklist/views/{view_id}", status_code=204, summary="Forget a saved view")
def drop_view(request: Request, viewer: Viewer, view_id: Number) -> None:
    """Forget one of the views of who asks."""
    if view_id not in {one.id for one in _own(request, viewer.name)}:
        raise HTTPException(404, NO_VIEW)
    services = services_of(request)
    forget_view(services.database, who_asks(request), view_id, at=services.clock())


def _own(request: Request, name: str) -> tuple[ViewTold, ...]:
    found = saved_views(services_of(request).database, name)
    return tuple(ViewTold.model_validate(one) for one in found)
