"""The tables of config.toml whose settings belong to a module: [[destinations]] and [reports.NAME]."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from agent import destinations, reports
from agent.destinations import NAME, DestinationSettings
from agent.errors import ConfigError
from agent.reports.document import ReportSettings


def destination_settings(raw: Any) -> DestinationSettings:  # noqa: ANN401 - whatever the TOML file holds
    """Turn one [[destinations]] table into the settings class of its type."""
    if isinstance(raw, DestinationSettings):
        return raw
    if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
        message = f"expected a table with type = one of {', '.join(destinations.names())}"
        raise ValueError(message)  # noqa: TRY004 - pydantic collects ValueErrors
    try:
        module = destinations.load(raw["type"])
    except ConfigError as error:
        raise ValueError(str(error)) from None
    settings: DestinationSettings = module.Settings.model_validate(raw)
    return settings


def check_reports(destination: DestinationSettings, named: Mapping[str, ReportSettings]) -> None:
    """Refuse a destination of a report that does not exist, or that it does not take; raises ValueError."""
    if twice := {name for name in destination.reports if destination.reports.count(name) > 1}:
        message = f"{destination.name}: expected each report once. Received twice: reports={', '.join(sorted(twice))}"
        raise ValueError(message)
    known = sorted({*reports.names(), *named})
    takes = destinations.load(destination.type).MEDIA_TYPES
    for name in destination.reports:
        if name not in known:
            message = f"{destination.name}: expected reports among {', '.join(known)}. Received: reports={name}"
            raise ValueError(message)
        media_type = reports.load(type_of(name, named)).MEDIA_TYPE
        if takes and media_type not in takes:
            message = (
                f"{destination.name}: expected reports of {', '.join(sorted(takes))}. Received: {name}, {media_type}"
            )
            raise ValueError(message)


def type_of(name: str, named: Mapping[str, ReportSettings]) -> str:
    """Return which module of agent.reports makes the report `name`."""
    settings = named.get(name)
    return name if settings is None or not settings.type else settings.type


def report_settings(raw: Any) -> Any:  # noqa: ANN401 - whatever the TOML file holds
    """Turn the [reports.NAME] tables into the settings classes of those reports; the others are not even imported."""
    if not isinstance(raw, dict):
        return raw
    made: dict[str, ReportSettings] = {}
    problems: list[InitErrorDetails] = []
    for kind, table in raw.items():
        try:
            made[kind] = table if isinstance(table, ReportSettings) else _report(kind, table)
        except ConfigError as error:
            problems.append(_problem((kind,), str(error)))
        except ValidationError as error:
            problems += [_problem((kind, *problem["loc"]), problem["msg"]) for problem in error.errors()]
    if problems:
        title = "reports"
        raise ValidationError.from_exception_data(title, problems)
    return made


def _report(name: str, table: Any) -> ReportSettings:  # noqa: ANN401 - whatever the TOML file holds
    type_ = table.get("type") if isinstance(table, dict) else None
    if not re.fullmatch(NAME, name):
        message = f"expected a name of lower case letters, digits, - and _. Received: {name}"
        raise ConfigError(message)
    if name in reports.names() and type_ not in {None, "", name}:
        message = f"expected another name for a report of another type. Received: [reports.{name}] type={type_}"
        raise ConfigError(message)
    return reports.load(type_ if isinstance(type_, str) and type_ else name).Settings.model_validate(table)


def _problem(location: tuple[int | str, ...], message: str) -> InitErrorDetails:
    error = PydanticCustomError("setting", "{message}", {"message": message})
    return InitErrorDetails(type=error, loc=location, input=None)
