"""`tibabu evaluate`."""

import csv
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from agent import VERSION
from agent.cli.options import config_option, json_option, print_json
from agent.config.file import Config
from agent.errors import AgentError
from agent.evaluation.entries import LABELS, Entries, LabelError, entries_of_folder
from agent.evaluation.findings import document, site_data
from agent.evaluation.gating import Gates
from agent.evaluation.manifest import entries_of_manifest
from agent.evaluation.page import page
from agent.evaluation.scoring import Scores, score
from agent.process.inference import gate_settings
from model.card import ModelCard
from model.classifier import Classifier, load
from model.evaluation import RATES
from model.pixel_gate import load_pixel_gate
from model.runtime import Threads
from model.site import at_operating_point, at_prevalence, choose_point, read_point

_BATCHES = (1, 8, 32)
_FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outputs:
    """Which files are to be written."""

    html: Path | None
    list_files: bool
    scores: Path | None
    point: Path | None
    sensitivity: float


@click.command(short_help="Measure the model on labelled images.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="CSV instead of folders."
)
@click.option("--html", type=_FILE, help="Write the figures and plots as one page to print and sign.")
@click.option("--list-files", is_flag=True, help="Name the unreadable files in the page.")
@click.option("--scores", type=_FILE, help="Write a CSV with each file's name, label, probability and flag.")
@click.option(
    "--prevalence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Shift the probabilities to this share of pneumonia. Default: the model's own calibration.",
)
@click.option(
    "--operating-point",
    "point_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Measure at a site's operating point from its file. Default: the model's own.",
)
@click.option(
    "--write-operating-point", "new_point", type=_FILE, help="Choose a site's operating point into this file."
)
@click.option(
    "--sensitivity",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.97,
    show_default=True,
    help="What --write-operating-point chooses it for.",
)
@config_option
@json_option
def evaluate(folder: Path, config: Config, as_json: bool, **options: Any) -> None:  # noqa: ANN401, FBT001 - click passes them so
    """Measure the configured model on labelled images in FOLDER: DICOM, PNG or JPEG.

    The labels are the names of folders, NORMAL and PNEUMONIA, or stand in a CSV file (--manifest) with the columns file
    and label, perhaps patient, and any others: each of these makes a table of subgroups.

    `all` are the readable images, `accepted` those that the gate lets pass; 95 % intervals are a bootstrap over
    patients where names, headers or the table tell them. A file that cannot be read is counted and listed as failed.
    """
    outputs = _Outputs(
        html=options["html"],
        list_files=options["list_files"],
        scores=options["scores"],
        point=options["new_point"],
        sensitivity=options["sensitivity"],
    )
    if outputs.point is not None and outputs.point.exists():
        message = f"expected the name of a new file. Received: {outputs.point}, which exists"
        raise AgentError(message)
    if outputs.point is not None and options["prevalence"] is not None:
        message = "an operating point is chosen at the model's own calibration: leave out --prevalence"
        raise click.UsageError(message)
    manifest = options["manifest"]
    entries = entries_of_folder(folder) if manifest is None else entries_of_manifest(manifest, folder)
    classifier = _load(config, options["point_file"], options["prevalence"])
    found, scores = _evaluated(classifier, entries, config, quiet=as_json)
    _write(outputs, found, scores, classifier.card)
    if outputs.point is not None:
        _write_point(outputs.point, outputs.sensitivity, scores, classifier.card)
    if as_json:
        print_json(found)
    else:
        _say(found)


def _load(config: Config, point_file: Path | None, prevalence: float | None) -> Classifier:
    def adapt(card: ModelCard) -> ModelCard:
        if point_file is not None:
            card = at_operating_point(card, read_point(_text(point_file)))
        return card if prevalence is None else at_prevalence(card, prevalence)

    threads, runtime = Threads(intra_op=config.model.threads), config.model.runtime
    return load(config.model.name, threads=threads, batches=_BATCHES, runtime=runtime, adapt=adapt, maps=False)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"expected a readable text file. Received: {file} ({type(error).__name__})"
        raise AgentError(message) from None


def _evaluated(
    classifier: Classifier, entries: Entries, config: Config, *, quiet: bool
) -> tuple[dict[str, Any], Scores]:
    gates = Gates(gate_settings(config, classifier.card), load_pixel_gate())
    with click.progressbar(length=len(entries.entries), label="Scoring", hidden=quiet, file=sys.stderr) as bar:
        scores = score(classifier, entries.entries, gates, bar.update)
    if not scores.scored:
        reasons = ", ".join(sorted({one.reason for one in scores.unreadable}))
        message = f"expected at least one readable image. Received: {len(scores.unreadable)} files ({reasons})"
        raise LabelError(message)
    return document(classifier.card, entries, scores, runtime=classifier.runtime, at=datetime.now(UTC)), scores


def _write(outputs: _Outputs, found: dict[str, Any], scores: Scores, card: ModelCard) -> None:
    if outputs.html is not None:
        outputs.html.write_text(page(found, card, list_files=outputs.list_files), encoding="utf-8")
    if outputs.scores is None:
        return
    threshold = card.operating_point.threshold
    with outputs.scores.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label", "probability", "flagged", "declined_by", "reason"])
        for one in scores.scored:
            entry, declined = one.image.entry, one.image.declined
            gate = ("", "") if declined is None else (declined.by, declined.reason)
            flagged = int(one.probability >= threshold)
            writer.writerow([entry.name, LABELS[entry.label], f"{one.probability:.6f}", flagged, *gate])
        for lost in scores.unreadable:
            writer.writerow([lost.entry.name, LABELS[lost.entry.label], "", "", "failed", lost.reason])


def _write_point(file: Path, sensitivity: float, scores: Scores, card: ModelCard) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    point = choose_point(
        card,
        site_data(scores),
        sensitivity,
        name=f"site {now:%Y-%m-%d}, sensitivity {sensitivity:.4g}",
        made_at=now,
        made_with=f"Tibabu {VERSION}",
    )
    file.write_text(point.as_text(), encoding="utf-8")


def _say(found: dict[str, Any]) -> None:
    model, declined, failed = found["model"], found["declined"], found["failed"]
    click.echo(f"{model['name']} {model['version']}, flagged from {found['operating_point']:.3f} on")
    click.echo(f"{'':<18}{'accepted by the gate':<30}all readable images")
    for label, key in (("images", "n"), ("with pneumonia", "positives"), ("patients", "patients")):
        click.echo(f"{label:<18}{found['accepted'][key]:<30}{found['all'][key]}")
    for name in RATES:
        click.echo(f"{name:<18}{_rate(found['accepted'], name):<30}{_rate(found['all'], name)}")
    share = "" if declined["share"] is None else f" ({declined['share']:.1%})"
    click.echo(f"declined by the gate: {declined['n']} of {declined['of']}{share}")
    for row in declined["reasons"]:
        click.echo(f"  {row['n']:>6}  {row['reason']} ({row['by']})")
    for row in failed["files"]:
        click.echo(f"failed: {row['file']}: {row['reason']}")
    for note in found["notes"]:
        click.echo(f"Note: {note}")
    click.echo(f"{found['images_per_second']:.0f} images per second")


def _rate(figures: dict[str, Any], name: str) -> str:
    if figures[name] is None:
        return "not defined"
    low, high = figures["ci"][name]
    return f"{figures[name]:.4f} ({low:.4f} to {high:.4f})"
