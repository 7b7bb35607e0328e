"""`tibabu analyse`."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from agent.cli.options import config_option, json_option, print_json
from agent.config.file import Config
from agent.line.pipeline import ImageAnalysis, Pipeline
from agent.process.inference import make_decoder, make_pipeline
from db.outcome import Outcome
from dicom_io.errors import HeaderError
from dicom_io.header import read_header
from dicom_io.image_files import sniff

NO_HEADER = "a picture has no header: age, view and body part were not checked"
CAVEAT = 'A triage aid, not a diagnosis. Only pneumonia is looked for; "not flagged" does not exclude disease.'


@click.command(short_help="Say what the model says of files.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@config_option
@json_option
def analyse(paths: tuple[Path, ...], config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Say what the model says of files: DICOM, PNG or JPEG, or folders of them. Needs no network and no database.

    For each file: flagged, not_flagged, not_analysed (with the reason) or failed (with the reason). A broken file never
    stops the others; the exit status is 0 when every file has its outcome.
    """
    with make_decoder(config, processes=1) as decoder:
        pipeline = make_pipeline(config, (), decoder.read_frames)
        found = (_row(pipeline, path) for path in _files(paths))
        if as_json:
            print_json(list(found))
            return
        _print(found)
    point = pipeline.card.operating_point
    click.echo(f"\nModel {pipeline.card.name} {pipeline.card.version}, flagged from {point.threshold:.3f} on. {CAVEAT}")


def _print(rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        number = "" if row["probability"] is None else f" {row['probability']:.3f}"
        reason = f"  ({row['reason']})" if row["reason"] else ""
        note = f"  [{row['caveat']}]" if row["caveat"] else ""
        click.echo(f"{row['outcome'].replace('_', ' '):<13}{number:<6}  {row['path']}{reason}{note}")


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(
                file
                for file in path.rglob("*")
                if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
            )
        else:
            yield path


def _row(pipeline: Pipeline, path: Path) -> dict[str, Any]:
    sort = sniff(path)
    if sort == "dicom":
        analysis = pipeline.analyse(path)
    elif sort == "picture":
        analysis = pipeline.analyse_picture(path)
    else:
        analysis = ImageAnalysis(outcome=Outcome.FAILED, reason="the file is neither DICOM nor PNG nor JPEG")
    card = pipeline.card
    return {
        "path": str(path),
        "sop_instance_uid": _sop_instance_uid(path) if sort == "dicom" else None,
        "outcome": analysis.outcome.value,
        "reason": analysis.reason,
        "caveat": NO_HEADER if sort == "picture" and analysis.probability is not None else "",
        "probability": analysis.probability,
        "operating_point": card.operating_point.threshold,
        "model": {"name": card.name, "version": card.version, "sha256": card.sha256},
    }


def _sop_instance_uid(path: Path) -> str | None:
    try:
        return read_header(path).sop_instance_uid
    except HeaderError:
        return None
