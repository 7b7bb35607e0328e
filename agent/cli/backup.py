"""`tibabu backup` and `tibabu restore`."""

from dataclasses import asdict
from pathlib import Path

import click

from agent import logs
from agent.cli.options import config_option, json_option, print_json
from agent.config.file import Config
from agent.keeping.backup import BackupMaker
from agent.keeping.restore import restore as bring_back
from agent.process.parts import open_rows, open_store, parts_of, utc_now
from db.backup_record import end_backups

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(short_help="Copy database and files to a folder, while the agent runs.")
@click.argument("folder", type=_FOLDER)
@click.option("--keep", type=click.IntRange(1), help="Remove all but the last so many back-ups when this one is whole.")
@config_option
@json_option
def backup(*, folder: Path, keep: int | None, config: Config, as_json: bool) -> None:
    """Make a back-up in FOLDER: the database as of one moment, and the files that its rows need, each copied once.

    May run while the agent does. Exit status 1 if a stored file is lost or damaged; the rest is copied.
    """
    logs.configure(level="WARNING", form=config.log.format)  # to standard error
    with parts_of(config) as parts:
        maker = BackupMaker(parts.database, parts.store, parts.installation, utc_now, config.backup.pg_dump)
        made = maker.make(folder.resolve(), keep=keep)
    if as_json:
        print_json(asdict(made))
    else:
        click.echo(
            f"Back-up {made.name}: {made.files} files, {made.bytes / 1e9:.3f} GB, of which new {made.new_files}, "
            f"{made.new_bytes / 1e9:.3f} GB. Digest {made.digest}."
        )
        for sha256 in made.lost:
            click.echo(f"Lost or damaged in the store: {sha256}")
    if made.lost:
        raise SystemExit(1)


@click.command(short_help="Bring a back-up into an empty place.")
@click.argument("folder", type=_FOLDER)
@click.option("--name", help="Which back-up; the last one that is whole if none is named.")
@config_option
@json_option
def restore(*, folder: Path, name: str | None, config: Config, as_json: bool) -> None:
    """Bring a back-up from FOLDER into the database and store of the configuration, both of which have to be empty.

    Then `tibabu verify --digests` and `tibabu run`. Exit status 1 if files are missing in the back-up; the rest is
    back.
    """
    logs.configure(level="WARNING", form=config.log.format)  # as above
    database = open_rows(config)
    try:
        restored = bring_back(
            folder.resolve(), name, database, lambda: open_store(config), pg_restore=config.backup.pg_restore
        )
        end_backups(database, now=utc_now())
    finally:
        database.dispose()
    if as_json:
        print_json(asdict(restored))
    else:
        click.echo(f"Back-up {restored.name} is back: {restored.files} files, {restored.bytes / 1e9:.3f} GB.")
        for sha256 in restored.lost:
            click.echo(f"Missing or damaged in the back-up: {sha256}")
        click.echo(
            f"What was received after {restored.made_at:%Y-%m-%d %H:%M:%S} UTC is not in it: have it sent again, or "
            "pull it from the PACS. What was reported since is reported again."
        )
    if restored.lost:
        raise SystemExit(1)
