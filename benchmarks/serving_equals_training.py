"""The same radiograph in the forms in which hospitals send it: how far its logit moves from that of the training JPEG.

Each image is scored by the member of the ensemble that never saw its patient. Everything is read by the product's own
code: JPEG by `dicom_io.image_files`, DICOM by `dicom_io.frames`.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from dicom_io.frames import read_frames
from dicom_io.image_files import read_picture
from model.card import ModelCard
from model.classifier import DEFAULT, load_member, verify
from model.dataset import Sample, assign_folds, find_samples
from model.preprocess import Input, to_input

Gray = npt.NDArray[np.uint8]
DATA = Path(__file__).parents[2] / "shared" / "data" / "cxr-train"
CHUNK = 8
CR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One way of storing a radiograph.

    `used` is the part of the possible values that the image takes, as detectors leave room at both ends; `window` says
    whether the header has the window that shows exactly that part.
    """

    name: str
    bits: int = 8
    inverted: bool = False
    window: bool = True
    used: tuple[float, float] = (0.0, 1.0)
    side: int = 0
    syntax: UID = ExplicitVRLittleEndian
    options: dict[str, object] = field(default_factory=dict)


DETECTOR = (0.06, 0.83)
FORMS = (
    Form(name="8 bit MONOCHROME2, window"),
    Form(name="8 bit MONOCHROME2, no window", window=False),
    Form(name="8 bit MONOCHROME1, window", inverted=True),
    Form(name="8 bit MONOCHROME1, no window", inverted=True, window=False),
    *(
        Form(
            name=f"{bits} bit MONOCHROME{1 if inverted else 2}, {'window' if window else 'no window'}",
            bits=bits,
            inverted=inverted,
            window=window,
            used=DETECTOR,
        )
        for bits in (12, 16)
        for inverted in (True, False)
        for window in (True, False)
    ),
    Form(name="12 bit, window, 2000 x 2000", bits=12, used=DETECTOR, side=2000),
    Form(name="12 bit, no window, 2000 x 2000", bits=12, used=DETECTOR, side=2000, window=False),
    Form(name="12 bit, JPEG 2000 lossless", bits=12, used=DETECTOR, syntax=JPEG2000Lossless),
    Form(name="12 bit, JPEG 2000 10:1", bits=12, used=DETECTOR, syntax=JPEG2000, options={"j2k_cr": [10]}),
    Form(name="12 bit, JPEG-LS", bits=12, used=DETECTOR, syntax=JPEGLSLossless),
    Form(name="16 bit MONOCHROME1, JPEG-LS", bits=16, inverted=True, used=DETECTOR, syntax=JPEGLSLossless),
    Form(name="12 bit, RLE", bits=12, used=DETECTOR, syntax=RLELossless),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How one form's logits differ from the JPEG's, and in what share of images the outcome is the same."""

    form: str
    median: float
    percentile95: float
    largest: float
    same_outcome: float


def write_form(gray: Gray, form: Form, target: Path) -> Path:
    """Write a gray picture, uint8 [rows, columns], as a DICOM file of this form."""
    if form.side:
        gray = np.asarray(Image.fromarray(gray).resize((form.side, form.side), Image.Resampling.BICUBIC))
    largest = (1 << form.bits) - 1
    low, high = (round(share * largest) for share in form.used)
    share = (255 - gray if form.inverted else gray) / 255.0
    stored = np.rint(low + share * (high - low)).astype(np.uint8 if form.bits == 8 else np.uint16)  # noqa: PLR2004 - bits of a byte
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CR_IMAGE_STORAGE, generate_uid()
    dataset.Modality, dataset.SamplesPerPixel, dataset.PixelRepresentation = "CR", 1, 0
    dataset.PhotometricInterpretation = "MONOCHROME1" if form.inverted else "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8 * stored.itemsize, form.bits, form.bits - 1
    if form.window:
        dataset.WindowCenter, dataset.WindowWidth = f"{(low + high + 1) / 2:g}", high - low + 1
    dataset.PixelData = stored.tobytes()
    if form.syntax != ExplicitVRLittleEndian:
        dataset.compress(form.syntax, generate_instance_uid=False, **form.options)
    dataset.save_as(target, enforce_file_format=True)
    return target


def chosen_samples(card: ModelCard, data: Path, count: int) -> list[tuple[Sample, int]]:
    """Pick images evenly from both classes, each with the fold whose member never saw its patient."""
    samples = find_samples(data)
    folds = assign_folds(samples, card.training.folds, card.training.seed)
    picked = np.unique(np.linspace(0, len(samples) - 1, count).round().astype(int))
    return [(samples[index], int(folds[index])) for index in picked]


def differences(
    chosen: Sequence[tuple[Sample, int]], name: str, forms: Sequence[Form], advance: Callable[[int], object]
) -> Iterator[Difference]:
    """Score every image as JPEG and in every form, and compare."""
    card = verify(name)
    logits = np.zeros((len(chosen), 1 + len(forms)))
    with tempfile.TemporaryDirectory(prefix="tibabu-forms-") as folder:
        for fold in sorted({fold for _, fold in chosen}):
            member = load_member(name, fold, batches=(CHUNK,))
            for row, (sample, its_fold) in enumerate(chosen):
                if its_fold == fold:
                    scores = member.score(np.stack(list(_inputs(sample.path, forms, Path(folder)))))
                    logits[row] = [score.score for score in scores]
                    advance(1)
    flagged = card.calibration.probability(logits) >= card.operating_point.threshold
    for column, form in enumerate(forms, start=1):
        moved = np.abs(logits[:, column] - logits[:, 0])
        yield Difference(
            form=form.name,
            median=float(np.median(moved)),
            percentile95=float(np.percentile(moved, 95)),
            largest=float(moved.max()),
            same_outcome=float((flagged[:, column] == flagged[:, 0]).mean()),
        )


def _inputs(jpeg: Path, forms: Sequence[Form], folder: Path) -> Iterator[Input]:
    picture = read_picture(jpeg)
    yield to_input(picture)
    gray = np.asarray(Image.fromarray(picture).convert("L"))
    for form in forms:
        (frame,) = read_frames(write_form(gray, form, folder / "form.dcm"))
        yield to_input(frame)


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), default=DATA, help="NORMAL/ and PNEUMONIA/.")
@click.option("--images", type=click.IntRange(8), default=200, show_default=True, help="Evenly from both classes.")
@click.option("--model", "name", default=DEFAULT, show_default=True, help="A model of the zoo.")
def main(data: Path, images: int, name: str) -> None:
    """Print a table of logit differences against the training JPEG, by form."""
    card = verify(name)
    chosen = chosen_samples(card, data, images)
    with click.progressbar(length=len(chosen), label="Scoring", show_pos=True) as bar:
        found = list(differences(chosen, name, FORMS, bar.update))
    click.echo(
        f"\n{name} {card.version} {card.sha256[:12]}, {len(chosen)} images; calibration slope of the logit "
        f"{card.calibration.slope:.2f}\n"
    )
    click.echo("| form | median | 95th percentile | largest | same outcome |\n|---|---|---|---|---|")
    for one in found:
        click.echo(
            f"| {one.form} | {one.median:.3f} | {one.percentile95:.3f} | {one.largest:.3f} | {one.same_outcome:.1%} |"
        )


if __name__ == "__main__":
    main()
