"""Is the model of any use on adults, whom the pixel gate lets pass? The age rule must decline them if it is not.

    python benchmarks/gate_adults.py [--shared ../shared/data] [--model NAME] [--json]

Scores every image of cxr-adult with the shipped model. `radiologist`: the RSNA challenge's reading where there is one,
Lung Opacity against the two classes without, and against Normal alone; `text`: pneumonia among the NIH's labels, which
were mined from reports. Intervals: bootstrap over patients, 1,000 draws.
"""

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from agent.line.gate import GateSettings, decide
from dicom_io.header import Header
from model.classifier import DEFAULT, load
from model.pixel_gate import load_pixel_gate
from model.preprocess import to_input

DRAWS: Final = 1000
SEED: Final = 3
BATCH: Final = 32


def main(arguments: list[str]) -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", default=DEFAULT)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    found = measured(options.shared / "cxr-adult", options.model)
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    for key, value in found.items():
        shown = value
        if isinstance(value, dict):
            low, high = value["interval"]
            shown = f"AUC {value['auc']:.3f} ({low:.3f} to {high:.3f}), n {value['n']}, {value['positive']} positive"
        sys.stdout.write(f"{key}: {shown}\n")


def measured(folder: Path, name: str) -> dict[str, Any]:
    """Score the adults and count."""
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    frames = [_read(folder / "images" / row["file"]) for row in rows]
    classifier, gate = load(name), load_pixel_gate()
    scores = np.array(
        [
            one.probability
            for start in range(0, len(frames), BATCH)
            for one in classifier.score(np.stack([to_input(frame) for frame in frames[start : start + BATCH]]))
        ]
    )
    patients = np.array([row["patient_id"] for row in rows])
    rsna = np.array([row["rsna_class"] for row in rows])
    text = np.array(["Pneumonia" in row["nih_labels"] for row in rows])
    healthy = np.array([row["nih_labels"] == "No Finding" for row in rows])
    flagged, sick, normal = (
        scores >= classifier.card.operating_point.threshold,
        rsna == "Lung Opacity",
        rsna == "Normal",
    )
    return {
        "model": f"{classifier.card.name} {classifier.card.sha256[:12]}",
        "images": len(rows),
        "pass the pixel gate": sum(gate.check(frame) is None for frame in frames),
        "pass the age rule": sum(_passes_the_age_rule(row["age"], classifier.card.age_range_years) for row in rows),
        "radiologist, opacity against none": _auc(scores, sick, rsna != "", patients),
        "radiologist, opacity against normal": _auc(scores, sick, sick | normal, patients),
        "text, pneumonia against none": _auc(scores, text, np.ones(len(rows), bool), patients),
        "flagged among No Finding": f"{flagged[healthy].sum()} of {healthy.sum()}",
        "flagged among Lung Opacity (radiologist)": f"{flagged[sick].sum()} of {sick.sum()}",
        "flagged among Normal (radiologist)": f"{flagged[normal].sum()} of {normal.sum()}",
    }


def _passes_the_age_rule(age: str, age_range: tuple[float, float]) -> bool:
    header = Header(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1",
        modality="CR",
        body_part_examined="CHEST",
        view_position="PA",
        patient_age=f"{int(age):03d}Y",
    )
    return decide(header, GateSettings(age_range_years=age_range), calling_ae_title="") is None


def _auc(scores: np.ndarray, positive: np.ndarray, used: np.ndarray, patients: np.ndarray) -> dict[str, Any]:
    scores, positive, patients = scores[used], positive[used], patients[used]
    rows_of = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    random = np.random.default_rng(SEED)
    drawn = []
    for _ in range(DRAWS):
        rows = np.concatenate([rows_of[index] for index in random.integers(0, len(rows_of), len(rows_of))])
        if 0 < positive[rows].sum() < len(rows):
            drawn.append(_area(scores[rows], positive[rows]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    area = _area(scores, positive)
    return {"auc": area, "interval": (float(low), float(high)), "n": len(scores), "positive": int(positive.sum())}


def _area(scores: np.ndarray, positive: np.ndarray) -> float:
    """Return the area under the ROC curve: the share of pairs in the right order, ties counting half."""
    one, other = scores[positive][:, np.newaxis], scores[~positive]
    return float(((one > other) + 0.5 * (one == other)).mean())


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"))


if __name__ == "__main__":
    main(sys.argv[1:])
