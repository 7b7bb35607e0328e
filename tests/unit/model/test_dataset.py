"""Patients are told from file names, and folds never share one."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model.dataset import Sample, assign_folds, find_samples, load_gray, patient_of
from model.errors import DatasetError
from model.preprocess import to_gray_square


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("person123_bacteria_4.jpeg", "person123"),
        ("person123_virus_5.jpeg", "person123"),
        ("person7_virus_12_34.jpeg", "person7"),
        ("IM-0123-0001.jpeg", "IM-0123"),
        ("IM-0123-0001-0002.jpeg", "IM-0123"),
        ("NORMAL2-IM-0123-0001.jpeg", "IM-0123"),
        ("NORMAL2-IM-1423-0001.jpeg", "IM-1423"),
    ],
)
def test_both_forms_of_a_name_are_one_patient(name: str, patient: str) -> None:
    assert patient_of(name) == patient


@pytest.mark.parametrize("name", ["scan.png", "person_virus.jpeg", "XIM-0001-1.jpeg", "NORMAL3-IM-0001-1.jpeg", ""])
def test_a_name_without_a_patient_gives_none(name: str) -> None:
    assert patient_of(name) is None


def test_a_person_and_an_im_of_the_same_number_are_two_patients() -> None:
    assert patient_of("person123_virus_1.jpeg") != patient_of("IM-0123-0001.jpeg")


def _samples(sizes: list[tuple[int, int]]) -> list[Sample]:
    return [
        Sample(Path(f"{patient}-{image}.png"), label, f"patient{patient}")
        for patient, (label, images) in enumerate(sizes)
        for image in range(images)
    ]


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(1, 30)), min_size=10, max_size=60),
    st.integers(2, 5),
    st.integers(0, 99),
)
def test_no_patient_is_in_two_folds_and_every_image_in_one(sizes: list[tuple[int, int]], folds: int, seed: int) -> None:
    samples = _samples([(0, 1)] * 5 + [(1, 1)] * 5 + sizes)
    assigned = assign_folds(samples, folds, seed)
    by_patient: dict[str, set[int]] = {}
    for sample, fold in zip(samples, assigned, strict=True):
        by_patient.setdefault(sample.patient, set()).add(int(fold))
    assert all(len(found) == 1 for found in by_patient.values())
    assert set(assigned) == set(range(folds))


def test_folds_have_about_the_same_mix_of_labels() -> None:
    samples = _samples([(0, 1 + i % 2) for i in range(200)] + [(1, 1 + i % 7) for i in range(150)])
    assigned = assign_folds(samples, 3, 1)
    labels = np.array([sample.label for sample in samples])
    shares = [labels[assigned == fold].mean() for fold in range(3)]
    assert max(shares) - min(shares) < 0.01
    assert max(Counter(assigned.tolist()).values()) - min(Counter(assigned.tolist()).values()) < 5


def test_folds_follow_the_seed() -> None:
    samples = _samples([(i % 2, 1 + i % 3) for i in range(60)])
    assert (assign_folds(samples, 3, 1) == assign_folds(samples, 3, 1)).all()
    assert (assign_folds(samples, 3, 1) != assign_folds(samples, 3, 2)).any()


@pytest.mark.parametrize("folds", [0, 1, 4])
def test_more_folds_than_patients_of_a_label_or_fewer_than_two_are_refused(folds: int) -> None:
    with pytest.raises(DatasetError, match="expected between 2 and 3 folds"):
        assign_folds(_samples([(0, 9)] * 3 + [(1, 2)] * 8), folds, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("NORMAL/IM-0001-0001.jpeg", "NORMAL/NORMAL2-IM-0001-0001.jpeg", "PNEUMONIA/person1_virus_1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (30, 20), 128).save(tmp_path / name)
    (tmp_path / "NORMAL" / "notes.txt").write_text("no image")
    return tmp_path


def test_the_folder_tells_the_label_and_other_files_are_left_alone(folder: Path) -> None:
    found = [(sample.path.name, sample.label, sample.patient) for sample in find_samples(folder)]
    assert found == [
        ("IM-0001-0001.jpeg", 0, "IM-0001"),
        ("NORMAL2-IM-0001-0001.jpeg", 0, "IM-0001"),
        ("person1_virus_1.png", 1, "person1"),
    ]


def test_a_folder_without_one_of_the_classes_is_refused(folder: Path) -> None:
    (folder / "PNEUMONIA" / "person1_virus_1.png").unlink()
    with pytest.raises(DatasetError, match=r"'PNEUMONIA': 0"):
        find_samples(folder)


def test_a_name_without_a_patient_is_refused_in_training_and_its_own_patient_in_an_evaluation(folder: Path) -> None:
    (folder / "NORMAL" / "IM-0001-0001.jpeg").rename(folder / "NORMAL" / "scan.jpeg")
    with pytest.raises(DatasetError, match=r"Received: scan\.jpeg"):
        find_samples(folder)
    patients = [sample.patient for sample in find_samples(folder, patients_required=False)]
    assert patients == ["IM-0001", "NORMAL/scan.jpeg", "person1"]


def test_images_are_stacked_in_order_and_colour_is_reduced(folder: Path) -> None:
    Image.new("RGB", (10, 10), (255, 255, 255)).save(folder / "PNEUMONIA" / "person2_virus_2.png")
    squares = load_gray(find_samples(folder), lambda frame, _: to_gray_square(frame, side=8))
    assert squares.shape == (4, 8, 8)
    assert squares.dtype == np.uint8
    assert squares.mean(axis=(1, 2)).tolist() == [128, 128, 128, 255]


def test_a_file_that_is_no_image_is_named(folder: Path) -> None:
    (folder / "PNEUMONIA" / "person1_virus_1.png").write_bytes(b"rubbish")
    with pytest.raises(DatasetError, match=r"person1_virus_1\.png"):
        load_gray(find_samples(folder), lambda frame, _: to_gray_square(frame))
