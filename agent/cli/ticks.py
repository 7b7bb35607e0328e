"""`tibabu ticks`."""

from dataclasses import asdict
from datetime import datetime

import click

from agent.cli.options import config_option, json_option, print_json
from agent.config.file import Config
from agent.process.parts import opened, utc_now
from db.disks import Disk, disks
from db.ticks import Health, TickRow
from db.ticks import ticks as ticks_of


@click.command(short_help="Print what is done periodically, and how it goes.")
@config_option
@json_option
def ticks(config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Print what is done periodically: when each ran, runs next, how long it took, its failures; and the disks.

    Exit status 1 if anything fails or is overdue, or a disk is low.
    """
    now = utc_now()
    with opened(config) as database:
        rows, found = ticks_of(database), disks(database)
    if as_json:
        listed = [asdict(row) | {"health": row.health(now), "running_since": row.running_since} for row in rows]
        print_json({"ticks": listed, "disks": found})
    else:
        for line in _lines(rows, found, now):
            click.echo(line)
    if any(row.health(now) in {Health.FAILING, Health.OVERDUE} for row in rows) or any(one.low_since for one in found):
        raise SystemExit(1)


def _lines(rows: tuple[TickRow, ...], found: tuple[Disk, ...], now: datetime) -> list[str]:
    lines = [_line(row, now) for row in rows] or ["Nothing periodic has run yet: no `clock` process has been started."]
    for one in found:
        refused = f", Instances are refused below {one.refused_megabytes}" if one.refused_megabytes else ""
        low = f"low since {_time(one.low_since)}" if one.low_since else "ok"
        lines.append(f"disk of the {one.place}: {low}, {one.free_megabytes} MB free{refused}")
    return lines


def _line(row: TickRow, now: datetime) -> str:
    took = "" if row.seconds is None else f", took {row.seconds:.3f} s"
    last = "never ran" if row.started_at is None else f"last {_time(row.started_at)}{took}"
    if row.running_since is not None:
        last = f"running since {_time(row.running_since)}"
    facts = [f"every {row.period_seconds:g} s", last, f"next {_time(row.next_at)}", f"{row.runs} runs"]
    if row.failures:
        facts.append(
            f"{row.failures} failures, {row.failures_in_a_row} in a row, the last {_time(row.failed_at)}: {row.error}"
        )
    return f"{row.name:<10} {row.health(now):<8} {', '.join(facts)}, by {row.process}"


def _time(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"
