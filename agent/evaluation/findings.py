"""From scored images to figures: one document, JSON values only, from which the page and the terminal are made too."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Any, Final

import numpy as np

from agent import VERSION
from agent.evaluation.entries import LABELS, Entries
from agent.evaluation.scoring import ScoredImage, Scores
from agent.evaluation.subgroups import subgroups
from model.card import ModelCard
from model.curves import average_precision, histogram, precision_recall, reliability, roc
from model.evaluation import Flags, Floats, Interval, Labels, measure, number, share
from model.site import SiteData
from model.thresholds import points_on_curve

Document = dict[str, Any]

_PREVALENCES: Final = (0.02, 0.05, 0.10, 0.30)
_FEW: Final = 30
_CURVE_POINTS: Final = 400
_LIBRARIES: Final = ("tensorflow", "numpy", "pillow", "pydicom")


class Arrays:
    """A set of scored images as arrays."""

    def __init__(self, scored: Sequence[ScoredImage]) -> None:
        """Take the label, probability and patient of each image."""
        self.scored = tuple(scored)
        self.labels: Labels = np.array([one.image.entry.label for one in scored], np.int64)
        self.probabilities: Floats = np.array([one.probability for one in scored], np.float64)
        self.patients = tuple(one.image.patient for one in scored)


def document(card: ModelCard, entries: Entries, scores: Scores, *, runtime: str, at: datetime) -> Document:
    """Return everything that was found, at the operating point of `card`.

    `all` ignores the gates, `accepted` has only images that both let pass. Numbers are null where they are not defined.
    """
    accepted = [one for one in scores.scored if one.image.declined is None]
    return {
        "all": _figures(card, Arrays(scores.scored)),
        "accepted": _figures(card, Arrays(accepted)),
        "declined": _declined(scores.scored),
        "failed": _failed(scores, len(entries.entries)),
        "operating_point": card.operating_point.threshold,
        "operating_point_details": {
            "name": card.operating_point.name,
            "threshold": card.operating_point.threshold,
            "chosen_on": card.operating_point.chosen_on,
            "sensitivity": card.operating_point.sensitivity,
            "specificity": card.operating_point.specificity,
        },
        "prevalence_of_probabilities": card.prevalence,
        "model": {"name": card.name, "version": card.version, "sha256": card.sha256, "runtime": runtime},
        "images_per_second": round(scores.images_per_second, 1),
        "data": {
            "files": len(entries.entries),
            "sha256": data_digest(scores.scored),
            "same_bytes": _repeated(scores.scored),
            "patients_known": sum(one.image.patient_known for one in scores.scored),
        },
        "software": {"tibabu": VERSION, "python": python_version()} | _versions(),
        "evaluated_at": at.isoformat(timespec="seconds"),
        "notes": [*entries.notes, *_notes(scores, accepted)],
    }


def site_data(scores: Scores) -> SiteData:
    """Return the accepted images as a site's operating point is chosen on them."""
    accepted = tuple(one for one in scores.scored if one.image.declined is None)
    arrays = Arrays(accepted)
    return SiteData(
        labels=arrays.labels,
        probabilities=arrays.probabilities,
        patients=arrays.patients,
        sha256=data_digest(accepted),
    )


def data_digest(scored: Sequence[ScoredImage]) -> str:
    """Return a digest of images and labels, whatever their names and order: it tells whether these were the ones."""
    lines = sorted(f"{one.image.sha256} {one.image.entry.label}" for one in scored)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _figures(card: ModelCard, images: Arrays) -> Document:
    labels, p, patients = images.labels, images.probabilities, images.patients
    threshold = card.operating_point.threshold
    figures: Document = measure(labels, p, patients, threshold).as_json()
    figures["average_precision"] = number(average_precision(labels, p))
    figures["operating_points"] = [
        {
            "chosen_for": point.chosen_for or card.operating_point.name,
            "threshold": number(point.threshold),
            "sensitivity": _with_ci(point.sensitivity),
            "specificity": _with_ci(point.specificity),
            "precision": _with_ci(point.precision),
            "flagged": _with_ci(point.flagged),
        }
        for point in points_on_curve(labels, p, patients, threshold)
    ]
    figures["predictive_values"] = _predictive_values(figures["recall"], figures["specificity"])
    figures["subgroups"] = subgroups(images.scored, threshold)
    figures["curves"] = _curves(labels, p)
    return figures


def _curves(labels: Labels, p: Floats) -> Document:
    normal, pneumonia = histogram(labels, p)
    both = 0 < labels.sum() < len(labels)
    curves = {"roc": roc(labels, p), "precision_recall": precision_recall(labels, p)} if both else {}
    shown = {
        name: [[number(x), number(y)] for x, y in _thinned(np.stack([curve.x, curve.y], axis=1))]
        for name, curve in curves.items()
    }
    return {
        "roc": shown.get("roc", []),
        "precision_recall": shown.get("precision_recall", []),
        "reliability": [
            {"n": b.n, "predicted": number(b.predicted), "observed": number(b.observed), "ci": [b.low, b.high]}
            for b in reliability(labels, p)
        ],
        "histogram": {"NORMAL": list(normal), "PNEUMONIA": list(pneumonia)},
    }


def _thinned(points: Floats) -> Floats:
    """Leave out points where there are more than a plot can show; the first and the last stay."""
    if len(points) <= _CURVE_POINTS:
        return points
    kept: Floats = points[np.unique(np.linspace(0, len(points) - 1, _CURVE_POINTS).round().astype(int))]
    return kept


def _with_ci(interval: Interval) -> Document:
    return {"value": number(interval.value), "ci": [number(interval.low), number(interval.high)]}


def _predictive_values(sensitivity: float | None, specificity: float | None) -> list[Document]:
    """Say what a flag, or none, would mean at other prevalences if these rates held there."""
    if sensitivity is None or specificity is None:
        return []
    rows = []
    for prevalence in _PREVALENCES:
        true, false = prevalence * sensitivity, (1 - prevalence) * (1 - specificity)
        missed, right = prevalence * (1 - sensitivity), (1 - prevalence) * specificity
        rows.append(
            {
                "prevalence": prevalence,
                "ppv": number(true / (true + false)) if true + false else None,
                "npv": number(right / (right + missed)) if right + missed else None,
            }
        )
    return rows


def _declined(scored: Sequence[ScoredImage]) -> Document:
    arrays = Arrays(scored)
    declines: Flags = np.array([one.image.declined is not None for one in scored], bool)
    reasons = Counter((d.by, d.reason) for one in scored if (d := one.image.declined) is not None)

    def part(among: Flags) -> Document:
        found = share(declines, among, arrays.patients)
        return {
            "n": int(declines[among].sum()),
            "of": int(among.sum()),
            "share": number(found.value),
            "ci": [number(found.low), number(found.high)],
        }

    return part(np.ones(len(scored), bool)) | {
        "by_label": {name: part(arrays.labels == label) for label, name in enumerate(LABELS)},
        "reasons": [
            {"by": by, "reason": reason, "n": n}
            for (by, reason), n in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        ],
    }


def _failed(scores: Scores, files: int) -> Document:
    reasons = Counter(one.reason for one in scores.unreadable)
    return {
        "n": len(scores.unreadable),
        "of": files,
        "reasons": [{"reason": reason, "n": n} for reason, n in sorted(reasons.items(), key=lambda r: (-r[1], r[0]))],
        "files": [
            {"file": one.entry.name, "label": LABELS[one.entry.label], "reason": one.reason}
            for one in scores.unreadable
        ],
    }


def _repeated(scored: Sequence[ScoredImage]) -> Document:
    """Count images whose file is, byte for byte, another one's: with the same label, and with the other."""
    labels: dict[str, set[int]] = {}
    for one in scored:
        labels.setdefault(one.image.sha256, set()).add(one.image.entry.label)
    both = sum(len(found) > 1 for found in labels.values())
    return {"repeated": len(scored) - len(labels), "under_both_labels": both}


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "another build"
    return found


def _notes(scores: Scores, accepted: Sequence[ScoredImage]) -> list[str]:
    """Return what a reader of the figures should know, in sentences."""
    notes = []
    if scores.unreadable:
        notes.append(f"{len(scores.unreadable)} files could not be read: they have no score and are in no figure.")
    unknown = sum(not one.image.patient_known for one in scores.scored)
    if unknown:
        notes.append(f"Nothing tells the patient of {unknown} images: each counts as a patient of its own.")
    same = _repeated(scores.scored)
    if same["repeated"]:
        notes.append(
            f"{same['repeated']} files are byte for byte the same as another; "
            f"{same['under_both_labels']} of these images stand under both labels."
        )
    for label, name in enumerate(LABELS):
        patients = {one.image.patient for one in accepted if one.image.entry.label == label}
        if len(patients) < _FEW:
            notes.append(f"Only {len(patients)} patients of the class {name} were accepted: the figures say little.")
    return notes
