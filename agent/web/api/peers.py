"""Peers and destinations of the configuration: whether they answer, and asking one."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Body
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request

from agent.web.api.model import Line, Model, Moment
from agent.web.api.security import Operator, Watcher
from agent.web.network_pages import asked_now
from agent.web.services import services_of
from db.neighbours import Asked, asked_neighbours

router: Final = APIRouter(tags=["Peers"])

KindName = Literal["peer", "destination"]


class AnswerTold(Model):
    """How one answered, when somebody asked it."""

    at: Moment
    answers: bool
    seconds: float = Field(ge=0)
    reason: str = Field(description="Why it did not answer, or empty.")
    person: str = Field(description="Who asked.")


class PeerTold(Model):
    """A peer or a destination."""

    kind: KindName
    name: str
    where: str = Field(examples=["PACS@10.0.0.5:11112"])
    what: str
    can_be_asked: bool = Field(description="False: nobody knows where it listens.")
    last: AnswerTold | None = Field(description="Null: nobody has asked it.")


class Peers(Model):
    """All of the configuration."""

    items: tuple[PeerTold, ...]


class PeerName(Model):
    """Which one is meant."""

    kind: KindName
    name: Line = Field(examples=["pacs"])


@router.get("/peers", summary="List peers and destinations, and how each answered last")
def list_peers(request: Request, _watcher: Watcher) -> Peers:
    """List what the configuration names."""
    services = services_of(request)
    asked = asked_neighbours(services.database)
    return Peers.model_validate(
        {
            "items": [
                {
                    "kind": one.kind,
                    "name": one.name,
                    "where": one.where,
                    "what": one.what,
                    "can_be_asked": one.ask is not None,
                    "last": _told(asked.get((one.kind, one.name))),
                }
                for one in services.neighbours
            ]
        }
    )


@router.post("/peers/ask", summary="Ask a peer or a destination whether it is there")
def ask_peer(request: Request, _operator: Operator, wanted: Annotated[PeerName, Body()]) -> AnswerTold:
    """Ask by C-ECHO, or by what its kind answers to; the answer is 200 whether it answers or not."""
    asked = asked_now(request, wanted.kind, wanted.name)
    if asked is None:
        raise HTTPException(404)
    return AnswerTold.model_validate(asked)


def _told(asked: Asked | None) -> AnswerTold | None:
    return None if asked is None else AnswerTold.model_validate(asked)
