"""What the picture shows, and what its header says of where it comes from."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import SecondaryCaptureImageStorage

from agent.reports import picture
from agent.reports.document import ReportError, StudyResult
from dicom_io.errors import PixelError
from dicom_io.frames import read_frames

Study = Callable[..., StudyResult]
Radiograph = Callable[..., Path]


def rendered(result: StudyResult, **settings: object) -> Dataset:
    return dcmread(io.BytesIO(picture.render(result, picture.Settings(**settings)).data))


def bare(result: StudyResult) -> StudyResult:
    """Return the result without heat maps."""
    return replace(result, images=tuple(replace(image, heat_map=None) for image in result.images))


def middle(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the rows in the middle of the small radiograph."""
    return pixels[32:60]


def test_only_a_flagged_study_has_a_picture(study: Study, source: Path) -> None:
    """A picture that says "not flagged" would act as a rule-out."""
    assert [picture.applies(outcome) for outcome in ("flagged", "not_flagged", "not_analysed", "failed")] == [
        True,
        False,
        False,
        False,
    ]
    with pytest.raises(ReportError, match=r"expected a flagged study\. Received: outcome=failed"):
        rendered(study("failed", source))


def test_it_is_a_derived_secondary_capture_in_colour_at_the_sources_geometry(study: Study, source: Path) -> None:
    dataset = rendered(study("flagged", source))
    assert dataset.SOPClassUID == SecondaryCaptureImageStorage
    assert (dataset.Modality, dataset.ConversionType) == ("OT", "SYN")
    assert list(dataset.ImageType) == ["DERIVED", "SECONDARY"]
    assert (dataset.Columns, dataset.PhotometricInterpretation) == (80, "RGB")
    assert dataset.Rows > 96  # those of the radiograph, then those of the caption
    assert dataset.pixel_array.shape == (dataset.Rows, 80, 3)
    assert "PixelSpacing" not in dataset


def test_no_word_covers_the_radiograph_and_each_of_its_pixels_keeps_its_row_and_column(
    study: Study, source: Path
) -> None:
    shown = rendered(bare(study("flagged", source))).pixel_array
    (frame,) = read_frames(source)
    assert (shown[:96] == frame[..., None]).all()
    assert not (shown[96:] == shown[96, 0]).all()


def test_a_pixel_that_is_not_square_is_said_to_be_so(study: Study, radiograph: Radiograph) -> None:
    """Or a viewer, which knows no spacing of the picture, would show the patient squeezed."""

    def aspect(**attributes: object) -> object:
        return rendered(study("flagged", radiograph(**attributes))).get("PixelAspectRatio")

    assert aspect(ImagerPixelSpacing=["0.15", "0.2"]) == [3, 4]
    assert aspect(PixelAspectRatio=["2", "1"]) == [2, 1]
    for square in ({}, {"PixelSpacing": ["0.148", "0.148"]}, {"PixelSpacing": ["0", "0"]}):
        assert aspect(**square) is None


def test_a_picture_of_odd_size_is_padded_to_an_even_length(study: Study, source: Path) -> None:
    odd = dcmread(source)
    odd.Rows, odd.Columns = 95, 79
    odd.PixelData = odd.PixelData[: 95 * 79 * 2]
    odd.save_as(source)
    dataset = rendered(study("flagged", source))
    assert len(dataset.PixelData) == dataset.Rows * 79 * 3 + dataset.Rows % 2
    assert dataset.pixel_array.shape == (dataset.Rows, 79, 3)


def test_the_heat_map_is_laid_over_it(study: Study, source: Path) -> None:
    result = study("flagged", source)
    with_map, without = (rendered(one).pixel_array.astype(int) for one in (result, bare(result)))
    changed = np.abs(middle(with_map) - middle(without)).any(axis=2)
    hot, cold = changed[:, 18:34], changed[:, 45:]
    assert hot.mean() > 0.9
    assert not cold.any()


def test_the_opacity_of_the_heat_map_is_a_setting(study: Study, source: Path) -> None:
    result = study("flagged", source)
    strong, weak, plain = (
        middle(rendered(one, heat_map_opacity=opacity).pixel_array).astype(int)[:, 20:32]
        for one, opacity in ((result, 0.8), (result, 0.2), (bare(result), 0.2))
    )
    assert np.abs(strong - plain).mean() > 2 * np.abs(weak - plain).mean() > 0


def test_it_shows_the_flagged_image_with_the_highest_probability(study: Study, radiograph: Radiograph) -> None:
    low, high, unflagged = radiograph(), radiograph(), radiograph()
    images = (
        replace(study("flagged", low).images[0], probability=0.5),
        replace(study("flagged", high).images[0], probability=0.9),
        study("not_flagged", unflagged).images[0],
    )
    dataset = rendered(replace(study("flagged", low), images=images))
    (reference,) = dataset.SourceImageSequence
    assert reference.ReferencedSOPInstanceUID == images[1].sop_instance_uid
    assert reference.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.1"
    assert reference.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    assert reference.SpatialLocationsPreserved == "YES"


def test_it_says_that_words_are_burned_in_and_how_it_was_made(study: Study, source: Path) -> None:
    dataset = rendered(study("flagged", source))
    assert dataset.BurnedInAnnotation == "YES"
    assert "heat map" in dataset.DerivationDescription
    assert "not a diagnosis" in dataset.DerivationDescription
    assert "heat map" not in rendered(bare(study("flagged", source))).DerivationDescription


def test_once_lossy_it_stays_so(study: Study, radiograph: Radiograph) -> None:
    path = radiograph(
        LossyImageCompression="01", LossyImageCompressionRatio="12.5", LossyImageCompressionMethod="ISO_10918_1"
    )
    dataset = rendered(study("flagged", path))
    assert (dataset.LossyImageCompression, dataset.LossyImageCompressionRatio) == ("01", 12.5)
    assert dataset.LossyImageCompressionMethod == "ISO_10918_1"
    assert "LossyImageCompression" not in rendered(study("flagged", radiograph()))


def test_its_orientation_and_side_are_the_sources(study: Study, source: Path, radiograph: Radiograph) -> None:
    assert list(rendered(study("flagged", source)).PatientOrientation) == ["L", "F"]
    assert "Laterality" not in rendered(study("flagged", source))  # a chest has no sides
    hand = rendered(study("flagged", radiograph(BodyPartExamined="HAND", Laterality="R")))
    assert (hand.BodyPartExamined, hand.Laterality) == ("HAND", "R")
    assert rendered(study("flagged", radiograph()))["PatientOrientation"].is_empty


def test_an_image_that_can_no_longer_be_read_is_an_error_with_its_reason(study: Study, source: Path) -> None:
    result = study("flagged", source)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) // 2])
    with pytest.raises(PixelError):
        rendered(result)
    source.write_bytes(b"")
    with pytest.raises(ReportError, match="expected the flagged image in the store"):
        rendered(result)
