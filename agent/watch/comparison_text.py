"""What `tibabu compare` found, in words and numbers for people."""

from collections.abc import Iterator
from dataclasses import dataclass

from model.comparison import Agreement, Comparison, McNemar, Shift
from model.evaluation import Interval
from model.paired_auc import AucDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Which model it was, of how many images only the other one has a score, and how many it failed to score."""

    name: str
    version: str
    sha256: str
    lacking: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What `tibabu compare` says: where the scores are from, and how many jobs of the second model wait or park."""

    source: str
    a: Named
    b: Named
    waiting: int = 0
    parked: int = 0
    comparison: Comparison


def text_of(found: Found) -> str:
    """Return the whole answer."""
    return "\n".join(_lines(found))


def _lines(found: Found) -> Iterator[str]:
    comparison = found.comparison
    for letter, model in (("A", found.a), ("B", found.b)):
        yield f"{letter}  {model.name} {model.version}, sha256 {model.sha256[:12]}..."
    yield f"{comparison.images} images of {comparison.patients} patients, scored by both ({found.source})"
    yield from _left_out(found)
    yield ""
    yield from _agreement(comparison.agreement)
    yield ""
    yield from _shift(comparison.shift)
    yield ""
    yield from _against(comparison)
    yield ""
    yield "In brackets: 95 % intervals over patients."


def _left_out(found: Found) -> Iterator[str]:
    for letter, model in (("A", found.a), ("B", found.b)):
        if model.lacking:
            yield f"left out: {model.lacking} images without a score of {letter}"
        if model.failed:
            yield f"left out: {model.failed} images that {letter} could not score"
    if found.waiting or found.parked:
        yield f"the second model has yet to score {found.waiting} images; {found.parked} are parked"


def _agreement(found: Agreement) -> Iterator[str]:
    yield "Agreement"
    yield f"  both flag {found.both}, only A {found.only_a}, only B {found.only_b}, neither {found.neither}"
    yield f"  they agree on {_share(found.share)}; Cohen's kappa {_number(found.kappa)}"


def _shift(found: Shift) -> Iterator[str]:
    quantiles = dict(found.quantiles)
    spread = ", ".join(f"{share:.0%} {value:+.3f}" for share, value in found.quantiles if share not in {0.0, 0.5, 1.0})
    yield "Probabilities, B less A"
    yield f"  median {quantiles[0.5]:+.3f}; {spread}; least {quantiles[0.0]:+.3f}, most {quantiles[1.0]:+.3f}"
    yield f"  mean {found.mean.value:+.4f} ({found.mean.low:+.4f} to {found.mean.high:+.4f})"
    yield (
        f"  absolute {found.mean_absolute:.4f} on average; Kolmogorov-Smirnov distance {found.kolmogorov_smirnov:.4f}, "
        f"correlation {found.correlation:.4f}"
    )


def _against(comparison: Comparison) -> Iterator[str]:
    found = comparison.labelled
    if found is None:
        yield "There are no labels: this says how the two models differ, not which of them is right."
        return
    yield f"Against the labels ({found.positives} pneumonia, {comparison.images - found.positives} normal)"
    yield from _auc(found.auc)
    for name, test in (
        ("sensitivity", found.sensitivity), ("specificity", found.specificity), ("accuracy", found.accuracy)
    ):  # fmt: skip
        yield _mcnemar(name, test)
    yield "  McNemar's exact test counts images as independent. Images that a model was trained on flatter it."


def _auc(found: AucDifference) -> Iterator[str]:
    gap = found.difference
    yield f"  AUC A {found.a:.4f}, B {found.b:.4f}; B less A {gap.value:+.4f} ({gap.low:+.4f} to {gap.high:+.4f}),"
    yield f"      p {_p(found.p_value)} (DeLong 1988, clustered by patient after Obuchowski 1997)"


def _mcnemar(name: str, found: McNemar) -> str:
    gap = found.difference
    return (
        f"  {name:<12} only A right {found.only_a_right}, only B right {found.only_b_right}; B less A {gap.value:+.2%} "
        f"({gap.low:+.2%} to {gap.high:+.2%}), p {_p(found.p_value)} (McNemar, exact)"
    )


def _share(interval: Interval) -> str:
    return f"{interval.value:.2%} ({interval.low:.2%} to {interval.high:.2%})"


def _number(interval: Interval) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"= {value:.4f}"  # noqa: PLR2004 - below what anybody reads
