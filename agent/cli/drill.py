"""`tibabu drill`."""

import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from agent import logs
from agent.cli.options import json_option, print_json
from agent.simulation.downtime import Seen, rehearse, ward
from agent.simulation.exercises import EXERCISES, Exercise

_NAMES = {exercise.name.replace(" ", "-").lower(): exercise for exercise in EXERCISES}
_HEAD = ("exercise", "images", "answered", "delivered", "waits", "lost", "longest wait", "outage", "caught up", "seen")


@click.command(short_help="Let one thing after another fail, and see what becomes of the images.")
@click.option("--only", "only", type=click.Choice(list(_NAMES)), multiple=True, help="Only these (repeatable).")
@click.option("--studies", type=click.IntRange(1, 1000), default=10, show_default=True, help="Sent in each exercise.")
@click.option(
    "--seconds", type=click.FloatRange(1), default=20.0, show_default=True, help="How long each outage lasts."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Decides what is sent.")
@click.option("--dir", "folder", type=click.Path(file_okay=False, path_type=Path), help="Default: a new temporary one.")
@json_option
def drill(
    *, only: tuple[str, ...], studies: int, seconds: float, seed: int, folder: Path | None, as_json: bool
) -> None:
    """Let one thing after another fail in a hospital on this machine, while scanners send, and print what was seen.

    An agent with the defaults, a PACS and a RIS are started for it on free loopback ports, in a folder of their own:
    nothing of an installation on this machine is touched. It takes some ten minutes. Exit status 1 if anything was not
    seen as it has to be.
    """
    place = (folder or Path(tempfile.mkdtemp(prefix="tibabu-drill-"))).resolve()
    chosen = [_NAMES[name] for name in only] or list(EXERCISES)
    tell = _say_nothing if as_json else _tell
    logs.configure(level="ERROR")  # of this process, which is PACS and RIS; the agent has a log of its own
    with ward(place) as here:
        seen = list(rehearse(here, chosen, studies=studies, seconds=seconds, seed=seed, tell=tell))
    if as_json:
        print_json({"folder": place, "exercises": [asdict(one) for one in seen]})
    else:
        _print(seen, place)
    if not all(one.as_expected for one in seen):
        raise SystemExit(1)


def _tell(exercise: Exercise) -> None:
    click.echo(f"{exercise.name}: {exercise.expected}.")


def _say_nothing(_exercise: Exercise) -> None:
    pass


def _print(seen: list[Seen], folder: Path) -> None:
    rows = [_HEAD, *map(_row, seen)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    click.echo()
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for one in seen:
        for surprise in one.surprises:
            click.echo(f"{one.name}: {surprise}")
    sent, accepted = sum(one.objects for one in seen), sum(one.accepted for one in seen)
    delivered, lost = sum(one.delivered for one in seen), seen[-1].lost
    click.echo(f"\n{sent} images were sent, {accepted} accepted, {delivered} are delivered, {lost} lost.")
    click.echo(f"Ledgers and logs lie in {folder}")


def _row(one: Seen) -> tuple[str, ...]:
    answers = ", ".join(f"{count} x {name}" for name, count in sorted(one.answers.items()))
    return (
        one.name,
        str(one.objects),
        answers,
        str(one.delivered),
        str(one.accounted_for),
        str(one.lost),
        f"{one.longest_wait:.1f} s",
        f"{one.outage:.0f} s",
        f"{one.caught_up:.1f} s",
        "as expected" if one.as_expected else "NOT as expected",
    )
