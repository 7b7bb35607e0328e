"""`tibabu compare`: two models on the same images, those on record or those of a labelled folder."""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from agent.cli.numbers import finite
from agent.cli.options import config_option, json_option, print_json
from agent.config.file import Config
from agent.process.parts import opened, utc_now
from agent.watch.comparison import on_record
from agent.watch.comparison_text import Found, Named, text_of
from model.classifier import Classifier, load
from model.comparison import Pairs
from model.comparison import compare as compared
from model.dataset import Sample, find_samples, load_gray
from model.preprocess import from_gray, to_gray_square
from model.runtime import Threads

Floats = npt.NDArray[np.float64]

_BATCH = 32


@click.command("compare", short_help="Compare two models on the same images.")
@click.argument("a", required=False)
@click.argument("b", required=False)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Score the images of this folder (NORMAL/, PNEUMONIA/) instead of reading what is on record.",
)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="On record: only images received since then (UTC).",
)
@config_option
@json_option
def compare(
    *, a: str | None, b: str | None, data: Path | None, since: datetime | None, config: Config, as_json: bool
) -> None:
    """Compare models A and B on the same images: agreement, shift of the probabilities and, with labels, who is right.

    A and B are names of models; left out, they are the configured one and the configured second one (model.shadow).
    Without --data the scores on record are compared, which a running agent in shadow mode stores. They have no labels.
    With --data both models score a labelled folder, each at its own operating point, whatever the gate would say.
    """
    first, second = a or config.model.name, b or config.model.shadow
    if not second or first == second:
        message = "name two different models, or set model.shadow"
        raise click.UsageError(message)
    if data is not None and since is not None:
        message = "--since is for what is on record: leave out --data"
        raise click.UsageError(message)
    if data is None:
        with opened(config) as database:
            started = None if since is None else since.replace(tzinfo=UTC)
            found = on_record(database, first, second, now=utc_now(), since=started)
    else:
        found = on_folder(config, data, first, second)
    if as_json:
        print_json(finite(found))
    else:
        click.echo(text_of(found))


def on_folder(config: Config, folder: Path, first: str, second: str) -> Found:
    """Let two models score a labelled folder, one after the other, and compare them there.

    Raises ModelError for a model that does not load and for a folder of another layout.
    """
    samples = find_samples(folder, patients_required=False)
    threads = Threads(intra_op=config.model.threads)
    a, b = (load(name, threads=threads, batches=(1, _BATCH), maps=False) for name in (first, second))
    with click.progressbar(length=len(samples), label="Scoring", file=sys.stderr) as bar:
        scores_a, scores_b = _scored(a, b, samples, bar.update)
    pairs = Pairs(
        a=scores_a,
        b=scores_b,
        flagged_a=scores_a >= a.card.operating_point.threshold,
        flagged_b=scores_b >= b.card.operating_point.threshold,
        patients=[sample.patient for sample in samples],
    )
    return Found(
        source=str(folder),
        a=Named(name=a.card.name, version=a.card.version, sha256=a.card.sha256),
        b=Named(name=b.card.name, version=b.card.version, sha256=b.card.sha256),
        comparison=compared(pairs, np.array([sample.label for sample in samples])),
    )


def _scored(
    a: Classifier, b: Classifier, samples: Sequence[Sample], progress: Callable[[int], object]
) -> tuple[Floats, Floats]:
    """Read every picture once and let both models score it: calibrated probabilities [n] of each."""
    found: list[tuple[float, float]] = []
    for start in range(0, len(samples), _BATCH):
        chosen = samples[start : start + _BATCH]
        images = from_gray(load_gray(chosen, lambda frame, _: to_gray_square(frame)))
        both = zip(a.score(images), b.score(images), strict=True)
        found += [(one.probability, other.probability) for one, other in both]
        progress(len(chosen))
    return np.array([one for one, _ in found]), np.array([other for _, other in found])
