"""The evaluation as one page that a hospital can print, sign and file: everything in it, nothing from elsewhere."""

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from agent.evaluation import plots
from model.card import ModelCard

_RATES: Final = {
    "auc": "Area under the ROC curve",
    "recall": "Sensitivity (recall)",
    "specificity": "Specificity",
    "precision": "Precision (positive predictive value in these images)",
    "accuracy": "Accuracy",
    "f1": "F1",
    "brier": "Brier score (0 is best)",
    "ece": "Expected calibration error, 15 bins (0 is best)",
}
_SETS: Final = {
    "accepted": "Images that the gate accepts: what the agent would analyse",
    "all": "All readable images, the gate ignored",
}


def page(found: dict[str, Any], card: ModelCard, *, list_files: bool = False) -> str:
    """Return the HTML of a document of `agent.evaluation.findings`; with `list_files` it names the unreadable files."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": _figure, "percent": _percent, "with_ci": _with_ci, "share_ci": _share_ci}
    sets = [(name, title, found[name], _plots(found[name], found["operating_point"])) for name, title in _SETS.items()]
    return environment.get_template("validation.html").render(
        found=found, card=card, sets=sets, rates=_RATES, list_files=list_files, youngest=card.age_range_years[0]
    )


def _plots(figures: dict[str, Any], threshold: float) -> list[tuple[str, Markup]]:
    """Return the title and the SVG of each plot; those of a curve only where both classes are there."""
    curves, n = figures["curves"], figures["n"]
    made = []
    if curves["roc"]:
        recall, prevalence = figures["recall"], figures["positives"] / n
        made += [
            ("ROC", plots.roc_plot(curves["roc"], figures["specificity"], recall)),
            (
                "Precision and recall",
                plots.precision_recall_plot(curves["precision_recall"], prevalence, figures["precision"], recall),
            ),
        ]
    if n:
        made += [
            ("Reliability", plots.reliability_plot(curves["reliability"])),
            *(
                (
                    f"Probabilities of {label}",
                    plots.histogram_plot(curves["histogram"][label], label, colour, threshold),
                )
                for label, colour in (("NORMAL", plots.WELL), ("PNEUMONIA", plots.ILL))
            ),
        ]
    return [(title, Markup(svg)) for title, svg in made]  # noqa: S704 (our own SVG, its texts escaped where it is made)


def _figure(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _percent(value: float | None, digits: int = 1) -> str:
    return "not defined" if value is None else f"{value:.{digits}%}"


def _with_ci(figures: dict[str, Any], name: str) -> str:
    low, high = figures["ci"][name]
    return _joined(figures[name], low, high)


def _share_ci(found: dict[str, Any], name: str = "value") -> str:
    low, high = found["ci"]
    if found[name] is None or low is None:
        return _percent(found[name])
    return f"{found[name]:.1%} ({100 * low:.1f} to {100 * high:.1f})"


def _joined(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "not defined"
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} ({low:.3f} to {high:.3f})"
