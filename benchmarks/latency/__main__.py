"""`python benchmarks/latency`: how soon a flagged image has its new place and the PACS its report; how many go through.

Time to notification is from the last byte of a flagged image to its study's new place on the worklist; and from the
completion of a study, by the rule, to its structured report's arrival at the PACS. Run it on an idle machine.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
from images import Study, make_studies
from installation import Installation, installed, wait_for
from load import Scanner, as_fast_as_it_goes, at_rate, over_one_association
from parts import costs
from peer import QUIET_SECONDS as ROUTER_QUIET_SECONDS
from peer import CTImageStorage, make_ct, routing
from peer import wait_for as wait_for_router
from processors import spent
from watch import arrived, completed, watched

RELEASE_SECONDS = 2.0
"""How long after a release a study is complete: config.toml, complete.after_release_seconds."""
LONGEST = 600.0


@click.command()
@click.option("--pictures", type=click.Path(exists=True, path_type=Path), required=True, help="NORMAL and PNEUMONIA.")
@click.option("--router", type=click.Path(exists=True, path_type=Path), help="Python that has dicom-ai-router 0.3.0.")
@click.option("--studies", default=40, show_default=True, help="At each rate.")
@click.option("--rates", default="1,5,10", show_default=True, help="Studies a second.")
@click.option("--share", default=0.2, show_default=True, help="Of pneumonia among the images sent at a rate.")
@click.option("--sustained", default=200, show_default=True, help="Studies sent as fast as they are taken; 0: none.")
@click.option("--delivering", default=1, show_default=True, help="Delivering processes.")
@click.option("--flagged", default=0.1, show_default=True, help="Share of pneumonia among those.")
def main(  # noqa: PLR0913, PLR0917 - its options
    pictures: Path,
    router: Path | None,
    studies: int,
    rates: str,
    share: float,
    sustained: int,
    delivering: int,
    flagged: float,
) -> None:
    """Measure, and print tables."""
    root = Path(tempfile.mkdtemp(prefix="tibabu-latency-"))
    try:
        with installed(root, delivering) as installation:
            _warm_up(installation, make_studies(pictures, root / "first", 8, share=0.5, seed=0))
            click.echo("| studies/s | associations | worklist: median | 95 % | 99 % | PACS: median | 95 % | 99 % |")
            click.echo("|---|---|---|---|---|---|---|---|")
            for number, rate in enumerate(map(float, rates.split(","))):
                for held in (False, True):
                    folder = root / f"{number}{held}"
                    sent = make_studies(pictures, folder, studies, share=share, seed=number)
                    _print_latency(installation, sent, rate, held=held)
            if sustained:
                sent = make_studies(pictures, root / "sustained", sustained, share=flagged, seed=99)
                _print_sustained(installation, sent)
            idle = make_studies(pictures, root / "idle", 20, share=share, seed=98)
            _print_parts(costs(installation, idle, root))
        if router is not None and sustained:
            _print_router(router, root, make_ct(root / "ct", max(20, sustained // 4)))
    finally:
        shutil.rmtree(root)


def _warm_up(installation: Installation, studies: Sequence[Study]) -> None:
    scanner = Scanner(installation.agent)
    as_fast_as_it_goes(scanner, studies)
    wait_for(len(studies), installation, LONGEST)


def _print_latency(installation: Installation, studies: Sequence[Study], rate: float, *, held: bool) -> None:
    before = installation.delivered()
    scanner = Scanner(installation.agent)
    with watched(installation) as raised:
        if held:
            over_one_association(scanner, studies, rate)
        else:
            at_rate(studies, rate, scanner.alone)
        wait_for(before + len(studies), installation, LONGEST)
    ended, there = completed(installation), arrived(installation)
    up = [
        raised[one.study_instance_uid] - scanner.gone[one.sop_instance_uid]
        for one in studies
        if one.study_instance_uid in raised
    ]
    out = [there[one.study_instance_uid] - ended[one.study_instance_uid] for one in studies]
    how = "one, held open" if held else "one an image"
    click.echo(f"| {rate:g} | {how} | {_row(up)} | {_row(out)} |")


def _row(values: Sequence[float]) -> str:
    ordered = sorted(values)
    points = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.95, 0.99)]
    return " | ".join(f"{1000 * value:.0f} ms" for value in (statistics.median(ordered), *points))


def _print_sustained(installation: Installation, studies: Sequence[Study]) -> None:
    before = installation.delivered()
    spent_before = spent(installation.process, installation.pacs_process)
    scanner, begun = Scanner(installation.agent), time.time()
    as_fast_as_it_goes(scanner, studies)
    sent = time.time()
    wait_for(before + len(studies), installation, LONGEST)
    spent_after = spent(installation.process, installation.pacs_process)
    there = arrived(installation)
    last = max(there[one.study_instance_uid] for one in studies)
    received, through = len(studies) / (sent - begun), len(studies) / (last - begun - RELEASE_SECONDS)
    click.echo(f"\nsustained: {len(studies)} studies, received at {received:.1f}/s, through at {through:.1f}/s")
    click.echo("\n| process | processor time of a study, ms |")
    click.echo("|---|---|")
    for name, seconds in spent_after.items():
        click.echo(f"| {name} | {1000 * (seconds - spent_before.get(name, 0.0)) / len(studies):.1f} |")


def _print_router(python: Path, root: Path, studies: Sequence[Study]) -> None:
    with routing(python, root / "router") as router:
        scanner, begun = Scanner(router.peer, CTImageStorage), time.time()
        as_fast_as_it_goes(scanner, studies)
        last = wait_for_router(router, studies, LONGEST)
    whole = len(studies) / (last - begun - ROUTER_QUIET_SECONDS)
    click.echo(f"dicom-ai-router 0.3.0: {len(studies)} studies, through at {whole:.1f}/s")


def _print_parts(parts: dict[str, float]) -> None:
    click.echo("\n| part | ms |")
    click.echo("|---|---|")
    for name, seconds in parts.items():
        click.echo(f"| {name} | {1000 * seconds:.1f} |")
    worklist = parts["store"] + parts["decode and score"] + 3 * parts["commit"]
    pacs = 4 * parts["commit"] + parts["render"] + parts["send"]
    click.echo(f"\nto the worklist: store, decode, score, 3 commits: {1000 * worklist:.0f} ms")
    click.echo(f"to the PACS: 4 commits, render, send: {1000 * pacs:.0f} ms")


if __name__ == "__main__":
    main()
