"""`tibabu verify`."""

import random
from collections.abc import Callable
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path

import click

from agent.cli.options import config_option, json_option, print_json
from agent.config.file import Config
from agent.keeping.reconcile import Misfit, Reconciler, Reconciliation
from agent.process.parts import parts_of, utc_now
from db.database import Database
from db.needed_files import NeededFile, needed_files

_SHOWN = 1000


@click.command(short_help="Compare the stored files with the database.")
@click.option("--digests", is_flag=True, help="Read every file and compare its digest: this takes long.")
@click.option("--sample", type=click.IntRange(1), help="Read so many files, from a place taken at random.")
@click.option(
    "--collect",
    type=click.Path(file_okay=False, path_type=Path),
    help="Move files that no row needs to this folder. They are not deleted: one may be all there is of an image.",
)
@config_option
@json_option
def verify(*, digests: bool, sample: int | None, collect: Path | None, config: Config, as_json: bool) -> None:
    """Compare the stored files with the database, both ways: files without row, rows without file, sizes, digests.

    Changes nothing without --collect, and may run while the agent does. Exit status 1 if anything does not fit.
    """
    if digests and sample is not None:
        message = "say either --digests or --sample"
        raise click.UsageError(message)
    seen = Reconciliation()
    with parts_of(config) as parts:
        reconciler = Reconciler(parts.database, parts.store, utc_now)
        reads = _every if digests else _sampler(parts.database, sample or 0)
        found = reconciler.compare(seen, reads=reads, collect=collect)
        shown = list(islice(found, _SHOWN))
        left_off = sum(1 for _ in found)
    if as_json:
        print_json({**asdict(seen), "misfits": [asdict(one) for one in shown], "left_off": left_off})
    else:
        _print(seen, shown, left_off)
    if seen.faults:
        raise SystemExit(1)


def _every(_file: NeededFile) -> bool:
    return True


def _sampler(database: Database, number: int) -> Callable[[NeededFile], bool]:
    """Return what takes `number` files from a digest taken at random on, and after the last from the first on."""
    start = f"{random.getrandbits(64):016x}"  # digests are spread evenly
    behind = (file.sha256 for file in needed_files(database, after=start))
    around = (file.sha256 for file in needed_files(database, before=start))
    taken = set(islice(chain(behind, around), number))
    return lambda file: file.sha256 in taken


def _print(seen: Reconciliation, shown: list[Misfit], left_off: int) -> None:
    for one in shown:
        of = f", of {', '.join(one.studies)}" if one.studies else ""
        to = f", now {one.collected}" if one.collected else ""
        click.echo(f"{one.fault}: {one.path}{of}{to}")
    if left_off:
        click.echo(f"... and {left_off} more.")
    click.echo(
        f"{seen.files} files, {seen.bytes / 1_000_000_000:.3f} GB, {seen.digests} read back; "
        f"{seen.young} just being received, {seen.being_deleted} being deleted."
    )
    faults = ", ".join(f"{count} {fault}" for fault, count in sorted(seen.faults.items()))
    click.echo(f"Does not fit: {faults}." if faults else "Everything fits.")
