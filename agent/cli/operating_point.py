"""`tibabu operating-point`: a site's own operating point is activated by a person, and stays on record."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from agent.cli.options import config_option, json_option, print_json, when
from agent.config.file import Config
from agent.errors import AgentError, InstallationError
from agent.line.site import adapted, point_of
from agent.process.inference import model_identity
from agent.process.parts import opened, utc_now
from agent.reports.identity import device_uid
from db.database import Database
from db.installation import installation_uuid
from db.operating_point import (
    OperatingPointRecord,
    activate_operating_point,
    active_operating_points,
    deactivate_operating_points,
    operating_points,
)
from model.card import ModelCard
from model.classifier import verify
from model.errors import SitePointError
from model.site import at_operating_point, read_point

RESTART = (
    "It takes effect when the agent is restarted: a working process that runs now goes on with what it loaded, "
    "and says so in its log every minute."
)


@click.group("operating-point", short_help="Use a site's own operating point.")
def operating_point() -> None:
    """Use a site's own operating point instead of the model's.

    `tibabu evaluate DIR --write-operating-point FILE` chooses one on a site's own images. A person activates it by
    name; who and when stays on record. It holds for the very weights that it was chosen for: with others nothing is
    analysed until a person has decided again. In the reports it has a Device UID of its own.
    """


@operating_point.command(short_help="Let a site's operating point count.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--by", required=True, help="Name of the person who decides.")
@config_option
@json_option
def activate(file: Path, by: str, config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Let the operating point in FILE count from the next start of the agent on.

    Refused unless it was chosen for exactly the weights and the calibration of the installed model. The one that was
    active ends.
    """
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"expected a readable text file. Received: {file} ({type(error).__name__})"
        raise AgentError(message) from None
    point = read_point(content)
    card = verify(point.model_name)
    at_operating_point(card, point)
    with opened(config) as database:
        model = (card.name, card.version, card.sha256)
        record = activate_operating_point(database, model=model, content=content, by=by, now=utc_now())
        standing = _standing(database, config, card, (record,))
    other = "" if card.name == config.model.name else f" The configured model is {config.model.name}: not yet."
    _tell(standing, f"{_line(record)}\n{RESTART}{other}", as_json=as_json)


@operating_point.command(short_help="Let the model's own operating point count.")
@click.option("--by", required=True, help="Name of the person who decides.")
@config_option
@json_option
def deactivate(by: str, config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Let the configured model's own operating point count again, from the next start of the agent on."""
    card = verify(config.model.name)
    with opened(config) as database:
        ended = deactivate_operating_points(database, card.name, by=by, now=utc_now())
        if not ended:
            message = f"expected an active operating point of {card.name}. Received: none; the model's own counts"
            raise AgentError(message)
        standing = _standing(database, config, card, ())
    point = card.operating_point
    text = f"{card.name} is back at its own operating point, {point.name} (flagged from {point.threshold:.4f} on)."
    _tell(standing, f"{text}\n{RESTART}", as_json=as_json)


@operating_point.command(short_help="Print what counts, and the history.")
@config_option
@json_option
def show(config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Print what counts at the next start of the agent, and who activated what, and when.

    Exit status 1 where an active operating point keeps the model from loading.
    """
    card = verify(config.model.name)
    problem = ""
    with opened(config) as database:
        active = active_operating_points(database, card.name)
        history = operating_points(database)
        try:
            standing = _standing(database, config, card, active)
        except InstallationError as error:
            standing, problem = {"problem": str(error)}, str(error)
    lines = [] if problem else _in_words(standing)
    document = standing | {"history": [_document(record) for record in history]}
    _tell(document, "\n".join([*lines, *map(_line, history)]), as_json=as_json)
    if problem:
        click.echo(f"tibabu: {problem}", err=True)
        raise SystemExit(1)


def _in_words(standing: dict[str, Any]) -> list[str]:
    own = "" if standing["sites_own"] else ", the model's own"
    return [
        f"{standing['name']}{own}: flagged from {standing['threshold']:.4f} on",
        f"Device UID in reports: {standing['device_uid']}",
    ]


def _standing(
    database: Database, config: Config, card: ModelCard, active: Sequence[OperatingPointRecord]
) -> dict[str, Any]:
    """Return what counts for a model at its next start. InstallationError if that is nothing."""
    effective = adapted(card, prevalence=config.model.prevalence, active=active)
    return {
        "model": {"name": card.name, "version": card.version, "sha256": card.sha256},
        "name": effective.operating_point.name,
        "threshold": effective.operating_point.threshold,
        "prevalence": effective.prevalence,
        "sites_own": bool(active),
        "device_uid": device_uid(installation_uuid(database, now=utc_now()), model_identity(effective)),
        "takes_effect": RESTART,
    }


def _tell(document: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        click.echo(text)


def _line(record: OperatingPointRecord) -> str:
    """Return one activation as a line of text, with the threshold at the model's own calibration."""
    ended = "" if record.deactivated_at is None else f", ended by {record.deactivated_by} {when(record.deactivated_at)}"
    try:
        point = point_of(record).operating_point
    except SitePointError:
        said = "an operating point that cannot be read"
    else:
        said = f"{point.name}: flagged from {point.threshold:.4f} on"
    model = f"{record.model_name} {record.model_version}, sha256 {record.model_sha256[:12]}..."
    return f"{said} ({model}), activated by {record.activated_by} {when(record.activated_at)}{ended}"


def _document(record: OperatingPointRecord) -> dict[str, Any]:
    return {
        "model": {"name": record.model_name, "version": record.model_version, "sha256": record.model_sha256},
        "activated_by": record.activated_by,
        "activated_at": record.activated_at,
        "deactivated_by": record.deactivated_by,
        "deactivated_at": record.deactivated_at,
        "content": record.content,
    }
