"""`python benchmarks/latency`: how soon a flagged image has its new place and the PACS its report; how many go through.

Time to notification is from the last byte of a flagged image to its study's new place on the worklist; and from the
completion of a study, by the rule, to its structured report's arrival at the PACS. Run it on an idle machine.
"""

import shutil
import statistics
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
from images import Study, make_studies
from installation import Installation, installed, wait_for
from load import Scanner, at_rate, over_one_association
from parts import costs
from peer import Router, apart, make_ct, together
from processors import spent, spent_by
from pydicom.uid import CTImageStorage
from sustained import Flow, Fresh, measure
from watch import arrived, completed, watched

PICTURES = 100
"""How many different images the endless studies of a sustained load are made of."""
LONGEST = 600.0


@click.command()
@click.option("--pictures", type=click.Path(exists=True, path_type=Path), required=True, help="NORMAL and PNEUMONIA.")
@click.option("--router", type=click.Path(exists=True, path_type=Path), help="Python that has dicom-ai-router 0.3.0.")
@click.option("--studies", default=40, show_default=True, help="At each rate.")
@click.option("--rates", default="1,5,10", show_default=True, help="Studies a second.")
@click.option("--share", default=0.2, show_default=True, help="Of pneumonia among the images sent at a rate.")
@click.option("--sustained", default=20.0, show_default=True, help="Seconds of studies as fast as they go; 0: none.")
@click.option("--working", default=1, show_default=True, help="Working processes.")
@click.option("--delivering", default=1, show_default=True, help="Delivering processes.")
@click.option("--flagged", default=0.1, show_default=True, help="Share of pneumonia among those.")
def main(  # noqa: PLR0913, PLR0917 - its options
    pictures: Path,
    router: Path | None,
    studies: int,
    rates: str,
    share: float,
    sustained: float,
    working: int,
    delivering: int,
    flagged: float,
) -> None:
    """Measure, and print tables."""
    root = Path(tempfile.mkdtemp(prefix="tibabu-latency-"))
    try:
        with installed(root, working, delivering) as installation:
            _warm_up(installation, make_studies(pictures, root / "first", 8, share=0.5, seed=0))
            click.echo("| studies/s | associations | worklist: median | 95 % | 99 % | PACS: median | 95 % | 99 % |")
            click.echo("|---|---|---|---|---|---|---|---|")
            for number, rate in enumerate(map(float, rates.split(","))):
                for held in (False, True):
                    folder = root / f"{number}{held}"
                    sent = make_studies(pictures, folder, studies, share=share, seed=number)
                    _print_latency(installation, sent, rate, held=held)
            if sustained:
                sent = make_studies(pictures, root / "sustained", PICTURES, share=flagged, seed=99)
                _print_sustained(installation, sent, sustained)
            idle = make_studies(pictures, root / "idle", 20, share=share, seed=98)
            _print_parts(costs(installation, idle, root))
        if router is not None and sustained:
            slices = make_ct(root / "ct", PICTURES, share=flagged)
            with together(router, root / "together") as running:
                _print_router("as its demo runs it", running, slices, sustained)
            with apart(router, root / "apart") as running:
                _print_router("its parts in processes of their own", running, slices, sustained)
    finally:
        shutil.rmtree(root)


def _warm_up(installation: Installation, studies: Sequence[Study]) -> None:
    at_rate(studies, 4, Scanner(installation.agent).alone)
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


def _print_sustained(installation: Installation, studies: Sequence[Study], seconds: float) -> None:
    before = installation.delivered()
    scanner, spent_so_far = Scanner(installation.agent), partial(spent, installation.process, installation.pacs_process)
    flow = measure(scanner, Fresh(studies), installation.delivered, spent_so_far, seconds)
    wait_for(before + flow.sent, installation, LONGEST)
    _print_flow("Tibabu", flow)


def _print_router(how: str, router: Router, studies: Sequence[Study], seconds: float) -> None:
    flow = measure(
        Scanner(router.peer, CTImageStorage),
        Fresh(studies),
        router.through,
        lambda: spent_by(router.processes),
        seconds,
    )
    _print_flow(f"dicom-ai-router 0.3.0, {how}", flow)


def _print_flow(system: str, flow: Flow) -> None:
    click.echo(f"\n{system}, sustained: {flow.through} studies in {flow.seconds:.1f} s: {flow.rate:.1f}/s")
    click.echo("\n| process | processor time of a study, ms |")
    click.echo("|---|---|")
    for name, seconds in flow.spent.items():
        click.echo(f"| {name} | {1000 * seconds / flow.through:.1f} |")
    click.echo(f"| together | {1000 * sum(flow.spent.values()) / flow.through:.1f} |")


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
