"""`tibabu move`."""

from dataclasses import asdict
from time import monotonic

import click

from agent.cli.options import config_option, json_option, print_json
from agent.config.file import Config
from agent.process.parts import opened, utc_now
from db.database import open_database
from db.move import MovedTable
from db.move import move as move_rows


@click.command(short_help="Move a site from SQLite to PostgreSQL.")
@click.option(
    "--to",
    "url",
    required=True,
    envvar="TIBABU_MOVE_TO",
    help="URL of an empty PostgreSQL database. With a password in it, rather in $TIBABU_MOVE_TO.",
)
@config_option
@json_option
def move(url: str, config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Copy every row and every job to a PostgreSQL database, compare them, and let no agent run on this one any more.

    The agent has to be stopped: scanners keep their images meanwhile and send them later. What is interrupted has
    changed nothing and may be repeated. The store stays where it is.
    """
    started = monotonic()

    def tell(table: MovedTable) -> None:
        if not as_json:
            click.echo(f"{table.name:<24} {table.rows:>10} rows, compared")

    target = open_database(url)
    try:
        with opened(config) as source:
            moved = move_rows(source, target, now=utc_now(), told=tell)
    finally:
        target.dispose()
    seconds = round(monotonic() - started, 1)
    if as_json:
        print_json({**asdict(moved), "seconds": seconds})
        return
    click.echo(f"{'jobs':<24} {moved.jobs.waiting:>10} waiting, {moved.jobs.parked} parked")
    click.echo(
        f"Moved in {seconds:g} s. Now set database.url to the new database, then `tibabu check` and start the agent."
    )
