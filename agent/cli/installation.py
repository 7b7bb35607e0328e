"""`tibabu check` and `tibabu migrate`."""

from collections.abc import Iterator
from pathlib import Path

import click

from agent.cli.options import config_option, config_path, json_option, print_json
from agent.config.file import Config
from agent.doctor.finding import Finding, Severity
from agent.process.parts import open_rows, utc_now
from db.migrate import upgrade
from db.revision import current

HEADS = {"ok": "ok  ", "warning": "WARN", "error": "BAD "}


@click.command(short_help="Say what is wrong with this installation, and what mends it.")
@click.option("--config", "given", type=click.Path(dir_okay=False, path_type=Path), help="Configuration file.")
@click.option("--problems", is_flag=True, help="Leave out what is fit.")
@json_option
def check(given: Path | None, problems: bool, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Say what is wrong with this installation, why it matters, and what mends it.

    Looked at: config, clock, open files, disk, rights, database, model, certificates, ports, destinations and peers
    (C-ECHO), what is parked, waits or fails, back-ups. Nothing is changed, but for a small object `check` in an object
    store. Exit status 1 if anything is BAD; with nothing but WARN it is 0.
    """
    from agent.doctor.examination import examine  # noqa: PLC0415 - `migrate` does without

    findings = []
    for finding in examine(config_path(given), named=given is not None, clock=utc_now):
        findings.append(finding)
        if not as_json and not (problems and finding.severity is Severity.OK):
            for line in _lines(finding):
                click.echo(line)
    if as_json:
        print_json([one.document() for one in findings if not (problems and one.severity is Severity.OK)])
    if any(one.severity is Severity.ERROR for one in findings):
        raise SystemExit(1)


def _lines(finding: Finding) -> Iterator[str]:
    yield f"{HEADS[finding.severity.value]} {finding.check}: {finding.detail}"
    if finding.remedy is None:
        return
    yield f"     why:  {finding.remedy.why}"
    yield from (f"     run:  {command}" for command in finding.commands)
    yield from (f"     set:  {key}" for key in finding.keys)
    if finding.words:
        yield f"     do:   {finding.words}"


@click.command(short_help="Bring the database to this version's schema.")
@config_option
@json_option
def migrate(config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Bring the database to this version's schema; does nothing where it is there already."""
    database = open_rows(config)
    upgrade(database)
    revision = current(database)
    database.dispose()
    if as_json:
        print_json({"revision": revision})
    else:
        click.echo(f"The database is at revision {revision}.")
