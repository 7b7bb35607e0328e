"""`tibabu report`."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from agent import reports
from agent.cli.options import config_option
from agent.config.file import Config
from agent.config.tables import type_of
from agent.errors import AgentError
from agent.line.rendering import Renderer
from agent.process.parts import Parts, parts_of
from agent.reports.document import DICOM
from db.concluded import concluded_study, concluded_unordered
from db.report_record import ReportRecord, report_record
from db.worklist import worklist_row

OTHER_NAMES: Final = {"sc": "picture", "hl7": "oru"}
"""What people call a report, and its name."""


@dataclass(frozen=True, slots=True)
class _Look:
    """A report's bytes, and what to say of where they come from."""

    media_type: str
    data: bytes
    origin: str


@click.command(short_help="Look at a report of a study.")
@click.argument("study_instance_uid")
@click.option("--format", "name", required=True, help="Which: sr, sc, hl7, fhir, pdf or any other report's name.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write. Text is else printed.")
@click.option("--force", is_flag=True, help="Overwrite the file if it exists.")
@config_option
def report(study_instance_uid: str, name: str, out: Path | None, config: Config, *, force: bool) -> None:
    """Write one report of a study's current result to a file, or print it if it is text.

    What has been rendered is given as it is stored, byte for byte as it was or will be sent. Any other is rendered as
    it would be, and nothing is recorded. Standard error says which of the two it is, and where it was sent.

    A PDF is given as such; as the DICOM object that is sent, if the file's name ends with .dcm.
    """
    name = OTHER_NAMES.get(name, name)
    if name not in (known := _known(config)):
        message = f"expected a report: {', '.join([*OTHER_NAMES, *known])}. Received: {name}"
        raise click.BadParameter(message, param_hint="--format")
    if out is not None and out.exists() and not force:
        message = f"expected a file that does not exist, or --force. Received: {out}"
        raise click.UsageError(message)
    with parts_of(config) as parts:
        look = _look(parts, config, study_instance_uid, name)
    if out is not None:
        _write(out, look.data if out.suffix.lower() == ".dcm" else _bare(config, name, look.data))
    elif look.media_type != DICOM:
        click.echo(look.data.replace(b"\r", b"\n"))
    else:
        message = f"expected --out FILE: {name} is an object of DICOM and no text"
        raise click.UsageError(message)
    click.echo(look.origin, err=True)


def _bare(config: Config, name: str, data: bytes) -> bytes:
    """Return a PDF without the DICOM object around it, any other report as it is."""
    if type_of(name, config.reports) != "pdf":
        return data
    from agent.reports import pdf  # noqa: PLC0415 - reportlab takes its time

    return pdf.inside(data)


def _known(config: Config) -> tuple[str, ...]:
    return tuple(sorted({*reports.names(), *config.reports}))


def _look(parts: Parts, config: Config, study_instance_uid: str, name: str) -> _Look:
    record = report_record(parts.database, study_instance_uid, name)
    if record is None:
        raise AgentError(_no_result(parts, study_instance_uid))
    renderer = Renderer(parts.store, parts.installation, config.reports)
    module, settings = renderer.module(name)
    outcome = record.outcome.value
    where = f"{name}, revision {record.revision}"
    if record.report_id is None and (
        record.conflict or not module.applies(outcome) or outcome not in settings.outcomes
    ):
        why = "its identity conflicts" if record.conflict else outcome.replace("_", " ")
        message = f"expected a study of which there is a report {name}. Received: a study that is {why}"
        raise AgentError(message)
    if record.path:
        with parts.store.local(record.path) as path:
            data = path.read_bytes()
        origin = f"{where}, version {record.version}: as stored (SHA-256 {record.sha256}). {_sent(record)}"
        return _Look(module.MEDIA_TYPE, data, origin)
    if record.report_id is None:
        study = concluded_unordered(parts.database, record.result_id, name)
        origin = f"{where}: made for this look alone, recorded nowhere. No destination gets it."
    else:
        study = concluded_study(parts.database, record.report_id)
        origin = f"{where}, version {record.version}: made as it will be sent, recorded nowhere. {_sent(record)}"
    return _Look(module.MEDIA_TYPE, renderer.render(name, study).data, origin)


def _no_result(parts: Parts, study_instance_uid: str) -> str:
    row = worklist_row(parts.database, study_instance_uid)
    if row is None:
        return f"expected the Study Instance UID of a study on record. Received: {study_instance_uid}"
    return f"expected a study with a result. Received: one that is {row.state}"


def _sent(record: ReportRecord) -> str:
    states: Iterable[str] = (f"{destination}: {state.lower()}" for destination, state in record.deliveries)
    return f"Deliveries: {', '.join(states) or 'none'}."


def _write(path: Path, data: bytes) -> None:
    """Write the file for its owner's eyes only: it names a patient."""
    try:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
    except OSError as error:
        message = f"expected a file that can be written. Received: {path} ({error.strerror})"
        raise AgentError(message) from None
