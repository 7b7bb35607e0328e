"""What a million studies on record cost whoever works with ten thousand: medians, 95th percentiles, and their ratio.

growth.py SMALL BIG takes the URLs of two databases that growth_population.py has filled, and measures in turns what an
agent does all day, by the functions that do it. Jobs and studies are added to the databases; that does not disturb a
repetition. On PostgreSQL both are of one server, and each database is looked through once before.
"""

import gc
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from growth_operations import everything, working
from growth_site import Operation, Site
from sqlalchemy import func, select

from db.database import Database, open_database
from db.schema.domain import study

PERCENT = 95


@dataclass(frozen=True, slots=True)
class Taken:
    """How long one operation took on one database, in milliseconds."""

    median: float
    percentile: float


@dataclass(frozen=True, slots=True)
class Line:
    """One operation on both databases."""

    group: str
    name: str
    small: Taken
    big: Taken

    @property
    def ratio(self) -> float:
        """How much longer it takes with more studies."""
        return self.big.median / self.small.median


@click.command()
@click.argument("small")
@click.argument("big")
@click.option("--times", type=click.IntRange(5), default=60, show_default=True, help="Each operation, at most.")
@click.option("--only", default="", help="Only operations whose group or name has this in it.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the figures there, as JSON.")
def main(small: str, big: str, times: int, only: str, out: Path | None) -> None:
    """Measure SMALL beside BIG."""
    sites = [open_site(small), open_site(big)]
    click.echo(f"{sites[0].studies} studies beside {sites[1].studies}; milliseconds: median (95th percentile)")
    lines = []
    with working(sites[0]) as one, working(sites[1]) as other:
        for pair in zip(everything(sites[0], one), everything(sites[1], other), strict=True):
            if only in f"{pair[0].group} {pair[0].name}":
                lines.append(_measured(pair, times))
                click.echo(_said(lines[-1]))
    if out is not None:
        out.write_text(json.dumps([asdict(line) | {"ratio": line.ratio} for line in lines], indent=1))


def open_site(url: str, prepare: Callable[[Database], object] = lambda _: None) -> Site:
    """Open a generated database; `prepare` is called with it before it is connected to."""
    database = open_database(url)
    prepare(database)
    with database.read() as connection:
        studies = connection.execute(select(func.max(study.c.id)).where(study.c.study_instance_uid.like("1.2.826.%")))
        return Site(database, studies.scalar_one())


def _measured(pair: tuple[Operation, ...], times: int) -> Line:
    """Do both in turns, so that what else the machine does falls on both; the first time counts for neither."""
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(min(times, pair[0].most) + 1):
        for operation, found in zip(pair, taken, strict=True):
            gc.collect(0)
            started = time.perf_counter()
            operation.call()
            if turn:
                found.append((time.perf_counter() - started) * 1000)
    small, big = (_summary(found) for found in taken)
    return Line(pair[0].group, pair[0].name, small, big)


def _summary(found: list[float]) -> Taken:
    return Taken(statistics.median(found), statistics.quantiles(found, n=100, method="inclusive")[PERCENT - 1])


def _said(line: Line) -> str:
    small, big = (f"{one.median:8.2f} ({one.percentile:8.2f})" for one in (line.small, line.big))
    return f"{line.group + ': ' + line.name:<48}{small}  {big}  x{line.ratio:.2f}"


if __name__ == "__main__":
    main()
