"""`tibabu demo`."""

import tempfile
import threading
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import click

from agent.cli.options import json_option, print_json
from agent.cli.studies import worklist_document, worklist_line
from agent.config.file import load
from agent.errors import AgentError
from agent.process.parts import opened, utc_now
from agent.process.stopping import stop_on_signals
from agent.simulation.hospital import Hospital, hospital, wait_until_settled
from db.lifecycle import State
from db.worklist import WorklistRow, study_record, worklist, worklist_row
from dicom_io.samples import Sample, write_pictures, write_samples
from dicom_io.scu import Peer, send

PLAINLY = (
    "The chest radiographs are one adult's image under invented identities aged 4: the flow is real, the score means "
    "nothing. Under its true age the same image is declined."
)
SCANNER_AE_TITLE = "DEMOSCANNER"
SECONDS_A_STUDY = 10.0
SECONDS_AT_LEAST = 600.0


@click.command(short_help="Show a whole hospital on this machine.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where everything lies. Default: a new temporary folder.",
)
@click.option(
    "--from",
    "pictures",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of radiographs (PNG, JPEG) to send as CR studies instead.",
)
@click.option("--exit", "leave", is_flag=True, help="Stop when done, with 0 only if every sent study is accounted for.")
@json_option
def demo(folder: Path | None, pictures: Path | None, leave: bool, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Run a whole hospital on this machine: a scanner, the agent on embedded defaults, a PACS, and the worklist page.

    Real studies travel over real associations on free loopback ports. Afterwards it goes on serving until Ctrl-C, or
    stops with --exit.
    """
    folder = (folder or Path(tempfile.mkdtemp(prefix="tibabu-demo-"))).resolve()
    stop = threading.Event()
    stop_on_signals(stop)
    say = (lambda *_: None) if as_json else click.echo
    scanner = folder / "scanner"
    say(f"Everything of this demonstration lies in {folder}")
    today = date.today()  # noqa: DTZ011 - study dates are local dates
    if pictures is None:
        samples = write_samples(scanner, today=today)
        say(PLAINLY)
    else:
        samples = write_pictures(pictures, scanner, today=today)
    say("Starting the agent and a PACS ...")
    with hospital(folder) as site:
        rows = _run(site, samples, quiet=as_json)
        received = sorted(str(path) for path in site.pacs.glob("*.dcm"))
        accounted = _accounted(site, samples, rows)
        _print(site, samples, rows, received, accounted=accounted, as_json=as_json)
        if not leave:
            say("Serving until Ctrl-C.")
            stop.wait()
    if leave and not accounted:
        raise SystemExit(1)


def _run(site: Hospital, samples: Sequence[Sample], *, quiet: bool) -> list[WorklistRow | None]:
    """Send every study and wait for the last report."""
    with click.progressbar(length=len(samples), label="Sending   ", hidden=quiet) as bar:
        for sample in samples:
            _scan(sample, site.agent)
            bar.update(1)
    with (
        opened(load(site.config)) as database,
        click.progressbar(length=len(samples), label="Concluding", hidden=quiet) as bar,
    ):
        seconds = max(SECONDS_AT_LEAST, SECONDS_A_STUDY * len(samples))
        studies = [sample.study_instance_uid for sample in samples]
        wait_until_settled(database, studies, seconds=seconds, progress=lambda done: bar.update(done - bar.pos))
        return [worklist_row(database, study) for study in studies]


def _scan(sample: Sample, agent: Peer) -> None:
    """Send a study over an association of its own, as a scanner does."""
    for status in send(agent, [sample.path], calling_ae_title=SCANNER_AE_TITLE):
        if not status.stored:
            message = f"expected the agent to store {sample.shows}. Received: {status.text}"
            raise AgentError(message)


def _accounted(site: Hospital, samples: Sequence[Sample], rows: Sequence[WorklistRow | None]) -> bool:
    """Tell whether every sent study has an outcome and all its reports lie at the PACS."""
    with opened(load(site.config)) as database:
        records = [study_record(database, sample.study_instance_uid) for sample in samples]
    for record, row in zip(records, rows, strict=True):
        if row is None or record is None or row.outcome is None or row.state is not State.DELIVERED:
            return False
        uids = [report["sop_instance_uid"] for report in record.reports]
        if not uids or not all((site.pacs / f"{uid}.dcm").is_file() for uid in uids):
            return False
    return True


def _print(
    site: Hospital,
    samples: Sequence[Sample],
    rows: Sequence[WorklistRow | None],
    received: list[str],
    *,
    accounted: bool,
    as_json: bool,
) -> None:
    if as_json:
        print_json(
            {
                "url": site.url,
                "agent": f"{site.agent.ae_title}@{site.agent.host}:{site.agent.port}",
                "config": site.config,
                "studies": [_study(sample, row) for sample, row in zip(samples, rows, strict=True)],
                "received": received,
                "accounted_for": accounted,
            }
        )
        return
    click.echo("\nThe worklist, the first to read at the top:")
    with opened(load(site.config)) as database:
        ordered = worklist(database)
    for number, row in enumerate(ordered, 1):
        click.echo(worklist_line(number, row, utc_now()))
    click.echo(f"\nThe PACS received {len(received)} reports in {site.pacs}")
    click.echo(f"The worklist page: {site.url}")
    click.echo(
        "Every sent study is accounted for."
        if accounted
        else f"NOT every sent study is accounted for; see `tibabu worklist --config {site.config}`."
    )


def _study(sample: Sample, row: WorklistRow | None) -> dict[str, Any]:
    if row is None:
        message = f"expected a study on record for {sample.shows}. Received: none"
        raise AgentError(message)
    return {"shows": sample.shows, "sop_instance_uid": sample.sop_instance_uid, **worklist_document(row)}
