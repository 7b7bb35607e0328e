"""The configuration as it runs: each setting with its sentence, and no secret."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request

from agent.web.api.model import Model, Moment
from agent.web.api.security import Operator, Watcher
from agent.web.reloads import reload_now
from agent.web.services import services_of
from db.errors import RefusedError
from db.reloads import ReloadOutcome, reloads

SILENT: Final = "expected the supervisor to read the file. Received: nothing; see the log of this host"

router: Final = APIRouter(tags=["System"])


class SettingTold(Model):
    """One setting."""

    key: str = Field(examples=["ae_title"])
    value: str = Field(description="As config.toml would say it; of a secret only that there is one.")
    default: str = Field(description="Empty: it must be given.")
    changed: bool = Field(description="Whether it is not the default.")
    sentence: str = Field(description="What it is for.")


class TableTold(Model):
    """One table of config.toml, or one of several of a name."""

    head: str = Field(examples=["[receive]"])
    sentence: str
    settings: tuple[SettingTold, ...]


class Configuration(Model):
    """All tables."""

    items: tuple[TableTold, ...]


class ReloadTold(Model):
    """How reading a host's file again went."""

    place: str = Field(examples=["agent-1"], description="The host, and its roles if it has not all.")
    at: Moment
    outcome: Literal["taken", "unchanged", "refused"] = Field(description="refused: the one before it stays, whole.")
    changes: tuple[str, ...] = Field(examples=[["destinations[pacs].port: 104 -> 11112"]])
    problems: tuple[str, ...] = Field(description="Why it was refused.")


class Reloads(Model):
    """How it went last at each place."""

    items: tuple[ReloadTold, ...]


@router.get("/configuration", summary="Tell the configuration as it runs")
def show_configuration(
    request: Request,
    _watcher: Watcher,
    changed: Annotated[bool, Query(description="Only what differs from the defaults.")] = False,  # noqa: FBT002 - a parameter
) -> Configuration:
    """Tell what the process that answers runs with, and how that differs from the defaults. Secrets are never told."""
    tables = services_of(request).configuration
    wanted = [table.only_changed() for table in tables if table.changed] if changed else tables
    return Configuration(items=tuple(TableTold.model_validate(table) for table in wanted))


@router.get("/configuration/reload", summary="Tell how the configuration was read again last")
def show_reloads(request: Request, _watcher: Watcher) -> Reloads:
    """Tell, of each host, how reading its file again went last. The audit trail has all of them."""
    return Reloads(items=tuple(ReloadTold.model_validate(one) for one in reloads(services_of(request).database)))


@router.post("/configuration/reload", summary="Read the configuration again")
def reload_configuration(request: Request, _operator: Operator) -> ReloadTold:
    """Have the host that answers read its config.toml again and take over what changed, while it runs.

    Peers, destinations, reports, rules and alarms can change so. A file with an error, or with a change that needs a
    new start, is refused whole (409), and the configuration that runs stays. Other hosts have files of their own.
    """
    one = reload_now(request)
    if one is None:
        raise RefusedError(SILENT)
    if one.outcome is ReloadOutcome.REFUSED:
        message = f"expected a configuration that can be taken over. Received: {'; '.join(one.problems)}"
        raise RefusedError(message)
    return ReloadTold.model_validate(one)
