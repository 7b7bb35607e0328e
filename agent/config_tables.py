"""The tables of config.toml whose settings belong to a module: [[destinations]] and [reports.NAME]."""

from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from agent import destinations, reports
from agent.destinations import DestinationSettings
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
    for kind in settings.reports:
        if kind not in reports.names():
            message = f"expected reports among {', '.join(reports.names())}. Received: reports={kind}"
            raise ValueError(message)
    return settings


def report_settings(raw: Any) -> Any:  # noqa: ANN401 - whatever the TOML file holds
    """Turn the [reports.NAME] tables into the settings classes of those reports; the others are not even imported."""
    if not isinstance(raw, dict):
        return raw
    made: dict[str, ReportSettings] = {}
    problems: list[InitErrorDetails] = []
    for kind, table in raw.items():
        try:
            made[kind] = (
                table if isinstance(table, ReportSettings) else reports.load(kind).Settings.model_validate(table)
            )
        except ConfigError as error:
            problems.append(_problem((kind,), str(error)))
        except ValidationError as error:
            problems += [_problem((kind, *problem["loc"]), problem["msg"]) for problem in error.errors()]
    if problems:
        title = "reports"
        raise ValidationError.from_exception_data(title, problems)
    return made


def _problem(location: tuple[int | str, ...], message: str) -> InitErrorDetails:
    error = PydanticCustomError("setting", "{message}", {"message": message})
    return InitErrorDetails(type=error, loc=location, input=None)
