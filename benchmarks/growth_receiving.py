"""growth_receiving.py SMALL BIG: Instances per second into a receiver with few and with many studies on record.

The URLs are those of two databases that growth_population.py has filled. The receiver is the product as it is run, one
of it on each database in turn, fed by DCMTK's storescu over one association; each image begins a study of a new
patient. What was sent stays in the databases. Run it on an otherwise idle machine.
"""

import statistics
import tempfile
import time
from itertools import count
from pathlib import Path

import click
from ingest import WARM_UP, make_instances, send, tibabu

SHAPES = {"0.1 MB": (316, 316), "1.4 MB": (1334, 1050)}


@click.command()
@click.argument("small")
@click.argument("big")
@click.option("--instances", type=click.IntRange(10), default=150, show_default=True, help="In each round.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
def main(small: str, big: str, instances: int, rounds: int) -> None:
    """Print the medians of Instances per second with SMALL and with BIG, and what the second loses."""
    numbers = count(step=instances + WARM_UP)
    click.echo("| Instance | few on record | many | loses |\n|---|---|---|---|")
    for size, shape in SHAPES.items():
        rates: dict[str, list[float]] = {small: [], big: []}
        for number in range(rounds):
            for url in (small, big) if number % 2 else (big, small):
                rates[url].append(_rate(url, shape, instances, next(numbers)))
        few, many = (statistics.median(rates[url]) for url in (small, big))
        cells = [f"{statistics.median(one):.1f}/s ({min(one):.1f} to {max(one):.1f})" for one in rates.values()]
        click.echo(f"| {size} | {' | '.join(cells)} | {100 * (1 - many / few):.1f} % |")


def _rate(url: str, shape: tuple[int, int], instances: int, first: int) -> float:
    """Return Instances per second into a receiver that has taken a few."""
    with tempfile.TemporaryDirectory(prefix="tibabu-growth-", dir=".") as name:
        folder = Path(name).resolve()
        files = make_instances(folder / "sent", shape, instances + WARM_UP, first=first)
        with tibabu(folder, database=url) as port:
            send(port, files[:WARM_UP], 1)
            started = time.monotonic()
            send(port, files[WARM_UP:], 1)
            return instances / (time.monotonic() - started)


if __name__ == "__main__":
    main()
