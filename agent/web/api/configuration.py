"""The configuration as it runs: each setting with its sentence, and no secret."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request

from agent.web.api.model import Model
from agent.web.api.security import Watcher
from agent.web.services import services_of

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
