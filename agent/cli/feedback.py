"""`tibabu feedback`."""

from datetime import datetime, timedelta
from pathlib import Path

import click

from agent.cli.options import config_option, json_option, print_json, user
from agent.config.file import Config
from agent.errors import AgentError
from agent.process.parts import opened, utc_now
from agent.watch.feedback import Figures, Rate, by_model, by_week, total, write_manifest, write_opinions
from db.audit import AuditEvent, Who, record
from db.audit_terms import EventAction, EventId
from db.database import Database
from db.feedback import all_feedback
from db.feedback_counts import feedback_counts, labelled_images

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(short_help="What readers thought of the AI's results.")
@click.option("--days", type=click.IntRange(min=1), default=182, show_default=True, help="Of the last so many days.")
@click.option("--csv", "opinions", type=_FILE, help="Write every opinion to this file.")
@click.option("--manifest", type=_FILE, help="Write images with readers' labels, for `tibabu evaluate --manifest`.")
@config_option
@json_option
def feedback(*, days: int, opinions: Path | None, manifest: Path | None, config: Config, as_json: bool) -> None:
    """Print how often readers agree with the AI, how many of the flagged are pneumonia to them, and what it missed.

    The files hold what readers wrote and which studies they read: they are records of patients. With --manifest,
    the folder to evaluate is the store's: tibabu evaluate STORE_FOLDER --manifest FILE
    """
    since = utc_now() - timedelta(days=days)
    with opened(config) as database:
        if opinions is not None:
            _write_opinions(database, opinions, since)
        if manifest is not None:
            if config.store.s3 is not None:
                message = "expected a store in a folder, whose files can be evaluated. Received: an object store"
                raise AgentError(message)
            _write_manifest(database, manifest, since, config.store.folder)
        counts = feedback_counts(database, since=since)
    weeks, models, everything = by_week(counts), by_model(counts), total(counts)
    if as_json:
        groups = {"weeks": weeks, "models": models, "all": (everything,)}
        print_json({name: [_document(one) for one in found] for name, found in groups.items()})
        return
    if not counts:
        click.echo(f"No reader has said anything of the AI's results in the last {days} days.")
        return
    for one in (*weeks, *models, everything):
        click.echo(_text(one))


def _write_opinions(database: Database, path: Path, since: datetime) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        count = write_opinions(all_feedback(database, since=since), file)
    _note_export(database, f"{count} opinions of readers")
    click.echo(f"{count} opinions written to {path}", err=True)


def _write_manifest(database: Database, path: Path, since: datetime, store: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        count = write_manifest(labelled_images(database, since=since), file)
    _note_export(database, f"{count} images with readers' labels")
    click.echo(f"{count} images written to {path}: tibabu evaluate {store} --manifest {path}", err=True)


def _note_export(database: Database, detail: str) -> None:
    who = Who(user())
    record(database, AuditEvent(event=EventId.EXPORT, action=EventAction.READ, who=who, at=utc_now(), detail=detail))


def _document(one: Figures) -> dict[str, object]:
    rates = {"agreement": one.agreement, "predictive_value": one.predictive_value, "missed": one.missed_rate}
    shown = {name: {"count": rate.count, "of": rate.of, "interval": rate.interval} for name, rate in rates.items()}
    return {"name": one.name, "unsure": one.unsure, **shown}


def _text(one: Figures) -> str:
    return (
        f"{one.name}: agree {_share(one.agreement)}; of the flagged pneumonia {_share(one.predictive_value)}; "
        f"missed of the others {_share(one.missed_rate)}; {one.unsure} could not be said"
    )


def _share(rate: Rate) -> str:
    if rate.value is None:
        return "none of none"
    low, high = rate.interval
    return f"{rate.count} of {rate.of} ({rate.value:.1%}; {low:.1%} to {high:.1%})"
